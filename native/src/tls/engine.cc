#include "engine.h"

#include <string>
#include <utility>

#include "faces.h"

namespace percore::tls {

namespace {

constexpr uint32_t kIndexBits = 20;
constexpr uint32_t kSessionsMax = 1u << kIndexBits;
constexpr uint32_t kGenerationMask = 0x7ff;  // handles stay positive 31-bit numbers

Napi::Value Text(Napi::Env env, const char* text) {
  return text == nullptr ? env.Null() : Napi::String::New(env, text);
}

// Null or nothing = empty. False when it is neither text nor bytes.
bool Optional(const Napi::Value& value, std::string* bytes) {
  return value.IsNull() || value.IsUndefined() || Bytes(value, bytes);
}

Napi::Value Der(Napi::Env env, X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  auto array = Napi::Uint8Array::New(env, size > 0 ? static_cast<size_t>(size) : 0);
  if (array.IsEmpty() || size <= 0) return array;
  uint8_t* to = array.Data();
  i2d_X509(certificate, &to);
  return array;
}

}  // namespace

Napi::Function Engine::Define(Napi::Env env) {
  return DefineClass(
      env, "TlsEngine",
      {InstanceMethod<&Engine::Open>("open"), InstanceMethod<&Engine::Choose>("choose"),
       InstanceMethod<&Engine::Info>("info"), InstanceMethod<&Engine::PeerCertificates>("peerCertificates"),
       InstanceMethod<&Engine::TakeSession>("takeSession"), InstanceMethod<&Engine::Failure>("failure"),
       InstanceMethod<&Engine::ServerName>("serverName"), InstanceMethod<&Engine::Close>("close"),
       InstanceMethod<&Engine::Sessions>("sessions")});
}

Engine::Engine(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Engine>(info), scratch_(std::make_unique<uint8_t[]>(kRecordBytesMax)) {
  if (!info[0].IsArrayBuffer() || !info[1].IsTypedArray() ||
      info[1].As<Napi::TypedArray>().TypedArrayType() != napi_int32_array ||
      info[1].As<Napi::TypedArray>().ElementLength() < kWords) {
    Throw(info.Env(), "openEngine(arena, words): an ArrayBuffer and an Int32Array of TLS.words");
    return;
  }
  auto arena = info[0].As<Napi::ArrayBuffer>();
  arena_ = static_cast<uint8_t*>(arena.Data());
  arena_size_ = arena.ByteLength();
  words_ = info[1].As<Napi::Int32Array>().Data();
  // Both are used without being asked for again: they must live as long as this.
  Napi::Object self = Value();
  self.Set("arena", info[0]);
  self.Set("words", info[1]);
  // Not a method: to find what a method's receiver wraps takes longer than the rest of a call. It keeps this alive by
  // itself.
  napi_value run = nullptr;
  if (napi_create_function(info.Env(), "run", NAPI_AUTO_LENGTH, Run, this, &run) != napi_ok) return;
  Napi::Function(info.Env(), run).Set("engine", self);
  self.Set("run", Napi::Value(info.Env(), run));
}

Session* Engine::Find(uint32_t handle) const {
  const uint32_t index = handle & (kSessionsMax - 1);
  if (index >= slots_.size() || slots_[index].generation != handle >> kIndexBits) return nullptr;
  return slots_[index].session.get();
}

Session* Engine::Find(const Napi::CallbackInfo& info) const {
  return info[0].IsNumber() ? Find(info[0].As<Napi::Number>().Uint32Value()) : nullptr;
}

Napi::Value Engine::Open(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const ContextFace* context = InstanceOf<ContextFace>(info[0], Classes::Of(env)->context);
  ClientOptions client;
  if (context == nullptr || !Optional(info[1], &client.server_name) || !Optional(info[2], &client.verify_name) ||
      !Optional(info[3], &client.alpn)) {
    return Throw(env, "open(context, serverName, verifyName, alpn, session): a SecureContext, then text or null");
  }
  if (info[4].IsExternal()) client.resume = info[4].As<Napi::External<SSL_SESSION>>().Data();
  if (free_.empty() && slots_.size() == kSessionsMax) return Napi::Number::New(env, -1);
  std::unique_ptr<Session> session = Session::Make(context->context(), client);
  if (session == nullptr) return Napi::Number::New(env, -1);
  uint32_t index = 0;
  if (free_.empty()) {
    index = static_cast<uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  slots_[index].session = std::move(session);
  live_++;
  return Napi::Number::New(env, slots_[index].generation << kIndexBits | index);
}

uint8_t* Engine::Range(size_t offset_word, size_t length_word, size_t* length) const {
  const auto offset = static_cast<uint32_t>(words_[offset_word]);
  const auto size = static_cast<uint32_t>(words_[length_word]);
  const bool inside = size_t{offset} + size <= arena_size_;
  *length = inside ? size : 0;
  return arena_ + (inside ? offset : 0);
}

// The one call on the hot path: no argument, no object. Everything is in the words.
napi_value Engine::Run(napi_env env, napi_callback_info info) {
  void* self = nullptr;
  napi_get_cb_info(env, info, nullptr, nullptr, nullptr, &self);
  auto* engine = static_cast<Engine*>(self);
  Session* session = engine->Find(static_cast<uint32_t>(engine->words_[kHandle]));
  if (session == nullptr) {
    napi_throw_type_error(env, nullptr, "run: no such session");
    return nullptr;
  }
  engine->Carry(session);
  napi_value flags = nullptr;
  napi_create_uint32(env, session->flags(), &flags);
  return flags;
}

// Carries out what the words ask for, and writes the answer into them.
void Engine::Carry(Session* session) {
  const auto actions = static_cast<uint32_t>(words_[kActions]);
  Io io;
  io.in = Range(kInOffset, kInLength, &io.in_length);
  io.out = Range(kOutOffset, kOutLength, &io.out_length);
  io.spill = Range(kSpillOffset, kSpillLength, &io.spill_length);
  size_t taken = 0;
  if ((actions & kRead) != 0) session->Read(&io);
  if ((actions & kSmallRecords) != 0) session->BeginBurst();
  if ((actions & kUpdateKeys) != 0) session->UpdateKeys(&io);
  if ((actions & kWrite) != 0) {
    Part parts[kPartsMax];
    size_t count = 0;
    const size_t asked = std::min(static_cast<size_t>(static_cast<uint32_t>(words_[kPartCount])), kPartsMax);
    for (size_t at = 0; at < asked; at++) {
      size_t length = 0;
      const uint8_t* data = Range(kParts + 2 * at, kParts + 2 * at + 1, &length);
      if (length > 0) parts[count++] = {.data = data, .length = length};
    }
    taken = session->Write(&io, parts, count, scratch_.get());
  }
  if ((actions & kShutdown) != 0) session->Shutdown(&io);
  words_[kInUsed] = static_cast<int32_t>(io.in_used);
  words_[kPlainLength] = static_cast<int32_t>(io.plain_length);
  words_[kSpillUsed] = static_cast<int32_t>(io.spill_used);
  words_[kOutUsed] = static_cast<int32_t>(io.out_used);
  words_[kTaken] = static_cast<int32_t>(taken);
  words_[kPartial] = session->partial();
  words_[kAlertSent] = session->alert_sent();
  words_[kAlertReceived] = session->alert_received();
}

Napi::Value Engine::Choose(const Napi::CallbackInfo& info) {
  Session* session = Find(info);
  if (session == nullptr) return Throw(info.Env(), "choose: no such session");
  if (info[1].IsNumber()) {
    session->Choose(nullptr, info[1].As<Napi::Number>().Int32Value());
    return info.Env().Undefined();
  }
  const ContextFace* context = InstanceOf<ContextFace>(info[1], Classes::Of(info.Env())->context);
  if (context == nullptr) return Throw(info.Env(), "choose(handle, context): a SecureContext or an alert's number");
  session->Choose(context->context(), 0);
  return info.Env().Undefined();
}

Napi::Value Engine::Info(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Session* session = Find(info);
  if (session == nullptr) return env.Null();
  const ErrorQueue queue;
  SSL* ssl = session->ssl();
  const long verified = SSL_get_verify_result(ssl);
  Napi::Object object = Napi::Object::New(env);
  object.Set("version", Napi::Number::New(env, SSL_version(ssl)));
  object.Set("protocol", Text(env, SSL_get_version(ssl)));
  const SSL_CIPHER* cipher = SSL_get_current_cipher(ssl);
  object.Set("cipher", Text(env, cipher == nullptr ? nullptr : SSL_CIPHER_standard_name(cipher)));
  // OpenSSL 3.0 looks for it in the session without asking whether there is one.
  const bool has_session = SSL_get0_session(ssl) != nullptr;
  const int group = has_session ? static_cast<int>(SSL_get_negotiated_group(ssl)) : 0;
  object.Set("group", Text(env, group == 0 ? nullptr : SSL_group_to_name(ssl, group)));
  object.Set("alpn", Napi::Number::New(env, session->alpn()));
  object.Set("serverName", Text(env, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)));
  object.Set("resumed", Napi::Boolean::New(env, SSL_session_reused(ssl) == 1));
  object.Set("hasPeerCertificate", Napi::Boolean::New(env, SSL_get0_peer_certificate(ssl) != nullptr));
  object.Set("verifyError", Napi::Number::New(env, static_cast<double>(verified)));
  object.Set("verifyReason", verified == X509_V_OK ? env.Null() : Text(env, X509_verify_cert_error_string(verified)));
  return object;
}

Napi::Value Engine::PeerCertificates(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  Napi::Array list = Napi::Array::New(env);
  const Session* session = Find(info);
  X509* own = session == nullptr ? nullptr : SSL_get0_peer_certificate(session->ssl());
  if (own == nullptr) return list;
  const ErrorQueue queue;
  list.Set(0u, Der(env, own));
  uint32_t count = 1;
  // A client's chain has its own certificate first; of a server that sees a client it has the others only.
  const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session->ssl());
  for (int at = 0; chain != nullptr && at < sk_X509_num(chain); at++) {
    X509* certificate = sk_X509_value(chain, at);
    if (at > 0 || X509_cmp(certificate, own) != 0) list.Set(count++, Der(env, certificate));
  }
  return list;
}

Napi::Value Engine::TakeSession(const Napi::CallbackInfo& info) {
  Session* session = Find(info);
  UniqueSslSession taken = session == nullptr ? nullptr : session->TakeSession();
  if (taken == nullptr) return info.Env().Null();
  return Napi::External<SSL_SESSION>::New(info.Env(), taken.release(),
                                          [](Napi::Env, SSL_SESSION* given) { SSL_SESSION_free(given); });
}

Napi::Value Engine::Failure(const Napi::CallbackInfo& info) {
  const Session* session = Find(info);
  if (session == nullptr || (session->flags() & kFailed) == 0) return info.Env().Null();
  return Napi::String::New(info.Env(), session->failure());
}

Napi::Value Engine::ServerName(const Napi::CallbackInfo& info) {
  const Session* session = Find(info);
  if (session == nullptr || session->server_name().empty()) return info.Env().Null();
  return Napi::String::New(info.Env(), session->server_name());
}

Napi::Value Engine::Close(const Napi::CallbackInfo& info) {
  if (Find(info) == nullptr) return Napi::Boolean::New(info.Env(), false);
  const uint32_t index = info[0].As<Napi::Number>().Uint32Value() & (kSessionsMax - 1);
  slots_[index].session.reset();
  slots_[index].generation = (slots_[index].generation + 1) & kGenerationMask;
  free_.push_back(index);
  live_--;
  return Napi::Boolean::New(info.Env(), true);
}

Napi::Value Engine::Sessions(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(live_));
}

Napi::Value OpenEngine(const Napi::CallbackInfo& info) {
  return Classes::Of(info.Env())->engine.New({info[0], info[1]}).UnwrapOr(Napi::Object());
}

}  // namespace percore::tls

#include "faces.h"

#include <chrono>
#include <utility>

namespace percore::tls {

namespace {

constexpr size_t kGivenKeysMax = 16;

Napi::Value Get(const Napi::Object& object, const char* name) {
  return object.Get(name).UnwrapOr(object.Env().Undefined());
}

int Int(const Napi::Object& object, const char* name, int otherwise) {
  const Napi::Value value = Get(object, name);
  return value.IsNumber() ? value.As<Napi::Number>().Int32Value() : otherwise;
}

bool Bool(const Napi::Object& object, const char* name, bool otherwise) {
  const Napi::Value value = Get(object, name);
  return value.IsBoolean() ? value.As<Napi::Boolean>().Value() : otherwise;
}

// A property that is text or bytes; nothing when it is missing. False when it is something else.
bool Text(const Napi::Object& object, const char* name, std::string* text) {
  const Napi::Value value = Get(object, name);
  return value.IsUndefined() || Bytes(value, text);
}

bool Texts(const Napi::Object& object, const char* name, std::vector<std::string>* list) {
  const Napi::Value value = Get(object, name);
  if (value.IsUndefined()) return true;
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  for (uint32_t at = 0; at < array.Length(); at++) {
    std::string text;
    if (!Bytes(array.Get(at).UnwrapOr(object.Env().Undefined()), &text)) return false;
    list->push_back(std::move(text));
  }
  return true;
}

bool Certificates(const Napi::Object& object, std::vector<CertificateSource>* list) {
  const Napi::Value value = Get(object, "certificates");
  if (value.IsUndefined()) return true;
  if (!value.IsArray()) return false;
  const auto array = value.As<Napi::Array>();
  for (uint32_t at = 0; at < array.Length(); at++) {
    const Napi::Value item = array.Get(at).UnwrapOr(object.Env().Undefined());
    if (!item.IsObject()) return false;
    const auto from = item.As<Napi::Object>();
    CertificateSource source;
    source.has_passphrase = !Get(from, "passphrase").IsUndefined();
    if (!Text(from, "chain", &source.chain) || !Text(from, "key", &source.key.text) ||
        !Text(from, "passphrase", &source.passphrase.text) || !Text(from, "ocsp", &source.ocsp)) {
      return false;
    }
    list->push_back(std::move(source));
  }
  return true;
}

bool VerifyOf(const Napi::Object& object, Verify* verify) {
  std::string text = "none";
  if (!Text(object, "verify", &text)) return false;
  if (text == "none")
    *verify = Verify::kNone;
  else if (text == "request")
    *verify = Verify::kRequest;
  else if (text == "optional")
    *verify = Verify::kOptional;
  else if (text == "require")
    *verify = Verify::kRequire;
  else
    return false;
  return true;
}

}  // namespace

bool Bytes(const Napi::Value& value, std::string* bytes) {
  if (value.IsString()) {
    *bytes = value.As<Napi::String>().Utf8Value();
    return true;
  }
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return false;
  auto array = value.As<Napi::Uint8Array>();
  bytes->assign(reinterpret_cast<const char*>(array.Data()), array.ByteLength());
  return true;
}

Napi::Function TicketRingFace::Define(Napi::Env env) {
  return DefineClass(env, "TicketRing",
                     {InstanceMethod<&TicketRingFace::SetPolicy>("setPolicy"),
                      InstanceMethod<&TicketRingFace::Give>("give"), InstanceMethod<&TicketRingFace::Rotate>("rotate"),
                      InstanceMethod<&TicketRingFace::Size>("size"), InstanceMethod<&TicketRingFace::Close>("close")});
}

TicketRingFace::TicketRingFace(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TicketRingFace>(info) {
  std::string name;
  if (!Bytes(info[0], &name)) {
    Throw(info.Env(), "openTicketRing(name): text");
    return;
  }
  ring_ = TicketRing::Open(name);
}

Napi::Value TicketRingFace::SetPolicy(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber() || !info[1].IsNumber()) return Throw(info.Env(), "setPolicy(rotateS, keepS): two numbers");
  const int64_t rotate = info[0].As<Napi::Number>().Int64Value();
  const int64_t keep = info[1].As<Napi::Number>().Int64Value();
  if (rotate < 1 || keep < 0) return Throw(info.Env(), "setPolicy: rotateS >= 1 and keepS >= 0");
  if (ring_ != nullptr) ring_->SetPolicy(std::chrono::seconds(rotate), std::chrono::seconds(keep));
  return info.Env().Undefined();
}

Napi::Value TicketRingFace::Give(const Napi::CallbackInfo& info) {
  Secret keys;
  if (!Bytes(info[0], &keys.text) || info[0].IsString() || keys.text.empty() ||
      keys.text.size() % kTicketKeyBytes != 0 || keys.text.size() / kTicketKeyBytes > kGivenKeysMax) {
    return Throw(info.Env(), "give(keys): a Uint8Array of 1 to 16 keys of 80 bytes");
  }
  if (ring_ != nullptr) {
    ring_->Give(reinterpret_cast<const uint8_t*>(keys.text.data()), keys.text.size() / kTicketKeyBytes);
  }
  return info.Env().Undefined();
}

Napi::Value TicketRingFace::Rotate(const Napi::CallbackInfo& info) {
  const ErrorQueue queue;
  return Napi::Boolean::New(info.Env(), ring_ != nullptr && ring_->Rotate());
}

Napi::Value TicketRingFace::Size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), ring_ == nullptr ? 0.0 : static_cast<double>(ring_->size()));
}

Napi::Value TicketRingFace::Close(const Napi::CallbackInfo& info) {
  ring_.reset();
  return info.Env().Undefined();
}

Napi::Function ContextFace::Define(Napi::Env env) {
  return DefineClass(env, "SecureContext", {InstanceMethod<&ContextFace::SetOcsp>("setOcsp")});
}

ContextFace::ContextFace(const Napi::CallbackInfo& info) : Napi::ObjectWrap<ContextFace>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    Throw(info.Env(), "a SecureContext is made by makeContext");
    return;
  }
  context_ = *info[0].As<Napi::External<std::shared_ptr<Context>>>().Data();
}

Napi::Value ContextFace::SetOcsp(const Napi::CallbackInfo& info) {
  std::string der;
  const uint32_t index = info[0].IsNumber() ? info[0].As<Napi::Number>().Uint32Value() : UINT32_MAX;
  if (index >= context_->certificates() || (!info[1].IsNull() && !Bytes(info[1], &der))) {
    return Throw(info.Env(), "setOcsp(index, der): the position of a certificate, and bytes or null");
  }
  context_->SetOcsp(index, std::move(der));
  return info.Env().Undefined();
}

Napi::Value OpenTicketRing(const Napi::CallbackInfo& info) {
  return Classes::Of(info.Env())->ring.New({info[0]}).UnwrapOr(Napi::Object());
}

Napi::Value MakeContext(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject()) return Throw(env, "makeContext(options): an object");
  const auto options = info[0].As<Napi::Object>();
  ContextSource source;
  source.server = Bool(options, "server", true);
  source.version_min = Int(options, "versionMin", TLS1_2_VERSION);
  source.version_max = Int(options, "versionMax", TLS1_3_VERSION);
  source.ticket_count = Int(options, "ticketCount", 1);
  source.ticket_lifetime_s = Int(options, "ticketLifetimeS", 7200);
  source.server_preference = Bool(options, "serverPreference", true);
  source.client_hello = Bool(options, "clientHello", false);
  if (!Certificates(options, &source.certificates)) {
    return Throw(env,
                 "makeContext: certificates is an array of { chain, key, passphrase?, ocsp? }, text or Uint8Array");
  }
  if (!Texts(options, "ca", &source.authorities) || !Texts(options, "crl", &source.crls) ||
      !Texts(options, "groups", &source.groups)) {
    return Throw(env, "makeContext: ca, crl and groups are arrays of text or Uint8Array");
  }
  if (!VerifyOf(options, &source.verify)) {
    return Throw(env, "makeContext: verify is \"none\", \"request\", \"optional\" or \"require\"");
  }
  if (!Text(options, "ciphers", &source.ciphers) || !Text(options, "ciphersuites", &source.ciphersuites) ||
      !Text(options, "alpn", &source.alpn) || !Text(options, "sessionIdContext", &source.session_id_context)) {
    return Throw(env, "makeContext: ciphers, ciphersuites, alpn and sessionIdContext are text or Uint8Array");
  }
  const Napi::Value tickets = Get(options, "tickets");
  if (!tickets.IsUndefined() && !tickets.IsNull()) {
    const TicketRingFace* ring = InstanceOf<TicketRingFace>(tickets, Classes::Of(env)->ring);
    if (ring == nullptr || ring->ring() == nullptr) return Throw(env, "makeContext: tickets is an open TicketRing");
    source.tickets = ring->ring();
  }
  if (source.version_min < TLS1_2_VERSION || source.version_max > TLS1_3_VERSION || source.ticket_count < 0 ||
      source.ticket_count > 8 || source.ticket_lifetime_s < 1) {
    return Throw(env, "makeContext: a version, ticketCount or ticketLifetimeS is out of range");
  }
  ContextFailure failure;
  std::shared_ptr<Context> context = Context::Make(std::move(source), &failure);
  if (context == nullptr) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("step", Napi::String::New(env, failure.step));
    object.Set("index", Napi::Number::New(env, failure.index));
    object.Set("reason", Napi::String::New(env, failure.reason));
    return object;
  }
  const auto handle = Napi::External<std::shared_ptr<Context>>::New(env, &context);
  return Classes::Of(env)->context.New({handle}).UnwrapOr(Napi::Object());
}

}  // namespace percore::tls

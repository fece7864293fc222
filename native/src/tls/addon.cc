// The entry of the TLS addon. It is apart from the other one, so that a node without exported OpenSSL still has rings.
#include <napi.h>
#include <openssl/crypto.h>

#include "control.h"
#include "engine.h"
#include "faces.h"

namespace percore::tls {

namespace {

Napi::Object Words(Napi::Env env) {
  Napi::Object object = Napi::Object::New(env);
  const std::pair<const char*, size_t> figures[] = {
      {"handle", kHandle},
      {"actions", kActions},
      {"inOffset", kInOffset},
      {"inLength", kInLength},
      {"spillOffset", kSpillOffset},
      {"spillLength", kSpillLength},
      {"outOffset", kOutOffset},
      {"outLength", kOutLength},
      {"partCount", kPartCount},
      {"inUsed", kInUsed},
      {"plainLength", kPlainLength},
      {"spillUsed", kSpillUsed},
      {"outUsed", kOutUsed},
      {"taken", kTaken},
      {"partial", kPartial},
      {"alertSent", kAlertSent},
      {"alertReceived", kAlertReceived},
      {"parts", kParts},
      {"partsMax", kPartsMax},
      {"words", kWords},
      {"read", kRead},
      {"write", kWrite},
      {"shutdown", kShutdown},
      {"smallRecords", kSmallRecords},
      {"updateKeys", kUpdateKeys},
      {"established", kEstablished},
      {"peerClosed", kPeerClosed},
      {"needsRoom", kNeedsRoom},
      {"needsSpill", kNeedsSpill},
      {"awaitsContext", kAwaitsContext},
      {"hasSessions", kHasSessions},
      {"failed", kFailed},
      {"recordBytesMax", kRecordBytesMax},
      {"recordOverheadMax", kRecordOverheadMax},
      {"smallRecordBytes", kSmallRecordBytes},
  };
  for (const auto& [name, value] : figures) object.Set(name, Napi::Number::New(env, static_cast<double>(value)));
  return object;
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* classes = new Classes();
  classes->engine = Napi::Persistent(Engine::Define(env));
  classes->context = Napi::Persistent(ContextFace::Define(env));
  classes->ring = Napi::Persistent(TicketRingFace::Define(env));
  env.SetInstanceData(classes);
  exports.Set("TLS", Words(env));
  exports.Set("opensslVersion", Napi::Number::New(env, static_cast<double>(OpenSSL_version_num())));
  exports.Set("openEngine", Napi::Function::New<OpenEngine>(env, "openEngine"));
  exports.Set("makeContext", Napi::Function::New<MakeContext>(env, "makeContext"));
  exports.Set("openTicketRing", Napi::Function::New<OpenTicketRing>(env, "openTicketRing"));
  return exports;
}

}  // namespace

NODE_API_MODULE(percore_tls, Init)

}  // namespace percore::tls

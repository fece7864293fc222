// The addon's entry: it only exports.
#include <napi.h>

#include "constants.h"
#include "environment.h"
#include "native-ring.h"
#include "probe.h"
#include "syscalls.h"

namespace percore {

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  environment->ring_class = Napi::Persistent(NativeRing::Define(env));
  env.SetInstanceData(environment);
  ExportConstants(env, exports);
  ExportSyscalls(env, exports);
  exports.Set("openRing", Napi::Function::New<OpenRing>(env, "openRing"));
  exports.Set("probeRing", Napi::Function::New<ProbeRing>(env, "probeRing"));
  return exports;
}

}  // namespace

NODE_API_MODULE(percore, Init)

}  // namespace percore

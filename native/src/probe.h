// What the running kernel lets us do, for `percore doctor`.
#ifndef PERCORE_PROBE_H_
#define PERCORE_PROBE_H_

#include <napi.h>

namespace percore {

Napi::Value ProbeRing(const Napi::CallbackInfo& info);

}  // namespace percore

#endif  // PERCORE_PROBE_H_

// The numbers of the platform and of the ABI, as JavaScript objects.
#ifndef PERCORE_CONSTANTS_H_
#define PERCORE_CONSTANTS_H_

#include <napi.h>

namespace percore {

// Sets LAYOUT, USER_DATA, DESCRIPTOR, COUNTERS, OP, RING, constants and errno.
void ExportConstants(Napi::Env env, Napi::Object exports);

}  // namespace percore

#endif  // PERCORE_CONSTANTS_H_

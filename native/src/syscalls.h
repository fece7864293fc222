// Synchronous system calls: a value >= 0 or -errno.
#ifndef PERCORE_SYSCALLS_H_
#define PERCORE_SYSCALLS_H_

#include <napi.h>

namespace percore {

void ExportSyscalls(Napi::Env env, Napi::Object exports);

}  // namespace percore

#endif  // PERCORE_SYSCALLS_H_

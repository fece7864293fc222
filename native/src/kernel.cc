#include "kernel.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace percore {

namespace {

// The same numbers on every architecture: io_uring came after the tables were unified.
constexpr long kSysSetup = 425;
constexpr long kSysEnter = 426;
constexpr long kSysRegister = 427;

int Answer(long result) {
  return result < 0 ? -errno : static_cast<int>(result);
}

uint64_t Pages(uint64_t bytes) {
  return (bytes + 4095) & ~uint64_t{4095};
}

}  // namespace

int RingSetup(uint32_t entries, RingParams* params) {
  return Answer(::syscall(kSysSetup, entries, params));
}

int RingEnter(int fd, uint32_t submit, uint32_t min_complete, uint32_t flags, const void* arg, size_t arg_size) {
  return Answer(::syscall(kSysEnter, fd, submit, min_complete, flags, arg, arg_size));
}

int RingRegister(int fd, uint32_t opcode, void* arg, uint32_t count) {
  return Answer(::syscall(kSysRegister, fd, opcode, arg, count));
}

uint64_t RingMemory(uint32_t sq_entries, uint32_t cq_entries, uint32_t buffer_entries) {
  return Pages(uint64_t{cq_entries} * sizeof(Cqe) + 4096) + Pages(uint64_t{sq_entries} * sizeof(Sqe)) +
         Pages(uint64_t{buffer_entries} * sizeof(BufferEntry));
}

}  // namespace percore

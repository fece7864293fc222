#include "descriptors.h"

#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace percore {

namespace {

// Numbers beyond this cannot be tracked; the table is memory that is reserved and never touched, so it may be large.
constexpr size_t kTableMax = size_t{1} << 26;
constexpr size_t kTableMin = size_t{1} << 16;

void ResetOnClose(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace

int Descriptors::Create() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return -errno;
  const size_t size = std::clamp(static_cast<size_t>(limit.rlim_max), kTableMin, kTableMax);
  return table_.Map((size + 4095) & ~size_t{4095});
}

void Descriptors::Adopt(int fd) {
  if (fd < 0 || static_cast<size_t>(fd) >= size()) return;
  if (data()[fd] == kNone) data()[fd] = kStream;  // SO_LINGER on something else fails and harms nothing
}

void Descriptors::Close(int fd) {
  if (fd < 0) return;
  if (static_cast<size_t>(fd) < size()) data()[fd] = kNone;
  ::close(fd);
}

void Descriptors::CloseAll() {
  uint8_t* table = data();
  if (table == nullptr) return;
  for (size_t at = 0; at < size(); at += sizeof(uint64_t)) {
    uint64_t eight;
    std::memcpy(&eight, table + at, sizeof eight);
    if (eight == 0) continue;
    for (size_t fd = at; fd < at + sizeof(uint64_t); fd++) {
      if (table[fd] == kNone) continue;
      if (table[fd] == kStream) ResetOnClose(static_cast<int>(fd));
      table[fd] = kNone;
      ::close(static_cast<int>(fd));
    }
  }
}

}  // namespace percore

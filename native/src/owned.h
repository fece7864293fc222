// Owners of what the kernel gives us: one descriptor, one mapping. Move-only.
#ifndef PERCORE_OWNED_H_
#define PERCORE_OWNED_H_

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace percore {

// Owns one descriptor. release() hands it to whoever will close it.
class UniqueFd {
 public:
  explicit UniqueFd(int fd = -1) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() { reset(); }
  [[nodiscard]] int get() const noexcept { return fd_; }
  [[nodiscard]] bool ok() const noexcept { return fd_ >= 0; }
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

// Owns one mapping.
class Mapping {
 public:
  Mapping() noexcept = default;
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Mapping() { reset(); }

  // Maps `size` bytes of `fd` at `offset`, or zeroed private memory when fd is -1. 0 or -errno.
  [[nodiscard]] int Map(size_t size, int fd = -1, uint64_t offset = 0) noexcept {
    reset();
    const int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED | MAP_POPULATE;
    void* address = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, fd, static_cast<off_t>(offset));
    if (address == MAP_FAILED) return -errno;
    // A child process must not share the rings: it could only harm them.
    ::madvise(address, size, MADV_DONTFORK);
    address_ = static_cast<uint8_t*>(address);
    size_ = size;
    return 0;
  }
  [[nodiscard]] uint8_t* get() const noexcept { return address_; }
  [[nodiscard]] size_t size() const noexcept { return size_; }
  void reset() noexcept {
    if (address_ != nullptr) ::munmap(std::exchange(address_, nullptr), std::exchange(size_, 0));
  }

 private:
  uint8_t* address_ = nullptr;
  size_t size_ = 0;
};

}  // namespace percore

#endif  // PERCORE_OWNED_H_

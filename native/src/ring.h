// The uring driver: the kernel's own rings, mapped.
#ifndef PERCORE_RING_H_
#define PERCORE_RING_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "driver.h"
#include "owned.h"

namespace percore {

class UringDriver final : public Driver {
 public:
  // Sets up, maps, registers and tries out a ring, with room for `buffer_entries` provided buffers (a power of two) in
  // locked memory. nullptr with `failure` filled when anything required is missing.
  static std::unique_ptr<UringDriver> Open(uint32_t sq_entries, uint32_t cq_entries, uint32_t buffer_entries,
                                           int backend_fd, Failure* failure);
  ~UringDriver() override;

  [[nodiscard]] int Enter(int timeout_ms) override;
  [[nodiscard]] bool TakeBackend() override;
  [[nodiscard]] int Submit() override;
  [[nodiscard]] bool Supports(uint8_t op) const override;
  [[nodiscard]] int RegisterBuffers(uint16_t group, uint8_t* ring, uint32_t entries) override;
  [[nodiscard]] int UnregisterBuffers(uint16_t group) override;
  void Forget(int) override {}
  void Cancel(Descriptors* descriptors) override;

 private:
  UringDriver() = default;
  bool Setup(uint32_t sq_entries, uint32_t cq_entries, Failure* failure);
  bool MapRings(const RingParams& params, Failure* failure);
  bool RegisterAll(Failure* failure);
  // A multishot receive over a socketpair: proves enter, provided buffers and multishot in one go. 0 or -errno.
  [[nodiscard]] int TryReceive(uint32_t buffer_entries);

  [[nodiscard]] int EnterRing(uint32_t min_complete, uint32_t flags, int timeout_ms);
  [[nodiscard]] Sqe* Push();
  void ArmBackend();
  // Looks at completions that are new since the last time: counts them and notices our own.
  void Scan();
  void SkipInternal();
  // Remembers the CLOSEs among the `count` submissions from `head` on, until they complete.
  void NoteCloses(uint32_t head, uint32_t count);
  void FinishClose(const Cqe& cqe);

  UniqueFd ring_;
  int enter_fd_ = -1;
  uint32_t enter_flags_ = 0;
  Mapping rings_;
  Mapping sqes_;
  Probe probe_{};
  int backend_fd_ = -1;
  bool backend_armed_ = false;
  bool backend_fired_ = false;
  uint32_t scanned_ = 0;
  struct PendingClose {
    uint64_t user_data;
    int fd;
  };
  // Nearly always empty: only files with a flush of their own (overlay, FUSE, NFS) are not closed at submission.
  std::vector<PendingClose> closes_;
  // Set by teardown: a CLOSE that it cancelled is carried out here.
  Descriptors* ending_ = nullptr;
};

}  // namespace percore

#endif  // PERCORE_RING_H_

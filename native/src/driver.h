// What both drivers are to the loop: a pair of rings in memory and a way to hand over and wait.
#ifndef PERCORE_DRIVER_H_
#define PERCORE_DRIVER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "descriptors.h"
#include "kernel.h"

namespace percore {

// A range of process memory that submissions may point into.
struct Arena {
  uint8_t* base = nullptr;
  uint64_t size = 0;
  [[nodiscard]] bool Holds(uint64_t address, uint64_t length) const {
    const uint64_t start = reinterpret_cast<uint64_t>(base);
    return address >= start && length <= size && address - start <= size - length;
  }
};

struct Failure {
  const char* step = nullptr;
  int error = 0;  // positive errno, 0 = an answer that is not enough
  std::string detail;
  uint64_t memlock_needed = 0;
};

struct Counters {
  uint64_t enters = 0, waits = 0, submitted = 0, completions = 0, overflows = 0, turns = 0, batches = 0, inflight = 0;
};

// The rings as pointers. Heads and tails are shared with the kernel (uring) or with JavaScript only (poll); all of it
// happens on one thread, so acquire and release only keep the compiler honest.
struct RingView {
  uint8_t* rings = nullptr;
  uint64_t rings_size = 0;
  Sqe* sqes = nullptr;
  Cqe* cqes = nullptr;
  uint32_t *sq_head = nullptr, *sq_tail = nullptr, *sq_flags = nullptr, *sq_dropped = nullptr;
  uint32_t *cq_head = nullptr, *cq_tail = nullptr, *cq_overflow = nullptr;
  uint32_t sq_entries = 0, sq_mask = 0, cq_entries = 0, cq_mask = 0;

  static uint32_t Load(const uint32_t* at) {
    return std::atomic_ref(*const_cast<uint32_t*>(at)).load(std::memory_order_acquire);
  }
  static void Store(uint32_t* at, uint32_t value) { std::atomic_ref(*at).store(value, std::memory_order_release); }

  [[nodiscard]] uint32_t Queued() const { return Load(sq_tail) - Load(sq_head); }
  [[nodiscard]] uint32_t Ready() const { return Load(cq_tail) - Load(cq_head); }
  [[nodiscard]] bool Overflowed() const { return (Load(sq_flags) & kSqCqOverflow) != 0; }
};

class Driver {
 public:
  Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;
  virtual ~Driver() = default;

  // Submits what is queued, then waits until there is a completion, the loop's descriptor is readable, or the time is
  // over (-1: no limit, 0: do not wait). 0, or -errno when the ring is broken for good.
  [[nodiscard]] virtual int Enter(int timeout_ms) = 0;
  // Whether libuv's descriptor became readable since the last call.
  [[nodiscard]] virtual bool TakeBackend() = 0;
  // Submits without waiting. The number taken or -errno.
  [[nodiscard]] virtual int Submit() = 0;

  [[nodiscard]] virtual bool Supports(uint8_t op) const = 0;
  [[nodiscard]] virtual int RegisterBuffers(uint16_t group, uint8_t* ring, uint32_t entries) = 0;
  [[nodiscard]] virtual int UnregisterBuffers(uint16_t group) = 0;
  // Somebody closes this descriptor without a CLOSE in the ring.
  virtual void Forget(int fd) = 0;

  // Cancels and reaps; queued CLOSEs are carried out and descriptors in unreaped completions entered into the table.
  // After it no memory of ours is written any more, except by work that `Idle` still reports.
  virtual void Cancel(Descriptors* descriptors) = 0;
  // False while work outside the ring (a thread pool) still uses the arena; `on_idle` is called when that ends.
  [[nodiscard]] virtual bool Idle() const { return true; }
  virtual void OnIdle(std::function<void()>) {}

  [[nodiscard]] const RingView& view() const { return view_; }
  [[nodiscard]] Counters& counters() { return counters_; }
  [[nodiscard]] uint32_t setup_flags() const { return setup_flags_; }
  [[nodiscard]] uint32_t features() const { return features_; }

 protected:
  RingView view_;
  Counters counters_;
  uint32_t setup_flags_ = 0;
  uint32_t features_ = 0;
};

}  // namespace percore

#endif  // PERCORE_DRIVER_H_

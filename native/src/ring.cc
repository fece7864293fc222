#include "ring.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace percore {

namespace {

constexpr uint32_t kRequiredFlags = kSetupSingleIssuer | kSetupDeferTaskrun | kSetupCqsize | kSetupClamp;
// Wished for, in the order in which they are given up when the kernel knows them not.
constexpr std::array<uint32_t, 3> kWishedFlags = {kSetupNoSqarray, kSetupCoopTaskrun, kSetupSubmitAll};
// The memory of a ring just closed is given back by a kernel thread a moment later: worth a short wait.
constexpr int kMemoryRetries = 10;
constexpr timespec kMemoryRetryPause = {.tv_sec = 0, .tv_nsec = 5'000'000};
// How long teardown waits for one completion, and how often, before it gives up on what cannot be cancelled.
constexpr int kReapWaitMs = 100;
constexpr int kReapRounds = 100;
constexpr uint16_t kTrialGroup = 0xffff;

// Makes a call again while what another ring has just given up may still be charged.
template <typename Call>
int WithMemory(Call call) {
  int result = call();
  for (int retry = 0; result == -ENOMEM && retry < kMemoryRetries; retry++) {
    ::nanosleep(&kMemoryRetryPause, nullptr);
    result = call();
  }
  return result;
}

bool Fail(Failure* failure, const char* step, int error, std::string detail) {
  *failure = Failure{.step = step, .error = error < 0 ? -error : error, .detail = std::move(detail)};
  return false;
}

// The sentence for a ring that does not fit into the locked-memory limit, with the numbers.
std::string MemlockDetail(uint64_t needed) {
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  const std::string have =
      limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur / 1024) + " KiB";
  return "the ring needs " + std::to_string(needed / 1024) +
         " KiB of locked memory (per ring, charged to the user), the limit is " + have + " (ulimit -l)";
}

bool FailMemlock(Failure* failure, const char* step, uint64_t needed) {
  Fail(failure, step, ENOMEM, MemlockDetail(needed));
  failure->memlock_needed = needed;
  return false;
}

}  // namespace

std::unique_ptr<UringDriver> UringDriver::Open(uint32_t sq_entries, uint32_t cq_entries, uint32_t buffer_entries,
                                               int backend_fd, Failure* failure) {
  const uint64_t needed = RingMemory(sq_entries, cq_entries, buffer_entries);
  std::unique_ptr<UringDriver> driver(new UringDriver());
  driver->backend_fd_ = backend_fd;
  if (!driver->Setup(sq_entries, cq_entries, failure) || !driver->RegisterAll(failure)) {
    if (failure->error == ENOMEM) FailMemlock(failure, failure->step, needed);
    return nullptr;
  }
  if (const int error = driver->TryReceive(buffer_entries); error == -ENOMEM) {
    FailMemlock(failure, "register", needed);
    return nullptr;
  } else if (error < 0) {
    // Registering worked: with these two it is io_uring_enter that is not to be used.
    const bool forbidden = error == -EPERM || error == -ENOSYS;
    Fail(failure, "probe", error,
         forbidden ? "io_uring_enter refused: forbidden by seccomp"
                   : "a multishot receive with provided buffers does not work on this kernel (6.1 is needed)");
    return nullptr;
  }
  driver->counters_ = Counters{};
  return driver;
}

UringDriver::~UringDriver() {
  if ((enter_flags_ & kEnterRegisteredRing) == 0) return;
  // The registered index is a reference of the thread: without this the ring would live as long as the thread.
  RsrcUpdate update{.offset = static_cast<uint32_t>(enter_fd_), .resv = 0, .data = 0};
  (void)RingRegister(ring_.get(), kUnregisterRingFds, &update, 1);
}

bool UringDriver::Setup(uint32_t sq_entries, uint32_t cq_entries, Failure* failure) {
  uint32_t flags = kRequiredFlags;
  for (const uint32_t wished : kWishedFlags) flags |= wished;
  RingParams params{};
  int result = -EINVAL;
  for (size_t dropped = 0;;) {
    result = WithMemory([&] {
      params = RingParams{};
      params.flags = flags;
      params.cq_entries = cq_entries;
      return RingSetup(sq_entries, &params);
    });
    if (result != -EINVAL || dropped == kWishedFlags.size()) break;
    flags &= ~kWishedFlags[dropped++];
  }
  if (result < 0) {
    switch (-result) {
      case EINVAL:
        return Fail(failure, "setup", result,
                    "io_uring without SINGLE_ISSUER or DEFER_TASKRUN: Linux 6.1 or newer is needed");
      case EPERM:
        return Fail(failure, "setup", result,
                    "io_uring refused: forbidden by seccomp or by the sysctl kernel.io_uring_disabled");
      case ENOSYS:
        return Fail(failure, "setup", result, "io_uring refused: not in this kernel, or forbidden by seccomp");
      case ENOMEM: return Fail(failure, "setup", result, "io_uring refused: not enough locked memory");
      default: return Fail(failure, "setup", result, "io_uring_setup failed");
    }
  }
  ring_ = UniqueFd(result);
  enter_fd_ = result;
  setup_flags_ = params.flags;
  features_ = params.features;
  if ((features_ & kFeatureSingleMmap) == 0 || (features_ & kFeatureExtArg) == 0 || (features_ & kFeatureNodrop) == 0) {
    return Fail(failure, "probe", 0, "io_uring without SINGLE_MMAP, EXT_ARG or NODROP: the kernel is too old");
  }
  return MapRings(params, failure);
}

bool UringDriver::MapRings(const RingParams& params, Failure* failure) {
  const uint64_t sq_size = params.sq_off.array + uint64_t{params.sq_entries} * sizeof(uint32_t);
  const uint64_t cq_size = params.cq_off.cqes + uint64_t{params.cq_entries} * sizeof(Cqe);
  const uint64_t size = (setup_flags_ & kSetupNoSqarray) != 0 ? cq_size : std::max(sq_size, cq_size);
  if (const int error = rings_.Map(size, ring_.get(), kOffsetSqRing); error < 0) {
    return Fail(failure, "mmap", error, "the rings could not be mapped");
  }
  if (const int error = sqes_.Map(uint64_t{params.sq_entries} * sizeof(Sqe), ring_.get(), kOffsetSqes); error < 0) {
    return Fail(failure, "mmap", error, "the submission entries could not be mapped");
  }
  uint8_t* base = rings_.get();
  const auto at = [base](uint32_t offset) { return reinterpret_cast<uint32_t*>(base + offset); };
  view_.rings = base;
  view_.rings_size = size;
  view_.sqes = reinterpret_cast<Sqe*>(sqes_.get());
  view_.cqes = reinterpret_cast<Cqe*>(base + params.cq_off.cqes);
  view_.sq_head = at(params.sq_off.head);
  view_.sq_tail = at(params.sq_off.tail);
  view_.sq_flags = at(params.sq_off.flags);
  view_.sq_dropped = at(params.sq_off.dropped);
  view_.cq_head = at(params.cq_off.head);
  view_.cq_tail = at(params.cq_off.tail);
  view_.cq_overflow = at(params.cq_off.overflow);
  view_.sq_entries = params.sq_entries;
  view_.sq_mask = params.sq_entries - 1;
  view_.cq_entries = params.cq_entries;
  view_.cq_mask = params.cq_entries - 1;
  if ((setup_flags_ & kSetupNoSqarray) == 0) {
    uint32_t* array = at(params.sq_off.array);
    for (uint32_t slot = 0; slot < params.sq_entries; slot++) array[slot] = slot;
  }
  return true;
}

bool UringDriver::RegisterAll(Failure* failure) {
  if (const int error = RingRegister(ring_.get(), kRegisterProbe, &probe_, kProbeOps); error < 0) {
    return Fail(failure, "register", error, "io_uring_register refused: forbidden by seccomp");
  }
  for (const uint8_t op :
       {kOpPollAdd, kOpSendmsg, kOpAccept, kOpAsyncCancel, kOpConnect, kOpClose, kOpSend, kOpRecv, kOpShutdown}) {
    if (!Supports(op)) return Fail(failure, "probe", 0, "the kernel lacks io_uring operation " + std::to_string(op));
  }
  RsrcUpdate update{.offset = 0xffffffff, .resv = 0, .data = static_cast<uint64_t>(ring_.get())};
  // Only faster: without it every enter looks the descriptor up.
  if (RingRegister(ring_.get(), kRegisterRingFds, &update, 1) == 1) {
    enter_fd_ = static_cast<int>(update.offset);
    enter_flags_ = kEnterRegisteredRing;
  }
  return true;
}

int UringDriver::TryReceive(uint32_t buffer_entries) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return -errno;
  const UniqueFd reader(pair[0]);
  UniqueFd writer(pair[1]);
  Mapping memory;
  const size_t ring = std::max<size_t>(buffer_entries * sizeof(BufferEntry), 4096);
  if (const int error = memory.Map(ring + 4096); error < 0) return error;
  if (const int error = RegisterBuffers(kTrialGroup, memory.get(), buffer_entries); error < 0) return error;
  auto* entry = reinterpret_cast<BufferEntry*>(memory.get());
  entry->addr = reinterpret_cast<uint64_t>(memory.get() + ring);
  entry->len = 4096;
  entry->bid = 0;
  entry->resv = 1;

  Sqe* sqe = Push();
  sqe->opcode = kOpRecv;
  sqe->flags = kSqeBufferSelect;
  sqe->ioprio = kRecvMultishot;
  sqe->fd = reader.get();
  sqe->buf = kTrialGroup;
  sqe->user_data = 0;
  int error = ::write(writer.get(), "x", 1) == 1 ? EnterRing(1, kEnterGetevents, 1000) : -errno;
  const uint32_t head = RingView::Load(view_.cq_head);
  const Cqe first = view_.cqes[head & view_.cq_mask];
  if (error >= 0 &&
      (view_.Ready() == 0 || first.res != 1 || (first.flags & kCqeBuffer) == 0 || (first.flags & kCqeMore) == 0)) {
    error = view_.Ready() != 0 && first.res < 0 ? first.res : -EOPNOTSUPP;
  }
  // The end of the stream ends the receive; nothing of the trial may stay behind in the ring.
  writer.reset();
  RingView::Store(view_.cq_head, RingView::Load(view_.cq_tail));
  for (int round = 0; error >= 0 && counters_.inflight != 0; round++) {
    error = round < 10 ? EnterRing(1, kEnterGetevents, 1000) : -ETIME;
    RingView::Store(view_.cq_head, RingView::Load(view_.cq_tail));
  }
  const int unregistered = UnregisterBuffers(kTrialGroup);
  return error < 0 ? error : std::min(unregistered, 0);
}

int UringDriver::Enter(int timeout_ms) {
  if (!backend_armed_) ArmBackend();
  const bool overflowed = view_.Overflowed();
  if (overflowed) counters_.overflows++;
  const bool wait = timeout_ms != 0 && !overflowed && view_.Ready() == 0;
  counters_.waits += wait;
  const int result = EnterRing(wait ? 1 : 0, kEnterGetevents, timeout_ms);
  SkipInternal();
  switch (-result) {
    case EINTR:   // a signal: libuv handles it, its descriptor is readable
    case ETIME:   // a timer is due
    case EBUSY:   // completions overflow and the ring is full: JavaScript must reap first
    case EAGAIN:  // the kernel is short of memory for a moment; what is queued stays queued
      return 0;
    default: return std::min(result, 0);
  }
}

int UringDriver::EnterRing(uint32_t min_complete, uint32_t flags, int timeout_ms) {
  const uint32_t head = RingView::Load(view_.sq_head);
  const uint32_t queued = RingView::Load(view_.sq_tail) - head;
  KernelTimespec until{.sec = timeout_ms / 1000, .nsec = (timeout_ms % 1000) * 1'000'000l};
  GetEventsArg arg{.timespec = reinterpret_cast<uint64_t>(&until)};
  counters_.enters++;
  const bool timed = min_complete != 0 && timeout_ms > 0;
  const int result =
      timed ? RingEnter(enter_fd_, queued, min_complete, flags | enter_flags_ | kEnterExtArg, &arg, sizeof arg)
            : RingEnter(enter_fd_, queued, min_complete, flags | enter_flags_, nullptr, 0);
  const uint32_t taken = RingView::Load(view_.sq_head) - head;
  counters_.submitted += taken;
  counters_.inflight += taken;
  NoteCloses(head, taken);
  Scan();
  return result < 0 ? result : static_cast<int>(taken);
}

bool UringDriver::TakeBackend() {
  return std::exchange(backend_fired_, false);
}

int UringDriver::Submit() {
  return EnterRing(0, 0, 0);
}

Sqe* UringDriver::Push() {
  if (view_.Queued() == view_.sq_entries && (EnterRing(0, 0, 0) < 0 || view_.Queued() == view_.sq_entries))
    return nullptr;
  const uint32_t tail = RingView::Load(view_.sq_tail);
  Sqe* sqe = &view_.sqes[tail & view_.sq_mask];
  *sqe = Sqe{};
  sqe->user_data = kInternalUserData;
  // Published before it is filled: the kernel reads it in the next enter of this thread, not before.
  RingView::Store(view_.sq_tail, tail + 1);
  return sqe;
}

void UringDriver::ArmBackend() {
  if (backend_fd_ < 0) return;
  Sqe* sqe = Push();
  if (sqe == nullptr) return;
  sqe->opcode = kOpPollAdd;
  sqe->fd = backend_fd_;
  sqe->op_flags = POLLIN;
  backend_armed_ = true;
}

void UringDriver::Scan() {
  const uint32_t tail = RingView::Load(view_.cq_tail);
  counters_.completions += tail - scanned_;
  for (; scanned_ != tail; scanned_++) {
    const Cqe& cqe = view_.cqes[scanned_ & view_.cq_mask];
    if ((cqe.flags & kCqeMore) == 0) counters_.inflight--;
    if (!closes_.empty()) FinishClose(cqe);
    if (!IsInternal(cqe)) continue;
    backend_fired_ = true;
    backend_armed_ = false;
  }
}

void UringDriver::NoteCloses(uint32_t head, uint32_t count) {
  for (uint32_t at = head; at != head + count; at++) {
    const Sqe& sqe = view_.sqes[at & view_.sq_mask];
    if (sqe.opcode == kOpClose) closes_.push_back({.user_data = sqe.user_data, .fd = sqe.fd});
  }
}

void UringDriver::FinishClose(const Cqe& cqe) {
  const auto found = std::find_if(closes_.begin(), closes_.end(),
                                  [&cqe](const PendingClose& close) { return close.user_data == cqe.user_data; });
  if (found == closes_.end()) return;
  if (ending_ != nullptr && cqe.res == -ECANCELED) ending_->Close(found->fd);
  closes_.erase(found);
}

void UringDriver::SkipInternal() {
  const uint32_t tail = RingView::Load(view_.cq_tail);
  uint32_t head = RingView::Load(view_.cq_head);
  if (head == tail || !IsInternal(view_.cqes[head & view_.cq_mask])) return;
  while (head != tail && IsInternal(view_.cqes[head & view_.cq_mask])) head++;
  RingView::Store(view_.cq_head, head);
}

bool UringDriver::Supports(uint8_t op) const {
  return op <= probe_.last_op && op < kProbeOps && (probe_.ops[op].flags & 1) != 0;
}

int UringDriver::RegisterBuffers(uint16_t group, uint8_t* ring, uint32_t entries) {
  BufferRingRegistration registration{
      .ring_addr = reinterpret_cast<uint64_t>(ring), .ring_entries = entries, .group = group};
  const int result = WithMemory([&] { return RingRegister(ring_.get(), kRegisterPbufRing, &registration, 1); });
  // The kernel takes heads from 0; a tail left by an earlier use would offer buffers that are not there.
  if (result == 0) reinterpret_cast<BufferEntry*>(ring)->resv = 0;
  return result;
}

int UringDriver::UnregisterBuffers(uint16_t group) {
  BufferRingRegistration registration{.group = group};
  return RingRegister(ring_.get(), kUnregisterPbufRing, &registration, 1);
}

void UringDriver::Cancel(Descriptors* descriptors) {
  // What was queued and not submitted never happens, except that descriptors given up are closed.
  const uint32_t tail = RingView::Load(view_.sq_tail);
  for (uint32_t at = RingView::Load(view_.sq_head); at != tail; at++) {
    const Sqe& sqe = view_.sqes[at & view_.sq_mask];
    if (sqe.opcode == kOpClose) descriptors->Close(sqe.fd);
  }
  RingView::Store(view_.sq_tail, RingView::Load(view_.sq_head));
  backend_armed_ = true;
  ending_ = descriptors;
  for (int round = 0; round < kReapRounds; round++) {
    const uint32_t end = RingView::Load(view_.cq_tail);
    for (uint32_t at = RingView::Load(view_.cq_head); at != end; at++) {
      const Cqe& cqe = view_.cqes[at & view_.cq_mask];
      if (BringsDescriptor(cqe)) descriptors->Adopt(cqe.res);
    }
    RingView::Store(view_.cq_head, end);
    if (counters_.inflight == 0 && !view_.Overflowed()) return;
    if (Sqe* sqe = Push(); sqe != nullptr) {
      sqe->opcode = kOpAsyncCancel;
      sqe->fd = -1;
      sqe->op_flags = kCancelAny | kCancelAll;
    }
    (void)EnterRing(view_.Overflowed() ? 0 : 1, kEnterGetevents, kReapWaitMs);
  }
}

}  // namespace percore

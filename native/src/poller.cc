#include "poller.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace percore {

namespace {

constexpr uint64_t kBackendTag = ~uint64_t{0};

// Offsets of the shared words in `rings`, heads and tails of the two rings on cache lines of their own.
constexpr size_t kSqWords = 0;
constexpr size_t kCqWords = 64;
constexpr size_t kCqes = 128;

bool Fail(Failure* failure, const char* step, int error, const char* detail) {
  *failure = Failure{.step = step, .error = -error, .detail = detail};
  return false;
}

}  // namespace

std::unique_ptr<PollDriver> PollDriver::Open(uint32_t sq_entries, uint32_t cq_entries, const Arena& arena,
                                             uv_loop_t* loop, Failure* failure) {
  std::unique_ptr<PollDriver> driver(new PollDriver(arena, loop));
  return driver->Create(sq_entries, cq_entries, failure) ? std::move(driver) : nullptr;
}

bool PollDriver::Create(uint32_t sq_entries, uint32_t cq_entries, Failure* failure) {
  epoll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_.ok()) return Fail(failure, "epoll", -errno, "epoll_create1 failed");
  // Level-triggered: as long as libuv has something to do, every wait says so.
  epoll_event event{.events = EPOLLIN, .data = {.u64 = kBackendTag}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, uv_backend_fd(loop_), &event) != 0) {
    return Fail(failure, "epoll", -errno, "libuv's descriptor could not be watched");
  }
  const uint64_t size = kCqes + uint64_t{cq_entries} * sizeof(Cqe);
  int error = rings_.Map(size);
  if (error == 0) error = sqes_.Map(uint64_t{sq_entries} * sizeof(Sqe));
  if (error < 0) return Fail(failure, "mmap", error, "no memory for the rings");
  auto* sq = reinterpret_cast<uint32_t*>(rings_.get() + kSqWords);
  auto* cq = reinterpret_cast<uint32_t*>(rings_.get() + kCqWords);
  view_ = RingView{.rings = rings_.get(),
                   .rings_size = size,
                   .sqes = reinterpret_cast<Sqe*>(sqes_.get()),
                   .cqes = reinterpret_cast<Cqe*>(rings_.get() + kCqes),
                   .sq_head = sq,
                   .sq_tail = sq + 1,
                   .sq_flags = sq + 2,
                   .sq_dropped = sq + 3,
                   .cq_head = cq,
                   .cq_tail = cq + 1,
                   .cq_overflow = cq + 2,
                   .sq_entries = sq_entries,
                   .sq_mask = sq_entries - 1,
                   .cq_entries = cq_entries,
                   .cq_mask = cq_entries - 1};
  return true;
}

int PollDriver::Enter(int timeout_ms) {
  counters_.enters++;
  FlushBacklog();
  RunQueue();
  RunReady();
  const bool wait = timeout_ms != 0 && ready_.empty() && view_.Ready() == 0;
  counters_.waits += wait;
  const int count = ::epoll_wait(epoll_.get(), events_.data(), kEventsMax, wait ? timeout_ms : 0);
  if (count < 0) return errno == EINTR ? 0 : -errno;
  for (int at = 0; at < count; at++) OnEvent(events_[at]);
  return 0;
}

bool PollDriver::TakeBackend() {
  return std::exchange(backend_fired_, false);
}

int PollDriver::Submit() {
  return RunQueue();
}

int PollDriver::RunQueue() {
  uint32_t head = RingView::Load(view_.sq_head);
  const uint32_t tail = RingView::Load(view_.sq_tail);
  const uint32_t count = tail - head;
  counters_.submitted += count;
  counters_.inflight += count;
  for (; head != tail; head++) {
    // A copy: JavaScript may write the slot again while the operation is pending.
    const Sqe sqe = view_.sqes[head & view_.sq_mask];
    RingView::Store(view_.sq_head, head + 1);
    Execute(sqe);
  }
  return static_cast<int>(count);
}

// Descriptors that had more than their share last time, or no room for completions.
void PollDriver::RunReady() {
  if (ready_.empty()) return;
  running_.swap(ready_);
  for (const ReadyDescriptor& ready : running_) {
    DescriptorState* state = StateOf(ready.fd);
    if (state == nullptr || state->generation != ready.generation) continue;
    state->queued = false;
    Read(ready.fd, *state);
  }
  running_.clear();
}

void PollDriver::OnEvent(const epoll_event& event) {
  if (event.data.u64 == kBackendTag) {
    backend_fired_ = true;
    return;
  }
  const auto fd = static_cast<int>(static_cast<uint32_t>(event.data.u64));
  DescriptorState* state = StateOf(fd);
  if (state == nullptr || state->generation != static_cast<uint32_t>(event.data.u64 >> 32)) return;
  const uint32_t events = event.events;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0) state->readable = true;
  // The edge of an end or an error comes once: from now on read until the socket itself says that it is empty.
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR | EPOLLPRI)) != 0) state->short_read_is_empty = false;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) state->writable = true;
  if (!state->queued) Read(fd, *state);
  if (!state->writes.empty()) Write(fd, *state);
  if (!state->polls.empty()) CheckPolls(fd, *state);
}

void PollDriver::Post(uint64_t user_data, int32_t res, uint32_t flags) {
  if ((flags & kCqeMore) == 0) counters_.inflight--;
  counters_.completions++;
  if (HasRoom()) {
    PostNow(user_data, res, flags);
    return;
  }
  if (backlog_.empty()) {
    counters_.overflows++;
    RingView::Store(view_.sq_flags, RingView::Load(view_.sq_flags) | kSqCqOverflow);
  }
  backlog_.push_back(Cqe{.user_data = user_data, .res = res, .flags = flags});
}

void PollDriver::PostNow(uint64_t user_data, int32_t res, uint32_t flags) {
  const uint32_t tail = RingView::Load(view_.cq_tail);
  view_.cqes[tail & view_.cq_mask] = Cqe{.user_data = user_data, .res = res, .flags = flags};
  RingView::Store(view_.cq_tail, tail + 1);
}

void PollDriver::FlushBacklog() {
  if (backlog_.empty()) return;
  while (!backlog_.empty() && view_.Ready() < view_.cq_entries) {
    const Cqe& first = backlog_.front();
    PostNow(first.user_data, first.res, first.flags);
    backlog_.pop_front();
  }
  if (backlog_.empty()) RingView::Store(view_.sq_flags, RingView::Load(view_.sq_flags) & ~kSqCqOverflow);
}

bool PollDriver::Supports(uint8_t op) const {
  switch (op) {
    case kOpNop:
    case kOpPollAdd:
    case kOpSendmsg:
    case kOpAccept:
    case kOpAsyncCancel:
    case kOpConnect:
    case kOpClose:
    case kOpSend:
    case kOpRecv:
    case kOpShutdown: return true;
    default: return FileWork::Handles(op);
  }
}

int PollDriver::RegisterBuffers(uint16_t group, uint8_t* ring, uint32_t entries) {
  if (groups_.size() <= group) groups_.resize(group + 1u);
  if (groups_[group].entries != nullptr) return -EEXIST;
  groups_[group] = BufferGroup{.entries = reinterpret_cast<BufferEntry*>(ring), .mask = entries - 1, .head = 0};
  groups_[group].entries[0].resv = 0;
  return 0;
}

int PollDriver::UnregisterBuffers(uint16_t group) {
  if (groups_.size() <= group || groups_[group].entries == nullptr) return -ENOENT;
  groups_[group] = BufferGroup{};
  return 0;
}

void PollDriver::Cancel(Descriptors* descriptors) {
  closed_ = true;
  const uint32_t tail = RingView::Load(view_.sq_tail);
  for (uint32_t at = RingView::Load(view_.sq_head); at != tail; at++) {
    const Sqe& sqe = view_.sqes[at & view_.sq_mask];
    if (sqe.opcode == kOpClose) descriptors->Close(sqe.fd);
  }
  RingView::Store(view_.sq_head, tail);
  const uint32_t end = RingView::Load(view_.cq_tail);
  for (uint32_t at = RingView::Load(view_.cq_head); at != end; at++) {
    const Cqe& cqe = view_.cqes[at & view_.cq_mask];
    if (BringsDescriptor(cqe)) descriptors->Adopt(cqe.res);
  }
  for (const Cqe& cqe : backlog_) {
    if (BringsDescriptor(cqe)) descriptors->Adopt(cqe.res);
  }
  // Pending operations touch no memory unless we let them; work in the thread pool does, until OnFileWork.
  for (FileWork* work : works_) work->Cancel();
}

}  // namespace percore

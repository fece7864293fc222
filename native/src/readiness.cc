// Pending operations of the poll driver: edge-triggered readiness, kept per descriptor, and what runs when it comes.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "poller.h"

namespace percore {

namespace {

// Fairness: what one descriptor may take in one enter before the others have their turn.
constexpr int kReceivesPerTurn = 4;
constexpr int kAcceptsPerTurn = 64;
constexpr size_t kIovecsMax = 1024;

// On anything but TCP a message boundary or passed descriptors end a read early.
bool IsTcp(int fd) {
  int domain = 0;
  socklen_t size = sizeof domain;
  return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && (domain == AF_INET || domain == AF_INET6);
}

}  // namespace

// The state of an open descriptor, made when there is none; nullptr when the number is not open.
DescriptorState* PollDriver::State(int fd) {
  if (fd < 0) return nullptr;
  const auto at = static_cast<size_t>(fd);
  if (states_.size() <= at) {
    // A wrong number must not make the table as long as the number is large.
    if (::fcntl(fd, F_GETFD) < 0) return nullptr;
    states_.resize(std::max(at + 1, states_.size() * 2));
  }
  if (states_[at] == nullptr) states_[at] = std::make_unique<DescriptorState>();
  return states_[at].get();
}

DescriptorState* PollDriver::StateOf(int fd) {
  return fd >= 0 && static_cast<size_t>(fd) < states_.size() ? states_[static_cast<size_t>(fd)].get() : nullptr;
}

Operation* PollDriver::NewOperation(const Sqe& sqe) {
  Operation* op = free_;
  if (op != nullptr) {
    free_ = op->next;
  } else {
    op = &operations_.emplace_back();
  }
  *op = Operation{.sqe = sqe};
  by_user_data_[sqe.user_data] = op;
  return op;
}

// The final completion of an operation that is in no list any more.
void PollDriver::Complete(Operation* op, int32_t res) {
  Post(op->sqe.user_data, res);
  Release(op);
}

void PollDriver::Release(Operation* op) {
  if (const auto found = by_user_data_.find(op->sqe.user_data); found != by_user_data_.end() && found->second == op) {
    by_user_data_.erase(found);
  }
  op->next = free_;
  free_ = op;
}

void PollDriver::CancelOne(Operation* op) {
  DescriptorState& state = *StateOf(op->sqe.fd);
  if (!state.reads.Remove(op) && !state.writes.Remove(op)) state.polls.Remove(op);
  Complete(op, op->done != 0 ? static_cast<int32_t>(op->done) : -ECANCELED);
}

// Puts the descriptor into the set, once. False when it cannot be watched: the operation is completed then.
bool PollDriver::Watch(int fd, DescriptorState& state, Operation* op) {
  if (state.watched) return true;
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET,
                    .data = {.u64 = uint64_t{state.generation} << 32 | static_cast<uint32_t>(fd)}};
  int result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
  // Still there from an owner who did not close it through us.
  if (result != 0 && errno == EEXIST) result = ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
  if (result != 0) {
    Complete(op, -errno);
    return false;
  }
  state.watched = true;
  state.readable = false;
  state.writable = false;
  state.short_read_is_empty = IsTcp(fd);
  return true;
}

void PollDriver::Later(int fd, DescriptorState& state) {
  if (std::exchange(state.queued, true)) return;
  ready_.push_back(ReadyDescriptor{.fd = fd, .generation = state.generation});
}

void PollDriver::Read(int fd, DescriptorState& state) {
  int receives = 0;
  int accepts = 0;
  while (state.readable && !state.reads.empty()) {
    if (receives == kReceivesPerTurn || accepts == kAcceptsPerTurn || !HasRoom()) return Later(fd, state);
    Operation* op = state.reads.head();
    if (op->sqe.opcode == kOpAccept) {
      accepts++;
      AcceptOnce(fd, state, op);
    } else {
      receives++;
      RecvOnce(fd, state, op);
    }
  }
}

void PollDriver::AcceptOnce(int fd, DescriptorState& state, Operation* op) {
  const int result = ::accept4(fd, reinterpret_cast<sockaddr*>(op->sqe.addr), reinterpret_cast<socklen_t*>(op->sqe.off),
                               static_cast<int>(op->sqe.op_flags));
  if (result < 0 && errno == EINTR) return;
  if (result < 0 && errno == EAGAIN) {
    state.readable = false;
    return;
  }
  if (result >= 0 && op->multishot()) return Post(op->sqe.user_data, result, kCqeMore);
  state.reads.Remove(op);
  Complete(op, result < 0 ? -errno : result);
}

void PollDriver::RecvOnce(int fd, DescriptorState& state, Operation* op) {
  BufferGroup* group = nullptr;
  auto* to = reinterpret_cast<void*>(op->sqe.addr);
  size_t length = op->sqe.len;
  uint16_t bid = 0;
  if (op->selects_buffer()) {
    group = op->sqe.buf < groups_.size() ? &groups_[op->sqe.buf] : nullptr;
    if (group == nullptr || group->empty()) {
      state.reads.Remove(op);
      return Complete(op, -ENOBUFS);
    }
    const BufferEntry& entry = group->entries[group->head & group->mask];
    to = reinterpret_cast<void*>(entry.addr);
    length = length == 0 ? entry.len : std::min<size_t>(length, entry.len);
    bid = entry.bid;
  }
  const ssize_t size = ::recv(fd, to, length, static_cast<int>(op->sqe.op_flags) | MSG_DONTWAIT);
  if (size < 0 && errno == EINTR) return;
  if (size < 0 && errno == EAGAIN) {
    state.readable = false;
    return;
  }
  if (size <= 0) {
    state.reads.Remove(op);
    return Complete(op, size < 0 ? -errno : 0);
  }
  if (static_cast<size_t>(size) < length && state.short_read_is_empty) state.readable = false;
  uint32_t flags = 0;
  if (group != nullptr) {
    group->head++;
    flags = kCqeBuffer | uint32_t{bid} << kBufferShift;
  }
  if (op->multishot()) return Post(op->sqe.user_data, static_cast<int32_t>(size), flags | kCqeMore);
  state.reads.Remove(op);
  Post(op->sqe.user_data, static_cast<int32_t>(size), flags);
  Release(op);
}

void PollDriver::Write(int fd, DescriptorState& state) {
  while (state.writable && !state.writes.empty()) {
    Operation* op = state.writes.head();
    const int32_t result = op->sqe.opcode == kOpConnect ? ConnectResult(fd)
                           : op->sqe.opcode == kOpSend  ? SendSome(op)
                                                        : SendmsgSome(op);
    if (result == -EAGAIN) {
      state.writable = false;
      return;
    }
    state.writes.Remove(op);
    Complete(op, result);
  }
}

int32_t PollDriver::SendSome(Operation* op) {
  const bool all = (op->sqe.op_flags & MSG_WAITALL) != 0;
  const int flags = (static_cast<int>(op->sqe.op_flags) & ~MSG_WAITALL) | MSG_DONTWAIT;
  for (;;) {
    const ssize_t size =
        ::send(op->sqe.fd, reinterpret_cast<const void*>(op->sqe.addr + op->done), op->sqe.len - op->done, flags);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || op->done == 0) return -errno;
      return static_cast<int32_t>(op->done);
    }
    op->done += static_cast<uint64_t>(size);
    if (!all || op->done >= op->sqe.len) return static_cast<int32_t>(op->done);
  }
}

int32_t PollDriver::SendmsgSome(Operation* op) {
  // The message's header and parts lie in the arena until the completion; they are read again at each attempt.
  if (!arena_.Holds(op->sqe.addr, sizeof(msghdr))) return -EFAULT;
  msghdr message = *reinterpret_cast<const msghdr*>(op->sqe.addr);
  if (message.msg_iovlen > kIovecsMax) return -EMSGSIZE;
  if (!arena_.Holds(reinterpret_cast<uint64_t>(message.msg_iov), message.msg_iovlen * sizeof(iovec))) return -EFAULT;
  const iovec* parts = message.msg_iov;
  const size_t count = message.msg_iovlen;
  const bool all = (op->sqe.op_flags & MSG_WAITALL) != 0;
  const int flags = (static_cast<int>(op->sqe.op_flags) & ~MSG_WAITALL) | MSG_DONTWAIT;
  for (;;) {
    iovec left[kIovecsMax];
    size_t lefts = 0;
    uint64_t skip = op->done;
    uint64_t rest = 0;
    for (size_t at = 0; at < count; at++) {
      const uint64_t skipped = std::min<uint64_t>(skip, parts[at].iov_len);
      skip -= skipped;
      if (parts[at].iov_len == skipped) continue;
      left[lefts++] = iovec{.iov_base = static_cast<uint8_t*>(parts[at].iov_base) + skipped,
                            .iov_len = parts[at].iov_len - skipped};
      rest += parts[at].iov_len - skipped;
    }
    message.msg_iov = left;
    message.msg_iovlen = lefts;
    const ssize_t size = ::sendmsg(op->sqe.fd, &message, flags);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || op->done == 0) return -errno;
      return static_cast<int32_t>(op->done);
    }
    op->done += static_cast<uint64_t>(size);
    if (!all || static_cast<uint64_t>(size) >= rest) return static_cast<int32_t>(op->done);
    // Control data goes with the first bytes only.
    message.msg_control = nullptr;
    message.msg_controllen = 0;
  }
}

int32_t PollDriver::ConnectResult(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return -errno;
  if (error != 0) return -error;
  // An event left over from before the connect would look like success.
  sockaddr_storage peer{};
  size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return errno == ENOTCONN ? -EAGAIN : -errno;
  return 0;
}

void PollDriver::CheckPolls(int fd, DescriptorState& state) {
  for (Operation* op = state.polls.head(); op != nullptr;) {
    Operation* next = op->next;
    pollfd now{.fd = fd, .events = static_cast<short>(op->sqe.op_flags), .revents = 0};
    if (::poll(&now, 1, 0) > 0) {
      state.polls.Remove(op);
      Complete(op, now.revents);
    }
    op = next;
  }
}

// Ends every operation of a descriptor that is about to be closed, and forgets it.
void PollDriver::DropAll(int fd, DescriptorState& state) {
  for (OperationList* list : {&state.reads, &state.writes, &state.polls}) {
    while (!list->empty()) CancelOne(list->head());
  }
  // Copies of a listener may stay open elsewhere and would go on waking this set; other sockets leave it by being
  // closed.
  if (state.watched && state.listens) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  state = DescriptorState{.generation = state.generation + 1};
}

}  // namespace percore

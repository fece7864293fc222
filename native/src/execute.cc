// Submissions of the poll driver: what can be done at once is done at once, the rest becomes a pending operation.
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "poller.h"

namespace percore {

void PollDriver::Execute(const Sqe& sqe) {
  if ((sqe.flags & ~(kSqeAsync | kSqeBufferSelect)) != 0) return Post(sqe.user_data, -EINVAL);
  switch (sqe.opcode) {
    case kOpNop: return Post(sqe.user_data, 0);
    case kOpAccept:
    case kOpRecv: return StartRead(sqe);
    case kOpSend:
    case kOpSendmsg: return StartWrite(sqe);
    case kOpConnect: return StartConnect(sqe);
    case kOpPollAdd: return StartPoll(sqe);
    case kOpAsyncCancel: return CancelBy(sqe);
    case kOpClose: return Close(sqe);
    case kOpShutdown: return Post(sqe.user_data, ::shutdown(sqe.fd, static_cast<int>(sqe.len)) == 0 ? 0 : -errno);
    default: return FileWork::Handles(sqe.opcode) ? StartFile(sqe) : Post(sqe.user_data, -EINVAL);
  }
}

void PollDriver::StartRead(const Sqe& sqe) {
  const uint16_t known = sqe.opcode == kOpAccept ? kAcceptMultishot : kRecvMultishot | kRecvPollFirst;
  const bool waits_for_all = sqe.opcode == kOpRecv && (sqe.op_flags & MSG_WAITALL) != 0;
  if ((sqe.ioprio & ~known) != 0 || waits_for_all) return Post(sqe.user_data, -EINVAL);
  DescriptorState* state = State(sqe.fd);
  if (state == nullptr) return Post(sqe.user_data, -EBADF);
  Operation* op = NewOperation(sqe);
  if (!Watch(sqe.fd, *state, op)) return;
  state->listens |= sqe.opcode == kOpAccept;
  state->reads.Push(op);
  if (state->readable && !state->queued) Read(sqe.fd, *state);
}

void PollDriver::StartWrite(const Sqe& sqe) {
  if (sqe.ioprio != 0) return Post(sqe.user_data, -EINVAL);
  DescriptorState* state = StateOf(sqe.fd);
  uint64_t done = 0;
  // In order: nothing overtakes a send that waits for room.
  if (state == nullptr || state->writes.empty()) {
    Operation now{.sqe = sqe};
    const int32_t result = sqe.opcode == kOpSend ? SendSome(&now) : SendmsgSome(&now);
    if (result != -EAGAIN || (sqe.op_flags & MSG_DONTWAIT) != 0) return Post(sqe.user_data, result);
    done = now.done;
    state = State(sqe.fd);
    if (state == nullptr) return Post(sqe.user_data, -EBADF);
    state->writable = false;
  }
  WaitToWrite(sqe, *state, done);
}

void PollDriver::StartConnect(const Sqe& sqe) {
  const int result = ::connect(sqe.fd, reinterpret_cast<const sockaddr*>(sqe.addr), static_cast<socklen_t>(sqe.off));
  if (result == 0) return Post(sqe.user_data, 0);
  if (errno != EINPROGRESS) return Post(sqe.user_data, -errno);
  // Watched only now: an unconnected socket counts as hung up.
  DescriptorState* state = State(sqe.fd);
  if (state == nullptr) return Post(sqe.user_data, -EBADF);
  state->writable = false;
  WaitToWrite(sqe, *state, 0);
}

void PollDriver::WaitToWrite(const Sqe& sqe, DescriptorState& state, uint64_t done) {
  Operation* op = NewOperation(sqe);
  op->done = done;
  if (Watch(sqe.fd, state, op)) state.writes.Push(op);
}

void PollDriver::StartPoll(const Sqe& sqe) {
  if (sqe.len != 0) return Post(sqe.user_data, -EINVAL);  // multishot and updates are not offered
  DescriptorState* state = State(sqe.fd);
  if (state == nullptr) return Post(sqe.user_data, -EBADF);
  pollfd now{.fd = sqe.fd, .events = static_cast<short>(sqe.op_flags), .revents = 0};
  if (::poll(&now, 1, 0) < 0) return Post(sqe.user_data, -errno);
  if ((now.revents & POLLNVAL) != 0) return Post(sqe.user_data, -EBADF);
  if (now.revents != 0) return Post(sqe.user_data, now.revents);
  Operation* op = NewOperation(sqe);
  if (Watch(sqe.fd, *state, op)) state->polls.Push(op);
}

void PollDriver::StartFile(const Sqe& sqe) {
  if ((sqe.flags & kSqeBufferSelect) != 0) return Post(sqe.user_data, -EINVAL);
  auto work = std::make_unique<FileWork>(sqe, this);
  if (const int error = work->Queue(loop_); error < 0) return Post(sqe.user_data, error);
  works_.insert(work.release());
}

void PollDriver::OnFileWork(FileWork* work, int result) {
  const std::unique_ptr<FileWork> owned(work);
  works_.erase(work);
  if (!closed_) return Post(work->sqe().user_data, result);
  if (work->sqe().opcode == kOpOpenat && result >= 0) ::close(result);
  if (works_.empty()) on_idle_();
}

void PollDriver::CancelBy(const Sqe& sqe) {
  const bool all = (sqe.op_flags & kCancelAll) != 0;
  if ((sqe.op_flags & kCancelAny) != 0) {
    const size_t count = by_user_data_.size();
    while (!by_user_data_.empty()) CancelOne(by_user_data_.begin()->second);
    for (FileWork* work : works_) work->Cancel();
    return Post(sqe.user_data, static_cast<int32_t>(count));
  }
  if ((sqe.op_flags & kCancelFd) != 0) {
    DescriptorState* state = StateOf(sqe.fd);
    if (state == nullptr) return Post(sqe.user_data, -ENOENT);
    int32_t count = 0;
    for (OperationList* list : {&state->reads, &state->writes, &state->polls}) {
      for (; !list->empty() && (all || count == 0); count++) CancelOne(list->head());
    }
    return Post(sqe.user_data, count == 0 ? -ENOENT : all ? count : 0);
  }
  if (const auto found = by_user_data_.find(sqe.addr); found != by_user_data_.end()) {
    CancelOne(found->second);
    return Post(sqe.user_data, all ? 1 : 0);
  }
  for (FileWork* work : works_) {
    if (work->sqe().user_data == sqe.addr) return Post(sqe.user_data, work->Cancel() ? 0 : -EALREADY);
  }
  Post(sqe.user_data, -ENOENT);
}

// The kernel would keep a socket open while operations on it are pending; here they end with -ECANCELED and it closes.
void PollDriver::Close(const Sqe& sqe) {
  if (DescriptorState* state = StateOf(sqe.fd); state != nullptr) DropAll(sqe.fd, *state);
  Post(sqe.user_data, ::close(sqe.fd) == 0 ? 0 : -errno);
}

void PollDriver::Forget(int fd) {
  if (DescriptorState* state = StateOf(fd); state != nullptr) DropAll(fd, *state);
}

}  // namespace percore

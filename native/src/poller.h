// The poll driver: a user-space executor of the same submissions, on an epoll instance of its own.
#ifndef PERCORE_POLLER_H_
#define PERCORE_POLLER_H_

#include <sys/epoll.h>
#include <uv.h>

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "driver.h"
#include "file-work.h"
#include "operation.h"
#include "owned.h"

namespace percore {

class PollDriver final : public Driver, public FileWork::Owner {
 public:
  static std::unique_ptr<PollDriver> Open(uint32_t sq_entries, uint32_t cq_entries, const Arena& arena, uv_loop_t* loop,
                                          Failure* failure);

  [[nodiscard]] int Enter(int timeout_ms) override;
  [[nodiscard]] bool TakeBackend() override;
  [[nodiscard]] int Submit() override;
  [[nodiscard]] bool Supports(uint8_t op) const override;
  [[nodiscard]] int RegisterBuffers(uint16_t group, uint8_t* ring, uint32_t entries) override;
  [[nodiscard]] int UnregisterBuffers(uint16_t group) override;
  void Forget(int fd) override;
  void Cancel(Descriptors* descriptors) override;
  [[nodiscard]] bool Idle() const override { return works_.empty(); }
  void OnIdle(std::function<void()> on_idle) override { on_idle_ = std::move(on_idle); }

 private:
  PollDriver(const Arena& arena, uv_loop_t* loop) : arena_(arena), loop_(loop) {}
  bool Create(uint32_t sq_entries, uint32_t cq_entries, Failure* failure);

  // Completions (poller.cc).
  void Post(uint64_t user_data, int32_t res, uint32_t flags = 0);
  void PostNow(uint64_t user_data, int32_t res, uint32_t flags);
  [[nodiscard]] bool HasRoom() const { return backlog_.empty() && view_.Ready() < view_.cq_entries; }
  void FlushBacklog();
  int RunQueue();
  void RunReady();
  void OnEvent(const epoll_event& event);

  // Submissions (execute.cc).
  void Execute(const Sqe& sqe);
  void StartRead(const Sqe& sqe);
  void StartWrite(const Sqe& sqe);
  void StartConnect(const Sqe& sqe);
  void WaitToWrite(const Sqe& sqe, DescriptorState& state, uint64_t done);
  void StartPoll(const Sqe& sqe);
  void StartFile(const Sqe& sqe);
  void CancelBy(const Sqe& sqe);
  void Close(const Sqe& sqe);
  void OnFileWork(FileWork* work, int result) override;

  // Pending operations and readiness (readiness.cc).
  [[nodiscard]] DescriptorState* State(int fd);
  [[nodiscard]] DescriptorState* StateOf(int fd);
  [[nodiscard]] Operation* NewOperation(const Sqe& sqe);
  void Complete(Operation* op, int32_t res);
  void Release(Operation* op);
  void CancelOne(Operation* op);
  [[nodiscard]] bool Watch(int fd, DescriptorState& state, Operation* op);
  void Later(int fd, DescriptorState& state);
  void Read(int fd, DescriptorState& state);
  void Write(int fd, DescriptorState& state);
  void CheckPolls(int fd, DescriptorState& state);
  void AcceptOnce(int fd, DescriptorState& state, Operation* op);
  void RecvOnce(int fd, DescriptorState& state, Operation* op);
  // Sends what is left of the operation as far as the socket takes it. The result to complete with, or -EAGAIN.
  [[nodiscard]] int32_t SendSome(Operation* op);
  [[nodiscard]] int32_t SendmsgSome(Operation* op);
  [[nodiscard]] int32_t ConnectResult(int fd);
  void DropAll(int fd, DescriptorState& state);

  static constexpr int kEventsMax = 512;

  Arena arena_;
  uv_loop_t* loop_;
  UniqueFd epoll_;
  Mapping rings_;
  Mapping sqes_;
  bool backend_fired_ = false;
  bool closed_ = false;
  std::array<epoll_event, kEventsMax> events_;
  std::vector<std::unique_ptr<DescriptorState>> states_;
  std::deque<Operation> operations_;
  Operation* free_ = nullptr;
  std::unordered_map<uint64_t, Operation*> by_user_data_;
  std::vector<BufferGroup> groups_;
  std::vector<ReadyDescriptor> ready_;
  std::vector<ReadyDescriptor> running_;
  std::deque<Cqe> backlog_;
  std::unordered_set<FileWork*> works_;
  std::function<void()> on_idle_;
};

}  // namespace percore

#endif  // PERCORE_POLLER_H_

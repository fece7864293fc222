// What the poll driver remembers: pending operations, what is known of a descriptor, and provided buffers.
#ifndef PERCORE_OPERATION_H_
#define PERCORE_OPERATION_H_

#include <cstdint>

#include "kernel.h"

namespace percore {

// A submission that could not be completed at once. Lives in exactly one list of its descriptor's state.
struct Operation {
  Sqe sqe{};
  uint64_t done = 0;  // bytes a send has handed over so far
  Operation* next = nullptr;

  [[nodiscard]] bool multishot() const {
    return (sqe.opcode == kOpAccept && (sqe.ioprio & kAcceptMultishot) != 0) ||
           (sqe.opcode == kOpRecv && (sqe.ioprio & kRecvMultishot) != 0);
  }
  [[nodiscard]] bool selects_buffer() const { return (sqe.flags & kSqeBufferSelect) != 0; }
};

// First in, first out; removal from the middle is for cancellation only.
class OperationList {
 public:
  [[nodiscard]] Operation* head() const { return head_; }
  [[nodiscard]] bool empty() const { return head_ == nullptr; }
  void Push(Operation* op) {
    op->next = nullptr;
    Operation** link = &head_;
    while (*link != nullptr) link = &(*link)->next;
    *link = op;
  }
  bool Remove(Operation* op) {
    for (Operation** link = &head_; *link != nullptr; link = &(*link)->next) {
      if (*link != op) continue;
      *link = op->next;
      return true;
    }
    return false;
  }

 private:
  Operation* head_ = nullptr;
};

// All state of a descriptor number, dropped when it is closed. The generation tells events of an earlier owner.
struct DescriptorState {
  OperationList reads;   // accept, recv
  OperationList writes;  // connect, send, sendmsg
  OperationList polls;
  uint32_t generation = 0;
  bool watched = false;
  bool readable = false;
  bool writable = false;
  // Whether a short read proves that the socket is empty: true for TCP without pending end, error or urgent data.
  bool short_read_is_empty = false;
  bool listens = false;
  bool queued = false;  // in the ready list
};

struct ReadyDescriptor {
  int fd;
  uint32_t generation;
};

// A provided-buffer ring in the kernel's format; the head is ours, the tail JavaScript's.
struct BufferGroup {
  BufferEntry* entries = nullptr;
  uint32_t mask = 0;
  uint16_t head = 0;
  [[nodiscard]] bool empty() const { return entries == nullptr || head == entries[0].resv; }
};

}  // namespace percore

#endif  // PERCORE_OPERATION_H_

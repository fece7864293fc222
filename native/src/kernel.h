// The kernel's io_uring ABI in our own words: distribution headers are too old for what a running kernel offers.
// Only what Percore uses; layouts are checked at compile time.
#ifndef PERCORE_KERNEL_H_
#define PERCORE_KERNEL_H_

#include <cstddef>
#include <cstdint>

static_assert(sizeof(void*) == 8, "the arena's addresses are two 32-bit words");

namespace percore {

struct Sqe {
  uint8_t opcode;
  uint8_t flags;
  uint16_t ioprio;
  int32_t fd;
  uint64_t off;
  uint64_t addr;
  uint32_t len;
  uint32_t op_flags;
  uint64_t user_data;
  uint16_t buf;
  uint16_t personality;
  uint32_t file_index;
  uint64_t addr3;
  uint64_t pad;
};
static_assert(sizeof(Sqe) == 64);

struct Cqe {
  uint64_t user_data;
  int32_t res;
  uint32_t flags;
};
static_assert(sizeof(Cqe) == 16);

// One entry of a provided-buffer ring. `resv` of entry 0 is the ring's tail.
struct BufferEntry {
  uint64_t addr;
  uint32_t len;
  uint16_t bid;
  uint16_t resv;
};
static_assert(sizeof(BufferEntry) == 16 && offsetof(BufferEntry, resv) == 14);

struct SqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, resv1;
  uint64_t user_addr;
};

struct CqOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, cqes, flags, resv1;
  uint64_t user_addr;
};

struct RingParams {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, resv[3];
  SqOffsets sq_off;
  CqOffsets cq_off;
};
static_assert(sizeof(RingParams) == 120);

struct GetEventsArg {
  uint64_t sigmask;
  uint32_t sigmask_size;
  uint32_t min_wait_usec;
  uint64_t timespec;
};

struct KernelTimespec {
  int64_t sec;
  int64_t nsec;
};

struct RsrcUpdate {
  uint32_t offset;
  uint32_t resv;
  uint64_t data;
};

struct BufferRingRegistration {
  uint64_t ring_addr;
  uint32_t ring_entries;
  uint16_t group;
  uint16_t flags;
  uint64_t resv[3];
};
static_assert(sizeof(BufferRingRegistration) == 40);

struct ProbeOp {
  uint8_t op;
  uint8_t resv;
  uint16_t flags;  // bit 0: supported
  uint32_t resv2;
};

inline constexpr unsigned kProbeOps = 128;

struct Probe {
  uint8_t last_op;
  uint8_t ops_len;
  uint16_t resv;
  uint32_t resv2[3];
  ProbeOp ops[kProbeOps];
};

enum Setup : uint32_t {
  kSetupSqpoll = 1u << 1,
  kSetupCqsize = 1u << 3,
  kSetupClamp = 1u << 4,
  kSetupSubmitAll = 1u << 7,
  kSetupCoopTaskrun = 1u << 8,
  kSetupTaskrunFlag = 1u << 9,
  kSetupSingleIssuer = 1u << 12,
  kSetupDeferTaskrun = 1u << 13,
  kSetupNoMmap = 1u << 14,
  kSetupNoSqarray = 1u << 16,
};

enum Enter : uint32_t { kEnterGetevents = 1u << 0, kEnterExtArg = 1u << 3, kEnterRegisteredRing = 1u << 4 };

enum Register : uint32_t {
  kRegisterProbe = 8,
  kRegisterRingFds = 20,
  kUnregisterRingFds = 21,
  kRegisterPbufRing = 22,
  kUnregisterPbufRing = 23,
  kRegisterSyncCancel = 24,
};

enum Feature : uint32_t { kFeatureSingleMmap = 1u << 0, kFeatureNodrop = 1u << 1, kFeatureExtArg = 1u << 8 };

enum Op : uint8_t {
  kOpNop = 0,
  kOpFsync = 3,
  kOpPollAdd = 6,
  kOpSendmsg = 9,
  kOpAccept = 13,
  kOpAsyncCancel = 14,
  kOpConnect = 16,
  kOpOpenat = 18,
  kOpClose = 19,
  kOpStatx = 21,
  kOpRead = 22,
  kOpWrite = 23,
  kOpSend = 26,
  kOpRecv = 27,
  kOpShutdown = 34,
  kOpUnlinkat = 36,
};

enum SqeFlag : uint8_t { kSqeIoLink = 1 << 2, kSqeAsync = 1 << 4, kSqeBufferSelect = 1 << 5 };
enum IoPrio : uint16_t { kAcceptMultishot = 1 << 0, kRecvPollFirst = 1 << 0, kRecvMultishot = 1 << 1 };
enum Cancel : uint32_t { kCancelAll = 1u << 0, kCancelFd = 1u << 1, kCancelAny = 1u << 2 };
enum CqeFlag : uint32_t { kCqeBuffer = 1u << 0, kCqeMore = 1u << 1 };
inline constexpr uint32_t kBufferShift = 16;
enum SqRingFlag : uint32_t { kSqCqOverflow = 1u << 1 };

inline constexpr uint64_t kOffsetSqRing = 0;
inline constexpr uint64_t kOffsetSqes = 0x10000000;

// The reserved user_data of native's own operations, and the bit of JavaScript's kinds whose result is a descriptor.
inline constexpr uint64_t kInternalUserData = 0xffffffffffffffffull;
inline constexpr uint32_t kDescriptorKindBit = 0x80;

[[nodiscard]] inline uint8_t KindOf(uint64_t user_data) {
  return static_cast<uint8_t>(user_data >> 32);
}
[[nodiscard]] inline bool IsInternal(const Cqe& cqe) {
  return KindOf(cqe.user_data) == 0xff;
}
[[nodiscard]] inline bool BringsDescriptor(const Cqe& cqe) {
  return !IsInternal(cqe) && (KindOf(cqe.user_data) & kDescriptorKindBit) != 0 && cqe.res >= 0;
}

// The three system calls. They return a value >= 0 or -errno.
[[nodiscard]] int RingSetup(uint32_t entries, RingParams* params);
[[nodiscard]] int RingEnter(int fd, uint32_t submit, uint32_t min_complete, uint32_t flags, const void* arg,
                            size_t arg_size);
[[nodiscard]] int RingRegister(int fd, uint32_t opcode, void* arg, uint32_t count);

// Locked memory that a ring of these sizes is charged for: both rings and the SQEs.
[[nodiscard]] uint64_t RingMemory(uint32_t sq_entries, uint32_t cq_entries, uint32_t buffer_entries);

}  // namespace percore

#endif  // PERCORE_KERNEL_H_

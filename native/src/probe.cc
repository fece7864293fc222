#include "probe.h"

#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "kernel.h"
#include "owned.h"
#include "ring.h"

namespace percore {

namespace {

// The sizes core opens its ring with; only for the figure of locked memory.
constexpr uint32_t kUsualSqEntries = 4096;
constexpr uint32_t kUsualCqEntries = 8192;
constexpr uint32_t kUsualBufferEntries = 2048;

struct NamedFlag {
  const char* name;
  uint32_t flags;  // with the flags it depends on
};

constexpr NamedFlag kSetupFlags[] = {
    {"CQSIZE", kSetupCqsize},
    {"CLAMP", kSetupClamp},
    {"SUBMIT_ALL", kSetupSubmitAll},
    {"COOP_TASKRUN", kSetupCoopTaskrun},
    {"SINGLE_ISSUER", kSetupSingleIssuer},
    {"DEFER_TASKRUN", kSetupDeferTaskrun | kSetupSingleIssuer},
    {"NO_SQARRAY", kSetupNoSqarray},
};

struct NamedOp {
  const char* name;
  uint8_t op;
};

constexpr NamedOp kOperations[] = {
    {"NOP", kOpNop},           {"FSYNC", kOpFsync},   {"POLL_ADD", kOpPollAdd},
    {"SENDMSG", kOpSendmsg},   {"ACCEPT", kOpAccept}, {"ASYNC_CANCEL", kOpAsyncCancel},
    {"CONNECT", kOpConnect},   {"OPENAT", kOpOpenat}, {"CLOSE", kOpClose},
    {"STATX", kOpStatx},       {"READ", kOpRead},     {"WRITE", kOpWrite},
    {"SEND", kOpSend},         {"RECV", kOpRecv},     {"SHUTDOWN", kOpShutdown},
    {"UNLINKAT", kOpUnlinkat},
};

int TrySetup(uint32_t flags) {
  RingParams params{};
  params.flags = flags;
  params.cq_entries = (flags & kSetupCqsize) != 0 ? 4 : 0;
  const int result = RingSetup(1, &params);
  const UniqueFd ring(result);
  return result < 0 ? -result : 0;
}

// Registers, tries and unregisters; errno or 0.
int TryRingFd(int ring) {
  RsrcUpdate update{.offset = 0xffffffff, .resv = 0, .data = static_cast<uint64_t>(ring)};
  const int result = RingRegister(ring, kRegisterRingFds, &update, 1);
  if (result < 0) return -result;
  update.data = 0;
  const int undone = RingRegister(ring, kUnregisterRingFds, &update, 1);
  return undone < 0 ? -undone : 0;
}

int TryBufferRing(int ring) {
  Mapping memory;
  if (const int error = memory.Map(4096); error < 0) return -error;
  BufferRingRegistration registration{
      .ring_addr = reinterpret_cast<uint64_t>(memory.get()), .ring_entries = 1, .group = 0};
  const int result = RingRegister(ring, kRegisterPbufRing, &registration, 1);
  if (result < 0) return -result;
  const int undone = RingRegister(ring, kUnregisterPbufRing, &registration, 1);
  return undone < 0 ? -undone : 0;
}

}  // namespace

Napi::Value ProbeRing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto number = [env](double value) { return Napi::Number::New(env, value); };
  Napi::Object answer = Napi::Object::New(env);
  Napi::Object flags = Napi::Object::New(env);
  Napi::Object operations = Napi::Object::New(env);
  Napi::Object opcodes = Napi::Object::New(env);
  RingParams params{};
  const int setup = RingSetup(1, &params);
  const UniqueFd ring(setup);
  Probe probe{};
  int enter = -1;
  int registered = -1;
  int receive = -1;
  if (setup >= 0) {
    enter = -RingEnter(ring.get(), 0, 0, 0, nullptr, 0);
    registered = -RingRegister(ring.get(), kRegisterProbe, &probe, kProbeOps);
    opcodes.Set("PROBE", number(registered));
    opcodes.Set("RING_FDS", number(TryRingFd(ring.get())));
    opcodes.Set("PBUF_RING", number(TryBufferRing(ring.get())));
    Failure failure;
    receive =
        UringDriver::Open(1, 4, 1, -1, &failure) != nullptr ? 0 : (failure.error != 0 ? failure.error : EOPNOTSUPP);
  }
  for (const NamedFlag& flag : kSetupFlags) flags.Set(flag.name, number(setup < 0 ? -setup : TrySetup(flag.flags)));
  for (const NamedOp& op : kOperations) {
    operations.Set(op.name, Napi::Boolean::New(
                                env, registered == 0 && op.op <= probe.last_op && (probe.ops[op.op].flags & 1) != 0));
  }
  answer.Set("setup", number(setup < 0 ? -setup : 0));
  answer.Set("enter", number(enter));
  answer.Set("register", number(registered));
  answer.Set("features", number(params.features));
  answer.Set("setupFlags", flags);
  answer.Set("operations", operations);
  answer.Set("lastOperation", number(registered == 0 ? probe.last_op : -1));
  answer.Set("registerOpcodes", opcodes);
  answer.Set("multishotReceive", number(receive));
  answer.Set("memlockNeeded",
             number(static_cast<double>(RingMemory(kUsualSqEntries, kUsualCqEntries, kUsualBufferEntries))));
  return answer;
}

}  // namespace percore

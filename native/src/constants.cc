#include "constants.h"

#include <fcntl.h>
#include <linux/stat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <initializer_list>

#include "descriptors.h"
#include "kernel.h"

namespace percore {

namespace {

struct Entry {
  const char* name;
  double value;
};

void Export(Napi::Env env, Napi::Object exports, const char* name, std::initializer_list<Entry> entries) {
  Napi::Object object = Napi::Object::New(env);
  for (const Entry& entry : entries) object.Set(entry.name, Napi::Number::New(env, entry.value));
  object.Freeze();
  exports.Set(name, object);
}

#define NUMBER(name)                   \
  Entry {                              \
#name, static_cast < double>(name) \
  }

void ExportAbi(Napi::Env env, Napi::Object exports) {
  Export(env, exports, "LAYOUT",
         {{"sqHead", 0},
          {"sqTail", 1},
          {"sqFlags", 2},
          {"sqDropped", 3},
          {"cqHead", 4},
          {"cqTail", 5},
          {"cqOverflow", 6},
          {"cqes", 7},
          {"sqEntries", 8},
          {"sqMask", 9},
          {"cqEntries", 10},
          {"cqMask", 11},
          {"arenaLow", 12},
          {"arenaHigh", 13},
          {"length", 14}});
  Export(env, exports, "USER_DATA", {{"kindInternal", 0xff}, {"kindDescriptorBit", kDescriptorKindBit}});
  Export(env, exports, "DESCRIPTOR",
         {{"none", Descriptors::kNone}, {"stream", Descriptors::kStream}, {"other", Descriptors::kOther}});
  Export(env, exports, "COUNTERS",
         {{"enters", 0},
          {"waits", 1},
          {"submitted", 2},
          {"completions", 3},
          {"overflows", 4},
          {"turns", 5},
          {"batches", 6},
          {"inflight", 7},
          {"length", 8}});
  Export(env, exports, "OP",
         {{"NOP", kOpNop},
          {"FSYNC", kOpFsync},
          {"POLL_ADD", kOpPollAdd},
          {"SENDMSG", kOpSendmsg},
          {"ACCEPT", kOpAccept},
          {"ASYNC_CANCEL", kOpAsyncCancel},
          {"CONNECT", kOpConnect},
          {"OPENAT", kOpOpenat},
          {"CLOSE", kOpClose},
          {"STATX", kOpStatx},
          {"READ", kOpRead},
          {"WRITE", kOpWrite},
          {"SEND", kOpSend},
          {"RECV", kOpRecv},
          {"SHUTDOWN", kOpShutdown},
          {"UNLINKAT", kOpUnlinkat}});
  Export(env, exports, "RING",
         {{"SQE_IO_LINK", kSqeIoLink},
          {"SQE_ASYNC", kSqeAsync},
          {"SQE_BUFFER_SELECT", kSqeBufferSelect},
          {"ACCEPT_MULTISHOT", kAcceptMultishot},
          {"RECV_POLL_FIRST", kRecvPollFirst},
          {"RECV_MULTISHOT", kRecvMultishot},
          {"CANCEL_ALL", kCancelAll},
          {"CANCEL_FD", kCancelFd},
          {"CANCEL_ANY", kCancelAny},
          {"CQE_BUFFER", kCqeBuffer},
          {"CQE_MORE", kCqeMore},
          {"BUFFER_SHIFT", kBufferShift},
          {"SQ_CQ_OVERFLOW", kSqCqOverflow}});
}

void ExportPlatform(Napi::Env env, Napi::Object exports) {
  constexpr int IORING_FSYNC_DATASYNC = 1;
  Export(env, exports, "constants",
         {NUMBER(AF_UNIX),
          NUMBER(AF_INET),
          NUMBER(AF_INET6),
          NUMBER(SOCK_STREAM),
          NUMBER(SOCK_DGRAM),
          NUMBER(SOCK_NONBLOCK),
          NUMBER(SOCK_CLOEXEC),
          NUMBER(IPPROTO_TCP),
          NUMBER(IPPROTO_IPV6),
          NUMBER(SOL_SOCKET),
          NUMBER(SO_REUSEADDR),
          NUMBER(SO_REUSEPORT),
          NUMBER(SO_KEEPALIVE),
          NUMBER(SO_ERROR),
          NUMBER(SO_TYPE),
          NUMBER(SO_DOMAIN),
          NUMBER(SO_PROTOCOL),
          NUMBER(SO_ACCEPTCONN),
          NUMBER(SO_SNDBUF),
          NUMBER(SO_RCVBUF),
          NUMBER(SO_INCOMING_CPU),
          NUMBER(SO_PASSCRED),
          NUMBER(SO_BUSY_POLL),
          NUMBER(TCP_NODELAY),
          NUMBER(TCP_CORK),
          NUMBER(TCP_KEEPIDLE),
          NUMBER(TCP_KEEPINTVL),
          NUMBER(TCP_KEEPCNT),
          NUMBER(TCP_DEFER_ACCEPT),
          NUMBER(TCP_QUICKACK),
          NUMBER(TCP_USER_TIMEOUT),
          NUMBER(TCP_FASTOPEN),
          NUMBER(TCP_NOTSENT_LOWAT),
          NUMBER(IPV6_V6ONLY),
          NUMBER(SHUT_RD),
          NUMBER(SHUT_WR),
          NUMBER(SHUT_RDWR),
          NUMBER(SOMAXCONN),
          NUMBER(MSG_NOSIGNAL),
          NUMBER(MSG_WAITALL),
          NUMBER(MSG_MORE),
          NUMBER(MSG_DONTWAIT),
          NUMBER(MSG_PEEK),
          NUMBER(POLLIN),
          NUMBER(POLLOUT),
          NUMBER(POLLERR),
          NUMBER(POLLHUP),
          NUMBER(POLLRDHUP),
          NUMBER(POLLPRI),
          NUMBER(AT_FDCWD),
          NUMBER(AT_EMPTY_PATH),
          NUMBER(AT_SYMLINK_NOFOLLOW),
          NUMBER(O_RDONLY),
          NUMBER(O_WRONLY),
          NUMBER(O_RDWR),
          NUMBER(O_CREAT),
          NUMBER(O_EXCL),
          NUMBER(O_TRUNC),
          NUMBER(O_APPEND),
          NUMBER(O_CLOEXEC),
          NUMBER(O_DIRECTORY),
          NUMBER(O_NOFOLLOW),
          NUMBER(O_NONBLOCK),
          NUMBER(O_DIRECT),
          NUMBER(STATX_BASIC_STATS),
          NUMBER(STATX_SIZE),
          NUMBER(STATX_MTIME),
          NUMBER(STATX_INO),
          NUMBER(STATX_TYPE),
          NUMBER(IORING_FSYNC_DATASYNC)});
  Export(
      env, exports, "errno",
      {NUMBER(EPERM),        NUMBER(ENOENT),        NUMBER(EINTR),           NUMBER(EIO),         NUMBER(EBADF),
       NUMBER(EAGAIN),       NUMBER(ENOMEM),        NUMBER(EACCES),          NUMBER(EFAULT),      NUMBER(EBUSY),
       NUMBER(EEXIST),       NUMBER(ENODEV),        NUMBER(ENOTDIR),         NUMBER(EISDIR),      NUMBER(EINVAL),
       NUMBER(ENFILE),       NUMBER(EMFILE),        NUMBER(EFBIG),           NUMBER(ENOSPC),      NUMBER(ESPIPE),
       NUMBER(EROFS),        NUMBER(EPIPE),         NUMBER(ENAMETOOLONG),    NUMBER(ENOSYS),      NUMBER(ELOOP),
       NUMBER(ETIME),        NUMBER(EOVERFLOW),     NUMBER(EBADFD),          NUMBER(ENOTSOCK),    NUMBER(EDESTADDRREQ),
       NUMBER(EMSGSIZE),     NUMBER(EPROTO),        NUMBER(EPROTONOSUPPORT), NUMBER(EOPNOTSUPP),  NUMBER(EAFNOSUPPORT),
       NUMBER(EADDRINUSE),   NUMBER(EADDRNOTAVAIL), NUMBER(ENETDOWN),        NUMBER(ENETUNREACH), NUMBER(ECONNABORTED),
       NUMBER(ECONNRESET),   NUMBER(ENOBUFS),       NUMBER(EISCONN),         NUMBER(ENOTCONN),    NUMBER(ETIMEDOUT),
       NUMBER(ECONNREFUSED), NUMBER(EHOSTDOWN),     NUMBER(EHOSTUNREACH),    NUMBER(EALREADY),    NUMBER(EINPROGRESS),
       NUMBER(ECANCELED),    NUMBER(EBADR)});
}

#undef NUMBER

}  // namespace

void ExportConstants(Napi::Env env, Napi::Object exports) {
  ExportAbi(env, exports);
  ExportPlatform(env, exports);
}

}  // namespace percore

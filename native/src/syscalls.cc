#include "syscalls.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <vector>

#include "environment.h"

namespace percore {

namespace {

using Info = Napi::CallbackInfo;

Napi::Value Answer(const Info& info, long result) {
  return Napi::Number::New(info.Env(), static_cast<double>(result < 0 ? -errno : result));
}

// The arguments' own checks: true when the first `count` are numbers; otherwise a TypeError is pending.
bool Numbers(const Info& info, size_t count) {
  for (size_t at = 0; at < count; at++) {
    if (info[at].IsNumber()) continue;
    Napi::TypeError::New(info.Env(), "argument " + std::to_string(at + 1) + " is a number")
        .ThrowAsJavaScriptException();
    return false;
  }
  return true;
}

int Int(const Info& info, size_t at) {
  return info[at].As<Napi::Number>().Int32Value();
}
int64_t Long(const Info& info, size_t at) {
  return info[at].As<Napi::Number>().Int64Value();
}

// A list of numbers at `at`; false with a TypeError pending when it is something else.
template <typename T>
bool List(const Info& info, size_t at, std::vector<T>* list) {
  const bool is_array = info[at].IsArray();
  const Napi::Array array = is_array ? info[at].As<Napi::Array>() : Napi::Array();
  const uint32_t length = is_array ? array.Length() : 0;
  bool good = is_array;
  for (uint32_t index = 0; good && index < length; index++) {
    const Napi::Value item = array.Get(index).UnwrapOr(Napi::Value());
    good = !item.IsEmpty() && item.IsNumber();
    if (good) list->push_back(static_cast<T>(item.As<Napi::Number>().Int64Value()));
  }
  if (!good && !info.Env().IsExceptionPending()) {
    Napi::TypeError::New(info.Env(), "argument " + std::to_string(at + 1) + " is an array of numbers")
        .ThrowAsJavaScriptException();
  }
  return good;
}

Napi::Value Socket(const Info& info) {
  if (!Numbers(info, 3)) return info.Env().Undefined();
  return Answer(info, ::socket(Int(info, 0), Int(info, 1) | SOCK_CLOEXEC | SOCK_NONBLOCK, Int(info, 2)));
}

Napi::Value Socketpair(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  int pair[2];
  if (::socketpair(AF_UNIX, Int(info, 0) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0) return Answer(info, -1);
  Napi::Array both = Napi::Array::New(info.Env(), 2);
  both.Set(0u, Napi::Number::New(info.Env(), pair[0]));
  both.Set(1u, Napi::Number::New(info.Env(), pair[1]));
  return both;
}

Napi::Value Bind(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  if (!info[1].IsTypedArray() || info[1].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Napi::TypeError::New(info.Env(), "argument 2 is a Uint8Array").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  auto address = info[1].As<Napi::Uint8Array>();
  return Answer(info, ::bind(Int(info, 0), reinterpret_cast<const sockaddr*>(address.Data()),
                             static_cast<socklen_t>(address.ByteLength())));
}

Napi::Value Listen(const Info& info) {
  if (!Numbers(info, 2)) return info.Env().Undefined();
  return Answer(info, ::listen(Int(info, 0), Int(info, 1)));
}

using NameCall = int (*)(int, sockaddr*, socklen_t*);

template <NameCall call>
Napi::Value Name(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (call(Int(info, 0), reinterpret_cast<sockaddr*>(&storage), &size) != 0) return Answer(info, -1);
  auto bytes = Napi::Uint8Array::New(info.Env(), size);
  if (bytes.IsEmpty()) return info.Env().Undefined();  // the thread is being terminated
  std::copy_n(reinterpret_cast<const uint8_t*>(&storage), size, bytes.Data());
  return bytes;
}

int GetSockName(int fd, sockaddr* address, socklen_t* size) {
  return ::getsockname(fd, address, size);
}
int GetPeerName(int fd, sockaddr* address, socklen_t* size) {
  return ::getpeername(fd, address, size);
}

Napi::Value SetSockoptInt(const Info& info) {
  if (!Numbers(info, 4)) return info.Env().Undefined();
  const int value = Int(info, 3);
  return Answer(info, ::setsockopt(Int(info, 0), Int(info, 1), Int(info, 2), &value, sizeof value));
}

Napi::Value GetSockoptInt(const Info& info) {
  if (!Numbers(info, 3)) return info.Env().Undefined();
  int value = 0;
  socklen_t size = sizeof value;
  if (::getsockopt(Int(info, 0), Int(info, 1), Int(info, 2), &value, &size) != 0) return Answer(info, -1);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("value", Napi::Number::New(info.Env(), value));
  return object;
}

Napi::Value SetLinger(const Info& info) {
  if (!Numbers(info, 2)) return info.Env().Undefined();
  const int seconds = Int(info, 1);
  const linger value{.l_onoff = seconds >= 0, .l_linger = seconds >= 0 ? seconds : 0};
  return Answer(info, ::setsockopt(Int(info, 0), SOL_SOCKET, SO_LINGER, &value, sizeof value));
}

Napi::Value Sendfile(const Info& info) {
  if (!Numbers(info, 4)) return info.Env().Undefined();
  off_t offset = Long(info, 2);
  return Answer(info, ::sendfile(Int(info, 0), Int(info, 1), &offset, static_cast<size_t>(Long(info, 3))));
}

Napi::Value Shutdown(const Info& info) {
  if (!Numbers(info, 2)) return info.Env().Undefined();
  return Answer(info, ::shutdown(Int(info, 0), Int(info, 1)));
}

Napi::Value Close(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  Environment::Of(info.Env())->Forget(Int(info, 0));
  return Answer(info, ::close(Int(info, 0)));
}

Napi::Value Duplicate(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  return Answer(info, ::fcntl(Int(info, 0), F_DUPFD_CLOEXEC, 0));
}

Napi::Value GetFlags(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  return Answer(info, ::fcntl(Int(info, 0), F_GETFL));
}

// Sets or clears one bit of a descriptor's flags.
template <int get, int set, int bit>
Napi::Value SetFlag(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  const bool on = info[1].ToBoolean().UnwrapOr(Napi::Boolean::New(info.Env(), false)).Value();
  const int flags = ::fcntl(Int(info, 0), get);
  if (flags < 0) return Answer(info, -1);
  return Answer(info, ::fcntl(Int(info, 0), set, on ? flags | bit : flags & ~bit));
}

Napi::Value Peercred(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(Int(info, 0), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return Answer(info, -1);
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("pid", Napi::Number::New(info.Env(), peer.pid));
  object.Set("uid", Napi::Number::New(info.Env(), peer.uid));
  object.Set("gid", Napi::Number::New(info.Env(), peer.gid));
  return object;
}

Napi::Value AcceptQueue(const Info& info) {
  if (!Numbers(info, 1)) return info.Env().Undefined();
  tcp_info state{};
  socklen_t size = sizeof state;
  if (::getsockopt(Int(info, 0), IPPROTO_TCP, TCP_INFO, &state, &size) != 0) return Answer(info, -1);
  Napi::Object object = Napi::Object::New(info.Env());
  // For a listener these two fields hold the queue and its limit.
  object.Set("length", Napi::Number::New(info.Env(), state.tcpi_unacked));
  object.Set("max", Napi::Number::New(info.Env(), state.tcpi_sacked));
  return object;
}

// A CPU set as large as the kernel may ask for.
constexpr int kCpusMax = 8192;

Napi::Value SetAffinity(const Info& info) {
  std::vector<int> cpus;
  if (!List(info, 0, &cpus)) return info.Env().Undefined();
  std::vector<unsigned long> mask(kCpusMax / (8 * sizeof(unsigned long)));
  auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
  for (const int cpu : cpus) {
    if (cpu < 0 || cpu >= kCpusMax) return Napi::Number::New(info.Env(), -EINVAL);
    CPU_SET_S(static_cast<size_t>(cpu), kCpusMax / 8, set);
  }
  return Answer(info, ::sched_setaffinity(0, kCpusMax / 8, set));
}

Napi::Value GetAffinity(const Info& info) {
  std::vector<unsigned long> mask(kCpusMax / (8 * sizeof(unsigned long)));
  auto* set = reinterpret_cast<cpu_set_t*>(mask.data());
  if (::sched_getaffinity(0, kCpusMax / 8, set) != 0) return Answer(info, -1);
  Napi::Array cpus = Napi::Array::New(info.Env());
  for (int cpu = 0; cpu < kCpusMax; cpu++) {
    if (CPU_ISSET_S(static_cast<size_t>(cpu), kCpusMax / 8, set))
      cpus.Set(cpus.Length(), Napi::Number::New(info.Env(), cpu));
  }
  return cpus;
}

Napi::Value GetCpu(const Info& info) {
  return Answer(info, ::sched_getcpu());
}

Napi::Value Gettid(const Info& info) {
  return Answer(info, ::syscall(SYS_gettid));
}

Napi::Value SetPrivileges(const Info& info) {
  std::vector<gid_t> groups;
  if (!Numbers(info, 2) || !List(info, 2, &groups)) return info.Env().Undefined();
  const auto uid = static_cast<uid_t>(Long(info, 0));
  const auto gid = static_cast<gid_t>(Long(info, 1));
  // The C library applies each to every thread of the process.
  if (::setgroups(groups.size(), groups.data()) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    return Answer(info, -1);
  }
  return Napi::Number::New(info.Env(), 0);
}

Napi::Value Rlimit(const Info& info) {
  const std::string which = info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "";
  if (which != "memlock" && which != "nofile") {
    Napi::TypeError::New(info.Env(), "argument 1 is \"memlock\" or \"nofile\"").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  rlimit limit{};
  ::getrlimit(which == "memlock" ? RLIMIT_MEMLOCK : RLIMIT_NOFILE, &limit);
  const auto figure = [](rlim_t value) {
    return value == RLIM_INFINITY ? std::numeric_limits<double>::infinity() : static_cast<double>(value);
  };
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("soft", Napi::Number::New(info.Env(), figure(limit.rlim_cur)));
  object.Set("hard", Napi::Number::New(info.Env(), figure(limit.rlim_max)));
  return object;
}

}  // namespace

void ExportSyscalls(Napi::Env env, Napi::Object exports) {
  exports.Set("socket", Napi::Function::New<Socket>(env, "socket"));
  exports.Set("socketpair", Napi::Function::New<Socketpair>(env, "socketpair"));
  exports.Set("bind", Napi::Function::New<Bind>(env, "bind"));
  exports.Set("listen", Napi::Function::New<Listen>(env, "listen"));
  exports.Set("getsockname", Napi::Function::New<Name<GetSockName>>(env, "getsockname"));
  exports.Set("getpeername", Napi::Function::New<Name<GetPeerName>>(env, "getpeername"));
  exports.Set("setsockoptInt", Napi::Function::New<SetSockoptInt>(env, "setsockoptInt"));
  exports.Set("getsockoptInt", Napi::Function::New<GetSockoptInt>(env, "getsockoptInt"));
  exports.Set("setLinger", Napi::Function::New<SetLinger>(env, "setLinger"));
  exports.Set("sendfile", Napi::Function::New<Sendfile>(env, "sendfile"));
  exports.Set("shutdown", Napi::Function::New<Shutdown>(env, "shutdown"));
  exports.Set("close", Napi::Function::New<Close>(env, "close"));
  exports.Set("duplicate", Napi::Function::New<Duplicate>(env, "duplicate"));
  exports.Set("getFlags", Napi::Function::New<GetFlags>(env, "getFlags"));
  exports.Set("setNonblock", Napi::Function::New<SetFlag<F_GETFL, F_SETFL, O_NONBLOCK>>(env, "setNonblock"));
  exports.Set("setCloexec", Napi::Function::New<SetFlag<F_GETFD, F_SETFD, FD_CLOEXEC>>(env, "setCloexec"));
  exports.Set("peercred", Napi::Function::New<Peercred>(env, "peercred"));
  exports.Set("acceptQueue", Napi::Function::New<AcceptQueue>(env, "acceptQueue"));
  exports.Set("setAffinity", Napi::Function::New<SetAffinity>(env, "setAffinity"));
  exports.Set("getAffinity", Napi::Function::New<GetAffinity>(env, "getAffinity"));
  exports.Set("getCpu", Napi::Function::New<GetCpu>(env, "getCpu"));
  exports.Set("gettid", Napi::Function::New<Gettid>(env, "gettid"));
  exports.Set("setPrivileges", Napi::Function::New<SetPrivileges>(env, "setPrivileges"));
  exports.Set("rlimit", Napi::Function::New<Rlimit>(env, "rlimit"));
}

}  // namespace percore

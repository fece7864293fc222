#include "native-ring.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "environment.h"
#include "poller.h"
#include "ring.h"

namespace percore {

namespace {

constexpr uint32_t kSqEntriesMax = 32768;
constexpr uint32_t kCqEntriesMax = 65536;
constexpr uint32_t kBufferEntriesMax = 32768;

// Order of the figures in `layout`, as LAYOUT in index.js names them.
void FillLayout(int32_t* layout, const RingView& view, const Arena& arena) {
  const auto offset = [&view](const void* at) {
    return static_cast<int32_t>(static_cast<const uint8_t*>(at) - view.rings);
  };
  const auto base = reinterpret_cast<uint64_t>(arena.base);
  const int32_t figures[] = {offset(view.sq_head),
                             offset(view.sq_tail),
                             offset(view.sq_flags),
                             offset(view.sq_dropped),
                             offset(view.cq_head),
                             offset(view.cq_tail),
                             offset(view.cq_overflow),
                             offset(view.cqes),
                             static_cast<int32_t>(view.sq_entries),
                             static_cast<int32_t>(view.sq_mask),
                             static_cast<int32_t>(view.cq_entries),
                             static_cast<int32_t>(view.cq_mask),
                             static_cast<int32_t>(base),
                             static_cast<int32_t>(base >> 32)};
  std::copy(std::begin(figures), std::end(figures), layout);
}

constexpr size_t kLayoutLength = 14;

Napi::Value Throw(Napi::Env env, const char* message) {
  Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Object FailureObject(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("step", Napi::String::New(env, failure.step));
  object.Set("errno", Napi::Number::New(env, failure.error));
  object.Set("detail", Napi::String::New(env, failure.detail));
  object.Set("memlockNeeded", Napi::Number::New(env, static_cast<double>(failure.memlock_needed)));
  return object;
}

// A property as a u32; 0 when it is missing or of another kind.
uint32_t UintProperty(const Napi::Object& object, const char* name) {
  const Napi::Value value = object.Get(name).UnwrapOr(Napi::Value());
  return !value.IsEmpty() && value.IsNumber() ? value.As<Napi::Number>().Uint32Value() : 0;
}

bool External(Napi::Env env, Napi::Object object, const char* name, void* data, size_t size) {
  napi_value buffer = nullptr;
  // No finalizer: the session owns the memory, and detaches the buffer before it unmaps.
  if (napi_create_external_arraybuffer(env, data, size, nullptr, nullptr, &buffer) != napi_ok) return false;
  return object.Set(name, Napi::Value(env, buffer)).IsJust();
}

}  // namespace

Napi::Function NativeRing::Define(Napi::Env env) {
  return DefineClass(
      env, "NativeRing",
      {InstanceMethod<&NativeRing::Supports>("supports"),
       InstanceMethod<&NativeRing::RegisterBuffers>("registerBuffers"),
       InstanceMethod<&NativeRing::UnregisterBuffers>("unregisterBuffers"), InstanceMethod<&NativeRing::Start>("start"),
       InstanceMethod<&NativeRing::Submit>("submit"), InstanceMethod<&NativeRing::Ref>("ref"),
       InstanceMethod<&NativeRing::Unref>("unref"), InstanceMethod<&NativeRing::Close>("close"),
       InstanceMethod<&NativeRing::CountersOf>("counters")});
}

NativeRing::NativeRing(const Napi::CallbackInfo& info) : Napi::ObjectWrap<NativeRing>(info) {
  if (info.Length() != 1 || !info[0].IsExternal()) {
    Throw(info.Env(), "NativeRing is made by openRing");
    return;
  }
  session_ = *info[0].As<Napi::External<std::shared_ptr<Session>>>().Data();
}

Napi::Value NativeRing::Supports(const Napi::CallbackInfo& info) {
  const uint32_t op = info[0].IsNumber() ? info[0].As<Napi::Number>().Uint32Value() : 256;
  return Napi::Boolean::New(info.Env(),
                            op < 256 && session_->open() && session_->driver()->Supports(static_cast<uint8_t>(op)));
}

Napi::Value NativeRing::RegisterBuffers(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber() || !info[1].IsNumber() || !info[2].IsNumber()) {
    return Throw(info.Env(), "registerBuffers(group, arenaOffset, entries): three numbers");
  }
  const uint32_t group = info[0].As<Napi::Number>().Uint32Value();
  const int64_t offset = info[1].As<Napi::Number>().Int64Value();
  const uint32_t entries = info[2].As<Napi::Number>().Uint32Value();
  const Arena& arena = session_->arena();
  int result = -EINVAL;
  if (!session_->open()) {
    result = -EBADF;
  } else if (group < 0xffff && std::has_single_bit(entries) && entries <= kBufferEntriesMax && offset >= 0 &&
             offset % 4096 == 0 &&
             static_cast<uint64_t>(offset) + uint64_t{entries} * sizeof(BufferEntry) <= arena.size) {
    result = session_->driver()->RegisterBuffers(static_cast<uint16_t>(group), arena.base + offset, entries);
  }
  return Napi::Number::New(info.Env(), result);
}

Napi::Value NativeRing::UnregisterBuffers(const Napi::CallbackInfo& info) {
  if (!info[0].IsNumber()) return Throw(info.Env(), "unregisterBuffers(group): a number");
  const uint32_t group = info[0].As<Napi::Number>().Uint32Value();
  const int result = !session_->open() ? -EBADF
                     : group >= 0xffff ? -EINVAL
                                       : session_->driver()->UnregisterBuffers(static_cast<uint16_t>(group));
  return Napi::Number::New(info.Env(), result);
}

Napi::Value NativeRing::Start(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) return Throw(info.Env(), "start(onBatch): a function");
  if (!session_->open()) return Throw(info.Env(), "the ring is closed");
  if (session_->loop().started()) return Throw(info.Env(), "the ring is started already");
  session_->loop().Start(Value(), info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value NativeRing::Submit(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), session_->open() ? session_->driver()->Submit() : -EBADF);
}

Napi::Value NativeRing::Ref(const Napi::CallbackInfo& info) {
  session_->loop().SetRef(true);
  return info.Env().Undefined();
}

Napi::Value NativeRing::Unref(const Napi::CallbackInfo& info) {
  session_->loop().SetRef(false);
  return info.Env().Undefined();
}

Napi::Value NativeRing::Close(const Napi::CallbackInfo& info) {
  if (session_->open()) {
    last_ = session_->driver()->counters();
    session_->Close();
  }
  return info.Env().Undefined();
}

Napi::Value NativeRing::CountersOf(const Napi::CallbackInfo& info) {
  if (session_->open()) last_ = session_->driver()->counters();
  const uint64_t figures[] = {last_.enters,    last_.waits, last_.submitted, last_.completions,
                              last_.overflows, last_.turns, last_.batches,   last_.inflight};
  auto array = Napi::Float64Array::New(info.Env(), std::size(figures));
  if (array.IsEmpty()) return info.Env().Undefined();
  std::copy(std::begin(figures), std::end(figures), array.Data());
  return array;
}

Napi::Value OpenRing(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  if (!info[0].IsObject()) return Throw(env, "openRing(options): an object");
  const auto options = info[0].As<Napi::Object>();
  const Napi::Value kind_value = options.Get("kind").UnwrapOr(env.Undefined());
  const std::string kind = kind_value.IsString() ? kind_value.As<Napi::String>().Utf8Value() : "";
  if (kind != "uring" && kind != "poll") return Throw(env, "openRing: kind is \"uring\" or \"poll\"");
  const Napi::Value arena_value = options.Get("arena").UnwrapOr(env.Undefined());
  if (!arena_value.IsArrayBuffer()) return Throw(env, "openRing: arena is an ArrayBuffer");
  const uint32_t sq = UintProperty(options, "sqEntries");
  const uint32_t cq = UintProperty(options, "cqEntries");
  if (sq == 0 || sq > kSqEntriesMax || cq < sq || cq > kCqEntriesMax) {
    return Throw(env, "openRing: 1 <= sqEntries <= 32768 and sqEntries <= cqEntries <= 65536");
  }
  const uint32_t buffers = std::max(1u, UintProperty(options, "bufferEntries"));
  if (buffers > kBufferEntriesMax) return Throw(env, "openRing: bufferEntries <= 32768");
  auto arena_buffer = arena_value.As<Napi::ArrayBuffer>();
  const Arena arena{.base = static_cast<uint8_t*>(arena_buffer.Data()), .size = arena_buffer.ByteLength()};

  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  Failure failure;
  Descriptors descriptors;
  if (const int error = descriptors.Create(); error < 0) {
    return FailureObject(env, {.step = "mmap", .error = -error, .detail = "no memory for the descriptor table"});
  }
  std::unique_ptr<Driver> driver;
  if (kind == "uring") {
    driver =
        UringDriver::Open(std::bit_ceil(sq), std::bit_ceil(cq), std::bit_ceil(buffers), uv_backend_fd(loop), &failure);
  } else {
    driver = PollDriver::Open(std::bit_ceil(sq), std::bit_ceil(cq), arena, loop, &failure);
  }
  if (driver == nullptr) return FailureObject(env, failure);

  Environment* environment = Environment::Of(env);
  auto session = std::make_shared<Session>(env, loop, environment, std::move(driver), std::move(descriptors), arena);
  const auto handle = Napi::External<std::shared_ptr<Session>>::New(env, &session);
  Napi::Object object = environment->ring_class.New({handle}).UnwrapOr(Napi::Object());
  if (object.IsEmpty()) return env.Undefined();
  const RingView& view = session->driver()->view();
  auto layout = Napi::Int32Array::New(env, kLayoutLength);
  // Nothing can be made any more in a thread that is being terminated, which may happen at any line here.
  if (layout.IsEmpty()) return env.Undefined();
  FillLayout(layout.Data(), view, arena);
  if (!External(env, object, "rings", view.rings, view.rings_size) ||
      !External(env, object, "sqes", view.sqes, view.sq_entries * sizeof(Sqe)) ||
      !External(env, object, "descriptors", session->descriptors().data(), session->descriptors().size())) {
    return FailureObject(env, {.step = "mmap", .error = 0, .detail = "this runtime forbids external ArrayBuffers"});
  }
  object.Set("kind", kind_value);
  object.Set("layout", layout);
  object.Set("arena", arena_value);  // keeps it
  object.Set("setupFlags", Napi::Number::New(env, session->driver()->setup_flags()));
  object.Set("features", Napi::Number::New(env, session->driver()->features()));
  session->Keep(object);
  session->Attach();
  return object;
}

}  // namespace percore

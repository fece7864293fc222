// JavaScript classes of contexts and ticket rings, and what one environment holds of them.
#ifndef PERCORE_TLS_FACES_H_
#define PERCORE_TLS_FACES_H_

#include <napi.h>

#include <memory>

#include "context.h"
#include "ticket-ring.h"

namespace percore::tls {

struct Classes {
  Napi::FunctionReference engine;
  Napi::FunctionReference context;
  Napi::FunctionReference ring;
  static Classes* Of(Napi::Env env) { return env.GetInstanceData<Classes>(); }
};

class TicketRingFace final : public Napi::ObjectWrap<TicketRingFace> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit TicketRingFace(const Napi::CallbackInfo& info);
  [[nodiscard]] const std::shared_ptr<TicketRing>& ring() const { return ring_; }

 private:
  Napi::Value SetPolicy(const Napi::CallbackInfo& info);
  Napi::Value Give(const Napi::CallbackInfo& info);
  Napi::Value Rotate(const Napi::CallbackInfo& info);
  Napi::Value Size(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  std::shared_ptr<TicketRing> ring_;
};

class ContextFace final : public Napi::ObjectWrap<ContextFace> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit ContextFace(const Napi::CallbackInfo& info);
  [[nodiscard]] const std::shared_ptr<Context>& context() const { return context_; }

 private:
  Napi::Value SetOcsp(const Napi::CallbackInfo& info);
  std::shared_ptr<Context> context_;
};

// The wrapped object when `value` is an instance of `type`, else null.
template <typename T>
T* InstanceOf(const Napi::Value& value, const Napi::FunctionReference& type) {
  if (!value.IsObject()) return nullptr;
  const auto object = value.As<Napi::Object>();
  return object.InstanceOf(type.Value()).UnwrapOr(false) ? T::Unwrap(object) : nullptr;
}

inline Napi::Value Throw(Napi::Env env, const char* message) {
  if (!env.IsExceptionPending()) Napi::TypeError::New(env, message).ThrowAsJavaScriptException();
  return env.Undefined();
}

// Text or bytes; false when it is neither.
bool Bytes(const Napi::Value& value, std::string* bytes);

Napi::Value OpenTicketRing(const Napi::CallbackInfo& info);
Napi::Value MakeContext(const Napi::CallbackInfo& info);
Napi::Value OpenEngine(const Napi::CallbackInfo& info);

}  // namespace percore::tls

#endif  // PERCORE_TLS_FACES_H_

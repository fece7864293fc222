// The JavaScript face of a session: class NativeRing and openRing.
#ifndef PERCORE_NATIVE_RING_H_
#define PERCORE_NATIVE_RING_H_

#include <napi.h>

#include <memory>

#include "session.h"

namespace percore {

class NativeRing final : public Napi::ObjectWrap<NativeRing> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit NativeRing(const Napi::CallbackInfo& info);

 private:
  Napi::Value Supports(const Napi::CallbackInfo& info);
  Napi::Value RegisterBuffers(const Napi::CallbackInfo& info);
  Napi::Value UnregisterBuffers(const Napi::CallbackInfo& info);
  Napi::Value Start(const Napi::CallbackInfo& info);
  Napi::Value Submit(const Napi::CallbackInfo& info);
  Napi::Value Ref(const Napi::CallbackInfo& info);
  Napi::Value Unref(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value CountersOf(const Napi::CallbackInfo& info);

  std::shared_ptr<Session> session_;
  Counters last_;
};

Napi::Value OpenRing(const Napi::CallbackInfo& info);

}  // namespace percore

#endif  // PERCORE_NATIVE_RING_H_

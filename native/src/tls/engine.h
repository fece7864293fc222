// The JavaScript face: one engine for an arena, sessions by number, one call per batch of records.
#ifndef PERCORE_TLS_ENGINE_H_
#define PERCORE_TLS_ENGINE_H_

#include <napi.h>

#include <memory>
#include <vector>

#include "control.h"
#include "session.h"

namespace percore::tls {

class Engine final : public Napi::ObjectWrap<Engine> {
 public:
  static Napi::Function Define(Napi::Env env);
  explicit Engine(const Napi::CallbackInfo& info);

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  static napi_value Run(napi_env env, napi_callback_info info);
  void Carry(Session* session);
  Napi::Value Choose(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value PeerCertificates(const Napi::CallbackInfo& info);
  Napi::Value TakeSession(const Napi::CallbackInfo& info);
  Napi::Value Failure(const Napi::CallbackInfo& info);
  Napi::Value ServerName(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  Napi::Value Sessions(const Napi::CallbackInfo& info);

  // A slot's number and how often it was used before, so that a handle kept too long finds nothing.
  struct Slot {
    std::unique_ptr<Session> session;
    uint32_t generation = 0;
  };
  [[nodiscard]] Session* Find(uint32_t handle) const;
  [[nodiscard]] Session* Find(const Napi::CallbackInfo& info) const;
  [[nodiscard]] uint8_t* Range(size_t offset_word, size_t length_word, size_t* length) const;

  uint8_t* arena_ = nullptr;
  size_t arena_size_ = 0;
  int32_t* words_ = nullptr;
  std::unique_ptr<uint8_t[]> scratch_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

}  // namespace percore::tls

#endif  // PERCORE_TLS_ENGINE_H_

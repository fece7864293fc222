// One open ring: driver, descriptor table and loop, and the order in which they end.
#ifndef PERCORE_SESSION_H_
#define PERCORE_SESSION_H_

#include <napi.h>
#include <uv.h>

#include <memory>

#include "descriptors.h"
#include "driver.h"
#include "loop.h"

namespace percore {

class Environment;

// Lives from openRing until libuv and all work let go of it, which is after the JavaScript object or the environment
// may be gone: it owns itself (`self_`) until then. An async cleanup hook makes the environment wait.
class Session final : public Loop::Owner, public std::enable_shared_from_this<Session> {
 public:
  Session(Napi::Env env, uv_loop_t* loop, Environment* environment, std::unique_ptr<Driver> driver,
          Descriptors descriptors, Arena arena);

  // Registers with the environment; from here on the session ends by Close or with the environment.
  void Attach();

  [[nodiscard]] Driver* driver() { return driver_.get(); }
  [[nodiscard]] Loop& loop() { return loop_; }
  [[nodiscard]] const Descriptors& descriptors() const { return descriptors_; }
  [[nodiscard]] const Arena& arena() const { return arena_; }
  [[nodiscard]] bool open() const { return !closing_; }

  // The three external buffers, to be detached before their memory is unmapped.
  void Keep(Napi::Object buffers) { buffers_ = Napi::Persistent(buffers); }
  [[nodiscard]] Napi::Object buffers() const { return buffers_.Value(); }

  // From JavaScript: within a batch it takes effect when the batch returns.
  void Close();
  void OnHandlesClosed() override;
  void OnDispatched() override;

 private:
  static void OnEnvironmentEnd(napi_async_cleanup_hook_handle handle, void* session);
  void Finish(bool environment_ends);
  void DetachBuffers();
  void Release();

  Napi::Env env_;
  Environment* environment_;
  std::unique_ptr<Driver> driver_;
  Descriptors descriptors_;
  Arena arena_;
  Loop loop_;
  Napi::ObjectReference buffers_;
  napi_async_cleanup_hook_handle hook_ = nullptr;
  std::shared_ptr<Session> self_;
  bool closing_ = false;
  bool finished_ = false;
  bool handles_closed_ = false;
};

}  // namespace percore

#endif  // PERCORE_SESSION_H_

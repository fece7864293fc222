// Where the ring meets libuv: the ring owns the wait, libuv gets its turns.
#ifndef PERCORE_LOOP_H_
#define PERCORE_LOOP_H_

#include <napi.h>
#include <uv.h>

#include "driver.h"

namespace percore {

// Enters the driver from uv_prepare and stays in an inner loop (enter, one call into JavaScript per batch) until libuv
// needs a turn: a timer is due, its descriptor is readable, an immediate or a closing handle waits. libuv then polls
// without waiting, because an idle handle is active meanwhile.
class Loop {
 public:
  // Told when the handles are closed, and when a close() made inside the callback can go on.
  class Owner {
   public:
    virtual void OnHandlesClosed() = 0;
    virtual void OnDispatched() = 0;

   protected:
    ~Owner() = default;
  };

  Loop(Napi::Env env, uv_loop_t* loop, Driver* driver, Owner* owner)
      : env_(env), loop_(loop), driver_(driver), owner_(owner) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Start(Napi::Object receiver, Napi::Function on_batch);
  void SetRef(bool on);
  [[nodiscard]] bool started() const { return started_; }
  [[nodiscard]] bool dispatching() const { return dispatching_; }
  // Stops and releases what belongs to JavaScript; the owner is told when libuv has let go of the handles (at once when
  // never started).
  void Close();

 private:
  void Run();
  // True between an error that nobody caught (or terminate()) and the end of the environment: libuv takes one more
  // turn then. To enter the ring in it would accept connections that another worker could serve.
  [[nodiscard]] bool Ending();
  // One call into JavaScript. False when the inner loop must not go on.
  [[nodiscard]] bool Dispatch();
  void ReportException();
  void ReportBroken(int error);

  Napi::Env env_;
  uv_loop_t* loop_;
  Driver* driver_;
  Owner* owner_;
  uv_prepare_t prepare_{};
  uv_idle_t idle_{};
  uv_check_t check_{};
  Napi::ObjectReference receiver_;
  Napi::FunctionReference on_batch_;
  napi_async_context context_ = nullptr;
  bool ref_ = true;
  bool started_ = false;
  bool closed_ = false;
  bool dispatching_ = false;
  int open_handles_ = 0;
};

}  // namespace percore

#endif  // PERCORE_LOOP_H_

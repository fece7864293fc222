#include "loop.h"

#include <cstring>
#include <string>

namespace percore {

void Loop::Start(Napi::Object receiver, Napi::Function on_batch) {
  receiver_ = Napi::Persistent(receiver);
  on_batch_ = Napi::Persistent(on_batch);
  napi_async_init(env_, receiver, Napi::String::New(env_, "PercoreRing"), &context_);
  uv_prepare_init(loop_, &prepare_);
  uv_idle_init(loop_, &idle_);
  uv_check_init(loop_, &check_);
  prepare_.data = idle_.data = check_.data = this;
  open_handles_ = 3;
  started_ = true;
  uv_prepare_start(&prepare_, [](uv_prepare_t* handle) { static_cast<Loop*>(handle->data)->Run(); });
  uv_check_start(&check_, [](uv_check_t* handle) { uv_idle_stop(&static_cast<Loop*>(handle->data)->idle_); });
  // Only prepare decides about the process's life.
  uv_unref(reinterpret_cast<uv_handle_t*>(&idle_));
  uv_unref(reinterpret_cast<uv_handle_t*>(&check_));
  SetRef(ref_);
}

void Loop::SetRef(bool on) {
  ref_ = on;
  if (!started_ || closed_) return;
  auto* handle = reinterpret_cast<uv_handle_t*>(&prepare_);
  on ? uv_ref(handle) : uv_unref(handle);
}

void Loop::Run() {
  driver_->counters().turns++;
  uv_idle_stop(&idle_);
  if (Ending()) return;
  // The callbacks that ran since the loop's time was taken may have taken long: sleep by the time that is.
  uv_update_time(loop_);
  for (int timeout = uv_backend_timeout(loop_);;) {
    if (const int error = driver_->Enter(timeout); error < 0) {
      ReportBroken(error);
      return;
    }
    const bool backend = driver_->TakeBackend();
    if (driver_->view().Ready() != 0 && !Dispatch()) break;
    if (timeout == 0 || backend) break;
    uv_update_time(loop_);
    timeout = uv_backend_timeout(loop_);
    if (timeout == 0) break;
  }
  if (!closed_) uv_idle_start(&idle_, [](uv_idle_t*) {});
}

bool Loop::Ending() {
  const Napi::HandleScope scope(env_);
  napi_value value = nullptr;
  if (napi_get_undefined(env_, &value) != napi_ok) return true;
  // The cheapest call that is refused when JavaScript may not run any more.
  return napi_coerce_to_bool(env_, value, &value) != napi_ok;
}

bool Loop::Dispatch() {
  const Napi::HandleScope scope(env_);
  driver_->counters().batches++;
  dispatching_ = true;
  napi_value result = nullptr;
  const napi_status status =
      napi_make_callback(env_, context_, receiver_.Value(), on_batch_.Value(), 0, nullptr, &result);
  if (status != napi_ok) ReportException();
  dispatching_ = false;
  owner_->OnDispatched();
  return status == napi_ok && !closed_;
}

void Loop::ReportException() {
  // Not pending: the environment is being terminated and must be left as soon as possible.
  bool pending = false;
  napi_value error = nullptr;
  if (napi_is_exception_pending(env_, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env_, &error) == napi_ok) napi_fatal_exception(env_, error);
}

void Loop::ReportBroken(int error) {
  uv_prepare_stop(&prepare_);
  const Napi::HandleScope scope(env_);
  const Napi::Error exception =
      Napi::Error::New(env_, std::string("the ring failed for good: ") + std::strerror(-error));
  exception.Set("code", Napi::String::New(env_, "ERR_RING_BROKEN"));
  exception.Set("errno", Napi::Number::New(env_, error));
  napi_fatal_exception(env_, exception.Value());
}

void Loop::Close() {
  if (closed_) return;
  closed_ = true;
  receiver_.Reset();
  on_batch_.Reset();
  if (context_ != nullptr) napi_async_destroy(env_, context_);
  context_ = nullptr;
  if (!started_) {
    owner_->OnHandlesClosed();
    return;
  }
  const auto on_close = [](uv_handle_t* handle) {
    auto* self = static_cast<Loop*>(handle->data);
    if (--self->open_handles_ == 0) self->owner_->OnHandlesClosed();
  };
  uv_close(reinterpret_cast<uv_handle_t*>(&prepare_), on_close);
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), on_close);
  uv_close(reinterpret_cast<uv_handle_t*>(&check_), on_close);
}

}  // namespace percore

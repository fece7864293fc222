#include "session.h"

#include <utility>

#include "environment.h"

namespace percore {

Session::Session(Napi::Env env, uv_loop_t* loop, Environment* environment, std::unique_ptr<Driver> driver,
                 Descriptors descriptors, Arena arena)
    : env_(env),
      environment_(environment),
      driver_(std::move(driver)),
      descriptors_(std::move(descriptors)),
      arena_(arena),
      loop_(env, loop, driver_.get(), this) {}

void Session::Attach() {
  self_ = shared_from_this();
  environment_->Add(this);
  driver_->OnIdle([this] { Release(); });
  napi_add_async_cleanup_hook(env_, OnEnvironmentEnd, this, &hook_);
}

void Session::Close() {
  closing_ = true;
  if (!loop_.dispatching()) Finish(false);
}

void Session::OnDispatched() {
  if (closing_) Finish(false);
}

void Session::OnEnvironmentEnd(napi_async_cleanup_hook_handle, void* session) {
  auto* self = static_cast<Session*>(session);
  self->closing_ = true;
  self->Finish(true);
}

// Cancel and reap, then close descriptors, then unmap: memory the kernel may still write stays mapped.
void Session::Finish(bool environment_ends) {
  if (std::exchange(finished_, true)) return;
  environment_->Remove(this);
  driver_->Cancel(&descriptors_);
  descriptors_.CloseAll();
  if (!environment_ends) DetachBuffers();
  loop_.Close();
}

void Session::DetachBuffers() {
  const Napi::HandleScope scope(env_);
  const Napi::Object buffers = buffers_.Value();
  for (const char* name : {"rings", "sqes", "descriptors"}) {
    napi_value buffer = nullptr;
    if (napi_get_named_property(env_, buffers, name, &buffer) == napi_ok) napi_detach_arraybuffer(env_, buffer);
  }
}

void Session::OnHandlesClosed() {
  handles_closed_ = true;
  Release();
}

void Session::Release() {
  if (!handles_closed_ || !driver_->Idle()) return;
  const std::shared_ptr<Session> last = std::move(self_);
  // Until now: it holds the arena, which work in the thread pool may have written.
  buffers_.Reset();
  driver_.reset();
  descriptors_ = Descriptors();
  napi_remove_async_cleanup_hook(hook_);
}

}  // namespace percore

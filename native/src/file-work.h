// File operations of the poll driver: epoll knows no readiness of files, so libuv's thread pool carries them out.
#ifndef PERCORE_FILE_WORK_H_
#define PERCORE_FILE_WORK_H_

#include <uv.h>

#include "kernel.h"

namespace percore {

class FileWork {
 public:
  class Owner {
   public:
    // On the loop's thread, once; the work is the owner's to delete.
    virtual void OnFileWork(FileWork* work, int result) = 0;

   protected:
    ~Owner() = default;
  };

  FileWork(const Sqe& sqe, Owner* owner) : sqe_(sqe), owner_(owner) {}
  FileWork(const FileWork&) = delete;
  FileWork& operator=(const FileWork&) = delete;

  [[nodiscard]] static bool Handles(uint8_t op);
  // 0 or -errno.
  [[nodiscard]] int Queue(uv_loop_t* loop);
  // True when it had not begun: it will end with -ECANCELED.
  bool Cancel() { return uv_cancel(reinterpret_cast<uv_req_t*>(&request_)) == 0; }
  [[nodiscard]] const Sqe& sqe() const { return sqe_; }

 private:
  void Run();

  Sqe sqe_;
  Owner* owner_;
  int result_ = 0;
  uv_work_t request_{};
};

}  // namespace percore

#endif  // PERCORE_FILE_WORK_H_

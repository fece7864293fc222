#include "file-work.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace percore {

namespace {

template <typename T>
T* Pointer(uint64_t address) {
  return reinterpret_cast<T*>(address);
}

int Answer(long result) {
  return result < 0 ? -errno : static_cast<int>(result);
}

// A pipe or a terminal could hold a thread of the pool for ever.
int RefuseStreams(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return -errno;
  return S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || S_ISDIR(status.st_mode) ? 0 : -EOPNOTSUPP;
}

int Transfer(const Sqe& sqe) {
  if (const int error = RefuseStreams(sqe.fd); error < 0) return error;
  const bool at_position = sqe.off == ~uint64_t{0};
  const auto offset = static_cast<off_t>(sqe.off);
  if (sqe.opcode == kOpRead) {
    auto* to = Pointer<void>(sqe.addr);
    return Answer(at_position ? ::read(sqe.fd, to, sqe.len) : ::pread(sqe.fd, to, sqe.len, offset));
  }
  const auto* from = Pointer<const void>(sqe.addr);
  return Answer(at_position ? ::write(sqe.fd, from, sqe.len) : ::pwrite(sqe.fd, from, sqe.len, offset));
}

}  // namespace

bool FileWork::Handles(uint8_t op) {
  return op == kOpOpenat || op == kOpStatx || op == kOpRead || op == kOpWrite || op == kOpFsync || op == kOpUnlinkat;
}

int FileWork::Queue(uv_loop_t* loop) {
  request_.data = this;
  return uv_queue_work(
      loop, &request_, [](uv_work_t* request) { static_cast<FileWork*>(request->data)->Run(); },
      [](uv_work_t* request, int status) {
        auto* self = static_cast<FileWork*>(request->data);
        self->owner_->OnFileWork(self, status < 0 ? status : self->result_);
      });
}

void FileWork::Run() {
  switch (sqe_.opcode) {
    case kOpOpenat:
      result_ = Answer(::openat(sqe_.fd, Pointer<const char>(sqe_.addr), static_cast<int>(sqe_.op_flags), sqe_.len));
      break;
    case kOpStatx:
      result_ = Answer(::syscall(SYS_statx, sqe_.fd, Pointer<const char>(sqe_.addr), sqe_.op_flags, sqe_.len,
                                 Pointer<void>(sqe_.off)));
      break;
    case kOpFsync: result_ = Answer((sqe_.op_flags & 1) != 0 ? ::fdatasync(sqe_.fd) : ::fsync(sqe_.fd)); break;
    case kOpUnlinkat:
      result_ = Answer(::unlinkat(sqe_.fd, Pointer<const char>(sqe_.addr), static_cast<int>(sqe_.op_flags)));
      break;
    default: result_ = Transfer(sqe_);
  }
}

}  // namespace percore

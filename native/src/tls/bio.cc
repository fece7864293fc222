#include "bio.h"

#include <algorithm>
#include <cstring>

#include "session.h"

namespace percore::tls {

BIO* SessionBio::Make(Session* session) {
  BIO* bio = BIO_new(Method());
  if (bio == nullptr) return nullptr;
  BIO_set_data(bio, session);
  BIO_set_init(bio, 1);
  return bio;
}

// Made once and kept: it holds nothing but functions, and every thread's BIOs point to it.
const BIO_METHOD* SessionBio::Method() {
  static const BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "percore");
    BIO_meth_set_read(made, Read);
    BIO_meth_set_write(made, Write);
    BIO_meth_set_ctrl(made, Control);
    return made;
  }();
  return method;
}

int SessionBio::Read(BIO* bio, char* to, int size) {
  BIO_clear_retry_flags(bio);
  auto* session = static_cast<Session*>(BIO_get_data(bio));
  Io* io = session->io_;
  if (io == nullptr || io->in_used == io->in_length || size <= 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const size_t taken = std::min(static_cast<size_t>(size), io->in_length - io->in_used);
  const uint8_t* from = io->in + io->in_used;
  session->Follow(from, taken);
  std::memcpy(to, from, taken);
  io->in_used += taken;
  return static_cast<int>(taken);
}

int SessionBio::Write(BIO* bio, const char* from, int size) {
  BIO_clear_retry_flags(bio);
  Io* io = static_cast<Session*>(BIO_get_data(bio))->io_;
  if (io == nullptr || io->out_used == io->out_length || size <= 0) {
    BIO_set_retry_write(bio);
    return -1;
  }
  const size_t taken = std::min(static_cast<size_t>(size), io->out_length - io->out_used);
  std::memcpy(io->out + io->out_used, from, taken);
  io->out_used += taken;
  return static_cast<int>(taken);
}

long SessionBio::Control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace percore::tls

#include "environment.h"

#include "session.h"

namespace percore {

void Environment::Forget(int fd) {
  for (Session* session : sessions_) session->driver()->Forget(fd);
}

}  // namespace percore

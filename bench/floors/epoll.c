// The readiness floor: one thread, one epoll instance, level-triggered; read, answer, one writev per wake-up and connection.
#include "answer.h"
#include <sys/epoll.h>

enum { EVENTS = 512, READ_SIZE = 64 * 1024 };

struct connection {
  int fd;
  bool writing;        // EPOLLOUT is armed: unsent bytes are in `held`
  char *held;
  size_t held_used, held_sent;
  struct session session;
};

static char input[READ_SIZE];
static struct out output;  // drained or copied to `held` before the next connection is served
static int poller;

static void drop(struct connection *connection) {
  close(connection->fd);
  free(connection->held);
  free(connection);
}

static void arm(struct connection *connection, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event);
}

// Sends what is in `output`; what the socket does not take is copied and waits for EPOLLOUT, reading stops meanwhile.
static bool flush(struct connection *connection) {
  struct msghdr message = {.msg_iov = output.part, .msg_iovlen = output.parts};
  ssize_t sent = output.parts == 1 ? send(connection->fd, output.part[0].iov_base, output.bytes, MSG_NOSIGNAL)
                                   : sendmsg(connection->fd, &message, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) return false;
  size_t skip = sent < 0 ? 0 : (size_t)sent;
  if (skip == output.bytes) return true;
  connection->held = realloc(connection->held, output.bytes - skip);
  connection->held_used = connection->held_sent = 0;
  for (uint32_t i = 0; i < output.parts; i++) {
    size_t size = output.part[i].iov_len, gone = skip < size ? skip : size;
    memcpy(connection->held + connection->held_used, (char *)output.part[i].iov_base + gone, size - gone);
    connection->held_used += size - gone;
    skip -= gone;
  }
  connection->writing = true;
  arm(connection, EPOLLOUT);
  return true;
}

static bool flush_held(struct connection *connection) {
  ssize_t sent = send(connection->fd, connection->held + connection->held_sent,
                      connection->held_used - connection->held_sent, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN;
  connection->held_sent += (size_t)sent;
  if (connection->held_sent < connection->held_used) return true;
  connection->writing = false;
  if (connection->session.close_after && connection->session.echo_left == 0) return false;
  arm(connection, EPOLLIN);
  return true;
}

static bool serve(struct connection *connection) {
  ssize_t size = recv(connection->fd, input, sizeof input, 0);
  if (size < 0) return errno == EAGAIN;
  if (size == 0) return false;
  out_clear(&output);
  if (!session_feed(&connection->session, &output, input, (size_t)size, -1)) return false;
  if (output.bytes > 0 && !flush(connection)) return false;
  return connection->writing || !connection->session.close_after || connection->session.echo_left > 0;
}

int main(void) {
  prepare_answers();
  int listener = listen_on((uint16_t)atoi(getenv("PORT")));
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
  while (!stopping) {
    int count = epoll_wait(poller, events, EVENTS, 1000);
    refresh_date();
    for (int i = 0; i < count; i++) {
      struct connection *connection = events[i].data.ptr;
      if (connection != NULL) {
        if (!(connection->writing ? flush_held(connection) : serve(connection))) drop(connection);
        continue;
      }
      for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        connection = calloc(1, sizeof *connection);
        connection->fd = fd;
        event = (struct epoll_event){.events = EPOLLIN, .data.ptr = connection};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
      }
    }
  }
  return 0;
}

// What both floors answer, and the least parsing that is honest: find the end of the head, look at the request line, at
// Content-Length (POST only) and at "Connection: close". No header is stored, nothing is validated: a floor shows what the
// kernel costs, and no server that keeps its promises can be below it.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { OUT_PARTS = 256, OUT_SMALL = 32 * 1024, HEAD_MAX = 8 * 1024, COPY_MAX = 2048 };

// One direction of output: small answers are copied next to each other, so that a pipelined batch is one contiguous send;
// large ones are only pointed to. buffer[i] is the receive buffer that part i lies in, or -1.
struct out {
  struct iovec part[OUT_PARTS];
  int32_t buffer[OUT_PARTS];
  uint32_t parts;
  uint32_t small_used;
  size_t bytes;
  char small[OUT_SMALL];
};

struct session {
  size_t echo_left;    // bytes of a POST body that are still to come and to be sent back
  uint32_t head_used;  // an unfinished head, kept until the rest of it arrives
  bool close_after;    // the client asked for it, or it sent what we do not understand
  char head[HEAD_MAX];
};

struct resource {
  const char *path;
  size_t path_size;
  size_t body_size;
  char *body;
};

static struct resource resources[] = {
    {"/ ", 2, 13, NULL}, {"/1k ", 4, 1024, NULL}, {"/64k ", 5, 65536, NULL}, {"/1m ", 4, 1048576, NULL}};
enum { RESOURCES = sizeof resources / sizeof resources[0] };

static char date_line[64];
static time_t date_second;
static volatile sig_atomic_t stopping;

static void on_signal(int number) {
  (void)number;
  stopping = 1;
}

static void refresh_date(void) {
  time_t now = time(NULL);
  if (now == date_second) return;
  date_second = now;
  struct tm parts;
  gmtime_r(&now, &parts);
  strftime(date_line, sizeof date_line, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &parts);
}

static void prepare_answers(void) {
  for (int i = 0; i < RESOURCES; i++) {
    resources[i].body = malloc(resources[i].body_size);
    memset(resources[i].body, 'x', resources[i].body_size);
  }
  memcpy(resources[0].body, "Hello, World!", 13);
  refresh_date();
  signal(SIGPIPE, SIG_IGN);
  struct sigaction stop = {.sa_handler = on_signal};
  sigaction(SIGTERM, &stop, NULL);
  sigaction(SIGINT, &stop, NULL);
}

static int listen_on(uint16_t port) {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // accepted sockets inherit it
  if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 4096) < 0) {
    perror("listen");
    exit(1);
  }
  return fd;
}

static bool out_refer(struct out *out, const void *bytes, size_t size, int32_t buffer) {
  if (out->parts == OUT_PARTS) return false;
  out->part[out->parts] = (struct iovec){.iov_base = (void *)bytes, .iov_len = size};
  out->buffer[out->parts++] = buffer;
  out->bytes += size;
  return true;
}

static bool out_copy(struct out *out, const void *bytes, size_t size) {
  if (out->small_used + size > OUT_SMALL) return false;
  char *to = out->small + out->small_used;
  memcpy(to, bytes, size);
  out->small_used += size;
  struct iovec *last = out->parts > 0 ? &out->part[out->parts - 1] : NULL;
  if (last != NULL && (char *)last->iov_base + last->iov_len == to) {
    last->iov_len += size;
    out->bytes += size;
    return true;
  }
  return out_refer(out, to, size, -1);
}

static void out_clear(struct out *out) {
  out->parts = 0;
  out->small_used = 0;
  out->bytes = 0;
}

static bool answer_head(struct out *out, const char *status, size_t length, bool close_after) {
  char head[256];
  int size = snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s%s\r\n", status,
                      length, date_line, close_after ? "Connection: close\r\n" : "");
  return out_copy(out, head, (size_t)size);
}

// The heads of the four fixed answers change once a second only; snprintf per request would be no floor.
static bool answer_resource(struct out *out, int index, bool close_after) {
  static struct {
    time_t second;
    size_t size;
    char bytes[256];
  } cached[RESOURCES];
  const struct resource *resource = &resources[index];
  if (close_after) {
    if (!answer_head(out, "200 OK", resource->body_size, true)) return false;
  } else {
    if (cached[index].second != date_second) {
      cached[index].second = date_second;
      cached[index].size = (size_t)snprintf(
          cached[index].bytes, sizeof cached[index].bytes,
          "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n%s\r\n", resource->body_size, date_line);
    }
    if (!out_copy(out, cached[index].bytes, cached[index].size)) return false;
  }
  if (resource->body_size <= COPY_MAX) return out_copy(out, resource->body, resource->body_size);
  return out_refer(out, resource->body, resource->body_size, -1);
}

static bool answer_request(struct session *session, struct out *out, const char *head, size_t size) {
  session->close_after = memmem(head, size, "\r\nConnection: close", 19) != NULL;
  if (memcmp(head, "GET ", 4) == 0) {
    for (int i = 0; i < RESOURCES; i++)
      if (memcmp(head + 4, resources[i].path, resources[i].path_size) == 0)
        return answer_resource(out, i, session->close_after);
  } else if (memcmp(head, "POST /echo ", 11) == 0) {
    const char *length = memmem(head, size, "\r\nContent-Length: ", 18);
    session->echo_left = length == NULL ? 0 : strtoul(length + 18, NULL, 10);
    return answer_head(out, "200 OK", session->echo_left, session->close_after);
  }
  return answer_head(out, "404 Not Found", 0, session->close_after);
}

// Takes received bytes and appends the answers to `out`. False means: close the connection.
// `buffer` is the receive buffer that `bytes` lies in when it may be sent from (io_uring), else -1.
static bool session_feed(struct session *session, struct out *out, const char *bytes, size_t size, int32_t buffer) {
  while (size > 0) {
    if (session->echo_left > 0) {
      size_t echoed = size < session->echo_left ? size : session->echo_left;
      if (!(buffer < 0 && echoed <= COPY_MAX ? out_copy(out, bytes, echoed) : out_refer(out, bytes, echoed, buffer)))
        return false;
      session->echo_left -= echoed;
      bytes += echoed;
      size -= echoed;
      continue;
    }
    if (session->head_used > 0) {  // rare: the head was cut by a segment
      size_t room = HEAD_MAX - session->head_used, taken = size < room ? size : room;
      memcpy(session->head + session->head_used, bytes, taken);
      char *end = memmem(session->head, session->head_used + taken, "\r\n\r\n", 4);
      if (end == NULL) {
        session->head_used += taken;
        return taken == size;
      }
      size_t head_size = (size_t)(end + 4 - session->head), used = head_size - session->head_used;
      session->head_used = 0;
      if (!answer_request(session, out, session->head, head_size)) return false;
      bytes += used;
      size -= used;
      continue;
    }
    const char *end = memmem(bytes, size, "\r\n\r\n", 4);
    if (end == NULL) {
      if (size > HEAD_MAX) return false;
      memcpy(session->head, bytes, size);
      session->head_used = size;
      return true;
    }
    size_t head_size = (size_t)(end + 4 - bytes);
    if (!answer_request(session, out, bytes, head_size)) return false;
    bytes += head_size;
    size -= head_size;
  }
  return true;
}

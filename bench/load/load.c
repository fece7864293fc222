// The load generator: one thread, closed loop, every answer checked, latencies of every request. It exists because wrk costs
// more processor per request than the servers under test (two epoll_ctl and a FIONREAD besides read and write), so that the
// fast ones are never saturated; and because wrk has no connection churn and cannot hold idle connections.
//
//   load --port P --connections N --seconds S [--warmup S] [--pipeline K] --request FILE --length BYTES [--mode MODE]
//   MODE: keep-alive (default) · churn: one connection per request, until the server has closed it · hold: one request on each
//   connection, then all stay open and idle until standard input ends or S seconds have passed.
// Prints the line "measuring" when the warm-up is over and one line of JSON at the end.
#define _GNU_SOURCE
#include "histogram.h"
#include "response.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 1024, READ_SIZE = 512 * 1024, SOURCES = 200 };
enum mode { KEEP_ALIVE, CHURN, HOLD };

struct connection {
  int fd;
  bool writing, answered;
  uint32_t outstanding;
  size_t sent;
  uint64_t started;
  struct reader reader;
};

static enum mode mode = KEEP_ALIVE;
static unsigned port, connection_count = 1, pipeline = 1, source;
static double seconds = 1, warmup;
static char *batch, input[READ_SIZE];
static size_t batch_size;
static int poller;
static bool recording;
static struct histogram latencies;
static uint64_t requests, received, held;
static struct {
  uint64_t connect, read, write, status, length, head, early_close;
} errors;

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double cpu_seconds(int who, double *user) {
  struct rusage usage;
  getrusage(who, &usage);
  *user = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;
  return (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static void watch(struct connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  epoll_ctl(poller, operation, connection->fd, &event);
}

// Begins a connection; in churn it comes from 127.0.0.2 and up in turn, so that no port is short of TIME_WAIT's end.
static void open_connection(struct connection *connection) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int on = 1;
  connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (mode == CHURN) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + source++ % SOURCES);
    setsockopt(connection->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(connection->fd, (struct sockaddr *)&from, sizeof from) < 0) errors.connect++;
  }
  char *head = connection->reader.head;
  connection->reader = (struct reader){.head = head};
  connection->answered = false;
  connection->sent = connection->outstanding = 0;
  connection->started = now_ns();
  if (connect(connection->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS) errors.connect++;
  connection->writing = true;
  watch(connection, EPOLL_CTL_ADD, EPOLLOUT);
}

static void reopen(struct connection *connection) {
  close(connection->fd);
  open_connection(connection);
}

static void send_batch(struct connection *connection) {
  ssize_t size = send(connection->fd, batch + connection->sent, batch_size - connection->sent, MSG_NOSIGNAL);
  if (size < 0 && errno != EAGAIN) {
    errors.write++;
    return reopen(connection);
  }
  if (size > 0) connection->sent += (size_t)size;
  bool all = connection->sent == batch_size;
  if (all != connection->writing) return;
  connection->writing = !all;
  watch(connection, EPOLL_CTL_MOD, all ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

static void begin_batch(struct connection *connection, uint64_t now) {
  connection->started = now;
  connection->sent = 0;
  connection->outstanding = pipeline;
  send_batch(connection);
}

static void count_error(enum verdict verdict) {
  if (verdict == ANSWER_BAD_STATUS) errors.status++;
  else if (verdict == ANSWER_BAD_LENGTH) errors.length++;
  else errors.head++;
}

static void record(const struct connection *connection, uint64_t now) {
  if (!recording) return;
  requests++;
  histogram_add(&latencies, now - connection->started);
}

// False when the connection was replaced.
static bool take_answers(struct connection *connection, const char *bytes, size_t size) {
  uint64_t now = now_ns();
  for (size_t used; size > 0; bytes += used, size -= used) {
    used = size;
    enum verdict verdict = connection->outstanding == 0 ? ANSWER_BAD_HEAD : read_answer(&connection->reader, bytes, &used);
    if (verdict == ANSWER_INCOMPLETE) return true;
    if (verdict != ANSWER_COMPLETE) {
      count_error(verdict);
      reopen(connection);
      return false;
    }
    connection->outstanding--;
    if (mode == CHURN) connection->answered = true;
    else record(connection, now);
    held += mode == HOLD;
  }
  if (connection->outstanding == 0 && mode == KEEP_ALIVE) begin_batch(connection, now);
  return true;
}

static void on_readable(struct connection *connection) {
  ssize_t size = recv(connection->fd, input, sizeof input, 0);
  if (size > 0) {
    if (recording) received += (uint64_t)size;
    take_answers(connection, input, (size_t)size);
    return;
  }
  if (size < 0 && errno == EAGAIN) return;
  if (size == 0 && connection->answered) record(connection, now_ns());
  else if (size == 0) errors.early_close++;
  else errors.read++;
  reopen(connection);
}

static void on_event(struct connection *connection, uint32_t events) {
  if (connection->writing && connection->outstanding == 0 && (events & EPOLLOUT)) {  // connected
    connection->outstanding = pipeline;
    if (mode != CHURN) connection->started = now_ns();
    return send_batch(connection);
  }
  if (connection->outstanding == 0 && (events & (EPOLLERR | EPOLLHUP)) && !connection->answered) {
    errors.connect++;
    return reopen(connection);
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) return on_readable(connection);
  if (events & EPOLLOUT) send_batch(connection);
}

static void run_until(uint64_t end, bool (*done)(void)) {
  static struct epoll_event events[EVENTS];
  for (uint64_t now; (now = now_ns()) < end && !(done != NULL && done());) {
    int count = epoll_wait(poller, events, EVENTS, (int)((end - now) / 1000000) + 1);
    for (int i = 0; i < count; i++) on_event(events[i].data.ptr, events[i].events);
  }
}

static bool all_held(void) { return held >= connection_count; }

static void read_request(const char *path) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    perror(path);
    exit(2);
  }
  size_t size = (size_t)ftell(file);
  rewind(file);
  batch = malloc(size * pipeline);
  if (fread(batch, 1, size, file) != size) exit(2);
  fclose(file);
  for (unsigned i = 1; i < pipeline; i++) memcpy(batch + i * size, batch, size);
  batch_size = size * pipeline;
}

static void read_options(int argc, char **argv) {
  const char *request = NULL;
  for (int i = 1; i + 1 < argc; i += 2) {
    const char *name = argv[i], *value = argv[i + 1];
    if (strcmp(name, "--port") == 0) port = (unsigned)atoi(value);
    else if (strcmp(name, "--connections") == 0) connection_count = (unsigned)atoi(value);
    else if (strcmp(name, "--seconds") == 0) seconds = atof(value);
    else if (strcmp(name, "--warmup") == 0) warmup = atof(value);
    else if (strcmp(name, "--pipeline") == 0) pipeline = (unsigned)atoi(value);
    else if (strcmp(name, "--request") == 0) request = value;
    else if (strcmp(name, "--length") == 0) expected_length = strtoull(value, NULL, 10);
    else if (strcmp(name, "--mode") == 0) mode = value[0] == 'c' ? CHURN : value[0] == 'h' ? HOLD : KEEP_ALIVE;
    else request = NULL, i = argc;
  }
  if (request == NULL || port == 0) {
    fprintf(stderr, "usage: see the head of load.c\n");
    exit(2);
  }
  read_request(request);
}

int main(int argc, char **argv) {
  read_options(argc, argv);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  poller = epoll_create1(EPOLL_CLOEXEC);
  struct connection *connections = calloc(connection_count, sizeof *connections);
  for (unsigned i = 0; i < connection_count; i++) {
    open_connection(&connections[i]);
    if (mode == HOLD && i % 64 == 63) run_until(now_ns() + 2000000, NULL);  // never more than the listen queue holds
  }
  if (mode == HOLD) {
    run_until(now_ns() + 20000000000u, all_held);
    printf("{\"held\":%llu}\n", (unsigned long long)held);
    fflush(stdout);
    struct pollfd standard_input = {.fd = 0, .events = POLLIN};
    poll(&standard_input, 1, (int)(seconds * 1000));
    return 0;
  }
  run_until(now_ns() + (uint64_t)(warmup * 1e9), NULL);
  printf("measuring\n");
  fflush(stdout);
  memset(&errors, 0, sizeof errors);
  double user_before, user, system_before = cpu_seconds(RUSAGE_SELF, &user_before);
  uint64_t begin = now_ns();
  recording = true;
  run_until(begin + (uint64_t)(seconds * 1e9), NULL);
  recording = false;
  double elapsed = (double)(now_ns() - begin) / 1e9, system = cpu_seconds(RUSAGE_SELF, &user) - system_before;
  printf("{\"requests\":%llu,\"seconds\":%.6f,\"bytes\":%llu,\"user\":%.6f,\"system\":%.6f,", (unsigned long long)requests, elapsed,
         (unsigned long long)received, user - user_before, system);
  printf("\"latency\":{\"mean\":%.0f,\"p50\":%llu,\"p90\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu},",
         latencies.count == 0 ? 0 : (double)latencies.sum / (double)latencies.count,
         (unsigned long long)histogram_percentile(&latencies, 0.5), (unsigned long long)histogram_percentile(&latencies, 0.9),
         (unsigned long long)histogram_percentile(&latencies, 0.99), (unsigned long long)histogram_percentile(&latencies, 0.999),
         (unsigned long long)latencies.max);
  printf("\"errors\":{\"connect\":%llu,\"read\":%llu,\"write\":%llu,\"status\":%llu,\"length\":%llu,\"head\":%llu,\"closed\":%llu}}\n",
         (unsigned long long)errors.connect, (unsigned long long)errors.read, (unsigned long long)errors.write,
         (unsigned long long)errors.status, (unsigned long long)errors.length, (unsigned long long)errors.head,
         (unsigned long long)errors.early_close);
  return 0;
}

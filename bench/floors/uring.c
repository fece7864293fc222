// The completion floor: one thread, one io_uring by raw system calls; multishot accept and receive into provided buffers,
// DEFER_TASKRUN, one send per wake-up and connection, one io_uring_enter per batch.
#include "answer.h"
#include <linux/io_uring.h>
#include <linux/time_types.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>

enum {
  SQ_ENTRIES = 4096,
  CQ_ENTRIES = 16384,
  BUFFERS = 1024,  // a power of two
  BUFFER_SIZE = 32 * 1024,
  GROUP = 1,
  CONNECTIONS = 32 * 1024,  // by descriptor number
};
enum kind { ACCEPT, RECV, SEND };

struct connection {
  bool open, receiving, sending, dirty, doomed;
  struct msghdr message;
  struct out *running, *filling;
  struct session session;
};

static struct {
  int fd;
  unsigned *sq_head, *sq_tail, sq_mask, sq_local, *cq_head, *cq_tail, cq_mask;
  struct io_uring_sqe *sqes;
  struct io_uring_cqe *cqes;
} ring;
static struct io_uring_buf_ring *buffer_ring;
static uint16_t buffer_tail;
static char *buffers;
static uint16_t references[BUFFERS];  // parts of a send that point into this buffer
static struct connection *connections[CONNECTIONS];
static int dirty[CONNECTIONS], dirty_count;

static int enter(unsigned to_submit, unsigned wait) {
  struct __kernel_timespec timeout = {.tv_sec = 1};
  struct io_uring_getevents_arg argument = {.ts = (uint64_t)(uintptr_t)&timeout};
  return (int)syscall(__NR_io_uring_enter, ring.fd, to_submit, wait, IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG,
                      &argument, sizeof argument);
}

static unsigned queued(void) { return ring.sq_local - __atomic_load_n(ring.sq_head, __ATOMIC_ACQUIRE); }

static void submit(unsigned wait) {
  __atomic_store_n(ring.sq_tail, ring.sq_local, __ATOMIC_RELEASE);
  enter(queued(), wait);
}

static struct io_uring_sqe *next_sqe(enum kind kind, int fd, unsigned opcode) {
  if (queued() == SQ_ENTRIES) submit(0);
  struct io_uring_sqe *sqe = &ring.sqes[ring.sq_local++ & ring.sq_mask];
  memset(sqe, 0, sizeof *sqe);
  sqe->opcode = (uint8_t)opcode;
  sqe->fd = fd;
  sqe->user_data = (uint64_t)kind << 32 | (uint32_t)fd;
  return sqe;
}

static void give_buffer(uint16_t id) {
  struct io_uring_buf *entry = &buffer_ring->bufs[buffer_tail++ & (BUFFERS - 1)];
  entry->addr = (uint64_t)(uintptr_t)(buffers + (size_t)id * BUFFER_SIZE);  // not `resv`: entry 0 holds the tail there
  entry->len = BUFFER_SIZE;
  entry->bid = id;
}

static void publish_buffers(void) { __atomic_store_n(&buffer_ring->tail, buffer_tail, __ATOMIC_RELEASE); }

static void arm_accept(int listener) {
  struct io_uring_sqe *sqe = next_sqe(ACCEPT, listener, IORING_OP_ACCEPT);
  sqe->ioprio = IORING_ACCEPT_MULTISHOT;
  sqe->accept_flags = SOCK_CLOEXEC;
}

static void arm_receive(int fd) {
  struct io_uring_sqe *sqe = next_sqe(RECV, fd, IORING_OP_RECV);
  sqe->ioprio = IORING_RECV_MULTISHOT;
  sqe->flags = IOSQE_BUFFER_SELECT;
  sqe->buf_group = GROUP;
  connections[fd]->receiving = true;
}

static void start_send(int fd, struct connection *connection) {
  struct out *out = connection->filling;
  connection->filling = connection->running;
  connection->running = out;
  connection->sending = true;
  struct io_uring_sqe *sqe = next_sqe(SEND, fd, out->parts == 1 ? IORING_OP_SEND : IORING_OP_SENDMSG);
  sqe->msg_flags = MSG_NOSIGNAL | MSG_WAITALL;
  if (out->parts == 1) {
    sqe->addr = (uint64_t)(uintptr_t)out->part[0].iov_base;
    sqe->len = (uint32_t)out->bytes;
  } else {
    connection->message = (struct msghdr){.msg_iov = out->part, .msg_iovlen = out->parts};
    sqe->addr = (uint64_t)(uintptr_t)&connection->message;
    sqe->len = 1;
  }
}

static void release_parts(struct out *out) {
  for (uint32_t i = 0; i < out->parts; i++)
    if (out->buffer[i] >= 0 && --references[out->buffer[i]] == 0) give_buffer((uint16_t)out->buffer[i]);
  out_clear(out);
}

// Closes once neither a receive nor a send is in flight; shutdown makes both end.
static void doom(int fd, struct connection *connection) {
  if (!connection->doomed) {
    connection->doomed = true;
    if (connection->receiving) shutdown(fd, SHUT_RDWR);
  }
  if (connection->receiving || connection->sending) return;
  release_parts(connection->filling);
  release_parts(connection->running);
  connection->open = false;
  close(fd);
}

static void opened(int fd) {
  struct connection *connection = connections[fd];
  if (connection == NULL) {
    connection = connections[fd] = calloc(1, sizeof *connection);
    connection->running = calloc(1, sizeof *connection->running);
    connection->filling = calloc(1, sizeof *connection->filling);
  }
  connection->open = true;
  connection->doomed = connection->dirty = false;
  memset(&connection->session, 0, offsetof(struct session, head));
  arm_receive(fd);
}

static void mark_dirty(int fd, struct connection *connection) {
  if (connection->dirty) return;
  connection->dirty = true;
  dirty[dirty_count++] = fd;
}

static void received(int fd, struct connection *connection, int result, unsigned flags) {
  connection->receiving = (flags & IORING_CQE_F_MORE) != 0;
  if (result > 0) {
    uint16_t id = (uint16_t)(flags >> IORING_CQE_BUFFER_SHIFT);
    struct out *out = connection->filling;
    uint32_t from = out->parts;
    bool understood = !connection->doomed && session_feed(&connection->session, out, buffers + (size_t)id * BUFFER_SIZE,
                                                          (size_t)result, id);
    for (uint32_t i = from; i < out->parts; i++) references[id] += out->buffer[i] == id;
    if (references[id] == 0) give_buffer(id);
    if (!understood) return doom(fd, connection);
    if (out->bytes > 0) mark_dirty(fd, connection);
    if (!connection->receiving) arm_receive(fd);
  } else if (result == -ENOBUFS && !connection->doomed) {
    arm_receive(fd);
  } else {
    doom(fd, connection);
  }
}

static void sent(int fd, struct connection *connection, int result) {
  connection->sending = false;
  bool failed = result < (int)connection->running->bytes;
  release_parts(connection->running);
  if (connection->filling->bytes > 0 && !failed && !connection->doomed) return mark_dirty(fd, connection);
  if (failed || connection->doomed || (connection->session.close_after && connection->session.echo_left == 0))
    doom(fd, connection);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void open_ring(void) {
  struct io_uring_params params = {.cq_entries = CQ_ENTRIES};
  params.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN;
  ring.fd = (int)syscall(__NR_io_uring_setup, SQ_ENTRIES, &params);
  if (ring.fd < 0) fail("io_uring_setup");
  size_t size = params.cq_off.cqes + CQ_ENTRIES * sizeof(struct io_uring_cqe);  // one mapping holds both rings
  size_t sq_size = params.sq_off.array + SQ_ENTRIES * sizeof(unsigned);
  if (sq_size > size) size = sq_size;
  int prot = PROT_READ | PROT_WRITE, map = MAP_SHARED | MAP_POPULATE;
  char *rings = mmap(NULL, size, prot, map, ring.fd, IORING_OFF_SQ_RING);
  ring.sqes = mmap(NULL, SQ_ENTRIES * sizeof(struct io_uring_sqe), prot, map, ring.fd, IORING_OFF_SQES);
  if (rings == MAP_FAILED || ring.sqes == MAP_FAILED) fail("mmap");
  ring.sq_head = (unsigned *)(rings + params.sq_off.head);
  ring.sq_tail = (unsigned *)(rings + params.sq_off.tail);
  ring.sq_mask = SQ_ENTRIES - 1;
  for (unsigned i = 0; i < SQ_ENTRIES; i++) ((unsigned *)(rings + params.sq_off.array))[i] = i;
  ring.cq_head = (unsigned *)(rings + params.cq_off.head);
  ring.cq_tail = (unsigned *)(rings + params.cq_off.tail);
  ring.cq_mask = CQ_ENTRIES - 1;
  ring.cqes = (struct io_uring_cqe *)(rings + params.cq_off.cqes);
  buffers = mmap(NULL, (size_t)BUFFERS * BUFFER_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  buffer_ring = mmap(NULL, BUFFERS * sizeof(struct io_uring_buf), prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct io_uring_buf_reg registration = {
      .ring_addr = (uint64_t)(uintptr_t)buffer_ring, .ring_entries = BUFFERS, .bgid = GROUP};
  if (syscall(__NR_io_uring_register, ring.fd, IORING_REGISTER_PBUF_RING, &registration, 1) < 0) fail("register buffers");
  for (unsigned i = 0; i < BUFFERS; i++) give_buffer((uint16_t)i);
  publish_buffers();
}

static void complete(int listener, const struct io_uring_cqe *cqe) {
  int fd = (int)(uint32_t)cqe->user_data;
  switch ((enum kind)(cqe->user_data >> 32)) {
    case ACCEPT:
      if (cqe->res >= CONNECTIONS) close(cqe->res);
      else if (cqe->res >= 0) opened(cqe->res);
      if ((cqe->flags & IORING_CQE_F_MORE) == 0) arm_accept(listener);
      break;
    case RECV:
      received(fd, connections[fd], cqe->res, cqe->flags);
      break;
    case SEND:
      sent(fd, connections[fd], cqe->res);
      break;
  }
}

int main(void) {
  prepare_answers();
  int listener = listen_on((uint16_t)atoi(getenv("PORT")));
  open_ring();
  arm_accept(listener);
  while (!stopping) {
    submit(1);
    refresh_date();
    unsigned head = *ring.cq_head, tail = __atomic_load_n(ring.cq_tail, __ATOMIC_ACQUIRE);
    for (; head != tail; head++) complete(listener, &ring.cqes[head & ring.cq_mask]);
    __atomic_store_n(ring.cq_head, head, __ATOMIC_RELEASE);
    for (int i = 0; i < dirty_count; i++) {
      struct connection *connection = connections[dirty[i]];
      connection->dirty = false;
      if (connection->open && !connection->sending && !connection->doomed && connection->filling->bytes > 0)
        start_send(dirty[i], connection);
    }
    dirty_count = 0;
    publish_buffers();
  }
  return 0;
}

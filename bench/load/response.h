// Reads a stream of HTTP/1.1 answers and checks each: status 200 and the Content-Length that was asked for. A head that is
// byte for byte the one before it (all but one per second are) costs a comparison; every other one is parsed.
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_MAX = 16 * 1024 };
enum verdict { ANSWER_INCOMPLETE, ANSWER_COMPLETE, ANSWER_BAD_STATUS, ANSWER_BAD_LENGTH, ANSWER_BAD_HEAD };

struct reader {
  uint64_t body_left;
  bool in_body;
  uint32_t head_used;
  char *head;  // an answer's head that was cut by a segment; allocated at the first cut
};

static struct {
  uint32_t size;
  char bytes[HEAD_MAX];
} known_head;
static uint64_t expected_length;

static enum verdict check_head(const char *head, uint32_t size) {
  if (size == known_head.size && memcmp(head, known_head.bytes, size) == 0) return ANSWER_COMPLETE;
  if (size < 15 || memcmp(head, "HTTP/1.1 ", 9) != 0) return ANSWER_BAD_HEAD;
  if (memcmp(head + 9, "200", 3) != 0) return ANSWER_BAD_STATUS;
  const char *line = memchr(head, '\n', size), *end = head + size;
  bool found = false;
  for (line++; line < end; line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
    if (end - line < 17 || strncasecmp(line, "content-length:", 15) != 0) continue;
    if (strtoull(line + 15, NULL, 10) != expected_length) return ANSWER_BAD_LENGTH;
    found = true;
  }
  if (!found) return ANSWER_BAD_LENGTH;
  memcpy(known_head.bytes, head, size);
  known_head.size = size;
  return ANSWER_COMPLETE;
}

// Consumes at most one answer from bytes[0..*used) and sets *used to what it took.
static enum verdict read_answer(struct reader *reader, const char *bytes, size_t *used) {
  size_t size = *used, taken = 0;
  if (!reader->in_body) {
    enum verdict verdict;
    if (reader->head_used == 0 && known_head.size > 0 && size >= known_head.size &&
        memcmp(bytes, known_head.bytes, known_head.size) == 0) {
      taken = known_head.size;
      verdict = ANSWER_COMPLETE;
    } else if (reader->head_used == 0) {
      const char *end = memmem(bytes, size, "\r\n\r\n", 4);
      if (end == NULL) {
        if (size > HEAD_MAX) return ANSWER_BAD_HEAD;
        if (reader->head == NULL) reader->head = malloc(HEAD_MAX);
        memcpy(reader->head, bytes, size);
        reader->head_used = (uint32_t)size;
        return ANSWER_INCOMPLETE;
      }
      taken = (size_t)(end + 4 - bytes);
      verdict = taken > HEAD_MAX ? ANSWER_BAD_HEAD : check_head(bytes, (uint32_t)taken);
    } else {
      size_t room = HEAD_MAX - reader->head_used, more = size < room ? size : room;
      memcpy(reader->head + reader->head_used, bytes, more);
      char *end = memmem(reader->head, reader->head_used + more, "\r\n\r\n", 4);
      if (end == NULL) {
        reader->head_used += (uint32_t)more;
        return more == size ? ANSWER_INCOMPLETE : ANSWER_BAD_HEAD;
      }
      uint32_t head_size = (uint32_t)(end + 4 - reader->head);
      taken = head_size - reader->head_used;
      reader->head_used = 0;
      verdict = check_head(reader->head, head_size);
    }
    if (verdict != ANSWER_COMPLETE) return verdict;
    reader->in_body = true;
    reader->body_left = expected_length;
  }
  size_t body = size - taken < reader->body_left ? size - taken : (size_t)reader->body_left;
  reader->body_left -= body;
  *used = taken + body;
  if (reader->body_left > 0) return ANSWER_INCOMPLETE;
  reader->in_body = false;
  return ANSWER_COMPLETE;
}

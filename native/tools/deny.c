// deny ERRNO NR[,NR...] -- COMMAND [ARGUMENT...]
// Runs a command in which the named system calls (by number) are answered with an errno, as container runtimes do it.
// For the tests: 425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register; 1 EPERM, 38 ENOSYS.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define NUMBERS_MAX 16

int main(int argc, char** argv) {
  if (argc < 5 || strcmp(argv[3], "--") != 0) {
    fprintf(stderr, "usage: %s ERRNO NR[,NR...] -- COMMAND [ARGUMENT...]\n", argv[0]);
    return 2;
  }
  const unsigned answer = SECCOMP_RET_ERRNO | (unsigned)atoi(argv[1]);
  struct sock_filter filter[2 + 2 * NUMBERS_MAX];
  unsigned short length = 0;
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  int numbers = 0;
  for (char* word = strtok(argv[2], ","); word != NULL && numbers < NUMBERS_MAX; word = strtok(NULL, ","), numbers++) {
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)atoi(word), 0, 1);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, answer);
  }
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = length, .filter = filter};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("deny");
    return 2;
  }
  execvp(argv[4], &argv[4]);
  perror(argv[4]);
  return 127;
}

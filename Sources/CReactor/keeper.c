#define _GNU_SOURCE
#include "include/creactor.h"
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A process that stays as the node was before it gave up its rights and its root directory, and does two things for it: it starts the
// program whose words were fixed then, and ends what it started last. Nothing else can be asked of it.

enum { START = 'S', END = 'E' };

/// What it does until the node has gone.
static _Noreturn void keep(int line, const char *program, char *const *words, const char *variable, int target) {
  prctl(PR_SET_NAME, "keeper");
  // The node's signals are none of its business; a service manager that ends the group ends it.
  struct sigaction usual;
  memset(&usual, 0, sizeof usual);
  usual.sa_handler = SIG_DFL;
  sigaction(SIGTERM, &usual, NULL);
  usual.sa_handler = SIG_IGN;
  static const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU, SIGPIPE};
  for (size_t index = 0; index < sizeof ignored / sizeof *ignored; index++) sigaction(ignored[index], &usual, NULL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (line > 3) syscall(SYS_close_range, 3, line - 1, 0);
  syscall(SYS_close_range, line + 1, ~0u, 0);
  pid_t started = -1;
  while (1) {
    char asked;
    int descriptors[CR_DESCRIPTORS_MAX], count = 0;
    int received = cr_receive_message(line, &asked, 1, descriptors, &count, INT32_MAX);
    if (received == -ETIMEDOUT) continue;
    if (received <= 0) _exit(0);
    int32_t answer = -EINVAL;
    if (asked == START && count == 1) {
      // Those before have ended, or are looked after by themselves.
      while (waitpid(-1, NULL, WNOHANG) > 0) continue;
      answer = cr_spawn(program, words, variable, descriptors[0], target);
      started = answer > 0 ? answer : -1;
    } else if (asked == END && started > 0) {
      int status = 0;
      kill(started, SIGKILL);
      answer = cr_reap(started, &status);
      if (answer == 0) answer = status;
      started = -1;
    }
    for (int index = 0; index < count; index++) close(descriptors[index]);
    if (cr_send_message(line, &answer, sizeof answer, NULL, 0) < 0) _exit(0);
  }
}

int cr_keeper_start(const char *program, char *const *words, const char *variable, int target) {
  int ends[2];
  int status = cr_socket_pair(ends);
  if (status < 0) return status;
  pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    keep(ends[1], program, words, variable, target);
  }
  int error = errno;
  close(ends[1]);
  if (pid > 0) return ends[0];
  close(ends[0]);
  return -error;
}

static int ask(int keeper, char what, const int *descriptors, int count) {
  int status = cr_send_message(keeper, &what, 1, descriptors, count);
  if (status < 0) return status;
  int32_t answer;
  int received[CR_DESCRIPTORS_MAX], unused = 0;
  status = cr_receive_message(keeper, &answer, sizeof answer, received, &unused, 10000);
  if (status < 0) return status;
  return status == sizeof answer ? answer : -EPIPE;
}

int cr_keeper_spawn(int keeper, int descriptor) { return ask(keeper, START, &descriptor, 1); }

int cr_keeper_end(int keeper, int *status) {
  int answer = ask(keeper, END, NULL, 0);
  if (answer < 0) return answer;
  *status = answer;
  return 0;
}

#define _GNU_SOURCE
#include "include/creactor.h"
#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// A process that stays as the node was before it gave up its rights and its root directory, and does two things for it: it starts the
// program whose words were fixed then, and ends what it started last. Nothing else can be asked of it.

enum { START = 'S', END = 'E' };

// Each question has a number, which its answer bears: who has asked and not waited for the answer does not take it for that of the next.
struct question {
  uint32_t number;
  uint32_t what;
};
struct answer {
  uint32_t number;
  int32_t value;
};

/// It has nothing of the node but its line, and hears none of its signals.
static void stay(int line, const char *name) {
  prctl(PR_SET_NAME, name);
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
}

/// What it does until the node has gone.
static _Noreturn void keep(int line, const char *program, char *const *words, const char *variable, int target) {
  stay(line, "keeper");
  pid_t started = -1;
  while (1) {
    struct question asked;
    int descriptors[CR_DESCRIPTORS_MAX], count = 0;
    int received = cr_receive_message(line, &asked, sizeof asked, descriptors, &count, INT32_MAX);
    if (received == -ETIMEDOUT) continue;
    if (received <= 0) _exit(0);
    int32_t answer = -EINVAL;
    if (received != sizeof asked) asked = (struct question){0, 0};
    if (asked.what == START && count == 1) {
      // Those before have ended, or are looked after by themselves.
      while (waitpid(-1, NULL, WNOHANG) > 0) continue;
      answer = cr_spawn(program, words, variable, descriptors[0], target);
      started = answer > 0 ? answer : -1;
    } else if (asked.what == END && started > 0) {
      int status = 0;
      kill(started, SIGKILL);
      answer = cr_reap(started, &status);
      if (answer == 0) answer = status;
      started = -1;
    }
    for (int index = 0; index < count; index++) close(descriptors[index]);
    struct answer told = {asked.number, answer};
    if (cr_send_message(line, &told, sizeof told, NULL, 0) < 0) _exit(0);
  }
}

static int is_file(const char *path, uint64_t inode) {
  struct stat status;
  return lstat(path, &status) == 0 && status.st_ino == inode;
}

/// Waits for the word, and does what it is there for.
static _Noreturn void place(int line, const char *from, const char *to, const char *aside, uint64_t inode) {
  stay(line, "placer");
  char asked;
  int descriptors[CR_DESCRIPTORS_MAX], count = 0, received;
  do received = cr_receive_message(line, &asked, 1, descriptors, &count, INT32_MAX);
  while (received == -ETIMEDOUT);
  if (received <= 0) {
    if (is_file(from, inode)) unlink(from);
    _exit(0);
  }
  int32_t answer = -EEXIST;
  if (is_file(from, inode)) {
    unlink(aside);
    // Who cannot be put aside is out of reach, as its path is lost.
    int ignored = link(to, aside);
    (void)ignored;
    answer = rename(from, to) == 0 ? 0 : -errno;
  }
  cr_send_message(line, &answer, sizeof answer, NULL, 0);
  _exit(0);
}

// Another process that stays as this one is now: its end of a line in itself, where the process is 0; in this one the other end, or an error.
static int beside(pid_t *process) {
  int ends[2];
  int status = cr_socket_pair(ends);
  if (status < 0) {
    *process = -1;
    return status;
  }
  *process = fork();
  int error = errno, isOther = *process == 0;
  close(ends[!isOther]);
  if (*process >= 0) return ends[isOther];
  close(ends[0]);
  return -error;
}

int cr_placer_start(const char *from, const char *to, const char *aside, uint64_t inode, int *process) {
  int line = beside(process);
  if (*process == 0) place(line, from, to, aside, inode);
  return line;
}

int cr_placer_take(int placer, int milliseconds) {
  int status = cr_send_message(placer, "T", 1, NULL, 0);
  if (status < 0) return status;
  int32_t answer;
  int received[CR_DESCRIPTORS_MAX], unused = 0;
  status = cr_receive_message(placer, &answer, sizeof answer, received, &unused, milliseconds);
  if (status < 0) return status;
  return status == sizeof answer ? answer : -EPIPE;
}

int cr_keeper_start(const char *program, char *const *words, const char *variable, int target) {
  pid_t process;
  int line = beside(&process);
  if (process == 0) keep(line, program, words, variable, target);
  return line;
}

static int64_t milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int ask(int keeper, char what, const int *descriptors, int count) {
  static _Atomic uint32_t questions;
  struct question question = {++questions, (uint32_t)what};
  int status = cr_send_message(keeper, &question, sizeof question, descriptors, count);
  if (status < 0) return status;
  int64_t ends = milliseconds_now() + 10000;
  while (1) {
    struct answer answer;
    int received[CR_DESCRIPTORS_MAX], unused = 0;
    int64_t left = ends - milliseconds_now();
    if (left <= 0) return -ETIMEDOUT;
    status = cr_receive_message(keeper, &answer, sizeof answer, received, &unused, (int)left);
    if (status < 0) return status;
    if (status != sizeof answer) return -EPIPE;
    // Of a question whose answer nobody waited for.
    if (answer.number == question.number) return answer.value;
  }
}

int cr_keeper_spawn(int keeper, int descriptor) { return ask(keeper, START, &descriptor, 1); }

int cr_keeper_end(int keeper, int *status) {
  int answer = ask(keeper, END, NULL, 0);
  if (answer < 0) return answer;
  *status = answer;
  return 0;
}

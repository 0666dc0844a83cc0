// Loaded before a program that runs under valgrind: valgrind 3.19 writes to the mask given to rt_sigsuspend, and ends with a fault where
// that is constant, as in libdispatch. A copy may be written to.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int sigsuspend(const sigset_t *mask) {
  sigset_t copy = *mask;
  return (int)syscall(SYS_rt_sigsuspend, &copy, 8);
}

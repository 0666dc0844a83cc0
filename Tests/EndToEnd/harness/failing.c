// Loaded before a node: accepts of TCP connections fail as the test says, by the file named by FAILING_FILE, which the test writes at
// any moment. Five numbers of 32 bits: the error number; how many accepts are still to fail (a negative number: all); whether one that
// fails takes its connection off the kernel's queue and ends it, as for a connection that is to blame itself; how many have failed; how
// many calls there were.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct orders { int32_t error, left, takes, failed, calls; };
static struct orders none, *orders = &none;

static int kernels(int listener, struct sockaddr *peer, socklen_t *length, int flags) {
  return (int)syscall(SYS_accept4, listener, peer, length, flags);
}

// One of those that are still to fail, if there is one.
static int draws(void) {
  int32_t left = __atomic_load_n(&orders->left, __ATOMIC_ACQUIRE);
  while (left > 0 && !__atomic_compare_exchange_n(&orders->left, &left, left - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {}
  return left != 0;
}

int accept4(int listener, struct sockaddr *peer, socklen_t *length, int flags) {
  int domain = 0;
  socklen_t size = sizeof domain;
  getsockopt(listener, SOL_SOCKET, SO_DOMAIN, &domain, &size);
  if (domain != AF_INET) return kernels(listener, peer, length, flags);
  __atomic_fetch_add(&orders->calls, 1, __ATOMIC_RELAXED);
  if (!__atomic_load_n(&orders->left, __ATOMIC_ACQUIRE)) return kernels(listener, peer, length, flags);
  if (__atomic_load_n(&orders->takes, __ATOMIC_RELAXED)) {
    // There must be a connection to blame.
    int taken = kernels(listener, peer, length, flags);
    if (taken < 0 || !draws()) return taken;
    close(taken);
  } else if (!draws()) {
    return kernels(listener, peer, length, flags);
  }
  __atomic_fetch_add(&orders->failed, 1, __ATOMIC_RELEASE);
  errno = orders->error;
  return -1;
}

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("FAILING_FILE");
  int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (file < 0) return;
  void *shared = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) orders = shared;
}

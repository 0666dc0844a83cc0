#define _GNU_SOURCE
#include "creactor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/sockios.h>
#include <link.h>
#include <malloc.h>
#include <netdb.h>
#include <poll.h>
#include <netinet/tcp.h>
#include <linux/close_range.h>
#include <linux/kcmp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <spawn.h>
#include <sys/wait.h>

#define RESULT(value) ({ __typeof__(value) _v = (value); _v < 0 ? -errno : _v; })

int cr_address_ipv4(cr_address *out, uint32_t address, uint16_t port) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in *in = (struct sockaddr_in *)&out->storage;
  in->sin_family = AF_INET;
  in->sin_port = htons(port);
  in->sin_addr.s_addr = htonl(address);
  out->length = sizeof *in;
  return 0;
}

int cr_address_ipv6(cr_address *out, uint64_t high, uint64_t low, uint16_t port) {
  memset(out, 0, sizeof *out);
  struct sockaddr_in6 *in = (struct sockaddr_in6 *)&out->storage;
  in->sin6_family = AF_INET6;
  in->sin6_port = htons(port);
  for (int i = 0; i < 8; i++) {
    in->sin6_addr.s6_addr[i] = (uint8_t)(high >> (56 - 8 * i));
    in->sin6_addr.s6_addr[8 + i] = (uint8_t)(low >> (56 - 8 * i));
  }
  out->length = sizeof *in;
  return 0;
}

int cr_address_unix(cr_address *out, const char *path, size_t length) {
  memset(out, 0, sizeof *out);
  struct sockaddr_un *un = (struct sockaddr_un *)&out->storage;
  un->sun_family = AF_UNIX;
  if (length == 0 || length > sizeof un->sun_path - 1) return -ENAMETOOLONG;
  memcpy(un->sun_path, path, length);
  int abstract = path[0] == '@';
  if (abstract) un->sun_path[0] = 0;
  out->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
  return 0;
}

int cr_address_equal(const cr_address *first, const cr_address *second) {
  return first->length == second->length && memcmp(&first->storage, &second->storage, first->length) == 0;
}

void cr_address_parts(const cr_address *address, uint64_t *high, uint64_t *low, uint16_t *port) {
  *high = *low = 0;
  *port = 0;
  if (address->storage.ss_family == AF_INET) {
    const struct sockaddr_in *in = (const struct sockaddr_in *)&address->storage;
    *low = 0xffff00000000ull | ntohl(in->sin_addr.s_addr);
    *port = ntohs(in->sin_port);
  } else if (address->storage.ss_family == AF_INET6) {
    const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)&address->storage;
    for (int i = 0; i < 8; i++) {
      *high = *high << 8 | in->sin6_addr.s6_addr[i];
      *low = *low << 8 | in->sin6_addr.s6_addr[8 + i];
    }
    *port = ntohs(in->sin6_port);
  }
}

int cr_resolve(const char *name, uint16_t port, cr_address *out, int count) {
  struct addrinfo hints, *list = NULL;
  memset(&hints, 0, sizeof hints);
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(name, NULL, &hints, &list) != 0) return -1;
  int n = 0;
  for (struct addrinfo *entry = list; entry && n < count; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    memset(&out[n], 0, sizeof out[n]);
    memcpy(&out[n].storage, entry->ai_addr, entry->ai_addrlen);
    out[n].length = entry->ai_addrlen;
    if (entry->ai_family == AF_INET) ((struct sockaddr_in *)&out[n].storage)->sin_port = htons(port);
    else ((struct sockaddr_in6 *)&out[n].storage)->sin6_port = htons(port);
    n++;
  }
  freeaddrinfo(list);
  return n;
}

// Under a sanitizer by the C library, whose calls it watches: it then knows which bytes the kernel reads and writes.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define WATCHED 1
#endif

#if defined(__x86_64__)
// The C library's recv and send are cancellation points: with threads each costs two atomic operations more.
static inline ssize_t call6(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}
#else
static inline ssize_t call6(long number, long a, long b, long c, long d, long e, long f) {
  return RESULT(syscall(number, a, b, c, d, e, f));
}
#endif

int cr_epoll_create(void) { return RESULT(epoll_create1(EPOLL_CLOEXEC)); }

int cr_epoll_add(int epoll, int fd, uint64_t data, int listener) {
  struct epoll_event event;
  event.events = listener ? EPOLLIN | EPOLLEXCLUSIVE : EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  event.data.u64 = data;
  return RESULT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int cr_epoll_remove(int epoll, int fd) { return RESULT(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL)); }

size_t cr_epoll_event_size(void) { return sizeof(struct epoll_event); }

int cr_epoll_wait(int epoll, void *scratch, cr_event *out, int count, int timeoutMilliseconds) {
  struct epoll_event *events = scratch;
#if WATCHED
  int n = RESULT(epoll_wait(epoll, events, count, timeoutMilliseconds));
#else
  int n = (int)call6(SYS_epoll_pwait, epoll, (long)events, count, timeoutMilliseconds, 0, 0);
#endif
  if (n < 0) return n == -EINTR ? 0 : n;
  for (int i = 0; i < n; i++) {
    out[i].data = events[i].data.u64;
    out[i].events = events[i].events;
  }
  return n;
}

int cr_listen(const cr_address *address, int backlog, int freebind) {
  int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int on = 1;
  if (address->storage.ss_family != AF_UNIX) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    // Small answers leave at once: accepted sockets inherit this.
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // A request is answered at once as a rule, and the answer carries the acknowledgement.
    int off = 0;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    if (address->storage.ss_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (freebind) setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof on);
  } else {
    // A socket file left by a process that is gone would block the name: remove it if nobody answers there.
    const struct sockaddr_un *un = (const struct sockaddr_un *)&address->storage;
    int probe = un->sun_path[0] ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;
    if (probe >= 0) {
      if (connect(probe, (const struct sockaddr *)&address->storage, address->length) < 0 && errno == ECONNREFUSED)
        unlink(un->sun_path);
      close(probe);
    }
  }
  if (bind(fd, (const struct sockaddr *)&address->storage, address->length) < 0 || listen(fd, backlog) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int cr_accept(int fd, cr_address *peer) {
  peer->length = sizeof peer->storage;
  return RESULT(accept4(fd, (struct sockaddr *)&peer->storage, &peer->length, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

// The port is chosen at connect, when the other end is known: so many connections have one port, each to another server (ip(7)).
static int bind_source(int fd, const cr_address *source) {
  int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  return RESULT(bind(fd, (const struct sockaddr *)&source->storage, source->length));
}

int cr_check_source(const cr_address *source) {
  int fd = socket(source->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int result = bind_source(fd, source);
  close(fd);
  return result;
}

int cr_connect(const cr_address *address, const cr_address *source4, const cr_address *source6,
               int userTimeoutMilliseconds, int *out) {
  int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *out = -1;
    return -errno;
  }
  *out = fd;
  if (address->storage.ss_family != AF_UNIX) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (userTimeoutMilliseconds > 0) {
      unsigned int timeout = (unsigned int)userTimeoutMilliseconds;
      setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
      // The time limit counts only while something is unacknowledged. Who has acknowledged a request and then lost power
      // would be waited for in vain: so the kernel asks again and again when nothing comes.
      // Each second, so that within the three seconds of the usual limit two questions are lost before the path counts as dead.
      int idle = 1, interval = 1;
      setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
      setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    }
    const cr_address *source = address->storage.ss_family == AF_INET ? source4 : source6;
    int bound = source != NULL && source->length > 0 ? bind_source(fd, source) : 0;
    if (bound < 0) {
      close(fd);
      *out = -1;
      return bound;
    }
  }
  if (connect(fd, (const struct sockaddr *)&address->storage, address->length) == 0) return 0;
  // A Unix socket whose queue is full answers EAGAIN: it is refused, not under way.
  if (errno == EINPROGRESS) return -EINPROGRESS;
  int error = errno;
  close(fd);
  *out = -1;
  return -error;
}

int cr_connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
  return -error;
}

int cr_unacknowledged(int fd) {
  int count = 0;
  return ioctl(fd, SIOCOUTQ, &count) < 0 ? -errno : count;
}

int cr_since_data_sent(int fd) {
  struct tcp_info info;
  socklen_t length = sizeof info;
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0 ? -errno : (int)info.tcpi_last_data_sent;
}

void cr_set_user_timeout(int fd, int milliseconds) {
  unsigned int timeout = (unsigned int)milliseconds;
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof timeout);
}

ssize_t cr_receive(int fd, void *bytes, size_t count) {
#if WATCHED
  return RESULT(recv(fd, bytes, count, 0));
#endif
  return call6(SYS_recvfrom, fd, (long)bytes, (long)count, 0, 0, 0);
}

ssize_t cr_send_bytes(int fd, const void *bytes, size_t count) {
#if WATCHED
  return RESULT(send(fd, bytes, count, MSG_NOSIGNAL));
#endif
  return call6(SYS_sendto, fd, (long)bytes, (long)count, MSG_NOSIGNAL, 0, 0);
}

ssize_t cr_send(int fd, const struct iovec *parts, int count) {
  if (count == 1) return cr_send_bytes(fd, parts->iov_base, parts->iov_len);
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = (struct iovec *)parts;
  message.msg_iovlen = (size_t)count;
  return RESULT(sendmsg(fd, &message, MSG_NOSIGNAL));
}

int cr_shutdown_write(int fd) { return RESULT(shutdown(fd, SHUT_WR)); }
int cr_close(int fd) { return RESULT(close(fd)); }

int cr_close_reset(int fd) {
  struct linger linger = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  return RESULT(close(fd));
}

int cr_listener_mute(int fd) {
  // The flags of a segment are in byte 13 of its TCP header; 2 is SYN.
  struct sock_filter drop[] = {
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  };
  struct sock_fprog program = {4, drop};
  return RESULT(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program));
}

int cr_listener_unmute(int fd) {
  int unused = 0;
  return RESULT(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused));
}

int cr_listener_pause(int fd) { return RESULT(shutdown(fd, SHUT_RD)); }
int cr_listener_resume(int fd, int backlog) { return RESULT(listen(fd, backlog)); }

int cr_local_address(int fd, cr_address *out) {
  out->length = sizeof out->storage;
  return RESULT(getsockname(fd, (struct sockaddr *)&out->storage, &out->length));
}

int cr_eventfd(void) { return RESULT(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)); }

int cr_blocking_eventfd(void) { return RESULT(eventfd(0, EFD_CLOEXEC)); }
void cr_pause(int milliseconds) { usleep((useconds_t)milliseconds * 1000); }

void cr_eventfd_wake(int fd) {
  uint64_t one = 1;
  ssize_t ignored = write(fd, &one, sizeof one);
  (void)ignored;
}

void cr_eventfd_clear(int fd) {
  uint64_t value;
  ssize_t ignored = read(fd, &value, sizeof value);
  (void)ignored;
}

static int signal_pipe[2] = {-1, -1};

static void signal_report(int number) {
  int saved = errno;
  unsigned char byte = (unsigned char)number;
  ssize_t ignored = write(signal_pipe[1], &byte, 1);
  (void)ignored;
  errno = saved;
}

int cr_signal_watch(const int *signals, int count) {
  if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_NONBLOCK | O_CLOEXEC) < 0) return -errno;
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = signal_report;
  action.sa_flags = SA_RESTART;
  for (int i = 0; i < count; i++)
    if (sigaction(signals[i], &action, NULL) < 0) return -errno;
  signal(SIGPIPE, SIG_IGN);
  return signal_pipe[0];
}

int cr_signal_ignored(int number) {
  struct sigaction action;
  return sigaction(number, NULL, &action) == 0 && action.sa_handler == SIG_IGN;
}

int cr_signal_next(int fd) {
  unsigned char byte;
  return read(fd, &byte, 1) == 1 ? byte : -EAGAIN;
}

static int64_t clock_nanoseconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t cr_monotonic(void) { return clock_nanoseconds(CLOCK_MONOTONIC); }
int64_t cr_realtime(void) { return clock_nanoseconds(CLOCK_REALTIME); }

void cr_local_time(int64_t seconds, int out[6]) {
  struct tm parts;
  time_t time = (time_t)seconds;
  localtime_r(&time, &parts);
  out[0] = parts.tm_year + 1900;
  out[1] = parts.tm_mon + 1;
  out[2] = parts.tm_mday;
  out[3] = parts.tm_hour;
  out[4] = parts.tm_min;
  out[5] = parts.tm_sec;
}

int cr_thread_start(void *(*body)(void *), void *argument, const char *name, size_t stack) {
  pthread_t thread;
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error) return -error;
  if (stack > 0) error = pthread_attr_setstacksize(&attributes, stack);
  if (!error) error = pthread_create(&thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  if (error) return -error;
  pthread_setname_np(thread, name);
  pthread_detach(thread);
  return 0;
}

// The first version of the kernel's structure; C libraries of old systems have none at all.
struct scheduling {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};

// Short turns: nanoseconds. The kernel takes no less.
enum { short_turn = 100000 };

static void set_scheduling(uint32_t policy, int increment) {
  struct scheduling now;
  memset(&now, 0, sizeof now);
  if (syscall(SYS_sched_getattr, 0, &now, sizeof now, 0) < 0 || now.policy != SCHED_OTHER) return;
  now.size = sizeof now;
  now.policy = policy;
  now.nice = now.nice + increment > 19 ? 19 : now.nice + increment;
  now.runtime = short_turn;
  syscall(SYS_sched_setattr, 0, &now, 0);
}

void cr_thread_yield_to_others(int increment) { set_scheduling(SCHED_BATCH, increment); }
void cr_thread_be_prompt(void) { set_scheduling(SCHED_OTHER, 0); }

static int compare_descriptors(const void *first, const void *second) {
  int one = *(const int *)first, other = *(const int *)second;
  return (one > other) - (one < other);
}

/// Whether the calling thread and the first one have one descriptor table; no where that cannot be told.
static int shares_descriptors(void) {
  long same = syscall(SYS_kcmp, getpid(), syscall(SYS_gettid), KCMP_FILES, 0, 0);
  if (same >= 0) return same == 0;
  // Sandboxes may forbid that. A new pipe's name is its own.
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0) return 0;
  char path[64], own[64], other[64];
  snprintf(path, sizeof path, "/proc/thread-self/fd/%d", ends[0]);
  ssize_t length = readlink(path, own, sizeof own);
  snprintf(path, sizeof path, "/proc/%d/fd/%d", getpid(), ends[0]);
  int isSame = length > 0 && readlink(path, other, sizeof other) == length && memcmp(own, other, (size_t)length) == 0;
  close(ends[0]);
  close(ends[1]);
  return isSame;
}

int cr_own_descriptors(int *kept, int count) {
#if __has_feature(thread_sanitizer)
  // It follows descriptors by number, as if all threads had one table: the same number in two tables would look like a race.
  (void)kept;
  (void)count;
  return -ENOSYS;
#endif
  // Nothing is closed: the range is empty of descriptors. unshare(2) would do the same, but sandboxes often forbid it.
  int status = RESULT(syscall(SYS_close_range, ~0u - 1, ~0u, CLOSE_RANGE_UNSHARE));
  if (status < 0) return status;
  // Programs that carry out system calls for others (valgrind 3.19) may say yes and do nothing; what is closed below would then be
  // closed for all threads.
  if (shares_descriptors()) return -ENOSYS;
  qsort(kept, (size_t)count, sizeof *kept, compare_descriptors);
  unsigned int first = 3;
  for (int index = 0; index < count; index++) {
    if (kept[index] < (int)first) continue;
    unsigned int next = (unsigned int)kept[index];
    if (next > first) syscall(SYS_close_range, first, next - 1, 0);
    first = next + 1;
  }
  syscall(SYS_close_range, first, ~0u, 0);
  return 0;
}

int cr_signal_descriptor(void) { return signal_pipe[1]; }

int cr_cpu_count(void) {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
  return 1;
}

int cr_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0) return -errno;
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
  }
  return limit.rlim_cur > 1 << 20 ? 1 << 20 : (int)limit.rlim_cur;
}

const char *cr_error_text(int code) { return strerrordesc_np(code < 0 ? -code : code); }

int cr_name_lock(const char *name, size_t length) {
  cr_address address;
  char path[108];
  if (length + 1 > sizeof path - 1) return -ENAMETOOLONG;
  path[0] = '@';
  memcpy(path + 1, name, length);
  int error = cr_address_unix(&address, path, length + 1);
  if (error) return error;
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  if (bind(fd, (struct sockaddr *)&address.storage, address.length) < 0) {
    error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

ssize_t cr_write(int fd, const void *bytes, size_t count) { return RESULT(write(fd, bytes, count)); }
void cr_await_output(int fd, int milliseconds) {
  struct pollfd entry = {fd, POLLOUT, 0};
  poll(&entry, 1, milliseconds);
}
int cr_open_append(const char *path) { return RESULT(open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)); }

void *cr_map(size_t bytes) {
  void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) return NULL;
  // A huge page would make 2 MiB resident for one buffer, and giving a part of it back would have to split it. Refused where there are none.
  madvise(start, bytes, MADV_NOHUGEPAGE);
  return start;
}

void cr_unmap(void *start, size_t bytes) { munmap(start, bytes); }

#if __has_feature(address_sanitizer)
void __asan_poison_memory_region(void const volatile *start, size_t bytes);
void __asan_unpoison_memory_region(void const volatile *start, size_t bytes);
void cr_poison(void *start, size_t bytes) { __asan_poison_memory_region(start, bytes); }
void cr_unpoison(void *start, size_t bytes) { __asan_unpoison_memory_region(start, bytes); }
#else
void cr_poison(void *start, size_t bytes) { (void)start, (void)bytes; }
void cr_unpoison(void *start, size_t bytes) { (void)start, (void)bytes; }
#endif

void cr_give_back_pages(void *start, size_t bytes) { madvise(start, bytes, MADV_DONTNEED); }

static int give_back_code(struct dl_phdr_info *object, size_t size, void *unused) {
  (void)size;
  (void)unused;
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
    if (segment->p_type != PT_DYNAMIC) continue;
    const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(object->dlpi_addr + segment->p_vaddr);
    for (; entry->d_tag != DT_NULL; entry++) {
      // Its code was changed when it was loaded.
      if (entry->d_tag == DT_TEXTREL || (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL))) return 0;
    }
  }
  for (int index = 0; index < object->dlpi_phnum; index++) {
    const ElfW(Phdr) *segment = &object->dlpi_phdr[index];
    // Only what the file maps without write permission is surely as it is in the file: relocations are in segments that were writable.
    if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
    uintptr_t start = object->dlpi_addr + segment->p_vaddr, end = start + segment->p_filesz;
    start &= ~(page - 1);
    end = (end + page - 1) & ~(page - 1);
    madvise((void *)start, end - start, MADV_DONTNEED);
  }
  return 0;
}

void cr_give_back_code(void) {
#if !WATCHED
  dl_iterate_phdr(give_back_code, NULL);
#endif
}

void cr_give_back_memory(void) { malloc_trim(0); }

extern char **environ;

// Whether a variable is of one of these names.
static int is_named(const char *variable, char *const *names) {
  for (; *names; names++) {
    size_t length = strlen(*names);
    if (strncmp(variable, *names, length) == 0 && variable[length] == '=') return 1;
  }
  return 0;
}

// This process's variables with others, but for hidden ones; NULL: no memory.
static char **environment_with(char *const *variables, char *const *hidden) {
  size_t inherited = 0, own = 0;
  while (environ[inherited]) inherited++;
  while (variables[own]) own++;
  char **all = malloc((inherited + own + 1) * sizeof *all);
  if (!all) return NULL;
  memcpy(all, variables, own * sizeof *all);
  size_t added = own;
  for (size_t position = 0; position < inherited; position++) {
    // Of two of a name some shells take the first, some the last.
    int stays = !is_named(environ[position], hidden);
    for (size_t other = 0; stays && other < own; other++) {
      size_t length = strcspn(variables[other], "=");
      stays = strncmp(environ[position], variables[other], length) != 0 || environ[position][length] != '=';
    }
    if (stays) all[added++] = environ[position];
  }
  all[added] = NULL;
  return all;
}

int cr_run(char *const *words, char *const *variables, char *const *hidden, const void *input, size_t count, int seconds) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) return -errno;
  // What fits into a pipe never waits for who reads it.
  if (count > 0 && write(ends[1], input, count) < 0) {
    int error = errno;
    close(ends[0]);
    close(ends[1]);
    return -error;
  }
  close(ends[1]);
  fcntl(ends[0], F_SETFL, 0);
  char **all = environment_with(variables, hidden);
  if (!all) {
    close(ends[0]);
    return -ENOMEM;
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  int error = posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
  if (!error) error = posix_spawn_file_actions_adddup2(&actions, 2, 1);
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  // A group of its own: what it has started ends with it.
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  pid_t pid;
  if (!error) error = posix_spawn(&pid, words[0], &actions, &attributes, words, all);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  free(all);
  close(ends[0]);
  if (error) return -error;
  int64_t until = cr_monotonic() + (int64_t)seconds * 1000000000;
  int status = 0, late = 0;
  while (1) {
    pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) break;
    if (ended < 0 && errno != EINTR) return -errno;
    if (!late && cr_monotonic() >= until) {
      late = 1;
      kill(-pid, SIGKILL);
    }
    cr_pause(20);
  }
  if (late) return CR_RUN_TIMED_OUT;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int cr_start(char *const *words, char *const *variables) {
  char *const none[] = {NULL};
  char **all = environment_with(variables, none);
  if (!all) return -ENOMEM;
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  int error = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawnattr_init(&attributes);
  sigset_t unblocked, usual;
  sigemptyset(&unblocked);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &unblocked);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID);
  pid_t pid;
  if (!error) error = posix_spawn(&pid, words[0], &actions, &attributes, words, all);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  free(all);
  return error ? -error : (int)pid;
}

int cr_ended(int pid, int *status) {
  pid_t ended = waitpid(pid, status, WNOHANG);
  if (ended < 0 && errno == EINTR) return 0;
  if (ended <= 0) return ended < 0 ? -errno : 0;
  *status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  return 1;
}

int cr_socket_pair(int out[2]) { return RESULT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, out)); }

int cr_peer_process(int fd) {
  struct ucred peer;
  socklen_t length = sizeof peer;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) < 0 ? -errno : peer.pid;
}

int cr_send_message(int fd, const void *bytes, size_t count, const int *descriptors, int descriptorCount) {
  if (descriptorCount > CR_DESCRIPTORS_MAX) return -EINVAL;
  union {
    char bytes[CMSG_SPACE(CR_DESCRIPTORS_MAX * sizeof(int))];
    struct cmsghdr alignment;
  } control;
  struct iovec part = {(void *)bytes, count};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptorCount > 0) {
    size_t length = (size_t)descriptorCount * sizeof(int);
    memset(&control, 0, sizeof control);
    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(length);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(header), descriptors, length);
  }
  ssize_t sent;
  do sent = sendmsg(fd, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  return sent < 0 ? -errno : sent == (ssize_t)count ? 0 : -EIO;
}

int cr_receive_message(int fd, void *bytes, size_t count, int *descriptors, int *descriptorCount, int milliseconds) {
  *descriptorCount = 0;
  struct pollfd entry = {fd, POLLIN, 0};
  int64_t until = cr_monotonic() + (int64_t)milliseconds * 1000000;
  while (1) {
    int64_t left = (until - cr_monotonic()) / 1000000;
    int ready = poll(&entry, 1, left > 0 ? (int)left : 0);
    if (ready > 0) break;
    if (ready == 0) return -ETIMEDOUT;
    if (errno != EINTR) return -errno;
  }
  union {
    char bytes[CMSG_SPACE(CR_DESCRIPTORS_MAX * sizeof(int))];
    struct cmsghdr alignment;
  } control;
  struct iovec part = {bytes, count};
  struct msghdr message;
  memset(&message, 0, sizeof message);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  ssize_t received;
  do received = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    *descriptorCount = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(descriptors, CMSG_DATA(header), (size_t)*descriptorCount * sizeof(int));
  }
  if (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) return -EMSGSIZE;
  return (int)received;
}

int cr_memory_file(const void *bytes, size_t count) {
  int fd = memfd_create("state", MFD_CLOEXEC);
  if (fd < 0) return -errno;
  size_t written = 0;
  while (written < count) {
    ssize_t more = write(fd, (const char *)bytes + written, count - written);
    if (more < 0 && errno == EINTR) continue;
    if (more <= 0) {
      int error = errno;
      close(fd);
      return -error;
    }
    written += (size_t)more;
  }
  lseek(fd, 0, SEEK_SET);
  return fd;
}

int64_t cr_file_size(int fd) {
  struct stat status;
  return fstat(fd, &status) < 0 ? -errno : (int64_t)status.st_size;
}

int cr_spawn(const char *program, char *const *words, const char *variable, int descriptor, int target) {
  size_t inherited = 0;
  while (environ[inherited]) inherited++;
  char **all = malloc((inherited + 2) * sizeof *all);
  if (!all) return -ENOMEM;
  // The first of a name counts.
  all[0] = (char *)variable;
  memcpy(all + 1, environ, (inherited + 1) * sizeof *all);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  int error = posix_spawn_file_actions_adddup2(&actions, descriptor, target);
  posix_spawnattr_init(&attributes);
  sigset_t none, usual;
  sigemptyset(&none);
  sigfillset(&usual);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid;
  if (!error) error = posix_spawn(&pid, program, &actions, &attributes, words, all);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  free(all);
  return error ? -error : (int)pid;
}

// Not declared without _GNU_SOURCE, nor by C libraries of old systems.
enum { set_description_lock = 37 };

static int set_lock(int fd, short type) {
  struct flock lock;
  memset(&lock, 0, sizeof lock);
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  return RESULT(fcntl(fd, set_description_lock, &lock));
}

int cr_lock_file(int fd) { return set_lock(fd, F_WRLCK); }

int cr_unlock_file(int fd) { return set_lock(fd, F_UNLCK); }

int cr_adopt_orphans(void) { return RESULT(prctl(PR_SET_CHILD_SUBREAPER, 1)); }

int cr_reap(int pid, int *status) {
  int ended;
  do ended = waitpid(pid, status, 0);
  while (ended < 0 && errno == EINTR);
  if (ended < 0) return -errno;
  *status = WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
  return 0;
}

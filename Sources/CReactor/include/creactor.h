#ifndef CREACTOR_H
#define CREACTOR_H
// What Swift cannot call itself, or only clumsily: variadic calls, macros, packed structs and socket addresses.
// Every function returns a value >= 0, or -errno.

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <netinet/in.h>
#include <sys/un.h>

// Kinds of sockets, and what they may be joined with, as plain numbers. The enumeration of <sys/socket.h> is not for Swift: whether
// a file sees it depends on which of the modules that include that header was compiled first.
static const int32_t CR_STREAM = SOCK_STREAM, CR_DATAGRAM = SOCK_DGRAM;
static const int32_t CR_NONBLOCK = SOCK_NONBLOCK, CR_CLOEXEC = SOCK_CLOEXEC;

/// A socket address of any family that is served here.
typedef struct {
  struct sockaddr_storage storage;
  socklen_t length;
} cr_address;

/// One readiness event: the value given at registration, and the epoll mask.
typedef struct {
  uint64_t data;
  uint32_t events;
  uint32_t padding;
} cr_event;

enum {
  CR_IN = 0x001, CR_OUT = 0x004, CR_ERR = 0x008, CR_HUP = 0x010, CR_RDHUP = 0x2000,
};

/// What turns a socket's bytes into a stream and back (TLS). It owns its memory, not the socket. No function waits.
typedef struct cr_transport cr_transport;
typedef struct {
  /// Bytes of the stream, 0 at its end, -EAGAIN, or what broke it (-errno).
  ssize_t (*receive)(cr_transport *self, void *bytes, size_t count);
  /// Bytes taken, -EAGAIN, or what broke it. What was taken is with the kernel. Bytes not taken must be given again.
  ssize_t (*send)(cr_transport *self, const struct iovec *parts, int count);
  /// Whether receive has something to tell: 1, also for an end or an error; -EAGAIN: nothing yet.
  int (*peek)(cr_transport *self);
  /// Brings the connection up: 0 when it is, -EAGAIN, or what broke it.
  int (*establish)(cr_transport *self);
  /// Sends what the kernel had no room for: 0, -EAGAIN, or what broke it.
  int (*flush)(cr_transport *self);
  /// 1: the last receive emptied the socket and all that was read from it.
  int (*drained)(cr_transport *self);
  /// Tells the peer that nothing more will be sent.
  void (*end)(cr_transport *self);
  /// Frees it. The socket stays open.
  void (*release)(cr_transport *self);
} cr_transport_operations;
struct cr_transport {
  const cr_transport_operations *operations;
};

int cr_address_ipv4(cr_address *out, uint32_t address, uint16_t port);
int cr_address_ipv6(cr_address *out, uint64_t high, uint64_t low, uint16_t port);
int cr_address_unix(cr_address *out, const char *path, size_t length);
/// 1: the two are the same, port or path included; 0: they differ.
int cr_address_equal(const cr_address *first, const cr_address *second);
/// The address in the IPv4-mapped 128-bit form and its port; a Unix socket is all zero.
void cr_address_parts(const cr_address *address, uint64_t *high, uint64_t *low, uint16_t *port);
/// Resolves a name (blocking) to at most `count` stream addresses; returns how many, or -1 when it does not resolve.
int cr_resolve(const char *name, uint16_t port, cr_address *out, int count);

int cr_epoll_create(void);
int cr_epoll_add(int epoll, int fd, uint64_t data, int listener);
int cr_epoll_remove(int epoll, int fd);
int cr_epoll_wait(int epoll, void *scratch, cr_event *out, int count, int timeoutMilliseconds);
/// Bytes of scratch memory that `cr_epoll_wait` needs for one event.
size_t cr_epoll_event_size(void);

int cr_listen(const cr_address *address, int backlog, int freebind);
int cr_accept(int fd, cr_address *peer);
/// Starts a connect on a new non-blocking socket: the socket in *fd; 0 connected, -EINPROGRESS under way, -errno failed. It leaves from the
/// source of the address's family; NULL, or one without a length: the kernel chooses.
int cr_connect(const cr_address *address, const cr_address *source4, const cr_address *source6,
               int userTimeoutMilliseconds, int *fd);
/// 0: connections may leave from the address; -errno: why not.
int cr_check_source(const cr_address *source);
int cr_connect_error(int fd);
/// Bytes the peer has not acknowledged yet, unsent ones included.
int cr_unacknowledged(int fd);
/// Milliseconds since data left for the peer last; -errno when that is not known.
int cr_since_data_sent(int fd);
void cr_set_user_timeout(int fd, int milliseconds);
ssize_t cr_receive(int fd, void *bytes, size_t count);
/// As cr_send, one run of bytes.
ssize_t cr_send_bytes(int fd, const void *bytes, size_t count);
ssize_t cr_send(int fd, const struct iovec *parts, int count);
int cr_shutdown_write(int fd);
int cr_close(int fd);
/// Closes with a reset instead of the usual handshake: leaves no TIME_WAIT behind.
int cr_close_reset(int fd);
/// Makes the kernel drop new connections (SYN) at a listening socket, so that those begun can be taken before it is closed.
int cr_listener_mute(int fd);
/// Takes that back.
int cr_listener_unmute(int fd);
/// The socket listens no more and keeps its address, which others with SO_REUSEADDR may take meanwhile; what waits in its queue is lost.
int cr_listener_pause(int fd);
/// It listens again; -EADDRINUSE: somebody else does.
int cr_listener_resume(int fd, int backlog);
int cr_local_address(int fd, cr_address *out);

int cr_eventfd(void);
/// As cr_eventfd, but clearing it waits for a wake.
int cr_blocking_eventfd(void);
/// Lets other threads run for so many milliseconds.
void cr_pause(int milliseconds);
void cr_eventfd_wake(int fd);
void cr_eventfd_clear(int fd);
/// Reports the signals, whichever thread they reach, through a descriptor that becomes readable; SIGPIPE is ignored.
int cr_signal_watch(const int *signals, int count);
/// Whether a signal is ignored, as who started the process wants it.
int cr_signal_ignored(int number);
/// The next signal that was reported; -EAGAIN when there is none.
int cr_signal_next(int fd);

int64_t cr_monotonic(void);
int64_t cr_realtime(void);
/// Local broken-down time of a wall-clock second: year, month, day, hour, minute, second.
void cr_local_time(int64_t seconds, int out[6]);

/// Starts a thread that nobody waits for. `stack`: bytes at most; 0: as the system has it. Or -errno.
int cr_thread_start(void *(*body)(void *), void *argument, const char *name, size_t stack);
/// Lets others run before the calling thread: batch scheduling in short turns, and a lower priority.
void cr_thread_yield_to_others(int increment);
/// Asks for short turns of the processor, and so for an early one after each wait (Linux 6.12; nothing before).
void cr_thread_be_prompt(void);
/// Gives the calling thread a descriptor table of its own, with 0 to 2 and the descriptors that are to be kept: 0 or -errno (Linux
/// 5.9), and then it shares the process's. Alone with its table, a thread's system calls need not count references to the files they
/// use; and what others close later is closed, as no copy is left in it. Sorts `kept`.
int cr_own_descriptors(int *kept, int count);
/// Where a signal's handler writes, in whichever thread it runs; -1 before `cr_signal_watch`.
int cr_signal_descriptor(void);
int cr_cpu_count(void);
int cr_descriptor_limit(void);
const char *cr_error_text(int code);
/// Takes the process-wide lock of a name (an abstract Unix socket, gone with the process): descriptor, or -errno.
int cr_name_lock(const char *name, size_t length);
/// Memory of whole pages, zero and untouched; NULL when there is none. In ordinary pages, so that each can be given back.
void *cr_map(size_t bytes);
void cr_unmap(void *start, size_t bytes);
/// Under AddressSanitizer: any use of this memory is an error from now on, or no longer. Else nothing.
void cr_poison(void *start, size_t bytes);
void cr_unpoison(void *start, size_t bytes);
/// Gives the memory of whole pages back to the system; their addresses stay, their content is gone.
void cr_give_back_pages(void *start, size_t bytes);
/// Gives back the pages of the program and its libraries that were only read: code and constants. What is still needed is mapped
/// again, from the page cache, when it is used next.
void cr_give_back_code(void);
/// Gives memory that is free in the process back to the system, wherever it lies: some milliseconds for a hundred megabytes.
void cr_give_back_memory(void);
enum { CR_RUN_TIMED_OUT = 1000 };
/// Runs a program and waits for it: its words and further variables of the environment end with NULL, the input (at most 64 KiB)
/// is what it reads. Variables of these names (`hidden`, ends with NULL) it does not get. Its exit status, 128 and more for a signal,
/// CR_RUN_TIMED_OUT when it was killed after so many seconds, or -errno.
int cr_run(char *const *words, char *const *variables, char *const *hidden, const void *input, size_t count, int seconds);
/// Starts a program in a session of its own: it has no terminal, reads nothing, and leads a group that can be ended as one. Its words
/// and further variables of the environment end with NULL. Its process, or -errno.
int cr_start(char *const *words, char *const *variables);
/// Whether a child has ended, without waiting: 1 and its exit status (128 and more for a signal), 0, or -errno.
int cr_ended(int pid, int *status);
/// Descriptors that one message carries at most.
enum { CR_DESCRIPTORS_MAX = 200 };
/// Two ends of a line for messages.
int cr_socket_pair(int out[2]);
/// The process that has made the other end, or connected by it: its id, or -errno.
int cr_peer_process(int fd);
/// Sends one message, with descriptors: 0 or -errno.
int cr_send_message(int fd, const void *bytes, size_t count, const int *descriptors, int descriptorCount);
/// Receives one message: its bytes, 0 when the other end has gone, -ETIMEDOUT, -EMSGSIZE when it is longer than `count`, or -errno.
/// There is room for CR_DESCRIPTORS_MAX descriptors, which are closed when another program is run.
int cr_receive_message(int fd, void *bytes, size_t count, int *descriptors, int *descriptorCount, int milliseconds);
/// A file in memory with these bytes, to be read from its beginning.
int cr_memory_file(const void *bytes, size_t count);
int64_t cr_file_size(int fd);
/// Starts a program, with one more variable in its environment, and one descriptor under another number: its process, or -errno.
int cr_spawn(const char *program, char *const *words, const char *variable, int descriptor, int target);
/// Locks a file for its open file description, until all of its descriptors are closed: -EAGAIN when another one has the lock.
int cr_lock_file(int fd);
/// Gives the lock of a file up, for all descriptors of its open file description: 0 or -errno.
int cr_unlock_file(int fd);
/// What children of the process leave behind when they end become its children.
int cr_adopt_orphans(void);
/// Waits for the end of a child: its exit status, 128 and more for a signal.
int cr_reap(int pid, int *status);
/// Starts a process that stays as this one is now, with its rights, root and working directory, until this one has gone. It can be asked
/// for nothing but to start the program with these words, with one variable more in its environment and a descriptor under the number
/// `target`, and to end it. The line to it, or -errno. Only before other threads change what it is to keep.
int cr_keeper_start(const char *program, char *const *words, const char *variable, int target);
/// Starts a process that stays as this one is now until it has done one thing, or this one has gone: it moves the file `from`, if it is
/// still `inode`, to `to`, and keeps what was there at `aside`. If it is not asked to, it removes `from`. The line to it, or -errno.
int cr_placer_start(const char *from, const char *to, const char *aside, uint64_t inode, int *process);
/// Has it do so: 0, -EEXIST when `from` is another file, or -errno.
int cr_placer_take(int placer, int milliseconds);
/// Has it start the program: its process, or -errno.
int cr_keeper_spawn(int keeper, int descriptor);
/// Has it kill what it started last and wait for its end: as `cr_reap`.
int cr_keeper_end(int keeper, int *status);
ssize_t cr_write(int fd, const void *bytes, size_t count);
/// Waits until something can be written, for so long at most.
void cr_await_output(int fd, int milliseconds);
int cr_open_append(const char *path);

#endif

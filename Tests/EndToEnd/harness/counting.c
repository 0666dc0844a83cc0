// Loaded before a node: counts what its threads allocate and free, and the retains and releases of Swift's run time, into the
// file named by COUNTING_FILE, which others can read at any moment. Nine counters of 64 bits: malloc, calloc, realloc, free,
// aligned allocations, swift_retain, swift_release, bridge object retains and releases, locks of pthreads.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MALLOC, CALLOC, REALLOC, FREE, ALIGNED, LOCK = 8, COUNTERS };

static uint64_t before[COUNTERS];
// The retaining entries jump on through these; hidden, so that assembly can name them without a table.
__attribute__((visibility("hidden"))) uint64_t *counting_counters = before;
__attribute__((visibility("hidden"))) void *counting_targets[8];

// The C library's own entries: asking dlsym for them would allocate.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void __libc_free(void *);
extern void *__libc_memalign(size_t, size_t);

static void count(int which) { __atomic_fetch_add(&counting_counters[which], 1, __ATOMIC_RELAXED); }

void *malloc(size_t size) { count(MALLOC); return __libc_malloc(size); }
void *calloc(size_t number, size_t size) { count(CALLOC); return __libc_calloc(number, size); }
void *realloc(void *old, size_t size) { count(REALLOC); return __libc_realloc(old, size); }
void free(void *old) { if (old) count(FREE); __libc_free(old); }
void *memalign(size_t alignment, size_t size) { count(ALIGNED); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { count(ALIGNED); return __libc_memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
  count(ALIGNED);
  *result = __libc_memalign(alignment, size);
  return *result ? 0 : 12;
}

typedef int locking(void *);
static locking *locks[3];
// Nobody locks before there are threads, and those begin when all libraries are there.
static int counted(int which, void *lock) {
  count(LOCK);
  return locks[which] ? locks[which](lock) : 0;
}
int pthread_mutex_lock(void *lock) { return counted(0, lock); }
int pthread_rwlock_rdlock(void *lock) { return counted(1, lock); }
int pthread_rwlock_wrlock(void *lock) { return counted(2, lock); }

// Swift calls these with a convention of its own that keeps more registers than C's: nothing but flags may be touched
// (rax is no argument and no kept register, r11 neither).
#define COUNTED(name, counter, target)                                                            \
  __asm__(".text\n.globl " #name "\n.type " #name ", @function\n" #name ":\n"                    \
          "  movq counting_counters(%rip), %r11\n"                                                \
          "  lock incq " #counter "*8(%r11)\n"                                                    \
          "  jmp *counting_targets+" #target "*8(%rip)\n"                                         \
          ".size " #name ", .-" #name "\n");

COUNTED(swift_retain, 5, 0)
COUNTED(swift_release, 6, 1)
COUNTED(swift_retain_n, 5, 2)
COUNTED(swift_release_n, 6, 3)
COUNTED(swift_bridgeObjectRetain, 7, 4)
COUNTED(swift_bridgeObjectRelease, 7, 5)

// Linked to run before the libraries that it counts for (-z initfirst), and so before the C library knows the environment.
__attribute__((constructor)) static void begin(int arguments, char **values, char **environment) {
  (void)arguments, (void)values;
  static const char *const names[] = {"swift_retain", "swift_release", "swift_retain_n", "swift_release_n",
                                      "swift_bridgeObjectRetain", "swift_bridgeObjectRelease"};
  static const char *const lockNames[] = {"pthread_mutex_lock", "pthread_rwlock_rdlock", "pthread_rwlock_wrlock"};
  for (int index = 0; index < 3; index++) locks[index] = (locking *)dlsym(RTLD_NEXT, lockNames[index]);
  for (int index = 0; index < 6; index++) counting_targets[index] = dlsym(RTLD_NEXT, names[index]);
  const char *path = NULL;
  for (; *environment; environment++)
    if (!strncmp(*environment, "COUNTING_FILE=", 14)) path = *environment + 14;
  int file = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
  if (file < 0 || ftruncate(file, sizeof before)) return;
  void *shared = mmap(NULL, sizeof before, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (shared != MAP_FAILED) counting_counters = shared;
}

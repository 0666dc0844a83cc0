// Swift's Mutex in the eyes of ThreadSanitizer. Taken without waiting it is an atomic exchange in our own code, which the sanitizer
// sees; but who has to wait goes through functions of Swift's library, which is not built under the sanitizer, and so whatever the
// mutex guards would look like a race. These stand before the library's, call them, and tell the sanitizer what they mean.
//
// Tests/sanitize links this into programs it builds.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *mutex

// Synchronization._MutexHandle, its storage being the address that the atomic operations are seen at.
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"
#define TRY "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

typedef SWIFT void lock_function(uint32_t, SELF);
typedef SWIFT void unlock_function(SELF);
typedef SWIFT bool try_function(SELF);

static lock_function *library_lock;
static unlock_function *library_unlock;
static try_function *library_try;

static void *in_library(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) {
    fprintf(stderr, "Swift's library has no %s: Tests/ThreadSanitizer/mutex.c is for another version\n", name);
    abort();
  }
  return found;
}

__attribute__((constructor)) static void find(void) {
  library_lock = (lock_function *)in_library(LOCK);
  library_unlock = (unlock_function *)in_library(UNLOCK);
  library_try = (try_function *)in_library(TRY);
}

SWIFT void watched_lock(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void watched_lock(uint32_t thread, SELF) {
  library_lock(thread, mutex);
  __tsan_acquire(mutex);
}

SWIFT void watched_unlock(SELF) __asm__(UNLOCK);
SWIFT void watched_unlock(SELF) {
  __tsan_release(mutex);
  library_unlock(mutex);
}

SWIFT bool watched_try(SELF) __asm__(TRY);
SWIFT bool watched_try(SELF) {
  bool is_taken = library_try(mutex);
  if (is_taken) __tsan_acquire(mutex);
  return is_taken;
}

#include <malloc.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

// OpenSSL takes memory for records when a connection begins to read or write, and gives it back when that rests, so that idle
// connections hold none (SSL_MODE_RELEASE_BUFFERS): twice for each request, and some dozens of bytes for each record it writes.
// Each thread keeps a few pieces of such sizes at hand, so that a request on a kept connection allocates nothing.

enum {
  /// Sizes of records with what OpenSSL adds to them; all are taken as large as the largest.
  pieceMin = 16 * 1024, pieceMax = 20 * 1024,
  /// Rounding of the C library.
  slack = 128,
  /// Small sizes: what the C library makes of them, in steps.
  smallMin = 24, smallStep = 16, smallKinds = 8, smallMax = smallMin + smallStep * (smallKinds - 1),
  keptMax = 8,
};

typedef struct {
  void *pieces[keptMax];
  int count;
} shelf;

typedef struct {
  shelf records;
  shelf small[smallKinds];
  int isKnown;
} store;

static __thread store own;
static pthread_key_t key;

static void clear(shelf *shelf) {
  while (shelf->count > 0) free(shelf->pieces[--shelf->count]);
}

/// The thread ends.
static void empty(void *unused) {
  (void)unused;
  clear(&own.records);
  for (int kind = 0; kind < smallKinds; kind++) clear(&own.small[kind]);
  own.isKnown = 0;
}

static void *from(shelf *shelf, size_t size) { return shelf->count > 0 ? shelf->pieces[--shelf->count] : malloc(size); }

static void *take(size_t size, const char *file, int line) {
  (void)file; (void)line;
  if (size == 0) return NULL;
  if (size <= smallMax) {
    size_t kind = size <= smallMin ? 0 : (size - smallMin + smallStep - 1) / smallStep;
    return from(&own.small[kind], smallMin + smallStep * kind);
  }
  return size >= pieceMin && size <= pieceMax ? from(&own.records, pieceMax) : malloc(size);
}

static void *take_other(void *old, size_t size, const char *file, int line) {
  (void)file; (void)line;
  if (size) return realloc(old, size);
  free(old);
  return NULL;
}

/// Where a piece may lie until it is needed again; null: nowhere.
static shelf *place_of(size_t size) {
  if (size >= pieceMax && size < pieceMax + slack) return &own.records;
  if (size < smallMin || size >= smallMax + smallStep) return NULL;
  return &own.small[(size - smallMin) / smallStep];
}

static void give_back(void *piece, const char *file, int line) {
  (void)file; (void)line;
  if (!piece) return;
  shelf *shelf = place_of(malloc_usable_size(piece));
  if (!shelf || shelf->count == keptMax) {
    free(piece);
    return;
  }
  if (!own.isKnown) {
    own.isKnown = 1;
    pthread_setspecific(key, &own);
  }
  shelf->pieces[shelf->count++] = piece;
}

/// Before anything else is asked of OpenSSL.
__attribute__((constructor)) static void prepare(void) {
  if (pthread_key_create(&key, empty) == 0) CRYPTO_set_mem_functions(take, take_other, give_back);
  // Its own end, which exit(3) would bring, takes from threads that still read certificates what they work with.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, NULL);
}

// The C that TLS is made of, short of memory: every allocation fails once, one in each run, those of OpenSSL too, which come by way of it.
// Linked with --wrap of the allocating functions, and memory.c compiled with others in their place. Nothing may crash, and nobody may be let in
// who would not be otherwise.
//
//   short_memory STEP CA SERVER CLIENT STRANGER     files of PEM
//
// Of each scenario it is every allocation of our own, every one of a handshake, and every STEP-th of them all.

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "copenssl.h"

void *__real_malloc(size_t), *__real_calloc(size_t, size_t), *__real_realloc(void *, size_t);
char *__real_strdup(const char *), *__real_strndup(const char *, size_t);

/// Allocations until one fails; -1: none does.
static long left = -1;
static long failures;

/// Only what our own code asks for counts.
static int isOwnAlone;

static int fails(int isOwn) {
  if (left < 0 || (isOwnAlone && !isOwn) || left-- != 0) return 0;
  failures++;
  errno = ENOMEM;
  return 1;
}

void *__wrap_malloc(size_t size) { return fails(1) ? NULL : __real_malloc(size); }
void *__wrap_calloc(size_t count, size_t size) { return fails(1) ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *old, size_t size) { return fails(1) ? NULL : __real_realloc(old, size); }
char *__wrap_strdup(const char *text) { return fails(1) ? NULL : __real_strdup(text); }
char *__wrap_strndup(const char *text, size_t size) { return fails(1) ? NULL : __real_strndup(text, size); }
/// OpenSSL's.
void *taken_malloc(size_t size) { return fails(0) ? NULL : __real_malloc(size); }
void *taken_realloc(void *old, size_t size) { return fails(0) ? NULL : __real_realloc(old, size); }

typedef struct {
  const char *name;
  /// What the client shows, and the name that it expects and asks for.
  const char *shown, *expected;
  /// Whether both sides agree when there is memory.
  int isGood;
} scenario;

static const char *authority, *own;

static int use(co_context *context, const char *path) {
  co_credential *credential = NULL;
  if (co_credential_load(path, path, &credential) != CO_OK) return 0;
  int done = co_context_use(context, credential) == CO_OK;
  co_credential_free(credential);
  return done;
}

/// A server that lets in OP1 alone, and is asked for SD1 or OTHER alone, of which it has a certificate for the first.
static co_context *server(co_ticket_keys *keys) {
  uint8_t scope[32] = {1};
  co_context *root = co_server_new(2, keys, scope, 60), *second = root ? co_server_new(2, keys, scope, 60) : NULL;
  co_context *all[] = {root, second};
  int isMade = second != NULL;
  for (int i = 0; i < 2 && isMade; i++)
    isMade = use(all[i], own) && co_server_require_client(all[i], authority) > 0 && co_server_allow(all[i], "OP1");
  isMade = isMade && co_server_add_name(root, "first.example", root) && co_server_add_name(root, "sd1", second)
    && co_server_serve(root, "sd1") && co_server_serve(root, "other");
  if (isMade) co_server_seal(root, 0);
  co_context_free(second);
  if (isMade) return root;
  co_context_free(root);
  return NULL;
}

static co_peer *peer(const scenario *one, const char *expected) {
  co_context *client = co_client_new(2, 1);
  int isMade = client && co_context_trust(client, authority) > 0 && use(client, one->shown);
  co_peer *peer = isMade ? co_peer_new(client, expected, 0) : NULL;
  co_context_free(client);
  return peer;
}

static void pass(cr_transport *from, cr_transport *to) {
  char bytes[16384];
  size_t count;
  while ((count = co_take(from, bytes, sizeof bytes)) > 0 && co_feed(to, bytes, count)) continue;
}

/// 3: what must never be; 2: both sides are there, and believe each other; 1: one of them was refused; 0: no memory to find out.
static int shake(co_context *server, co_peer *peer, co_peer *wrong) {
  cr_transport *here = co_accept(server, -1), *there = here ? co_connect(peer, -1) : NULL;
  int result = 0;
  for (int turn = 0; there && turn < 6; turn++) {
    there->operations->establish(there);
    pass(there, here);
    here->operations->establish(here);
    pass(here, there);
    // Tickets, and the alerts of a server that refuses what it saw last.
    char byte;
    if (co_is_established(there)) there->operations->receive(there, &byte, 1);
  }
  if (there && co_is_established(here) && co_is_established(there)) result = 2;
  else if (there && (co_failure(here) || co_failure(there))) result = 1;
  if (result == 2 && wrong && co_is_trusted_server(there, wrong)) result = 3;
  if (result == 2) co_is_trusted_client(here, server);
  if (there) there->operations->release(there);
  if (here) here->operations->release(here);
  return result;
}

typedef enum { own_alone, handshake_alone, everything, phases } phase;

typedef struct {
  co_ticket_keys *keys;
  co_context *context;
  co_peer *expected, *wrong;
} sides;

static void make(sides *both, const scenario *one) {
  both->keys = co_ticket_keys_new();
  both->context = both->keys && co_ticket_keys_rotate(both->keys, 1) ? server(both->keys) : NULL;
  both->expected = both->context ? peer(one, one->expected) : NULL;
  both->wrong = both->expected ? peer(one, "nobody.example") : NULL;
}

static void drop(sides *both) {
  co_peer_free(both->expected);
  co_peer_free(both->wrong);
  co_context_free(both->context);
  co_ticket_keys_free(both->keys);
  memset(both, 0, sizeof *both);
}

/// Two handshakes, of which the second one may resume the first one's session, and before them what they need, but for the phase of handshakes alone,
/// where that stays. What fails counts from `position`; -1: nothing does.
static int run(const scenario *one, phase phase, long position, sides *both) {
  isOwnAlone = phase == own_alone;
  failures = 0;
  if (both->expected) co_peer_forget(both->expected);
  left = position;
  if (phase != handshake_alone) make(both, one);
  int result = both->expected ? shake(both->context, both->expected, both->wrong) : 0;
  if (result == 2) result = shake(both->context, both->expected, both->wrong);
  left = -1;
  if (phase != handshake_alone) drop(both);
  return result == 2 && !one->isGood ? 3 : result;
}

int main(int count, char **words) {
  if (count != 6) return 64;
  int bad = 0;
  authority = words[2];
  own = words[3];
  const scenario all[] = {
    {"good", words[4], "SD1", 1}, {"a server of another name", words[4], "other", 0}, {"a client of another name", words[5], "SD1", 0},
    {"a name that is not served", words[4], "first.example", 0},
  };
  for (size_t index = 0; index < sizeof all / sizeof *all; index++) {
    const scenario *one = &all[index];
    // What is made once for all is there from here on.
    sides both = {0};
    if (run(one, everything, -1, &both) != (one->isGood ? 2 : 1)) {
      printf("%s: it came out otherwise with memory\n", one->name);
      return 1;
    }
    long runs = 0;
    for (phase phase = own_alone; phase < phases; phase++) {
      int step = phase == everything ? atoi(words[1]) : 1;
      if (phase == handshake_alone) make(&both, one);
      for (long position = (long)index % step;; position += step) {
        int result = run(one, phase, position, &both);
        if (result == 3) {
          printf("%s: let in, with allocation %ld of phase %d failing\n", one->name, position, phase);
          bad = 1;
        }
        if (!failures) break;
        runs++;
      }
      drop(&both);
    }
    printf("%s: %ld allocations failed\n", one->name, runs);
    fflush(stdout);
  }
  return bad;
}

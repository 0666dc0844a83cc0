#include "internal.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// How long sessions may be resumed. A resumption looks at no certificate: what was verified in the full handshake at the beginning is
// believed, and each resumption gives tickets for more of them. So a session carries its end: when the first certificate of the chain that
// was verified then is over, and a day after that handshake at the latest. One of a server's carries its authority, too, the last of that
// chain: certificates between are not part of a ticket, and without them who resumed could not be judged again (co_session_stands).

/// Seconds from the full handshake.
enum { ageMax = 86400 };

/// Where a client's session has its end, as Unix time in the place of a pointer; 0: not known.
static int endIndex;
static pthread_once_t endIndexOnce = PTHREAD_ONCE_INIT;

// Copies of a session have its end, too: no function is needed for that.
static void make_end_index(void) { endIndex = SSL_SESSION_get_ex_new_index(0, NULL, NULL, NULL, NULL); }

static int64_t end_of_chain(SSL *ssl) {
  int64_t end = (int64_t)time(NULL) + ageMax;
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  for (int i = 0; i < sk_X509_num(chain); i++) {
    int64_t over = co_seconds_of(X509_get0_notAfter(sk_X509_value(chain, i)));
    if (over < end) end = over;
  }
  return end;
}

// Clients

void co_session_bound(SSL *ssl, SSL_SESSION *session) {
  pthread_once(&endIndexOnce, make_end_index);
  if (session && !SSL_SESSION_get_ex_data(session, endIndex))
    SSL_SESSION_set_ex_data(session, endIndex, (void *)(intptr_t)end_of_chain(ssl));
}

int co_session_is_over(SSL_SESSION *session) {
  pthread_once(&endIndexOnce, make_end_index);
  return (int64_t)(intptr_t)SSL_SESSION_get_ex_data(session, endIndex) <= (int64_t)time(NULL);
}

// Servers, whose sessions are with their clients: what is known is in the ticket. Only those that looked at a certificate need it.

typedef struct {
  int64_t end;
  uint8_t authority[32];
} proof;

static int digest_of(X509 *certificate, uint8_t out[32]) {
  unsigned int length = 0;
  return certificate && X509_digest(certificate, EVP_sha256(), out, &length) == 1 && length == 32;
}

static int find_proof(SSL_SESSION *session, proof *out) {
  void *bytes = NULL;
  size_t count = 0;
  if (!session || SSL_SESSION_get0_ticket_appdata(session, &bytes, &count) != 1 || count != sizeof *out) return 0;
  memcpy(out, bytes, sizeof *out);
  return 1;
}

static int give_proof(SSL *ssl, void *unused) {
  (void)unused;
  proof known;
  SSL_SESSION *session = SSL_get_session(ssl);
  if (!session || !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER)) return 1;
  // Of a resumed one it is the one before.
  if (find_proof(session, &known)) return 1;
  STACK_OF(X509) *chain = SSL_get0_verified_chain(ssl);
  known.end = end_of_chain(ssl);
  // Without it the session is not resumed.
  if (!digest_of(sk_X509_value(chain, sk_X509_num(chain) - 1), known.authority)) return 1;
  return SSL_SESSION_set1_ticket_appdata(session, &known, sizeof known);
}

static SSL_TICKET_RETURN look_at_proof(
  SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t nameCount, SSL_TICKET_STATUS status, void *unused) {
  (void)name; (void)nameCount; (void)unused;
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  if (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) {
    proof known;
    // A full handshake looks at everything again.
    if (!find_proof(session, &known) || known.end <= (int64_t)time(NULL)) return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void co_server_bound_sessions(SSL_CTX *context) { SSL_CTX_set_session_ticket_cb(context, give_proof, look_at_proof, NULL); }

int co_session_authority(SSL *ssl, uint8_t out[32]) {
  proof known;
  if (!find_proof(SSL_get_session(ssl), &known)) return 0;
  memcpy(out, known.authority, sizeof known.authority);
  return 1;
}

int co_session_stands(SSL *ssl, X509_STORE *authorities) {
  proof known;
  uint8_t digest[32];
  int found = 0;
  if (!find_proof(SSL_get_session(ssl), &known) || known.end <= (int64_t)time(NULL)) return 0;
  if (X509_STORE_lock(authorities) != 1) return 0;
  STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(authorities);
  for (int i = 0; i < sk_X509_OBJECT_num(all) && !found; i++) {
    found = digest_of(X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i)), digest) && !memcmp(digest, known.authority, sizeof digest);
  }
  X509_STORE_unlock(authorities);
  ERR_clear_error();
  return found;
}

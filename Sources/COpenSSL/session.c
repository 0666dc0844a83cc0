#include "internal.h"
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// How long sessions may be resumed. A resumption looks at no certificate: what was verified in the full handshake at the beginning is
// believed, and each resumption gives tickets for more of them. So a session carries its end: when the first certificate of the chain that
// was verified then is over, and a day after that handshake at the latest.

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

// Servers, whose sessions are with their clients: the end is in the ticket. Only those that looked at a certificate need it.

static int give_end(SSL *ssl, void *unused) {
  (void)unused;
  void *known;
  size_t count = 0;
  SSL_SESSION *session = SSL_get_session(ssl);
  if (!session || !(SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER)) return 1;
  // Of a resumed one it is the one before.
  if (SSL_SESSION_get0_ticket_appdata(session, &known, &count) == 1 && count > 0) return 1;
  int64_t end = end_of_chain(ssl);
  return SSL_SESSION_set1_ticket_appdata(session, &end, sizeof end);
}

static SSL_TICKET_RETURN look_at_end(
  SSL *ssl, SSL_SESSION *session, const unsigned char *name, size_t nameCount, SSL_TICKET_STATUS status, void *unused) {
  (void)name; (void)nameCount; (void)unused;
  if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW) return SSL_TICKET_RETURN_IGNORE_RENEW;
  if (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) {
    void *bytes = NULL;
    size_t count = 0;
    int64_t end = 0;
    if (SSL_SESSION_get0_ticket_appdata(session, &bytes, &count) == 1 && count == sizeof end) memcpy(&end, bytes, sizeof end);
    // A full handshake looks at everything again.
    if (end <= (int64_t)time(NULL)) return SSL_TICKET_RETURN_IGNORE_RENEW;
  }
  return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

void co_server_bound_sessions(SSL_CTX *context) { SSL_CTX_set_session_ticket_cb(context, give_end, look_at_end, NULL); }

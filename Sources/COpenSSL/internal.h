#ifndef COPENSSL_INTERNAL_H
#define COPENSSL_INTERNAL_H
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include "copenssl.h"

struct co_credential {
  X509 *certificate;
  STACK_OF(X509) *chain;
  EVP_PKEY *key;
};

typedef struct {
  char *name;
  co_context *context;
  int order;
} co_named;

/// Held by its owner and by OpenSSL's context, which every connection holds.
struct co_context {
  SSL_CTX *ssl;
  atomic_int holders;
  co_ticket_keys *keys;
  co_named *names;
  int nameCount, nameRoom;
  int isStrict;
  /// What tickets of a server are bound to, beside the name.
  uint8_t scope[32];
  /// Names that connections may ask for; none: any.
  char **served;
  int servedCount;
  char **allowed;
  int allowedCount;
  /// What a server speaks, as ALPN has it.
  uint8_t *protocols;
  size_t protocolsCount;
  /// Null: nobody counts.
  co_counts *counts;
};

struct co_counts {
  atomic_int holders;
  atomic_ulong values[CO_COUNT_KINDS];
};

struct co_peer {
  co_context *context;
  char *name;
  int isAddress;
  atomic_int holders;
  pthread_mutex_t lock;
  SSL_SESSION *session;
};

typedef struct {
  cr_transport base;
  SSL *ssl;
  int fd;
  co_context *context;
  co_peer *peer;
  /// -errno once the connection is broken.
  int failed;
  /// -errno once nothing can be sent any more; what was received can still be read.
  int sendFailed;
  unsigned long reason;
  long verification;
  /// Bytes of the stream that are encrypted and still wait for the kernel.
  size_t owed;
  /// Encrypted bytes that the kernel had no room for.
  uint8_t *waiting;
  size_t waitingStart, waitingEnd, waitingRoom;
  /// Bytes that were received before the connection was there; they come before those of the socket.
  uint8_t *early;
  size_t earlyStart, earlyEnd;
  /// The name that the client's ClientHello asks for, as it came; null: none.
  char *asked;
  /// The ClientHello was looked at; a certificate is for its name; nothing is behind it; no certificate is for it, though there must be one.
  uint8_t hasHello, isKnown, isNameless, isUncertified;
  uint8_t isCounted, isEstablished, isDrained, isHeld, isDry, isEnded, sawEnd, isGathering, isServer, isPlain, hasRead, hasBegun;
} co_connection;

int co_ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt);
/// Makes a server's context look at names before all else.
void co_context_hear(co_context *context);
/// The context that a server's connection began with.
co_context *co_root_of(SSL *ssl);
int co_is_allowed(co_context *root, X509 *certificate);
/// Adds a copy of a name to a list. 1: done; 0: there is no memory, and the list is as it was.
int co_names_add(char ***names, int *count, const char *name);
void co_peer_keep(co_peer *peer, SSL_SESSION *session);
/// Notes in a client's session, where that is not known, until when it may be resumed: to be called while its connection is there.
void co_session_bound(SSL *ssl, SSL_SESSION *session);
int co_session_is_over(SSL_SESSION *session);
/// Tickets of a server's context that looked at a certificate are good until that, and those above it, are over.
void co_server_bound_sessions(SSL_CTX *context);
/// Of a server's session: SHA-256 of the authority at the end of the chain that was verified in the full handshake. 1: done; 0: it has none.
int co_session_authority(SSL *ssl, uint8_t out[32]);
/// Whether what was verified in the full handshake is good still, with these authorities.
int co_session_stands(SSL *ssl, X509_STORE *authorities);
int co_give_staple(SSL *ssl, void *unused);
/// Unix time.
int64_t co_seconds_of(const ASN1_TIME *time);
int co_name_of(X509 *certificate, int position, char *out, size_t size);
int co_common_name_of(X509 *certificate, char *out, size_t size);
#endif

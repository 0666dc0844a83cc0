#include "internal.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

/// Suites of TLS 1.2 with forward secrecy and authenticated encryption; those of 1.3 are all so.
static const char suites[] = "ECDHE+AESGCM:ECDHE+CHACHA20";
static const char groups[] = "X25519:P-256:P-384";

co_context *co_root_of(SSL *ssl) { return ((co_connection *)SSL_get_app_data(ssl))->context; }

co_context *co_context_hold(co_context *context) {
  atomic_fetch_add(&context->holders, 1);
  return context;
}

void co_context_free(co_context *context) {
  if (!context || atomic_fetch_sub(&context->holders, 1) != 1) return;
  SSL_CTX_free(context->ssl);
  if (context->keys) co_ticket_keys_free(context->keys);
  for (int i = 0; i < context->nameCount; i++) {
    free(context->names[i].name);
    if (context->names[i].context != context) co_context_free(context->names[i].context);
  }
  for (int i = 0; i < context->allowedCount; i++) free(context->allowed[i]);
  for (int i = 0; i < context->servedCount; i++) free(context->served[i]);
  free(context->names);
  free(context->allowed);
  free(context->served);
  free(context->protocols);
  co_counts_free(context->counts);
  free(context);
}

static co_context *context_new(const SSL_METHOD *method, int minimum) {
  co_context *context = calloc(1, sizeof *context);
  if (!context) return NULL;
  context->holders = 1;
  context->ssl = SSL_CTX_new(method);
  if (!context->ssl) {
    co_context_free(context);
    ERR_clear_error();
    return NULL;
  }
  int isSet = SSL_CTX_set_min_proto_version(context->ssl, minimum == 3 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1
    && SSL_CTX_set_cipher_list(context->ssl, suites) == 1 && SSL_CTX_set1_groups_list(context->ssl, groups) == 1;
  SSL_CTX_set_options(context->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Memory of records goes back as soon as a connection rests; one receive takes in what there is.
  SSL_CTX_set_mode(context->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_clear_mode(context->ssl, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context->ssl, 1);
  ERR_clear_error();
  if (!isSet) {
    co_context_free(context);
    return NULL;
  }
  return context;
}

// Counts

co_counts *co_counts_new(void) {
  co_counts *counts = calloc(1, sizeof *counts);
  if (counts) counts->holders = 1;
  return counts;
}

void co_counts_free(co_counts *counts) {
  if (counts && atomic_fetch_sub(&counts->holders, 1) == 1) free(counts);
}

unsigned long co_counts_get(co_counts *counts, int kind) { return atomic_load_explicit(&counts->values[kind], memory_order_relaxed); }

void co_counts_add(co_counts *counts, int kind) { atomic_fetch_add_explicit(&counts->values[kind], 1, memory_order_relaxed); }

void co_counts_go_on(co_counts *counts, int kind, unsigned long from) {
  atomic_fetch_add_explicit(&counts->values[kind], from, memory_order_relaxed);
}

void co_context_count(co_context *context, co_counts *counts) {
  atomic_fetch_add(&counts->holders, 1);
  co_counts_free(context->counts);
  context->counts = counts;
}

// Servers

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *length, const unsigned char *offered, unsigned int count, void *argument) {
  (void)ssl;
  const co_context *context = argument;
  if (context->protocolsCount == 0) return SSL_TLSEXT_ERR_NOACK;
  int found = SSL_select_next_proto(
    (unsigned char **)out, length, context->protocols, (unsigned int)context->protocolsCount, offered, count);
  // RFC 7301 section 3.2: who offers only what is not spoken here is told so.
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int co_is_allowed(co_context *root, X509 *certificate) {
  if (root->allowedCount == 0) return 1;
  unsigned flags = X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS;
  // A common name counts only where nothing else names the certificate: beside names of any kind it is but a label (RFC 6125 section 6.4.4).
  if (X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0) flags |= X509_CHECK_FLAG_NEVER_CHECK_SUBJECT;
  for (int i = 0; i < root->allowedCount; i++) {
    const char *name = root->allowed[i];
    // A name with a dot in front stands for what has one label more.
    if (name[0] == '*') name++;
    if (X509_check_host(certificate, name, 0, flags, NULL) == 1) return 1;
  }
  return 0;
}

static int verify_client(int isGood, X509_STORE_CTX *store) {
  if (!isGood || X509_STORE_CTX_get_error_depth(store) != 0) return isGood;
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  if (co_is_allowed(co_root_of(ssl), X509_STORE_CTX_get_current_cert(store))) return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
  return 0;
}

co_context *co_server_new(int minimum, co_ticket_keys *keys, const uint8_t *scope, int64_t sessionSeconds) {
  co_context *context = context_new(TLS_server_method(), minimum);
  if (!context) return NULL;
  SSL_CTX *ssl = context->ssl;
  SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
  memcpy(context->scope, scope, sizeof context->scope);
  co_context_hear(context);
  SSL_CTX_set_timeout(ssl, (long)sessionSeconds);
  SSL_CTX_set_max_early_data(ssl, 0);
  static const uint8_t http[] = "\x08http/1.1\x08http/1.0";
  if (!co_server_protocols(context, http, sizeof http - 1)) {
    co_context_free(context);
    return NULL;
  }
  SSL_CTX_set_alpn_select_cb(ssl, choose_protocol, context);
  SSL_CTX_set_tlsext_status_cb(ssl, co_give_staple);
  if (keys) {
    context->keys = co_ticket_keys_hold(keys);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ssl, co_ticket_callback);
    co_server_bound_sessions(ssl);
  } else {
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
  }
  return context;
}

int co_context_use(co_context *context, co_credential *credential) {
  int done = SSL_CTX_use_certificate(context->ssl, credential->certificate) == 1
    && SSL_CTX_use_PrivateKey(context->ssl, credential->key) == 1 && SSL_CTX_set1_chain(context->ssl, credential->chain) == 1;
  ERR_clear_error();
  return done ? CO_OK : CO_REFUSED;
}

int co_context_trust(co_context *context, const char *path) {
  if (!path) {
    SSL_CTX_set_default_verify_paths(context->ssl);
    ERR_clear_error();
    return 0;
  }
  errno = 0;
  BIO *file = BIO_new_file(path, "r");
  int saved = errno;
  if (!file) {
    ERR_clear_error();
    errno = saved;
    return -CO_UNREADABLE;
  }
  BIO_free(file);
  STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
  int count = names ? sk_X509_NAME_num(names) : 0;
  sk_X509_NAME_pop_free(names, X509_NAME_free);
  ERR_clear_error();
  if (count == 0) return -CO_NO_CERTIFICATE;
  if (SSL_CTX_load_verify_file(context->ssl, path) != 1) count = -CO_BAD_CERTIFICATE;
  ERR_clear_error();
  return count;
}

int co_server_require_client(co_context *context, const char *path) {
  int count = co_context_trust(context, path);
  if (count < 0) return count;
  STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(path);
  if (!names) {
    ERR_clear_error();
    return -CO_NO_MEMORY;
  }
  SSL_CTX_set_client_CA_list(context->ssl, names);
  SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, verify_client);
  ERR_clear_error();
  return count;
}

int co_names_add(char ***names, int *count, const char *name) {
  char **grown = realloc(*names, sizeof(char *) * (size_t)(*count + 1));
  if (!grown) return 0;
  *names = grown;
  char *copy = strdup(name);
  if (copy) grown[(*count)++] = copy;
  return copy != NULL;
}

int co_server_allow(co_context *context, const char *name) { return co_names_add(&context->allowed, &context->allowedCount, name); }

int co_server_protocols(co_context *context, const uint8_t *list, size_t count) {
  uint8_t *copy = count ? malloc(count) : NULL;
  if (count && !copy) return 0;
  if (count) memcpy(copy, list, count);
  free(context->protocols);
  context->protocols = copy;
  context->protocolsCount = count;
  return 1;
}

// Clients

static int keep_session(SSL *ssl, SSL_SESSION *session) {
  co_connection *connection = SSL_get_app_data(ssl);
  if (!connection || !connection->peer) return 0;
  // A copy: OpenSSL spoils the connection's own when that ends without a close_notify, as connections kept by many servers do.
  SSL_SESSION *copy = SSL_SESSION_dup(session);
  if (copy) {
    co_session_bound(ssl, copy);
    co_peer_keep(connection->peer, copy);
  }
  ERR_clear_error();
  return 0;
}

co_context *co_client_new(int minimum, int verify) {
  co_context *context = context_new(TLS_client_method(), minimum);
  if (!context) return NULL;
  static const unsigned char protocols[] = "\x08http/1.1";
  // 0 is success, for once.
  if (SSL_CTX_set_alpn_protos(context->ssl, protocols, sizeof protocols - 1)) {
    co_context_free(context);
    ERR_clear_error();
    return NULL;
  }
  SSL_CTX_set_verify(context->ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
  SSL_CTX_set_session_cache_mode(context->ssl, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context->ssl, keep_session);
  return context;
}

co_peer *co_peer_new(co_context *client, const char *name, int isAddress) {
  co_peer *peer = calloc(1, sizeof *peer);
  char *copy = peer && name ? strdup(name) : NULL;
  // Without its name every server would do.
  if (!peer || (name && !copy)) {
    free(peer);
    return NULL;
  }
  peer->context = co_context_hold(client);
  peer->name = copy;
  peer->isAddress = isAddress;
  peer->holders = 1;
  pthread_mutex_init(&peer->lock, NULL);
  return peer;
}

void co_peer_free(co_peer *peer) {
  if (!peer || atomic_fetch_sub(&peer->holders, 1) != 1) return;
  SSL_SESSION_free(peer->session);
  co_context_free(peer->context);
  pthread_mutex_destroy(&peer->lock);
  free(peer->name);
  free(peer);
}

void co_peer_keep(co_peer *peer, SSL_SESSION *session) {
  pthread_mutex_lock(&peer->lock);
  SSL_SESSION *old = peer->session;
  peer->session = session;
  pthread_mutex_unlock(&peer->lock);
  SSL_SESSION_free(old);
}

void co_peer_forget(co_peer *peer) { co_peer_keep(peer, NULL); }

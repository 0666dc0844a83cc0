#include "internal.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>

// Whether a peer would be let in today: connections outlive the files that they were made with.

/// Verifies the certificate that the peer has shown, as a handshake with this context would.
static int verify(SSL *ssl, SSL_CTX *context, const char *purpose, const char *name, int isAddress) {
  X509 *certificate = SSL_get0_peer_certificate(ssl);
  X509_STORE_CTX *store = certificate ? X509_STORE_CTX_new() : NULL;
  int result = 0;
  if (store && X509_STORE_CTX_init(store, SSL_CTX_get_cert_store(context), certificate, SSL_get_peer_cert_chain(ssl)) == 1) {
    X509_STORE_CTX_set_default(store, purpose);
    X509_VERIFY_PARAM *expected = X509_STORE_CTX_get0_param(store);
    X509_VERIFY_PARAM_set_auth_level(expected, SSL_CTX_get_security_level(context));
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    int isSet = !name || (isAddress ? X509_VERIFY_PARAM_set1_ip_asc(expected, name) : X509_VERIFY_PARAM_set1_host(expected, name, 0)) == 1;
    // Without its name every server would do.
    result = isSet && X509_verify_cert(store) == 1;
  }
  X509_STORE_CTX_free(store);
  ERR_clear_error();
  return result;
}

int co_is_trusted_client(cr_transport *self, co_context *server) {
  co_connection *connection = (co_connection *)self;
  if (SSL_CTX_get_verify_mode(server->ssl) == SSL_VERIFY_NONE) return 1;
  // Of a session that a server resumed there is only the client's own certificate, not what stands between it and its authority.
  int isGood = verify(connection->ssl, server->ssl, "ssl_client", NULL, 0)
    || (SSL_session_reused(connection->ssl) && co_session_stands(connection->ssl, SSL_CTX_get_cert_store(server->ssl)));
  return isGood && co_is_allowed(server, SSL_get0_peer_certificate(connection->ssl));
}

int co_is_trusted_server(cr_transport *self, co_peer *peer) {
  co_connection *connection = (co_connection *)self;
  if (SSL_CTX_get_verify_mode(peer->context->ssl) == SSL_VERIFY_NONE) return 1;
  return verify(connection->ssl, peer->context->ssl, "ssl_server", peer->name, peer->isAddress);
}

int co_peer_digest(cr_transport *self, uint8_t out[32]) {
  SSL *ssl = ((co_connection *)self)->ssl;
  X509 *certificate = SSL_get0_peer_certificate(ssl);
  uint8_t parts[64] = {0};
  unsigned int length = 0;
  int done = certificate && X509_digest(certificate, EVP_sha256(), parts, &length) == 1 && length == 32;
  if (done) {
    co_session_authority(ssl, parts + 32);
    done = co_sha256(parts, sizeof parts, out);
  }
  ERR_clear_error();
  return done;
}

#include "internal.h"
#include <ctype.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

// What a ClientHello asks for. The name in it decides over certificate, refusal and resumption, before OpenSSL looks for a session:
// SSL_get_servername tells with TLS 1.2 the name of the session that is resumed, whatever this ClientHello says.

enum { nameMax = TLSEXT_MAXLEN_host_name };

// Names of certificates

static int by_name(const void *a, const void *b) {
  const co_named *first = a, *second = b;
  int order = strcmp(first->name, second->name);
  return order ? order : first->order - second->order;
}

int co_server_add_name(co_context *root, const char *name, co_context *context) {
  if (root->nameCount == root->nameRoom) {
    int room = root->nameRoom * 2 + 8;
    co_named *grown = realloc(root->names, sizeof(co_named) * (size_t)room);
    if (!grown) return 0;
    root->names = grown;
    root->nameRoom = room;
  }
  char *copy = strdup(name);
  if (!copy) return 0;
  if (context != root) co_context_hold(context);
  root->names[root->nameCount] = (co_named){copy, context, root->nameCount};
  root->nameCount++;
  return 1;
}

int co_server_serve(co_context *root, const char *name) {
  return co_names_add(&root->served, &root->servedCount, name);
}

void co_server_seal(co_context *root, int strict) {
  root->isStrict = strict;
  if (root->nameCount) qsort(root->names, (size_t)root->nameCount, sizeof(co_named), by_name);
}

static co_context *find_name(co_context *root, const char *name) {
  int low = 0, high = root->nameCount;
  while (low < high) {
    int middle = (low + high) / 2;
    if (strcmp(root->names[middle].name, name) < 0) low = middle + 1;
    else high = middle;
  }
  return low < root->nameCount && !strcmp(root->names[low].name, name) ? root->names[low].context : NULL;
}

/// The context for a plain name: that of the name itself, else that of its parent's wildcard.
static co_context *context_for(co_context *root, const char *name) {
  co_context *found = find_name(root, name);
  if (found) return found;
  const char *dot = strchr(name, '.');
  char text[nameMax + 2] = "*";
  if (!dot || dot == name || strlen(dot) >= sizeof text - 1) return NULL;
  strcpy(text + 1, dot);
  return find_name(root, text);
}

/// Whether a plain name is among those that are served: itself, or below one that begins with "*.".
static int is_served(const co_context *root, const char *name) {
  size_t length = strlen(name);
  for (int i = 0; i < root->servedCount; i++) {
    const char *served = root->served[i];
    size_t count = strlen(served);
    if (served[0] != '*') {
      if (!strcmp(served, name)) return 1;
    } else if (length >= count && !strcmp(served + 1, name + length - (count - 1))) {
      return 1;
    }
  }
  return root->servedCount == 0;
}

// The ClientHello

/// The host name of its extension server_name (RFC 6066 section 3): the length, 0: none is there, -1: `alert` tells what is wrong.
static int name_of_hello(SSL *ssl, const uint8_t **name, int *alert) {
  const unsigned char *bytes;
  size_t count;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &count) != 1) return 0;
  *alert = SSL_AD_DECODE_ERROR;
  // Length of the list, kind and length of its only entry: as OpenSSL, no other kind is known, and each may be there once.
  if (count < 6 || (size_t)(bytes[0] << 8 | bytes[1]) != count - 2 || bytes[2] != TLSEXT_NAMETYPE_host_name) return -1;
  if ((size_t)(bytes[3] << 8 | bytes[4]) != count - 5) return -1;
  *alert = SSL_AD_UNRECOGNIZED_NAME;
  if (count - 5 > nameMax || memchr(bytes + 5, 0, count - 5)) return -1;
  *name = bytes + 5;
  return (int)(count - 5);
}

/// Binds the session to the name: a ticket made for another one, or for none, leads to a full handshake (RFC 6066 section 3).
static int bind_session(SSL *ssl, const co_context *root, const char *name) {
  uint8_t text[sizeof root->scope + nameMax + 1], scope[32];
  size_t length = strlen(name);
  memcpy(text, root->scope, sizeof root->scope);
  memcpy(text + sizeof root->scope, name, length);
  return co_sha256(text, sizeof root->scope + length, scope) && SSL_set_session_id_context(ssl, scope, sizeof scope) == 1;
}

static int hear(SSL *ssl, int *alert, void *unused) {
  (void)unused;
  co_connection *connection = SSL_get_app_data(ssl);
  co_context *root = connection->context;
  const uint8_t *asked = NULL;
  int length = name_of_hello(ssl, &asked, alert);
  if (length < 0) return SSL_CLIENT_HELLO_ERROR;
  if (connection->hasHello) {
    // The second one, which was asked for because of its key share, must say the same (RFC 8446 section 4.1.2).
    size_t known = connection->asked ? strlen(connection->asked) : 0;
    if (known == (size_t)length && !memcmp(length ? connection->asked : "", length ? (const char *)asked : "", known))
      return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_ILLEGAL_PARAMETER;
    return SSL_CLIENT_HELLO_ERROR;
  }
  connection->hasHello = 1;
  *alert = SSL_AD_INTERNAL_ERROR;
  if (length > 0 && !(connection->asked = strndup((const char *)asked, (size_t)length))) return SSL_CLIENT_HELLO_ERROR;
  char name[nameMax + 1];
  // A dot at the end is not allowed there, but sent.
  if (length > 1 && asked[length - 1] == '.') length--;
  for (int i = 0; i < length; i++) name[i] = (char)tolower(asked[i]);
  name[length] = 0;
  co_context *found = length ? context_for(root, name) : NULL;
  connection->isNameless = !is_served(root, name);
  connection->isUncertified = !found && root->isStrict;
  if (connection->isNameless || connection->isUncertified) {
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_CLIENT_HELLO_ERROR;
  }
  connection->isKnown = found != NULL;
  if (found && found != root && !SSL_set_SSL_CTX(ssl, found->ssl)) return SSL_CLIENT_HELLO_ERROR;
  return bind_session(ssl, root, name) ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

/// The name is acknowledged when a certificate is for it.
static int acknowledge(SSL *ssl, int *alert, void *unused) {
  (void)alert;
  (void)unused;
  return ((co_connection *)SSL_get_app_data(ssl))->isKnown ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

void co_context_hear(co_context *context) {
  SSL_CTX_set_client_hello_cb(context->ssl, hear, NULL);
  SSL_CTX_set_tlsext_servername_callback(context->ssl, acknowledge);
}

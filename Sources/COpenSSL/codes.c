#include "internal.h"
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>

struct co_mac {
  EVP_MAC *mac;
  EVP_MAC_CTX *context;
};

co_mac *co_mac_new(const uint8_t *key, size_t count) {
  co_mac *mac = calloc(1, sizeof *mac);
  mac->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
  mac->context = mac->mac ? EVP_MAC_CTX_new(mac->mac) : NULL;
  OSSL_PARAM parameters[] = {
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0), OSSL_PARAM_construct_end(),
  };
  if (!mac->context || EVP_MAC_init(mac->context, key, count, parameters) != 1) {
    ERR_clear_error();
    co_mac_free(mac);
    return NULL;
  }
  return mac;
}

void co_mac_free(co_mac *mac) {
  if (!mac) return;
  EVP_MAC_CTX_free(mac->context);
  EVP_MAC_free(mac->mac);
  free(mac);
}

int co_mac_code(co_mac *mac, const struct iovec *parts, int count, uint8_t out[32]) {
  size_t length = 0;
  // Without a key the one given first is used again, its digests already made.
  int done = EVP_MAC_init(mac->context, NULL, 0, NULL);
  for (int i = 0; done == 1 && i < count; i++) done = EVP_MAC_update(mac->context, parts[i].iov_base, parts[i].iov_len);
  if (done == 1) done = EVP_MAC_final(mac->context, out, &length, 32);
  if (done != 1) ERR_clear_error();
  return done == 1 && length == 32;
}

int co_equal(const void *a, const void *b, size_t count) { return CRYPTO_memcmp(a, b, count) == 0; }

int co_random(uint8_t *out, size_t count) {
  int done = RAND_bytes(out, (int)count);
  if (done != 1) ERR_clear_error();
  return done == 1;
}

int co_sha256(const void *bytes, size_t count, uint8_t out[32]) {
  unsigned int length = 0;
  int done = EVP_Digest(bytes, count, out, &length, EVP_sha256(), NULL);
  if (done != 1) ERR_clear_error();
  return done == 1 && length == 32;
}

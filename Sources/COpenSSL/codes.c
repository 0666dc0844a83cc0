#define OPENSSL_SUPPRESS_DEPRECATED
#include "internal.h"
#include <openssl/sha.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/// HMAC (RFC 2104) on the digest itself: OpenSSL's own contexts allocate for every code. Both digests have taken their part of
/// the key; for a code they are copied.
struct co_mac {
  SHA256_CTX inner, outer;
};

co_mac *co_mac_new(const uint8_t *key, size_t count) {
  uint8_t block[SHA256_CBLOCK] = {0}, padded[SHA256_CBLOCK];
  co_mac *mac = calloc(1, sizeof *mac);
  if (!mac) return NULL;
  if (count > sizeof block) SHA256(key, count, block);
  else memcpy(block, key, count);
  for (size_t i = 0; i < sizeof block; i++) padded[i] = block[i] ^ 0x36;
  SHA256_Init(&mac->inner);
  SHA256_Update(&mac->inner, padded, sizeof padded);
  for (size_t i = 0; i < sizeof block; i++) padded[i] = block[i] ^ 0x5C;
  SHA256_Init(&mac->outer);
  SHA256_Update(&mac->outer, padded, sizeof padded);
  OPENSSL_cleanse(block, sizeof block);
  OPENSSL_cleanse(padded, sizeof padded);
  return mac;
}

void co_mac_free(co_mac *mac) {
  if (!mac) return;
  OPENSSL_cleanse(mac, sizeof *mac);
  free(mac);
}

int co_mac_code(co_mac *mac, const struct iovec *parts, int count, uint8_t out[32]) {
  SHA256_CTX inner = mac->inner, outer = mac->outer;
  for (int i = 0; i < count; i++) SHA256_Update(&inner, parts[i].iov_base, parts[i].iov_len);
  SHA256_Final(out, &inner);
  SHA256_Update(&outer, out, SHA256_DIGEST_LENGTH);
  SHA256_Final(out, &outer);
  return 1;
}

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

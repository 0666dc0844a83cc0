#include "internal.h"
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

/// RFC 5077 section 4: a name by which a key is found, one to encrypt and one to authenticate.
typedef struct {
  uint8_t name[16];
  uint8_t cipher[32];
  uint8_t mac[32];
} ticket_key;
_Static_assert(sizeof(ticket_key) == CO_TICKET_KEY_BYTES, "a key is as long as told");

enum { keysMax = 4 };

struct co_ticket_keys {
  atomic_int holders;
  pthread_rwlock_t lock;
  ticket_key keys[keysMax];
  int count;
  EVP_CIPHER *cipher;
};

co_ticket_keys *co_ticket_keys_new(void) {
  co_ticket_keys *keys = calloc(1, sizeof *keys);
  if (!keys) return NULL;
  keys->holders = 1;
  keys->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
  if (!keys->cipher || pthread_rwlock_init(&keys->lock, NULL)) {
    EVP_CIPHER_free(keys->cipher);
    free(keys);
    ERR_clear_error();
    return NULL;
  }
  return keys;
}

co_ticket_keys *co_ticket_keys_hold(co_ticket_keys *keys) {
  atomic_fetch_add(&keys->holders, 1);
  return keys;
}

void co_ticket_keys_free(co_ticket_keys *keys) {
  if (!keys || atomic_fetch_sub(&keys->holders, 1) != 1) return;
  EVP_CIPHER_free(keys->cipher);
  pthread_rwlock_destroy(&keys->lock);
  OPENSSL_cleanse(keys->keys, sizeof keys->keys);
  free(keys);
}

void co_ticket_keys_set(co_ticket_keys *keys, const uint8_t *bytes, int count) {
  if (count > keysMax) count = keysMax;
  pthread_rwlock_wrlock(&keys->lock);
  OPENSSL_cleanse(keys->keys, sizeof keys->keys);
  memcpy(keys->keys, bytes, sizeof(ticket_key) * (size_t)count);
  keys->count = count;
  pthread_rwlock_unlock(&keys->lock);
}

int co_ticket_keys_rotate(co_ticket_keys *keys, int kept) {
  ticket_key fresh;
  if (RAND_bytes((uint8_t *)&fresh, sizeof fresh) != 1) {
    ERR_clear_error();
    return 0;
  }
  if (kept > keysMax - 1) kept = keysMax - 1;
  pthread_rwlock_wrlock(&keys->lock);
  int count = keys->count < kept ? keys->count : kept;
  memmove(keys->keys + 1, keys->keys, sizeof(ticket_key) * (size_t)count);
  keys->keys[0] = fresh;
  keys->count = count + 1;
  OPENSSL_cleanse(keys->keys + keys->count, sizeof(ticket_key) * (size_t)(keysMax - keys->count));
  pthread_rwlock_unlock(&keys->lock);
  OPENSSL_cleanse(&fresh, sizeof fresh);
  return 1;
}

static int set_mac(EVP_MAC_CTX *mac, const ticket_key *key) {
  OSSL_PARAM parameters[] = {
    OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->mac, sizeof key->mac),
    OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0), OSSL_PARAM_construct_end(),
  };
  return EVP_MAC_CTX_set_params(mac, parameters);
}

int co_ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt) {
  co_ticket_keys *keys = co_root_of(ssl)->keys;
  ticket_key key;
  int position = 0, found = 0;
  pthread_rwlock_rdlock(&keys->lock);
  if (encrypt) {
    found = keys->count > 0;
  } else {
    while (position < keys->count && memcmp(keys->keys[position].name, name, sizeof key.name)) position++;
    found = position < keys->count;
  }
  if (found) key = keys->keys[position];
  pthread_rwlock_unlock(&keys->lock);
  // 0: no ticket, or one of a key that is gone; the handshake is a full one.
  if (!found) return 0;
  int result;
  if (encrypt) {
    memcpy(name, key.name, sizeof key.name);
    result = RAND_bytes(iv, EVP_CIPHER_get_iv_length(keys->cipher)) == 1
      && EVP_EncryptInit_ex2(cipher, keys->cipher, key.cipher, iv, NULL) == 1 && set_mac(mac, &key) == 1 ? 1 : -1;
  } else {
    result = EVP_DecryptInit_ex2(cipher, keys->cipher, key.cipher, iv, NULL) == 1 && set_mac(mac, &key) == 1
      // 2: a new ticket is given in its place. With TLS 1.3 a ticket is used once, so that each resumption gives one.
      ? (position == 0 && SSL_version(ssl) != TLS1_3_VERSION ? 1 : 2) : -1;
  }
  OPENSSL_cleanse(&key, sizeof key);
  return result;
}

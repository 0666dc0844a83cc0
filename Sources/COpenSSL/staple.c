#include "internal.h"
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// Responses of OCSP (RFC 6960) that are stapled to a certificate. Each stands at its own certificate: those of other kinds of keys that
// serve the same names have theirs.

typedef struct {
  int64_t end;
  size_t count;
  uint8_t bytes[];
} staple;

static int stapleIndex;
static pthread_once_t stapleIndexOnce = PTHREAD_ONCE_INIT;

static void free_staple(void *parent, void *data, CRYPTO_EX_DATA *all, int index, long number, void *pointer) {
  (void)parent; (void)all; (void)index; (void)number; (void)pointer;
  free(data);
}

static void make_staple_index(void) { stapleIndex = X509_get_ex_new_index(0, NULL, NULL, NULL, free_staple); }

/// Whether a response speaks of the certificate: by its number, and by its issuer's name and, where the chain has the issuer, key.
static int is_about(const OCSP_SINGLERESP *single, co_credential *credential) {
  ASN1_OCTET_STRING *name, *key;
  ASN1_OBJECT *kind;
  ASN1_INTEGER *number;
  uint8_t digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  OCSP_id_get0_info(&name, &kind, &key, &number, (OCSP_CERTID *)OCSP_SINGLERESP_get0_id(single));
  const EVP_MD *hash = EVP_get_digestbyobj(kind);
  if (!hash || ASN1_INTEGER_cmp(number, X509_get0_serialNumber(credential->certificate))) return 0;
  X509_NAME *issuer = X509_get_issuer_name(credential->certificate);
  if (X509_NAME_digest(issuer, hash, digest, &length) != 1) return 0;
  if ((int)length != ASN1_STRING_length(name) || memcmp(ASN1_STRING_get0_data(name), digest, length)) return 0;
  for (int i = 0; i < sk_X509_num(credential->chain); i++) {
    X509 *above = sk_X509_value(credential->chain, i);
    if (X509_NAME_cmp(X509_get_subject_name(above), issuer)) continue;
    if (X509_pubkey_digest(above, hash, digest, &length) != 1) return 0;
    return (int)length == ASN1_STRING_length(key) && !memcmp(ASN1_STRING_get0_data(key), digest, length);
  }
  return 1;
}

static int judge(OCSP_BASICRESP *answers, co_credential *credential, int64_t *begin, int64_t *end) {
  for (int i = 0; i < OCSP_resp_count(answers); i++) {
    OCSP_SINGLERESP *single = OCSP_resp_get0(answers, i);
    ASN1_GENERALIZEDTIME *from = NULL, *until = NULL;
    if (!is_about(single, credential)) continue;
    int status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
    // Clients end the handshake because of either; without a response most go on.
    if (status == V_OCSP_CERTSTATUS_REVOKED) return CO_STAPLE_REVOKED;
    if (status == V_OCSP_CERTSTATUS_UNKNOWN) return CO_STAPLE_UNKNOWN;
    if (!from || ASN1_TIME_check(from) != 1 || (until && ASN1_TIME_check(until) != 1)) return CO_STAPLE_BROKEN;
    *begin = co_seconds_of(from);
    // RFC 6960 section 4.2.2.1: without it newer information is always available, and it has no end.
    *end = until ? co_seconds_of(until) : INT64_MAX;
    return *end < *begin ? CO_STAPLE_BROKEN : CO_OK;
  }
  return CO_STAPLE_OTHER;
}

int co_credential_staple(co_credential *credential, const uint8_t *bytes, size_t count, int64_t *begin, int64_t *end) {
  pthread_once(&stapleIndexOnce, make_staple_index);
  const uint8_t *position = bytes;
  OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &position, (long)count);
  int result = CO_STAPLE_BROKEN;
  if (response && position == bytes + count) {
    result = CO_STAPLE_UNSUCCESSFUL;
    if (OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL) {
      OCSP_BASICRESP *answers = OCSP_response_get1_basic(response);
      result = answers ? judge(answers, credential, begin, end) : CO_STAPLE_BROKEN;
      OCSP_BASICRESP_free(answers);
    }
  }
  OCSP_RESPONSE_free(response);
  staple *kept = result == CO_OK ? malloc(sizeof *kept + count) : NULL;
  if (kept) {
    kept->end = *end;
    kept->count = count;
    memcpy(kept->bytes, bytes, count);
    void *old = X509_get_ex_data(credential->certificate, stapleIndex);
    if (X509_set_ex_data(credential->certificate, stapleIndex, kept) == 1) {
      free(old);
    } else {
      free(kept);
      kept = NULL;
    }
  }
  ERR_clear_error();
  return result == CO_OK && !kept ? CO_NO_MEMORY : result;
}

int co_give_staple(SSL *ssl, void *unused) {
  (void)unused;
  pthread_once(&stapleIndexOnce, make_staple_index);
  // That which was chosen for this client.
  X509 *certificate = SSL_get_certificate(ssl);
  const staple *kept = certificate ? X509_get_ex_data(certificate, stapleIndex) : NULL;
  // One that is over is worse than none: clients end the handshake because of it.
  if (!kept || time(NULL) > kept->end) return SSL_TLSEXT_ERR_NOACK;
  unsigned char *copy = OPENSSL_memdup(kept->bytes, kept->count);
  if (!copy) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)kept->count);
  return SSL_TLSEXT_ERR_OK;
}

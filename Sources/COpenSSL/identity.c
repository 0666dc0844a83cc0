#include "internal.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

struct co_identity {
  X509 *certificate;
  EVP_PKEY *key;
};

void co_identity_free(co_identity *identity) {
  if (!identity) return;
  X509_free(identity->certificate);
  EVP_PKEY_free(identity->key);
  free(identity);
}

static int add_extension(X509 *certificate, X509 *issuer, int kind, const char *text) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, text);
  if (!extension) return 0;
  int done = X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return done;
}

static int set_serial(X509 *certificate) {
  uint8_t bytes[16];
  if (RAND_bytes(bytes, sizeof bytes) != 1) return 0;
  // RFC 5280 section 4.1.2.2: positive, at most 20 octets.
  bytes[0] = (uint8_t)((bytes[0] & 0x7F) | 0x40);
  BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
  ASN1_INTEGER *serial = number ? BN_to_ASN1_INTEGER(number, NULL) : NULL;
  int done = serial && X509_set_serialNumber(certificate, serial);
  ASN1_INTEGER_free(serial);
  BN_free(number);
  return done;
}

static int fill(co_identity *identity, const char *commonName, const char *names, int64_t notBefore, int64_t notAfter, co_identity *issuer) {
  X509 *certificate = identity->certificate, *above = issuer ? issuer->certificate : certificate;
  X509_NAME *subject = X509_get_subject_name(certificate);
  if (X509_set_version(certificate, X509_VERSION_3) != 1 || !set_serial(certificate)) return 0;
  if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)commonName, -1, -1, 0) != 1) return 0;
  if (X509_set_issuer_name(certificate, X509_get_subject_name(above)) != 1) return 0;
  time_t from = (time_t)notBefore, until = (time_t)notAfter;
  if (!ASN1_TIME_set(X509_getm_notBefore(certificate), from) || !ASN1_TIME_set(X509_getm_notAfter(certificate), until)) return 0;
  if (X509_set_pubkey(certificate, identity->key) != 1) return 0;
  if (!add_extension(certificate, above, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE,pathlen:0")) return 0;
  if (!add_extension(certificate, above, NID_key_usage, issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign")) return 0;
  if (!add_extension(certificate, above, NID_subject_key_identifier, "hash")) return 0;
  if (issuer && !add_extension(certificate, above, NID_authority_key_identifier, "keyid")) return 0;
  if (issuer && !add_extension(certificate, above, NID_ext_key_usage, "serverAuth,clientAuth")) return 0;
  if (names && !add_extension(certificate, above, NID_subject_alt_name, names)) return 0;
  return X509_sign(certificate, issuer ? issuer->key : identity->key, EVP_sha256()) > 0;
}

co_identity *co_identity_new(const char *commonName, const char *names, int64_t notBefore, int64_t notAfter, co_identity *issuer) {
  co_identity *identity = calloc(1, sizeof *identity);
  if (!identity) return NULL;
  identity->key = EVP_EC_gen("P-256");
  identity->certificate = X509_new();
  if (!identity->key || !identity->certificate || !fill(identity, commonName, names, notBefore, notAfter, issuer)) {
    co_identity_free(identity);
    identity = NULL;
  }
  ERR_clear_error();
  return identity;
}

int co_identity_load(const char *certificate, const char *key, co_identity **out) {
  co_credential *credential;
  int result = co_credential_load(certificate, key, &credential);
  *out = NULL;
  if (result != CO_OK) return result;
  co_identity *identity = calloc(1, sizeof *identity);
  if (!identity) {
    co_credential_free(credential);
    return CO_NO_MEMORY;
  }
  identity->certificate = credential->certificate;
  identity->key = credential->key;
  credential->certificate = NULL;
  credential->key = NULL;
  co_credential_free(credential);
  *out = identity;
  return CO_OK;
}

int64_t co_identity_end(co_identity *identity) { return co_seconds_of(X509_get0_notAfter(identity->certificate)); }

static size_t take_text(BIO *memory, int done, char *out, size_t size) {
  char *bytes = NULL;
  size_t count = done ? (size_t)BIO_get_mem_data(memory, &bytes) : 0;
  if (count && count <= size) memcpy(out, bytes, count);
  BIO_free(memory);
  ERR_clear_error();
  return count;
}

size_t co_identity_certificate(co_identity *identity, char *out, size_t size) {
  BIO *memory = BIO_new(BIO_s_mem());
  return take_text(memory, memory && PEM_write_bio_X509(memory, identity->certificate), out, size);
}

size_t co_identity_key(co_identity *identity, char *out, size_t size) {
  BIO *memory = BIO_new(BIO_s_secmem());
  return take_text(memory, memory && PEM_write_bio_PrivateKey(memory, identity->key, NULL, NULL, 0, NULL, NULL), out, size);
}

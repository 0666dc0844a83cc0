#include "internal.h"
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *co_library_version(void) { return OpenSSL_version(OPENSSL_VERSION); }

/// Asked for a password: there is none, and that is noted.
static int no_password(char *out, int size, int writing, void *asked) {
  (void)out; (void)size; (void)writing;
  *(int *)asked = 1;
  return -1;
}

static int read_chain(co_credential *credential, const char *path) {
  errno = 0;
  BIO *file = BIO_new_file(path, "r");
  if (!file) return CO_UNREADABLE;
  int asked = 0, result = CO_OK;
  credential->chain = sk_X509_new_null();
  if (!credential->chain) result = CO_NO_MEMORY;
  while (result == CO_OK) {
    X509 *next = PEM_read_bio_X509_AUX(file, NULL, no_password, &asked);
    if (!next) break;
    if (!credential->certificate) {
      credential->certificate = next;
    } else if (sk_X509_push(credential->chain, next) == 0) {
      // A chain cut short would be shown to clients.
      X509_free(next);
      result = CO_NO_MEMORY;
    }
  }
  unsigned long error = ERR_peek_last_error();
  // The end of the file reads as a PEM block that never begins.
  int isEnd = ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
  if (result == CO_OK && !isEnd) result = CO_BAD_CERTIFICATE;
  if (result == CO_OK && !credential->certificate) result = CO_NO_CERTIFICATE;
  BIO_free(file);
  return result;
}

/// Why there is no key to be had from a file, by the names of its PEM blocks.
static int judge_key(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) return CO_UNREADABLE;
  char line[256];
  int result = CO_NO_KEY;
  while (fgets(line, sizeof line, file)) {
    if (strstr(line, "-----BEGIN") && strstr(line, "PRIVATE KEY-----")) result = CO_BAD_KEY;
    if (result != CO_NO_KEY && (strstr(line, "BEGIN ENCRYPTED PRIVATE KEY") || strstr(line, "Proc-Type: 4,ENCRYPTED"))) {
      result = CO_ENCRYPTED_KEY;
      break;
    }
  }
  fclose(file);
  return result;
}

static int read_key(co_credential *credential, const char *path) {
  errno = 0;
  BIO *file = BIO_new_file(path, "r");
  if (!file) return CO_UNREADABLE;
  int asked = 0;
  credential->key = PEM_read_bio_PrivateKey(file, NULL, no_password, &asked);
  BIO_free(file);
  return credential->key ? CO_OK : asked ? CO_ENCRYPTED_KEY : judge_key(path);
}

int co_credential_load(const char *certificate, const char *key, co_credential **out) {
  co_credential *credential = calloc(1, sizeof *credential);
  *out = NULL;
  if (!credential) return CO_NO_MEMORY;
  ERR_clear_error();
  int result = read_chain(credential, certificate);
  if (result == CO_OK) result = read_key(credential, key);
  if (result == CO_OK && X509_check_private_key(credential->certificate, credential->key) != 1) result = CO_KEY_MISMATCH;
  int saved = errno;
  ERR_clear_error();
  if (result != CO_OK) {
    co_credential_free(credential);
    credential = NULL;
  }
  *out = credential;
  errno = saved;
  return result;
}

void co_credential_free(co_credential *credential) {
  if (!credential) return;
  X509_free(credential->certificate);
  sk_X509_pop_free(credential->chain, X509_free);
  EVP_PKEY_free(credential->key);
  free(credential);
}

/// Copies text that has no byte of zero in it: its length, or -1.
static int copy_text(const ASN1_STRING *text, char *out, size_t size) {
  int length = ASN1_STRING_length(text);
  const unsigned char *bytes = ASN1_STRING_get0_data(text);
  if (length <= 0 || (size_t)length >= size || memchr(bytes, 0, (size_t)length)) return -1;
  for (int i = 0; i < length; i++) out[i] = (char)tolower(bytes[i]);
  out[length] = 0;
  return length;
}

int co_common_name_of(X509 *certificate, char *out, size_t size) {
  X509_NAME *subject = X509_get_subject_name(certificate);
  int entry = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (entry < 0) return -1;
  const ASN1_STRING *text = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, entry));
  int length = copy_text(text, out, size);
  // Of a common name the case is kept: it is shown, not compared.
  if (length > 0) memcpy(out, ASN1_STRING_get0_data(text), (size_t)length);
  return length;
}

int co_name_of(X509 *certificate, int position, char *out, size_t size) {
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  int result = -1, found = 0;
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
    GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_DNS) continue;
    if (found++ < position) continue;
    result = copy_text(name->d.dNSName, out, size);
    if (result > 0) break;
  }
  GENERAL_NAMES_free(names);
  if (found == 0 && position == 0) {
    result = co_common_name_of(certificate, out, size);
    for (int i = 0; i < result; i++) out[i] = (char)tolower((unsigned char)out[i]);
  }
  ERR_clear_error();
  return result;
}

int co_credential_name(co_credential *credential, int position, char *out, size_t size) {
  return co_name_of(credential->certificate, position, out, size);
}

int64_t co_seconds_of(const ASN1_TIME *time) {
  struct tm parts;
  return time && ASN1_TIME_to_tm(time, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

void co_credential_validity(co_credential *credential, int64_t *notBefore, int64_t *notAfter) {
  *notBefore = co_seconds_of(X509_get0_notBefore(credential->certificate));
  *notAfter = co_seconds_of(X509_get0_notAfter(credential->certificate));
}

int co_file_validity(const char *path, int64_t *notBefore, int64_t *notAfter) {
  BIO *file = BIO_new_file(path, "r");
  int found = 0;
  for (X509 *certificate; file && (certificate = PEM_read_bio_X509_AUX(file, NULL, NULL, NULL)); X509_free(certificate)) {
    int64_t end = co_seconds_of(X509_get0_notAfter(certificate));
    if (found && end <= *notAfter) continue;
    *notBefore = co_seconds_of(X509_get0_notBefore(certificate));
    *notAfter = end;
    found = 1;
  }
  BIO_free(file);
  ERR_clear_error();
  return found;
}

int co_credential_key_kind(co_credential *credential) { return EVP_PKEY_get_base_id(credential->key); }

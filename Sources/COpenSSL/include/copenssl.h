#ifndef COPENSSL_H
#define COPENSSL_H
// What Swift needs of OpenSSL 3, with nothing of OpenSSL's own headers: its interface is made of macros, callbacks and
// reference counts. Nothing here waits for the network, and no function keeps an error in OpenSSL's queue.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "creactor.h"

/// A certificate with its chain and private key.
typedef struct co_credential co_credential;
/// A context of OpenSSL with what its callbacks need. Lives as long as it or a connection made with it is held.
typedef struct co_context co_context;
/// The keys of session tickets, shared by contexts and threads.
typedef struct co_ticket_keys co_ticket_keys;
/// A server that connections are made to: its expected name, and the session to resume.
typedef struct co_peer co_peer;
/// A key for message authentication codes (HMAC-SHA256), for one thread.
typedef struct co_mac co_mac;

enum {
  CO_OK = 0,
  CO_UNREADABLE,         // the file cannot be opened; errno tells why
  CO_NO_CERTIFICATE,     // no certificate in it
  CO_BAD_CERTIFICATE,    // a certificate in it cannot be parsed
  CO_NO_KEY,             // no private key in it
  CO_ENCRYPTED_KEY,      // the key needs a password
  CO_BAD_KEY,            // the key cannot be parsed
  CO_KEY_MISMATCH,       // the key is another certificate's
  CO_REFUSED,            // OpenSSL refuses it: too weak for its security level
  CO_NO_MEMORY,          // or OpenSSL failed where nothing but memory can fail
  CO_STAPLE_BROKEN,      // it is no response of OCSP
  CO_STAPLE_UNSUCCESSFUL, // the responder had no answer
  CO_STAPLE_OTHER,       // it says nothing of this certificate
  CO_STAPLE_REVOKED,     // it says that the certificate is revoked
  CO_STAPLE_UNKNOWN,     // it says that the responder does not know the certificate
};

/// "OpenSSL 3.0.11 19 Sep 2023"
const char *co_library_version(void);

// Credentials

/// Loads a certificate, its chain and its key; the key's file may be the certificate's. One of the codes above.
int co_credential_load(const char *certificate, const char *key, co_credential **out);
void co_credential_free(co_credential *credential);
/// The DNS name at a position, lower case, zero at the end: its length; -1 when there are no more. The common name counts only when
/// there is no DNS name at all.
int co_credential_name(co_credential *credential, int position, char *out, size_t size);
/// First and last second of validity, as Unix time.
void co_credential_validity(co_credential *credential, int64_t *notBefore, int64_t *notAfter);
/// The same of that certificate of a file which is good for longest. 1: there is one; 0: none, or the file cannot be read.
int co_file_validity(const char *path, int64_t *notBefore, int64_t *notAfter);
/// Staples a response of OCSP, in DER, to the certificate: one of the codes above, and when it is good, as Unix time. It is given to clients
/// that are shown this certificate, until its end.
int co_credential_staple(co_credential *credential, const uint8_t *bytes, size_t count, int64_t *begin, int64_t *end);
/// A number for the kind of key: credentials of different kinds can serve the same names together.
int co_credential_key_kind(co_credential *credential);

// Contexts

/// Functions that make one give null, and those that give 1 when done give 0, where there is no memory.
/// A server's context. `minimum` is 2 or 3, of TLS 1.2 and 1.3. `keys` may be null: no session is resumed then. 32 bytes of
/// `scope` bind tickets to what they were made for, beside the name that was asked for.
co_context *co_server_new(int minimum, co_ticket_keys *keys, const uint8_t *scope, int64_t sessionSeconds);
/// A client's context.
co_context *co_client_new(int minimum, int verify);
co_context *co_context_hold(co_context *context);
void co_context_free(co_context *context);
/// Gives it a certificate; one for each kind of key.
int co_context_use(co_context *context, co_credential *credential);
/// Trusts the certificates of a PEM file; null: the system's. Returns how many were read (0: the system's), or minus one of
/// the codes above.
int co_context_trust(co_context *context, const char *path);
/// Server: clients must show a certificate of who is trusted.
int co_server_require_client(co_context *context, const char *path);
/// Server, with required certificates: adds a name that is let in, "*.example.com" for one label in front. None added: all are. A common
/// name counts only of a certificate without any other name. 1: done.
int co_server_allow(co_context *context, const char *name);
/// Server: the protocols it speaks, in the form of ALPN, the best first; none: what clients offer is passed over. Where this was never
/// called it is HTTP/1. 1: done.
int co_server_protocols(co_context *context, const uint8_t *list, size_t count);
/// Server: connections for a name are served by another context. Earlier names win. 1: done.
int co_server_add_name(co_context *root, const char *name, co_context *context);
/// Server: adds a name, lower case, that connections may ask for, "*.example.com" for every name below. Others, and those without a name,
/// are refused by the alert unrecognized_name (RFC 6066 section 3). None added: none is. 1: done.
int co_server_serve(co_context *root, const char *name);
/// To be called when all names were added. Strict: connections that name no certificate's name are refused by that alert.
void co_server_seal(co_context *root, int strict);

// Ticket keys

#define CO_TICKET_KEY_BYTES 80
co_ticket_keys *co_ticket_keys_new(void);
co_ticket_keys *co_ticket_keys_hold(co_ticket_keys *keys);
void co_ticket_keys_free(co_ticket_keys *keys);
/// Takes these keys, the first of which makes tickets; at most 4 of CO_TICKET_KEY_BYTES each.
void co_ticket_keys_set(co_ticket_keys *keys, const uint8_t *bytes, int count);
/// Makes a new key, which from now on makes tickets; the `kept` newest before it still open theirs. 1: done.
int co_ticket_keys_rotate(co_ticket_keys *keys, int kept);

// Counts of handshakes

typedef struct co_counts co_counts;
/// What is counted. The reasons of failures are numbered as `HandshakeCounts.Failure`.
enum {
  CO_COUNT_FULL = 0,
  CO_COUNT_RESUMED,
  CO_COUNT_PLAIN_HTTP,
  CO_COUNT_CUT_SHORT,
  CO_COUNT_ALERT,
  CO_COUNT_CERTIFICATE,
  CO_COUNT_NAME,
  CO_COUNT_VERSION,
  CO_COUNT_MALFORMED,
  CO_COUNT_UNFINISHED,
  CO_COUNT_KINDS,
};
co_counts *co_counts_new(void);
void co_counts_free(co_counts *counts);
unsigned long co_counts_get(co_counts *counts, int kind);
void co_counts_add(co_counts *counts, int kind);
/// Counts on from a number that another process has come to.
void co_counts_go_on(co_counts *counts, int kind, unsigned long from);
/// Handshakes of connections that begin with this context are counted there.
void co_context_count(co_context *context, co_counts *counts);

// Peers

/// `name` is expected in the server's certificate and told to it; an address when `isAddress`. Null: neither.
co_peer *co_peer_new(co_context *client, const char *name, int isAddress);
void co_peer_free(co_peer *peer);
/// Drops the session: the next connection makes a full handshake.
void co_peer_forget(co_peer *peer);

// Connections

/// A connection over a socket, which stays the caller's. Null: no memory.
cr_transport *co_accept(co_context *server, int fd);
cr_transport *co_connect(co_peer *peer, int fd);
/// The client's side offers this protocol and no other (ALPN); a length of 0: none. Before the handshake. 1: done.
int co_offer(cr_transport *connection, const char *name, size_t length);
/// Bytes that were received from the socket by others, to be read before its own. 1: done.
int co_feed(cr_transport *connection, const void *bytes, size_t count);
/// Of a connection without a socket (fd -1), which reads only what it is fed: what is to be sent; its length, 0: nothing.
size_t co_take(cr_transport *connection, void *bytes, size_t count);

/// What a connection broke with, beside errors of the socket.
enum {
  CO_PROTOCOL = 71,   // EPROTO: TLS itself failed; co_error tells how
  CO_TRUNCATED = 61,  // ENODATA: the stream ended without a close_notify
};
int co_is_established(cr_transport *connection);
/// 2 or 3 for TLS 1.2 or 1.3; 0 before the handshake.
int co_version(cr_transport *connection);
/// The suite's name as OpenSSL has it; null before the handshake.
const char *co_cipher(cr_transport *connection);
/// The name that the client's ClientHello asked for, also where a session is resumed; null: none.
const char *co_server_name(cr_transport *connection);
/// A server refused the name that the ClientHello asked for, or that it asked for none.
enum {
  CO_NAME_ACCEPTED = 0,
  CO_NAME_NOT_SERVED,      // it is none of those that are served
  CO_NAME_NOT_CERTIFIED,   // no certificate is for it
};
int co_name_refusal(cr_transport *connection);
/// The protocol agreed on: its length, 0 for none.
int co_protocol(cr_transport *connection, char *out, size_t size);
int co_is_resumed(cr_transport *connection);
/// The first DNS name of the peer's certificate, or its common name: its length; -1 without a certificate.
int co_peer_name(cr_transport *connection, char *out, size_t size);
/// The common name of the peer's certificate: its length; -1 without one.
int co_peer_common_name(cr_transport *connection, char *out, size_t size);
/// Whether the certificate that the client has shown would be let in by this server's context.
int co_is_trusted_client(cr_transport *connection, co_context *server);
/// Whether the certificate that the server has shown would be believed.
int co_is_trusted_server(cr_transport *connection, co_peer *peer);
/// SHA-256 of the peer's certificate and, where a server's session knows it, the authority by which it was verified. 1: done; 0: it showed
/// none.
int co_peer_digest(cr_transport *connection, uint8_t out[32]);
/// Why the connection broke, for people: its length; 0: it did not.
int co_error(cr_transport *connection, char *out, size_t size);
/// -errno, or minus one of the codes above, once the connection is broken; 0: it is not.
int co_failure(cr_transport *connection);
/// The peer broke the connection by an alert that speaks of the handshake: it does not accept us.
int co_is_rejected(cr_transport *connection);
/// Whether the peer has sent anything at all.
int co_has_read(cr_transport *connection);
/// The first bytes of the client's first record were no TLS: it may have spoken plain HTTP.
int co_is_plain_http(cr_transport *connection);

// Message authentication codes

co_mac *co_mac_new(const uint8_t *key, size_t count);
void co_mac_free(co_mac *mac);
/// HMAC-SHA256 of the parts in a row. 1: done.
int co_mac_code(co_mac *mac, const struct iovec *parts, int count, uint8_t out[32]);
int co_random(uint8_t *out, size_t count);
int co_sha256(const void *bytes, size_t count, uint8_t out[32]);

// A private authority for trials

typedef struct co_identity co_identity;
/// A key and a certificate for it, signed by `issuer` (null: by itself, an authority). `names` are "DNS:..." and "IP:...",
/// comma between them, null for an authority. Null: it could not be made.
co_identity *co_identity_new(const char *commonName, const char *names, int64_t notBefore, int64_t notAfter, co_identity *issuer);
void co_identity_free(co_identity *identity);
/// Its last second, as Unix time.
int64_t co_identity_end(co_identity *identity);
/// An authority made before, from its files; one of the codes above.
int co_identity_load(const char *certificate, const char *key, co_identity **out);
/// PEM text: its length, or the length needed when `size` is less; 0: it failed.
size_t co_identity_certificate(co_identity *identity, char *out, size_t size);
size_t co_identity_key(co_identity *identity, char *out, size_t size);

#endif

#include "internal.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

// A connection reads and writes its socket itself, through a BIO of our own: no copy between buffers, one receive for all
// that is there, one send for several records, and never a record half sent that must be given again byte for byte.

enum {
  recordMax = 16384,
  /// Records of one send at most, with what encryption adds to each.
  gatherRoom = 4 * (recordMax + 256),
  /// Encrypted bytes that may wait for the kernel: a gathered send, or a handshake's flight with a long chain.
  waitingMax = gatherRoom + 64 * 1024,
};

/// Memory of a thread: parts joined to a record, and records joined to a send. Nothing stays in it between calls.
typedef struct {
  uint8_t plain[recordMax];
  uint8_t gathered[gatherRoom];
  size_t count;
} workspace;

static __thread workspace *own;
static pthread_key_t ownKey;
static pthread_once_t ownOnce = PTHREAD_ONCE_INIT;

static void make_own_key(void) { pthread_key_create(&ownKey, free); }

static workspace *work(void) {
  if (own) return own;
  pthread_once(&ownOnce, make_own_key);
  own = malloc(sizeof *own);
  // Freed with its thread.
  if (own) pthread_setspecific(ownKey, own);
  return own;
}

// The socket

/// Keeps what the kernel had no room for: 0 or -errno.
static int keep(co_connection *connection, const uint8_t *bytes, size_t count) {
  size_t held = connection->waitingEnd - connection->waitingStart;
  if (held + count > waitingMax) return -ENOBUFS;
  if (connection->waitingEnd + count > connection->waitingRoom) {
    size_t room = held + count + recordMax;
    uint8_t *grown = malloc(room);
    if (!grown) return -ENOMEM;
    if (held) memcpy(grown, connection->waiting + connection->waitingStart, held);
    free(connection->waiting);
    connection->waiting = grown;
    connection->waitingRoom = room;
    connection->waitingStart = 0;
    connection->waitingEnd = held;
  }
  memcpy(connection->waiting + connection->waitingEnd, bytes, count);
  connection->waitingEnd += count;
  return 0;
}

static int send_or_keep(co_connection *connection, const uint8_t *bytes, size_t count) {
  if (connection->fd < 0) return keep(connection, bytes, count);
  while (count > 0 && connection->waitingEnd == connection->waitingStart) {
    struct iovec part = {(void *)bytes, count};
    ssize_t sent = cr_send(connection->fd, &part, 1);
    if (sent == -EINTR) continue;
    if (sent == -EAGAIN) break;
    if (sent < 0) return (int)sent;
    bytes += sent;
    count -= (size_t)sent;
    // Fewer than given: there is no room for more.
    if (count > 0) break;
  }
  return count > 0 ? keep(connection, bytes, count) : 0;
}

static int flush(co_connection *connection) {
  if (connection->fd < 0) return connection->waitingStart < connection->waitingEnd ? -EAGAIN : 0;
  while (connection->waitingStart < connection->waitingEnd) {
    struct iovec part = {connection->waiting + connection->waitingStart, connection->waitingEnd - connection->waitingStart};
    ssize_t sent = cr_send(connection->fd, &part, 1);
    if (sent == -EINTR) continue;
    if (sent < 0) return (int)sent;
    connection->waitingStart += (size_t)sent;
  }
  free(connection->waiting);
  connection->waiting = NULL;
  connection->waitingStart = connection->waitingEnd = connection->waitingRoom = 0;
  return 0;
}

static int bio_write(BIO *bio, const char *bytes, int count) {
  co_connection *connection = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (connection->isGathering) {
    workspace *space = own;
    if (space->count + (size_t)count <= gatherRoom) {
      memcpy(space->gathered + space->count, bytes, (size_t)count);
      space->count += (size_t)count;
      return count;
    }
  }
  // A send that fails is told to who sends next, not to OpenSSL: what the peer sent before it went can still be read.
  int result = connection->sendFailed ? 0 : send_or_keep(connection, (const uint8_t *)bytes, (size_t)count);
  if (result < 0) connection->sendFailed = result;
  return count;
}

static void note_first(co_connection *connection, const char *bytes) {
  if (connection->hasRead) return;
  connection->hasRead = 1;
  // A method in the place of a record's type and version.
  connection->isPlain = connection->isServer && bytes[0] >= 'A' && bytes[0] <= 'Z';
}

static int bio_read(BIO *bio, char *bytes, int count) {
  co_connection *connection = BIO_get_data(bio);
  BIO_clear_retry_flags(bio);
  if (connection->isHeld) {
    BIO_set_retry_read(bio);
    return -1;
  }
  ssize_t result;
  if (connection->early) {
    size_t left = connection->earlyEnd - connection->earlyStart;
    result = left < (size_t)count ? (ssize_t)left : count;
    memcpy(bytes, connection->early + connection->earlyStart, (size_t)result);
    connection->earlyStart += (size_t)result;
    if (connection->earlyStart == connection->earlyEnd) {
      free(connection->early);
      connection->early = NULL;
      connection->earlyStart = connection->earlyEnd = 0;
    }
    connection->isDrained = 0;
    note_first(connection, bytes);
    return (int)result;
  }
  if (connection->fd < 0) {
    connection->isDrained = 1;
    BIO_set_retry_read(bio);
    return -1;
  }
  do result = cr_receive(connection->fd, bytes, (size_t)count);
  while (result == -EINTR);
  // Fewer than asked for: the socket is empty.
  connection->isDrained = result < count;
  if (result == -EAGAIN) {
    BIO_set_retry_read(bio);
    return -1;
  }
  if (result < 0) {
    connection->failed = (int)result;
    return -1;
  }
  if (result == 0) connection->sawEnd = 1;
  if (result > 0) note_first(connection, bytes);
  return (int)result;
}

static long bio_control(BIO *bio, int command, long number, void *pointer) {
  (void)number; (void)pointer;
  co_connection *connection = BIO_get_data(bio);
  switch (command) {
  case BIO_CTRL_FLUSH: return 1;
  case BIO_CTRL_EOF: return connection->sawEnd;
  default: return 0;
  }
}

static BIO_METHOD *method;
static pthread_once_t methodOnce = PTHREAD_ONCE_INIT;

static void make_method(void) {
  method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "geodirector socket");
  if (!method) return;
  BIO_meth_set_write(method, bio_write);
  BIO_meth_set_read(method, bio_read);
  BIO_meth_set_ctrl(method, bio_control);
}

// What goes wrong

/// Notes why an operation failed for good, and empties OpenSSL's queue of errors: it is empty before each operation.
static int fail(co_connection *connection) {
  unsigned long reason = ERR_peek_error();
  ERR_clear_error();
  if (connection->failed < 0) return connection->failed;
  connection->verification = SSL_get_verify_result(connection->ssl);
  if (connection->sawEnd && (reason == 0 || ERR_GET_REASON(reason) == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
    return connection->failed = -CO_TRUNCATED;
  }
  connection->reason = reason;
  return connection->failed = -CO_PROTOCOL;
}

/// A session may be resumed for longer than the client's certificate is good: X509_V_OK, or why it is not.
static long resumed_verification(co_connection *connection) {
  if (!SSL_session_reused(connection->ssl)) return X509_V_OK;
  X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
  if (!certificate) return X509_V_OK;
  if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) return X509_V_ERR_CERT_HAS_EXPIRED;
  return co_is_allowed(connection->context, certificate) ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION;
}

/// OpenSSL takes no notice when, short of memory, it did not tell the verification what name to look for (ssl_verify_cert_chain): X509_V_OK,
/// or why the name was not looked at. Of a session that is resumed it was.
static long name_verification(co_connection *connection) {
  const co_peer *peer = connection->peer;
  SSL *ssl = connection->ssl;
  if (!peer || !peer->name || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE || SSL_session_reused(ssl)) return X509_V_OK;
  int isNamed = peer->isAddress ? X509_check_ip_asc(SSL_get0_peer_certificate(ssl), peer->name, 0) == 1 : SSL_get0_peername(ssl) != NULL;
  return isNamed ? X509_V_OK : X509_V_ERR_OUT_OF_MEM;
}

/// Which kind of failure a handshake ended with.
static int kind_of_failure(co_connection *connection) {
  if (connection->isPlain) return CO_COUNT_PLAIN_HTTP;
  if (connection->isNameless || connection->isUncertified) return CO_COUNT_NAME;
  if (connection->verification != X509_V_OK) return CO_COUNT_CERTIFICATE;
  if (connection->failed != -CO_PROTOCOL) return CO_COUNT_CUT_SHORT;
  int reason = ERR_GET_LIB(connection->reason) == ERR_LIB_SSL ? ERR_GET_REASON(connection->reason) : 0;
  switch (reason) {
  case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE: case SSL_R_CERTIFICATE_VERIFY_FAILED: return CO_COUNT_CERTIFICATE;
  case SSL_R_CALLBACK_FAILED: case SSL_R_NO_APPLICATION_PROTOCOL: case SSL_R_CLIENTHELLO_TLSEXT: return CO_COUNT_NAME;
  case SSL_R_UNSUPPORTED_PROTOCOL: case SSL_R_NO_SHARED_CIPHER: case SSL_R_VERSION_TOO_LOW: case SSL_R_NO_SUITABLE_KEY_SHARE:
  case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM: case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS: case SSL_R_UNSUPPORTED_SSL_VERSION:
  case SSL_R_INAPPROPRIATE_FALLBACK: return CO_COUNT_VERSION;
  default: return reason >= SSL_AD_REASON_OFFSET ? CO_COUNT_ALERT : CO_COUNT_MALFORMED;
  }
}

static void count(co_connection *connection, int kind) {
  // A client that leaves without a word, as checks of ports do, has not begun one.
  if (connection->isCounted || !connection->context->counts || (kind > CO_COUNT_RESUMED && connection->isServer && !connection->hasRead)) return;
  connection->isCounted = 1;
  co_counts_add(connection->context->counts, kind);
}

static int establish_now(co_connection *connection);

static int establish(co_connection *connection) {
  if (connection->isEstablished) return 0;
  int result = establish_now(connection);
  if (result == 0) count(connection, SSL_session_reused(connection->ssl) ? CO_COUNT_RESUMED : CO_COUNT_FULL);
  else if (result != -EAGAIN) count(connection, kind_of_failure(connection));
  return result;
}

/// How many bytes there must be of a client's first record for OpenSSL to get on: its header, or all of it. 0: it is no part of a ClientHello,
/// and OpenSSL has the right word for that.
static size_t wanted_of_first(const uint8_t *bytes, size_t count) {
  enum { header = 5 };
  if ((count > 0 && bytes[0] != SSL3_RT_HANDSHAKE) || (count > 1 && bytes[1] != 3)) return 0;
  if (count < header) return header;
  size_t length = (size_t)(bytes[3] << 8 | bytes[4]);
  return length <= recordMax ? header + length : 0;
}

/// Holds what a client says until its first record is whole: 0, or -EAGAIN. OpenSSL takes some 50 KiB as soon as a handshake begins, and
/// keeps them until it ends: who says nothing, or not all of it, is to cost no more than that.
static int await_first_record(co_connection *connection) {
  for (;;) {
    size_t held = connection->earlyEnd - connection->earlyStart;
    if (held > 0) note_first(connection, (const char *)connection->early + connection->earlyStart);
    if (held >= wanted_of_first(connection->early + connection->earlyStart, held)) return 0;
    uint8_t bytes[4096];
    ssize_t result = cr_receive(connection->fd, bytes, sizeof bytes);
    if (result == -EINTR) continue;
    // Its end is told again, to OpenSSL.
    if (result == 0) return 0;
    if (result < 0) return (int)result;
    if (!co_feed(&connection->base, bytes, (size_t)result)) return -ENOMEM;
  }
}

static int establish_now(co_connection *connection) {
  if (connection->failed) return connection->failed;
  connection->isHeld = 0;
  if (connection->isServer && !connection->hasBegun && connection->fd >= 0) {
    int result = await_first_record(connection);
    if (result == -EAGAIN) connection->isDry = 1;
    else if (result < 0) connection->failed = result;
    if (result < 0) return result;
    connection->hasBegun = 1;
  }
  int result = SSL_do_handshake(connection->ssl);
  if (result == 1) {
    connection->verification = connection->isServer ? resumed_verification(connection) : name_verification(connection);
    if (connection->verification != X509_V_OK) {
      // The session would be resumed without another look.
      if (connection->peer) co_peer_forget(connection->peer);
      return connection->failed = -CO_PROTOCOL;
    }
    // Tickets of TLS 1.3 come later, and are given the end of this one.
    if (connection->peer) co_session_bound(connection->ssl, SSL_get_session(connection->ssl));
    connection->isEstablished = 1;
    return 0;
  }
  int error = SSL_get_error(connection->ssl, result);
  if (!connection->failed && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)) {
    connection->isDry = 1;
    return -EAGAIN;
  }
  // Tickets of a key that is no more do no harm, but the session is of no use.
  if (connection->peer) co_peer_forget(connection->peer);
  return fail(connection);
}

// The operations

static int transport_establish(cr_transport *self) { return establish((co_connection *)self); }

static int transport_flush(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (connection->waitingStart == connection->waitingEnd) return 0;
  int result = connection->sendFailed ? connection->sendFailed : flush(connection);
  if (result < 0 && result != -EAGAIN) connection->sendFailed = result;
  return result;
}

static ssize_t transport_receive(cr_transport *self, void *bytes, size_t count) {
  co_connection *connection = (co_connection *)self;
  if (connection->failed) return connection->failed;
  if (connection->isEnded) return 0;
  transport_flush(self);
  int ready = establish(connection);
  if (ready < 0) return ready;
  size_t got = 0;
  connection->isHeld = 0;
  connection->isDry = 0;
  for (;;) {
    size_t part = 0;
    if (SSL_read_ex(connection->ssl, (uint8_t *)bytes + got, count - got, &part) == 1) {
      got += part;
      int more = SSL_has_pending(connection->ssl);
      connection->isDry = (uint8_t)(connection->isDrained && !more);
      if (got == count || !more) return (ssize_t)got;
      // What is left may be a part of a record: the kernel is not asked again for a socket that was just empty.
      connection->isHeld = connection->isDrained;
      continue;
    }
    int error = SSL_get_error(connection->ssl, 0);
    if (!connection->failed && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)) {
      connection->isDry = 1;
      return got > 0 ? (ssize_t)got : -EAGAIN;
    }
    if (error == SSL_ERROR_ZERO_RETURN) {
      connection->isEnded = 1;
      return (ssize_t)got;
    }
    int result = fail(connection);
    return got > 0 ? (ssize_t)got : result;
  }
}

static int transport_peek(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (connection->failed || connection->isEnded) return 1;
  transport_flush(self);
  if (!connection->isEstablished) {
    int ready = establish(connection);
    if (ready == -EAGAIN) return -EAGAIN;
    if (ready < 0) return 1;
  }
  connection->isHeld = 0;
  connection->isDry = 0;
  uint8_t byte;
  size_t part;
  if (SSL_peek_ex(connection->ssl, &byte, 1, &part) == 1) return 1;
  int error = SSL_get_error(connection->ssl, 0);
  if (!connection->failed && (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)) {
    connection->isDry = 1;
    return -EAGAIN;
  }
  if (error == SSL_ERROR_ZERO_RETURN) connection->isEnded = 1;
  else fail(connection);
  return 1;
}

/// Where in a list of parts a send has come.
typedef struct {
  const struct iovec *part, *end;
  size_t offset;
} cursor;

static void advance(cursor *place, size_t count) {
  while (count > 0) {
    size_t left = place->part->iov_len - place->offset;
    if (count < left) {
      place->offset += count;
      return;
    }
    count -= left;
    place->part++;
    place->offset = 0;
  }
}

/// The next bytes in one piece, a record's worth at most: in their own place when one part has as much, else joined.
static const uint8_t *next_piece(cursor place, size_t wanted, workspace *space) {
  size_t left = place.part->iov_len - place.offset;
  if (left >= wanted) return (const uint8_t *)place.part->iov_base + place.offset;
  size_t count = 0;
  while (count < wanted) {
    size_t take = place.part->iov_len - place.offset;
    if (take > wanted - count) take = wanted - count;
    memcpy(space->plain + count, (const uint8_t *)place.part->iov_base + place.offset, take);
    count += take;
    place.part++;
    place.offset = 0;
  }
  return space->plain;
}

/// Encrypts up to a gathered send's worth: bytes encrypted, or what went wrong.
static ssize_t encrypt(co_connection *connection, cursor place, size_t total, workspace *space) {
  size_t done = 0;
  connection->isGathering = total > recordMax;
  space->count = 0;
  while (done < total && done < 4 * recordMax) {
    size_t wanted = total - done < recordMax ? total - done : recordMax, written = 0;
    if (SSL_write_ex(connection->ssl, next_piece(place, wanted, space), wanted, &written) != 1) {
      int error = SSL_get_error(connection->ssl, 0);
      connection->isGathering = 0;
      if (!connection->failed && error == SSL_ERROR_WANT_READ) return -EAGAIN;
      return fail(connection);
    }
    done += written;
    advance(&place, written);
  }
  if (connection->isGathering) {
    connection->isGathering = 0;
    int result = send_or_keep(connection, space->gathered, space->count);
    if (result < 0) connection->sendFailed = result;
  }
  return connection->sendFailed ? connection->sendFailed : (ssize_t)done;
}

static ssize_t transport_send(cr_transport *self, const struct iovec *parts, int count) {
  co_connection *connection = (co_connection *)self;
  if (connection->failed) return connection->failed;
  if (connection->sendFailed) return connection->sendFailed;
  int ready = transport_flush(self);
  if (ready == 0) ready = establish(connection);
  if (ready < 0) return ready;
  workspace *space = work();
  if (!space) return -ENOMEM;
  size_t total = 0, done = 0;
  for (int i = 0; i < count; i++) total += parts[i].iov_len;
  cursor place = {parts, parts + count, 0};
  if (connection->owed > 0) {
    // These were encrypted by an earlier call and are out now.
    done = connection->owed < total ? connection->owed : total;
    connection->owed -= done;
    advance(&place, done);
  }
  while (done < total && connection->owed == 0) {
    ssize_t encrypted = encrypt(connection, place, total - done, space);
    if (encrypted < 0) return done > 0 ? (ssize_t)done : encrypted;
    if (connection->waitingEnd > connection->waitingStart) {
      connection->owed = (size_t)encrypted;
      break;
    }
    done += (size_t)encrypted;
    advance(&place, (size_t)encrypted);
  }
  return done > 0 || total == 0 ? (ssize_t)done : -EAGAIN;
}

static int transport_drained(cr_transport *self) { return ((co_connection *)self)->isDry; }

static void transport_end(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (!connection->isEstablished || connection->failed) return;
  SSL_shutdown(connection->ssl);
  ERR_clear_error();
}

static void transport_release(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  // A session is kept by who resumes it; that this connection ends without a farewell says nothing against it.
  SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  SSL_free(connection->ssl);
  ERR_clear_error();
  co_context_free(connection->context);
  co_peer_free(connection->peer);
  free(connection->waiting);
  free(connection->early);
  free(connection->asked);
  free(connection);
}

static const cr_transport_operations operations = {
  transport_receive, transport_send, transport_peek, transport_establish, transport_flush, transport_drained, transport_end,
  transport_release,
};

static co_connection *connection_new(co_context *context, int fd) {
  pthread_once(&methodOnce, make_method);
  co_connection *connection = calloc(1, sizeof *connection);
  SSL *ssl = connection && method ? SSL_new(context->ssl) : NULL;
  BIO *bio = ssl ? BIO_new(method) : NULL;
  // By it its functions find the connection.
  if (!bio || SSL_set_app_data(ssl, connection) != 1) {
    BIO_free(bio);
    SSL_free(ssl);
    free(connection);
    ERR_clear_error();
    return NULL;
  }
  connection->base.operations = &operations;
  connection->ssl = ssl;
  connection->fd = fd;
  connection->context = co_context_hold(context);
  connection->verification = X509_V_OK;
  BIO_set_data(bio, connection);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl, bio, bio);
  return connection;
}

cr_transport *co_accept(co_context *server, int fd) {
  co_connection *connection = connection_new(server, fd);
  if (!connection) return NULL;
  connection->isServer = 1;
  SSL_set_accept_state(connection->ssl);
  return &connection->base;
}

/// What the server's certificate is to bear, and what it is told: 1, or 0 for want of memory. Without it every server would do.
static int expect_name(SSL *ssl, const co_peer *peer) {
  if (!peer->name) return 1;
  if (peer->isAddress) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), peer->name) == 1;
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  return SSL_set_tlsext_host_name(ssl, peer->name) == 1 && SSL_set1_host(ssl, peer->name) == 1;
}

cr_transport *co_connect(co_peer *peer, int fd) {
  co_connection *connection = connection_new(peer->context, fd);
  if (!connection) return NULL;
  atomic_fetch_add(&peer->holders, 1);
  connection->peer = peer;
  SSL_set_connect_state(connection->ssl);
  if (!expect_name(connection->ssl, peer)) {
    transport_release(&connection->base);
    ERR_clear_error();
    return NULL;
  }
  // A copy: OpenSSL uses up a session of TLS 1.3, but several connections may be opened before the next ticket comes.
  pthread_mutex_lock(&peer->lock);
  SSL_SESSION *session = peer->session ? SSL_SESSION_dup(peer->session) : NULL;
  pthread_mutex_unlock(&peer->lock);
  // What was verified when it began is over: the server proves itself anew.
  if (session && !co_session_is_over(session)) SSL_set_session(connection->ssl, session);
  SSL_SESSION_free(session);
  ERR_clear_error();
  return &connection->base;
}

int co_offer(cr_transport *self, const char *name, size_t length) {
  co_connection *connection = (co_connection *)self;
  uint8_t list[256];
  if (length > 255) return 0;
  list[0] = (uint8_t)length;
  memcpy(list + 1, name, length);
  // 0 is success, for once.
  int failed = SSL_set_alpn_protos(connection->ssl, length ? list : NULL, length ? (unsigned int)length + 1 : 0);
  ERR_clear_error();
  return !failed;
}

int co_feed(cr_transport *self, const void *bytes, size_t count) {
  co_connection *connection = (co_connection *)self;
  if (count == 0) return 1;
  size_t left = connection->earlyEnd - connection->earlyStart;
  uint8_t *joined = malloc(left + count);
  if (!joined) return 0;
  if (left) memcpy(joined, connection->early + connection->earlyStart, left);
  memcpy(joined + left, bytes, count);
  free(connection->early);
  connection->early = joined;
  connection->earlyStart = 0;
  connection->earlyEnd = left + count;
  return 1;
}

size_t co_take(cr_transport *self, void *bytes, size_t count) {
  co_connection *connection = (co_connection *)self;
  size_t held = connection->waitingEnd - connection->waitingStart;
  if (held < count) count = held;
  if (count == 0) return 0;
  memcpy(bytes, connection->waiting + connection->waitingStart, count);
  connection->waitingStart += count;
  if (count == held) connection->waitingStart = connection->waitingEnd = 0;
  return count;
}

// What is known of a connection

int co_is_established(cr_transport *self) { return ((co_connection *)self)->isEstablished; }

int co_version(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (!connection->isEstablished) return 0;
  return SSL_version(connection->ssl) == TLS1_3_VERSION ? 3 : 2;
}

const char *co_cipher(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  return connection->isEstablished ? SSL_get_cipher_name(connection->ssl) : NULL;
}

const char *co_server_name(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  return connection->isServer ? connection->asked : SSL_get_servername(connection->ssl, TLSEXT_NAMETYPE_host_name);
}

int co_name_refusal(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (connection->isNameless) return CO_NAME_NOT_SERVED;
  return connection->isUncertified ? CO_NAME_NOT_CERTIFIED : CO_NAME_ACCEPTED;
}

int co_protocol(cr_transport *self, char *out, size_t size) {
  const unsigned char *bytes = NULL;
  unsigned int count = 0;
  SSL_get0_alpn_selected(((co_connection *)self)->ssl, &bytes, &count);
  if (count >= size) return 0;
  if (count) memcpy(out, bytes, count);
  out[count] = 0;
  return (int)count;
}

int co_is_resumed(cr_transport *self) { return SSL_session_reused(((co_connection *)self)->ssl); }

int co_peer_name(cr_transport *self, char *out, size_t size) {
  X509 *certificate = SSL_get0_peer_certificate(((co_connection *)self)->ssl);
  return certificate ? co_name_of(certificate, 0, out, size) : -1;
}

int co_peer_common_name(cr_transport *self, char *out, size_t size) {
  X509 *certificate = SSL_get0_peer_certificate(((co_connection *)self)->ssl);
  return certificate ? co_common_name_of(certificate, out, size) : -1;
}

int co_error(cr_transport *self, char *out, size_t size) {
  co_connection *connection = (co_connection *)self;
  if (!connection->failed) return 0;
  const char *text;
  if (connection->failed == -CO_TRUNCATED) {
    text = "the connection was closed without a close_notify";
  } else if (connection->isPlain) {
    text = "plain HTTP on a TLS port";
  } else if (connection->isNameless) {
    text = connection->asked ? "no pool is for the name it asked for" : "it asked for no name, and no pool is for all that is left";
  } else if (connection->isUncertified) {
    text = connection->asked ? "no certificate is for the name it asked for" : "it asked for no name";
  } else if (connection->verification == X509_V_ERR_APPLICATION_VERIFICATION) {
    text = "the certificate's name is not on the list";
  } else if (connection->verification != X509_V_OK) {
    text = X509_verify_cert_error_string(connection->verification);
  } else if (connection->failed == -CO_PROTOCOL) {
    text = ERR_reason_error_string(connection->reason);
    if (!text) text = "TLS protocol error";
  } else {
    text = cr_error_text(connection->failed);
  }
  size_t length = strlen(text);
  if (length >= size) length = size - 1;
  memcpy(out, text, length);
  out[length] = 0;
  return (int)length;
}

int co_failure(cr_transport *self) { return ((co_connection *)self)->failed; }

int co_is_rejected(cr_transport *self) {
  co_connection *connection = (co_connection *)self;
  if (connection->failed != -CO_PROTOCOL || !ERR_GET_LIB(connection->reason)) return 0;
  switch (ERR_GET_REASON(connection->reason) - SSL_AD_REASON_OFFSET) {
  case SSL_AD_HANDSHAKE_FAILURE: case SSL_AD_BAD_CERTIFICATE: case SSL_AD_UNSUPPORTED_CERTIFICATE:
  case SSL_AD_CERTIFICATE_REVOKED: case SSL_AD_CERTIFICATE_EXPIRED: case SSL_AD_CERTIFICATE_UNKNOWN: case SSL_AD_UNKNOWN_CA:
  case SSL_AD_ACCESS_DENIED: case SSL_AD_DECRYPT_ERROR: case SSL_AD_CERTIFICATE_REQUIRED: return 1;
  default: return 0;
  }
}

int co_has_read(cr_transport *self) { return ((co_connection *)self)->hasRead; }

int co_is_plain_http(cr_transport *self) { return ((co_connection *)self)->isPlain; }

/*
 * What a connection of the load reads and writes: its socket, or TLS over it where the load was compiled with OpenSSL.
 *
 * Both take part as `read` and `write` do: -1 with errno EAGAIN where a socket that does not block has to wait, 0 at the end
 * of the stream. TLS shakes hands in the first write, which is to be made again with the same bytes until it is done.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/types.h>
#include <unistd.h>
#ifdef TLS
#include <openssl/ssl.h>
static const bool has_tls = true;
#else
static const bool has_tls = false;
#endif

typedef struct {
  int fd;
#ifdef TLS
  SSL *tls; /* NULL where the socket itself is read and written */
#endif
} Stream;

#ifdef TLS
/* Whose certificate it is costs the load time, and says nothing of the server. */
static int trust(X509_STORE_CTX *chain, void *unused) {
  (void)chain, (void)unused;
  return 1;
}

/* TLS 1.3 with the cipher and the key exchange that all peers have; no session is taken up again. */
static SSL_CTX *create_tls(void) {
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
      !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") || !SSL_CTX_set1_groups_list(context, "X25519")) {
    return NULL;
  }
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_cert_verify_callback(context, trust, NULL);
  /* Several records at once: else each takes a read for its header and one for the rest. */
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, 128 << 10);
  return context;
}

static ssize_t result_of(SSL *tls, int n) {
  int error = SSL_get_error(tls, n);
  if (error == SSL_ERROR_NONE) return n;
  if (error == SSL_ERROR_ZERO_RETURN) return 0;
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) errno = EAGAIN;
  else if (error != SSL_ERROR_SYSCALL) errno = EPROTO;
  return -1;
}
#endif

/* Puts TLS over the socket; false where there is none to be had. */
static bool secure(Stream *stream) {
#ifdef TLS
  static SSL_CTX *context;
  if (!context) context = create_tls();
  stream->tls = context ? SSL_new(context) : NULL;
  if (!stream->tls || !SSL_set_fd(stream->tls, stream->fd)) return false;
  SSL_set_connect_state(stream->tls);
  return true;
#else
  (void)stream;
  return false;
#endif
}

static ssize_t read_some(const Stream *stream, char *into, size_t length) {
#ifdef TLS
  if (stream->tls) return result_of(stream->tls, SSL_read(stream->tls, into, (int)length));
#endif
  return read(stream->fd, into, length);
}

static ssize_t write_some(const Stream *stream, const char *bytes, size_t length) {
#ifdef TLS
  if (stream->tls) return result_of(stream->tls, SSL_write(stream->tls, bytes, (int)length));
#endif
  return write(stream->fd, bytes, length);
}

/* Whether the socket was read further than the stream: epoll does not tell of that. */
static bool holds_more(const Stream *stream) {
#ifdef TLS
  return stream->tls && SSL_has_pending(stream->tls);
#else
  (void)stream;
  return false;
#endif
}

static void close_stream(Stream *stream) {
#ifdef TLS
  if (stream->tls) SSL_shutdown(stream->tls);
  SSL_free(stream->tls);
  stream->tls = NULL;
#endif
  close(stream->fd);
}

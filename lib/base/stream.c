#include "base/stream.h"

#include <arpa/inet.h>
#include <bsd/string.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"

/* Alerts from the peer are reasons from here on (RFC 8446 section 6). */
#define ALERT_REASON SSL_AD_REASON_OFFSET
#define ALERT_REASON_END (ALERT_REASON + 256)

static bool
is_transient(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void
failed_with(struct stream *s, int error)
{
	s->error = error;
	/* What TLS has said before it says more. */
	if (s->failure == TLS_FAILURE_NONE)
		(void)strlcpy(s->text, strerror(error), sizeof(s->text));
}

/* recv(2) within the budget: octets, 0 at the end, -1 with errno. */
static ssize_t
socket_read(struct stream *s, void *into, size_t size)
{
	ssize_t len;

	if (s->budget == 0) {
		errno = EAGAIN;
		return -1;
	}
	len = recv(s->fd, into, size < s->budget ? size : s->budget, 0);
	if (len > 0)
		s->budget -= (size_t)len;
	else if (len == 0)
		s->fin = true;
	else if (!is_transient(errno))
		failed_with(s, errno);
	return len;
}

static ssize_t
socket_write(struct stream *s, const void *octets, size_t size)
{
	ssize_t len = send(s->fd, octets, size, MSG_NOSIGNAL);

	if (len < 0 && !is_transient(errno))
		failed_with(s, errno);
	return len;
}

/* ---- The socket as libssl sees it ---- */

static int
bio_read(BIO *bio, char *into, int size)
{
	ssize_t len;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	len = socket_read(BIO_get_data(bio), into, (size_t)size);
	if (len < 0 && is_transient(errno))
		BIO_set_retry_read(bio);
	return (int)len;
}

static int
bio_write(BIO *bio, const char *octets, int size)
{
	ssize_t len;

	BIO_clear_retry_flags(bio);
	if (size <= 0)
		return 0;
	len = socket_write(BIO_get_data(bio), octets, (size_t)size);
	if (len < 0 && is_transient(errno))
		BIO_set_retry_write(bio);
	return (int)len;
}

static long
bio_control(BIO *bio, int command, long number, void *pointer)
{
	const struct stream *s = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	return command == BIO_CTRL_EOF && s != NULL && s->fin ? 1 : 0;
}

/* Made once and kept for the life of the process; NULL for want of memory. */
static BIO_METHOD *
bio_method(void)
{
	static BIO_METHOD *method;
	BIO_METHOD *made;

	if (method != NULL)
		return method;
	made = BIO_meth_new(
	    BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "strife socket");
	if (made == NULL || BIO_meth_set_read(made, bio_read) != 1 ||
	    BIO_meth_set_write(made, bio_write) != 1 ||
	    BIO_meth_set_ctrl(made, bio_control) != 1) {
		BIO_meth_free(made);
		return NULL;
	}
	method = made;
	return method;
}

/* ---- Opening and closing ---- */

/*
 * The server's certificate must carry the host that was dialled among its DNS
 * or IP names: no wildcard, and never the subject's CN.
 */
static bool
require_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	unsigned char literal[sizeof(struct in6_addr)];

	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	if (inet_pton(AF_INET, host, literal) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, literal, 4) == 1;
	if (inet_pton(AF_INET6, host, literal) == 1)
		return X509_VERIFY_PARAM_set1_ip(param, literal, 16) == 1;
	return X509_VERIFY_PARAM_set1_host(param, host, 0) == 1;
}

static int
start_tls(struct stream *s, const struct tls *tls, const char *host)
{
	BIO_METHOD *method = bio_method();
	BIO *bio;

	s->ssl = SSL_new(tls_context(tls));
	if (method == NULL || s->ssl == NULL)
		return -1;
	bio = BIO_new(method);
	if (bio == NULL)
		return -1;
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	if (host == NULL) {
		SSL_set_accept_state(s->ssl);
		return 0;
	}
	SSL_set_connect_state(s->ssl);
	return require_host(s->ssl, host) ? 0 : -1;
}

int
stream_open(struct stream *s, int fd, const struct tls *tls, const char *host)
{
	memset(s, 0, sizeof(*s));
	s->fd = fd;
	if (tls == NULL || start_tls(s, tls, host) == 0)
		return 0;
	ERR_clear_error();
	stream_close(s);
	errno = ENOMEM;
	return -1;
}

void
stream_close(struct stream *s)
{
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

/* ---- What went wrong, for people ---- */

static void
describe_verification(struct stream *s, long result)
{
	const char *what = X509_verify_cert_error_string(result);

	s->failure = TLS_FAILURE_CERTIFICATE;
	if (result == X509_V_ERR_APPLICATION_VERIFICATION)
		what = SSL_is_server(s->ssl)
		    ? "not exactly one strife:// URI name"
		    : "not that of a gateway (strife://gateway/NODE)";
	(void)strlcpy(s->text, "the peer's certificate: ", sizeof(s->text));
	(void)strlcat(s->text, what, sizeof(s->text));
}

static void
describe_failure(struct stream *s)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);
	const char *what;

	if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= ALERT_REASON &&
	    reason < ALERT_REASON_END) {
		s->failure = TLS_FAILURE_REFUSED;
		(void)strlcpy(
		    s->text, "refused by the peer: ", sizeof(s->text));
		what = SSL_alert_desc_string_long(reason - ALERT_REASON);
		(void)strlcat(s->text, what, sizeof(s->text));
		return;
	}
	if (!s->established && SSL_get_verify_result(s->ssl) != X509_V_OK) {
		describe_verification(s, SSL_get_verify_result(s->ssl));
		return;
	}
	if (s->fin || s->error != 0) {
		if (s->fin)
			(void)strlcpy(s->text,
			    "the peer closed without ending TLS",
			    sizeof(s->text));
		return; /* else socket_read or socket_write has said it */
	}
	s->failure = TLS_FAILURE_PROTOCOL;
	what = ERR_reason_error_string(code);
	(void)strlcpy(s->text, "TLS: ", sizeof(s->text));
	(void)strlcat(s->text, what != NULL ? what : "failed", sizeof(s->text));
}

/* What a libssl call that returned `result` means; leaves no error queued. */
static enum stream_status
status_of(struct stream *s, int result)
{
	enum stream_status status = STREAM_FAILED;
	int error = SSL_get_error(s->ssl, result);

	if (error == SSL_ERROR_NONE)
		status = STREAM_OK;
	else if (error == SSL_ERROR_WANT_READ)
		status = STREAM_WANT_READ;
	else if (error == SSL_ERROR_WANT_WRITE)
		status = STREAM_WANT_WRITE;
	else if (error == SSL_ERROR_ZERO_RETURN)
		status = STREAM_EOF;
	else
		describe_failure(s);
	/* A killed peer cannot say good-bye; lines tell what was cut short. */
	if (status == STREAM_FAILED && s->fin && s->established &&
	    s->failure != TLS_FAILURE_REFUSED)
		status = STREAM_EOF;
	ERR_clear_error();
	return status;
}

/* ---- Octets ---- */

enum stream_status
stream_handshake(struct stream *s)
{
	enum stream_status status;

	if (s->ssl == NULL)
		return STREAM_OK;
	ERR_clear_error();
	status = status_of(s, SSL_do_handshake(s->ssl));
	s->established = status == STREAM_OK;
	return status;
}

bool
stream_identify(const struct stream *s, struct tls_identity *identity)
{
	X509 *x509;
	bool found;

	CHECK(s->ssl != NULL);
	x509 = SSL_get1_peer_certificate(s->ssl);
	found = x509 != NULL && tls_identify(x509, identity);
	X509_free(x509);
	return found;
}

static enum stream_status
status_of_socket(ssize_t result, size_t *len, enum stream_status again)
{
	if (result < 0)
		return is_transient(errno) ? again : STREAM_FAILED;
	*len = (size_t)result;
	return STREAM_OK;
}

enum stream_status
stream_read(struct stream *s, void *into, size_t size, size_t *len)
{
	int want = size > INT_MAX ? INT_MAX : (int)size;
	enum stream_status status;
	int result;

	CHECK(size > 0);
	if (s->ssl == NULL) {
		status = status_of_socket(
		    socket_read(s, into, size), len, STREAM_WANT_READ);
		return status == STREAM_OK && *len == 0 ? STREAM_EOF : status;
	}
	ERR_clear_error();
	result = SSL_read(s->ssl, into, want);
	status = status_of(s, result);
	if (status == STREAM_OK)
		*len = (size_t)result;
	return status;
}

enum stream_status
stream_write(struct stream *s, const void *octets, size_t size, size_t *len)
{
	int want = size > INT_MAX ? INT_MAX : (int)size;
	enum stream_status status;
	int result;

	CHECK(size > 0);
	if (s->ssl == NULL)
		return status_of_socket(
		    socket_write(s, octets, size), len, STREAM_WANT_WRITE);
	ERR_clear_error();
	result = SSL_write(s->ssl, octets, want);
	status = status_of(s, result);
	if (status == STREAM_OK)
		*len = (size_t)result;
	return status;
}

void
stream_finish(struct stream *s)
{
	if (s->ssl != NULL) {
		ERR_clear_error();
		if (SSL_is_init_finished(s->ssl))
			(void)SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	(void)shutdown(s->fd, SHUT_WR);
}

enum stream_status
stream_discard(struct stream *s)
{
	char scratch[16384];
	ssize_t len;

	while (s->budget > 0) {
		len = socket_read(s, scratch, sizeof(scratch));
		if (len == 0)
			return STREAM_EOF;
		if (len < 0)
			return is_transient(errno) ? STREAM_WANT_READ
						   : STREAM_FAILED;
	}
	return STREAM_OK;
}

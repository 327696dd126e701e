/*
 * Octets over a non-blocking socket, with TLS or without: what conn.c builds
 * on, so that its state machine need not know which of the two it is. Reads
 * are metered: after `budget` octets from the socket a read says "would block",
 * so one busy peer cannot keep the loop. SIGPIPE is never raised.
 */
#ifndef STRIFE_BASE_STREAM_H
#define STRIFE_BASE_STREAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/tls.h"

struct ssl_st;

enum stream_status {
	STREAM_OK,
	STREAM_WANT_READ, /* again when readable (at once, if budget is 0) */
	STREAM_WANT_WRITE,
	STREAM_EOF, /* close_notify, or the end of a plain socket */
	STREAM_FAILED,
};

struct stream {
	int fd;             /* owned */
	struct ssl_st *ssl; /* owned; NULL: a plain socket */
	size_t budget;      /* octets that may yet be read from the socket */
	int error;          /* errno of the socket call that failed, or 0 */
	bool fin;           /* the peer has closed its end of the socket */
	bool established;   /* the handshake is done */
	enum tls_failure failure; /* of TLS, where it was no socket call */
	char text[120];           /* the failure for people, or "" */
};

/*
 * Takes fd (closed on error too), which must be non-blocking. tls NULL: plain.
 * host NULL: we are the server; else the client, which requires that the
 * server's certificate carries host. The stream must not move afterwards.
 */
int
stream_open(struct stream *, int fd, const struct tls *tls, const char *host);
void stream_close(struct stream *);
enum stream_status stream_handshake(struct stream *);
/* After a handshake, with TLS: who the peer is. */
bool stream_identify(const struct stream *, struct tls_identity *);
enum stream_status
stream_read(struct stream *, void *into, size_t size, size_t *len);
enum stream_status
stream_write(struct stream *, const void *octets, size_t size, size_t *len);
/*
 * Says that nothing more will be written: close_notify (unless a record is
 * half written), then FIN.
 */
void stream_finish(struct stream *);
/* Reads from the socket past TLS and forgets it: OK means all of budget. */
enum stream_status stream_discard(struct stream *);

#endif

/* A connection that we begin: its addresses, dialled one after another. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include "base/conn_private.h"

/* Each address gets its share of the time that is left. */
static int64_t
dial_until_ns(const struct conn *c)
{
	int64_t now_ns = loop_now_ns(c->loop), count = 1;

	for (const struct addrinfo *ai = c->next; ai != NULL; ai = ai->ai_next)
		count++;
	return now_ns + (c->handshake_until_ns - now_ns) / count;
}

static int
dial(struct conn *c, const struct addrinfo *ai)
{
	int one = 1;
	int fd = socket(
	    ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0 &&
	    errno != EINPROGRESS) {
		int error = errno;

		close(fd);
		errno = error;
		return -1;
	}
	if (stream_open(&c->stream, fd, c->tls, c->address.host) != 0)
		return -1;
	c->watch.fd = fd;
	c->watch.events = EPOLLOUT;
	if (loop_watch(c->loop, &c->watch) == 0)
		return 0;
	stream_close(&c->stream);
	return -1;
}

/* Tries the addresses that are left: 0, or -1 with the last one's errno. */
int
conn_dial_next(struct conn *c)
{
	loop_unwatch(c->loop, &c->watch);
	stream_close(&c->stream);
	errno = EHOSTUNREACH;
	while (c->next != NULL) {
		const struct addrinfo *ai = c->next;

		c->next = ai->ai_next;
		if (dial(c, ai) == 0) {
			c->deadline_ns = dial_until_ns(c);
			return 0;
		}
	}
	return -1;
}

int
conn_connect(struct conn **made, struct loop *loop, const char *address,
    const struct tls *tls, const struct conn_limits *limits,
    const struct conn_ops *ops, void *ctx)
{
	struct conn *c = conn_make(loop, limits, ops, ctx);
	int error;

	*made = NULL;
	if (c == NULL)
		return -1;
	c->state = CONNECTING;
	c->dialled = true;
	c->tls = tls_share(tls);
	c->text = strdup(address);
	if (c->tls == NULL || c->text == NULL ||
	    address_parse(&c->address, address) != 0 ||
	    address_resolve(&c->address, 0, &c->addresses) != 0 ||
	    loop_timer_set(loop, &c->timer, INT64_MAX) != 0)
		goto failed;
	c->next = c->addresses;
	if (conn_dial_next(c) != 0)
		goto failed;
	conn_settle(c);
	*made = c;
	return 0;
failed:
	error = errno;
	loop_timer_clear(loop, &c->timer);
	conn_release(c);
	errno = error;
	return -1;
}

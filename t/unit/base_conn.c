#include "base/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/un.h>

#include "base/clock.h"
#include "certs.h"
#include "tap.h"

#define PATIENCE_NS (30 * NS_PER_S)
#define BULK (10u << 20)

static const struct conn_limits limits = {
    .in_max = 8192,
    .out_max = 32768,
    .handshake_ns = 10 * NS_PER_S,
};

static char dir[256];
static struct certs_ca ca, other;
static struct loop *loop;
static struct tls *server_tls;

/* ---- One end of a connection, as its owner sees it ---- */

struct side {
	struct conn *conn; /* NULL before and after */
	int ups, downs, draineds, finisheds;
	enum conn_end end;
	char error[160];
	enum tls_failure failure;
	struct tls_identity peer;
	uint32_t uid;
	size_t received;
	bool in_order;  /* all octets were those of pattern() */
	size_t to_send; /* still to be sent by send_more */
	size_t sent;
	size_t calls, largest; /* of input */
	bool echo;
	bool pause_in_input;
	bool close_in_input;
	size_t use_max;      /* 0: all */
	const char *goodbye; /* sent and drained when anything comes */
	char text[64];       /* what came first */
};

static char
pattern(size_t at)
{
	return (char)('a' + at % 23);
}

static void
send_more(struct side *s)
{
	while (s->to_send > 0 && conn_unsent(s->conn) < 16384) {
		size_t len = s->to_send < 1000 ? s->to_send : 1000;
		char *into = conn_reserve(s->conn, len);

		if (into == NULL)
			return;
		for (size_t i = 0; i < len; i++)
			into[i] = pattern(s->sent + i);
		conn_commit(s->conn, len);
		s->sent += len;
		s->to_send -= len;
	}
	conn_flush(s->conn);
}

static void
say(struct side *s, const char *text)
{
	char *into = conn_reserve(s->conn, strlen(text));

	CERTS_NEED(into != NULL);
	memcpy(into, text, strlen(text));
	conn_commit(s->conn, strlen(text));
}

static void
on_up(void *ctx, struct conn *c)
{
	struct side *s = ctx;

	s->conn = c;
	s->ups++;
	s->peer = *conn_peer(c);
	s->uid = conn_peer_uid(c);
	send_more(s);
}

static void
on_drained(void *ctx, struct conn *c)
{
	struct side *s = ctx;

	(void)c;
	s->draineds++;
	send_more(s);
}

static size_t
on_input(void *ctx, struct conn *c, const char *octets, size_t len)
{
	struct side *s = ctx;
	size_t have = strlen(s->text), use = len;

	s->calls++;
	if (len > s->largest)
		s->largest = len;
	if (s->use_max != 0 && use > s->use_max)
		use = s->use_max;
	if (s->echo && conn_unsent(c) + use > limits.out_max / 2)
		use = 0; /* on_drained of an echoing side lets it go on */
	for (size_t i = 0; i < use; i++) {
		if (octets[i] != pattern(s->received + i))
			s->in_order = false;
		if (have + i < sizeof(s->text) - 1)
			s->text[have + i] = octets[i];
	}
	s->received += use;
	if (s->echo) {
		char *into = conn_reserve(c, use);

		CERTS_NEED(into != NULL);
		memcpy(into, octets, use);
		conn_commit(c, use);
		if (use == 0)
			conn_pause(c, true);
	}
	if (s->pause_in_input)
		conn_pause(c, true);
	if (s->goodbye != NULL) {
		say(s, s->goodbye);
		conn_close(c, true);
	}
	if (s->close_in_input)
		conn_close(c, false);
	return use;
}

static void
on_echo_drained(void *ctx, struct conn *c)
{
	struct side *s = ctx;

	s->draineds++;
	conn_pause(c, false);
}

static void
on_down(void *ctx, struct conn *c, enum conn_end why)
{
	struct side *s = ctx;

	s->downs++;
	s->end = why;
	(void)snprintf(s->error, sizeof(s->error), "%s", conn_error(c));
	s->failure = conn_failure(c);
	/* All of these must be harmless. */
	conn_close(c, true);
	conn_flush(c);
	conn_pause(c, !conn_paused(c));
	CERTS_NEED(conn_reserve(c, 1) == NULL);
	s->conn = NULL;
}

static const struct conn_ops ops = {
    .up = on_up, .input = on_input, .drained = on_drained, .down = on_down};
static const struct conn_ops echo_ops = {.up = on_up,
    .input = on_input,
    .drained = on_echo_drained,
    .down = on_down};

/* ---- Two ends in one loop ---- */

struct pair {
	int listener;
	struct watch watch;
	char address[64];
	const struct tls *tls;
	const struct conn_ops *server_ops;
	struct conn_limits server_limits;
	struct side server, client;
};

static void
on_accept(void *ctx, uint32_t events)
{
	struct pair *p = ctx;
	int fd = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);

	(void)events;
	if (fd == -1)
		return;
	CERTS_NEED(conn_accept(&p->server.conn, loop, fd, p->tls,
		       &p->server_limits, p->server_ops, &p->server) == 0);
}

static void
pair_open(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	p->listener =
	    conn_listen("127.0.0.1:0", p->address, sizeof(p->address));
	CERTS_NEED(p->listener != -1);
	p->tls = server_tls;
	p->server_ops = &ops;
	p->server_limits = limits;
	p->server.in_order = p->client.in_order = true;
	p->watch = (struct watch){p->listener, EPOLLIN, on_accept, p, false};
	CERTS_NEED(loop_watch(loop, &p->watch) == 0);
}

static void
turn(void)
{
	CERTS_NEED(loop_turn(loop, clock_mono_ns() + 100 * NS_PER_MS) == 0);
}

/* Turns until the condition holds; false if it never does. */
#define until(condition) \
	({ \
		int64_t until_ns_ = clock_mono_ns() + PATIENCE_NS; \
		while (!(condition) && clock_mono_ns() < until_ns_) \
			turn(); \
		(condition); \
	})

static void
pair_close(struct pair *p)
{
	if (p->client.conn != NULL)
		conn_close(p->client.conn, false);
	if (p->server.conn != NULL)
		conn_close(p->server.conn, false);
	CERTS_NEED(until(p->client.conn == NULL && p->server.conn == NULL));
	loop_unwatch(loop, &p->watch);
	close(p->listener);
}

static struct tls *
load(const char *name, const char *crl, bool server)
{
	char *ca_path = certs_path(dir, "ca", ".crt");
	char *cert = certs_path(dir, name, ".crt");
	char *key = certs_path(dir, name, ".key");
	char *crl_path = crl != NULL ? certs_path(dir, crl, ".crl") : NULL;
	struct tls_files files = {ca_path, cert, key, crl_path};
	char error[256] = "";
	struct tls *tls;

	if (tls_new(&tls, &files, server, error, sizeof(error)) != 0)
		printf("Bail out! %s\n", error);
	CERTS_NEED(error[0] == '\0');
	free(ca_path);
	free(cert);
	free(key);
	free(crl_path);
	return tls;
}

static bool
dial(struct pair *p, const char *address, const struct tls *tls)
{
	return conn_connect(&p->client.conn, loop, address, tls, &limits, &ops,
		   &p->client) == 0;
}

/* A pair that is up, by TLS. */
static struct tls *
pair_up(struct pair *p)
{
	struct tls *tls = load("alice", NULL, false);

	CERTS_NEED(dial(p, p->address, tls));
	CERTS_NEED(until(p->client.ups == 1 && p->server.ups == 1));
	return tls;
}

/* ---- Traffic ---- */

static void
test_echo(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	p.server_ops = &echo_ops;
	p.server.echo = true;
	p.client.to_send = BULK;
	tls = pair_up(&p);
	is_i64(p.server.peer.role, TLS_ROLE_CLIENT,
	    "the server knows the client's role");
	is_text(p.server.peer.name, "alice", "the server knows its name");
	is_i64(p.client.peer.role, TLS_ROLE_GATEWAY,
	    "the client knows the gateway");
	is_text(conn_address(p.client.conn), p.address,
	    "a dialled connection is called by its address");
	ok(strncmp(conn_address(p.server.conn), "127.0.0.1:", 10) == 0,
	    "an accepted one by the peer's");
	is_i64((int)conn_peer_uid(p.server.conn), -1, "TCP has no peer uid");
	until(p.client.received == BULK);
	is_i64(p.client.received, BULK, "10 MB come back through TLS");
	ok(p.client.in_order && p.server.in_order, "every octet in order");
	ok(p.server.largest <= limits.in_max && p.server.calls > 1,
	    "no input is larger than in_max");
	ok(p.client.draineds > 0, "drained is told");
	ok(p.server.ups == 1 && p.client.ups == 1, "up is told once");
	ok(conn_last_input_ns(p.client.conn) > 0 &&
		conn_last_output_ns(p.client.conn) > 0,
	    "the clocks of input and output run");
	conn_close(p.client.conn, true);
	until(p.client.downs == 1 && p.server.downs == 1);
	is_i64(p.client.end, CONN_END_CLOSED, "the closing side: closed");
	is_i64(p.server.end, CONN_END_EOF, "the other side: end of file");
	is_text(p.server.error, "", "an orderly close leaves no error");
	pair_close(&p);
	ok(p.client.downs == 1 && p.server.downs == 1, "down is told once");
	tls_free(tls);
}

static void
test_partial_use(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	p.server.use_max = 700;
	p.client.to_send = 100000;
	tls = pair_up(&p);
	until(p.server.received > 100000 - limits.in_max);
	ok(p.server.received > 100000 - limits.in_max && p.server.in_order,
	    "input that is used in small pieces goes on");
	ok(p.server.largest <= limits.in_max, "and stays below in_max");
	pair_close(&p);
	tls_free(tls);
}

static void
test_pause(void)
{
	struct pair p;
	struct tls *tls;
	size_t before;

	pair_open(&p);
	p.server.pause_in_input = true;
	p.server.use_max = 10;
	tls = pair_up(&p);
	p.client.to_send = BULK;
	send_more(&p.client);
	until(p.server.calls == 1);
	for (int i = 0; i < 50 && conn_unsent(p.client.conn) == 0; i++)
		turn();
	for (int i = 0; i < 3; i++)
		turn();
	is_i64(p.server.calls, 1, "paused: input is not called");
	is_i64(p.server.received, 10, "paused in mid-input: the rest stays");
	ok(p.client.to_send > 0, "paused: the sender is held back");
	conn_pause(p.server.conn, false);
	before = p.server.calls;
	is_i64(before, 1, "conn_pause itself calls nobody");
	until(p.server.calls == 2);
	is_i64(p.server.calls, 2, "resumed: what was unread is offered");
	p.server.pause_in_input = false;
	p.server.use_max = 0;
	conn_pause(p.server.conn, false);
	until(p.server.received == BULK);
	ok(p.server.received == BULK && p.server.in_order,
	    "resumed: all comes, in order");
	pair_close(&p);
	tls_free(tls);
}

/* The sender says all, closes, and is gone before the reader goes on. */
static void
test_pause_then_end(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	p.server.pause_in_input = true;
	p.server.use_max = 1;
	tls = pair_up(&p);
	say(&p.client, "abcdefghij");
	conn_close(p.client.conn, true);
	until(p.server.calls == 1);
	for (int i = 0; i < 3; i++)
		turn();
	is_i64(p.server.downs, 0, "paused: the end waits for the input");
	p.server.use_max = 0;
	p.server.pause_in_input = false;
	conn_pause(p.server.conn, false);
	until(p.server.downs == 1);
	is_i64(p.server.received, 10, "the input before the end is offered");
	is_i64(p.server.end, CONN_END_EOF, "and then the end is told");
	pair_close(&p);
	tls_free(tls);
}

static void
test_overflow(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	tls = pair_up(&p);
	conn_pause(p.client.conn, true);
	for (int i = 0; i < 100000 && p.server.conn != NULL; i++) {
		char *into = conn_reserve(p.server.conn, 1000);

		if (into == NULL)
			break;
		memset(into, 'x', 1000);
		conn_commit(p.server.conn, 1000);
		conn_flush(p.server.conn);
		if (i % 100 == 0)
			CERTS_NEED(loop_turn(loop, 0) == 0);
	}
	is_i64(p.server.downs, 0, "conn_reserve itself calls nobody");
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_OVERFLOW,
	    "a reader that takes nothing: overflow");
	ok(p.server.error[0] != '\0', "with a text: %s", p.server.error);
	pair_close(&p);
	tls_free(tls);
}

/* What is queued goes out without conn_flush. */
static void
test_flush_by_itself(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	tls = pair_up(&p);
	say(&p.client, "abc");
	is_i64(conn_unsent(p.client.conn), 3, "conn_commit only queues");
	until(p.server.received == 3);
	is_i64(p.server.received, 3, "unflushed output leaves by itself");
	pair_close(&p);
	tls_free(tls);
}

static void
test_drain(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	p.server.goodbye = "ERR go away";
	tls = pair_up(&p);
	/* More than the server reads: its close must not become a reset. */
	p.client.to_send = 200000;
	send_more(&p.client);
	until(p.client.downs == 1 && p.server.downs == 1);
	is_text(p.client.text, "ERR go away",
	    "the last words reach a peer that is still sending");
	is_i64(p.server.end, CONN_END_CLOSED, "drained: closed");
	is_i64(p.server.calls, 1, "input after conn_close is ignored");
	pair_close(&p);
	tls_free(tls);
}

/* A reader so slow that draining has to wait for it. */
static void
test_drain_large(void)
{
	struct pair p;
	struct tls *tls;
	char *into;

	pair_open(&p);
	p.client.to_send = 0;
	tls = pair_up(&p);
	conn_pause(p.client.conn, true);
	p.server.to_send = 64u << 20;
	while (conn_unsent(p.server.conn) < 16384 && p.server.to_send > 0)
		send_more(&p.server);
	p.server.to_send = 0;
	into = conn_reserve(p.server.conn, 1);
	CERTS_NEED(into != NULL);
	*into = pattern(p.server.sent++);
	conn_commit(p.server.conn, 1);
	conn_close(p.server.conn, true);
	turn();
	is_i64(p.server.downs, 0, "draining waits for the reader");
	conn_pause(p.client.conn, false);
	until(p.client.downs == 1);
	ok(p.client.received == p.server.sent && p.client.in_order,
	    "all that was queued arrives");
	is_i64(p.client.end, CONN_END_EOF, "then the end");
	pair_close(&p);
	tls_free(tls);
}

static void
test_close_in_callback(void)
{
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	p.server.close_in_input = true;
	tls = pair_up(&p);
	say(&p.client, "abc");
	until(p.server.downs == 1 && p.client.downs == 1);
	is_i64(p.server.end, CONN_END_CLOSED, "closed from its own input");
	is_i64(p.server.calls, 1, "and not called again");
	is_i64(p.client.end, CONN_END_EOF, "the peer sees an orderly end");
	is_text(p.client.error, "", "with close_notify");
	pair_close(&p);
	tls_free(tls);
}

/* ---- Raw peers, by libssl alone ---- */

struct raw {
	int fd;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* memory: what crosses the wire is up to the test */
	bool alert;
};

static void
raw_open(struct raw *r, const struct pair *p, const char *cert, int version)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	char *path;

	memset(r, 0, sizeof(*r));
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons((uint16_t)atoi(strrchr(p->address, ':') + 1));
	CERTS_NEED(connect(r->fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CERTS_NEED(fcntl(r->fd, F_SETFL, O_NONBLOCK) == 0);
	r->ctx = SSL_CTX_new(TLS_client_method());
	CERTS_NEED(r->ctx != NULL);
	CERTS_NEED(SSL_CTX_set_max_proto_version(r->ctx, version) == 1);
	if (cert != NULL) {
		path = certs_path(dir, cert, ".crt");
		CERTS_NEED(SSL_CTX_use_certificate_file(
			       r->ctx, path, SSL_FILETYPE_PEM) == 1);
		free(path);
		path = certs_path(dir, cert, ".key");
		CERTS_NEED(SSL_CTX_use_PrivateKey_file(
			       r->ctx, path, SSL_FILETYPE_PEM) == 1);
		free(path);
	}
	r->ssl = SSL_new(r->ctx);
	r->in = BIO_new(BIO_s_mem());
	r->out = BIO_new(BIO_s_mem());
	CERTS_NEED(r->ssl != NULL && r->in != NULL && r->out != NULL);
	SSL_set_bio(r->ssl, r->in, r->out);
	SSL_set_connect_state(r->ssl);
}

static void
raw_push(struct raw *r)
{
	char *octets;
	long len = BIO_get_mem_data(r->out, &octets);

	if (len > 0)
		CERTS_NEED(
		    send(r->fd, octets, (size_t)len, MSG_NOSIGNAL) == len);
	(void)BIO_reset(r->out);
}

static void
raw_pull(struct raw *r)
{
	char octets[4096];
	ssize_t len;

	while ((len = recv(r->fd, octets, sizeof(octets), 0)) > 0)
		CERTS_NEED(BIO_write(r->in, octets, (int)len) == (int)len);
}

/* Our side of the handshake; its last flight stays in r->out. */
static bool
raw_handshake(struct raw *r)
{
	int64_t until_ns = clock_mono_ns() + PATIENCE_NS;
	int result;

	while ((result = SSL_do_handshake(r->ssl)) != 1 &&
	    SSL_get_error(r->ssl, result) == SSL_ERROR_WANT_READ &&
	    clock_mono_ns() < until_ns) {
		raw_push(r);
		CERTS_NEED(loop_turn(loop, clock_mono_ns() + NS_PER_MS) == 0);
		raw_pull(r);
	}
	ERR_clear_error();
	return result == 1;
}

static void
raw_close(struct raw *r)
{
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
	close(r->fd);
}

/* A client that the server must refuse, and what it must say. */
static void
server_refuses(
    const char *cert, int version, const char *words, const char *what)
{
	struct pair p;
	struct raw r;

	pair_open(&p);
	raw_open(&r, &p, cert, version);
	(void)raw_handshake(&r);
	raw_push(&r);
	shutdown(r.fd, SHUT_WR);
	until(p.server.downs == 1);
	ok(p.server.ups == 0 && p.server.end == CONN_END_HANDSHAKE,
	    "%s: refused in the handshake", what);
	if (!ok(strstr(p.server.error, words) != NULL, "%s: \"%s\"", what,
		words))
		printf("#  got: %s\n", p.server.error);
	ok(p.server.failure ==
		(version == TLS1_3_VERSION && cert != NULL
			? TLS_FAILURE_CERTIFICATE
			: TLS_FAILURE_PROTOCOL),
	    "%s: and which failure it is", what);
	raw_close(&r);
	pair_close(&p);
}

static void
test_refusals(void)
{
	server_refuses(NULL, TLS1_3_VERSION, "did not return a certificate",
	    "no certificate");
	server_refuses("stranger", TLS1_3_VERSION,
	    "unable to get local issuer certificate", "another CA");
	server_refuses("alice", TLS1_2_VERSION, "protocol", "TLS 1.2");
	server_refuses("anon", TLS1_3_VERSION, "strife:// URI", "no URI");
	server_refuses("two", TLS1_3_VERSION, "strife:// URI", "two URIs");
	server_refuses("old", TLS1_3_VERSION, "certificate has expired",
	    "an expired certificate");
	server_refuses("srv", TLS1_3_VERSION, "unsuitable certificate purpose",
	    "a certificate for servers only");
	server_refuses("self", TLS1_3_VERSION, "self-signed certificate",
	    "a self-signed certificate");
}

static void
test_crl(void)
{
	struct tls *good = server_tls;

	server_tls = load("gw", "list", true);
	server_refuses("gone", TLS1_3_VERSION, "certificate revoked",
	    "a revoked certificate");
	tls_free(server_tls);
	server_tls = good;
}

/* The last flight of the handshake and the first line in one segment. */
static void
test_early_data(void)
{
	struct pair p;
	struct raw r;

	pair_open(&p);
	raw_open(&r, &p, "alice", TLS1_3_VERSION);
	CERTS_NEED(raw_handshake(&r));
	CERTS_NEED(SSL_write(r.ssl, "abcde", 5) == 5);
	CERTS_NEED(SSL_write(r.ssl, "fghij", 5) == 5);
	raw_push(&r);
	until(p.server.received == 10);
	is_text(p.server.text, "abcdefghij",
	    "data that came with the end of the handshake is read");
	is_i64(SSL_session_reused(r.ssl), 0, "no session is resumed");
	CERTS_NEED(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED) == 1);
	CERTS_NEED(SSL_write(r.ssl, "klm", 3) == 3);
	raw_push(&r);
	until(p.server.received == 13);
	is_text(p.server.text, "abcdefghijklm", "a key update goes unnoticed");
	raw_pull(&r);
	{
		char octet;

		CERTS_NEED(SSL_read(r.ssl, &octet, 1) == -1);
	}
	ok(!SSL_SESSION_has_ticket(SSL_get0_session(r.ssl)),
	    "the server gives no ticket");
	raw_close(&r);
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_EOF, "a peer that just goes: its end");
	ok(strstr(p.server.error, "without ending TLS") != NULL,
	    "and the text says that TLS was cut off");
	pair_close(&p);
}

/* Octets that are no TLS, and a record that was tampered with. */
static void
test_rubbish(void)
{
	struct pair p;
	struct raw r;

	pair_open(&p);
	raw_open(&r, &p, "alice", TLS1_3_VERSION);
	CERTS_NEED(send(r.fd, "1 HELLO proto=1\n", 16, MSG_NOSIGNAL) == 16);
	shutdown(r.fd, SHUT_WR);
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_HANDSHAKE, "plain text is refused");
	raw_close(&r);
	pair_close(&p);

	pair_open(&p);
	raw_open(&r, &p, "alice", TLS1_3_VERSION);
	CERTS_NEED(raw_handshake(&r));
	raw_push(&r);
	until(p.server.ups == 1);
	CERTS_NEED(send(r.fd, "\x17\x03\x03\x00\x12rubbish rubbish !!", 23,
		       MSG_NOSIGNAL) == 23);
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_ERROR, "a forged record ends it");
	ok(p.server.received == 0 && p.server.error[0] != '\0', "text: %s",
	    p.server.error);
	raw_close(&r);
	pair_close(&p);
}

static void
test_silent_peer(void)
{
	struct pair p;
	struct raw r;

	pair_open(&p);
	p.server_limits.handshake_ns = 50 * NS_PER_MS;
	raw_open(&r, &p, "alice", TLS1_3_VERSION);
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_TIMEOUT, "a silent peer: timeout");
	is_i64(p.server.ups, 0, "it was never up");
	raw_close(&r);
	pair_close(&p);
}

static void
test_reset(void)
{
	struct linger now = {1, 0};
	struct pair p;
	struct raw r;

	pair_open(&p);
	raw_open(&r, &p, "alice", TLS1_3_VERSION);
	CERTS_NEED(raw_handshake(&r));
	raw_push(&r);
	until(p.server.ups == 1);
	conn_pause(p.server.conn, true);
	CERTS_NEED(
	    setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	raw_close(&r);
	until(p.server.downs == 1);
	is_i64(p.server.end, CONN_END_ERROR, "a reset ends a paused one too");
	ok(strstr(p.server.error, "reset") != NULL, "text: %s", p.server.error);
	pair_close(&p);
}

/* ---- What the client demands ---- */

static void
client_refuses(
    const char *server, const char *host, const char *words, const char *what)
{
	struct tls *gateway = load(server, NULL, true);
	struct tls *tls = load("alice", NULL, false);
	char address[128];
	struct pair p;

	pair_open(&p);
	p.tls = gateway;
	(void)snprintf(
	    address, sizeof(address), "%s%s", host, strrchr(p.address, ':'));
	CERTS_NEED(dial(&p, address, tls));
	until(p.client.downs == 1 && p.server.downs == 1);
	ok(p.client.ups == 0 && p.client.end == CONN_END_HANDSHAKE,
	    "%s: the client refuses", what);
	if (!ok(strstr(p.client.error, words) != NULL, "%s: \"%s\"", what,
		words))
		printf("#  got: %s\n", p.client.error);
	ok(p.server.ups == 0 && p.server.end == CONN_END_HANDSHAKE &&
		strstr(p.server.error, "refused by the peer") != NULL,
	    "%s: the server is told", what);
	pair_close(&p);
	tls_free(gateway);
	tls_free(tls);
}

static void
test_server_identity(void)
{
	struct pair p;
	struct tls *tls;
	char address[64];

	client_refuses("bank", "127.0.0.1", "not that of a gateway",
	    "a bank as the server");
	client_refuses(
	    "gw", "localhost", "hostname mismatch", "another host name");
	client_refuses(
	    "far", "127.0.0.1", "IP address mismatch", "another address");
	client_refuses("cnhost", "localhost", "hostname mismatch",
	    "a host in the CN only");
	client_refuses("wild", "localhost", "hostname mismatch", "a wildcard");

	/* localhost may be ::1 first; the listener is on 127.0.0.1 only. */
	pair_open(&p);
	tls = load("named", NULL, true);
	p.tls = tls;
	(void)snprintf(
	    address, sizeof(address), "localhost%s", strrchr(p.address, ':'));
	{
		struct tls *client = load("alice", NULL, false);

		CERTS_NEED(dial(&p, address, client));
		ok(until(p.client.ups == 1),
		    "a host name among the DNS names is accepted");
		pair_close(&p);
		tls_free(client);
	}
	tls_free(tls);
}

/* A TLS 1.3 client is up before the server looks at its certificate. */
static void
test_client_learns(void)
{
	struct tls *good = server_tls, *tls = load("gone", NULL, false);
	struct pair p;

	server_tls = load("gw", "list", true);
	pair_open(&p);
	p.client.to_send = 5000;
	CERTS_NEED(dial(&p, p.address, tls));
	until(p.client.downs == 1 && p.server.downs == 1);
	is_i64(p.server.end, CONN_END_HANDSHAKE, "the server refuses");
	is_i64(p.client.end, CONN_END_HANDSHAKE,
	    "the client learns that it was refused");
	ok(strstr(p.client.error, "certificate revoked") != NULL, "and why: %s",
	    p.client.error);
	is_i64(p.client.failure, TLS_FAILURE_REFUSED,
	    "which is a refusal, not its own judgement");
	pair_close(&p);
	tls_free(server_tls);
	tls_free(tls);
	server_tls = good;
}

/* Other certificates are judged without a new handshake. */
static void
test_rejected(void)
{
	struct tls *same = load("gw", NULL, true);
	struct tls *with_list = load("gw", "list", true), *gone;
	struct pair p;
	struct tls *tls;

	pair_open(&p);
	tls = pair_up(&p);
	ok(conn_rejected(p.server.conn, same) == NULL, "the same CA: good");
	ok(conn_rejected(p.server.conn, with_list) == NULL,
	    "a list that does not name it: good");
	ok(conn_rejected(p.client.conn, tls) == NULL, "a server: good");
	pair_close(&p);
	tls_free(tls);

	pair_open(&p);
	gone = load("gone", NULL, false);
	CERTS_NEED(dial(&p, p.address, gone));
	/* It keeps a share of what it was dialled with. */
	tls_free(gone);
	CERTS_NEED(until(p.client.ups == 1 && p.server.ups == 1));
	ok(conn_rejected(p.server.conn, same) == NULL, "without a list: good");
	is_text(conn_rejected(p.server.conn, with_list), "certificate revoked",
	    "revoked since");
	pair_close(&p);
	tls_free(same);
	tls_free(with_list);
}

static void
test_dialling(void)
{
	struct tls *tls = load("alice", NULL, false);
	static const char *const bad[] = {"", ":", "127.0.0.1",
	    "127.0.0.1:", ":7440", "::1:7440", "[::1]", "127.0.0.1:65536",
	    "127.0.0.1:+1", "127.0.0.1: 1", "a b:1", "[]:1", "127.0.0.1:1x",
	    "[::1:1"};
	struct pair p;

	pair_open(&p);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!dial(&p, bad[i], tls) && errno == EINVAL &&
			p.client.conn == NULL,
		    "no address: \"%s\"", bad[i]);
	ok(!dial(&p, "no-such-host.invalid:1", tls), "no such host");
	loop_unwatch(loop, &p.watch);
	close(p.listener);
	if (dial(&p, p.address, tls)) {
		until(p.client.downs == 1);
		is_i64(p.client.end, CONN_END_ERROR, "nobody listens: error");
		is_text(p.client.error, "Connection refused", "and its text");
		is_i64(p.client.failure, TLS_FAILURE_NONE, "not one of TLS");
	} else {
		is_i64(errno, ECONNREFUSED, "nobody listens: error");
		ok(true, "at once");
		ok(true, "not one of TLS");
	}
	tls_free(tls);
}

static void
test_close_early(void)
{
	struct tls *tls = load("alice", NULL, false);
	struct pair p;

	pair_open(&p);
	CERTS_NEED(dial(&p, p.address, tls));
	conn_close(p.client.conn, true);
	is_i64(p.client.downs, 0, "conn_close itself calls nobody");
	until(p.client.downs == 1);
	is_i64(p.client.end, CONN_END_CLOSED, "closed before it was up");
	is_i64(p.client.ups, 0, "never up");
	until(p.server.downs == 1);
	pair_close(&p);
	tls_free(tls);
}

/* ---- Plain sockets ---- */

static void
test_plain(void)
{
	char *path = certs_path(dir, "socket", "");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	struct side server = {.in_order = true, .echo = true};
	struct side client = {.in_order = true, .to_send = BULK};
	int listener = conn_listen_unix(path), fd;
	char who[64];
	struct stat st;

	CERTS_NEED(listener != -1);
	CERTS_NEED(stat(path, &st) == 0);
	is_i64(st.st_mode & 07777, 0600, "a Unix listener has mode 0600");
	CERTS_NEED(strlen(path) < sizeof(to.sun_path));
	memcpy(to.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CERTS_NEED(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0);
	CERTS_NEED(conn_accept(&client.conn, loop, fd, NULL, &limits, &ops,
		       &client) == 0);
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	CERTS_NEED(conn_accept(&server.conn, loop, fd, NULL, &limits, &echo_ops,
		       &server) == 0);
	ok(conn_listen_unix(path) == -1 && errno == EADDRINUSE,
	    "a live one is not replaced");
	is_i64(server.ups, 0, "up is not called from conn_accept");
	until(client.received == BULK);
	ok(client.received == BULK && client.in_order,
	    "10 MB come back through a Unix socket");
	is_i64(server.uid, getuid(), "the peer's uid is known");
	(void)snprintf(who, sizeof(who), "%ld:%lu", (long)getpid(),
	    (unsigned long)getuid());
	is_text(conn_address(server.conn), who, "its address is pid:uid");
	is_i64(conn_peer(server.conn)->role, TLS_ROLE_NONE, "it has no role");
	conn_close(client.conn, true);
	until(client.downs == 1 && server.downs == 1);
	is_i64(server.end, CONN_END_EOF, "its end is told");
	close(listener);
	listener = conn_listen_unix(path);
	ok(listener != -1, "a stale socket is replaced");
	close(listener);
	free(path);
}

/* A question, then shutdown(2): the answer still comes. */
static void
test_half_close(void)
{
	struct side server = {.in_order = true, .echo = true};
	int fds[2];
	char answer[8] = "";

	CERTS_NEED(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CERTS_NEED(conn_accept(&server.conn, loop, fds[0], NULL, &limits, &ops,
		       &server) == 0);
	CERTS_NEED(write(fds[1], "abc", 3) == 3);
	CERTS_NEED(shutdown(fds[1], SHUT_WR) == 0);
	until(server.downs == 1);
	ok(read(fds[1], answer, sizeof(answer) - 1) == 3, "an answer comes");
	is_text(answer, "abc", "after the peer has closed its end");
	is_i64(server.end, CONN_END_EOF, "then the connection ends");
	close(fds[1]);
}

static bool
on_finished(void *ctx, struct conn *c)
{
	struct side *s = ctx;

	(void)c;
	s->finisheds++;
	return true;
}

/* The same, with an answer that its owner does not have yet. */
static void
test_finished(void)
{
	static const struct conn_ops owing = {.up = on_up,
	    .input = on_input,
	    .down = on_down,
	    .finished = on_finished};
	struct side server = {.in_order = true};
	char answer[8] = "", *into;
	int fds[2];

	CERTS_NEED(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CERTS_NEED(conn_accept(&server.conn, loop, fds[0], NULL, &limits,
		       &owing, &server) == 0);
	CERTS_NEED(write(fds[1], "abc", 3) == 3);
	CERTS_NEED(shutdown(fds[1], SHUT_WR) == 0);
	until(server.finisheds == 1);
	turn();
	ok(server.finisheds == 1 && server.received == 3,
	    "that the peer sends no more is told once, after its octets");
	is_i64(server.downs, 0, "who owes it something keeps the connection");
	into = conn_reserve(server.conn, 3);
	CERTS_NEED(into != NULL);
	memcpy(into, "xyz", 3);
	conn_commit(server.conn, 3);
	conn_close(server.conn, true);
	until(server.downs == 1);
	ok(read(fds[1], answer, sizeof(answer) - 1) == 3, "and can pay later");
	is_text(answer, "xyz", "what it owes");
	close(fds[1]);

	server = (struct side){.in_order = true};
	CERTS_NEED(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	CERTS_NEED(conn_accept(&server.conn, loop, fds[0], NULL, &limits,
		       &owing, &server) == 0);
	CERTS_NEED(shutdown(fds[1], SHUT_WR) == 0);
	until(server.finisheds == 1);
	close(fds[1]);
	until(server.downs == 1);
	is_i64(server.end, CONN_END_EOF, "but not to one that has gone");
}

/* Much that is there already: a turn takes its share and no more. */
static void
test_share(void)
{
	struct side server = {.in_order = true};
	int fds[2], size = 1 << 20;
	size_t sent = 0;
	char octets[1000];
	ssize_t len;

	CERTS_NEED(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		fds) == 0);
	(void)setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	memset(octets, 'x', sizeof(octets));
	while ((len = write(fds[1], octets, sizeof(octets))) > 0)
		sent += (size_t)len;
	CERTS_NEED(sent > 200000);
	CERTS_NEED(conn_accept(&server.conn, loop, fds[0], NULL, &limits, &ops,
		       &server) == 0);
	CERTS_NEED(loop_turn(loop, 0) == 0);
	ok(server.received > 0 && server.received <= 128u << 10,
	    "one turn reads at most 128 KiB of a connection");
	until(server.received == sent);
	is_i64(server.received, sent, "the next ones the rest");
	close(fds[1]);
	until(server.downs == 1);
}

static void
test_listen_errors(void)
{
	char long_path[200], bound[64];
	char *text = certs_path(dir, "text", "");
	FILE *file = certs_create(dir, "text", "");
	int listener;

	CERTS_NEED(fclose(file) == 0);
	memset(long_path, 'x', sizeof(long_path) - 1);
	long_path[sizeof(long_path) - 1] = '\0';
	ok(conn_listen_unix(long_path) == -1 && errno == ENAMETOOLONG,
	    "a path too long is refused");
	ok(conn_listen_unix(text) == -1 && errno == EEXIST,
	    "a file that is no socket is not replaced");
	ok(access(text, F_OK) == 0, "and is left alone");
	ok(conn_listen("127.0.0.1", bound, sizeof(bound)) == -1 &&
		errno == EINVAL,
	    "no port: refused");
	listener = conn_listen("127.0.0.1:0", bound, sizeof(bound));
	ok(listener != -1 && strncmp(bound, "127.0.0.1:", 10) == 0 &&
		strcmp(bound, "127.0.0.1:0") != 0,
	    "the port that was chosen is told");
	ok(conn_listen(bound, bound, sizeof(bound)) == -1 &&
		errno == EADDRINUSE,
	    "a taken port is refused");
	close(listener);
	free(text);
}

static void
make_certificates(void)
{
	const struct certs_spec old = {.name = "old",
	    .san = "URI:strife://client/old",
	    .from_s = -7200,
	    .until_s = -3600};
	const struct certs_spec srv = {.name = "srv",
	    .san = "URI:strife://gateway/srv",
	    .eku = "serverAuth"};
	const struct certs_spec gone = {
	    .name = "gone", .san = "URI:strife://client/gone"};
	const struct certs_spec cnhost = {.name = "cnhost",
	    .cn = "localhost",
	    .san = "URI:strife://gateway/gw"};
	struct certs_ca self;
	X509 *revoked;

	certs_ca_make(&ca, dir, "ca");
	certs_ca_make(&other, dir, "other");
	certs_make(&ca, "gw", "URI:strife://gateway/gw,IP:127.0.0.1");
	certs_make(&ca, "named", "URI:strife://gateway/gw,DNS:localhost");
	certs_make(&ca, "far", "URI:strife://gateway/gw,IP:192.0.2.1");
	certs_make(&ca, "wild",
	    "URI:strife://gateway/gw,DNS:*,DNS:*.localhost,DNS:l*");
	certs_make(&ca, "bank", "URI:strife://bank/BankA,IP:127.0.0.1");
	certs_make(&ca, "alice", "URI:strife://client/alice");
	certs_make(&ca, "anon", "DNS:localhost");
	certs_make(&ca, "two", "URI:strife://client/a,URI:strife://client/b");
	certs_make(&other, "stranger", "URI:strife://client/alice");
	certs_ca_make(&self, dir, "self");
	certs_ca_free(&self);
	X509_free(certs_issue(&ca, &old));
	X509_free(certs_issue(&ca, &srv));
	X509_free(certs_issue(&ca, &cnhost));
	revoked = certs_issue(&ca, &gone);
	certs_crl(&ca, "list", revoked, 3600);
	X509_free(revoked);
}

int
main(void)
{
	/* As in a program that forgot to ignore it: it must not matter. */
	(void)signal(SIGPIPE, SIG_DFL);
	certs_dir_make(dir, sizeof(dir));
	make_certificates();
	CERTS_NEED(loop_new(&loop) == 0);
	server_tls = load("gw", NULL, true);
	test_echo();
	test_partial_use();
	test_pause();
	test_pause_then_end();
	test_overflow();
	test_flush_by_itself();
	test_drain();
	test_drain_large();
	test_close_in_callback();
	test_refusals();
	test_crl();
	test_early_data();
	test_rubbish();
	test_silent_peer();
	test_reset();
	test_server_identity();
	test_client_learns();
	test_rejected();
	test_dialling();
	test_close_early();
	test_plain();
	test_half_close();
	test_finished();
	test_share();
	test_listen_errors();
	ok(ERR_peek_error() == 0, "libssl's error queue is left empty");
	tls_free(server_tls);
	certs_ca_free(&ca);
	certs_ca_free(&other);
	loop_free(loop);
	certs_dir_remove(dir);
	return tap_done();
}

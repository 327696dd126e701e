/*
 * A crowd of clients on a gateway's client listener, for t/hostile/crowd.py:
 *
 *	crowd HOST:PORT CA CERT KEY idle COUNT      are connected, and silent
 *	crowd HOST:PORT CA CERT KEY drip COUNT      send an octet a second
 *	crowd HOST:PORT CA CERT KEY login COUNT     wrong passwords without end
 *	crowd HOST:PORT CA CERT KEY knock COUNT     connect, leave, come again
 *	crowd HOST:PORT CA CERT KEY pay RATE SECONDS USER FROM TO
 *
 * The first four say "ready COUNT" on standard output when all are connected,
 * stay until standard input ends, and then say "lost N answered N". The last
 * one, whose user needs no password with CERT, sends RATE payments a second,
 * whatever becomes of them, and says how long they took, on one line of
 * key=value.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/conn.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/tls.h"

/* Handshakes at once: fewer than the gateway's own limit. */
#define DIALLING_MAX 32
#define IN_OCTETS (64u << 10)
#define OUT_OCTETS (1u << 20)
/* Payments that one run may make. */
#define PAYMENTS_MAX 1000000
/* After the last payment was sent, its answer is awaited for so long. */
#define PATIENCE_NS (30 * NS_PER_S)

enum role { IDLE, DRIP, LOGIN, KNOCK, PAY };

struct crowd;

struct client {
	struct crowd *crowd;
	struct conn *conn;
	struct timer timer;
	bool greeted, counted;
};

struct crowd {
	struct loop *loop;
	struct tls *tls;
	const char *address;
	enum role role;
	uint32_t count, started, dialling, ready;
	uint64_t lost, answered;
	struct client *at;
	bool ends;
	/* For PAY. */
	uint32_t rate, total, sent, committed, failed;
	const char *user, *from, *to;
	int64_t begun_ns, *sent_ns, *took_ns;
};

static void dial(struct client *);
static void dial_some(struct crowd *);

static void
say(struct client *k, const char *text)
{
	size_t len = strlen(text);
	char *room = conn_reserve(k->conn, len);

	if (room == NULL)
		return;
	memcpy(room, text, len);
	conn_commit(k->conn, len);
}

static void
wake_at(struct client *k, int64_t at_ns)
{
	if (loop_timer_set(k->crowd->loop, &k->timer, at_ns) < 0)
		fatal(EXIT_OSERR, "out of memory for a timer");
}

/* ---- Payments ---- */

static void
pay(struct client *k)
{
	struct crowd *c = k->crowd;
	char line[1024];

	c->sent_ns[c->sent] = clock_mono_ns();
	(void)snprintf(line, sizeof(line),
	    "p%" PRIu32 " PAY id=%08" PRIx32 "-%04x-4000-8000-%012" PRIx64
	    " from=%s to=%s amount=1 currency=CZK\n",
	    c->sent, c->sent, (unsigned)getpid() & 0xffff,
	    (uint64_t)c->begun_ns & 0xffffffffffff, c->from, c->to);
	c->sent++;
	say(k, line);
}

static void
pay_due(struct client *k)
{
	struct crowd *c = k->crowd;
	int64_t now_ns = clock_mono_ns();

	if (c->sent == c->total) { /* and an answer is still missing */
		c->ends = true;
		return;
	}
	while (c->sent < c->total &&
	    c->begun_ns + c->sent * (NS_PER_S / c->rate) <= now_ns)
		pay(k);
	wake_at(k,
	    c->sent == c->total ? now_ns + PATIENCE_NS
				: c->begun_ns + c->sent * (NS_PER_S / c->rate));
}

static void
take_answer(struct client *k, const char *line)
{
	struct crowd *c = k->crowd;
	uint32_t n;

	if (strncmp(line, "l ", 2) == 0) {
		if (strncmp(line + 2, "OK", 2) != 0)
			fatal(EXIT_NOPERM, "LOGIN: %s", line);
		c->begun_ns = clock_mono_ns();
		pay_due(k);
		return;
	}
	if (sscanf(line, "p%" SCNu32 " ", &n) != 1 || n >= c->sent)
		return;
	c->took_ns[c->committed + c->failed] = clock_mono_ns() - c->sent_ns[n];
	if (strstr(line, " OK ") != NULL &&
	    strstr(line, "state=committed") != NULL)
		c->committed++;
	else
		c->failed++;
	c->ends = c->committed + c->failed == c->total;
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
report(const struct crowd *c)
{
	uint32_t n = c->committed + c->failed;

	qsort(c->took_ns, n, sizeof(c->took_ns[0]), compare);
	printf("committed=%" PRIu32 " failed=%" PRIu32, c->committed,
	    c->failed + (c->total - n));
	if (n > 0)
		printf(" p50_us=%" PRId64 " p95_us=%" PRId64 " p99_us=%" PRId64
		       " max_us=%" PRId64,
		    c->took_ns[n / 2] / 1000, c->took_ns[n * 95 / 100] / 1000,
		    c->took_ns[n * 99 / 100] / 1000, c->took_ns[n - 1] / 1000);
	printf("\n");
}

/* ---- What each kind of client does once it is greeted ---- */

static void
guess(struct client *k)
{
	struct crowd *c = k->crowd;
	char line[128];

	(void)snprintf(line, sizeof(line),
	    "g LOGIN user=u%" PRIu64 " password=guess\n", c->answered % 100000);
	say(k, line);
}

static void
due(void *ctx)
{
	struct client *k = ctx;

	if (k->conn == NULL)
		return;
	if (k->crowd->role == PAY) {
		pay_due(k);
		return;
	}
	say(k, "x");
	wake_at(k, clock_mono_ns() + NS_PER_S);
}

static void
greeted(struct client *k)
{
	struct crowd *c = k->crowd;
	char line[256];

	k->greeted = true;
	c->dialling--;
	if (!k->counted && ++c->ready == c->count && c->role != PAY) {
		printf("ready %" PRIu32 "\n", c->count);
		fflush(stdout);
	}
	k->counted = true;
	switch (c->role) {
	case IDLE:
		break;
	case DRIP:
		wake_at(k, clock_mono_ns() + NS_PER_S);
		break;
	case LOGIN:
		guess(k);
		break;
	case KNOCK:
		conn_close(k->conn, false);
		break;
	case PAY:
		(void)snprintf(
		    line, sizeof(line), "l LOGIN user=%s\n", c->user);
		say(k, line);
		break;
	}
	dial_some(c);
}

static void
take_line(struct client *k, const char *line)
{
	if (!k->greeted) {
		if (strncmp(line, "h OK", 4) == 0)
			greeted(k);
		return;
	}
	k->crowd->answered++;
	if (k->crowd->role == LOGIN)
		guess(k);
	else if (k->crowd->role == PAY)
		take_answer(k, line);
}

/* ---- Connections ---- */

static void
up(void *ctx, struct conn *conn)
{
	struct client *k = ctx;

	(void)conn;
	say(k, "h HELLO proto=1 agent=crowd/1\n");
}

static size_t
input(void *ctx, struct conn *conn, const char *octets, size_t len)
{
	struct client *k = ctx;
	char line[4097];
	size_t used = 0;

	(void)conn;
	for (;;) {
		const char *end = memchr(octets + used, '\n', len - used);
		size_t line_len;

		if (end == NULL)
			return used;
		line_len = (size_t)(end - octets) - used;
		CHECK(line_len < sizeof(line));
		memcpy(line, octets + used, line_len);
		line[line_len] = '\0';
		used += line_len + 1;
		take_line(k, line);
	}
}

static void
down(void *ctx, struct conn *conn, enum conn_end why)
{
	struct client *k = ctx;
	struct crowd *c = k->crowd;

	(void)why;
	loop_timer_clear(c->loop, &k->timer);
	k->conn = NULL;
	if (c->role == KNOCK && k->greeted) {
		c->answered++;
		dial(k);
		return;
	}
	if (c->lost++ < 3)
		fprintf(stderr, "crowd: lost one: %s: %s\n", conn_end_text(why),
		    conn_error(conn));
	if (!k->greeted)
		c->dialling--;
	if (c->role == PAY)
		c->ends = true;
	dial_some(c);
}

static const struct conn_ops ops = {.up = up, .input = input, .down = down};

static void
dial(struct client *k)
{
	const struct conn_limits limits = {
	    .in_max = IN_OCTETS,
	    .out_max = OUT_OCTETS,
	    .handshake_ns = 60 * NS_PER_S,
	};
	struct crowd *c = k->crowd;

	k->greeted = false;
	if (conn_connect(
		&k->conn, c->loop, c->address, c->tls, &limits, &ops, k) < 0)
		fatal(EXIT_UNAVAILABLE, "%s: %s", c->address, strerror(errno));
	c->dialling++;
}

static void
dial_some(struct crowd *c)
{
	while (c->started < c->count && c->dialling < DIALLING_MAX) {
		struct client *k = &c->at[c->started++];

		k->crowd = c;
		k->timer = (struct timer){.due = due, .ctx = k};
		dial(k);
	}
}

/* Whoever started us is gone, or has heard enough. */
static void
told_to_end(void *ctx, uint32_t events)
{
	struct crowd *c = ctx;
	char octets[16];

	(void)events;
	if (read(STDIN_FILENO, octets, sizeof(octets)) <= 0)
		c->ends = true;
}

/* ---- Start ---- */

static uint32_t
number(const char *text, uint32_t max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*end != '\0' || value < 1 || value > max)
		fatal(EXIT_USAGE, "not a number from 1 to %" PRIu32 ": %s", max,
		    text);
	return (uint32_t)value;
}

static void
parse(struct crowd *c, int argc, char **argv)
{
	static const char *const roles[] = {
	    "idle", "drip", "login", "knock", "pay"};
	const struct tls_files files = {
	    .ca = argv[2],
	    .cert = argv[3],
	    .key = argv[4],
	};
	char error[1024];

	c->address = argv[1];
	if (tls_new(&c->tls, &files, false, error, sizeof(error)) < 0)
		fatal(EXIT_CONFIG, "%s", error);
	while (c->role < PAY && strcmp(argv[5], roles[c->role]) != 0)
		c->role++;
	c->count = 1;
	if (c->role < PAY) {
		c->count = number(argv[6], 65536);
		return;
	}
	if (argc != 11)
		fatal(EXIT_USAGE, "pay RATE SECONDS USER FROM TO");
	c->rate = number(argv[6], 100000);
	c->total = c->rate * number(argv[7], PAYMENTS_MAX / c->rate);
	c->user = argv[8];
	c->from = argv[9];
	c->to = argv[10];
	c->sent_ns = calloc(c->total, sizeof(*c->sent_ns));
	c->took_ns = calloc(c->total, sizeof(*c->took_ns));
	if (c->sent_ns == NULL || c->took_ns == NULL)
		fatal(EXIT_OSERR, "out of memory");
}

int
main(int argc, char **argv)
{
	struct crowd c = {.role = IDLE};
	struct watch watch = {
	    .fd = STDIN_FILENO,
	    .events = EPOLLIN,
	    .ready = told_to_end,
	    .ctx = &c,
	};

	log_init("crowd", LOG_LEVEL_WARN);
	if (argc < 7)
		fatal(EXIT_USAGE,
		    "usage: crowd HOST:PORT CA CERT KEY ROLE COUNT...");
	parse(&c, argc, argv);
	c.at = calloc(c.count, sizeof(*c.at));
	if (c.at == NULL || loop_new(&c.loop) < 0)
		fatal(EXIT_OSERR, "out of memory");
	if (loop_watch(c.loop, &watch) < 0)
		fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	dial_some(&c);
	while (!c.ends)
		if (loop_turn(c.loop, INT64_MAX) < 0)
			fatal(EXIT_OSERR, "epoll: %s", strerror(errno));
	if (c.role == PAY)
		report(&c);
	else
		printf("lost %" PRIu64 " answered %" PRIu64 "\n", c.lost,
		    c.answered);
	fflush(stdout);
	/* The kernel closes the connections; there is nothing to be said. */
	_exit(EXIT_OK);
}

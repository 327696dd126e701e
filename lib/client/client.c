#include "client/client.h"

#include <bsd/string.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"

struct client {
	struct client_options options;
	struct loop *loop;
	struct tls *tls;
	struct session *session;
	struct login *login;
	int64_t tries_left;
	bool told;        /* that it is connected */
	bool interrupted; /* client_interrupt, since the last call began */
};

__attribute__((format(printf, 3, 4))) static void
notice(const struct client *c, bool detail, const char *format, ...)
{
	char text[SESSION_WHY_MAX + 64];
	va_list ap;
	int len;

	if (c->options.notice == NULL)
		return;
	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len >= 0);
	c->options.notice(c->options.ctx, detail, text);
}

/* It fails only where epoll itself does, which is our own mistake. */
static void
turn(struct client *c, int64_t until_ns)
{
	int result = loop_turn(c->loop, until_ns);

	CHECK(result == 0);
}

static int
session_prepare(struct client *c)
{
	const struct client_config *config = c->options.config;
	struct session_settings settings = {
	    .addresses = c->options.only_gateway != NULL
		? &c->options.only_gateway
		: config->gateways.at,
	    .address_count =
		c->options.only_gateway != NULL ? 1 : config->gateways.count,
	    .tls = c->tls,
	    .agent = c->options.agent,
	    .login = c->login,
	    .window = c->options.window,
	    .connect_ns = config->connect_timeout_ns,
	    .reply_ns = config->reply_timeout_ns,
	};

	return session_new(&c->session, c->loop, &settings, NULL, NULL);
}

int
client_new(struct client **client, const struct client_options *options,
    struct yaml_error *error)
{
	const struct client_config *config = options->config;
	const struct tls_files files = {
	    .ca = config->ca, .cert = config->cert, .key = config->key};
	struct login_options login = {.config = config,
	    .ask = options->interactive ? login_ask_terminal : NULL,
	    .forced = options->login_forced,
	    .advice = options->login_advice};
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		goto memory;
	c->options = *options;
	c->tries_left = config->retries;
	if (tls_new(&c->tls, &files, false, error->text, sizeof(error->text)) ==
	    -1)
		goto fail;
	login.self = tls_self(c->tls);
	if (login_new(&c->login, &login, error) == -1)
		goto fail;
	if (loop_new(&c->loop) == -1 || session_prepare(c) == -1)
		goto memory;
	*client = c;
	return 0;
memory:
	(void)snprintf(error->text, sizeof(error->text), "cannot start: %s",
	    strerror(errno));
fail:
	client_free(c);
	return -1;
}

void
client_hang_up(struct client *c)
{
	session_close(c->session);
	while (session_state(c->session) != SESSION_IDLE)
		turn(c, INT64_MAX);
}

void
client_free(struct client *c)
{
	if (c == NULL)
		return;
	if (c->session != NULL) {
		client_hang_up(c);
		session_free(c->session);
	}
	if (c->loop != NULL)
		loop_free(c->loop);
	login_free(c->login);
	tls_free(c->tls);
	free(c);
}

struct loop *
client_loop(struct client *c)
{
	return c->loop;
}

struct session *
client_session(struct client *c)
{
	return c->session;
}

const struct tls_identity *
client_self(const struct client *c)
{
	return tls_self(c->tls);
}

struct login *
client_login(struct client *c)
{
	return c->login;
}

void
client_progress(struct client *c)
{
	c->tries_left = c->options.config->retries;
}

void
client_sleep(struct client *c, int64_t ns)
{
	int64_t until_ns = clock_mono_ns() + ns;

	while (!c->interrupted && clock_mono_ns() < until_ns)
		turn(c, until_ns);
}

void
client_interrupt(struct client *c)
{
	c->interrupted = true;
	session_close(c->session);
}

/* Up to a fifth less than retry_delay, so that clients do not come together. */
static int64_t
jittered_ns(int64_t delay_ns)
{
	uint32_t random;

	digest_random(&random, sizeof(random));
	return delay_ns - delay_ns / 5 / 1024 * (random % 1024);
}

/* Uses up a try and waits for its time; false when none is left. */
static bool
try_again(struct client *c, enum session_end end)
{
	int64_t delay_ns = jittered_ns(c->options.config->retry_delay_ns);
	bool first = c->tries_left == c->options.config->retries;

	if (c->tries_left == 0 || c->interrupted)
		return false;
	c->tries_left--;
	/* A session that has expired is no fault of the gateway's. */
	if (end == SESSION_END_LOGGED_OUT && first) {
		notice(
		    c, true, "%s; logging in again", session_why(c->session));
		return true;
	}
	notice(c, false, "%s; trying again in %lld ms", session_why(c->session),
	    (long long)(delay_ns / NS_PER_MS));
	client_sleep(c, delay_ns);
	return !c->interrupted;
}

/* One pass through the addresses. */
static enum session_end
connect_once(struct client *c)
{
	enum session_state state = session_state(c->session);

	if (state == SESSION_IDLE && session_connect(c->session) == -1)
		return SESSION_END_UNREACHABLE;
	for (;;) {
		state = session_state(c->session);
		if (state == SESSION_READY)
			return SESSION_END_NONE;
		if (state == SESSION_IDLE)
			return session_ended(c->session);
		turn(c, INT64_MAX);
	}
}

static bool
worth_again(enum session_end end)
{
	switch (end) {
	case SESSION_END_UNREACHABLE:
	case SESSION_END_BUSY:
	case SESSION_END_LOST:
	case SESSION_END_LOGGED_OUT:
		return true;
	case SESSION_END_NONE:
	case SESSION_END_CLOSED:
	case SESSION_END_UNTRUSTED:
	case SESSION_END_REFUSED:
	case SESSION_END_LOGIN:
	case SESSION_END_BROKEN:
		break;
	}
	return false;
}

enum session_end
client_connect(struct client *c)
{
	enum session_end end;

	c->interrupted = false;
	if (session_state(c->session) != SESSION_READY)
		c->told = false;
	for (;;) {
		end = connect_once(c);
		if (end == SESSION_END_NONE) {
			if (!c->told)
				notice(c, true, "connected to %s, node %s",
				    session_address(c->session),
				    session_node(c->session));
			c->told = true;
			return end;
		}
		if (!worth_again(end) || !try_again(c, end))
			return end;
	}
}

enum session_end
client_reconnect(struct client *c)
{
	enum session_end end;

	/* What is still closing must first have ended. */
	while (session_state(c->session) == SESSION_CLOSING)
		turn(c, INT64_MAX);
	end = session_ended(c->session);
	if (!worth_again(end) || !try_again(c, end))
		return end;
	return client_connect(c);
}

/* ---- One request, one answer ---- */

struct waiting {
	struct client_call *call;
	bool answered, broken;
};

static void
call_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct waiting *w = ctx;

	if (reply == NULL)
		w->broken = true;
	else if (reply->word != MSG_ROW)
		w->answered = true;
	w->call->reply(w->call->ctx, cookie, reply);
}

enum session_end
client_call(struct client *c, struct client_call *call)
{
	enum session_end end = client_connect(c);
	struct waiting w;

	for (;;) {
		if (end != SESSION_END_NONE)
			return end;
		w = (struct waiting){.call = call};
		if (session_send(
			c->session, call->request, call_answered, &w, 0) == 0) {
			call->sent = true;
			if (call->pin)
				session_pin(c->session);
			session_flush(c->session);
			while (!w.answered && !w.broken)
				turn(c, INT64_MAX);
			if (w.answered)
				return SESSION_END_NONE;
		} else if (errno != ENOTCONN) {
			/* One request at a time is legal and has room. */
			CHECK(errno == ENOMEM);
			session_close(c->session);
			return SESSION_END_LOST;
		}
		end = client_reconnect(c);
	}
}

enum exitcode
client_exit(enum session_end end)
{
	switch (end) {
	case SESSION_END_NONE:
	case SESSION_END_CLOSED:
		return EXIT_OK;
	case SESSION_END_UNREACHABLE:
		return EXIT_UNAVAILABLE;
	case SESSION_END_REFUSED:
	case SESSION_END_LOGIN:
		return EXIT_NOPERM;
	case SESSION_END_BUSY:
	case SESSION_END_LOST:
	case SESSION_END_LOGGED_OUT:
		return EXIT_TEMPFAIL;
	case SESSION_END_UNTRUSTED:
	case SESSION_END_BROKEN:
		break;
	}
	return EXIT_PROTOCOL;
}

#include "client/client.h"

#include <bsd/readpassphrase.h>
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
	int64_t tries_left;
	char password[PASSWORD_MAX_LEN + 1];
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
ask_password(void *ctx, const char *user, char *into, size_t size)
{
	char prompt[NAME_MAX_LEN + 32];
	int len;

	(void)ctx;
	len = snprintf(prompt, sizeof(prompt), "Password for %s: ", user);
	CHECK(len > 0 && (size_t)len < sizeof(prompt));
	if (readpassphrase(prompt, into, size, RPP_REQUIRE_TTY) == NULL)
		return -1;
	return into[0] == '\0' || !text_valid(str_from(into)) ? -1 : 0;
}

static int
session_prepare(struct client *c)
{
	const struct client_config *config = c->options.config;
	struct session_settings settings = {
	    .addresses = config->gateways.at,
	    .address_count = config->gateways.count,
	    .tls = c->tls,
	    .agent = c->options.agent,
	    .user = config->user,
	    .password = c->password[0] != '\0' ? c->password : NULL,
	    .ask = c->options.interactive ? ask_password : NULL,
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
	struct client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		goto memory;
	c->options = *options;
	c->tries_left = config->retries;
	if (config->password_file != NULL &&
	    client_config_password(
		config, c->password, sizeof(c->password), error) == -1)
		goto fail;
	if (tls_new(&c->tls, &files, false, error->text, sizeof(error->text)) ==
	    -1)
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
client_free(struct client *c)
{
	if (c == NULL)
		return;
	if (c->session != NULL) {
		session_close(c->session);
		while (session_state(c->session) != SESSION_IDLE)
			turn(c, INT64_MAX);
		session_free(c->session);
	}
	if (c->loop != NULL)
		loop_free(c->loop);
	tls_free(c->tls);
	explicit_bzero(c, sizeof(*c));
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

void
client_progress(struct client *c)
{
	c->tries_left = c->options.config->retries;
}

void
client_sleep(struct client *c, int64_t ns)
{
	int64_t until_ns = clock_mono_ns() + ns;

	while (clock_mono_ns() < until_ns)
		turn(c, until_ns);
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
try_again(struct client *c)
{
	int64_t delay_ns = jittered_ns(c->options.config->retry_delay_ns);

	if (c->tries_left == 0)
		return false;
	c->tries_left--;
	notice(c, false, "%s; trying again in %lld ms", session_why(c->session),
	    (long long)(delay_ns / NS_PER_MS));
	client_sleep(c, delay_ns);
	return true;
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

	for (;;) {
		end = connect_once(c);
		if (end == SESSION_END_NONE) {
			notice(c, true, "connected to %s, node %s",
			    session_address(c->session),
			    session_node(c->session));
			return end;
		}
		if (!worth_again(end) || !try_again(c))
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
	if (!worth_again(end) || !try_again(c))
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

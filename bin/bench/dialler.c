#include "dialler.h"

#include <bsd/string.h>
#include <bsd/sys/queue.h>
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "client/client.h"

/* Fewer than limits.handshakes of a gateway as it comes. */
#define DIALLING_MAX 32

struct dialled {
	struct dialler *dialler;
	struct session *session;
	struct login *login;
	struct timer again; /* when it may be dialled again */
	int64_t tries_left;
	bool was_up; /* and has not ended since */
	TAILQ_ENTRY(dialled)
	link; /* in to_dial */
};

TAILQ_HEAD(dialled_list, dialled);

struct dialler {
	struct dialler_options options;
	struct tls *tls;
	struct dialled *at; /* owned, options.connections of them */
	struct dialled_list to_dial;
	uint32_t dialling, up, gone;
	bool told; /* that some are dialled again, since all were up */
	bool closing;
	enum session_end end;
	char why[SESSION_WHY_MAX];
};

/* ---- One that ended ---- */

/* Those ends after which a client program says 69 or 75: the same may help. */
static bool
worth_again(enum session_end end)
{
	enum exitcode code = client_exit(end);

	return code == EXIT_UNAVAILABLE || code == EXIT_TEMPFAIL;
}

static void
again_due(void *ctx)
{
	struct dialled *one = ctx;

	TAILQ_INSERT_TAIL(&one->dialler->to_dial, one, link);
}

/* Up to a fifth less than retry_delay, so that they do not come together. */
static int64_t
delay_ns(const struct dialler *d)
{
	int64_t whole_ns = d->options.config->retry_delay_ns;
	uint32_t random;

	digest_random(&random, sizeof(random));
	return whole_ns - whole_ns / 5 / 1024 * (random % 1024);
}

/* Whether it will be dialled again. */
static bool
try_again(struct dialled *one, enum session_end end)
{
	struct dialler *d = one->dialler;
	int64_t at_ns = clock_mono_ns();

	if (!worth_again(end) || one->tries_left == 0)
		return false;
	one->tries_left--;
	/* A session that has expired is no fault of the gateway's. */
	if (end != SESSION_END_LOGGED_OUT) {
		at_ns += delay_ns(d);
		if (!d->told)
			warnx("%s; trying again", session_why(one->session));
		d->told = true;
	}
	return loop_timer_set(d->options.loop, &one->again, at_ns) == 0;
}

static void
one_ended(struct dialled *one, enum session_end end)
{
	struct dialler *d = one->dialler;

	if (try_again(one, end))
		return;
	if (d->gone++ == 0) {
		d->end = end;
		(void)strlcpy(
		    d->why, session_why(one->session), sizeof(d->why));
	}
	d->options.ops->gone(d->options.ctx, (uint32_t)(one - d->at));
}

/* ---- What sessions tell ---- */

static void
session_came_up(void *ctx, struct session *session)
{
	struct dialled *one = ctx;
	struct dialler *d = one->dialler;

	CHECK(d->dialling > 0);
	d->dialling--;
	d->up++;
	if (d->up == d->options.connections)
		d->told = false;
	one->was_up = true;
	one->tries_left = d->options.config->retries;
	session_pin(session);
	d->options.ops->up(d->options.ctx, (uint32_t)(one - d->at));
}

static void
session_went(void *ctx, struct session *session, enum session_end end)
{
	struct dialled *one = ctx;
	struct dialler *d = one->dialler;

	(void)session;
	if (one->was_up)
		d->up--;
	else
		d->dialling--;
	one->was_up = false;
	if (!d->closing)
		one_ended(one, end);
}

static const struct session_ops session_ops = {
    .ready = session_came_up,
    .ended = session_went,
};

/* ---- For callers ---- */

void
dialler_work(struct dialler *d)
{
	struct dialled *one;

	while (d->dialling < DIALLING_MAX &&
	    (one = TAILQ_FIRST(&d->to_dial)) != NULL) {
		TAILQ_REMOVE(&d->to_dial, one, link);
		if (session_connect(one->session) == 0)
			d->dialling++;
		else
			one_ended(one, SESSION_END_UNREACHABLE);
	}
}

static int
one_new(struct dialler *d, struct dialled *one, struct yaml_error *error)
{
	const struct client_config *config = d->options.config;
	const struct login_options login = {
	    .config = config, .self = tls_self(d->tls)};
	struct session_settings settings = {
	    .addresses = config->gateways.at,
	    .address_count = config->gateways.count,
	    .tls = d->tls,
	    .agent = d->options.agent,
	    .window = d->options.window,
	    .connect_ns = config->connect_timeout_ns,
	    .reply_ns = config->reply_timeout_ns,
	};

	one->dialler = d;
	one->tries_left = config->retries;
	one->again = (struct timer){.due = again_due, .ctx = one};
	if (login_new(&one->login, &login, error) == -1)
		return -1;
	settings.login = one->login;
	if (session_new(&one->session, d->options.loop, &settings, &session_ops,
		one) == 0) {
		TAILQ_INSERT_TAIL(&d->to_dial, one, link);
		return 0;
	}
	(void)snprintf(error->text, sizeof(error->text), "cannot start: %s",
	    strerror(errno));
	return -1;
}

int
dialler_new(struct dialler **dialler, const struct dialler_options *options,
    struct yaml_error *error)
{
	const struct client_config *config = options->config;
	const struct tls_files files = {
	    .ca = config->ca, .cert = config->cert, .key = config->key};
	struct dialler *d = calloc(1, sizeof(*d));

	if (d == NULL)
		goto memory;
	d->options = *options;
	TAILQ_INIT(&d->to_dial);
	if (tls_new(&d->tls, &files, false, error->text, sizeof(error->text)) ==
	    -1)
		goto fail;
	d->at = calloc(options->connections, sizeof(*d->at));
	if (d->at == NULL)
		goto memory;
	for (uint32_t i = 0; i < options->connections; i++)
		if (one_new(d, &d->at[i], error) == -1)
			goto fail;
	*dialler = d;
	return 0;
memory:
	(void)snprintf(error->text, sizeof(error->text), "cannot start: %s",
	    strerror(errno));
fail:
	dialler_free(d);
	return -1;
}

void
dialler_free(struct dialler *d)
{
	struct dialled *one;
	int result = 0;

	if (d == NULL)
		return;
	d->closing = true;
	for (uint32_t i = 0; d->at != NULL && i < d->options.connections; i++) {
		one = &d->at[i];
		loop_timer_clear(d->options.loop, &one->again);
		if (one->session != NULL)
			session_close(one->session);
	}
	while (result == 0 && d->up + d->dialling > 0)
		result = loop_turn(d->options.loop, INT64_MAX);
	CHECK(result == 0);
	for (uint32_t i = 0; d->at != NULL && i < d->options.connections; i++) {
		session_free(d->at[i].session);
		login_free(d->at[i].login);
	}
	free(d->at);
	tls_free(d->tls);
	free(d);
}

struct session *
dialler_session(struct dialler *d, uint32_t index)
{
	CHECK(index < d->options.connections);
	return d->at[index].session;
}

uint32_t
dialler_up(const struct dialler *d)
{
	return d->up;
}

uint32_t
dialler_gone(const struct dialler *d)
{
	return d->gone;
}

enum session_end
dialler_end(const struct dialler *d, const char **why)
{
	*why = d->why;
	return d->end;
}

#include "queued.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/login.h"

/* How often another program may take the entry away before we can claim it. */
#define CLAIM_MAX 8

static int
spool_broken(const struct queued *q)
{
	warnx("spool %s: %s", q->pay->config.spool, spool_why(errno));
	return EXIT_CANTCREATE;
}

static int
broken(const struct queued *q)
{
	(void)spool_broken(q);
	warnx("nothing was sent; to pay without the queue: --no-queue");
	return EXIT_CANTCREATE;
}

/* It is in the spool already, as *there. */
static int
found(struct queued *q, const struct spool_entry *there, enum spool_place place)
{
	if (!spool_entry_same(&q->entry, there)) {
		warnx("this id belongs to another payment in the queue");
		return EXIT_DECLINED;
	}
	q->entry = *there;
	switch (place) {
	case SPOOL_NEW:
		break;
	case SPOOL_HOLD:
		warnx("it is on hold in the queue: strife-queue release");
		return EXIT_TEMPFAIL;
	case SPOOL_DONE:
	case SPOOL_FAILED:
		q->known = true;
		return EXIT_OK;
	}
	return EXIT_OK;
}

static int
add(struct queued *q)
{
	struct spool_entry there;
	enum spool_place place;

	switch (spool_add(q->spool, &q->entry, &there, &place)) {
	case SPOOL_OK:
		q->added = true;
		return EXIT_OK;
	case SPOOL_EXISTS:
		return found(q, &there, place);
	case SPOOL_ERROR:
	case SPOOL_ABSENT:
	case SPOOL_ELSEWHERE:
		break;
	}
	return broken(q);
}

/* Where it was sent before, it goes again. */
static int
keep_to_gateway(const struct queued *q)
{
	if (q->entry.gateway[0] == '\0' ||
	    session_pin_to(client_session(q->pay->client), q->entry.gateway))
		return EXIT_OK;
	warnx("it was sent to %s, which is not among the gateways",
	    q->entry.gateway);
	return EXIT_TEMPFAIL;
}

int
queued_open(struct queued *q, struct pay *pay, const struct spool_entry *entry)
{
	int result;

	q->pay = pay;
	q->entry = *entry;
	if (spool_open(&q->spool, pay->config.spool) == -1)
		return broken(q);
	result = add(q);
	return result == EXIT_OK && !q->known ? keep_to_gateway(q) : result;
}

int
queued_claim(struct queued *q)
{
	struct session *session;
	struct spool_entry fresh = q->entry;
	enum spool_status status;
	int i, result;

	if (q->spool == NULL)
		return EXIT_OK;
	session = client_session(q->pay->client);
	session_pin(session);
	for (i = 0; i < CLAIM_MAX; i++) {
		status =
		    spool_claim(q->spool, &q->entry, session_address(session));
		if (status == SPOOL_OK && spool_flush(q->spool) == 0)
			return EXIT_OK;
		if (status == SPOOL_ELSEWHERE) {
			warnx(
			    "strife-queue has sent it to %s", q->entry.gateway);
			return EXIT_TEMPFAIL;
		}
		if (status != SPOOL_ABSENT)
			return broken(q);
		/* It was ended, dropped or put on hold meanwhile. */
		q->entry = fresh;
		result = add(q);
		if (result != EXIT_OK || q->known)
			return result;
	}
	warnx("other programs keep on ending it");
	return EXIT_TEMPFAIL;
}

void
queued_answered(struct queued *q, const struct msg *reply)
{
	spool_entry_answered(&q->entry, reply);
}

/* It has an end, which is told to whoever runs us: the queue need not. */
static void
forget(struct queued *q)
{
	/* One that stays although it has ended will be asked for once more. */
	if (spool_remove(q->spool, &q->entry.id, SPOOL_NEW) == SPOOL_ERROR)
		warnx("spool %s: %s", q->pay->config.spool, spool_why(errno));
}

static void
keep(struct queued *q)
{
	q->entry.attempts++;
	q->entry.next_us = clock_wall_us() + q->pay->config.min_delay_ns / 1000;
	if (spool_settle(q->spool, &q->entry, SPOOL_NEW) == SPOOL_ERROR ||
	    spool_flush(q->spool) == -1)
		warnx("spool %s: %s", q->pay->config.spool, spool_why(errno));
}

/* Never sent, and not because of a gateway that is away: not queued. */
static bool
stays_unsent(const struct queued *q, enum session_end end)
{
	const enum exitcode code = client_exit(end);

	return !q->added || code == EXIT_UNAVAILABLE || code == EXIT_TEMPFAIL;
}

bool
queued_end(struct queued *q, enum session_end end, bool sent)
{
	if (q->spool == NULL || q->known)
		return false;
	if (end == SESSION_END_NONE && q->entry.answered) {
		if (spool_entry_fate(&q->entry.answer) == SPOOL_FATE_WAITS) {
			keep(q);
			return true;
		}
		forget(q);
		return false;
	}
	if (sent || stays_unsent(q, end))
		return true;
	(void)spool_retract(q->spool, &q->entry.id);
	return false;
}

/* ---- For cancel ---- */

int
queued_look(struct queued *q, struct pay *pay, const struct id *id)
{
	enum spool_place place;
	enum spool_status status;

	q->pay = pay;
	if (access(pay->config.spool, F_OK) == -1 && errno == ENOENT)
		return EXIT_OK;
	if (spool_open(&q->spool, pay->config.spool) == -1)
		return spool_broken(q);
	status = spool_find(q->spool, id, &q->entry, &place);
	if (status == SPOOL_ERROR)
		return spool_broken(q);
	q->found =
	    status == SPOOL_OK && (place == SPOOL_NEW || place == SPOOL_HOLD);
	return q->found ? keep_to_gateway(q) : EXIT_OK;
}

/* Can it never be made any more? One that is paid is left to strife-queue. */
static bool
is_given_up(const struct queued *q, const struct msg *reply)
{
	if (reply->word == MSG_ERR &&
	    (enum code)reply->v[KEY_code].u64 != CODE_ALREADY_EXISTS)
		return false;
	return spool_entry_fate(&q->entry.answer) == SPOOL_FATE_DECLINED;
}

/*
 * One that was never sent is settled by this. Else: is it that gateway's, whose
 * word counts?
 */
static bool
is_its_gateway(struct queued *q)
{
	const char *gateway = session_address(client_session(q->pay->client));
	struct spool_entry now = q->entry;
	enum spool_status status = spool_cancel_unsent(q->spool, &now);

	if (status == SPOOL_ERROR)
		(void)spool_broken(q);
	if (status != SPOOL_ELSEWHERE)
		return false; /* that was all, or another program's */
	if (strcmp(now.gateway, gateway) == 0)
		return true;
	warnx("strife-queue has sent it to %s meanwhile: strife-queue drop",
	    now.gateway);
	return false;
}

void
queued_cancelled(struct queued *q, const struct msg *reply)
{
	const struct login_grant *grant =
	    login_grant(client_login(q->pay->client));

	/* Another user's is another payment. */
	if (!q->found || strcmp(q->entry.user, grant->user) != 0)
		return;
	spool_entry_answered(&q->entry, reply);
	if (!is_given_up(q, reply) || !is_its_gateway(q))
		return;
	if (spool_settle(q->spool, &q->entry, SPOOL_FAILED) == SPOOL_ERROR ||
	    spool_flush(q->spool) == -1)
		(void)spool_broken(q);
}

void
queued_close(struct queued *q)
{
	spool_close(q->spool);
	q->spool = NULL;
}

/*
 * strife-queue drop: gives a payment up, so that it is never both cancelled and
 * paid: the gateway that may have seen it has the last word.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "client/login.h"
#include "queue.h"

/* ---- What the gateway says ---- */

struct dropping {
	struct queue *queue;
	struct spool_entry entry;
	enum code code; /* of its ERR, or CODE_NONE */
};

static void
cancel_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct dropping *d = ctx;

	(void)cookie;
	if (reply == NULL || reply->word == MSG_ROW)
		return;
	d->code = reply->word == MSG_ERR ? (enum code)reply->v[KEY_code].u64
					 : CODE_NONE;
	spool_entry_answered(&d->entry, reply);
}

static int
settled(struct dropping *d, enum spool_place place, int result)
{
	if (spool_settle(d->queue->spool, &d->entry, place) == SPOOL_ERROR ||
	    spool_flush(d->queue->spool) == -1)
		return queue_broken(d->queue);
	return result;
}

/* Why it stays in the queue. */
static int
stays(const struct dropping *d, int result)
{
	warnx("not dropped, it stays in the queue: %s%s%s",
	    code_text(d->code != CODE_NONE ? d->code : d->entry.answer.reason),
	    d->entry.text[0] != '\0' ? ": " : "", d->entry.text);
	return result;
}

static int
judge(struct dropping *d)
{
	const struct answer *answer = &d->entry.answer;

	/* The id is another user's, so this payment can never be made. */
	if (d->code == CODE_NOT_FOUND)
		return settled(d, SPOOL_FAILED, EXIT_OK);
	if (d->code != CODE_NONE && d->code != CODE_ALREADY_EXISTS)
		return stays(d,
		    code_retry(d->code) == RETRY_SAME_ID ? EXIT_TEMPFAIL
							 : EXIT_DECLINED);
	switch (spool_entry_fate(answer)) {
	case SPOOL_FATE_PAID:
		warnx("not dropped: it was paid already");
		return settled(d, SPOOL_DONE, EXIT_DECLINED);
	case SPOOL_FATE_DECLINED:
		return settled(d, SPOOL_FAILED, EXIT_OK);
	case SPOOL_FATE_WAITS:
	case SPOOL_FATE_REFUSED:
		break;
	}
	return stays(d, EXIT_TEMPFAIL);
}

/* ---- Asking it ---- */

static void
notice(void *ctx, bool detail, const char *text)
{
	const struct queue *q = ctx;

	if (!detail || q->options.verbose)
		warnx("%s", text);
}

/* Whoever has sent it; another one's CANCEL would mean another payment. */
static bool
is_ours(const struct dropping *d, struct client *client)
{
	const char *user = login_grant(client_login(client))->user;

	if (strcmp(d->entry.user, user) == 0)
		return true;
	warnx("not dropped, it stays in the queue: only %s can, not %s",
	    d->entry.user, user);
	return false;
}

static int
ask(struct dropping *d, struct client *client)
{
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = cancel_answered, .ctx = d};
	enum session_end end = client_connect(client);
	uint32_t times = 0;

	if (end == SESSION_END_NONE && !is_ours(d, client))
		return EXIT_NOPERM;
	while (end == SESSION_END_NONE) {
		if (times > 0)
			client_sleep(client, again_delay_ns(times - 1));
		msg_init(&request, MSG_REQUEST, VERB_CLIENT_CANCEL, "1");
		msg_set_id(&request, KEY_id, &d->entry.id);
		end = client_call(client, &call);
		if (end == SESSION_END_NONE &&
		    (!d->entry.answer.again || times++ == AGAIN_MAX))
			return judge(d);
	}
	warnx("%s", session_why(client_session(client)));
	warnx("not dropped, it stays in the queue: it was sent to %s, which "
	      "has to be asked",
	    d->entry.gateway);
	return client_exit(end) == EXIT_UNAVAILABLE ? EXIT_TEMPFAIL
						    : (int)client_exit(end);
}

static int
cancel(struct dropping *d)
{
	const struct client_options options = {
	    .window = 1,
	    .interactive = true,
	    .only_gateway = d->entry.gateway,
	    .notice = notice,
	    .ctx = d->queue,
	};
	struct client *client;
	int result = queue_client(d->queue, &client, &options);

	if (result != EXIT_OK)
		return result;
	result = ask(d, client);
	client_free(client);
	return result;
}

/* ---- The command ---- */

/* It is in neither of the places where it could be dropped. */
static int
ended(struct queue *q, const struct id *id)
{
	enum spool_place place;
	int result = queue_find(q, id, &place);

	if (result != EXIT_OK)
		return result;
	if (place == SPOOL_FAILED)
		return EXIT_OK;
	warnx("not dropped: it was paid already");
	return EXIT_DECLINED;
}

int
drop_run(struct queue *q, int argc, char **argv)
{
	struct dropping d = {.queue = q};
	struct naming naming = {NULL, NULL};
	int result = queue_naming(q, &naming, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = naming_id(
		    &q->options, &naming, q->config.user, &d.entry.id);
	if (result != EXIT_OK)
		return result;
	switch (spool_cancel_unsent(q->spool, &d.entry)) {
	case SPOOL_OK:
		return EXIT_OK;
	case SPOOL_ABSENT:
		return ended(q, &d.entry.id);
	case SPOOL_ELSEWHERE:
		return cancel(&d);
	case SPOOL_ERROR:
	case SPOOL_EXISTS:
		break;
	}
	return queue_broken(q);
}

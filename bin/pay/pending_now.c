/* Pending payments that somebody waits for: they are delivered at once. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client/login.h"
#include "pending_private.h"

int
pending_add(struct pending *p, const struct id *id, const struct order *order)
{
	const char *user = login_user(client_login(p->menu->pay->client));
	struct spool_entry entry, there;
	enum spool_place place;

	if (p->spool == NULL) {
		warnx("%s: it could not be opened; nothing is sent",
		    p->menu->pay->config.spool);
		return EXIT_CANTCREATE;
	}
	spool_entry_new(&entry, id, order, user);
	if (spool_add(p->spool, &entry, &there, &place) == SPOOL_OK)
		return EXIT_OK;
	warn("%s: nothing is sent", p->menu->pay->config.spool);
	return EXIT_CANTCREATE;
}

static void
foreground_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct pending *p = ctx;

	(void)cookie;
	if (reply == NULL || reply->word == MSG_ROW)
		return;
	p->answered = true;
	spool_entry_answered(&p->now, reply);
}

/* The session is ready, and keeps to its gateway until this is over. */
static enum session_end
send_one(struct pending *p)
{
	struct msg request;
	struct client_call call = {
	    .request = &request, .reply = foreground_answered, .ctx = p};
	enum session_end end;

	session_pin(p->session);
	spool_entry_request(&p->now, &request);
	end = client_call(p->menu->pay->client, &call);
	session_unpin(p->session);
	return end;
}

/* As strife-pay pay does: what a gateway did nothing with is not kept. */
static void
take_back(struct pending *p)
{
	pay_not_made(&p->now.answer, p->now.bank, p->now.text);
	if (p->now.answer.reason == CODE_FORBIDDEN)
		accounts_suggest(p->menu->pay, p->now.order.from);
	if (spool_remove(p->spool, &p->now.id, SPOOL_NEW) == SPOOL_ERROR)
		warnx("spool %s: %s", p->menu->pay->config.spool,
		    spool_why(errno));
}

/* is_new: it was made just now, and its maker is looking. */
static void
answered(struct pending *p, bool is_new)
{
	char text[PENDING_ABOUT_SIZE];
	enum spool_place place;

	if (is_new && spool_entry_fate(&p->now.answer) == SPOOL_FATE_REFUSED) {
		take_back(p);
		return;
	}
	place = pending_settle(p, &p->now);
	printf("%s %s%s\n", place != SPOOL_NEW ? "Payment" : "It is pending,",
	    pending_about(&p->now, text),
	    place == SPOOL_HOLD ? pending_on_hold : "");
}

/* SESSION_END_NONE: go on with the others. */
static enum session_end
deliver(struct pending *p, const struct spool_entry *e, bool is_new)
{
	enum session_end end = client_connect(p->menu->pay->client);
	char text[PENDING_ABOUT_SIZE];

	if (end != SESSION_END_NONE) {
		warnx("%s", session_why(p->session));
		printf("It is pending, %s\n", pending_about(e, text));
		return end;
	}
	p->now = *e;
	if (!pending_claim(p, &p->now)) {
		printf("Left alone: %s\n", pending_about(&p->now, text));
		if (p->now.gateway[0] != '\0')
			printf("  It keeps to the gateway %s: strife-queue "
			       "flush.\n",
			    p->now.gateway);
		return SESSION_END_NONE;
	}
	p->answered = false;
	end = send_one(p);
	if (!p->answered) {
		warnx("%s", session_why(p->session));
		printf("What became of it is not known; it is pending, and "
		       "asked for again.\n");
		return end;
	}
	answered(p, is_new);
	return end;
}

void
pending_deliver(struct pending *p, const struct id *id)
{
	struct spool_entry entry;
	enum spool_place place;

	if (spool_find(p->spool, id, &entry, &place) == SPOOL_OK &&
	    place == SPOOL_NEW)
		(void)deliver(p, &entry, true);
	if (p->started)
		pending_wake(p, p->menu->pay->config.min_delay_ns);
}

void
pending_deliver_all(struct pending *p)
{
	struct spool_entry entry;
	uint32_t i;

	pending_list(p);
	if (p->count == 0)
		printf("Nothing is pending.\n");
	for (i = 0; i < p->count; i++) {
		entry = p->list[i];
		if (p->busy && id_eq(&entry.id, &p->sent.id))
			continue;
		if (deliver(p, &entry, false) != SESSION_END_NONE)
			break;
	}
}

#include "pending_private.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/login.h"
#include "wire/money.h"

/* ---- Words ---- */

const char pending_on_hold[] = "; it is on hold now: strife-queue release";

const char *
pending_about(const struct spool_entry *e, char into[PENDING_ABOUT_SIZE])
{
	char money[MONEY_TEXT_MAX], currency[4], id[ID_TEXT_LEN + 1];
	const char *reason =
	    e->answer.reason != CODE_NONE ? code_text(e->answer.reason) : "";
	int len;

	(void)money_text(e->order.amount, e->order.currency, money);
	currency_text(e->order.currency, currency);
	id_text(&e->id, id);
	len = snprintf(into, PENDING_ABOUT_SIZE,
	    "%s%s%s%s%s%s%s: %s %s from %s to %s, id %s",
	    e->answered ? answer_state_text(e->answer.state) : "not sent",
	    reason[0] != '\0' ? ", " : "", reason,
	    e->bank[0] != '\0' ? " at " : "", e->bank,
	    e->text[0] != '\0' ? ", " : "", e->text, money, currency,
	    e->order.from, e->order.to, id);
	CHECK(len > 0);
	return into;
}

/* ---- The list ---- */

static bool
gather(void *ctx, const struct spool_entry *e)
{
	struct pending *p = ctx;
	const char *user = login_user(client_login(p->menu->pay->client));
	uint32_t at = p->count;

	if (strcmp(e->user, user) != 0)
		return true;
	while (at > 0 && p->list[at - 1].added_us > e->added_us)
		at--;
	if (at == PENDING_MAX)
		return true;
	if (p->count == PENDING_MAX)
		p->count--;
	memmove(
	    p->list + at + 1, p->list + at, (p->count - at) * sizeof(*p->list));
	p->list[at] = *e;
	p->count++;
	return true;
}

void
pending_list(struct pending *p)
{
	p->count = 0;
	if (p->spool == NULL)
		return;
	if (spool_each(p->spool, SPOOL_NEW, gather, p) == -1)
		warn("%s", p->menu->pay->config.spool);
}

/* Does an older one of the same payer wait, too? */
static bool
is_behind(const struct pending *p, uint32_t index)
{
	uint32_t i;

	for (i = 0; i < index; i++)
		if (strcmp(p->list[i].order.from, p->list[index].order.from) ==
		    0)
			return true;
	return false;
}

uint32_t
pending_count(struct pending *p)
{
	pending_list(p);
	return p->count;
}

/* ---- One entry ---- */

bool
pending_claim(struct pending *p, struct spool_entry *e)
{
	switch (spool_claim(p->spool, e, session_address(p->session))) {
	case SPOOL_OK:
		if (spool_flush(p->spool) == 0)
			return true;
		break;
	case SPOOL_ERROR:
		break;
	case SPOOL_ABSENT:
	case SPOOL_EXISTS:
	case SPOOL_ELSEWHERE:
		return false;
	}
	editor_announce(p->menu->editor, "%s: %s", p->menu->pay->config.spool,
	    strerror(errno));
	return false;
}

static enum spool_place
place_of(enum spool_fate fate)
{
	switch (fate) {
	case SPOOL_FATE_PAID:
		return SPOOL_DONE;
	case SPOOL_FATE_DECLINED:
		return SPOOL_FAILED;
	case SPOOL_FATE_REFUSED:
		return SPOOL_HOLD;
	case SPOOL_FATE_WAITS:
		break;
	}
	return SPOOL_NEW;
}

/* min_delay doubled with each attempt, up to max_delay. */
static int64_t
delay_ns(const struct pending *p, uint64_t attempts)
{
	const struct client_config *config = &p->menu->pay->config;
	int64_t delay = config->min_delay_ns;

	for (; attempts > 1 && delay < config->max_delay_ns; attempts--)
		delay *= 2;
	return delay < config->max_delay_ns ? delay : config->max_delay_ns;
}

enum spool_place
pending_settle(struct pending *p, struct spool_entry *e)
{
	enum spool_place place = place_of(spool_entry_fate(&e->answer));

	if (place == SPOOL_NEW) {
		e->attempts++;
		e->next_us = clock_wall_us() + delay_ns(p, e->attempts) / 1000;
	}
	if (spool_settle(p->spool, e, place) == SPOOL_ERROR ||
	    spool_flush(p->spool) == -1)
		editor_announce(p->menu->editor, "%s: %s",
		    p->menu->pay->config.spool, strerror(errno));
	return place;
}

/* ---- In the background ---- */

void
pending_wake(struct pending *p, int64_t ns)
{
	if (loop_timer_set(client_loop(p->menu->pay->client), &p->due,
		clock_mono_ns() + ns) == -1)
		err(EXIT_OSERR, "memory");
}

static void
background_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct pending *p = ctx;
	char text[PENDING_ABOUT_SIZE];
	enum spool_place place;

	(void)cookie;
	if (reply != NULL && reply->word == MSG_ROW)
		return;
	p->busy = false;
	pending_wake(p, p->menu->pay->config.min_delay_ns);
	if (reply == NULL)
		return;
	spool_entry_answered(&p->sent, reply);
	place = pending_settle(p, &p->sent);
	if (place != SPOOL_NEW)
		editor_announce(p->menu->editor, "Pending payment %s%s",
		    pending_about(&p->sent, text),
		    place == SPOOL_HOLD ? pending_on_hold : "");
}

/* Those of the list that are due; when the next one will be. */
static int64_t
background_send(struct pending *p)
{
	int64_t now_us = clock_wall_us(), wait_us = INT64_MAX;
	struct msg request;
	uint32_t i;

	pending_list(p);
	for (i = 0; i < p->count; i++) {
		struct spool_entry *e = &p->list[i];

		if (is_behind(p, i))
			continue;
		if (e->next_us > now_us) {
			if (e->next_us - now_us < wait_us)
				wait_us = e->next_us - now_us;
			continue;
		}
		if (!pending_claim(p, e))
			continue;
		p->sent = *e;
		spool_entry_request(&p->sent, &request);
		if (session_send(
			p->session, &request, background_answered, p, 0) == -1)
			break;
		p->busy = true;
		session_flush(p->session);
		return 0;
	}
	return wait_us < p->menu->pay->config.poll_ns / 1000
	    ? wait_us * 1000
	    : p->menu->pay->config.poll_ns;
}

static void
say_end(struct pending *p, enum session_end end)
{
	if (end == p->told)
		return;
	p->told = end;
	editor_announce(p->menu->editor, "Payments are pending: %s",
	    session_why(p->session));
}

/* Not reached, or not let in: later, or after a login. */
static void
background_ended(struct pending *p)
{
	enum session_end end = session_ended(p->session);

	p->connecting = false;
	say_end(p, end);
	if (end == SESSION_END_LOGIN || end == SESSION_END_REFUSED ||
	    end == SESSION_END_UNTRUSTED) {
		p->started = false;
		return;
	}
	pending_wake(p, p->away_ns);
	p->away_ns *= 2;
	if (p->away_ns > p->menu->pay->config.poll_ns)
		p->away_ns = p->menu->pay->config.poll_ns;
}

static void
background_connect(struct pending *p)
{
	if (session_connect(p->session) == -1)
		background_ended(p);
	else
		p->connecting = true;
}

static void
background_ready(struct pending *p)
{
	int64_t wait_ns;

	p->away_ns = p->menu->pay->config.min_delay_ns;
	p->told = SESSION_END_NONE;
	wait_ns = background_send(p);
	if (!p->busy)
		pending_wake(p, wait_ns);
}

static void
pending_due(void *ctx)
{
	struct pending *p = ctx;

	if (!p->started || p->busy || p->menu->out || p->connecting)
		return;
	if (!editor_reading(p->menu->editor)) {
		pending_wake(p, p->menu->pay->config.min_delay_ns);
		return;
	}
	switch (session_state(p->session)) {
	case SESSION_READY:
		background_ready(p);
		break;
	case SESSION_IDLE:
		if (spool_waiting(p->spool) && pending_count(p) > 0)
			background_connect(p);
		else
			pending_wake(p, p->menu->pay->config.poll_ns);
		break;
	case SESSION_CONNECTING:
	case SESSION_CLOSING:
		pending_wake(p, p->menu->pay->config.min_delay_ns);
		break;
	}
}

void
pending_turn(struct pending *p)
{
	if (!p->connecting)
		return;
	switch (session_state(p->session)) {
	case SESSION_READY:
		p->connecting = false;
		pending_wake(p, 0);
		break;
	case SESSION_IDLE:
		background_ended(p);
		break;
	case SESSION_CONNECTING:
	case SESSION_CLOSING:
		break;
	}
}

void
pending_start(struct pending *p)
{
	if (p->spool == NULL)
		return;
	p->started = true;
	p->told = SESSION_END_NONE;
	p->away_ns = p->menu->pay->config.min_delay_ns;
	pending_wake(p, 0);
}

/* ---- Making one ---- */

struct pending *
pending_new(struct menu *menu)
{
	struct pending *p = pay_allocate(1, sizeof(*p));

	p->menu = menu;
	p->session = client_session(menu->pay->client);
	p->list = pay_allocate(PENDING_MAX + 1, sizeof(*p->list));
	p->due = (struct timer){.due = pending_due, .ctx = p};
	if (spool_open(&p->spool, menu->pay->config.spool) == -1) {
		warn("%s", menu->pay->config.spool);
		p->spool = NULL;
	}
	return p;
}

void
pending_free(struct pending *p)
{
	if (p == NULL)
		return;
	/* What is unanswered is told of the end, and sets the timer again. */
	client_hang_up(p->menu->pay->client);
	loop_timer_clear(client_loop(p->menu->pay->client), &p->due);
	if (p->spool != NULL)
		spool_close(p->spool);
	free(p->list);
	free(p);
}

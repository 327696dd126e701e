#include "client/pipeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/table.h"
#include "client/session.h"

/* So many are prepared, and committed, at once. */
#define GROUP_MAX 64

#define NONE UINT32_MAX

enum progress {
	WAITING, /* to be sent, for the first time or again */
	TAKEN,   /* in the group that is about to be sent */
	IN_FLIGHT,
	DEFERRED, /* to be sent again when its delay is over */
	ENDED,
};

struct item {
	enum progress progress;
	bool skipped;
	bool sent;     /* a gateway may have seen it */
	bool released; /* nothing of the payer's before it is not over */
	uint32_t next_of_payer, last_of_payer;
	uint32_t next_ready;
	uint32_t times; /* it was asked again */
	struct answer answer;
};

struct pipeline {
	struct pipeline_options options;
	struct session *session;
	struct item *items; /* owned */
	uint32_t open;      /* items that are not ENDED */
	/* No item before it is to be sent, but the ready ones. */
	uint32_t cursor;
	uint32_t ready_first, ready_last; /* released behind the cursor */
	bool stopped, failed;
	/*
	 * Items that wait for their delay. They and those in flight together
	 * stay within the window, so that a gateway that says "not now" is
	 * asked less, and the list is short.
	 */
	uint32_t deferred[SESSION_WINDOW_MAX];
	int64_t deferred_until_ns[SESSION_WINDOW_MAX];
	uint32_t deferred_count;
};

/* ---- Order within a payer ---- */

static bool
same_payer(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct pipeline *p = pool;
	struct str payer = p->options.ops->payer(p->options.ctx, index);

	return str_eq(payer, (struct str){key, (uint32_t)len});
}

static int
link_payers(struct pipeline *p)
{
	struct hash_key key;
	struct table table;
	uint32_t i, first;

	digest_random(&key, sizeof(key));
	if (table_init(&table, p->options.count, &key, same_payer, p) == -1)
		return -1;
	for (i = 0; i < p->options.count; i++) {
		struct item *item = &p->items[i];
		struct str payer;

		if (item->skipped)
			continue;
		payer = p->options.ops->payer(p->options.ctx, i);
		first = table_find(&table, payer.at, payer.len);
		if (first == TABLE_NONE) {
			table_insert(&table, payer.at, payer.len, i);
			first = i;
			item->released = true;
		} else {
			p->items[p->items[first].last_of_payer].next_of_payer =
			    i;
		}
		p->items[first].last_of_payer = i;
	}
	table_free(&table);
	return 0;
}

/* ---- The end of one ---- */

static void
item_release(struct pipeline *p, uint32_t index)
{
	p->items[index].released = true;
	if (index >= p->cursor)
		return;
	p->items[index].next_ready = NONE;
	if (p->ready_first == NONE)
		p->ready_first = index;
	else
		p->items[p->ready_last].next_ready = index;
	p->ready_last = index;
}

static void
item_end(struct pipeline *p, struct item *item)
{
	CHECK(item->progress != ENDED && p->open > 0);
	item->progress = ENDED;
	p->open--;
}

/* The payer's next may go; or none of them, where this one is not over. */
static void
release_next(struct pipeline *p, const struct item *item, bool over)
{
	uint32_t next = item->next_of_payer;

	if (p->options.any_order || next == NONE)
		return;
	if (over) {
		item_release(p, next);
		return;
	}
	for (; next != NONE; next = p->items[next].next_of_payer)
		item_end(p, &p->items[next]);
}

static void
item_done(struct pipeline *p, uint32_t index)
{
	struct item *item = &p->items[index];
	enum exitcode code = answer_exit(&item->answer);

	item_end(p, item);
	release_next(p, item, code == EXIT_OK || code == EXIT_DECLINED);
	if (code != EXIT_OK && p->options.stop_at_first)
		p->stopped = true;
	p->options.ops->done(p->options.ctx, index);
}

/* ---- Answers ---- */

static void
item_wait(struct pipeline *p, uint32_t index)
{
	p->items[index].progress = WAITING;
	if (index < p->cursor)
		p->cursor = index;
}

static void
item_defer(struct pipeline *p, uint32_t index)
{
	struct item *item = &p->items[index];

	CHECK(p->deferred_count < SESSION_WINDOW_MAX);
	item->progress = DEFERRED;
	p->deferred[p->deferred_count] = index;
	p->deferred_until_ns[p->deferred_count] =
	    clock_mono_ns() + again_delay_ns(item->times++);
	p->deferred_count++;
}

static void
item_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct pipeline *p = ctx;
	uint32_t index = (uint32_t)cookie;
	struct item *item = &p->items[index];

	CHECK(index < p->options.count && item->progress == IN_FLIGHT);
	if (reply == NULL) {
		/* Nobody knows: the same id goes out again. */
		item->answer = (struct answer){.state = PAYMENT_UNKNOWN};
		item_wait(p, index);
		return;
	}
	if (reply->word == MSG_ROW)
		return;
	item->answer = answer_read(reply);
	if (p->options.ops->answered != NULL)
		p->options.ops->answered(p->options.ctx, index, reply);
	if (item->answer.again && item->times < AGAIN_MAX) {
		item_defer(p, index);
		return;
	}
	item_done(p, index);
	client_progress(p->options.client);
}

/* Those whose delay is over wait no longer. */
static void
deferred_wake(struct pipeline *p)
{
	int64_t now_ns = clock_mono_ns();
	uint32_t i = 0, index, last;

	while (i < p->deferred_count) {
		if (p->deferred_until_ns[i] > now_ns) {
			i++;
			continue;
		}
		index = p->deferred[i];
		last = --p->deferred_count;
		p->deferred[i] = p->deferred[last];
		p->deferred_until_ns[i] = p->deferred_until_ns[last];
		item_wait(p, index);
	}
}

/* ---- Sending ---- */

static bool
may_send(const struct pipeline *p, const struct item *item)
{
	if (item->progress != WAITING)
		return false;
	if (!item->released && !p->options.any_order)
		return false;
	/* What was sent before is still brought to its end. */
	return !p->stopped || item->sent;
}

/* The next one to be sent, or NONE. */
static uint32_t
find_next(struct pipeline *p)
{
	uint32_t index;

	while (p->ready_first != NONE) {
		index = p->ready_first;
		p->ready_first = p->items[index].next_ready;
		if (may_send(p, &p->items[index]))
			return index;
	}
	while (p->cursor < p->options.count) {
		index = p->cursor++;
		if (may_send(p, &p->items[index]))
			return index;
	}
	return NONE;
}

/*
 * One that is ready may lie behind the cursor too, which moves back when the
 * session ends: once taken, it is not found again.
 */
static uint32_t
take_next(struct pipeline *p)
{
	uint32_t index = find_next(p);

	if (index != NONE)
		p->items[index].progress = TAKEN;
	return index;
}

/* Whether it is to be sent now. */
static bool
item_prepare(struct pipeline *p, uint32_t index)
{
	struct item *item = &p->items[index];

	/* From here on no other gateway will do, whatever becomes of it. */
	session_pin(p->session);
	if (p->options.ops->prepare == NULL)
		return true;
	switch (p->options.ops->prepare(p->options.ctx, index)) {
	case PIPELINE_SEND:
		return true;
	case PIPELINE_GONE:
		item_end(p, item);
		release_next(p, item, true);
		break;
	case PIPELINE_BLOCK:
		item_end(p, item);
		release_next(p, item, false);
		break;
	case PIPELINE_FAIL:
		p->failed = true;
		break;
	}
	return false;
}

/* False where there is no room for it now. */
static bool
item_send(struct pipeline *p, uint32_t index)
{
	struct item *item = &p->items[index];
	struct msg request;

	p->options.ops->request(p->options.ctx, index, &request);
	if (session_send(p->session, &request, item_answered, p, index) == -1) {
		CHECK(errno != EINVAL);
		return false;
	}
	item->progress = IN_FLIGHT;
	item->sent = true;
	return true;
}

/* Whether more may follow at once. */
static bool
send_group(struct pipeline *p)
{
	uint32_t group[GROUP_MAX], count = 0, i, index;
	uint32_t room = session_room(p->session);
	bool all = true;

	room = room > p->deferred_count ? room - p->deferred_count : 0;
	while (count < GROUP_MAX && count < room && !p->failed) {
		index = take_next(p);
		if (index == NONE)
			break;
		if (item_prepare(p, index))
			group[count++] = index;
	}
	if (p->failed || count == 0)
		return false;
	if (p->options.ops->commit != NULL &&
	    !p->options.ops->commit(p->options.ctx)) {
		p->failed = true;
		return false;
	}
	for (i = 0; i < count; i++) {
		if (all && item_send(p, group[i]))
			continue;
		item_wait(p, group[i]);
		all = false;
	}
	return all;
}

static void
send_some(struct pipeline *p)
{
	deferred_wake(p);
	while (send_group(p))
		session_flush(p->session);
	session_flush(p->session);
}

/* ---- The whole ---- */

static bool
finished(const struct pipeline *p)
{
	if (p->failed)
		return true;
	if (session_unanswered(p->session) > 0 || p->deferred_count > 0)
		return false;
	return p->stopped ? p->cursor == p->options.count : p->open == 0;
}

/* The next moment at which there is something to do without an answer. */
static int64_t
wake_at_ns(const struct pipeline *p)
{
	int64_t at_ns = INT64_MAX;
	uint32_t i;

	for (i = 0; i < p->deferred_count; i++)
		if (p->deferred_until_ns[i] < at_ns)
			at_ns = p->deferred_until_ns[i];
	return at_ns;
}

/* It fails only where epoll itself does, which is our own mistake. */
static void
turn(struct pipeline *p)
{
	int result = loop_turn(client_loop(p->options.client), wake_at_ns(p));

	CHECK(result == 0);
}

enum session_end
pipeline_run(struct pipeline *p)
{
	const struct pipeline_ops *ops = p->options.ops;
	enum session_end end = client_connect(p->options.client);

	for (;;) {
		if (end != SESSION_END_NONE)
			return end;
		send_some(p);
		if (ops->turned != NULL && !ops->turned(p->options.ctx))
			p->stopped = true;
		if (finished(p))
			return SESSION_END_NONE;
		turn(p);
		if (session_state(p->session) == SESSION_READY)
			continue;
		if (ops->lost != NULL)
			ops->lost(p->options.ctx);
		end = client_reconnect(p->options.client);
	}
}

/* ---- For callers ---- */

static void
items_init(struct pipeline *p)
{
	const struct pipeline_ops *ops = p->options.ops;
	uint32_t i;

	p->open = p->options.count;
	for (i = 0; i < p->options.count; i++) {
		struct item *item = &p->items[i];

		item->next_of_payer = NONE;
		item->answer.state = PAYMENT_UNSENT;
		item->skipped =
		    ops->skip != NULL && ops->skip(p->options.ctx, i);
		if (item->skipped)
			item_end(p, item);
	}
}

void
pipeline_free(struct pipeline *p)
{
	if (p == NULL)
		return;
	free(p->items);
	free(p);
}

int
pipeline_new(struct pipeline **pipeline, const struct pipeline_options *options)
{
	struct pipeline *p = calloc(1, sizeof(*p));

	CHECK(options->count > 0);
	if (p == NULL)
		return -1;
	p->options = *options;
	p->session = client_session(options->client);
	p->ready_first = NONE;
	p->items = calloc(options->count, sizeof(*p->items));
	if (p->items == NULL)
		goto fail;
	items_init(p);
	if (link_payers(p) == -1)
		goto fail;
	*pipeline = p;
	return 0;
fail:
	pipeline_free(p);
	return -1;
}

bool
pipeline_failed(const struct pipeline *p)
{
	return p->failed;
}

void
pipeline_stop(struct pipeline *p)
{
	p->stopped = true;
}

bool
pipeline_ended(const struct pipeline *p, uint32_t index)
{
	return p->items[index].progress == ENDED;
}

bool
pipeline_sent(const struct pipeline *p, uint32_t index)
{
	return p->items[index].sent;
}

const struct answer *
pipeline_answer(const struct pipeline *p, uint32_t index)
{
	return &p->items[index].answer;
}

/*
 * Plays the shell of a ledger: a journal in memory, clocks, connections. Every
 * record and every request passes through the encoder and the parser, in memory
 * of its own that is freed after the step, so a ledger that keeps a pointer
 * into a message is caught by the sanitizers.
 */
#ifndef STRIFE_T_LEDGER_HARNESS_H
#define STRIFE_T_LEDGER_HARNESS_H

#include <bsd/string.h>
#include <stdlib.h>

#include "base/check.h"
#include "ledger/ledger.h"
#include "snapshot_start.h"
#include "tap.h"
#include "wire/money.h"
#include "wire/tag.h"
#include "wire/time.h"

#define CZK CURRENCY('C', 'Z', 'K')
#define EUR CURRENCY('E', 'U', 'R')
#define SECOND INT64_C(1000000000)
#define TELLER ((struct peer){100, 1})

struct stored {
	char *text; /* without LF */
	struct check check;
};

struct sent {
	struct peer peer;
	uint64_t after_seq, durable_seq; /* durable: when it was sent */
	bool patient;
	char text[LINE_MAX_LEN];
};

struct harness {
	struct ledger_conf conf;
	struct ledger *l;
	struct stored *records;
	uint32_t count, size;
	uint64_t durable;
	int64_t mono_ns, wall_us;
	struct sent *sent; /* since harness_clear */
	uint32_t sent_count, sent_size;
	char appended[1024]; /* kinds, since harness_clear */
	uint32_t closed, crit, failed, tags;
	struct peer closed_peer;
	char log[192], fail[192];
	uint32_t unreadable; /* from the so many-th read on; 0: none */
};

static inline struct ledger_conf
harness_conf(void)
{
	struct ledger_conf conf = {
	    .bank = "BankA",
	    .accounts_max = 64,
	    .in_flight_max = 64,
	    .gateways_max = 4,
	    .queries_max = 4,
	    .remembered_max = 4096,
	    .resolve_ns = 2 * SECOND,
	    .key = {{1, 2}},
	    .jitter_seed = 7,
	};

	return conf;
}

/* ---- The journal ---- */

static inline struct jpos
harness_pos(uint32_t index)
{
	return (struct jpos){index + 1, 1 + index / 100, (index + 1) * 64};
}

/* UINT32_MAX where no record lies. */
static inline uint32_t
harness_at(const struct harness *h, struct jpos pos)
{
	uint32_t index = pos.offset / 64 - 1;

	if (pos.offset < 64 || pos.offset % 64 != 0 || index >= h->count ||
	    pos.segment != 1 + index / 100)
		return UINT32_MAX;
	return index;
}

static inline struct check
harness_chain(const struct harness *h, const char *text)
{
	static const struct hash_key keys[2] = {{{3, 4}}, {{5, 6}}};
	char both[LINE_MAX_LEN + 16] = {0};
	struct check check;

	if (h->count > 0)
		memcpy(both, h->records[h->count - 1].check.octets, 16);
	strcpy(both + 16, text);
	for (size_t i = 0; i < 2; i++) {
		uint64_t sum = hash_octets(&keys[i], both, 16 + strlen(text));
		memcpy(check.octets + 8 * i, &sum, 8);
	}
	return check;
}

struct parsed {
	struct line line;
	struct msg msg;
	char text[LINE_MAX_LEN];
};

/* The caller frees it: after the step. */
static inline struct parsed *
harness_parse(const char *text, enum side side, enum verb reply_to)
{
	struct parsed *p = malloc(sizeof(*p));
	struct msg_problem problem;
	enum line_status status;

	CHECK(p != NULL);
	memset(p, 0xa5, sizeof(*p));
	strcpy(p->text, text);
	status = line_split(&p->line, str_from(p->text));
	if (status == LINE_OK)
		status = reply_to == VERB_UNKNOWN
		    ? msg_request(&p->msg, &p->line, side, &problem)
		    : msg_reply(&p->msg, &p->line, reply_to, &problem);
	if (status != LINE_OK) {
		printf("# not a legal line (%d): %s\n", (int)status, text);
		CHECK(status == LINE_OK);
	}
	return p;
}

static void harness_step(struct harness *, struct event *);

static inline struct record
harness_record(const struct harness *h, uint32_t index, const struct parsed *p)
{
	return (struct record){
	    &p->msg, harness_pos(index), h->records[index].check};
}

static inline struct parsed *
harness_read(const struct harness *h, uint32_t index)
{
	return harness_parse(
	    h->records[index].text, SIDE_BANK_JOURNAL, VERB_UNKNOWN);
}

static inline void
harness_append(struct harness *h, struct msg *msg)
{
	char line[LINE_MAX_LEN];
	struct event ev = {.kind = EV_RECORD};
	struct record record;
	struct parsed *p;
	size_t len;

	if (h->count == h->size) {
		h->size = h->size == 0 ? 1024 : h->size * 2;
		h->records = realloc(h->records, h->size * sizeof(*h->records));
		CHECK(h->records != NULL);
	}
	snprintf(msg->tag, sizeof(msg->tag), "%u", h->count + 1);
	msg_set_i64(msg, KEY_time, h->wall_us);
	msg_set_u64(msg, KEY_flushed, h->durable);
	len = msg_encode(msg, line);
	CHECK(len > 0 && len < LINE_MAX_LEN - 50);
	line[len - 1] = '\0';
	h->records[h->count].check = harness_chain(h, line);
	h->records[h->count].text = strdup(line);
	h->count++;
	strlcat(h->appended, h->appended[0] != '\0' ? " " : "",
	    sizeof(h->appended));
	strlcat(h->appended, verb_info(msg->verb)->word, sizeof(h->appended));
	p = harness_read(h, h->count - 1);
	record = harness_record(h, h->count - 1, p);
	ev.record = &record;
	harness_step(h, &ev);
	memset(p, 0x5a, sizeof(*p));
	free(p);
}

static inline void
harness_answer_read(struct harness *h, struct jpos pos)
{
	struct event ev = {.kind = EV_READ};
	uint32_t index = harness_at(h, pos);
	struct record record;
	struct parsed *p = NULL;

	if (h->unreadable > 1)
		h->unreadable--;
	else if (h->unreadable == 1)
		index = UINT32_MAX;
	if (index != UINT32_MAX) {
		p = harness_read(h, index);
		record = harness_record(h, index, p);
		ev.record = &record;
	}
	harness_step(h, &ev);
	free(p);
}

/* ---- Steps ---- */

static inline void
harness_send(struct harness *h, const struct action *a)
{
	struct sent *s;
	size_t len;

	if (h->sent_count == h->sent_size) {
		h->sent_size = h->sent_size == 0 ? 64 : h->sent_size * 2;
		h->sent = realloc(h->sent, h->sent_size * sizeof(*h->sent));
		CHECK(h->sent != NULL);
	}
	s = &h->sent[h->sent_count++];
	s->peer = a->peer;
	s->after_seq = a->after_seq;
	s->durable_seq = h->durable;
	s->patient = a->patient;
	len = msg_encode(&a->msg, s->text);
	CHECK(len > 0);
	s->text[len - 1] = '\0';
}

static inline void
harness_carry(struct harness *h, struct actions *actions)
{
	for (uint32_t i = 0; i < actions->count; i++) {
		struct action *a = &actions->at[i];

		switch (a->kind) {
		case AC_APPEND:
			CHECK(i + 1 == actions->count);
			harness_append(h, &a->msg);
			break;
		case AC_SEND:
			harness_send(h, a);
			break;
		case AC_READ:
			CHECK(i + 1 == actions->count);
			harness_answer_read(h, a->pos);
			break;
		case AC_CLOSE:
			h->closed++;
			h->closed_peer = a->peer;
			break;
		case AC_LOG:
			h->crit += a->level == ACTION_CRIT ? 1 : 0;
			strcpy(h->log, a->text);
			break;
		case AC_FAIL:
			h->failed++;
			strcpy(h->fail, a->text);
			break;
		}
	}
}

static inline void
harness_step(struct harness *h, struct event *ev)
{
	struct actions *actions = malloc(sizeof(*actions));

	CHECK(actions != NULL);
	actions->count = 0;
	ev->mono_ns = h->mono_ns;
	ev->wall_us = h->wall_us;
	ledger_step(h->l, ev, actions);
	harness_carry(h, actions);
	memset(actions, 0xa5, sizeof(*actions));
	free(actions);
}

static inline void
harness_flush(struct harness *h)
{
	struct event ev = {.kind = EV_DURABLE};

	h->durable = h->count;
	ev.durable_seq = h->durable;
	harness_step(h, &ev);
}

/* Time passes; all that is due, and the flush. */
static inline void
harness_turn(struct harness *h, int64_t ns)
{
	struct event ev = {.kind = EV_TICK};

	h->mono_ns += ns;
	h->wall_us += ns / 1000;
	harness_step(h, &ev);
	while (ledger_more(h->l))
		harness_step(h, &ev);
	harness_flush(h);
}

static inline void
harness_clear(struct harness *h)
{
	h->sent_count = 0;
	h->appended[0] = '\0';
	h->closed = h->crit = h->failed = 0;
	h->closed_peer = PEER_NONE;
	h->log[0] = h->fail[0] = '\0';
}

/* A line from a peer, and what it leads to, up to the flush. */
static inline void
harness_line(struct harness *h, struct peer peer, enum side side,
    enum verb reply_to, const char *text)
{
	struct event ev = {.kind = EV_MSG};
	struct parsed *p = harness_parse(text, side, reply_to);

	h->mono_ns += 1000000;
	h->wall_us += 1000;
	ev.peer = peer;
	ev.msg = &p->msg;
	ev.who = STR("uid=1000");
	ev.proof = reply_to == VERB_UP_REGISTER && msg_has(&p->msg, proven_seq)
	    ? p->msg.v[KEY_proven_seq].u64 <= h->count &&
		    memcmp(p->msg.v[KEY_proven_check].check.octets,
			h->records[p->msg.v[KEY_proven_seq].u64 - 1]
			    .check.octets,
			16) == 0
		? PROOF_GOOD
		: PROOF_BAD
	    : PROOF_NONE;
	harness_step(h, &ev);
	free(p);
	harness_turn(h, 0);
}

/*
 * Asks (VERB and fields as text) and returns the final reply without its tag,
 * "" where there was none. Clears what was noted before.
 */
__attribute__((format(printf, 4, 5))) static inline const char *
harness_ask(struct harness *h, struct peer peer, enum side side,
    const char *format, ...)
{
	char text[LINE_MAX_LEN], tag[TAG_MAX_LEN + 1];
	size_t len = (size_t)snprintf(tag, sizeof(tag), "q%u", ++h->tags);
	va_list ap;

	harness_clear(h);
	snprintf(text, sizeof(text), "%s ", tag);
	va_start(ap, format);
	vsnprintf(text + len + 1, sizeof(text) - len - 1, format, ap);
	va_end(ap);
	harness_line(h, peer, side, VERB_UNKNOWN, text);
	for (uint32_t i = h->sent_count; i-- > 0;) {
		const char *line = h->sent[i].text;

		if (strncmp(line, tag, len) == 0 && line[len] == ' ' &&
		    strncmp(line + len + 1, "ROW", 3) != 0)
			return line + len + 1;
	}
	return "";
}
#define down(h, peer, ...) harness_ask((h), (peer), SIDE_DOWN, __VA_ARGS__)
#define teller(h, ...) harness_ask((h), TELLER, SIDE_TELLER, __VA_ARGS__)

/* The value of a field in a line, or "". */
static inline const char *
field(const char *line, const char *key)
{
	static char values[8][LINE_MAX_LEN];
	static uint32_t turn;
	char *value = values[turn++ % 8], lead[KEY_MAX_LEN + 3];
	const char *at;

	value[0] = '\0';
	snprintf(lead, sizeof(lead), " %s=", key);
	at = strstr(line, lead);
	if (at != NULL) {
		at += strlen(lead);
		memcpy(value, at, strcspn(at, " "));
		value[strcspn(at, " ")] = '\0';
	}
	return value;
}

/*
 * What a request led to, in short: the records, then OK, the code of an ERR
 * (HEURISTIC with its outcome), CLOSE, or "-".
 */
static inline const char *
outcome(const struct harness *h, const char *reply)
{
	static char text[2 * LINE_MAX_LEN];

	snprintf(text, sizeof(text), "%s%s%s", h->appended,
	    h->appended[0] != '\0' ? " " : "",
	    h->closed > 0                       ? "CLOSE"
		: strncmp(reply, "ERR", 3) == 0 ? field(reply, "code")
		: strncmp(reply, "OK", 2) == 0  ? "OK"
						: "-");
	if (strcmp(field(reply, "outcome"), "") != 0 &&
	    strncmp(reply, "ERR", 3) == 0) {
		strlcat(text, ":", sizeof(text));
		strlcat(text, field(reply, "outcome"), sizeof(text));
	}
	return text;
}

/* ---- Connections ---- */

static inline void
harness_hello(struct harness *h, struct peer peer, const char *node,
    uint64_t epoch, uint32_t window)
{
	char text[512];

	harness_clear(h);
	snprintf(text, sizeof(text),
	    "i0 OK proto=1 node=%s server=test window=%u "
	    "time=2026-01-01T00:00:00.000000Z epoch=%llu heartbeat=5",
	    node, window, (unsigned long long)epoch);
	harness_line(h, peer, SIDE_UP, VERB_UP_HELLO, text);
}

/* The tag of the last line sent whose verb is `word`, or "". */
static inline const char *
harness_asked(const struct harness *h, const char *word, const char *id)
{
	static char tag[TAG_MAX_LEN + 1];

	tag[0] = '\0';
	for (uint32_t i = 0; i < h->sent_count; i++) {
		const char *line = h->sent[i].text;
		size_t len = strcspn(line, " ");

		if (strncmp(line + len + 1, word, strlen(word)) == 0 &&
		    (id == NULL || strcmp(field(line, "id"), id) == 0)) {
			memcpy(tag, line, len);
			tag[len] = '\0';
		}
	}
	return tag;
}

static inline struct peer
harness_gateway(
    struct harness *h, uint32_t slot, const char *node, uint64_t epoch)
{
	static uint32_t generation;
	struct peer peer = {slot, ++generation};
	char text[64];

	harness_hello(h, peer, node, epoch, 1000);
	snprintf(
	    text, sizeof(text), "%s OK", harness_asked(h, "REGISTER", NULL));
	CHECK(text[0] != ' ');
	harness_line(h, peer, SIDE_UP, VERB_UP_REGISTER, text);
	return peer;
}

static inline void
harness_down(struct harness *h, struct peer peer)
{
	struct event ev = {.kind = EV_PEER_DOWN, .peer = peer};

	harness_step(h, &ev);
}

/* ---- Life ---- */

static inline void
harness_replay(const struct harness *h, struct ledger *l)
{
	struct actions *actions = malloc(sizeof(*actions));

	CHECK(actions != NULL);
	for (uint32_t i = 0; i < h->count; i++) {
		struct parsed *p = harness_read(h, i);
		struct record record = harness_record(h, i, p);
		struct event ev = {.kind = EV_RECORD, .record = &record};

		actions->count = 0;
		ledger_step(l, &ev, actions);
		if (actions->count > 0)
			printf("# %s\n", actions->at[0].text);
		CHECK(actions->count == 0);
		free(p);
	}
	free(actions);
}

static inline void
harness_start(struct harness *h)
{
	struct event ev = {.kind = EV_REPLAYED};
	struct id journal = {{9}};

	h->l = ledger_new(&h->conf);
	CHECK(h->l != NULL);
	ledger_set_journal(h->l, &journal);
	harness_replay(h, h->l);
	harness_step(h, &ev);
	harness_flush(h);
	harness_turn(h, 0);
	harness_clear(h);
}

static inline void
harness_init(struct harness *h, const struct ledger_conf *conf)
{
	memset(h, 0, sizeof(*h));
	h->conf = *conf;
	h->mono_ns = SECOND;
	h->wall_us = INT64_C(1800000000000000);
	harness_start(h);
}

/* A crash tears the newest record away. */
static inline void
harness_tear(struct harness *h)
{
	CHECK(h->count > 0);
	free(h->records[--h->count].text);
}

static inline void
harness_restart(struct harness *h)
{
	ledger_free(h->l);
	harness_start(h);
}

static inline void
harness_free(struct harness *h)
{
	ledger_free(h->l);
	for (uint32_t i = 0; i < h->count; i++)
		free(h->records[i].text);
	free(h->records);
	free(h->sent);
}

struct dump {
	char *text;
	size_t len, size;
};

static inline void
dump_row(void *ctx, const char *text)
{
	struct dump *d = ctx;
	size_t len = strlen(text);

	if (d->len + len + 2 > d->size) {
		d->size = (d->len + len + 2) * 2;
		d->text = realloc(d->text, d->size);
		CHECK(d->text != NULL);
	}
	memcpy(d->text + d->len, text, len);
	d->text[d->len + len] = '\n';
	d->len += len + 1;
	d->text[d->len] = '\0';
}

static inline void
harness_core_step(void *core, const struct event *ev, struct actions *actions)
{
	ledger_step(core, ev, actions);
}

static inline bool
harness_core_lines(const void *core, snapshot_line *line, void *ctx)
{
	return ledger_snapshot(core, line, ctx);
}

struct harness_loader {
	const struct harness *h;
	struct parsed *parsed;
	struct record record;
};

static inline const struct record *
harness_load(void *ctx, uint64_t seq)
{
	struct harness_loader *loader = ctx;
	uint32_t index = (uint32_t)seq - 1;

	free(loader->parsed);
	loader->parsed = harness_read(loader->h, index);
	loader->record = harness_record(loader->h, index, loader->parsed);
	return &loader->record;
}

/* Is every id of the journal remembered alike? */
static inline bool
harness_same_ids(
    const struct harness *h, const struct ledger *a, const struct ledger *b)
{
	bool same = true;

	for (uint32_t i = 0; i < h->count && same; i++) {
		struct parsed *p = harness_read(h, i);
		const struct id *id = &p->msg.v[KEY_id].id;
		struct jpos x = JPOS_NONE, y = JPOS_NONE;

		if (msg_has(&p->msg, id))
			same = ledger_remembered(a, id, &x) ==
				ledger_remembered(b, id, &y) &&
			    x.segment == y.segment && x.offset == y.offset;
		if (!same)
			printf(
			    "# remembered otherwise: %s\n", h->records[i].text);
		free(p);
	}
	return same;
}

/*
 * Does a start from a snapshot, taken after so many records, give the state
 * that a replay of all gives? From the live state, too, where it is the newest.
 */
static inline bool
harness_same_from_snapshot(const struct harness *h, uint32_t split,
    const struct ledger *all, const char *replayed)
{
	struct harness_loader loader = {h, NULL, {0}};
	const struct snapshot_core sc = {harness_core_step, ledger_note,
	    harness_core_lines, harness_load, &loader, 0, 0};
	struct ledger *l = ledger_new(&h->conf), *then = ledger_new(&h->conf);
	struct harness cut = *h;
	struct dump restored = {0};
	bool same;

	CHECK(l != NULL && then != NULL);
	cut.count = split;
	harness_replay(&cut, then);
	same = snapshot_start(
	    &sc, split == h->count ? h->l : then, l, split, h->count);
	ledger_dump(l, dump_row, &restored);
	ledger_check(l);
	same = same && strcmp(replayed, restored.text) == 0 &&
	    harness_same_ids(h, all, l);
	if (!same)
		printf("# replayed:\n%s# from a snapshot after %u of %u:\n%s",
		    replayed, split, h->count, restored.text);
	free(loader.parsed);
	free(restored.text);
	ledger_free(l);
	ledger_free(then);
	return same;
}

/* Do replaying the journal, and starting from snapshots, give the very same
 * state? */
static inline bool
harness_same_after_replay(const struct harness *h)
{
	struct ledger *l = ledger_new(&h->conf);
	struct dump live = {0}, replayed = {0};
	bool same;

	CHECK(l != NULL);
	harness_replay(h, l);
	ledger_dump(h->l, dump_row, &live);
	ledger_dump(l, dump_row, &replayed);
	ledger_check(h->l);
	ledger_check(l);
	same = strcmp(live.text, replayed.text) == 0;
	if (!same)
		printf("# live:\n%s# replayed:\n%s", live.text, replayed.text);
	for (uint32_t part = 0; part <= 4; part++)
		same = same &&
		    harness_same_from_snapshot(
			h, h->count * part / 4, l, replayed.text);
	free(live.text);
	free(replayed.text);
	ledger_free(l);
	return same;
}

/* ---- Money ---- */

static inline const char *
uuid(uint32_t n)
{
	static char texts[8][ID_TEXT_LEN + 1];
	static uint32_t turn;
	char *text = texts[turn++ % 8];

	snprintf(text, ID_TEXT_LEN + 1, "00000000-0000-4000-8000-%012x", n);
	return text;
}

static inline void
harness_account(struct harness *h, const char *name, const char *currency,
    int64_t balance, int64_t overdraft)
{
	static uint32_t next = 0xa0000000;
	const char *reply = teller(h, "OPEN name=%s currency=%s overdraft=%lld",
	    name, currency, (long long)overdraft);

	CHECK(strncmp(reply, "OK", 2) == 0);
	if (balance > 0) {
		reply =
		    teller(h, "DEPOSIT id=%s name=%s amount=%lld currency=%s",
			uuid(next++), name, (long long)balance, currency);
		CHECK(strncmp(reply, "OK", 2) == 0);
	}
}

static inline int64_t
posted(const struct harness *h, const char *name)
{
	struct ledger_account account;

	return ledger_account(h->l, str_from(name), &account) ? account.posted
							      : 0;
}

static inline int64_t
held(const struct harness *h, const char *name)
{
	struct ledger_account account;

	return ledger_account(h->l, str_from(name), &account) ? account.held
							      : 0;
}

#endif

/*
 * A shell around lib/coord for tests, without disk, socket or clock. Its
 * journal is an array of encoded records with made-up positions and checks;
 * what the core sends is kept as lines, decoded from the wire as a real shell
 * would; the banks are played here and answer as a test tells them to. A crash
 * throws the core and what was not durable away and replays the rest into a new
 * core.
 */
#ifndef STRIFE_T_COORD_HARNESS_H
#define STRIFE_T_COORD_HARNESS_H

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/hex.h"
#include "coord/coord.h"
#include "snapshot_start.h"
#include "tap.h"
#include "wire/tag.h"

#define WORLD_BANKS 8
#define WORLD_START_US INT64_C(1700000000000000)
#define SECOND_NS INT64_C(1000000000)
#define SEGMENT_RECORDS 64 /* of the made-up positions */
#define CONTROL_SLOT 200
#define DEPTH_MAX 6

struct stored {
	char *line; /* without its LF */
	struct check check;
	int64_t time_us;
};

/* A line that the core sent: still waiting for its record, or delivered. */
struct heard {
	struct peer peer;
	uint64_t after_seq;
	char *text;
	bool seen; /* by the test */
	bool done; /* answered by the bank */
};

struct heards {
	struct heard *at;
	size_t count, size;
};

enum fake_state { FAKE_PREPARED, FAKE_COMMITTED, FAKE_ABORTED };

struct fake_branch {
	char id[ID_TEXT_LEN + 1];
	char branch[BRANCH_TEXT_MAX + 1];
	char peer[ACCOUNT_MAX_LEN + 1];
	enum fake_state state;
};

struct fake_bank {
	char name[BANK_MAX_LEN + 1];
	char journal[ID_TEXT_LEN + 1];
	struct peer peer;
	bool up; /* connected and registered */
	uint32_t window;
	bool silent;           /* does not answer PREPARE */
	bool deaf;             /* does not acknowledge COMMIT */
	bool mute;             /* answers nothing at all */
	const char *no;        /* refuses with this code */
	const char *no_commit; /* answers COMMIT with this code */
	const char *no_abort;
	uint64_t seq;      /* of its journal */
	uint64_t shown;    /* with PROOF_BAD: the record of ours; 0: 999 */
	uint64_t told_seq; /* newest record of the gateway it was told of */
	char told_check[33];
	uint32_t prepares, commits, aborts; /* requests heard */
	struct fake_branch *branches;
	size_t branch_count;
};

struct world {
	struct coord *coord;
	struct coord_conf conf;
	bool truncated; /* the next start cuts a torn tail */
	struct stored *journal;
	uint64_t count, durable, told;
	struct heards waiting, out;
	struct peer closed[64]; /* the last ones */
	uint32_t closed_count;
	struct peer down[64]; /* to be told of by EV_PEER_DOWN */
	uint32_t down_count;
	char logs[32][192];
	enum action_level levels[32];
	uint32_t log_count;
	char fail[192];
	int64_t mono_ns, wall_us;
	bool no_rights;      /* the sessions have no rights to the payer */
	uint32_t unreadable; /* reads fail from the so many-th on; 0: none */
	uint32_t steps, checks_every;
	uint32_t actions_most;
	struct fake_bank banks[WORLD_BANKS];
	uint32_t bank_count;
	uint32_t tag;
};

/* ---- Text ---- */

static inline const char *
id_of(uint64_t n)
{
	static char texts[8][ID_TEXT_LEN + 1];
	static unsigned next;
	char *text = texts[next++ % 8];

	snprintf(text, ID_TEXT_LEN + 1,
	    "%08" PRIx64 "-0000-4000-8000-%012" PRIx64, n & UINT32_MAX,
	    n & UINT64_C(0xffffffffffff));
	return text;
}

/* The value of a field of a line, "" where it has none. */
static inline const char *
field(const char *line, const char *key)
{
	static char values[8][LINE_MAX_LEN];
	static unsigned next;
	char *into = values[next++ % 8];
	char lead[KEY_MAX_LEN + 3];
	const char *at;
	size_t len;

	into[0] = '\0';
	snprintf(lead, sizeof(lead), " %s=", key);
	at = strstr(line, lead);
	if (at == NULL)
		return into;
	at += strlen(lead);
	len = strcspn(at, " \n");
	memcpy(into, at, len);
	into[len] = '\0';
	return into;
}

/* Are these words, one space apart, all words of the line? */
static inline bool
has_words(const char *line, const char *words)
{
	char copy[512], *save = NULL;

	CHECK(strlen(words) < sizeof(copy));
	strcpy(copy, words);
	for (char *w = strtok_r(copy, " ", &save); w != NULL;
	     w = strtok_r(NULL, " ", &save)) {
		const char *at = line;
		size_t len = strlen(w);

		for (; (at = strstr(at, w)) != NULL; at++)
			if ((at == line || at[-1] == ' ') &&
			    (at[len] == '\0' || at[len] == ' '))
				break;
		if (at == NULL)
			return false;
	}
	return true;
}

/* ---- Lists of lines ---- */

static inline struct heard *
heards_add(struct heards *list, struct peer peer, uint64_t after, char *text)
{
	if (list->count == list->size) {
		list->size = list->size == 0 ? 64 : list->size * 2;
		list->at = realloc(list->at, list->size * sizeof(*list->at));
		CHECK(list->at != NULL);
	}
	list->at[list->count] =
	    (struct heard){.peer = peer, .after_seq = after, .text = text};
	return &list->at[list->count++];
}

static inline void
heards_clear(struct heards *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->at[i].text);
	free(list->at);
	*list = (struct heards){NULL, 0, 0};
}

/* ---- The journal ---- */

static inline struct jpos
pos_of(uint64_t seq)
{
	return (struct jpos){seq, 1 + (uint32_t)((seq - 1) / SEGMENT_RECORDS),
	    (uint32_t)((seq - 1) % SEGMENT_RECORDS) * 100};
}

static inline void
store(struct world *w, struct msg *m, int64_t wall_us)
{
	static const struct hash_key one = {{1, 2}}, two = {{3, 4}};
	char text[LINE_MAX_LEN], chained[LINE_MAX_LEN + 32];
	struct stored *s;
	uint64_t half[2] = {0, 0};
	size_t len;
	int n;

	if ((w->count & (w->count - 1)) == 0) {
		w->journal = realloc(w->journal,
		    (w->count == 0 ? 1 : 2 * w->count) * sizeof(*w->journal));
		CHECK(w->journal != NULL);
	}
	s = &w->journal[w->count];
	snprintf(m->tag, sizeof(m->tag), "%" PRIu64, w->count + 1);
	msg_set_i64(m, KEY_time, wall_us);
	msg_set_u64(m, KEY_flushed, w->durable);
	len = msg_encode_bare(m, text, sizeof(text) - 1);
	CHECK(len > 0);
	text[len] = '\0';
	if (w->count > 0)
		memcpy(half, w->journal[w->count - 1].check.octets, 16);
	n = snprintf(chained, sizeof(chained), "%" PRIx64 "%" PRIx64 " %s",
	    half[0], half[1], text);
	CHECK(n > 0);
	half[0] = hash_octets(&one, chained, (size_t)n);
	half[1] = hash_octets(&two, chained, (size_t)n);
	memcpy(s->check.octets, half, sizeof(half));
	s->line = strdup(text);
	s->time_us = wall_us;
	w->count++;
}

/* Decodes a stored record; line and msg are the caller's. */
static inline bool
load(const struct world *w, struct jpos pos, struct line *line, struct msg *msg,
    struct record *record)
{
	uint64_t seq = (uint64_t)(pos.segment - 1) * SEGMENT_RECORDS +
	    pos.offset / 100 + 1;
	struct msg_problem problem;

	if (pos.segment == 0 || pos.offset % 100 != 0 ||
	    pos.offset / 100 >= SEGMENT_RECORDS || seq > w->count)
		return false;
	CHECK(line_split(line, str_from(w->journal[seq - 1].line)) == LINE_OK);
	CHECK(
	    msg_request(msg, line, SIDE_GATEWAY_JOURNAL, &problem) == LINE_OK);
	*record = (struct record){msg, pos_of(seq), w->journal[seq - 1].check};
	return true;
}

/* ---- Carrying out actions ---- */

static inline void world_step(struct world *, struct event *, uint32_t depth);

static inline struct fake_bank *
bank_of(struct world *w, struct peer peer)
{
	for (uint32_t i = 0; i < w->bank_count; i++)
		if (w->banks[i].up && peer_eq(w->banks[i].peer, peer))
			return &w->banks[i];
	return NULL;
}

static inline void
send(struct world *w, const struct action *a)
{
	char text[LINE_MAX_LEN];
	size_t len = msg_encode(&a->msg, text);

	CHECK(a->peer.slot != PEER_NONE.slot);
	if (len == 0)
		printf("# cannot encode verb %s word %d\n",
		    verb_info(a->msg.verb)->word, (int)a->msg.word);
	CHECK(len > 0);
	text[len - 1] = '\0';
	heards_add(&w->waiting, a->peer, a->after_seq, strdup(text));
}

/* Lines to one peer stay in order, whatever they wait for. */
static inline void
deliver(struct world *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->waiting.count; i++) {
		struct heard h = w->waiting.at[i];
		bool behind = h.after_seq > w->durable;

		for (size_t k = 0; k < kept; k++)
			behind |= peer_eq(w->waiting.at[k].peer, h.peer);
		if (behind)
			w->waiting.at[kept++] = h;
		else
			heards_add(&w->out, h.peer, 0, h.text);
	}
	w->waiting.count = kept;
}

static inline bool
can_read(struct world *w)
{
	if (w->unreadable > 1)
		w->unreadable--;
	else
		return w->unreadable == 0;
	return true;
}

static inline bool
carry(struct world *w, struct event *ev, struct actions *actions,
    struct line *line, struct msg *msg, struct record *record, uint32_t depth)
{
	CHECK(actions->count <= ACTIONS_STEP_MAX);
	if (actions->count > w->actions_most)
		w->actions_most = actions->count;
	for (uint32_t i = 0; i < actions->count; i++) {
		struct action *a = &actions->at[i];

		switch (a->kind) {
		case AC_APPEND: {
			struct event back = *ev;
			struct record r;

			store(w, &a->msg, ev->wall_us);
			r = (struct record){&a->msg, pos_of(w->count),
			    w->journal[w->count - 1].check};
			back.kind = EV_RECORD;
			back.record = &r;
			CHECK(depth + 1 < DEPTH_MAX);
			world_step(w, &back, depth + 1);
			break;
		}
		case AC_SEND:
			send(w, a);
			break;
		case AC_READ:
			CHECK(i + 1 == actions->count);
			ev->kind = EV_READ;
			ev->record =
			    can_read(w) && load(w, a->pos, line, msg, record)
			    ? record
			    : NULL;
			return true;
		case AC_CLOSE:
			CHECK(w->down_count < 64);
			w->closed[w->closed_count++ % 64] = a->peer;
			w->down[w->down_count++] = a->peer;
			break;
		case AC_LOG:
			snprintf(
			    w->logs[w->log_count % 32], 192, "%s", a->text);
			w->levels[w->log_count++ % 32] = a->level;
			break;
		case AC_FAIL:
			snprintf(w->fail, sizeof(w->fail), "%s", a->text);
			break;
		}
	}
	return false;
}

static inline void
world_step(struct world *w, struct event *first, uint32_t depth)
{
	struct actions *actions = malloc(sizeof(*actions));
	struct line *line = malloc(sizeof(*line));
	struct msg *msg = malloc(sizeof(*msg));
	struct record record;
	struct event ev = *first;

	CHECK(actions != NULL && line != NULL && msg != NULL);
	do {
		actions->count = 0;
		coord_step(w->coord, &ev, actions);
	} while (carry(w, &ev, actions, line, msg, &record, depth));
	free(actions);
	free(line);
	free(msg);
	if (depth == 0 && w->checks_every > 0 &&
	    ++w->steps % w->checks_every == 0)
		coord_check(w->coord);
}

static inline void
give(struct world *w, struct event *ev)
{
	ev->mono_ns = w->mono_ns;
	ev->wall_us = w->wall_us;
	world_step(w, ev, 0);
	deliver(w);
	while (w->down_count > 0) {
		struct event down = {.kind = EV_PEER_DOWN,
		    .peer = w->down[--w->down_count],
		    .mono_ns = w->mono_ns,
		    .wall_us = w->wall_us};
		struct fake_bank *b = bank_of(w, down.peer);

		if (b != NULL) {
			b->up = false;
			down.user = str_from(b->name);
		} else if (down.peer.slot < w->bank_count) {
			down.user = str_from(w->banks[down.peer.slot].name);
		}
		world_step(w, &down, 0);
		deliver(w);
	}
}

/* ---- Time ---- */

static inline void
ticks(struct world *w)
{
	struct event ev = {.kind = EV_TICK};
	uint32_t n = 0;

	ev.kind = EV_TICK;
	do {
		ev.kind = EV_TICK;
		give(w, &ev);
		CHECK(++n < 1000000);
	} while (coord_more(w->coord) || coord_next_ns(w->coord) <= w->mono_ns);
}

static inline void
durable(struct world *w)
{
	struct event ev = {.kind = EV_DURABLE};

	w->durable = w->count;
	ev.durable_seq = w->durable;
	give(w, &ev);
	ticks(w);
}

static inline void
pass_ns(struct world *w, int64_t ns)
{
	w->mono_ns += ns;
	w->wall_us += ns / 1000;
	w->wall_us += 1;
}

/* ---- The core's life ---- */

static inline void
replay(struct world *w, struct coord *c)
{
	struct line *line = malloc(sizeof(*line));
	struct msg *msg = malloc(sizeof(*msg));
	struct actions *actions = malloc(sizeof(*actions));
	struct record record;

	CHECK(line != NULL && msg != NULL && actions != NULL);
	for (uint64_t seq = 1; seq <= w->count; seq++) {
		struct event ev = {.kind = EV_RECORD,
		    .record = &record,
		    .mono_ns = w->mono_ns,
		    .wall_us = w->wall_us};

		CHECK(load(w, pos_of(seq), line, msg, &record));
		actions->count = 0;
		coord_step(c, &ev, actions);
		if (actions->count > 0)
			printf("# replay of %s: %s\n", w->journal[seq - 1].line,
			    actions->at[0].text);
		CHECK(actions->count == 0);
	}
	free(line);
	free(msg);
	free(actions);
}

static inline void
start(struct world *w)
{
	struct event ev = {.kind = EV_REPLAYED};

	w->coord = coord_new(&w->conf);
	CHECK(w->coord != NULL);
	replay(w, w->coord);
	coord_check(w->coord);
	if (w->truncated)
		coord_set_truncated(w->coord);
	w->truncated = false;
	give(w, &ev);
	durable(w);
}

static inline struct coord_conf
default_conf(void)
{
	struct coord_conf conf = {.node = "gw",
	    .agent = "test/1",
	    .in_flight_max = 64,
	    .per_bank_max = 64,
	    .per_user_max = 64,
	    .held_max = 32,
	    .tombstones_max = 1024,
	    .heuristics_max = 1024,
	    .revoked_users_max = 4096,
	    .banks_max = 4,
	    .window_max = 32,
	    .remembered_max = 100000,
	    .prepare_timeout_ns = 5 * SECOND_NS,
	    .held_expiry_ns = 3600 * SECOND_NS,
	    .key = {{11, 22}}};

	return conf;
}

static inline struct world *
world_new(const struct coord_conf *conf)
{
	struct world *w = calloc(1, sizeof(*w));

	CHECK(w != NULL);
	/* What was printed before a CHECK fails is not lost. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	w->conf = conf == NULL ? default_conf() : *conf;
	w->mono_ns = 1000 * SECOND_NS;
	w->wall_us = WORLD_START_US;
	w->checks_every = 1;
	start(w);
	return w;
}

/* Drops what was not durable and all connections; a new core replays. */
static inline void
crash(struct world *w)
{
	coord_free(w->coord);
	while (w->count > w->durable)
		free(w->journal[--w->count].line);
	heards_clear(&w->waiting);
	for (size_t i = 0; i < w->out.count; i++)
		w->out.at[i].done = true;
	for (uint32_t i = 0; i < w->bank_count; i++)
		w->banks[i].up = false;
	w->down_count = 0;
	start(w);
}

static inline void
world_free(struct world *w)
{
	coord_free(w->coord);
	for (uint64_t i = 0; i < w->count; i++)
		free(w->journal[i].line);
	free(w->journal);
	heards_clear(&w->waiting);
	heards_clear(&w->out);
	for (uint32_t i = 0; i < w->bank_count; i++)
		free(w->banks[i].branches);
	free(w);
}

/* ---- Lines in ---- */

/* A request of a side, as a shell would give it. */
static inline void
request(struct world *w, enum side side, struct peer peer, const char *user,
    const char *text)
{
	static struct line line;
	struct msg msg;
	struct msg_problem problem;
	struct event ev = {.kind = EV_MSG, .peer = peer, .msg = &msg};

	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	if (msg_request(&msg, &line, side, &problem) != LINE_OK) {
		printf("# %s: %s\n", text, problem.text);
		CHECK_UNREACHABLE("a request in good order");
	}
	ev.user = str_from(user);
	ev.who = STR("uid=0");
	ev.may_pay_from = !w->no_rights;
	ev.window = 16;
	give(w, &ev);
}

static inline struct peer
client_peer(uint32_t n)
{
	return (struct peer){100 + n, 1};
}

static inline struct peer
control_peer(void)
{
	return (struct peer){CONTROL_SLOT, 1};
}

__attribute__((format(printf, 4, 5))) static inline void
client(struct world *w, uint32_t n, const char *user, const char *format, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	request(w, SIDE_CLIENT, client_peer(n), user, text);
}

__attribute__((format(printf, 2, 3))) static inline void
control(struct world *w, const char *format, ...)
{
	char text[LINE_MAX_LEN];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	request(w, SIDE_CONTROL, control_peer(), "", text);
}

/* A reply, or request, of a bank. */
static inline void
bank_says(struct world *w, struct fake_bank *b, const char *text)
{
	static struct line line;
	struct msg msg;
	struct msg_problem problem;
	struct event ev = {.kind = EV_MSG, .peer = b->peer, .msg = &msg};

	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	if (!line_is_reply(&line)) {
		request(w, SIDE_UP, b->peer, b->name, text);
		return;
	}
	if (msg_reply(&msg, &line, tag_verb(SIDE_DOWN, line.tag), &problem) !=
	    LINE_OK) {
		printf("# %s: %s\n", text, problem.text);
		CHECK_UNREACHABLE("a reply in good order");
	}
	ev.user = str_from(b->name);
	give(w, &ev);
}

/* ---- Lines out ---- */

/* The next line to this peer that the test has not seen, or "". */
static inline const char *
next_line(struct world *w, struct peer peer)
{
	for (size_t i = 0; i < w->out.count; i++) {
		struct heard *h = &w->out.at[i];

		if (!h->seen && peer_eq(h->peer, peer)) {
			h->seen = true;
			return h->text;
		}
	}
	return "";
}

static inline void
tap_says(int at, const char *line, const char *words, const char *what)
{
	if (!tap_result(has_words(line, words), at, "%s", what))
		printf("#  got: %s\n# want: %s\n", line, words);
}

/* The next line to client n has these words, in any order. */
#define answered(w, n, words, what) \
	tap_says(__LINE__, next_line((w), client_peer(n)), (words), (what))
#define operator_hears(w, words, what) \
	tap_says(__LINE__, next_line((w), control_peer()), (words), (what))
#define quiet_to(w, n, what) \
	tap_is_text(__LINE__, next_line((w), client_peer(n)), "", (what))

static inline bool
was_closed(struct world *w, struct peer peer)
{
	for (uint32_t i = 0; i < w->closed_count && i < 64; i++)
		if (peer_eq(w->closed[i], peer))
			return true;
	return false;
}

static inline bool
was_logged(struct world *w, enum action_level level, const char *part)
{
	for (uint32_t i = 0; i < w->log_count && i < 32; i++)
		if (w->levels[i] == level && strstr(w->logs[i], part) != NULL)
			return true;
	return false;
}

/* How many records of this kind the journal holds for the id ("": for any). */
static inline uint32_t
records(const struct world *w, const char *kind, const char *id)
{
	uint32_t n = 0;

	for (uint64_t i = 0; i < w->count; i++) {
		char words[LINE_MAX_LEN + 64];

		snprintf(words, sizeof(words), "%s%s%s", kind,
		    id[0] == '\0' ? "" : " id=", id);
		n += has_words(w->journal[i].line, words) ? 1 : 0;
	}
	return n;
}

/* ---- Banks ---- */

static inline struct fake_bank *
bank_new(struct world *w, const char *name)
{
	struct fake_bank *b = &w->banks[w->bank_count];

	CHECK(w->bank_count < WORLD_BANKS);
	snprintf(b->name, sizeof(b->name), "%s", name);
	snprintf(b->journal, sizeof(b->journal), "%s",
	    id_of(UINT64_C(0xb0000) + w->bank_count));
	b->peer = (struct peer){w->bank_count, 0};
	b->window = 16;
	b->seq = 10;
	w->bank_count++;
	return b;
}

/* Connects and asks to be registered. */
static inline void
bank_knock(struct world *w, struct fake_bank *b, enum proof proof)
{
	static struct line line;
	struct msg msg;
	struct msg_problem problem;
	struct event ev = {.kind = EV_MSG, .msg = &msg, .proof = proof};
	char text[LINE_MAX_LEN], shown[96] = "";

	b->peer.generation++;
	b->up = true;
	if (proof == PROOF_BAD)
		snprintf(shown, sizeof(shown),
		    " gateway_seq=%" PRIu64 " gateway_check=%032d",
		    b->shown == 0 ? 999 : b->shown, 0);
	snprintf(text, sizeof(text),
	    "j0 REGISTER bank=%s boot=1 seq=%" PRIu64 " journal=%s%s", b->name,
	    b->seq, b->journal, shown);
	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	CHECK(msg_request(&msg, &line, SIDE_UP, &problem) == LINE_OK);
	ev.peer = b->peer;
	ev.user = str_from(b->name);
	ev.window = b->window;
	give(w, &ev);
}

/* Connects and registers; returns the answer. */
static inline const char *
bank_register(struct world *w, struct fake_bank *b, enum proof proof)
{
	const char *answer;

	bank_knock(w, b, proof);
	ticks(w);
	durable(w);
	answer = next_line(w, b->peer);
	if (!has_words(answer, "OK"))
		b->up = false;
	return answer;
}

static inline void
bank_up(struct world *w, struct fake_bank *b)
{
	CHECK(has_words(
	    bank_register(w, b, b->told_seq > 0 ? PROOF_GOOD : PROOF_NONE),
	    "OK"));
}

/* The connection breaks; what was under way on it is lost. */
static inline void
bank_down(struct world *w, struct fake_bank *b)
{
	struct event ev = {.kind = EV_PEER_DOWN, .peer = b->peer};

	for (size_t i = 0; i < w->out.count; i++)
		if (peer_eq(w->out.at[i].peer, b->peer))
			w->out.at[i].done = true;
	b->up = false;
	ev.user = str_from(b->name);
	give(w, &ev);
	ticks(w);
}

static inline struct fake_branch *
bank_branch(struct fake_bank *b, const char *branch)
{
	for (size_t i = b->branch_count; i > 0; i--)
		if (strcmp(b->branches[i - 1].branch, branch) == 0)
			return &b->branches[i - 1];
	return NULL;
}

static inline struct fake_branch *
bank_branch_add(struct fake_bank *b, const char *request_text)
{
	struct fake_branch *f;

	if ((b->branch_count & (b->branch_count - 1)) == 0) {
		b->branches = realloc(b->branches,
		    (b->branch_count == 0 ? 1 : 2 * b->branch_count) *
			sizeof(*f));
		CHECK(b->branches != NULL);
	}
	f = &b->branches[b->branch_count++];
	snprintf(f->id, sizeof(f->id), "%s", field(request_text, "id"));
	snprintf(
	    f->branch, sizeof(f->branch), "%s", field(request_text, "branch"));
	snprintf(f->peer, sizeof(f->peer), "%s", field(request_text, "peer"));
	f->state = FAKE_ABORTED;
	return f;
}

static inline void
bank_refuses(struct world *w, struct fake_bank *b, const char *tag,
    const char *code, const char *more)
{
	char text[512];

	snprintf(text, sizeof(text), "%s ERR code=%s retry=never text=no%s",
	    tag, code, more);
	bank_says(w, b, text);
}

static inline void
bank_confirms(
    struct world *w, struct fake_bank *b, const char *asked, const char *more)
{
	char text[1024];
	size_t tag = strcspn(asked, " ");

	snprintf(text, sizeof(text),
	    "%.*s OK id=%s branch=%s%s seq=%" PRIu64 " check=%032" PRIx64,
	    (int)tag, asked, field(asked, "id"), field(asked, "branch"), more,
	    b->seq, b->seq);
	bank_says(w, b, text);
}

static inline void
bank_votes(
    struct world *w, struct fake_bank *b, const char *asked, const char *tag)
{
	struct fake_branch *f = bank_branch(b, field(asked, "branch"));

	if (f == NULL)
		f = bank_branch_add(b, asked);
	if (b->no != NULL) {
		bank_refuses(w, b, tag, b->no, "");
		return;
	}
	f->state = FAKE_PREPARED;
	b->seq++;
	bank_confirms(w, b, asked, " vote=yes");
}

static inline void
bank_commits(
    struct world *w, struct fake_bank *b, const char *asked, const char *tag)
{
	struct fake_branch *f = bank_branch(b, field(asked, "branch"));

	if (b->no_commit != NULL) {
		bank_refuses(w, b, tag, b->no_commit,
		    strcmp(b->no_commit, "HEURISTIC") == 0 ? " outcome=aborted"
							   : "");
		return;
	}
	if (f == NULL || f->state == FAKE_ABORTED) {
		bank_refuses(w, b, tag, "NOT_FOUND", "");
		return;
	}
	f->state = FAKE_COMMITTED;
	b->told_seq = strtoull(field(asked, "seq"), NULL, 10);
	snprintf(
	    b->told_check, sizeof(b->told_check), "%s", field(asked, "check"));
	b->seq++;
	bank_confirms(w, b, asked, "");
}

static inline void
bank_aborts(
    struct world *w, struct fake_bank *b, const char *asked, const char *tag)
{
	struct fake_branch *f = bank_branch(b, field(asked, "branch"));
	char text[512];

	if (b->no_abort != NULL) {
		bank_refuses(w, b, tag, b->no_abort,
		    strcmp(b->no_abort, "HEURISTIC") == 0 ? " outcome=committed"
							  : "");
		return;
	}
	if (f != NULL && f->state == FAKE_COMMITTED) {
		bank_refuses(w, b, tag, "NOT_FOUND", "");
		return;
	}
	if (f != NULL)
		f->state = FAKE_ABORTED;
	snprintf(text, sizeof(text), "%s OK id=%s branch=%s", tag,
	    field(asked, "id"), field(asked, "branch"));
	bank_says(w, b, text);
}

/* Answers one line, or leaves it where the test said so. */
static inline bool
bank_answer(struct world *w, struct fake_bank *b, size_t i)
{
	char asked[LINE_MAX_LEN], tag[TAG_MAX_LEN + 1];

	snprintf(asked, sizeof(asked), "%s", w->out.at[i].text);
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	if (b->mute)
		return false;
	if (has_words(asked, "PREPARE")) {
		if (b->silent)
			return false;
		w->out.at[i].done = true;
		b->prepares++;
		bank_votes(w, b, asked, tag);
	} else if (has_words(asked, "COMMIT")) {
		if (b->deaf)
			return false;
		w->out.at[i].done = true;
		b->commits++;
		bank_commits(w, b, asked, tag);
	} else if (has_words(asked, "ABORT")) {
		w->out.at[i].done = true;
		b->aborts++;
		bank_aborts(w, b, asked, tag);
	} else {
		w->out.at[i].done = true;
		return false;
	}
	return true;
}

static inline bool
banks_answer(struct world *w)
{
	bool any = false;

	for (size_t i = 0; i < w->out.count; i++) {
		struct fake_bank *b;

		if (w->out.at[i].done)
			continue;
		b = bank_of(w, w->out.at[i].peer);
		if (b != NULL)
			any |= bank_answer(w, b, i);
	}
	return any;
}

/* Until nothing more happens by itself: everything durable, all answered. */
static inline void
quiet(struct world *w)
{
	do {
		ticks(w);
		durable(w);
	} while (
	    banks_answer(w) || coord_more(w->coord) || w->durable != w->count);
}

/* The newest request of that verb that the bank was sent, or "". */
static inline const char *
bank_asked(struct world *w, const struct fake_bank *b, const char *verb)
{
	for (size_t i = w->out.count; i > 0; i--)
		if (peer_eq(w->out.at[i - 1].peer, b->peer) &&
		    has_words(w->out.at[i - 1].text, verb))
			return w->out.at[i - 1].text;
	return "";
}

/* How many requests of that verb the bank was sent on this connection. */
static inline uint32_t
bank_heard(struct world *w, const struct fake_bank *b, const char *verb)
{
	uint32_t n = 0;

	for (size_t i = 0; i < w->out.count; i++)
		if (peer_eq(w->out.at[i].peer, b->peer) &&
		    has_words(w->out.at[i].text, verb))
			n++;
	return n;
}

/* Asks RESOLVE; returns the answer's outcome or error code. */
static inline const char *
bank_resolves(struct world *w, struct fake_bank *b, const char *id,
    const char *branch, const char *peer)
{
	char text[512], tag[16];

	snprintf(tag, sizeof(tag), "r%u", ++w->tag);
	snprintf(text, sizeof(text), "%s RESOLVE id=%s branch=%s peer=%s", tag,
	    id, branch, peer);
	bank_says(w, b, text);
	for (size_t i = w->out.count; i > 0; i--) {
		struct heard *h = &w->out.at[i - 1];

		if (!peer_eq(h->peer, b->peer) || !has_words(h->text, tag))
			continue;
		h->seen = h->done = true;
		return has_words(h->text, "ERR") ? field(h->text, "code")
						 : field(h->text, "outcome");
	}
	return "";
}

/* ---- Replay equality ---- */

struct text_buffer {
	char *at;
	size_t len, size;
};

static inline void
add_row(void *ctx, const char *text)
{
	struct text_buffer *b = ctx;
	size_t len = strlen(text);

	if (b->len + len + 2 > b->size) {
		b->size = 2 * (b->len + len + 2);
		b->at = realloc(b->at, b->size);
		CHECK(b->at != NULL);
	}
	memcpy(b->at + b->len, text, len);
	b->len += len;
	b->at[b->len++] = '\n';
	b->at[b->len] = '\0';
}

/* STATUS as the operator sees it, for a core that is no part of a world. */
static inline void
status_of(struct world *w, struct coord *c, const char *id, char *into)
{
	struct world other = *w;

	other.coord = c;
	other.waiting = other.out = (struct heards){NULL, 0, 0};
	control(&other, "s1 STATUS id=%s", id);
	CHECK(other.out.count == 1);
	snprintf(into, LINE_MAX_LEN, "%s", other.out.at[0].text);
	heards_clear(&other.out);
	heards_clear(&other.waiting);
}

/*
 * The STATUS of every id is the same before and after a restart. By design
 * there are exceptions: what is undecided is aborted by the restart (or held
 * again); and the number of attempts of a held payment is what the newest
 * record says.
 */
static inline bool
same_statuses(struct world *w, struct coord *fresh)
{
	bool same = true;

	for (uint64_t i = 0; i < w->count; i++) {
		char before[LINE_MAX_LEN], after[LINE_MAX_LEN], *cut;
		char id[ID_TEXT_LEN + 1];

		snprintf(id, sizeof(id), "%s", field(w->journal[i].line, "id"));
		if (id[0] == '\0')
			continue;
		status_of(w, w->coord, id, before);
		status_of(w, fresh, id, after);
		if (has_words(before, "state=received") ||
		    has_words(before, "state=preparing")) {
			if (!has_words(after,
				"state=aborted reason=GATEWAY_RESTART") &&
			    !has_words(after, "state=held"))
				same = false;
			continue;
		}
		if ((cut = strstr(before, " attempts=")) != NULL)
			*cut = '\0';
		if ((cut = strstr(after, " attempts=")) != NULL)
			*cut = '\0';
		if (strcmp(before, after) != 0) {
			printf("# before: %s\n#  after: %s\n", before, after);
			same = false;
		}
	}
	return same;
}

static inline void
core_step(void *core, const struct event *ev, struct actions *actions)
{
	coord_step(core, ev, actions);
}

static inline bool
core_lines(const void *core, snapshot_line *line, void *ctx)
{
	return coord_snapshot(core, line, ctx);
}

struct loader {
	struct world *w;
	struct line line;
	struct msg msg;
	struct record record;
};

static inline const struct record *
core_load(void *ctx, uint64_t seq)
{
	struct loader *l = ctx;

	CHECK(load(l->w, pos_of(seq), &l->line, &l->msg, &l->record));
	return &l->record;
}

/* Is every id of the journal remembered alike? */
static inline bool
same_ids(struct loader *l, const struct coord *a, const struct coord *b)
{
	for (uint64_t seq = 1; seq <= l->w->count; seq++) {
		const struct msg *m = core_load(l, seq)->msg;
		struct jpos x = JPOS_NONE, y = JPOS_NONE;

		if (!msg_has(m, id) ||
		    (coord_remembered(a, &m->v[KEY_id].id, &x) ==
			    coord_remembered(b, &m->v[KEY_id].id, &y) &&
			x.segment == y.segment && x.offset == y.offset))
			continue;
		printf("# remembered otherwise: %s\n",
		    l->w->journal[seq - 1].line);
		return false;
	}
	return true;
}

/*
 * Does a start from a snapshot, taken after so many records, give the state
 * that a replay of all gives? From the live state, too, where it is the newest.
 */
static inline bool
same_from_snapshot(struct world *w, uint64_t split, const struct coord *all,
    const char *replayed)
{
	struct loader *l = calloc(1, sizeof(*l));
	const struct snapshot_core sc = {core_step, coord_note, core_lines,
	    core_load, l, w->mono_ns, w->wall_us};
	struct coord *fresh = coord_new(&w->conf), *then = coord_new(&w->conf);
	struct text_buffer restored = {NULL, 0, 0};
	struct world cut = *w;
	bool same;

	CHECK(l != NULL && fresh != NULL && then != NULL);
	l->w = w;
	cut.count = split;
	replay(&cut, then);
	same = snapshot_start(
	    &sc, split == w->count ? w->coord : then, fresh, split, w->count);
	coord_check(fresh);
	coord_dump(fresh, add_row, &restored);
	same = same && strcmp(replayed, restored.at) == 0 &&
	    same_ids(l, all, fresh);
	if (!same)
		printf("# replayed\n%s# from a snapshot after %" PRIu64
		       " of %" PRIu64 "\n%s",
		    replayed, split, w->count, restored.at);
	free(l);
	free(restored.at);
	coord_free(fresh);
	coord_free(then);
	return same;
}

static inline bool
same_after_replay(struct world *w)
{
	struct text_buffer live = {NULL, 0, 0}, again = {NULL, 0, 0};
	struct coord *fresh = coord_new(&w->conf);
	struct event ev = {
	    .kind = EV_REPLAYED, .mono_ns = w->mono_ns, .wall_us = w->wall_us};
	struct world other = *w;
	bool same;

	CHECK(fresh != NULL);
	replay(w, fresh);
	coord_check(fresh);
	coord_dump(w->coord, add_row, &live);
	coord_dump(fresh, add_row, &again);
	same = strcmp(live.at, again.at) == 0;
	if (!same)
		printf("# live\n%s# replayed\n%s", live.at, again.at);
	for (uint64_t part = 0; part <= 4; part++)
		same = same &&
		    same_from_snapshot(w, w->count * part / 4, fresh, again.at);
	/* Its BOOT is appended to a copy of the journal's end, and dropped. */
	other.coord = fresh;
	other.waiting = other.out = (struct heards){NULL, 0, 0};
	other.journal = malloc(2 * (w->count + 1) * sizeof(*w->journal));
	CHECK(other.journal != NULL);
	memcpy(other.journal, w->journal, w->count * sizeof(*w->journal));
	give(&other, &ev);
	same = same_statuses(w, fresh) && same;
	for (uint64_t i = w->count; i < other.count; i++)
		free(other.journal[i].line);
	free(other.journal);
	coord_free(fresh);
	free(live.at);
	free(again.at);
	return same;
}

/* What is asked after every test. */
#define world_holds(w, what) \
	do { \
		coord_check((w)->coord); \
		durable(w); \
		tap_result(same_after_replay(w), __LINE__, \
		    "%s: a replay gives the same state", (what)); \
		tap_is_text(__LINE__, (w)->fail, "", \
		    "the journal never contradicts itself"); \
	} while (0)

/* ---- Payments ---- */

#define PAY_FIELDS "from=alice@BankA to=bob@BankB amount=500 currency=EUR"

/* PAY of alice to bob, 5.00 EUR, by client n under the id's number. */
static inline void
pay(struct world *w, uint32_t n, uint64_t id, const char *more)
{
	client(w, n, "alice", "t%u PAY id=%s " PAY_FIELDS "%s%s", ++w->tag,
	    id_of(id), more[0] == '\0' ? "" : " ", more);
}

static inline void
cancel(struct world *w, uint32_t n, const char *user, uint64_t id)
{
	client(w, n, user, "t%u CANCEL id=%s", ++w->tag, id_of(id));
}

static inline void
status(struct world *w, uint32_t n, const char *user, uint64_t id)
{
	client(w, n, user, "t%u STATUS id=%s", ++w->tag, id_of(id));
}

/* A world with BankA and BankB registered. */
static inline struct world *
world_two(const struct coord_conf *conf)
{
	struct world *w = world_new(conf);

	bank_up(w, bank_new(w, "BankA"));
	bank_up(w, bank_new(w, "BankB"));
	return w;
}

#endif

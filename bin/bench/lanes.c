#include "lanes.h"

#include <bsd/sys/queue.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/version.h"
#include "dialler.h"

#define AMOUNT 1 /* of the currency's smallest unit */
#define NONE UINT32_MAX

enum progress { FREE, IN_FLIGHT, AGAIN };

struct payment {
	enum progress progress;
	bool lost;      /* a connection broke while it was in flight */
	uint32_t times; /* it was asked again since */
	uint32_t next_free;
	struct id id;
	const struct pair *pair;
	int64_t due_ns;
	int64_t again_ns; /* AGAIN: not before then */
};

/* A connection and its payments, as many as its window. */
struct lane {
	struct lanes *lanes;
	struct session *session;
	struct payment *payments; /* of lanes->payments */
	uint32_t first_free;
	bool roomy, touched;
	TAILQ_ENTRY(lane)
	by_room;
	TAILQ_ENTRY(lane)
	by_touch;
};

TAILQ_HEAD(lane_list, lane);

struct lanes {
	const struct load_options *options;
	struct tally *tally;
	const int64_t *end_ns;
	struct dialler *dialler;
	struct lane *at;          /* owned, options->connections of them */
	struct payment *payments; /* owned */
	struct lane_list roomy;   /* the one that has waited longest is first */
	struct lane_list touched; /* written to, not flushed */
	uint32_t window;
	uint32_t again; /* payments in AGAIN */
	bool over;      /* whatever is told from now on is too late */
	uint64_t started, ended;
	/* Ids: 48 bits of this run, a counter, 32 bits of this run. */
	uint8_t node[6];
	uint64_t counter;
	uint32_t tail;
	uint64_t random; /* state of the choice */
	char memo[MEMO_MAX_LEN];
};

/* ---- Which payment ---- */

/* splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t
random_next(struct lanes *l)
{
	uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void
payment_begin(struct lanes *l, struct payment *p, int64_t due_ns)
{
	const struct pairs *pairs = l->options->pairs;

	/* The bias of a remainder, below 2^-40, is of no matter here. */
	*p = (struct payment){.progress = IN_FLIGHT,
	    .id = id_generate(l->node, l->counter++ & ID_COUNTER_MAX, l->tail),
	    .pair = &pairs->at[random_next(l) % pairs->count],
	    .due_ns = due_ns};
	l->started++;
}

/* ---- One connection ---- */

static bool
lane_has_room(const struct lane *lane)
{
	return lane->first_free != NONE && session_room(lane->session) > 0;
}

/* Whether it has room may have changed. */
static void
lane_look(struct lane *lane)
{
	bool roomy = lane_has_room(lane);

	if (roomy == lane->roomy)
		return;
	lane->roomy = roomy;
	if (roomy)
		TAILQ_INSERT_TAIL(&lane->lanes->roomy, lane, by_room);
	else
		TAILQ_REMOVE(&lane->lanes->roomy, lane, by_room);
}

static void
payment_end(struct lane *lane, struct payment *p)
{
	CHECK(p->progress != FREE);
	if (p->progress == AGAIN)
		lane->lanes->again--;
	p->progress = FREE;
	p->next_free = lane->first_free;
	lane->first_free = (uint32_t)(p - lane->payments);
	lane->lanes->ended++;
}

static void
payment_again(struct lane *lane, struct payment *p, int64_t at_ns)
{
	CHECK(p->progress == IN_FLIGHT);
	p->progress = AGAIN;
	p->again_ns = at_ns;
	lane->lanes->again++;
}

static void
payment_answered(void *ctx, uint64_t cookie, const struct msg *reply)
{
	struct lane *lane = ctx;
	struct lanes *l = lane->lanes;
	struct payment *p = &lane->payments[cookie];
	int64_t now_ns = clock_mono_ns();
	struct answer answer;

	if (l->over)
		return;
	CHECK(cookie < l->options->window && p->progress == IN_FLIGHT);
	if (reply == NULL) {
		/* Nobody knows: the same id goes out again. */
		p->lost = true;
		payment_again(lane, p, now_ns);
		lane_look(lane);
		return;
	}
	if (reply->word == MSG_ROW)
		return;
	answer = answer_read(reply);
	/* It may still be under way from the time before. */
	if (p->lost && answer.again && p->times < AGAIN_MAX) {
		payment_again(lane, p, now_ns + again_delay_ns(p->times++));
	} else {
		tally_answer(l->tally, &answer, now_ns - p->due_ns,
		    now_ns <= *l->end_ns);
		payment_end(lane, p);
	}
	lane_look(lane);
}

static void
payment_send(struct lane *lane, struct payment *p)
{
	struct lanes *l = lane->lanes;
	struct msg request;

	msg_init(&request, MSG_REQUEST, VERB_CLIENT_PAY, "1");
	msg_set_id(&request, KEY_id, &p->id);
	msg_set_account(&request, KEY_from, p->pair->from);
	msg_set_account(&request, KEY_to, p->pair->to);
	msg_set_i64(&request, KEY_amount, AMOUNT);
	msg_set_u64(&request, KEY_currency, p->pair->currency);
	if (l->options->memo_len > 0)
		msg_set_str(&request, KEY_memo,
		    (struct str){l->memo, l->options->memo_len});
	/* A payment that waits for a bank that is away measures nothing. */
	msg_set_u64(&request, KEY_hold, 0);
	if (session_send(lane->session, &request, payment_answered, lane,
		(uint64_t)(p - lane->payments)) == -1) {
		CHECK(errno != EINVAL);
		payment_again(lane, p, clock_mono_ns() + LANES_TICK_NS);
	} else if (!lane->touched) {
		lane->touched = true;
		TAILQ_INSERT_TAIL(&l->touched, lane, by_touch);
	}
}

static void
lane_up(void *ctx, uint32_t index)
{
	struct lanes *l = ctx;
	uint32_t room = session_room(l->at[index].session);

	if (room < l->window)
		l->window = room;
	lane_look(&l->at[index]);
}

static void
lane_give_up(struct lane *lane)
{
	struct lanes *l = lane->lanes;
	int64_t now_ns = clock_mono_ns();

	for (uint32_t i = 0; i < l->options->window; i++) {
		struct payment *p = &lane->payments[i];

		if (p->progress == FREE)
			continue;
		tally_unanswered(l->tally, now_ns - p->due_ns, 1);
		payment_end(lane, p);
	}
}

static void
lane_gone(void *ctx, uint32_t index)
{
	struct lanes *l = ctx;

	lane_give_up(&l->at[index]);
	lane_look(&l->at[index]);
}

static const struct dialler_ops dialler_ops = {
    .up = lane_up,
    .gone = lane_gone,
};

/* ---- All of them ---- */

/* What waits to be sent again and may be. */
static void
send_again(struct lanes *l)
{
	int64_t now_ns = clock_mono_ns();
	uint32_t count = l->options->connections * l->options->window;

	for (uint32_t i = 0; i < count && l->again > 0; i++) {
		struct payment *p = &l->payments[i];
		struct lane *lane = &l->at[i / l->options->window];

		if (p->progress != AGAIN || p->again_ns > now_ns ||
		    session_room(lane->session) == 0)
			continue;
		p->progress = IN_FLIGHT;
		l->again--;
		payment_send(lane, p);
		lane_look(lane);
	}
}

void
lanes_work(struct lanes *l)
{
	dialler_work(l->dialler);
	if (l->again > 0)
		send_again(l);
}

void
lanes_flush(struct lanes *l)
{
	struct lane *lane;

	while ((lane = TAILQ_FIRST(&l->touched)) != NULL) {
		TAILQ_REMOVE(&l->touched, lane, by_touch);
		lane->touched = false;
		session_flush(lane->session);
	}
}

void
lanes_pay(struct lanes *l, int64_t due_ns)
{
	struct lane *lane = TAILQ_FIRST(&l->roomy);
	struct payment *p;

	CHECK(lane != NULL && lane->first_free != NONE);
	p = &lane->payments[lane->first_free];
	lane->first_free = p->next_free;
	payment_begin(l, p, due_ns);
	payment_send(lane, p);
	/* Behind the others, or out of the list. */
	TAILQ_REMOVE(&l->roomy, lane, by_room);
	lane->roomy = false;
	lane_look(lane);
}

void
lanes_give_up(struct lanes *l)
{
	l->over = true;
	for (uint32_t i = 0; i < l->options->connections; i++)
		lane_give_up(&l->at[i]);
}

bool
lanes_up(const struct lanes *l)
{
	return dialler_up(l->dialler) == l->options->connections;
}

uint32_t
lanes_gone(const struct lanes *l)
{
	return dialler_gone(l->dialler);
}

enum session_end
lanes_end(const struct lanes *l, const char **why)
{
	return dialler_end(l->dialler, why);
}

uint32_t
lanes_window(const struct lanes *l)
{
	return l->window;
}

bool
lanes_roomy(const struct lanes *l)
{
	return !TAILQ_EMPTY(&l->roomy);
}

uint64_t
lanes_started(const struct lanes *l)
{
	return l->started;
}

bool
lanes_idle(const struct lanes *l)
{
	return l->started == l->ended;
}

bool
lanes_wait(const struct lanes *l)
{
	return l->again > 0;
}

/* ---- Their beginning and end ---- */

static void
lanes_init(struct lanes *l)
{
	uint32_t window = l->options->window, i, j;

	for (i = 0; i < l->options->connections; i++) {
		struct lane *lane = &l->at[i];

		lane->lanes = l;
		lane->session = dialler_session(l->dialler, i);
		lane->payments = &l->payments[(size_t)i * window];
		for (j = 0; j < window; j++)
			lane->payments[j].next_free =
			    j + 1 < window ? j + 1 : NONE;
	}
	l->random = l->options->seed;
	memset(l->memo, 'm', sizeof(l->memo));
	digest_random(l->node, sizeof(l->node));
	digest_random(&l->counter, sizeof(l->counter));
	digest_random(&l->tail, sizeof(l->tail));
}

static struct lanes *
lanes_allocate(const struct load_options *o)
{
	struct lanes *l = calloc(1, sizeof(*l));

	if (l == NULL)
		err(EXIT_OSERR, "memory");
	l->options = o;
	l->window = o->window;
	TAILQ_INIT(&l->roomy);
	TAILQ_INIT(&l->touched);
	l->at = calloc(o->connections, sizeof(*l->at));
	l->payments =
	    calloc((size_t)o->connections * o->window, sizeof(*l->payments));
	if (l->at == NULL || l->payments == NULL)
		err(EXIT_OSERR, "memory");
	return l;
}

int
lanes_new(struct lanes **lanes, const struct load_options *options,
    struct loop *loop, struct tally *tally, const int64_t *end_ns)
{
	struct lanes *l = lanes_allocate(options);
	const struct dialler_options dialler = {.loop = loop,
	    .config = options->config,
	    .agent = "strife-bench/" STRIFE_VERSION,
	    .connections = options->connections,
	    .window = options->window,
	    .ops = &dialler_ops,
	    .ctx = l};
	struct yaml_error error;

	l->tally = tally;
	l->end_ns = end_ns;
	if (dialler_new(&l->dialler, &dialler, &error) == -1) {
		warnx("%s", error.text);
		lanes_free(l);
		return EXIT_CONFIG;
	}
	lanes_init(l);
	*lanes = l;
	return EXIT_OK;
}

void
lanes_free(struct lanes *l)
{
	if (l == NULL)
		return;
	dialler_free(l->dialler);
	free(l->payments);
	free(l->at);
	free(l);
}

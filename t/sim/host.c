/*
 * A process: a disk, a core, and the turn that carries the core's actions as
 * lib/turn does, with a place to die at each of them.
 */
#include "base/check.h"
#include "base/hash.h"
#include "sim.h"

#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS (2 * MS)
#define TICKS_MAX 4096
#define ROUNDS_MAX 4
#define SEGMENT_RECORDS 50
#define WALL_START_US INT64_C(1800000000000000)

static struct frame frames[DEPTH_MAX];

/* ---- The disk ---- */

static struct jpos
pos_of(uint64_t seq)
{
	return (struct jpos){seq, 1 + (uint32_t)((seq - 1) / SEGMENT_RECORDS),
	    (uint32_t)((seq - 1) % SEGMENT_RECORDS) * 100};
}

static struct check
chain(const struct disk *d, const char *text, uint32_t len)
{
	static const struct hash_key keys[2] = {{{3, 4}}, {{5, 6}}};
	char both[LINE_MAX_LEN + 16] = {0};
	struct check check;

	if (d->count > 0)
		memcpy(both, d->at[d->count - 1].check.octets, 16);
	memcpy(both + 16, text, len);
	for (size_t i = 0; i < 2; i++) {
		uint64_t sum = hash_octets(&keys[i], both, 16 + len);

		memcpy(check.octets + 8 * i, &sum, 8);
	}
	return check;
}

static enum side
journal_side(const struct proc *p)
{
	return p->gateway ? SIDE_GATEWAY_JOURNAL : SIDE_BANK_JOURNAL;
}

void
host_load(
    const struct proc *p, uint64_t seq, struct frame *f, struct record *record)
{
	const struct stored *s = &p->disk.at[seq - 1];
	struct msg_problem problem;

	MUST(line_split(&f->line, (struct str){s->text, s->len}) == LINE_OK &&
		msg_request(&f->msg, &f->line, journal_side(p), &problem) ==
		    LINE_OK,
	    "record %llu of %s cannot be read", (unsigned long long)seq,
	    p->name);
	*record = (struct record){&f->msg, pos_of(seq), s->check};
}

static bool
read_at(const struct proc *p, struct jpos pos, struct frame *f,
    struct record *record)
{
	uint64_t seq = (uint64_t)(pos.segment - 1) * SEGMENT_RECORDS +
	    pos.offset / 100 + 1;

	if (pos.segment == 0 || pos.offset % 100 != 0 ||
	    pos.offset / 100 >= SEGMENT_RECORDS || seq > p->disk.count)
		return false;
	host_load(p, seq, f, record);
	return true;
}

bool
host_proves(const struct proc *p, uint64_t seq, const struct check *check)
{
	return seq > 0 && seq <= p->disk.count &&
	    memcmp(p->disk.at[seq - 1].check.octets, check->octets, 16) == 0;
}

static void
store(struct proc *p, struct msg *m, int64_t wall_us)
{
	struct disk *d = &p->disk;
	char line[LINE_MAX_LEN];
	struct stored *s;
	size_t len;

	if (d->count == d->size) {
		d->size = d->size == 0 ? 256 : 2 * d->size;
		d->at = realloc(d->at, d->size * sizeof(*d->at));
		CHECK(d->at != NULL);
		d->kept = realloc(d->kept, d->size * sizeof(*d->kept));
		CHECK(d->kept != NULL);
	}
	snprintf(
	    m->tag, sizeof(m->tag), "%llu", (unsigned long long)d->count + 1);
	msg_set_i64(m, KEY_time, wall_us);
	msg_set_u64(m, KEY_flushed, d->durable);
	len = msg_encode_bare(m, line, sizeof(line) - 1);
	MUST(len > 0, "%s makes a %s record that cannot be written", p->name,
	    verb_info(m->verb)->word);
	s = &d->at[d->count];
	s->text = keep(line, len);
	s->len = (uint32_t)len;
	s->check = chain(d, line, s->len);
	model_fact(p, m, &s->fact);
	d->count++;
	trace("%s + %s", p->name, s->text);
}

/* ---- Clocks ---- */

int64_t
host_wall_us(struct proc *p)
{
	int64_t us = WALL_START_US + w.now_ns / 1000 + p->wall_offset_us;

	if (us < p->wall_floor_us)
		us = p->wall_floor_us;
	p->wall_floor_us = us;
	return us;
}

int64_t
host_mono_ns(const struct proc *p)
{
	return w.now_ns + p->mono_offset;
}

void
host_set_clocks(struct proc *p, struct event *ev)
{
	ev->mono_ns = host_mono_ns(p);
	ev->wall_us = host_wall_us(p);
}

/* ---- Steps ---- */

static void step(struct proc *, const struct event *, uint32_t depth);

static void
core_step(struct proc *p, const struct event *ev, struct actions *actions)
{
	if (p->gateway)
		coord_step(p->coord, ev, actions);
	else
		ledger_step(p->ledger, ev, actions);
}

static bool
core_more(const struct proc *p)
{
	return p->gateway ? coord_more(p->coord) : ledger_more(p->ledger);
}

static int64_t
core_next_ns(const struct proc *p)
{
	return p->gateway ? coord_next_ns(p->coord) : ledger_next_ns(p->ledger);
}

/* Dies here? */
static bool
dies(struct proc *p)
{
	if (p->crash_in > 0 && --p->crash_in == 0)
		p->dying = true;
	return p->dying;
}

static uint32_t
waiting(const struct proc *p, struct peer peer)
{
	uint32_t n = 0;

	for (uint32_t i = p->out_first; i < p->out_count; i++)
		n += p->outbox[i].peer.slot == peer.slot ? 1 : 0;
	return n;
}

static void
leave(struct proc *p, const struct out_line *o)
{
	answers_leave(p, o->sent);
	net_deliver(p, o->peer, o->text, o->len);
}

static void
send_line(struct proc *p, struct peer peer, uint64_t after_seq, bool patient,
    const struct msg *m)
{
	char line[LINE_MAX_LEN];
	size_t len = msg_encode(m, line);
	struct out_line o = {.peer = peer, .after_seq = after_seq};

	MUST(len > 0, "%s sends a %s that cannot be written", p->name,
	    verb_info(m->verb)->word);
	o.text = keep(line, len - 1);
	o.len = (uint32_t)len - 1;
	o.sent = answers_note(p, peer, m);
	if (after_seq <= p->disk.durable && waiting(p, peer) == 0) {
		leave(p, &o);
		return;
	}
	if (!patient && after_seq > p->urgent_seq)
		p->urgent_seq = after_seq;
	if (p->out_first == p->out_count)
		p->out_first = p->out_count = 0;
	MUST(p->out_count < OUTBOX_MAX, "the outbox of %s is full", p->name);
	p->outbox[p->out_count++] = o;
}

void
host_send(struct proc *p, struct peer peer, const struct msg *m)
{
	send_line(p, peer, 0, false, m);
}

static void
append(
    struct proc *p, struct action *a, const struct event *cause, uint32_t depth)
{
	struct event ev = *cause;
	struct record record;

	store(p, &a->msg, cause->wall_us);
	if (p->dirty_since_ns == 0)
		p->dirty_since_ns = cause->mono_ns;
	model_appended(p);
	record = (struct record){&a->msg, pos_of(p->disk.count),
	    p->disk.at[p->disk.count - 1].check};
	ev.kind = EV_RECORD;
	ev.record = &record;
	MUST(depth + 1 < DEPTH_MAX, "%s appends too deep", p->name);
	step(p, &ev, depth + 1);
}

static bool
carry(struct proc *p, struct event *ev, struct record *record, uint32_t depth)
{
	struct frame *f = &frames[depth];

	for (uint32_t i = 0; i < f->actions.count && !dies(p); i++) {
		struct action *a = &f->actions.at[i];

		switch (a->kind) {
		case AC_APPEND:
			append(p, a, ev, depth);
			break;
		case AC_SEND:
			net_sent_register(p, a->peer, &a->msg);
			send_line(
			    p, a->peer, a->after_seq, a->patient, &a->msg);
			break;
		case AC_READ:
			MUST(i + 1 == f->actions.count,
			    "%s reads before its last action", p->name);
			ev->kind = EV_READ;
			ev->record =
			    read_at(p, a->pos, f, record) ? record : NULL;
			return true;
		case AC_CLOSE:
			trace("%s closes: %s", p->name, a->text);
			model_closing(p, a);
			net_close(p, a->peer, a->text);
			break;
		case AC_LOG:
			trace("%s says: %s", p->name, a->text);
			if (a->level == ACTION_CRIT)
				model_crit(p, a);
			break;
		case AC_FAIL:
			trace("%s fails: %s", p->name, a->text);
			MUST(w.restores, "%s fails: %s", p->name, a->text);
			met(fenced_itself);
			p->failed = true;
			p->dying = true;
			break;
		}
	}
	return false;
}

static void
step(struct proc *p, const struct event *first, uint32_t depth)
{
	struct frame *f = &frames[depth];
	struct event ev = *first;
	struct record record;

	do {
		if (p->dying)
			return;
		f->actions.count = 0;
		core_step(p, &ev, &f->actions);
	} while (carry(p, &ev, &record, depth));
}

/* ---- Flushing ---- */

static void
release(struct proc *p)
{
	while (p->out_first < p->out_count && !dies(p)) {
		const struct out_line *o = &p->outbox[p->out_first];

		if (o->after_seq > p->disk.durable)
			return;
		p->out_first++;
		leave(p, o);
	}
}

static void
flush(struct proc *p)
{
	struct event ev = {.kind = EV_DURABLE};
	uint64_t was = p->disk.durable;

	p->in_flush = p->disk.count > was;
	if (w.may.flush && !w.healing && one_in(400)) {
		met(flush_failed);
		p->dying = true;
	}
	if (p->crash_flush && p->in_flush)
		p->dying = true;
	if (p->dying || dies(p))
		return;
	p->in_flush = false;
	p->disk.durable = p->disk.count;
	p->dirty_since_ns = 0;
	ev.durable_seq = p->disk.durable;
	if (ev.durable_seq != p->told_durable) {
		p->told_durable = ev.durable_seq;
		trace("%s flushed %llu", p->name,
		    (unsigned long long)ev.durable_seq);
		model_durable(p, was);
		host_set_clocks(p, &ev);
		step(p, &ev, 0);
	}
	release(p);
}

static bool
flush_is_due(const struct proc *p)
{
	if (p->disk.count == p->disk.durable)
		return false;
	return p->urgent_seq > p->disk.durable ||
	    host_mono_ns(p) - p->dirty_since_ns >= PATIENCE_NS;
}

static void
look_for_room(struct proc *p)
{
	struct event ev = {.kind = EV_ROOM, .room = !p->disk.full};

	if (ev.room == p->room)
		return;
	p->room = ev.room;
	trace("%s has %s room", p->name, ev.room ? "" : "no");
	host_set_clocks(p, &ev);
	step(p, &ev, 0);
}

/* When turn_end wants to be called, from now. */
static int64_t
next_in_ns(const struct proc *p)
{
	int64_t next_ns = core_next_ns(p);

	if (core_more(p))
		return 0;
	if (p->disk.count > p->disk.durable) {
		if (p->urgent_seq > p->disk.durable)
			return 0;
		if (p->dirty_since_ns + PATIENCE_NS < next_ns)
			next_ns = p->dirty_since_ns + PATIENCE_NS;
	}
	if (p->room == p->disk.full)
		return 0;
	return next_ns == INT64_MAX ? INT64_MAX : next_ns - host_mono_ns(p);
}

static void
schedule(struct proc *p, int64_t in_ns)
{
	if (in_ns == INT64_MAX)
		return;
	if (in_ns < 10 * US)
		in_ns = 10 * US;
	if (w.now_ns + in_ns >= p->turn_at)
		return;
	p->turn_at = w.now_ns + in_ns;
	later(in_ns, ITEM_TURN, proc_index(p), 0, p->life);
}

static void
turn_end(struct proc *p)
{
	struct event tick = {.kind = EV_TICK};

	look_for_room(p);
	for (uint32_t round = 0; round < ROUNDS_MAX && !p->dying; round++) {
		uint32_t n = 0;

		host_set_clocks(p, &tick);
		if (core_next_ns(p) <= tick.mono_ns)
			step(p, &tick, 0);
		for (; n < TICKS_MAX && !p->dying && core_more(p); n++)
			step(p, &tick, 0);
		MUST(n < TICKS_MAX, "%s does not come to rest", p->name);
		if (p->dying || !flush_is_due(p))
			break;
		flush(p);
	}
}

static void
core_check(const struct proc *p)
{
	if (p->gateway)
		coord_check(p->coord);
	else
		ledger_check(p->ledger);
}

void
host_turn(struct proc *p)
{
	turn_end(p);
	if (!p->dying)
		net_after_turn(p);
	if (!p->dying)
		schedule(p, next_in_ns(p));
	if (!p->dying && one_in(100))
		core_check(p);
	host_settle(p);
}

/* An event from outside; the turn ends a little later, with others in it. */
void
host_event(struct proc *p, struct event *ev)
{
	host_set_clocks(p, ev);
	step(p, ev, 0);
	host_poke(p);
}

/* The shell has sent something of its own. */
void
host_poke(struct proc *p)
{
	if (p->dying)
		host_settle(p);
	else
		schedule(p, between(10 * US, 200 * US));
}

/* ---- Death ---- */

/* How many records of the unflushed tail recovery finds, and if it is torn. */
static uint64_t
surviving(struct proc *p)
{
	uint64_t k = p->disk.durable;
	bool hole = false, trace_left = false;

	if (!p->in_flush)
		return k; /* the batch was never written */
	for (uint64_t i = k; i < p->disk.count; i++) {
		uint32_t how = below(10);

		if (how < 6 && !hole)
			k = i + 1;
		else if (how < 8)
			trace_left = true;
		hole |= how >= 6;
		trace_left |= hole && how < 6;
	}
	p->torn = trace_left;
	return k;
}

static void
free_core(struct proc *p)
{
	coord_free(p->coord);
	ledger_free(p->ledger);
	p->coord = NULL;
	p->ledger = NULL;
}

void
host_crash(struct proc *p)
{
	uint64_t survives = surviving(p);
	bool tail = survives > p->disk.durable;

	trace("%s dies%s: %llu of %llu records survive", p->name,
	    p->in_flush ? " in a flush" : "", (unsigned long long)survives,
	    (unsigned long long)p->disk.count);
	if (p->gateway)
		met(gateway_crashes);
	else
		met(bank_crashes);
	if (p->starting)
		met(crash_starting);
	if (tail)
		met(tails_kept);
	if (p->torn)
		met(tails_torn);
	if (!p->dying && one_in(4))
		replay_compare(p);
	model_crashing(p, survives);
	p->up = p->dying = p->in_flush = p->starting = false;
	p->crash_flush = false;
	p->crash_in = 0;
	p->life++;
	p->turn_at = INT64_MAX;
	p->stalled_until = 0;
	p->out_first = p->out_count = 0;
	p->disk.count = survives;
	/* Opening the journal rewrites and flushes what it believes. */
	p->disk.durable = survives;
	free_core(p);
	for (int i = 0; i < USERS; i++)
		p->client_generation[i]++;
	net_lost(p, w.may.power && !w.healing && one_in(3));
	model_rebuild(p, false);
	later(w.healing ? 50 * MS
			: between(5 * MS, one_in(4) ? 3 * SEC : 300 * MS),
	    ITEM_START, proc_index(p), 0, p->life);
}

void
host_settle(struct proc *p)
{
	if (p->dying)
		host_crash(p);
}

void
host_free(struct proc *p)
{
	free_core(p);
}

/* ---- Birth ---- */

static void
load_accounts(struct proc *p)
{
	uint64_t count = 0;

	for (int i = 0; i < CUSTOMERS && !p->dying; i++) {
		struct ledger_opening o = {.name = str_from(customer_name(i)),
		    .currency = currency_of(customer_currency(i)),
		    .balance = i == 1 ? 0 : 1000,
		    .overdraft = i == 1 ? 300 : 0,
		    .id = {{0xee, (uint8_t)p->number, (uint8_t)i}}};
		struct event ev = {.kind = EV_TICK};
		struct record record;

		host_set_clocks(p, &ev);
		frames[0].actions.count = 0;
		MUST(
		    ledger_load(p->ledger, &o, &frames[0].actions) == CODE_NONE,
		    "%s cannot load its accounts", p->name);
		carry(p, &ev, &record, 0);
		count++;
	}
	if (!p->dying) {
		struct event ev = {.kind = EV_TICK};
		struct record record;

		host_set_clocks(p, &ev);
		frames[0].actions.count = 0;
		ledger_load_done(p->ledger, count, &frames[0].actions);
		carry(p, &ev, &record, 0);
	}
	if (!p->dying)
		flush(p);
}

void
host_start(struct proc *p)
{
	struct event ev = {.kind = EV_REPLAYED};

	if (p->failed && !w.healing && !one_in(4)) {
		/* Exit 65: whoever restarts it, it ends again. */
		later(500 * MS, ITEM_START, proc_index(p), 0, p->life);
		return;
	}
	trace("%s starts%s%s", p->name, p->torn ? ", torn" : "",
	    p->restored ? ", restored" : "");
	p->failed = false;
	p->up = p->starting = p->room = true;
	p->dirty_since_ns = 0;
	p->urgent_seq = 0;
	p->wall_floor_us = 0;
	replay_start(p);
	model_compare(p);
	if (one_in(8))
		replay_compare(p);
	if (p->gateway && (p->torn || p->cut))
		coord_set_truncated(p->coord);
	if (p->gateway && p->restored)
		coord_set_restored(p->coord);
	p->torn = false;
	p->told_durable = p->disk.durable;
	if (w.may.crash && !w.healing && one_in(10))
		p->crash_in = 1 + below(6);
	host_set_clocks(p, &ev);
	step(p, &ev, 0);
	if (!p->dying)
		flush(p);
	if (!p->dying && !p->gateway && !ledger_loaded(p->ledger))
		load_accounts(p);
	if (p->dying) {
		host_settle(p);
		return;
	}
	/* Whoever starts it says so until it has started. */
	p->starting = p->restored = p->cut = false;
	schedule(p, 10 * US);
	if (p->gateway)
		p->epoch = coord_epoch(p->coord);
	for (int g = 0; !p->gateway && g < w.gateways; g++) {
		p->links[g] = (struct link){.conn = -1, .delay_ns = 20 * MS};
		later(between(0, 5 * MS), ITEM_DIAL, (uint32_t)p->number,
		    (uint32_t)g, p->life);
	}
}

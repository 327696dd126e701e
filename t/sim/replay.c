/*
 * A core from what its disk says: by all records; or from a snapshot of what
 * some of them made, the notes of their ids, and the records since. Each must
 * give the state of the core that has written them.
 */
#include "../unit/snapshot_start.h"
#include "base/check.h"
#include "base/hash.h"
#include "sim.h"

#include <string.h>

#define DUMP_MAX (256u << 10)

static const struct hash_key table_key = {{11, 22}};

/* One of the two. */
struct core {
	struct coord *coord;
	struct ledger *ledger;
};

static struct frame frame;

/* ---- A core ---- */

static struct coord *
new_coord(const struct proc *p)
{
	struct coord_conf conf = {.agent = "sim/1",
	    .in_flight_max = w.in_flight_max,
	    .per_bank_max = w.in_flight_max,
	    .per_user_max = w.in_flight_max,
	    .held_max = PAYS_MAX,
	    .tombstones_max = PAYS_MAX,
	    .heuristics_max = 2 * PAYS_MAX * BANKS_MAX,
	    .banks_max = BANKS_MAX,
	    .window_max = 16,
	    .remembered_max = 64,
	    .prepare_timeout_ns = w.prepare_timeout_ns,
	    .held_expiry_ns = w.held_expiry_ns,
	    .key = table_key};
	struct coord *c;

	snprintf(conf.node, sizeof(conf.node), "%s", p->name);
	c = coord_new(&conf);
	CHECK(c != NULL);
	return c;
}

static struct ledger *
new_ledger(const struct proc *p)
{
	struct ledger_conf conf = {.accounts_max = BOOKS_MAX,
	    .in_flight_max = 64,
	    .gateways_max = GATEWAYS_MAX,
	    .queries_max = 4,
	    .remembered_max = 128,
	    .resolve_ns = w.resolve_ns,
	    .key = table_key,
	    .jitter_seed = w.seed};
	struct ledger *l;

	snprintf(conf.bank, sizeof(conf.bank), "%s", p->name);
	l = ledger_new(&conf);
	CHECK(l != NULL);
	ledger_set_journal(l, &p->disk.journal);
	return l;
}

static struct core
core_new(const struct proc *p)
{
	return p->gateway ? (struct core){.coord = new_coord(p)}
			  : (struct core){.ledger = new_ledger(p)};
}

static void
core_free(struct core *core)
{
	coord_free(core->coord);
	ledger_free(core->ledger);
}

static void *
core_state(const struct core *core)
{
	return core->coord != NULL ? (void *)core->coord : core->ledger;
}

static void
core_check(const struct core *core)
{
	if (core->coord != NULL)
		coord_check(core->coord);
	else
		ledger_check(core->ledger);
}

/* ---- From records ---- */

/* Replays the first `count` records; the core says nothing to anybody. */
static struct core
from_records(struct proc *p, uint64_t count)
{
	struct core core = core_new(p);
	struct frame *f = &frame;

	for (uint64_t seq = 1; seq <= count; seq++) {
		struct record record;
		struct event ev = {.kind = EV_RECORD, .record = &record};

		host_load(p, seq, f, &record);
		if (p->wall_floor_us < f->msg.v[KEY_time].i64)
			p->wall_floor_us = f->msg.v[KEY_time].i64;
		host_set_clocks(p, &ev);
		f->actions.count = 0;
		if (p->gateway)
			coord_step(core.coord, &ev, &f->actions);
		else
			ledger_step(core.ledger, &ev, &f->actions);
		for (uint32_t i = 0; i < f->actions.count; i++)
			MUST(f->actions.at[i].kind == AC_LOG,
			    "replaying %s: %s", p->name, f->actions.at[i].text);
	}
	return core;
}

/* ---- From a snapshot ---- */

static void
step_coord(void *core, const struct event *ev, struct actions *actions)
{
	coord_step(core, ev, actions);
}

static void
step_ledger(void *core, const struct event *ev, struct actions *actions)
{
	ledger_step(core, ev, actions);
}

static bool
lines_of_coord(const void *core, snapshot_line *line, void *ctx)
{
	return coord_snapshot(core, line, ctx);
}

static bool
lines_of_ledger(const void *core, snapshot_line *line, void *ctx)
{
	return ledger_snapshot(core, line, ctx);
}

static const struct record *
load_record(void *journal, uint64_t seq)
{
	static struct record record;

	host_load(journal, seq, &frame, &record);
	return &record;
}

/* `then` has the state after the first `split` records. */
static struct core
from_snapshot(struct proc *p, const struct core *then, uint64_t split)
{
	struct core core = core_new(p);
	struct snapshot_core sc = {
	    .step = p->gateway ? step_coord : step_ledger,
	    .note = p->gateway ? coord_note : ledger_note,
	    .lines = p->gateway ? lines_of_coord : lines_of_ledger,
	    .load = load_record,
	    .journal = p,
	};

	for (uint64_t i = 0; i < p->disk.count; i++)
		if (p->wall_floor_us < p->disk.at[i].fact.time_us)
			p->wall_floor_us = p->disk.at[i].fact.time_us;
	sc.mono_ns = host_mono_ns(p);
	sc.wall_us = host_wall_us(p);
	MUST(snapshot_start(&sc, core_state(then), core_state(&core), split,
		 p->disk.count),
	    "%s does not start from a snapshot after %llu of %llu records",
	    p->name, (unsigned long long)split,
	    (unsigned long long)p->disk.count);
	core_check(&core);
	return core;
}

void
replay_start(struct proc *p)
{
	struct core core;

	if (p->disk.count > 0 && one_in(3)) {
		uint64_t split = 1 + below((uint32_t)p->disk.count);
		struct core then = from_records(p, split);

		trace("%s reads a snapshot after %llu records", p->name,
		    (unsigned long long)split);
		core = from_snapshot(p, &then, split);
		core_free(&then);
		met(snapshots_started);
	} else {
		core = from_records(p, p->disk.count);
	}
	p->coord = core.coord;
	p->ledger = core.ledger;
}

/* ---- The same state again ---- */

struct dump {
	size_t len;
	char text[DUMP_MAX];
};

static void
dump_row(void *ctx, const char *text)
{
	struct dump *d = ctx;
	size_t len = strlen(text);

	CHECK(d->len + len + 2 < DUMP_MAX);
	memcpy(d->text + d->len, text, len);
	d->len += len;
	d->text[d->len++] = '\n';
	d->text[d->len] = '\0';
}

static void
dump(struct dump *d, const struct core *core)
{
	d->len = 0;
	d->text[0] = '\0';
	if (core->coord != NULL)
		coord_dump(core->coord, dump_row, d);
	else
		ledger_dump(core->ledger, dump_row, d);
}

/* Frees the core. */
static void
must_be(const struct proc *p, const struct dump *live, struct core *core,
    const char *how)
{
	static struct dump again;

	dump(&again, core);
	if (strcmp(live->text, again.text) != 0)
		trace("live:\n%s%s:\n%s", live->text, how, again.text);
	MUST(strcmp(live->text, again.text) == 0,
	    "%s: a start %s gives another state", p->name, how);
	core_free(core);
}

void
replay_compare(struct proc *p)
{
	static struct dump text;
	struct core live = {p->coord, p->ledger}, then, core;
	uint64_t split = below((uint32_t)p->disk.count + 1);

	core_check(&live);
	dump(&text, &live);
	core = from_records(p, p->disk.count);
	must_be(p, &text, &core, "from its records");
	core = from_snapshot(p, &live, p->disk.count);
	must_be(p, &text, &core, "from a snapshot of now");
	then = from_records(p, split);
	core = from_snapshot(p, &then, split);
	must_be(p, &text, &core, "from an older snapshot");
	core_free(&then);
	met(replays_compared);
}

/* Time, chance and what happens next. */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim.h"

#define ARENA_BLOCK (1u << 20)

struct world w;

/* ---- Chance: splitmix64 (Steele, Lea, Flood, 2014) ---- */

uint64_t
chance_next(void)
{
	uint64_t z = w.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

uint32_t
below(uint32_t n)
{
	return (uint32_t)(chance_next() >> 32) % n;
}

bool
one_in(uint32_t n)
{
	return below(n) == 0;
}

int64_t
between(int64_t low, int64_t high)
{
	return low + (int64_t)(chance_next() % (uint64_t)(high - low + 1));
}

/* ---- Text that lives as long as the schedule ---- */

struct block {
	struct block *next;
	char text[];
};
static struct block *blocks, *block;
static size_t block_used;

const char *
keep(const char *text, size_t len)
{
	char *at;

	CHECK(len + 1 < ARENA_BLOCK);
	if (block == NULL || block_used + len + 1 > ARENA_BLOCK) {
		struct block *next = block == NULL ? blocks : block->next;

		if (next == NULL) {
			next = malloc(sizeof(*next) + ARENA_BLOCK);
			CHECK(next != NULL);
			next->next = NULL;
			if (block == NULL)
				blocks = next;
			else
				block->next = next;
		}
		block = next;
		block_used = 0;
	}
	at = block->text + block_used;
	memcpy(at, text, len);
	at[len] = '\0';
	block_used += len + 1;
	return at;
}

/* ---- What happens next: a binary heap ---- */

static bool
sooner(const struct item *a, const struct item *b)
{
	return a->at_ns < b->at_ns ||
	    (a->at_ns == b->at_ns && a->order < b->order);
}

static void
push(struct item item)
{
	uint32_t i = w.heap_count++;

	MUST(i < HEAP_MAX, "the simulator's list of events is full");
	item.order = w.order++;
	for (; i > 0 && sooner(&item, &w.heap[(i - 1) / 2]); i = (i - 1) / 2)
		w.heap[i] = w.heap[(i - 1) / 2];
	w.heap[i] = item;
}

static struct item
pop(void)
{
	struct item first = w.heap[0], last = w.heap[--w.heap_count];
	uint32_t i = 0;

	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= w.heap_count)
			break;
		if (child + 1 < w.heap_count &&
		    sooner(&w.heap[child + 1], &w.heap[child]))
			child++;
		if (!sooner(&w.heap[child], &last))
			break;
		w.heap[i] = w.heap[child];
		i = child;
	}
	w.heap[i] = last;
	return first;
}

void
later(int64_t ns, enum item_kind kind, uint32_t a, uint32_t b, uint64_t life)
{
	push((struct item){w.now_ns + (ns > 0 ? ns : 0), 0, kind, a, b, life});
}

/* ---- The schedule ---- */

/* The process that an event is for, or NULL; a stopped one gets it later. */
static struct proc *
proc_of(const struct item *i)
{
	struct conn *c;

	switch ((enum item_kind)i->kind) {
	case ITEM_TURN:
	case ITEM_CLIENT_DOWN:
		return &w.procs[i->a];
	case ITEM_ASK:
		return gateway_proc(w.asks[i->a].gateway);
	case ITEM_LINE:
	case ITEM_DOWN:
		c = &w.conns[i->a];
		if (!c->used || c->generation != i->life)
			return NULL;
		return (i->b == END_GATEWAY) == (i->kind == ITEM_DOWN)
		    ? gateway_proc(c->gateway)
		    : bank_proc(c->bank);
	case ITEM_DIAL:
		return bank_proc((int)i->a);
	case ITEM_START:
	case ITEM_PAY:
	case ITEM_FAULT:
	case ITEM_TELLER:
	case ITEM_OPERATOR:
	case ITEM_HEAL:
	case ITEM_END:
	case ITEM_FULL_OVER:
	case ITEM_LOSE:
	case ITEM_DECIDE:
		break;
	}
	return NULL;
}

static void
client_down(struct proc *p, const struct item *i)
{
	struct event ev = {.kind = EV_PEER_DOWN};

	if (!p->up || p->life != i->life)
		return;
	ev.peer = (struct peer){SLOT_CLIENT + i->b, p->client_generation[i->b]};
	p->client_generation[i->b]++;
	ev.user = STR_NONE;
	host_event(p, &ev);
}

static void
happen(const struct item *i)
{
	struct proc *p = &w.procs[i->a < PROCS_MAX ? i->a : 0];

	switch ((enum item_kind)i->kind) {
	case ITEM_TURN:
		if (p->up && p->life == i->life && p->turn_at <= w.now_ns) {
			p->turn_at = INT64_MAX;
			host_turn(p);
		}
		break;
	case ITEM_LINE:
		if (w.conns[i->a].generation == i->life)
			net_line(i->a, (enum end)i->b);
		break;
	case ITEM_DOWN:
		if (w.conns[i->a].generation == i->life)
			net_down(i->a, (enum end)i->b);
		break;
	case ITEM_DIAL:
		if (bank_proc((int)i->a)->life == i->life)
			net_dial((int)i->a, (int)i->b);
		break;
	case ITEM_START:
		if (!p->up && p->life == i->life)
			host_start(p);
		break;
	case ITEM_PAY:
		people_pay(i->a);
		break;
	case ITEM_ASK:
		people_ask(i->a);
		break;
	case ITEM_FAULT:
		faults_next();
		break;
	case ITEM_TELLER:
		people_teller();
		break;
	case ITEM_OPERATOR:
		people_operator();
		break;
	case ITEM_HEAL:
		faults_heal();
		break;
	case ITEM_FULL_OVER:
		p->disk.full = false;
		break;
	case ITEM_CLIENT_DOWN:
		client_down(p, i);
		break;
	case ITEM_DECIDE:
		people_decide(i->a);
		break;
	case ITEM_LOSE:
		faults_lose(p, i->b);
		break;
	case ITEM_END:
		break;
	}
}

static void
reset(uint64_t seed)
{
	static struct item heap[HEAP_MAX];
	struct sent *sent = w.sent;
	uint32_t sent_size = w.sent_size;
	struct disk disks[PROCS_MAX];

	/* What was taken for the last schedule is used again. */
	for (int i = 0; i < PROCS_MAX; i++)
		disks[i] = w.procs[i].disk;
	memset(&w, 0, offsetof(struct world, branches));
	memset(&w.branch_count, 0,
	    sizeof(w) - offsetof(struct world, branch_count));
	for (int i = 0; i < PROCS_MAX; i++) {
		w.procs[i].disk.at = disks[i].at;
		w.procs[i].disk.size = disks[i].size;
		w.procs[i].disk.kept = disks[i].kept;
	}
	w.heap = heap;
	w.sent = sent;
	w.sent_size = sent_size;
	w.seed = w.random = seed;
	w.now_ns = SEC;
	block = NULL;
	/* Neighbouring seeds shall not look alike. */
	for (int i = 0; i < 4; i++) {
		uint64_t mix = chance_next();

		w.random ^= mix;
	}
}

static void
set_up(void)
{
	w.gateways = one_in(3) ? 2 : 1;
	w.banks = 2 + (int)below(3);
	w.latency_ns = one_in(3) ? 20 * MS : 2 * MS;
	w.window = 4 + below(13);
	w.in_flight_max = one_in(8) ? 2 + below(3) : 32;
	w.prepare_timeout_ns = one_in(3) ? 150 * MS : SEC;
	w.held_expiry_ns = one_in(2) ? 3 * SEC : 600 * SEC;
	w.heartbeat_ns = 300 * MS;
	w.resolve_ns = 400 * MS;
	for (int i = 0; i < PROCS_MAX; i++) {
		struct proc *p = &w.procs[i];

		p->gateway = i < GATEWAYS_MAX;
		p->number = p->gateway ? i : i - GATEWAYS_MAX;
		snprintf(p->name, sizeof(p->name),
		    p->gateway ? "gw%d" : "Bank%c",
		    p->gateway ? p->number : 'A' + p->number);
		p->disk.journal.octets[0] = (uint8_t)(i + 1);
		p->disk.journal.octets[6] = 0x40;
		p->disk.journal.octets[8] = 0x80;
		p->turn_at = INT64_MAX;
		p->mono_offset = between(0, 1000) * SEC;
	}
	if (w.gateways == 2)
		met(two_gateways);
	for (int g = 0; g < w.gateways; g++)
		later(between(0, 20 * MS), ITEM_START, (uint32_t)g, 0, 0);
	for (int b = 0; b < w.banks; b++)
		later(between(0, 20 * MS), ITEM_START, proc_index(bank_proc(b)),
		    0, 0);
}

void
world_run(uint64_t seed)
{
	uint64_t events = 0;

	reset(seed);
	set_up();
	faults_begin();
	people_begin();
	for (;;) {
		struct item i = pop();
		struct proc *p;

		w.now_ns = i.at_ns;
		if (i.kind == ITEM_END)
			break;
		p = proc_of(&i);
		if (p != NULL && p->stalled_until > w.now_ns) {
			i.at_ns = p->stalled_until;
			push(i);
			continue;
		}
		happen(&i);
		MUST(++events < 200000, "this schedule does not come to rest");
	}
	model_end();
	for (int i = 0; i < PROCS_MAX; i++)
		host_free(&w.procs[i]);
}

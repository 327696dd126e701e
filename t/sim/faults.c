/* What goes wrong, and how it ends. */
#include <string.h>

#include "base/check.h"
#include "sim.h"

/* Each schedule draws which faults it has, so that few meet often as well. */
void
faults_begin(void)
{
	struct faults *f = &w.may;

	f->crash = !one_in(4);
	f->power = one_in(2);
	f->cut = one_in(2);
	f->half_open = one_in(3);
	f->slow = one_in(3);
	f->stall = one_in(3);
	f->full = one_in(4);
	f->flush = one_in(4);
	f->clock = one_in(4);
	f->decide = one_in(5);
	f->backup_gateway = one_in(8);
	/* One disaster at a time is what is promised to be survived. */
	f->backup_bank = !f->backup_gateway && w.gateways == 1 && one_in(10);
	f->rebind = !f->backup_gateway && !f->backup_bank && one_in(20);
	f->keep_copy = one_in(2);
	w.lost = -1;
	f->drain = one_in(8);
	f->waive = one_in(8);
	f->tellers = one_in(3);
	f->every_ns = between(50, 700) * MS;
	later(between(20 * MS, SEC), ITEM_FAULT, 0, 0, 0);
	later(between(SEC, 5 * SEC), ITEM_HEAL, 0, 0, 0);
}

static struct proc *
any_proc(void)
{
	uint32_t n = below((uint32_t)(w.gateways + w.banks));

	/* The gateway is where decisions are: as often as all the banks. */
	if (one_in(3))
		n = below((uint32_t)w.gateways);
	return n < (uint32_t)w.gateways ? gateway_proc((int)n)
					: bank_proc((int)n - w.gateways);
}

static struct conn *
any_conn(void)
{
	uint32_t first = below(CONNS_MAX);

	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &w.conns[(first + i) % CONNS_MAX];

		if (c->used && c->open[0] && c->open[1])
			return c;
	}
	return NULL;
}

static void
crash(void)
{
	struct proc *p = any_proc();

	if (!p->up)
		return;
	if (one_in(4))
		host_crash(p);
	else if (one_in(3))
		p->crash_flush = true;
	else
		p->crash_in = 1 + below(40);
}

static void
stall(void)
{
	struct proc *p = any_proc();
	int64_t ns = between(10 * MS, one_in(2) ? 200 * MS : 2 * SEC);

	if (!p->up || p->stalled_until > w.now_ns)
		return;
	met(stalls);
	trace("%s stops for %lld ms", p->name, (long long)(ns / MS));
	p->stalled_until = w.now_ns + ns;
	if (ns > 2 * w.heartbeat_ns)
		net_silent(p);
}

static void
fill_disk(void)
{
	struct proc *p = any_proc();

	if (p->disk.full)
		return;
	met(disk_full);
	p->disk.full = true;
	later(between(50 * MS, SEC), ITEM_FULL_OVER, proc_index(p), 0, 0);
}

/* ---- Backups ---- */

static void
taint(struct proc *p, uint64_t from)
{
	for (uint64_t seq = from; p->gateway && seq <= p->disk.count; seq++) {
		int pay = p->disk.at[seq - 1].fact.pay;

		if (pay >= 0)
			w.gateway[p->number].pays[pay].tainted = true;
	}
}

static void
restore(struct proc *p, bool copy)
{
	struct disk *d = &p->disk;

	if (w.lost >= 0 && w.lost != (int)proc_index(p))
		return;
	if (p->up)
		host_crash(p);
	if (d->backup >= d->count || (d->kept_count > 0 && !p->gateway))
		return;
	w.lost = (int)proc_index(p);
	trace("%s is restored from a backup of %llu records, %llu are lost",
	    p->name, (unsigned long long)d->backup,
	    (unsigned long long)(d->count - d->backup));
	w.restores = true;
	taint(p, d->backup + 1);
	memcpy(d->kept, d->at, d->count * sizeof(*d->at));
	d->kept_count = d->count;
	d->count = d->durable = d->backup;
	d->backup = 0;
	p->torn = false;
	p->restored = copy;
	p->cut = !copy;
	if (p->gateway)
		met(backups_gateway);
	else
		met(backups_bank);
	model_rebuild(p, true);
}

/* The true journal again, in place of the copy that was fenced. */
void
faults_put_back(struct proc *p)
{
	struct disk *d = &p->disk;

	if (p->up)
		host_crash(p);
	trace("%s gets its true journal back", p->name);
	memcpy(d->at, d->kept, d->kept_count * sizeof(*d->at));
	d->count = d->durable = d->kept_count;
	d->kept_count = 0;
	p->failed = p->torn = p->restored = p->cut = false;
	model_rebuild(p, true);
}

void
faults_lose(struct proc *p, uint64_t seq)
{
	uint64_t boot = p->disk.count;

	if (w.healing || seq > p->disk.count)
		return;
	while (boot > 0 &&
	    p->disk.at[boot - 1].fact.verb != VERB_GATEWAY_JOURNAL_BOOT)
		boot--;
	/* With its BOOT it forgets the epoch too, and counts it again. */
	p->disk.backup = one_in(2) && boot > 1 ? boot - 1 : seq - 1;
	restore(p, one_in(2));
}

void
faults_half_told(const struct branch_model *b)
{
	struct proc *p = gateway_proc(b->gateway);

	if (w.healing || !w.may.backup_gateway || !one_in(4))
		return;
	later(between(0, 3 * MS), ITEM_LOSE, proc_index(p),
	    (uint32_t)b->decision_seq, 0);
	if (one_in(2) && bank_proc(w.branches[b->partner].bank)->up)
		bank_proc(w.branches[b->partner].bank)->crash_in = 1;
}

static void
back_up(bool gateway)
{
	struct proc *p = gateway
	    ? gateway_proc((int)below((uint32_t)w.gateways))
	    : bank_proc((int)below((uint32_t)w.banks));

	if (one_in(3)) {
		/* No copy, but a disk that gave back less than it had taken. */
		uint64_t lost = 1 + below(6);

		p->disk.backup =
		    lost < p->disk.durable ? p->disk.durable - lost : 0;
		restore(p, false);
	} else if (p->disk.backup == 0) {
		p->disk.backup = p->disk.durable;
	} else if (one_in(2)) {
		restore(p, true);
	}
}

/* A bank moves to another machine: the same records, a journal of its own. */
static void
move_bank(void)
{
	struct proc *p = bank_proc((int)below((uint32_t)w.banks));

	if (p->up)
		host_crash(p);
	w.restores = true;
	p->disk.journal.octets[1]++;
}

/* ---- The next one ---- */

static bool
allowed(uint32_t kind)
{
	switch (kind) {
	case 0:
	case 1:
		return w.may.crash;
	case 2:
		return w.may.cut;
	case 3:
		return w.may.half_open;
	case 4:
		return w.may.stall;
	case 5:
		return w.may.full;
	case 6:
		return w.may.clock;
	case 7:
		return w.may.backup_gateway;
	case 8:
		return w.may.backup_bank;
	case 9:
		return w.may.rebind && one_in(4);
	}
	return true;
}

static void
go_wrong(uint32_t kind)
{
	struct conn *c = any_conn();

	switch (kind) {
	case 0:
	case 1:
		crash();
		break;
	case 2:
		if (c != NULL)
			net_cut(c);
		break;
	case 3:
		if (c != NULL)
			net_half_open(c);
		break;
	case 4:
		stall();
		break;
	case 5:
		fill_disk();
		break;
	case 6:
		met(clock_jumps);
		any_proc()->wall_offset_us += between(-7200, 7200) * 1000000;
		break;
	case 7:
	case 8:
		back_up(kind == 7);
		break;
	case 9:
		move_bank();
		break;
	default: {
		struct proc *p = gateway_proc((int)below((uint32_t)w.gateways));

		later(
		    0, ITEM_CLIENT_DOWN, proc_index(p), below(USERS), p->life);
		break;
	}
	}
}

void
faults_next(void)
{
	uint32_t kind = below(11);

	if (w.healing)
		return;
	for (int n = 0; n < 11 && !allowed(kind); n++)
		kind = (kind + 1) % 11;
	go_wrong(kind);
	later(between(1 * MS, w.may.every_ns), ITEM_FAULT, 0, 0, 0);
}

void
faults_heal(void)
{
	trace("---- all is healed ----");
	w.healing = true;
	w.healed_ns = w.now_ns;
	for (int i = 0; i < PROCS_MAX; i++) {
		struct proc *p = &w.procs[i];

		p->disk.full = false;
		p->stalled_until = 0;
		p->crash_in = 0;
		p->crash_flush = false;
	}
	for (int i = 0; i < w.pay_count; i++) {
		w.pays[i].left = 1 + below(2);
		later(between(SEC, 3 * SEC), ITEM_PAY, (uint32_t)i, 0, 0);
	}
	later(16 * SEC, ITEM_END, 0, 0, 0);
}

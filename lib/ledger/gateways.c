/*
 * Gateways: who they are (epochs, fencing), their connections, and RESOLVE for
 * the branches that they have not decided.
 */
#include <string.h>

#include "base/check.h"
#include "ledger/private.h"
#include "wire/tag.h"

/* RESOLVEs in one step, so that a read still fits in. */
#define RESOLVE_STEP_MAX 4

uint32_t
ledger_gateway_find(const struct ledger *l, struct str node)
{
	for (uint32_t i = 0; i < l->gateway_count; i++)
		if (str_is(node, l->gateways[i].node))
			return i;
	return GATEWAY_NONE;
}

uint32_t
ledger_gateway_add(struct ledger *l, struct str node)
{
	struct gateway *g;

	if (l->gateway_count == l->conf.gateways_max)
		return GATEWAY_NONE;
	g = &l->gateways[l->gateway_count];
	memset(g, 0, sizeof(*g));
	CHECK(str_copy(g->node, sizeof(g->node), node));
	g->peer = PEER_NONE;
	TAILQ_INIT(&g->ask);
	TAILQ_INIT(&g->asked);
	return l->gateway_count++;
}

uint32_t
ledger_gateway_of_peer(const struct ledger *l, struct peer peer)
{
	for (uint32_t i = 0; i < l->gateway_count; i++)
		if (l->gateways[i].link != LINK_DOWN &&
		    peer_eq(l->gateways[i].peer, peer))
			return i;
	return GATEWAY_NONE;
}

/* Keeps the newest record of the gateway's journal that we were told of. */
void
ledger_gateway_heard(struct gateway *g, uint64_t seq, const struct check *check)
{
	if (seq > g->seq) {
		g->seq = seq;
		g->check = *check;
	}
}

/* ---- When to ask ---- */

/* splitmix64 (Steele, Lea, Flood, 2014): spreading is all it is for. */
static uint64_t
jitter(struct ledger *l)
{
	uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

void
ledger_gateway_ask_later(struct ledger *l, struct branch_slot *b)
{
	struct gateway *g = &l->gateways[b->gateway];
	const struct branch_slot *last = TAILQ_LAST(&g->ask, branch_list);
	uint64_t interval = (uint64_t)l->conf.resolve_ns;

	/* From three to five quarters of the interval. */
	interval = interval / 4 * 3 + jitter(l) % (interval / 2 + 1);
	b->ask_ns = l->now_ns + (int64_t)interval;
	/* The list stays in order, so its first is always the next. */
	if (last != NULL && last->ask_ns > b->ask_ns)
		b->ask_ns = last->ask_ns;
	b->asked = false;
	TAILQ_INSERT_TAIL(&g->ask, b, link);
}

static bool
may_ask(const struct gateway *g)
{
	return g->link == LINK_UP && g->unanswered < g->window &&
	    !TAILQ_EMPTY(&g->ask);
}

int64_t
ledger_gateways_next_ns(const struct ledger *l)
{
	int64_t next_ns = INT64_MAX;

	for (uint32_t i = 0; i < l->gateway_count; i++) {
		const struct gateway *g = &l->gateways[i];

		if (may_ask(g) && TAILQ_FIRST(&g->ask)->ask_ns < next_ns)
			next_ns = TAILQ_FIRST(&g->ask)->ask_ns;
	}
	return next_ns;
}

static void
send_resolve(struct ledger *l, struct gateway *g, struct actions *out)
{
	struct branch_slot *b = TAILQ_FIRST(&g->ask);
	uint32_t slot = (uint32_t)(b - l->branches);
	struct action *a = ledger_emit(out, AC_SEND);
	char tag[TAG_MAX_LEN + 1];

	TAILQ_REMOVE(&g->ask, b, link);
	TAILQ_INSERT_TAIL(&g->asked, b, link);
	b->asked = true;
	b->asked_number = l->asked_serial++ * l->slots_max + slot;
	g->unanswered++;
	tag_make(tag, VERB_UP_RESOLVE, b->asked_number);
	a->peer = g->peer;
	a->after_seq = ledger_after(l, b->seq);
	msg_init(&a->msg, MSG_REQUEST, VERB_UP_RESOLVE, tag);
	msg_set_id(&a->msg, KEY_id, &b->id);
	msg_set_branch(&a->msg, KEY_branch, ledger_slot_branch(l, b));
	msg_set_str(&a->msg, KEY_peer, text_of(b->peer));
	if (b->overruled)
		msg_set_str(&a->msg, KEY_outcome, STR("committed"));
}

void
ledger_gateways_tick(struct ledger *l, struct actions *out)
{
	uint32_t sent = 0;

	for (uint32_t i = 0; i < l->gateway_count; i++) {
		struct gateway *g = &l->gateways[i];

		while (sent < RESOLVE_STEP_MAX && may_ask(g) &&
		    TAILQ_FIRST(&g->ask)->ask_ns <= l->now_ns) {
			send_resolve(l, g, out);
			sent++;
		}
	}
}

/* ---- Connections ---- */

static void
unlink_gateway(struct gateway *g)
{
	struct branch_slot *b;

	/* What was asked died with the connection. */
	TAILQ_FOREACH (b, &g->asked, link)
		b->asked = false;
	TAILQ_CONCAT(&g->ask, &g->asked, link);
	g->link = LINK_DOWN;
	g->peer = PEER_NONE;
	g->unanswered = 0;
}

void
ledger_gateways_down(struct ledger *l, struct peer peer)
{
	uint32_t index = ledger_gateway_of_peer(l, peer);

	if (index != GATEWAY_NONE)
		unlink_gateway(&l->gateways[index]);
}

static void
send_register(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	struct gateway *g = &l->gateways[c->gateway];
	struct action *a = ledger_emit(out, AC_SEND);
	char tag[TAG_MAX_LEN + 1];

	g->link = LINK_REGISTERING;
	g->peer = c->peer;
	g->window = c->window;
	g->unanswered = 0;
	tag_make(tag, VERB_UP_REGISTER, l->asked_serial++);
	a->peer = c->peer;
	a->after_seq = ledger_after(l, c->seq);
	msg_init(&a->msg, MSG_REQUEST, VERB_UP_REGISTER, tag);
	msg_set_str(&a->msg, KEY_bank, text_of(l->conf.bank));
	msg_set_u64(&a->msg, KEY_boot, l->boot);
	msg_set_u64(&a->msg, KEY_seq, l->durable_seq);
	msg_set_id(&a->msg, KEY_journal, &l->journal);
	if (g->seq != 0) {
		msg_set_u64(&a->msg, KEY_gateway_seq, g->seq);
		msg_set_check(&a->msg, KEY_gateway_check, &g->check);
	}
}

static void
epoch_recorded(struct ledger *l, struct actions *out)
{
	l->current.gateway = ledger_gateway_find(l, text_of(l->current.t.node));
	CHECK(l->current.gateway != GATEWAY_NONE);
	send_register(l, out);
}

static void
append_epoch(struct ledger *l, struct actions *out)
{
	const struct current *c = &l->current;
	struct msg *m =
	    ledger_append(l, out, VERB_BANK_JOURNAL_GATEWAY, epoch_recorded);

	msg_set_str(m, KEY_node, text_of(c->t.node));
	msg_set_u64(m, KEY_epoch, c->t.epoch);
	if (c->gateway != GATEWAY_NONE && l->gateways[c->gateway].seq != 0) {
		msg_set_u64(m, KEY_gateway_seq, l->gateways[c->gateway].seq);
		msg_set_check(
		    m, KEY_gateway_check, &l->gateways[c->gateway].check);
	}
}

/*
 * An epoch below one that was seen: an old copy of the gateway's journal, or
 * two gateways of one name. Its connection that is in use, if any, has the
 * higher epoch and stays. True where the newcomer was sent away.
 */
static bool
is_fenced(
    struct ledger *l, struct gateway *g, uint64_t epoch, struct actions *out)
{
	if (g->fenced && epoch <= g->fenced_epoch) {
		ledger_close_peer(out, l->current.peer,
		    "gateway %s is fenced until it has a higher epoch",
		    g->node);
		return true;
	}
	if (epoch >= g->epoch)
		return false;
	g->fenced = true;
	g->fenced_epoch = epoch;
	ledger_say(out, ACTION_CRIT, NULL,
	    "FENCED: gateway %s is at epoch %llu and was at %llu: an old copy "
	    "of "
	    "its journal, or two run at once. Stop that one, or restore the "
	    "newest copy",
	    g->node, (unsigned long long)epoch, (unsigned long long)g->epoch);
	ledger_close_peer(out, l->current.peer, "FENCED: gateway %s", g->node);
	return true;
}

void
ledger_gateways_hello(
    struct ledger *l, const struct event *event, struct actions *out)
{
	struct current *c = &l->current;
	const struct msg *m = event->msg;
	struct gateway *g = NULL;

	if (m->word != MSG_OK || m->v[KEY_proto].u64 != PROTO_VERSION) {
		ledger_say(out, ACTION_WARN, NULL,
		    "a gateway refuses our HELLO: %s",
		    m->word == MSG_ERR
			? code_text((enum code)m->v[KEY_code].u64)
			: "another protocol version");
		ledger_close_peer(out, event->peer, "HELLO refused");
		ledger_gateways_down(l, event->peer);
		return;
	}
	if (ledger_gateway_of_peer(l, event->peer) != GATEWAY_NONE)
		return; /* a reply to no request of ours */
	CHECK(str_copy(c->t.node, sizeof(c->t.node), m->v[KEY_node].str));
	c->t.epoch = m->v[KEY_epoch].u64;
	c->window = m->v[KEY_window].u64 > l->conf.in_flight_max
	    ? l->conf.in_flight_max
	    : (uint32_t)m->v[KEY_window].u64;
	if (c->window == 0)
		c->window = 1;
	c->seq = 0;
	c->gateway = ledger_gateway_find(l, text_of(c->t.node));
	if (c->gateway == GATEWAY_NONE &&
	    l->gateway_count == l->conf.gateways_max) {
		ledger_say(out, ACTION_WARN, NULL,
		    "no room for gateway %s: %u are known already", c->t.node,
		    l->gateway_count);
		ledger_close_peer(out, event->peer, "too many gateways");
		return;
	}
	if (c->gateway != GATEWAY_NONE)
		g = &l->gateways[c->gateway];
	if (g != NULL && is_fenced(l, g, c->t.epoch, out))
		return;
	if (g != NULL && g->link != LINK_DOWN) {
		ledger_close_peer(out, g->peer,
		    "replaced by a newer connection of gateway %s", g->node);
		unlink_gateway(g);
	}
	if (g == NULL || c->t.epoch > g->epoch)
		append_epoch(l, out);
	else
		send_register(l, out);
}

static void
register_refused(struct ledger *l, struct gateway *g, const struct msg *m,
    struct actions *out)
{
	enum code code = (enum code)m->v[KEY_code].u64;
	struct peer peer = g->peer;

	if (code == CODE_FENCED)
		ledger_say(out, ACTION_CRIT, NULL,
		    "FENCED: gateway %s refuses this bank's journal. Restore "
		    "it, or have the gateway's operator REBIND or WAIVE",
		    g->node);
	else
		ledger_say(out, ACTION_WARN, NULL,
		    "gateway %s refuses REGISTER: %s", g->node,
		    code_text(code));
	ledger_close_peer(out, peer, "REGISTER refused: %s", code_text(code));
	unlink_gateway(g);
	(void)l;
}

void
ledger_gateways_register(
    struct ledger *l, const struct event *event, struct actions *out)
{
	uint32_t index = ledger_gateway_of_peer(l, event->peer);
	struct gateway *g;
	struct branch_slot *b;

	if (index == GATEWAY_NONE ||
	    l->gateways[index].link != LINK_REGISTERING)
		return; /* a reply to no request */
	g = &l->gateways[index];
	if (event->msg->word != MSG_OK && event->proof != PROOF_BAD) {
		register_refused(l, g, event->msg, out);
		return;
	}
	/* Told in the OK, or in the ERR of a gateway that has seen it already.
	 */
	if (event->proof == PROOF_BAD) {
		struct action *a;

		ledger_say(out, ACTION_CRIT, NULL,
		    "FENCED: gateway %s was told of a record that this "
		    "journal has not, or has otherwise. Restore the newest "
		    "copy, or move it away and have the gateway REBIND",
		    g->node);
		ledger_close_peer(out, event->peer, "FENCED");
		unlink_gateway(g);
		a = ledger_emit(out, AC_FAIL);
		(void)str_copy(a->text, sizeof(a->text),
		    STR("FENCED: this journal has lost records that a "
			"gateway was told of"));
		return;
	}
	g->link = LINK_UP;
	TAILQ_FOREACH (b, &g->ask, link)
		b->ask_ns = l->now_ns;
	ledger_say(
	    out, ACTION_INFO, NULL, "registered with gateway %s", g->node);
}

/* ---- What RESOLVE was answered ---- */

static void
resolved(struct ledger *l, struct actions *out)
{
	(void)l;
	(void)out;
}

/* The branch that this reply is about, or NULL: it ended meanwhile. */
static struct branch_slot *
answered_branch(const struct ledger *l, uint32_t gateway, const char *tag)
{
	uint64_t number;
	struct branch_slot *b;

	if (!tag_number(tag, &number))
		return NULL;
	b = &l->branches[number % l->slots_max];
	if (!b->used || !b->asked || b->gateway != gateway ||
	    b->asked_number != number)
		return NULL;
	return b;
}

bool
ledger_awaits(const struct ledger *l, struct peer peer, const char *tag)
{
	uint32_t index = ledger_gateway_of_peer(l, peer);

	return index != GATEWAY_NONE && answered_branch(l, index, tag) != NULL;
}

static void
resolve_broken(struct ledger *l, struct branch_slot *b, struct actions *out)
{
	struct gateway *g = &l->gateways[b->gateway];

	ledger_say(out, ACTION_WARN, &b->id,
	    "gateway %s answers RESOLVE with something else", g->node);
	ledger_close_peer(out, g->peer, "a wrong answer to RESOLVE");
	unlink_gateway(g);
}

static void
ask_again(struct ledger *l, struct branch_slot *b)
{
	TAILQ_REMOVE(&l->gateways[b->gateway].asked, b, link);
	ledger_gateway_ask_later(l, b);
}

/* The gateway has it on record that an operator committed what it aborted. */
static void
settle_aborted(struct ledger *l, struct branch_slot *b, struct actions *out)
{
	ledger_say(out, ACTION_WARN, &b->id,
	    "gateway %s aborted what an operator of this bank committed, and "
	    "has that on record",
	    l->gateways[b->gateway].node);
	l->current.proof_seq = 0;
	ledger_branch_append_settled(l, out, b, resolved);
}

static void
resolve_outcome(struct ledger *l, struct branch_slot *b, const struct msg *m,
    struct actions *out)
{
	struct current *c = &l->current;
	struct str outcome = m->v[KEY_outcome].str;
	struct branch asked = ledger_slot_branch(l, b);

	if (!id_eq(&m->v[KEY_id].id, &b->id) ||
	    !branch_eq(&m->v[KEY_branch].branch, &asked)) {
		resolve_broken(l, b, out);
	} else if (b->overruled && !l->room) {
		ask_again(l, b); /* the reserve is for what is prepared */
	} else if (str_is(outcome, "commit") && msg_has(m, seq) &&
	    msg_has(m, check)) {
		c->proof_seq = m->v[KEY_seq].u64;
		c->proof_check = m->v[KEY_check].check;
		if (b->overruled)
			ledger_branch_append_settled(l, out, b, resolved);
		else
			ledger_branch_append_committed(l, out, b, resolved);
	} else if (str_is(outcome, "abort")) {
		if (b->overruled)
			settle_aborted(l, b, out);
		else
			ledger_branch_append_aborted(l, out, b, resolved);
	} else if (str_is(outcome, "wait")) {
		ask_again(l, b);
	} else {
		resolve_broken(l, b, out);
	}
}

void
ledger_gateways_resolved(
    struct ledger *l, const struct event *event, struct actions *out)
{
	uint32_t index = ledger_gateway_of_peer(l, event->peer);
	struct branch_slot *b;
	struct gateway *g;

	if (index == GATEWAY_NONE || l->gateways[index].link != LINK_UP)
		return;
	g = &l->gateways[index];
	if (g->unanswered > 0)
		g->unanswered--;
	b = answered_branch(l, index, event->msg->tag);
	if (b == NULL)
		return;
	if (event->msg->word == MSG_OK) {
		resolve_outcome(l, b, event->msg, out);
		return;
	}
	/* Refused for now, whatever the reason: nobody else may decide. */
	ledger_say(out, ACTION_WARN, &b->id, "gateway %s refuses RESOLVE: %s",
	    g->node, code_text((enum code)event->msg->v[KEY_code].u64));
	ask_again(l, b);
}

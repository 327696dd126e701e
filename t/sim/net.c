/*
 * The shells' side of the bank links, as bin/gatewayd and bin/bankd have it:
 * HELLO, the proofs of REGISTER, windows; and the network between them.
 * Heartbeats are not sent: an end that would miss them is told after two.
 */
#include <string.h>

#include "base/check.h"
#include "sim.h"
#include "wire/tag.h"

#define REDIAL_MAX_NS (800 * MS)

/* ---- Lanes ---- */

static int64_t
latency_ns(void)
{
	int64_t ns = between(100 * US, w.latency_ns);

	if (w.may.slow && !w.healing && one_in(40))
		ns += between(0, 700 * MS);
	return ns;
}

static void
put_note(struct conn *c, enum end from, const char *text, uint32_t len)
{
	struct lane *lane = &c->lane[from];
	int64_t at_ns = w.now_ns + latency_ns();

	if (lane->lost)
		return;
	MUST(lane->count < LANE_MAX, "a connection holds too many lines");
	lane->at[(lane->first + lane->count++) % LANE_MAX] =
	    (struct note){text, len};
	if (at_ns < lane->last_ns)
		at_ns = lane->last_ns;
	lane->last_ns = at_ns;
	later(at_ns - w.now_ns, ITEM_LINE, (uint32_t)(c - w.conns), from,
	    c->generation);
}

/* This end hears that the other one is gone, after what is under way. */
static void
tell_down(struct conn *c, enum end e, int64_t ns)
{
	int64_t at_ns = w.now_ns + ns;

	if (at_ns < c->lane[!e].last_ns)
		at_ns = c->lane[!e].last_ns;
	later(at_ns - w.now_ns, ITEM_DOWN, (uint32_t)(c - w.conns), e,
	    c->generation);
}

/* This end closes; what it sent before may still arrive. */
static void
close_end(struct conn *c, enum end e)
{
	if (!c->open[e])
		return;
	c->open[e] = false;
	if (c->open[!e])
		tell_down(
		    c, !e, c->lane[e].lost ? 2 * w.heartbeat_ns : latency_ns());
	c->lane[!e].lost = true;
	c->lane[!e].count = 0;
	if (!c->open[!e])
		c->used = false;
}

void
net_cut(struct conn *c)
{
	met(cuts);
	trace("the connection of Bank%c and gw%d is cut", 'A' + c->bank,
	    c->gateway);
	for (int e = 0; e < 2; e++) {
		struct lane *lane = &c->lane[e];

		if (lane->count > 0)
			lane->count = below(lane->count + 1);
		lane->lost = true;
	}
	for (int e = 0; e < 2; e++)
		if (c->open[e])
			tell_down(c, (enum end)e,
			    one_in(4) ? 2 * w.heartbeat_ns : latency_ns());
}

/* One direction is dead, and nobody knows before the heartbeats. */
void
net_half_open(struct conn *c)
{
	enum end from = (enum end)below(2);

	met(half_open);
	trace("the connection of Bank%c and gw%d is half open", 'A' + c->bank,
	    c->gateway);
	if (c->lane[from].count > 0)
		c->lane[from].count = below(c->lane[from].count + 1);
	c->lane[from].lost = true;
	tell_down(c, (enum end) !from, 2 * w.heartbeat_ns);
}

static struct conn *
conn_of(const struct proc *p, struct peer peer)
{
	struct conn *c;

	if (peer.slot >= CONNS_MAX)
		return NULL;
	c = &w.conns[peer.slot];
	if (!c->used || c->generation != peer.generation)
		return NULL;
	CHECK((p->gateway ? c->gateway : c->bank) == p->number);
	return c;
}

static enum end
end_of(const struct proc *p)
{
	return p->gateway ? END_GATEWAY : END_BANK;
}

static struct peer
peer_of(const struct conn *c)
{
	return (struct peer){(uint32_t)(c - w.conns), c->generation};
}

/* ---- Out ---- */

static bool
is_final(const char *text)
{
	const char *word = strchr(text, ' ');

	return word != NULL &&
	    (strncmp(word + 1, "OK", 2) == 0 ||
		strncmp(word + 1, "ERR", 3) == 0) &&
	    (word[3] == ' ' || word[3] == '\0' || word[4] == ' ');
}

void
net_deliver(struct proc *p, struct peer peer, const char *text, uint32_t len)
{
	enum end e = end_of(p);
	struct conn *c;

	if (peer.slot >= SLOT_CLIENT) {
		people_answer(p, peer, text, len);
		return;
	}
	c = conn_of(p, peer);
	if (c == NULL || !c->open[e])
		return;
	if (is_final(text)) {
		MUST(c->unanswered[e] > 0, "%s answers what nobody asked: %s",
		    p->name, text);
		c->unanswered[e]--;
	}
	trace("%s > %s", p->name, text);
	put_note(c, e, text, len);
}

void
net_sent_register(struct proc *p, struct peer peer, const struct msg *m)
{
	struct conn *c;

	if (m->verb != VERB_UP_REGISTER)
		return;
	c = conn_of(p, peer);
	if (c == NULL)
		return;
	if (p->gateway && m->word == MSG_OK)
		c->registered = true;
	else if (!p->gateway && m->word == MSG_REQUEST)
		memcpy(
		    p->links[c->gateway].register_tag, m->tag, sizeof(m->tag));
}

void
net_close(struct proc *p, struct peer peer, const char *why)
{
	struct conn *c = conn_of(p, peer);

	if (c == NULL || c->ended[end_of(p)])
		return;
	if (strstr(why, "replaced") != NULL)
		met(replaced);
	if (!p->gateway && p->links[c->gateway].state != LINK_REGISTERED)
		p->links[c->gateway].delay_ns = REDIAL_MAX_NS;
	c->ended[end_of(p)] = true;
}

/* ---- The end of a connection ---- */

static void
core_down(struct proc *p, struct conn *c)
{
	struct event ev = {.kind = EV_PEER_DOWN, .peer = peer_of(c)};
	char bank[] = "BankA";

	bank[4] = (char)('A' + c->bank);
	ev.user = p->gateway ? str_from(bank) : STR_NONE;
	if (!p->gateway) {
		struct link *k = &p->links[c->gateway];

		if (k->conn == (int)(c - w.conns)) {
			int64_t wait_ns = between(k->delay_ns / 2, k->delay_ns);

			k->conn = -1;
			k->state = LINK_IDLE;
			if (k->delay_ns < REDIAL_MAX_NS)
				k->delay_ns *= 2;
			later(w.healing && !k->refused ? 30 * MS : wait_ns,
			    ITEM_DIAL, (uint32_t)p->number,
			    (uint32_t)c->gateway, p->life);
		}
	}
	host_event(p, &ev);
}

void
net_after_turn(struct proc *p)
{
	enum end e = end_of(p);

	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &w.conns[i];

		if (!c->used || !c->open[e] || !c->ended[e] ||
		    (p->gateway ? c->gateway : c->bank) != p->number)
			continue;
		close_end(c, e);
		core_down(p, c);
		if (p->dying || !p->up)
			return;
	}
}

void
net_down(uint32_t index, enum end e)
{
	struct conn *c = &w.conns[index];
	struct proc *p =
	    e == END_GATEWAY ? gateway_proc(c->gateway) : bank_proc(c->bank);

	if (!c->used || !c->open[e] || !p->up)
		return;
	trace("%s sees its connection go", p->name);
	c->ended[e] = true;
	close_end(c, e);
	core_down(p, c);
}

/* All connections of a process that died; the kernel says so, or nobody. */
void
net_lost(struct proc *p, bool silently)
{
	enum end e = end_of(p);

	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &w.conns[i];

		if (!c->used || !c->open[e] ||
		    (p->gateway ? c->gateway : c->bank) != p->number)
			continue;
		/* A reset may destroy what was not read yet. */
		if (c->lane[e].count > 0)
			c->lane[e].count = below(c->lane[e].count + 1);
		if (silently)
			c->lane[e].lost = true;
		c->ended[e] = true;
		close_end(c, e);
	}
}

/* A process has stopped: its peers miss its heartbeats. */
void
net_silent(const struct proc *p)
{
	enum end e = end_of(p);

	for (uint32_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = &w.conns[i];

		if (c->used && c->open[!e] &&
		    (p->gateway ? c->gateway : c->bank) == p->number)
			tell_down(c, (enum end) !e, 2 * w.heartbeat_ns);
	}
}

/* ---- A bank dials ---- */

void
net_dial(int b, int g)
{
	struct proc *p = bank_proc(b), *gw = gateway_proc(g);
	struct link *k = &p->links[g];
	struct conn *c = w.conns;
	struct msg m;
	char line[LINE_MAX_LEN];
	size_t len;

	if (!p->up || k->conn >= 0)
		return;
	while (c < w.conns + CONNS_MAX && c->used)
		c++;
	if (!gw->up || gw->stalled_until > w.now_ns ||
	    c == w.conns + CONNS_MAX) {
		later(w.healing ? 30 * MS : between(10 * MS, 200 * MS),
		    ITEM_DIAL, (uint32_t)b, (uint32_t)g, p->life);
		return;
	}
	memset(c, 0, offsetof(struct conn, lane));
	for (int e = 0; e < 2; e++) {
		c->lane[e].first = c->lane[e].count = 0;
		c->lane[e].last_ns = w.now_ns;
		c->lane[e].lost = false;
		c->open[e] = true;
	}
	c->used = true;
	c->gateway = g;
	c->bank = b;
	c->generation = ++w.generations;
	c->window[END_GATEWAY] = w.window;
	c->window[END_BANK] = w.window;
	k->conn = (int)(c - w.conns);
	k->state = LINK_GREETING;
	k->register_tag[0] = '\0';
	trace("%s dials %s", p->name, gw->name);
	tag_make(k->hello_tag, VERB_UP_HELLO, ++p->requests);
	msg_init(&m, MSG_REQUEST, VERB_UP_HELLO, k->hello_tag);
	msg_set_u64(&m, KEY_proto, PROTO_VERSION);
	msg_set_str(&m, KEY_agent, STR("sim/1"));
	msg_set_u64(&m, KEY_window, c->window[END_BANK]);
	len = msg_encode(&m, line);
	CHECK(len > 0);
	put_note(c, END_BANK, keep(line, len - 1), (uint32_t)len - 1);
}

/* ---- In: a gateway ---- */

static void
error_to(struct proc *p, struct conn *c, const struct msg *to, enum code code,
    const char *text)
{
	struct msg m;

	msg_error(&m, to->verb, to->tag, code, text);
	host_send(p, peer_of(c), &m);
}

static void
answer_hello(struct proc *p, struct conn *c, const struct msg *m)
{
	struct msg reply;

	msg_init(&reply, MSG_OK, m->verb, m->tag);
	msg_set_u64(&reply, KEY_proto, PROTO_VERSION);
	msg_set_str(&reply, KEY_node, str_from(p->name));
	msg_set_str(&reply, KEY_server, STR("sim/1"));
	msg_set_u64(&reply, KEY_window, c->window[END_GATEWAY]);
	msg_set_i64(&reply, KEY_time, host_wall_us(p));
	msg_set_u64(&reply, KEY_epoch, p->epoch);
	msg_set_i64(&reply, KEY_heartbeat, w.heartbeat_ns);
	host_send(p, peer_of(c), &reply);
}

static void
gateway_event(struct proc *p, struct conn *c, struct event *ev)
{
	char bank[] = "BankA";

	bank[4] = (char)('A' + c->bank);
	ev->kind = EV_MSG;
	ev->peer = peer_of(c);
	ev->user = str_from(bank);
	host_event(p, ev);
}

static void
gateway_request(struct proc *p, struct conn *c, const struct line *line)
{
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.msg = &m};

	MUST(msg_request(&m, line, SIDE_UP, &problem) == LINE_OK,
	    "%s cannot understand a request: %s", p->name, problem.text);
	MUST(c->unanswered[END_GATEWAY] < c->window[END_GATEWAY],
	    "Bank%c exceeds the window of %s", 'A' + c->bank, p->name);
	c->unanswered[END_GATEWAY]++;
	if (m.verb == VERB_UP_HELLO) {
		answer_hello(p, c, &m);
		/* The turn sends it. */
		return;
	}
	if (m.verb == VERB_UP_REGISTER) {
		ev.window = c->window[END_BANK];
		w.registering = (uint32_t)(c - w.conns);
		if (msg_has(&m, gateway_seq))
			ev.proof = host_proves(p, m.v[KEY_gateway_seq].u64,
				       &m.v[KEY_gateway_check].check)
			    ? PROOF_GOOD
			    : PROOF_BAD;
	}
	gateway_event(p, c, &ev);
}

static void
gateway_reply(struct proc *p, struct conn *c, const struct line *line)
{
	enum verb verb = tag_verb(SIDE_DOWN, line->tag);
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.msg = &m};

	if (verb == VERB_UNKNOWN || !c->registered)
		return;
	MUST(msg_reply(&m, line, verb, &problem) == LINE_OK,
	    "%s cannot understand a reply: %s", p->name, problem.text);
	gateway_event(p, c, &ev);
}

/* ---- In: a bank ---- */

static void
bank_event(struct proc *p, struct conn *c, struct event *ev)
{
	ev->kind = EV_MSG;
	ev->peer = peer_of(c);
	host_event(p, ev);
}

static void
bank_request(struct proc *p, struct conn *c, const struct line *line)
{
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.msg = &m};

	MUST(msg_request(&m, line, SIDE_DOWN, &problem) == LINE_OK,
	    "%s cannot understand a request: %s", p->name, problem.text);
	MUST(c->unanswered[END_BANK] < c->window[END_BANK],
	    "gw%d exceeds the window of %s", c->gateway, p->name);
	c->unanswered[END_BANK]++;
	if (p->links[c->gateway].state != LINK_REGISTERED) {
		error_to(p, c, &m, CODE_BAD_REQUEST,
		    "the answer to REGISTER comes first");
		return;
	}
	bank_event(p, c, &ev);
}

static void
take_hello(struct proc *p, struct conn *c, const struct msg *m)
{
	struct link *k = &p->links[c->gateway];
	struct event ev = {.msg = m};

	if (k->state != LINK_GREETING || strcmp(m->tag, k->hello_tag) != 0)
		return;
	k->state = LINK_REGISTERING;
	k->epoch = m->v[KEY_epoch].u64;
	bank_event(p, c, &ev);
}

/* Has this journal the record that the gateway says the bank has proven? */
static enum proof
proof_of(const struct proc *p, const struct msg *m)
{
	return host_proves(
		   p, m->v[KEY_proven_seq].u64, &m->v[KEY_proven_check].check)
	    ? PROOF_GOOD
	    : PROOF_BAD;
}

static void
take_registered(struct proc *p, struct conn *c, const struct msg *m)
{
	struct link *k = &p->links[c->gateway];
	struct event ev = {.msg = m};
	uint64_t life = p->life;

	if (k->state != LINK_REGISTERING ||
	    strcmp(m->tag, k->register_tag) != 0)
		return;
	if (m->word == MSG_ERR) {
		k->refused = (enum code)m->v[KEY_code].u64 == CODE_FENCED;
		if (k->refused)
			met(fenced_by_gateway);
		k->delay_ns = REDIAL_MAX_NS;
		if (msg_has(m, proven_seq))
			ev.proof = proof_of(p, m);
		bank_event(p, c, &ev);
		if (p->life == life)
			c->ended[END_BANK] = true;
		return;
	}
	if (msg_has(m, proven_seq))
		ev.proof = proof_of(p, m);
	bank_event(p, c, &ev);
	if (p->life != life || c->ended[END_BANK])
		return;
	k->state = LINK_REGISTERED;
	k->delay_ns = 20 * MS;
	k->refused = false;
}

static void
bank_reply(struct proc *p, struct conn *c, const struct line *line)
{
	enum verb verb = tag_verb(SIDE_UP, line->tag);
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.msg = &m};

	if (verb == VERB_UNKNOWN)
		return;
	MUST(msg_reply(&m, line, verb, &problem) == LINE_OK,
	    "%s cannot understand a reply: %s", p->name, problem.text);
	if (verb == VERB_UP_HELLO)
		take_hello(p, c, &m);
	else if (verb == VERB_UP_REGISTER)
		take_registered(p, c, &m);
	else if (p->links[c->gateway].state == LINK_REGISTERED)
		bank_event(p, c, &ev);
}

/* ---- A line arrives ---- */

void
net_line(uint32_t index, enum end from)
{
	struct conn *c = &w.conns[index];
	struct lane *lane = &c->lane[from];
	enum end e = (enum end) !from;
	struct proc *p =
	    e == END_GATEWAY ? gateway_proc(c->gateway) : bank_proc(c->bank);
	static struct line line;
	struct note note;
	uint64_t life = p->life;

	if (lane->count == 0)
		return;
	note = lane->at[lane->first];
	lane->first = (lane->first + 1) % LANE_MAX;
	lane->count--;
	if (!c->open[e] || c->ended[e] || !p->up)
		return;
	MUST(line_split(&line, (struct str){note.text, note.len}) == LINE_OK,
	    "a line is broken: %s", note.text);
	trace("%s < %s", p->name, note.text);
	if (e == END_GATEWAY && line_is_reply(&line))
		gateway_reply(p, c, &line);
	else if (e == END_GATEWAY)
		gateway_request(p, c, &line);
	else if (line_is_reply(&line))
		bank_reply(p, c, &line);
	else
		bank_request(p, c, &line);
	/* The line may have given work to the shell alone. */
	if (p->up && p->life == life)
		host_poke(p);
}

/*
 * Those who use it: clients who pay, ask, cancel and repeat themselves, with
 * other payloads and at both gateways; tellers; operators, careless before the
 * healing and careful after it.
 */
#include <stdarg.h>
#include <string.h>

#include "base/check.h"
#include "sim.h"
#include "wire/money.h"

const char *
customer_name(int customer)
{
	static const char *const names[CUSTOMERS + 1] = {
	    "alice", "bob", "carol", "nobody"};

	return names[customer];
}

int
customer_currency(int customer)
{
	return customer == 2 ? 1 : 0;
}

uint32_t
currency_of(int currency)
{
	static uint32_t of[CURRENCIES];

	if (of[0] == 0) {
		CHECK(currency_parse(&of[0], STR("CZK")));
		CHECK(currency_parse(&of[1], STR("EUR")));
	}
	return of[currency];
}

/* ---- Payments ---- */

static struct payload
any_payload(void)
{
	struct payload p = {0};

	/* One after another: an initializer has no order. */
	p.from_bank = (int)below((uint32_t)w.banks);
	p.to_bank = (int)below((uint32_t)w.banks);
	p.amount = between(1, one_in(4) ? 900 : 120);
	p.memo = one_in(4);
	p.hold = !one_in(3);
	if (p.to_bank == p.from_bank && !one_in(4))
		p.to_bank = (p.from_bank + 1) % w.banks;
	if (one_in(6)) {
		p.from = p.to = 2;
		p.currency = 1;
	} else {
		p.from = (int)below(2);
		p.to = (int)below(2);
	}
	if (one_in(25))
		p.to = CUSTOMERS;
	if (one_in(25))
		p.currency = 1 - p.currency;
	return p;
}

void
people_begin(void)
{
	w.pay_count = 4 + (int)below(PAYS_MAX - 3);
	for (int i = 0; i < w.pay_count; i++) {
		struct pay *p = &w.pays[i];

		p->id = (struct id){{0xaa, [1] = (uint8_t)w.seed, [6] = 0x40,
		    [8] = 0x80, [15] = (uint8_t)i}};
		p->of[0] = any_payload();
		p->of[1] = p->of[0];
		if (one_in(2))
			p->of[1].amount++;
		else
			p->of[1].memo = !p->of[1].memo;
		p->user = (int)below(USERS);
		p->shared = w.gateways > 1 && one_in(2);
		p->left = 1 + below(5);
		later(between(30 * MS, 3 * SEC), ITEM_PAY, (uint32_t)i, 0, 0);
		for (int g = 0; g < GATEWAYS_MAX; g++)
			w.gateway[g].pays[i].variant =
			    w.gateway[g].pays[i].user = -1;
	}
	if (w.may.tellers)
		later(between(100 * MS, SEC), ITEM_TELLER, 0, 0, 0);
	later(between(200 * MS, SEC), ITEM_OPERATOR, 0, 0, 0);
}

static uint32_t
new_ask(enum verb verb, int pay, int variant, int user, int gateway)
{
	MUST(w.ask_count < REQUESTS_MAX, "too many requests");
	w.asks[w.ask_count] =
	    (struct ask){verb, pay, variant, user, gateway, false};
	return w.ask_count++;
}

static int
gateway_for(int pay)
{
	if (w.gateways == 1)
		return 0;
	return w.pays[pay].shared ? (int)below(2) : pay % 2;
}

/* After the healing: the payment once more, then the last word on it. */
static void
pay_healed(uint32_t pay)
{
	struct pay *p = &w.pays[pay];
	int g = gateway_for((int)pay);

	if (p->left > 0) {
		enum verb verb =
		    one_in(10) ? VERB_CLIENT_CANCEL : VERB_CLIENT_PAY;
		uint32_t ask =
		    new_ask(verb, (int)pay, one_in(12) ? 1 : 0, p->user, g);

		p->left--;
		later(between(0, 5 * MS), ITEM_ASK, ask, 0, 0);
		later(between(500 * MS, 2 * SEC), ITEM_PAY, pay, 0, 0);
		return;
	}
	for (g = 0; g < w.gateways; g++)
		later(5 * SEC, ITEM_ASK,
		    new_ask(VERB_CLIENT_STATUS, (int)pay, VARIANTS, p->user, g),
		    0, 0);
}

void
people_pay(uint32_t pay)
{
	struct pay *p = &w.pays[pay];
	enum verb verb = VERB_CLIENT_PAY;
	uint32_t what = below(100), ask;
	int variant = one_in(8) ? 1 : 0, user = p->user;

	if (w.healing) {
		pay_healed(pay);
		return;
	}
	if (p->left == 0)
		return;
	p->left--;
	if (what < 15)
		verb = VERB_CLIENT_STATUS;
	else if (what < 23)
		verb = VERB_CLIENT_CANCEL;
	else if (what < 28)
		verb = VERB_CLIENT_BALANCE;
	else if (what < 32)
		verb = VERB_CLIENT_HISTORY;
	if (one_in(25))
		user = (user + 1) % USERS;
	ask = new_ask(verb, (int)pay, variant, user, gateway_for((int)pay));
	later(between(0, w.latency_ns), ITEM_ASK, ask, 0, 0);
	later(one_in(3) ? between(0, 3 * MS) : between(20 * MS, 900 * MS),
	    ITEM_PAY, pay, 0, 0);
}

__attribute__((format(printf, 3, 4))) static size_t
write_text(char *into, size_t size, const char *format, ...)
{
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(into, size, format, ap);
	va_end(ap);
	CHECK(len > 0 && (size_t)len < size);
	return (size_t)len;
}

static void
write_ask(char *into, size_t size, uint32_t index)
{
	const struct ask *a = &w.asks[index];
	const struct pay *pay = &w.pays[a->pay];
	const struct payload *of =
	    &pay->of[a->variant < VARIANTS ? a->variant : 0];
	char id[ID_TEXT_LEN + 1], currency[4];

	id_text(&pay->id, id);
	currency_text(currency_of(of->currency), currency);
	switch ((int)a->verb) {
	case VERB_CLIENT_PAY:
		write_text(into, size,
		    "q%u PAY id=%s from=%s@Bank%c to=%s@Bank%c amount=%lld "
		    "currency=%s%s%s",
		    index, id, customer_name(of->from), 'A' + of->from_bank,
		    customer_name(of->to), 'A' + of->to_bank,
		    (long long)of->amount, currency,
		    of->memo ? " memo=for%20the%20cat" : "",
		    of->hold ? "" : " hold=no");
		break;
	case VERB_CLIENT_BALANCE:
	case VERB_CLIENT_HISTORY:
		write_text(into, size, "q%u %s account=%s@Bank%c", index,
		    verb_info(a->verb)->word, customer_name(of->from),
		    'A' + of->from_bank);
		break;
	default:
		write_text(into, size, "q%u %s id=%s", index,
		    verb_info(a->verb)->word, id);
		break;
	}
}

void
people_ask(uint32_t index)
{
	static struct line line;
	const struct ask *a = &w.asks[index];
	struct proc *p = gateway_proc(a->gateway);
	char text[LINE_MAX_LEN], user[] = "u0";
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.kind = EV_MSG, .msg = &m, .may_pay_from = true};

	if (!p->up)
		return;
	write_ask(text, sizeof(text), index);
	MUST(line_split(&line, str_from(text)) == LINE_OK &&
		msg_request(&m, &line, SIDE_CLIENT, &problem) == LINE_OK,
	    "a client's request is broken: %s", text);
	user[1] = (char)('0' + a->user);
	trace("%s < %s: %s", p->name, user, text);
	ev.user = str_from(user);
	ev.peer = (struct peer){
	    SLOT_CLIENT + (uint32_t)a->user, p->client_generation[a->user]};
	host_event(p, &ev);
}

void
people_answer(struct proc *p, struct peer peer, const char *text, uint32_t len)
{
	static struct line line;
	struct msg_problem problem;
	struct msg m;
	uint32_t index = 0;

	trace("%s > %u: %s", p->name, peer.slot, text);
	if (peer.slot >= SLOT_OPERATOR)
		return;
	if (peer.generation != p->client_generation[peer.slot - SLOT_CLIENT])
		return;
	MUST(line_split(&line, (struct str){text, len}) == LINE_OK &&
		text[0] == 'q',
	    "an answer is broken: %s", text);
	for (const char *at = text + 1; *at >= '0' && *at <= '9'; at++)
		index = index * 10 + (uint32_t)(*at - '0');
	MUST(index < w.ask_count, "an answer to nobody: %s", text);
	MUST(msg_reply(&m, &line, w.asks[index].verb, &problem) == LINE_OK,
	    "an answer is broken: %s", text);
	if (m.word == MSG_ROW)
		return;
	MUST(!w.asks[index].answered, "a request is answered twice: %s", text);
	w.asks[index].answered = true;
}

/* ---- Operators and tellers ask at once, on the control socket ---- */

void
operator_asks(struct proc *p, struct msg *typed)
{
	static struct line line;
	char text[LINE_MAX_LEN];
	struct msg_problem problem;
	struct msg m;
	struct event ev = {.kind = EV_MSG, .msg = &m, .who = STR("uid=0")};
	enum side side = p->gateway ? SIDE_CONTROL : SIDE_TELLER;
	size_t len = msg_encode(typed, text);

	CHECK(len > 0);
	if (!p->up || p->stalled_until > w.now_ns)
		return;
	text[len - 1] = '\0';
	CHECK(line_split(&line, str_from(text)) == LINE_OK);
	CHECK(msg_request(&m, &line, side, &problem) == LINE_OK);
	trace("%s < operator: %s", p->name, text);
	ev.user = STR_NONE;
	ev.peer = (struct peer){SLOT_OPERATOR, 1};
	host_event(p, &ev);
}

static void
entry(struct proc *p, struct msg *m)
{
	struct id id = {{0xcc, [6] = 0x40, [8] = 0x80}};
	int n = w.entry_count, customer;

	/* Now and then the same again, or the id of a payment. */
	if (n > 0 && one_in(3))
		n = (int)below((uint32_t)n);
	else if (n + 1 < ENTRIES_MAX)
		w.entry_count++;
	customer = n % CUSTOMERS;
	id.octets[15] = (uint8_t)n;
	if (one_in(20)) {
		int pay = (int)below((uint32_t)w.pay_count);

		w.pays[pay].entry = true;
		id = w.pays[pay].id;
	}
	msg_init(m, MSG_REQUEST,
	    n % 2 == 0 ? VERB_TELLER_DEPOSIT : VERB_TELLER_WITHDRAW, "t1");
	msg_set_id(m, KEY_id, &id);
	msg_set_str(m, KEY_name, str_from(customer_name(customer)));
	msg_set_i64(m, KEY_amount, 10 + 7 * n);
	msg_set_u64(m, KEY_currency, currency_of(customer_currency(customer)));
	(void)p;
}

static void
teller_act(struct proc *p)
{
	const char *name = customer_name((int)below(CUSTOMERS));
	struct msg m;

	switch (below(8)) {
	case 0:
		msg_init(&m, MSG_REQUEST, VERB_TELLER_FREEZE, "t1");
		break;
	case 1:
	case 2:
		msg_init(&m, MSG_REQUEST, VERB_TELLER_THAW, "t1");
		break;
	case 3:
		msg_init(&m, MSG_REQUEST, VERB_TELLER_SET, "t1");
		msg_set_u64(&m, KEY_overdraft, below(4) * 100);
		break;
	case 4:
		msg_init(&m, MSG_REQUEST, VERB_TELLER_BALANCE, "t1");
		break;
	case 5:
		msg_init(&m, MSG_REQUEST, VERB_TELLER_INDOUBT, "t1");
		operator_asks(p, &m);
		return;
	default:
		entry(p, &m);
		operator_asks(p, &m);
		return;
	}
	msg_set_str(&m, KEY_name, str_from(name));
	operator_asks(p, &m);
}

void
people_teller(void)
{
	struct msg m;

	if (!w.healing) {
		teller_act(bank_proc((int)below((uint32_t)w.banks)));
		later(between(20 * MS, 800 * MS), ITEM_TELLER, 0, 0, 0);
		return;
	}
	for (int b = 0; b < w.banks; b++)
		for (int i = 0; i < CUSTOMERS; i++) {
			msg_init(&m, MSG_REQUEST, VERB_TELLER_THAW, "t1");
			msg_set_str(&m, KEY_name, str_from(customer_name(i)));
			operator_asks(bank_proc(b), &m);
		}
}

/* ---- Operators ---- */

/* The payer takes what an operator's abort has set free. */
static void
take_away(const struct branch_model *b)
{
	const struct book_model *from = &w.bank[b->bank].books[b->from];
	struct id id = {{0xcc, [6] = 0x40, [8] = 0x80}};
	int64_t amount = from->posted - from->out + from->overdraft;
	struct msg m;

	if (b->state != BRANCH_ABORTED || from->name[0] == ':' || amount <= 0 ||
	    w.entry_count + 1 >= ENTRIES_MAX)
		return;
	id.octets[15] = (uint8_t)w.entry_count++;
	msg_init(&m, MSG_REQUEST, VERB_TELLER_WITHDRAW, "t1");
	msg_set_id(&m, KEY_id, &id);
	msg_set_str(&m, KEY_name, str_from(from->name));
	msg_set_i64(&m, KEY_amount, amount);
	msg_set_u64(&m, KEY_currency, from->currency);
	operator_asks(bank_proc(b->bank), &m);
}

static void
decide(const struct branch_model *b, bool commit)
{
	struct msg m;

	w.decides = true;
	msg_init(&m, MSG_REQUEST, VERB_TELLER_DECIDE, "d1");
	msg_set_id(&m, KEY_id, &w.pays[b->pay].id);
	msg_set_str(&m, KEY_outcome, commit ? STR("commit") : STR("abort"));
	msg_set_str(&m, KEY_why, STR("it has waited long enough"));
	if (!w.healing && w.may.crash && one_in(4))
		bank_proc(b->bank)->crash_flush = true;
	operator_asks(bank_proc(b->bank), &m);
	if (!commit && one_in(2))
		take_away(b);
}

/* A careful one looks at what the other bank did before deciding. */
static void
decide_truly(const struct branch_model *b)
{
	const struct branch_model *o =
	    b->partner >= 0 ? &w.branches[b->partner] : NULL;

	decide(b,
	    b->decision == DECISION_DURABLE ||
		(o != NULL && o->state == BRANCH_COMMITTED));
}

/* Just when the gateway's own decision is on its way. */
void
people_decide(uint32_t branch)
{
	const struct branch_model *b = &w.branches[branch];

	if (b->state == BRANCH_PREPARED && !w.healing)
		decide(b, one_in(4));
}

static void
decide_all(void)
{
	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];

		if (b->state != BRANCH_PREPARED)
			continue;
		if (w.healing)
			decide_truly(b);
		else if (one_in(3))
			decide(b, one_in(2));
	}
}

static void
post_late(void)
{
	for (int i = 0; i < w.branch_count; i++) {
		const struct branch_model *b = &w.branches[i];
		struct msg m;

		if (b->state != BRANCH_ABORTED || !b->decided_abort ||
		    b->decision != DECISION_DURABLE)
			continue;
		msg_init(&m, MSG_REQUEST, VERB_TELLER_POST_LATE, "l1");
		msg_set_id(&m, KEY_id, &w.pays[b->pay].id);
		msg_set_str(&m, KEY_why, STR("the gateway had committed it"));
		operator_asks(bank_proc(b->bank), &m);
	}
}

static void
about_bank(enum verb verb, int g, int b)
{
	struct msg m;

	msg_init(&m, MSG_REQUEST, verb, "o1");
	msg_set_str(&m, KEY_bank, str_from(bank_proc(b)->name));
	if (verb == VERB_CONTROL_REBIND)
		msg_set_id(&m, KEY_journal, &bank_proc(b)->disk.journal);
	operator_asks(gateway_proc(g), &m);
}

/* Has the copy at least the holds of all that was committed there? */
static bool
is_whole(int bank)
{
	for (int i = 0; i < w.branch_count; i++)
		if (w.branches[i].bank == bank &&
		    w.branches[i].decision == DECISION_DURABLE &&
		    w.branches[i].state != BRANCH_PREPARED &&
		    w.branches[i].state != BRANCH_COMMITTED)
			return false;
	return true;
}

/* What a careful operator does once all is healed. */
static void
look_after(void)
{
	bool doubt = w.now_ns < w.healed_ns + 10 * SEC;

	post_late();
	/* What is fenced for good is decided by hand, as the other bank did. */
	if (w.restores && w.now_ns > w.healed_ns + 9 * SEC)
		decide_all();
	for (int i = 0; i < w.branch_count; i++)
		doubt |= w.branches[i].state == BRANCH_PREPARED;
	for (int g = 0; g < w.gateways; g++)
		for (int b = 0; b < w.banks; b++) {
			struct proc *p = bank_proc(b);

			if (p->up && p->links[g].refused && w.may.rebind) {
				met(rebound);
				about_bank(VERB_CONTROL_REBIND, g, b);
			}
			/* Only where nothing is in doubt any more. */
			if (w.restores && w.may.waive && !doubt) {
				met(waived);
				about_bank(VERB_CONTROL_WAIVE, g, b);
			}
			if (p->disk.kept_count == 0 ||
			    (!p->failed && !p->links[g].refused))
				continue;
			if (w.may.keep_copy && is_whole(b)) {
				met(rebound);
				about_bank(VERB_CONTROL_REBIND, g, b);
			} else {
				faults_put_back(p);
			}
		}
}

static void
ask_lists(struct proc *p)
{
	static const enum verb verbs[] = {VERB_CONTROL_BANKS,
	    VERB_CONTROL_PAYMENTS, VERB_CONTROL_STATS, VERB_CONTROL_STATUS,
	    VERB_CONTROL_EXPLAIN};
	enum verb verb = verbs[below(5)];
	struct msg m;

	msg_init(&m, MSG_REQUEST, verb, "o2");
	if (verb == VERB_CONTROL_STATUS || verb == VERB_CONTROL_EXPLAIN)
		msg_set_id(
		    &m, KEY_id, &w.pays[below((uint32_t)w.pay_count)].id);
	operator_asks(p, &m);
}

void
people_operator(void)
{
	int g = (int)below((uint32_t)w.gateways);
	struct msg m;

	if (w.healing) {
		look_after();
		msg_init(&m, MSG_REQUEST, VERB_CONTROL_RESUME, "o3");
		for (g = 0; g < w.gateways; g++)
			operator_asks(gateway_proc(g), &m);
		later(700 * MS, ITEM_OPERATOR, 0, 0, 0);
		return;
	}
	if (w.may.decide && one_in(2))
		decide_all();
	if (w.may.drain && one_in(3)) {
		msg_init(&m, MSG_REQUEST,
		    one_in(3) ? VERB_CONTROL_DRAIN : VERB_CONTROL_RESUME, "o3");
		operator_asks(gateway_proc(g), &m);
	}
	if (w.may.waive && !w.restores && one_in(4)) {
		met(waived);
		about_bank(
		    VERB_CONTROL_WAIVE, g, (int)below((uint32_t)w.banks));
	}
	if (one_in(3))
		ask_lists(gateway_proc(g));
	later(between(100 * MS, 900 * MS), ITEM_OPERATOR, 0, 0, 0);
}

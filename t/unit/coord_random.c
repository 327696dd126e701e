/*
 * lib/coord under a seeded random run: clients that retry the same ids, banks
 * that refuse, are slow, break off and come back, and crashes that lose what
 * was not durable. A naive model reads the durable records as text and the
 * banks' own branches, and shares no code with the core: what banks have
 * committed is what the journal committed, nothing commits after a final abort,
 * and what a client was told stays true.
 *
 * coord_random.t [seed [steps]] runs one seed.
 */
#include "coord_harness.h"

#define IDS 3000
#define BANKS 3
#define TAGS 65536

/* What the durable journal and the answers say of one id. */
struct known {
	bool committed, final, cancelled, held, received;
	bool told_committed, told_final;
	char branches[256]; /* COMMIT's */
};

enum asked { ASKED_PAY, ASKED_OTHER_PAYLOAD, ASKED_CANCEL, ASKED_STATUS };

struct question {
	uint32_t id;
	enum asked what;
	bool trace; /* had the id a RECEIVED record then? */
};

static struct known known[IDS];
static struct question questions[TAGS];
static uint64_t absorbed, state;
static uint32_t next_tag, wrong;
static uint64_t answers_committed, answers_held, answers_final, crashes;

static uint64_t
random_below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

static bool
chance(uint32_t of_thousand)
{
	return random_below(1000) < of_thousand;
}

__attribute__((format(printf, 2, 3))) static void
expect(bool holds, const char *format, ...)
{
	va_list ap;

	if (holds)
		return;
	if (++wrong > 20)
		return;
	printf("# ");
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	printf("\n");
}

static uint32_t
number_of(const char *id)
{
	return (uint32_t)strtoull(id, NULL, 16);
}

/* The payload of an id is a function of it. */
static const char *
payload(uint32_t id, bool other)
{
	static char text[256];

	snprintf(text, sizeof(text),
	    "from=u%u@Bank%c to=v%u@Bank%c amount=%u currency=EUR", id % 17,
	    'A' + (char)(id % BANKS), id % 13, 'A' + (char)(id / BANKS % BANKS),
	    1 + id % 1000 + (other ? 1 : 0));
	return text;
}

/* ---- The model reads what became durable ---- */

static void
absorb_line(const char *line)
{
	const char *id_field = field(line, "id");
	uint32_t id = number_of(id_field);
	struct known *k;

	if (id_field[0] == '\0')
		return;
	CHECK(id < IDS);
	k = &known[id];
	if (has_words(line, "RECEIVED")) {
		expect(has_words(line, payload(id, false)),
		    "another payload: %s", line);
		expect(!k->committed && !k->final, "after the end: %s", line);
		k->received = true;
		k->held = false;
	} else if (has_words(line, "HELD")) {
		expect(!k->committed && !k->final, "after the end: %s", line);
		k->held = true;
	} else if (has_words(line, "COMMIT")) {
		expect(!k->committed, "committed twice: %s", line);
		expect(!k->final, "committed after a final abort: %s", line);
		expect(k->received, "committed what was not received");
		k->committed = true;
		snprintf(k->branches, sizeof(k->branches), "%s",
		    field(line, "branches"));
	} else if (has_words(line, "ABORT")) {
		expect(!k->committed, "aborted after COMMIT: %s", line);
		expect(!k->final, "aborted twice: %s", line);
		k->final = has_words(line, "final=yes");
		k->cancelled = has_words(line, "reason=CANCELLED");
		k->held = false;
	} else if (has_words(line, "END")) {
		expect(k->committed, "ends what is not committed: %s", line);
	}
}

static void
absorb(const struct world *w)
{
	for (; absorbed < w->durable; absorbed++)
		absorb_line(w->journal[absorbed].line);
}

/* ---- And what clients are told ---- */

static void
told_of_payment(const struct question *q, const char *line)
{
	struct known *k = &known[q->id];

	if (has_words(line, "state=committed")) {
		expect(k->committed, "told committed too early: %s", line);
		k->told_committed = true;
		answers_committed++;
	} else if (has_words(line, "state=aborted reason=CANCELLED")) {
		expect(k->cancelled && k->final, "not cancelled: %s", line);
		k->told_final = true;
		answers_final++;
	} else if (has_words(line, "ERR retry=new-id")) {
		expect(k->final, "told a final reason too early: %s", line);
		k->told_final = true;
		answers_final++;
	} else if (has_words(line, "ERR code=ALREADY_EXISTS")) {
		expect(k->final, "ended, but not so: %s", line);
		k->told_final = true;
	} else if (has_words(line, "OK state=held")) {
		expect(k->held || k->committed || k->final,
		    "told held too early: %s", line);
		answers_held++;
	}
	expect(!k->told_committed || !k->told_final, "told both: %s", line);
}

static void
told(const char *line)
{
	const struct question *q =
	    &questions[strtoul(line + 1, NULL, 10) % TAGS];
	bool reused = has_words(line, "code=ID_REUSED");

	if (q->what == ASKED_OTHER_PAYLOAD) {
		expect(!q->trace || reused ||
			has_words(line, "reason=CANCELLED") ||
			has_words(line, "code=IN_PROGRESS"),
		    "another payload was taken: %s", line);
		if (reused)
			return;
	}
	expect(!reused, "wrongly ID_REUSED: %s", line);
	if (has_words(line, "code=NOT_FOUND"))
		expect(!known[q->id].received && !known[q->id].final,
		    "forgotten: %s", line);
	told_of_payment(q, line);
}

/* Takes the clients' lines, and what was sent to connections that are gone. */
static void
take_lines(struct world *w)
{
	size_t kept = 0;

	absorb(w);
	for (size_t i = 0; i < w->out.count; i++) {
		struct heard h = w->out.at[i];
		bool client_line = h.peer.slot >= 100;

		if (client_line)
			told(h.text);
		if (client_line || h.done || bank_of(w, h.peer) == NULL)
			free(h.text);
		else
			w->out.at[kept++] = h;
	}
	w->out.count = kept;
}

/* ---- What happens ---- */

static bool
has_trace(const struct world *w, uint32_t id)
{
	if (known[id].received)
		return true;
	for (uint64_t i = w->durable; i < w->count; i++)
		if (has_words(w->journal[i].line, "RECEIVED") &&
		    number_of(field(w->journal[i].line, "id")) == id)
			return true;
	return false;
}

static void
client_asks(struct world *w, uint32_t range)
{
	uint32_t id = (uint32_t)random_below(range);
	struct question *q = &questions[++next_tag % TAGS];
	uint32_t n = (uint32_t)random_below(4);
	const char *hold = chance(300) ? "hold=no" : "hold=yes";

	*q = (struct question){.id = id};
	if (chance(750)) {
		q->what = ASKED_PAY;
		client(w, n, "alice", "t%u PAY id=%s %s %s", next_tag % TAGS,
		    id_of(id), payload(id, false), hold);
	} else if (chance(100) && has_trace(w, id)) {
		q->what = ASKED_OTHER_PAYLOAD;
		q->trace = true;
		client(w, n, "alice", "t%u PAY id=%s %s %s", next_tag % TAGS,
		    id_of(id), payload(id, true), hold);
	} else if (chance(300)) {
		q->what = ASKED_CANCEL;
		client(w, n, "alice", "t%u CANCEL id=%s", next_tag % TAGS,
		    id_of(id));
	} else {
		q->what = ASKED_STATUS;
		client(w, n, "alice", "t%u STATUS id=%s", next_tag % TAGS,
		    id_of(id));
	}
}

/* One of the lines that lie before a bank, mostly the oldest, is answered. */
static void
bank_works(struct world *w, struct fake_bank *b)
{
	static const char *const codes[] = {"INSUFFICIENT_FUNDS", "OVERLOADED",
	    "READ_ONLY", "ACCOUNT_FROZEN", "IN_PROGRESS", "FORBIDDEN"};
	size_t skip = chance(800) ? 0 : random_below(4);

	b->no = chance(100) ? codes[random_below(6)] : NULL;
	for (size_t i = 0; i < w->out.count; i++) {
		if (w->out.at[i].done || !peer_eq(w->out.at[i].peer, b->peer) ||
		    has_words(w->out.at[i].text, "OK"))
			continue;
		if (skip-- > 0)
			continue;
		(void)bank_answer(w, b, i);
		break;
	}
	b->no = NULL;
}

static void
bank_asks(struct world *w, struct fake_bank *b)
{
	size_t at = b->branch_count == 0 ? 0 : random_below(b->branch_count);

	for (size_t i = 0; i < b->branch_count && i < 500; i++) {
		struct fake_branch *f =
		    &b->branches[(at + i) % b->branch_count];
		const char *outcome;

		if (f->state != FAKE_PREPARED)
			continue;
		outcome = bank_resolves(w, b, f->id, f->branch, f->peer);
		if (strcmp(outcome, "commit") == 0)
			f->state = FAKE_COMMITTED;
		else if (strcmp(outcome, "abort") == 0)
			f->state = FAKE_ABORTED;
		else
			expect(strcmp(outcome, "wait") == 0, "RESOLVE: %s",
			    outcome);
		return;
	}
}

static void
room(struct world *w, bool there_is)
{
	struct event ev = {.kind = EV_ROOM, .room = there_is};

	give(w, &ev);
}

static void
one_step(struct world *w, uint32_t range)
{
	struct fake_bank *b = &w->banks[random_below(BANKS)];
	struct event tick = {.kind = EV_TICK};
	uint64_t what = random_below(1000);

	if (what < 300)
		client_asks(w, range);
	else if (what < 700 && b->up)
		bank_works(w, b);
	else if (what < 800)
		durable(w);
	else if (what < 880)
		give(w, &tick);
	else if (what < 930 && b->up)
		bank_asks(w, b);
	else if (what < 938 && b->up)
		bank_down(w, b);
	else if (what < 941 && b->up)
		bank_up(w, b); /* a second connection */
	else if (what < 965 && !b->up)
		bank_up(w, b);
	else if (what < 990)
		pass_ns(w, (int64_t)random_below(2 * SECOND_NS));
	else if (what < 992)
		pass_ns(w, (int64_t)random_below(600) * SECOND_NS);
	else if (what < 995)
		room(w, chance(600));
	else if (what < 997) {
		/* Of what was not durable some may have reached the disk. */
		w->durable += random_below(w->count - w->durable + 1);
		crash(w);
		crashes++;
	}
	take_lines(w);
}

/* ---- At the end ---- */

static void
finish(struct world *w)
{
	room(w, true);
	for (uint32_t i = 0; i < BANKS; i++)
		if (!w->banks[i].up)
			bank_up(w, &w->banks[i]);
	for (int n = 0; n < 10; n++) {
		quiet(w);
		take_lines(w);
		pass_ns(w, 520 * SECOND_NS);
	}
	quiet(w);
	for (uint32_t i = 0; i < BANKS; i++)
		for (size_t n = 0; n < w->banks[i].branch_count; n++)
			bank_asks(w, &w->banks[i]);
	take_lines(w);
}

static void
check_branches(const struct world *w)
{
	for (uint32_t i = 0; i < BANKS; i++) {
		const struct fake_bank *b = &w->banks[i];

		for (size_t n = 0; n < b->branch_count; n++) {
			const struct fake_branch *f = &b->branches[n];
			const struct known *k = &known[number_of(f->id)];
			char mine[256], list[300];
			bool decided;

			snprintf(
			    mine, sizeof(mine), ",%s:%s,", b->name, f->branch);
			snprintf(list, sizeof(list), ",%s,", k->branches);
			decided = k->committed && strstr(list, mine) != NULL;
			expect(f->state != FAKE_PREPARED, "in doubt: %s %s",
			    b->name, f->branch);
			expect((f->state == FAKE_COMMITTED) == decided,
			    "bank %s and the gateway differ about %s of %s",
			    b->name, f->branch, f->id);
		}
	}
}

/* Every branch that the journal committed is committed at its bank. */
static void
check_commits(struct world *w)
{
	for (uint32_t id = 0; id < IDS; id++) {
		char list[256], *save = NULL;

		snprintf(list, sizeof(list), "%s", known[id].branches);
		for (char *e = strtok_r(list, ",", &save); e != NULL;
		     e = strtok_r(NULL, ",", &save)) {
			struct fake_bank *b = &w->banks[e[4] - 'A'];
			const struct fake_branch *f = bank_branch(b, e + 6);

			expect(f != NULL && f->state == FAKE_COMMITTED,
			    "not carried out: %s", e);
		}
		expect(!known[id].told_committed || known[id].committed,
		    "told committed, and is not: %u", id);
		expect(!known[id].told_final || known[id].final,
		    "told a final reason, and is not: %u", id);
	}
}

static void
run(uint64_t seed, uint32_t steps)
{
	struct coord_conf conf = default_conf();
	struct coord_counts n;
	struct world *w;

	state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	memset(known, 0, sizeof(known));
	absorbed = 0;
	wrong = 0;
	crashes = answers_committed = answers_held = answers_final = 0;
	conf.in_flight_max = 24;
	conf.per_bank_max = 20;
	conf.held_max = 8;
	conf.window_max = 16;
	w = world_new(&conf);
	w->checks_every = 10;
	for (uint32_t i = 0; i < BANKS; i++) {
		struct fake_bank *b =
		    bank_new(w, (const char *[]){"BankA", "BankB", "BankC"}[i]);

		b->window = (uint32_t)(1 + random_below(12));
		bank_up(w, b);
	}
	/* Ids come into use little by little, so that each is tried often. */
	for (uint32_t i = 0; i < steps && wrong == 0; i++)
		one_step(w, 1 + (uint32_t)((uint64_t)i * (IDS - 1) / steps));
	finish(w);
	check_branches(w);
	check_commits(w);
	for (uint32_t i = 0; i < w->log_count && i < 32; i++)
		expect(w->levels[i] != ACTION_CRIT, "logged: %s", w->logs[i]);
	coord_counts(w->coord, &n);
	ok(wrong == 0, "seed %" PRIu64 ": everybody agrees", seed);
	is_i64(n.in_flight, 0, "nothing is left in flight");
	is_text(w->fail, "", "the journal never contradicts itself");
	ok(same_after_replay(w), "a replay gives the same state");
	ok(answers_committed > 20 && answers_held > 0 && answers_final > 20,
	    "and much happened");
	printf("# %" PRIu64 " records, %" PRIu64
	       " crashes, told committed %" PRIu64 ", held %" PRIu64
	       ", final %" PRIu64 "; at most %u actions "
	       "a step\n",
	    w->count, crashes, answers_committed, answers_held, answers_final,
	    w->actions_most);
	world_free(w);
}

int
main(int argc, char **argv)
{
	if (argc > 1) {
		run(strtoull(argv[1], NULL, 10),
		    argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 30000);
		return tap_done();
	}
	for (uint64_t seed = 1; seed <= 4; seed++)
		run(seed, 30000);
	return tap_done();
}

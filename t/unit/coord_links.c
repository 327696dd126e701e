/* lib/coord: PROTOCOL.md section 4, what the gateway does with its banks. */
#include "coord_harness.h"

/* Registers with a seq, a journal and a proof of the test's own. */
static const char *
registers(struct world *w, struct fake_bank *b, uint64_t seq,
    const char *journal, enum proof proof)
{
	if (journal != NULL)
		snprintf(b->journal, sizeof(b->journal), "%s", journal);
	b->seq = seq;
	return bank_register(w, b, proof);
}

/* What the operator sees of the bank: state=... */
static const char *
state_of(struct world *w, const char *bank)
{
	const char *line, *state = "";

	control(w, "1 BANKS");
	ticks(w);
	while (has_words(line = next_line(w, control_peer()), "ROW"))
		if (strcmp(field(line, "bank"), bank) == 0)
			state = field(line, "state");
	return state;
}

static void
registration(void)
{
	struct world *w = world_new(NULL);
	struct fake_bank *a = bank_new(w, "BankA"), *b;
	struct event ev = {.kind = EV_ROOM, .room = false};

	a->peer.generation = 1;
	request(w, SIDE_UP, a->peer, "BankA",
	    "j1 RESOLVE id=00000000-0000-4000-8000-000000000001 branch=gw.1.1 "
	    "peer=bob@BankB");
	ok(has_words(next_line(w, a->peer), "j1 ERR code=BAD_REQUEST"),
	    "nothing goes before REGISTER");
	request(w, SIDE_UP, a->peer, "BankX",
	    "j1 REGISTER bank=BankA boot=1 seq=1 "
	    "journal=00000000-0000-4000-8000-000000000001");
	ok(has_words(next_line(w, a->peer), "j1 ERR code=FORBIDDEN"),
	    "a certificate registers its own bank only");
	give(w, &ev);
	ok(has_words(bank_register(w, a, PROOF_NONE), "ERR code=READ_ONLY"),
	    "without room for its record a new bank is not bound");
	ev.kind = EV_ROOM;
	ev.room = true;
	give(w, &ev);
	a->window = 0;
	ok(has_words(bank_register(w, a, PROOF_NONE), "ERR code=BAD_REQUEST"),
	    "a window of nothing is refused");
	a->window = 16;
	ok(has_words(bank_register(w, a, PROOF_NONE), "j0 OK"), "REGISTER");
	is_i64(records(w, "BANK", ""), 1, "binds it by a record");
	request(w, SIDE_UP, a->peer, "BankA",
	    "j2 REGISTER bank=BankA boot=1 seq=1 "
	    "journal=00000000-0000-4000-8000-000000000001");
	ok(has_words(next_line(w, a->peer), "j2 ERR code=BAD_REQUEST"),
	    "a connection registers once");
	bank_up(w, bank_new(w, "BankB"));
	bank_up(w, bank_new(w, "BankC"));
	bank_up(w, bank_new(w, "BankD"));
	b = bank_new(w, "BankE");
	ok(has_words(bank_register(w, b, PROOF_NONE), "ERR code=OVERLOADED"),
	    "one bank more than banks_max is refused");
	ok(was_closed(w, b->peer), "and closed");
	bank_down(w, a);
	bank_up(w, a);
	is_i64(
	    records(w, "BANK", ""), 4, "a bank that returns needs no record");
	world_holds(w, "registration");
	world_free(w);
}

/* The answer to REGISTER waits for the record that binds the bank. */
static void
binding_is_durable_first(void)
{
	struct world *w = world_new(NULL);
	struct fake_bank *a = bank_new(w, "BankA");

	a->peer.generation = 1;
	request(w, SIDE_UP, a->peer, "BankA",
	    "j1 REGISTER bank=BankA boot=1 seq=1 "
	    "journal=00000000-0000-4000-8000-000000000001");
	ticks(w);
	is_text(next_line(w, a->peer), "", "not answered before it is durable");
	durable(w);
	ok(has_words(next_line(w, a->peer), "j1 OK"), "then it is");
	world_free(w);
}

static void
proofs(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	const char *line;
	char seq[32], check[64];

	pay(w, 0, 1, "");
	quiet(w);
	answered(w, 0, "OK state=committed", "a payment");
	snprintf(seq, sizeof(seq), "proven_seq=%" PRIu64, a->seq);
	snprintf(check, sizeof(check), "proven_check=%032" PRIx64, a->seq);
	bank_down(w, a);
	line = bank_register(w, a, PROOF_GOOD);
	ok(has_words(line, seq) && has_words(line, check),
	    "REGISTER shows the newest proof: %s", line);
	crash(w);
	line = bank_register(w, a, PROOF_GOOD);
	ok(has_words(line, seq) && has_words(line, check), "a restart too: %s",
	    line);
	bank_up(w, &w->banks[1]);
	a->seq = UINT64_C(9223372036854775000);
	pay(w, 0, 2, "");
	quiet(w);
	answered(
	    w, 0, "OK state=committed", "a seq of nineteen digits is fine");
	world_holds(w, "proofs");
	world_free(w);

	/* Votes of one bank need not be journalled in the bank's order. */
	w = world_two(NULL);
	a = &w->banks[0];
	a->deaf = true;
	pay(w, 0, 1, "");
	w->banks[1].silent = true;
	ticks(w);
	banks_answer(w);
	client(w, 0, "alice",
	    "2 PAY id=%s from=a@BankA to=b@BankA amount=1 currency=EUR",
	    id_of(2));
	quiet(w);
	w->banks[1].silent = false;
	quiet(w);
	is_i64(records(w, "COMMIT", ""), 2, "both commit, the second first");
	bank_down(w, a);
	line = bank_register(w, a, PROOF_NONE);
	is_text(field(line, "proven_seq"), "12", "the higher proof counts");
	world_holds(w, "proofs out of order");
	world_free(w);
}

static void
fencing(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	uint64_t good;
	char journal[ID_TEXT_LEN + 1];

	pay(w, 0, 1, "");
	quiet(w);
	bank_down(w, a);
	good = a->seq;
	snprintf(journal, sizeof(journal), "%s", a->journal);

	ok(has_words(registers(w, a, good - 1, NULL, PROOF_GOOD),
	       "ERR code=FENCED retry=never"),
	    "a bank whose journal ends before what it has proven");
	ok(was_closed(w, a->peer), "is closed");
	ok(was_logged(w, ACTION_CRIT, "FENCED: bank BankA"), "and logged");
	is_text(state_of(w, "BankA"), "fenced", "and BANKS says so");
	w->log_count = 0;
	ok(has_words(
	       registers(w, a, good, id_of(77), PROOF_GOOD), "ERR code=FENCED"),
	    "a bank with another journal than it is bound to");
	ok(was_closed(w, a->peer), "is closed");
	ok(was_logged(w, ACTION_CRIT, "FENCED"), "and logged");
	ok(has_words(registers(w, a, good, journal, PROOF_GOOD), "OK"),
	    "with the right journal it is let in");
	is_text(state_of(w, "BankA"), "up", "and BANKS says so");
	bank_down(w, a);
	w->log_count = 0;
	ok(has_words(registers(w, a, good, NULL, PROOF_BAD), "ERR code=FENCED"),
	    "a bank that was told of a record that we do not have");
	ok(was_closed(w, a->peer), "is closed");
	ok(was_logged(w, ACTION_CRIT, "FENCED"), "and logged");
	pay(w, 0, 2, "");
	quiet(w);
	status(w, 0, "alice", 1);
	world_holds(w, "fenced");

	/* WAIVE: the operator takes it that the record is lost. */
	control(w, "1 WAIVE bank=BankZ");
	operator_hears(w, "1 ERR code=NOT_FOUND", "WAIVE of no bank");
	while (next_line(w, control_peer())[0] != '\0')
		;
	control(w, "2 WAIVE bank=BankA");
	is_text(next_line(w, control_peer()), "", "WAIVE is durable first");
	durable(w);
	operator_hears(w, "2 OK", "WAIVE");
	a->shown = 1000;
	ok(has_words(registers(w, a, good, NULL, PROOF_BAD), "ERR code=FENCED"),
	    "what was found later is not waived");
	a->shown = 999;
	crash(w);
	ok(has_words(registers(w, a, good, NULL, PROOF_BAD), "OK"),
	    "what was found is let in, after a restart too");
	bank_down(w, a);
	ok(has_words(registers(w, a, good, NULL, PROOF_BAD), "OK"),
	    "each time that it shows it");
	bank_down(w, a);
	world_holds(w, "excused");
	ok(has_words(registers(w, a, good, NULL, PROOF_GOOD), "OK"),
	    "what is right is let in as ever");
	control(w, "3 WAIVE bank=BankA");
	durable(w);
	bank_down(w, a);
	a->shown = 1000;
	ok(has_words(registers(w, a, good, NULL, PROOF_BAD), "ERR code=FENCED"),
	    "a bank that is not fenced has nothing waived");
	ok(has_words(registers(w, a, good, NULL, PROOF_GOOD), "OK"),
	    "so be it");
	is_i64(records(w, "WAIVE bank=BankA who=uid%3D0", "") +
		records(w, "WAIVE bank=BankA who=uid=0", ""),
	    2, "the journal says who waived");
	bank_down(w, a);
	world_holds(w, "waived");
	world_free(w);
}

static void
rebinding(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char old[ID_TEXT_LEN + 1];

	snprintf(old, sizeof(old), "%s", a->journal);
	b->deaf = true;
	a->seq = 1000;
	pay(w, 0, 1, "");
	quiet(w);
	control(w, "1 REBIND bank=BankA journal=%s", id_of(99));
	operator_hears(
	    w, "1 ERR code=BAD_REQUEST", "not while it is connected");
	bank_down(w, a);
	control(w, "1 REBIND bank=BankQ journal=%s", id_of(99));
	operator_hears(w, "1 ERR code=NOT_FOUND", "not a bank nobody knows");
	control(w, "1 REBIND bank=BankA journal=%s", id_of(99));
	is_text(next_line(w, control_peer()), "", "REBIND is durable first");
	durable(w);
	operator_hears(w, "1 OK", "REBIND");
	ok(has_words(registers(w, a, 5, old, PROOF_NONE), "ERR code=FENCED"),
	    "the old journal is out");
	ok(has_words(registers(w, a, 5, id_of(99), PROOF_NONE), "OK"),
	    "the new one is in, whatever was proven before");
	b->deaf = false;
	bank_down(w, b);
	bank_up(w, b);
	quiet(w);
	is_i64(records(w, "END", id_of(1)), 1,
	    "a payment from before ends, when the other bank acknowledges");
	bank_down(w, a);
	ok(has_words(registers(w, a, 6, NULL, PROOF_NONE), "OK"),
	    "and brings no proof of the old journal back");
	bank_down(w, a);
	world_holds(w, "rebound");

	/* Restored from a backup: the same journal, but shorter. */
	bank_up(w, a);
	pay(w, 0, 2, "");
	quiet(w);
	bank_down(w, a);
	ok(has_words(registers(w, a, 2, NULL, PROOF_NONE), "ERR code=FENCED"),
	    "a backup of the same journal is fenced");
	control(w, "1 REBIND bank=BankA journal=%s", a->journal);
	durable(w);
	operator_hears(w, "1 OK", "REBIND to the same journal");
	ok(has_words(registers(w, a, 2, NULL, PROOF_NONE), "OK"),
	    "takes the backup for good");
	bank_down(w, a);
	crash(w);
	ok(has_words(registers(w, a, 2, NULL, PROOF_NONE), "OK"),
	    "a restart as well");
	world_holds(w, "restored");
	world_free(w);
}

/* A new connection of the old journal waits until the one before is settled. */
static void
rebinding_at_the_door(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];

	bank_knock(w, a, PROOF_NONE);
	control(w, "1 REBIND bank=BankA journal=%s", id_of(99));
	operator_hears(w, "1 ERR code=BAD_REQUEST",
	    "no REBIND while the bank is about to be connected again");
	ticks(w);
	tap_says(__LINE__, next_line(w, a->peer), "j0 OK",
	    "it comes in with the journal that it is bound to");
	is_i64(records(w, "BANK", ""), 2, "which is what the journal says");
	world_holds(w, "a REBIND too early");
	world_free(w);
}

static const char *
last_branch(const struct fake_bank *b)
{
	return b->branches[b->branch_count - 1].branch;
}

static void
resolving_undecided(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	b->silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	banks_answer(w);
	is_text(bank_resolves(w, a, id_of(1), last_branch(a), "bob@BankB"),
	    "wait", "being voted on: wait");
	is_text(bank_resolves(w, a, id_of(1), "gw.1.77", "bob@BankB"), "abort",
	    "a branch of this epoch that is not known: abort");
	is_text(bank_resolves(w, b, id_of(1), "gw.1.1", "alice@BankA"),
	    "FORBIDDEN", "another bank's branch is not this one's");
	is_text(bank_resolves(w, a, id_of(9), last_branch(a), "bob@BankB"),
	    "FORBIDDEN", "nor is it another id's");
	is_text(bank_resolves(w, a, id_of(1), "other.1.1", "bob@BankB"),
	    "FORBIDDEN", "another gateway's branch: FORBIDDEN");
	is_text(bank_resolves(w, a, id_of(1), "gw.9.1", "bob@BankB"), "wait",
	    "a branch of an epoch to come: wait");
	ok(was_logged(w, ACTION_CRIT, "FENCED"), "and somebody is called");
}

static void
resolving_committed(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	b->silent = false;
	banks_answer(w);
	is_text(bank_resolves(w, a, id_of(1), last_branch(a), "bob@BankB"),
	    "wait", "COMMIT not durable: wait");
	a->deaf = b->deaf = true;
	durable(w);
	is_text(bank_resolves(w, a, id_of(1), last_branch(a), "bob@BankB"),
	    "commit", "committed, not acknowledged: commit");
	{
		const char *answer = bank_asked(w, a, "outcome=commit");
		const char *commit = bank_asked(w, a, "COMMIT");

		ok(strcmp(field(answer, "seq"), field(commit, "seq")) == 0 &&
			strcmp(field(answer, "check"),
			    field(commit, "check")) == 0 &&
			strtoull(field(answer, "seq"), NULL, 10) > 0,
		    "with the decision's seq and check");
	}
	is_text(bank_resolves(w, a, id_of(1), "gw.1.99", "bob@BankB"), "abort",
	    "another branch of a committed payment: abort");
	a->deaf = b->deaf = false;
	quiet(w);
	is_text(bank_resolves(w, a, id_of(1), last_branch(a), "bob@BankB"),
	    "commit", "ended: commit");
	is_text(bank_resolves(w, b, id_of(1), last_branch(b), "alice@BankA"),
	    "commit", "to the other bank, too");
	is_text(bank_resolves(w, a, id_of(1), "gw.1.9", "bob@BankB"), "abort",
	    "ended, another branch: abort");
	is_text(bank_resolves(w, a, id_of(1), last_branch(b), "bob@BankB"),
	    "abort", "ended, the other bank's branch: abort");
	is_text(bank_resolves(w, a, id_of(555), "gw.1.4", "bob@BankB"), "abort",
	    "an id that nobody knows: abort");
}

static void
resolving_aborted(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	b->no = "ACCOUNT_CLOSED";
	pay(w, 0, 2, "");
	banks_answer(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	is_text(bank_resolves(w, a, id_of(2), branch, "bob@BankB"), "wait",
	    "a final abort that is not durable: wait");
	quiet(w);
	is_text(bank_resolves(w, a, id_of(2), branch, "bob@BankB"), "abort",
	    "aborted for a final reason: abort");
	b->no = "OVERLOADED";
	pay(w, 0, 3, "");
	quiet(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	is_text(bank_resolves(w, a, id_of(3), branch, "bob@BankB"), "abort",
	    "aborted for a passing reason: abort");
	b->no = NULL;
}

static void
resolving_held(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	b->silent = true;
	pay(w, 0, 4, "");
	banks_answer(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	bank_down(w, b);
	is_text(bank_resolves(w, a, id_of(4), branch, "bob@BankB"), "abort",
	    "to be held: its branch was aborted");
	quiet(w);
	is_text(bank_resolves(w, a, id_of(4), branch, "bob@BankB"), "abort",
	    "held: its branch was aborted");
	b->silent = false;
	bank_up(w, b);
	quiet(w);
	is_text(bank_resolves(w, a, id_of(4), branch, "bob@BankB"), "abort",
	    "tried again and committed: the old branch stays aborted");
	is_text(bank_resolves(w, a, id_of(4), last_branch(a), "bob@BankB"),
	    "commit", "the new one is committed");
	world_holds(w, "resolving");
}

static void
resolving_after_restart(struct world *w)
{
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	b->silent = true;
	pay(w, 0, 5, "");
	banks_answer(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	durable(w);
	crash(w);
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(5), branch, "bob@BankB"), "abort",
	    "an older epoch's branch without a COMMIT: abort");
	is_text(
	    bank_resolves(w, a, id_of(1), a->branches[0].branch, "bob@BankB"),
	    "commit", "an older epoch's with a COMMIT: commit");
	world_holds(w, "resolving after a restart");
}

static void
resolving(void)
{
	struct world *w = world_two(NULL);

	resolving_undecided(w);
	resolving_committed(w);
	resolving_aborted(w);
	resolving_held(w);
	resolving_after_restart(w);
	world_free(w);
}

/* This start lost a part of the journal, or may have. */
static void
resolving_truncated(bool by_conf)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	pay(w, 0, 1, "");
	banks_answer(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	/* COMMIT is lost, although it may have been durable. */
	w->conf.truncated = by_conf;
	w->truncated = !by_conf;
	crash(w);
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankB"), "wait",
	    "truncated: wait until the other bank has registered");
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankX"), "wait",
	    "also for a bank that nobody knows");
	is_text(bank_resolves(w, a, id_of(1), "gw.2.5", "bob@BankB"), "wait",
	    "for this epoch's branches too: a copy counts it again");
	is_text(bank_resolves(w, a, id_of(1), branch, "carol@BankA"), "abort",
	    "nor within one bank, which has registered");
	if (by_conf) {
		bank_up(w, b);
	} else {
		control(w, "1 WAIVE bank=BankB");
		durable(w);
	}
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankB"), "abort",
	    by_conf ? "it has registered: abort" : "it was waived: abort");
	world_holds(w, "truncated");
	world_free(w);
}

/* A bank that shows a record we do not have makes this start truncated. */
static void
truncated_by_a_proof(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char branch[BRANCH_TEXT_MAX + 1];

	pay(w, 0, 1, "");
	banks_answer(w);
	snprintf(branch, sizeof(branch), "%s", last_branch(a));
	crash(w);
	ok(has_words(bank_register(w, b, PROOF_BAD), "ERR code=FENCED"),
	    "the payee's bank knows of our lost COMMIT: fenced");
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankB"), "wait",
	    "so the payer's bank must wait");
	world_free(w);
}

/* The bank that knows better had registered before, in the same start. */
static void
truncated_after_registration(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	bank_down(w, b);
	quiet(w);
	ok(has_words(bank_register(w, b, PROOF_BAD), "ERR code=FENCED"),
	    "a bank comes back knowing of a record that is not there");
	is_text(bank_resolves(w, a, id_of(7), "gw.1.7", "bob@BankB"), "wait",
	    "that it had registered before counts no longer");
	world_free(w);
}

/* What was lost may have used the epochs behind the copy. */
static void
restored_epoch(void)
{
	struct world *w = world_two(NULL);
	uint64_t before = coord_epoch(w->coord);

	w->conf.restored = true;
	crash(w);
	ok(coord_epoch(w->coord) > before + 1000000,
	    "a restored journal starts in an epoch that counting never "
	    "reached");
	before = coord_epoch(w->coord);
	w->conf.restored = false;
	crash(w);
	is_i64(coord_epoch(w->coord), before + 1, "and counts on from there");
	world_free(w);
}

/* Whatever names another branch or id closes the connection. */
static void
wrong_answers(void)
{
	static const char *const answers[] = {
	    "OK id=%s branch=gw.1.9 vote=yes seq=1 check=%032d",
	    "OK id=00000099-0000-4000-8000-000000000099 branch=%s vote=yes "
	    "seq=1 check=%032d",
	    "OK id=%s branch=other.1.1 vote=yes seq=1 check=%032d",
	    "OK id=%s branch=%s vote=no seq=1 check=%032d", NULL};

	for (size_t i = 0; answers[i] != NULL; i++) {
		struct world *w = world_two(NULL);
		struct fake_bank *a = &w->banks[0];
		char text[512], asked[LINE_MAX_LEN], branch[128];
		const char *id = id_of(1);

		a->silent = true;
		pay(w, 0, 1, "hold=no");
		ticks(w);
		snprintf(
		    asked, sizeof(asked), "%s", bank_asked(w, a, "PREPARE"));
		snprintf(branch, sizeof(branch), "%s", field(asked, "branch"));
		snprintf(text, sizeof(text),
		    "%.*s OK id=%s branch=%s vote=%s "
		    "seq=1 check=%032d",
		    (int)strcspn(asked, " "), asked, i == 1 ? id_of(99) : id,
		    i == 0       ? "gw.1.9"
			: i == 2 ? "other.1.1"
				 : branch,
		    i == 3 ? "no" : "yes", 0);
		bank_says(w, a, text);
		ok(was_closed(w, a->peer), "%s: closed", answers[i]);
		quiet(w);
		answered(w, 0, "ERR code=BANK_UNAVAILABLE bank=BankA",
		    "and counts as a connection that broke");
		is_i64(records(w, "COMMIT", ""), 0, "nothing is committed");
		world_holds(w, "wrong votes");
		world_free(w);
	}
}

static void
wrong_acknowledgements(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];
	char asked[LINE_MAX_LEN], text[512];

	a->deaf = true;
	pay(w, 0, 1, "");
	quiet(w);
	snprintf(asked, sizeof(asked), "%s", bank_asked(w, a, "COMMIT"));
	snprintf(text, sizeof(text),
	    "%.*s OK id=%s branch=gw.1.99 seq=3 check=%032d",
	    (int)strcspn(asked, " "), asked, id_of(1), 0);
	bank_says(w, a, text);
	ok(was_closed(w, a->peer), "an acknowledgement of another branch");
	quiet(w);
	bank_up(w, a);
	quiet(w);
	is_i64(bank_heard(w, a, "COMMIT"), 1, "COMMIT is sent again");
	snprintf(text, sizeof(text),
	    "c99999 OK id=%s branch=gw.1.99 seq=3 check=%032d", id_of(1), 0);
	bank_says(w, a, text);
	memcpy(text, "c00003", 6);
	bank_says(w, a, text);
	memcpy(text, "cxyz00", 6);
	bank_says(w, a, text);
	bank_says(w, a, "p99999 ERR code=INTERNAL retry=same-id text=x");
	ok(!was_closed(w, a->peer), "a reply to no request is ignored");
	snprintf(asked, sizeof(asked), "%s", bank_asked(w, a, "COMMIT"));
	snprintf(
	    text, sizeof(text), "%.*s EVENT", (int)strcspn(asked, " "), asked);
	bank_says(w, a, text);
	ok(!was_closed(w, a->peer), "an event is no reply");
	a->deaf = false;
	quiet(w);
	is_i64(records(w, "END", id_of(1)), 1, "and then it ends");
	b->no_commit = "INTERNAL";
	pay(w, 0, 2, "");
	quiet(w);
	ok(was_closed(w, b->peer), "an ERR to COMMIT closes the connection");
	b->no_commit = NULL;
	bank_up(w, b);
	quiet(w);
	is_i64(records(w, "END", id_of(2)), 1, "until it acknowledges");
	world_holds(w, "wrong acknowledgements");
	world_free(w);
}

static void
commit_once_per_connection(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->deaf = true;
	for (uint64_t id = 1; id <= 5; id++)
		pay(w, 0, id, "");
	quiet(w);
	pass_ns(w, 1000 * SECOND_NS);
	quiet(w);
	is_i64(bank_heard(w, a, "COMMIT"), 5, "once for each payment");
	is_i64(b->commits, 5, "the other has them");
	for (int n = 0; n < 3; n++) {
		bank_down(w, a);
		quiet(w);
		bank_up(w, a);
		quiet(w);
		is_i64(bank_heard(w, a, "COMMIT"), 5,
		    "and once more on each new connection");
		is_text(field(bank_asked(w, a, "COMMIT"), "id"), id_of(5),
		    "in their order");
	}
	crash(w);
	bank_up(w, a);
	quiet(w);
	is_i64(bank_heard(w, a, "COMMIT"), 5, "and after a restart");
	a->deaf = false;
	quiet(w);
	bank_up(w, b);
	quiet(w);
	is_i64(records(w, "END", ""), 5, "until it acknowledges");
	is_i64(bank_heard(w, b, "COMMIT"), 5,
	    "after a restart the other bank is told again, too");
	world_holds(w, "COMMIT once a connection");
	world_free(w);
}

static void
replaced(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	struct peer old = a->peer;
	char late[512], asked[LINE_MAX_LEN];

	a->silent = true;
	pay(w, 0, 1, "");
	ticks(w);
	snprintf(asked, sizeof(asked), "%s", bank_asked(w, a, "PREPARE"));
	bank_up(w, a);
	ok(was_closed(w, old), "a second REGISTER closes the first connection");
	is_text(state_of(w, "BankA"), "up", "the bank is up");
	quiet(w);
	answered(w, 0, "OK state=held", "what was on the old one has failed");
	is_i64(bank_heard(w, a, "PREPARE"), 1, "and is tried on the new one");
	{
		struct peer new = a->peer;

		a->peer = old;
		snprintf(late, sizeof(late),
		    "%.*s OK id=%s branch=%s vote=yes seq=9 check=%032d",
		    (int)strcspn(asked, " "), asked, id_of(1),
		    field(asked, "branch"), 0);
		bank_says(w, a, late);
		a->peer = new;
	}
	is_i64(
	    records(w, "COMMIT", ""), 0, "a late vote of the old one is lost");
	a->silent = false;
	quiet(w);
	is_i64(records(w, "COMMIT", ""), 1, "the new one's counts");
	{
		struct event ev = {.kind = EV_PEER_DOWN, .peer = old};

		ev.user = STR("BankA");
		give(w, &ev);
	}
	is_text(
	    state_of(w, "BankA"), "up", "the old one's end changes nothing");
	world_holds(w, "replaced");

	/* Two new ones in a row, before the first has been settled. */
	old = a->peer;
	a->peer.generation++;
	request(w, SIDE_UP, a->peer, "BankA",
	    "j1 REGISTER bank=BankA boot=1 "
	    "seq=100 journal=000b0000-0000-4000-8000-0000000b0000");
	ok(!was_closed(w, a->peer), "the newer");
	old = a->peer;
	bank_up(w, a);
	ok(was_closed(w, old), "the newest replaces the newer");
	is_text(state_of(w, "BankA"), "up", "the bank is up");
	world_holds(w, "replaced twice");
	world_free(w);
}

static void
heuristics_by_page(struct world *w)
{
	const char *line;
	char next[64];

	control(w, "h PAYMENTS state=heuristic limit=2");
	ticks(w);
	operator_hears(w, "h ROW id=00000003-0000-4000-8000-000000000003",
	    "by page: the newest");
	operator_hears(w, "h ROW id=00000002-0000-4000-8000-000000000002",
	    "and the second");
	line = next_line(w, control_peer());
	tap_says(__LINE__, line, "h OK", "a page");
	snprintf(next, sizeof(next), "%s", field(line, "next"));
	control(w, "h PAYMENTS state=heuristic limit=2 before=%s",
	    next[0] != '\0' ? next : "9.9");
	ticks(w);
	operator_hears(w, "h ROW id=00000001-0000-4000-8000-000000000001",
	    "the next page: the oldest");
	line = next_line(w, control_peer());
	tap_says(__LINE__, line, "h OK", "the last page");
	is_text(field(line, "next"), "", "which says that it is");
}

static void
heuristics(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->no_commit = "HEURISTIC";
	pay(w, 0, 1, "");
	quiet(w);
	answered(w, 0, "OK state=committed", "the client was told committed");
	is_i64(records(w, "HEURISTIC bank=BankA outcome=aborted", id_of(1)), 1,
	    "an operator aborted what is committed: HEURISTIC");
	ok(was_logged(w, ACTION_CRIT, "HEURISTIC"), "logged at crit");
	is_i64(records(w, "END", id_of(1)), 1, "it counts as acknowledged");
	ok(!was_closed(w, a->peer), "the connection goes on");
	a->no_commit = NULL;

	w->log_count = 0;
	a->no_abort = "HEURISTIC";
	b->no = "ACCOUNT_CLOSED";
	pay(w, 0, 2, "");
	quiet(w);
	is_i64(records(w, "HEURISTIC bank=BankA outcome=committed", id_of(2)),
	    1, "an operator committed what is aborted: HEURISTIC");
	ok(was_logged(w, ACTION_CRIT, "HEURISTIC"), "logged at crit");
	ok(!was_closed(w, a->peer), "the connection goes on");
	a->no_abort = b->no = NULL;

	/* Committed at one bank, overruled at the other, one still to tell. */
	b->deaf = true;
	a->no_commit = "HEURISTIC";
	pay(w, 0, 3, "");
	quiet(w);
	for (int n = 0; n < 2; n++) {
		control(w, "h PAYMENTS state=heuristic");
		ticks(w);
		operator_hears(w,
		    "h ROW id=00000003-0000-4000-8000-000000000003 "
		    "state=committed pending=BankB user=alice",
		    "PAYMENTS heuristic: the newest, which is not yet "
		    "acknowledged");
		operator_hears(w,
		    "h ROW id=00000002-0000-4000-8000-000000000002 "
		    "state=aborted reason=ACCOUNT_CLOSED user=alice",
		    "the second");
		operator_hears(w,
		    "h ROW id=00000001-0000-4000-8000-000000000001 "
		    "state=committed from=alice@BankA to=bob@BankB amount=500 "
		    "currency=EUR user=alice",
		    "the oldest");
		operator_hears(w, "h OK", "and no more");
		heuristics_by_page(w);
		world_holds(w, "heuristics");
		/* After a restart BankA is told, and overrules, again. */
		crash(w);
		bank_up(w, a);
		quiet(w);
	}
	world_free(w);
}

/* A bank that does not know what it voted for is not used until WAIVE. */
static void
lost_branch(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	a->no_commit = "NOT_FOUND";
	pay(w, 0, 1, "");
	quiet(w);
	a->no_commit = NULL;
	answered(w, 0, "OK state=committed", "committed stays committed");
	ok(was_logged(w, ACTION_CRIT, "FENCED: bank BankA"), "logged at crit");
	ok(!was_closed(w, a->peer), "the connection stays");
	is_text(state_of(w, "BankA"), "fenced", "BANKS says fenced");
	pay(w, 0, 2, "hold=no");
	quiet(w);
	answered(w, 0, "ERR code=BANK_UNAVAILABLE bank=BankA",
	    "the bank is not used");
	pay(w, 0, 3, "");
	quiet(w);
	answered(w, 0, "OK state=held bank=BankA", "payments are held");
	client(w, 1, "alice", "1 BALANCE account=alice@BankA");
	answered(w, 1, "1 ERR code=BANK_UNAVAILABLE", "nor asked");
	bank_up(w, a);
	quiet(w);
	is_text(state_of(w, "BankA"), "fenced", "a reconnect does not help");
	world_holds(w, "stopped");
	control(w, "1 WAIVE bank=BankA");
	durable(w);
	operator_hears(w, "1 OK", "WAIVE");
	quiet(w);
	is_text(state_of(w, "BankA"), "up", "the bank is used again");
	status(w, 0, "alice", 3);
	answered(w, 0, "state=committed", "what was held goes through");
	quiet(w);
	status(w, 0, "alice", 1);
	answered(w, 0, "state=committed",
	    "COMMIT goes out on the connection of after");

	b->no_abort = "NOT_FOUND";
	a->no = "ACCOUNT_CLOSED";
	pay(w, 0, 4, "");
	quiet(w);
	is_text(state_of(w, "BankB"), "fenced",
	    "a bank that committed what was aborted is stopped likewise");
	world_holds(w, "lost branch");
	world_free(w);
}

/* Questions that are passed on, and what becomes of them. */
static void
relays(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	char text[512], tag[32];
	const char *asked;
	struct peer shell = {300, 1};

	client(w, 0, "alice", "q1 BALANCE account=alice@BankA");
	asked = bank_asked(w, a, "BALANCE");
	ok(has_words(asked, "BALANCE account=alice"), "BALANCE is passed on");
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	snprintf(text, sizeof(text),
	    "%s OK account=alice currency=EUR "
	    "posted=-5 held=3 available=2 seq=7",
	    tag);
	bank_says(w, a, text);
	answered(w, 0, "q1 OK account=alice@BankA posted=-5 available=2 seq=7",
	    "and the answer back, with the account's full name");
	bank_says(w, a, text);
	quiet_to(w, 0, "an answer twice is one");
	client(
	    w, 0, "alice", "q2 HISTORY account=alice@BankA limit=2 before=x");
	asked = bank_asked(w, a, "HISTORY");
	ok(has_words(asked, "HISTORY account=alice limit=2 before=x"),
	    "HISTORY is passed on");
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	snprintf(text, sizeof(text),
	    "%s ROW seq=1 "
	    "time=2026-01-31T12:00:00.000000Z id= kind=open amount=-1 "
	    "currency=EUR balance=1 peer= memo=",
	    tag);
	bank_says(w, a, text);
	answered(w, 0, "q2 ROW seq=1 kind=open amount=-1", "a row");
	snprintf(text, sizeof(text), "%s OK next=y", tag);
	bank_says(w, a, text);
	answered(w, 0, "q2 OK next=y", "the end");
	client(w, 0, "alice", "late BALANCE account=alice@BankA");
	asked = bank_asked(w, a, "BALANCE");
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	pass_ns(w, w->conf.prepare_timeout_ns + 1);
	quiet(w);
	answered(w, 0, "late ERR code=BANK_TIMEOUT",
	    "a question that a bank does not answer ends in time");
	snprintf(text, sizeof(text),
	    "%s OK account=alice currency=EUR "
	    "posted=-5 held=3 available=2 seq=7",
	    tag);
	bank_says(w, a, text);
	quiet_to(w, 0, "its late answer goes nowhere");
	w->no_rights = true;
	client(w, 0, "alice", "q3 BALANCE account=bob@BankA");
	answered(w, 0, "q3 ERR code=FORBIDDEN", "rights come first");
	w->no_rights = false;
	client(w, 0, "alice", "q3 BALANCE account=bob@BankZ");
	answered(w, 0, "q3 ERR code=NO_SUCH_BANK", "an unknown bank");

	request(w, SIDE_DOWN, shell, "BankA",
	    "q4 AUTHENTICATE user=alice password=geheim");
	asked = bank_asked(w, a, "AUTHENTICATE");
	ok(has_words(asked, "user=alice password=geheim"),
	    "AUTHENTICATE of the shell is passed on");
	snprintf(tag, sizeof(tag), "%.*s", (int)strcspn(asked, " "), asked);
	snprintf(text, sizeof(text),
	    "%s ERR code=BAD_CREDENTIALS retry=login text=no", tag);
	bank_says(w, a, text);
	tap_says(__LINE__, next_line(w, shell),
	    "q4 ERR code=BAD_CREDENTIALS text=no", "and the refusal back");
	client(w, 0, "alice", "q5 BALANCE account=alice@BankA");
	request(w, SIDE_DOWN, shell, "BankA",
	    "q6 AUTHENTICATE user=alice password=geheim");
	bank_down(w, a);
	answered(w, 0, "q5 ERR code=BANK_UNAVAILABLE",
	    "a question dies with the connection");
	tap_says(__LINE__, next_line(w, shell), "q6 ERR code=BANK_UNAVAILABLE",
	    "the shell's, too");
	client(w, 0, "alice", "q7 BALANCE account=alice@BankA");
	answered(
	    w, 0, "q7 ERR code=BANK_UNAVAILABLE", "and none is asked then");
	bank_up(w, a);
	for (int n = 0; n < 16; n++)
		client(w, 2, "alice", "q%d BALANCE account=alice@BankA", n);
	quiet_to(w, 2, "as many as its window");
	client(w, 2, "alice", "q8 BALANCE account=alice@BankA");
	answered(w, 2, "q8 ERR code=OVERLOADED", "and none beyond it");
	world_holds(w, "relays");
	world_free(w);
}

int
main(void)
{
	registration();
	binding_is_durable_first();
	proofs();
	fencing();
	rebinding();
	rebinding_at_the_door();
	resolving();
	resolving_truncated(true);
	resolving_truncated(false);
	truncated_by_a_proof();
	truncated_after_registration();
	restored_epoch();
	wrong_answers();
	wrong_acknowledgements();
	commit_once_per_connection();
	replaced();
	heuristics();
	lost_branch();
	relays();
	return tap_done();
}

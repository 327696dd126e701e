/* Histories that the simulator found to go wrong, each told once more here. */
#include "coord_harness.h"

/*
 * The gateway lost a COMMIT that the payee's bank had heard of and a client
 * too. The start that was told so made the payer's bank wait; the next start
 * did not know, and told it to abort what the other had committed.
 */
static void
loss_outlives_a_start(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	w->conf.truncated = true;
	crash(w);
	w->conf.truncated = false;
	crash(w);
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(1), "gw.1.1", "bob@BankB"), "wait",
	    "a start after the careful one is as careful");
	bank_up(w, b);
	is_text(bank_resolves(w, a, id_of(1), "gw.1.1", "bob@BankB"), "abort",
	    "until the other bank has registered");
	world_holds(w, "after a loss");
	world_free(w);
}

/* The same, where nobody said that the journal was restored: a bank showed it.
 */
static void
shown_loss_outlives_a_start(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0], *b = &w->banks[1];

	crash(w);
	ok(has_words(bank_register(w, b, PROOF_BAD), "ERR code=FENCED"),
	    "a bank shows a record that was lost: fenced");
	durable(w);
	crash(w);
	bank_up(w, a);
	is_text(bank_resolves(w, a, id_of(1), "gw.1.1", "bob@BankB"), "wait",
	    "the next start remembers that, and the other bank must wait");
	world_holds(w, "after a loss that was shown");
	world_free(w);
}

/*
 * A restored journal counts again the epochs that the lost one had used: a
 * branch of this very epoch may be one of the lost ones.
 */
static void
epochs_are_counted_again(void)
{
	struct world *w = world_two(NULL);
	struct fake_bank *a = &w->banks[0];
	char branch[64];

	w->conf.truncated = true;
	crash(w);
	bank_up(w, a);
	snprintf(branch, sizeof(branch), "gw.%llu.7",
	    (unsigned long long)coord_epoch(w->coord));
	is_text(bank_resolves(w, a, id_of(1), branch, "bob@BankB"), "wait",
	    "a branch of this epoch that nobody knows waits too");
	world_free(w);
}

/* A bank that was refused before it was bound has taken a place by then. */
static void
places_are_no_order(void)
{
	struct coord_conf conf = default_conf();
	struct fake_bank *a, *b;
	struct world *w;

	conf.truncated = true;
	w = world_new(&conf);
	a = bank_new(w, "BankA");
	b = bank_new(w, "BankB");
	ok(has_words(bank_register(w, a, PROOF_BAD), "ERR code=FENCED"),
	    "a bank that was never bound is fenced");
	bank_up(w, b);
	control(w, "1 WAIVE bank=BankA");
	durable(w);
	ok(has_words(bank_register(w, a, PROOF_BAD), "OK"),
	    "waived, it is bound after another one");
	world_holds(w, "refused, then bound");
	world_free(w);
}

int
main(void)
{
	loss_outlives_a_start();
	shown_loss_outlives_a_start();
	epochs_are_counted_again();
	places_are_no_order();
	return tap_done();
}

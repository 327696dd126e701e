/*
 * Snapshots that cannot be: a ledger refuses them, and another start is made.
 */
#include "ledger_harness.h"

/* Lines of a snapshot, to its end: what the ledger refuses it with, or "". */
static const char *
restore(const char *const *lines)
{
	static struct actions actions;
	struct ledger_conf conf = harness_conf();
	struct ledger *l = ledger_new(&conf);

	CHECK(l != NULL);
	actions.count = 0;
	for (uint32_t i = 0; lines[i] != NULL && actions.count == 0; i++) {
		struct parsed *p =
		    harness_parse(lines[i], SIDE_SNAPSHOT, VERB_UNKNOWN);
		struct event ev = {.kind = EV_RESTORE, .msg = &p->msg};

		ledger_step(l, &ev, &actions);
		free(p);
	}
	if (actions.count == 0)
		ledger_check(l);
	ledger_free(l);
	return actions.count == 0 ? "" : actions.at[0].text;
}

#define ACCOUNT(name, currency, posted) \
	"0 ACCOUNT account=" name " currency=" currency \
	" state=open overdraft=0 posted=" posted " seq=1 where="
#define END "0 END count=0 check=0123456789abcdef0123456789abcdef"

int
main(void)
{
	static const char *const balanced[] = {ACCOUNT("ann", "CZK", "5"),
	    ACCOUNT("ben", "EUR", "7"), ACCOUNT(":equity.CZK", "CZK", "-5"),
	    ACCOUNT(":equity.EUR", "EUR", "-7"), END, NULL};
	static const char *const lost[] = {ACCOUNT("ann", "CZK", "5"),
	    ACCOUNT(":equity.CZK", "CZK", "-4"), END, NULL};
	static const char *const mixed[] = {
	    ACCOUNT("ann", "CZK", "5"), ACCOUNT("ben", "EUR", "-5"), END, NULL};
	static const char wrong[] = "the balances do not add up to zero";

	is_text(restore(balanced), "", "balances of two currencies");
	is_text(restore(lost), wrong, "some are lost");
	is_text(restore(mixed), wrong,
	    "one currency's do not make up for another's");
	return tap_done();
}

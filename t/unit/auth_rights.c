/* Roles, linked accounts and acts_for patterns. */
#include "auth/rights.h"

#include "tap.h"

#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static bool
covers(const struct rights *rights, const char *text)
{
	struct account account;

	return account_parse(&account, str_from(text)) &&
	    rights_cover(rights, account);
}

static void
test_roles(void)
{
	struct rights r = {.roles = "balance,history"};

	ok(rights_has_role(&r, ROLE_BALANCE), "the first role");
	ok(rights_has_role(&r, ROLE_HISTORY), "the last role");
	ok(!rights_has_role(&r, ROLE_PAY), "a role not held");
	ok(rights_has_role(&r, ROLE_ANY) && rights_has_role(&r, ROLE_NONE),
	    "any session will do");
	strcpy(r.roles, "");
	ok(!rights_has_role(&r, ROLE_PAY), "no roles hold none");
	ok(rights_has_role(&r, ROLE_ANY), "but are a session");
	strcpy(r.roles, "payer,pa,PAY");
	ok(!rights_has_role(&r, ROLE_PAY), "only whole words count");
	rights_set_roles(&r, "admin,history,payer,balance,history");
	is_text(r.roles, "balance,history", "of a list, those that there are");
	rights_set_roles(&r, "");
	is_text(r.roles, "", "of none, none");
	ok(rights_role_valid(STR("pay")) && !rights_role_valid(STR("pa")) &&
		!rights_role_valid(STR("")) && !rights_role_valid(STR("admin")),
	    "names of roles");
}

static void
test_accounts(void)
{
	struct rights r = {.accounts = "alice@BankA,a.smith@BankB"};
	struct account account;
	size_t at = 0;

	ok(covers(&r, "alice@BankA") && covers(&r, "a.smith@BankB"),
	    "linked accounts");
	ok(!covers(&r, "alice@BankB") && !covers(&r, "alic@BankA") &&
		!covers(&r, "alice2@BankA") && !covers(&r, "Alice@BankA") &&
		!covers(&r, "alice@BankAA"),
	    "and no others");
	ok(rights_next_account(&r, &at, &account) &&
		str_is(account.name, "alice") && str_is(account.bank, "BankA"),
	    "walking: the first");
	ok(rights_next_account(&r, &at, &account) &&
		str_is(account.name, "a.smith") &&
		str_is(account.bank, "BankB"),
	    "the second");
	ok(!rights_next_account(&r, &at, &account) &&
		!rights_next_account(&r, &at, &account),
	    "and then none");
	strcpy(r.accounts, "");
	at = 0;
	ok(!rights_next_account(&r, &at, &account), "no accounts at all");
	ok(!covers(&r, "alice@BankA"), "cover nothing");
	strcpy(r.accounts, "alice");
	at = 0;
	ok(rights_next_account(&r, &at, &account) &&
		str_is(account.name, "alice") && account.bank.len == 0,
	    "an account within a bank");
	ok(rights_cover(&r, (struct account){STR("alice"), STR_NONE}) &&
		!covers(&r, "alice@BankA"),
	    "covers itself alone");
}

static void
test_patterns(void)
{
	struct rights r = {.acts_for = "*@CZ,shop-*@BankA,exact@BankA"};

	ok(covers(&r, "anyone@CZ") && covers(&r, "a@CZ"), "* at a bank");
	ok(!covers(&r, "anyone@CZ2") && !covers(&r, "anyone@C"),
	    "that bank only");
	ok(covers(&r, "shop-1@BankA") && covers(&r, "shop-@BankA"), "a prefix");
	ok(!covers(&r, "shop@BankA") && !covers(&r, "ashop-1@BankA") &&
		!covers(&r, "shop-1@BankB"),
	    "has to be there");
	ok(covers(&r, "exact@BankA") && !covers(&r, "exactly@BankA") &&
		!covers(&r, "exac@BankA"),
	    "a name is no prefix");
	ok(!rights_cover(
	       &r, (struct account){STR(":clearing.BankA.CZK"), STR("CZ")}),
	    "a system account is never covered");
}

static void
test_pattern_valid(void)
{
	static const char *const good[] = {
	    "*@CZ", "a*@CZ", "a.b-c_*@Bank-1", "alice@BankA", (A64 "*@B")};
	static const char *const bad[] = {"", "*", "@CZ", "*@", "**@CZ",
	    "a*b@CZ", "*a@CZ", "*@*", "*@1Z", "a b@CZ", "a,b@CZ", "a@b@CZ",
	    ":x*@CZ", "alice", (A64 "a*@B")};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ok(rights_pattern_valid(str_from(good[i])), "legal: %s",
		    good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ok(!rights_pattern_valid(str_from(bad[i])), "not legal: %s",
		    bad[i]);
}

int
main(void)
{
	test_roles();
	test_accounts();
	test_patterns();
	test_pattern_valid();
	return tap_done();
}

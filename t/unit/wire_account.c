/* lib/wire/account: names of accounts, banks and system accounts. */
#include "wire/account.h"

#include "tap.h"

#define NAME64 \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._"
#define BANK32 "BankWithAName-of-32-octets-long0"

static void
test_names(void)
{
	ok(name_valid(STR("a")), "a name may be one octet");
	ok(name_valid(STR(NAME64)), "a name may be 64 octets");
	ok(!name_valid(STR(NAME64 "x")), "a name of 65 octets is refused");
	ok(!name_valid(STR("")), "an empty name is refused");
	ok(!name_valid((struct str){NULL, 0}), "so is no text at all");
	ok(name_valid(STR("9.-_")), "a name may start with a digit");
	ok(!name_valid(STR("a b")), "a space in a name is refused");
	ok(!name_valid(STR("a@b")), "an @ in a name is refused");
	ok(!name_valid(STR("a\0b")), "a NUL in a name is refused");
	ok(!name_valid(STR("\xc3\xa9")), "a name is ASCII");
	ok(!name_valid(STR("a,b")), "a comma in a name is refused");
	ok(!name_valid(STR(":a")), "a colon in a name is refused");
}

static void
test_banks(void)
{
	ok(bank_valid(STR("B")), "a bank may be one letter");
	ok(bank_valid(STR("z")), "of either case");
	ok(bank_valid(STR(BANK32)), "a bank may be 32 octets");
	ok(!bank_valid(STR(BANK32 "x")), "a bank of 33 octets is refused");
	ok(!bank_valid(STR("")), "an empty bank is refused");
	ok(!bank_valid(STR("1Bank")),
	    "a bank starting with a digit is refused");
	ok(!bank_valid(STR("-Bank")), "one starting with a hyphen is refused");
	ok(!bank_valid(STR("Bank.A")), "a dot in a bank is refused");
	ok(!bank_valid(STR("Bank_A")), "an underscore in a bank is refused");
}

static void
test_accounts(void)
{
	struct account a = {STR("untouched"), STR_NONE}, b;

	ok(!account_parse(&a, STR("alice")), "an account needs a bank");
	ok(!account_parse(&a, STR("")), "an empty account is refused");
	ok(!account_parse(&a, STR("@")), "a bare @ is refused");
	ok(!account_parse(&a, STR("alice@")), "an empty bank is refused");
	ok(!account_parse(&a, STR("@BankA")), "an empty name is refused");
	ok(!account_parse(&a, STR("a@B@C")), "a second @ is refused");
	ok(!account_parse(&a, STR(":equity.CZK@BankA")),
	    "no client can name a system account");
	ok(!account_parse(&a, STR(NAME64 "@" BANK32 "x")),
	    "one too long is refused");
	is_text(a.name.at, "untouched", "a refused account changes nothing");
	ok(account_parse(&a, STR(NAME64 "@" BANK32)), "the longest is fine");
	ok(a.name.len == 64 && a.bank.len == 32, "and is cut at its @");
	ok(account_parse(&a, STR("alice@BankA")) &&
		account_parse(&b, STR("alice@BankA")) && account_eq(a, b),
	    "equal accounts are equal");
	ok(account_parse(&b, STR("Alice@BankA")) && !account_eq(a, b),
	    "names are case-sensitive");
	ok(account_parse(&b, STR("alice@banka")) && !account_eq(a, b),
	    "banks are case-sensitive");
}

static void
test_system_names(void)
{
	ok(system_name_valid(STR(":equity.CZK")), "equity of a currency");
	ok(system_name_valid(STR(":suspense.JPY")), "suspense of a currency");
	ok(system_name_valid(STR(":clearing.BankB.EUR")), "clearing");
	ok(system_name_valid(STR(":clearing." BANK32 ".EUR")),
	    "clearing of the longest bank");
	ok(sizeof(":clearing." BANK32 ".EUR") - 1 <= SYSTEM_NAME_MAX_LEN,
	    "which fits in SYSTEM_NAME_MAX_LEN");
	ok(!system_name_valid(STR(":clearing." BANK32 "x.EUR")),
	    "clearing of a bank too long is refused");
	ok(!system_name_valid(STR(":clearing..EUR")), "or of no bank");
	ok(!system_name_valid(STR(":clearing.EUR")), "or without bank");
	ok(!system_name_valid(STR(":clearing.BankB.EU")), "or half a currency");
	ok(!system_name_valid(STR(":clearing.BankB.XXX")), "or none known");
	ok(!system_name_valid(STR(":clearing.B_nk.EUR")), "or a bad bank");
	ok(!system_name_valid(STR("equity.CZK")), "without colon: refused");
	ok(!system_name_valid(STR(":equity.CZ")), "short currency: refused");
	ok(!system_name_valid(STR(":equity.czk")), "lower case: refused");
	ok(!system_name_valid(STR(":equity.CZK.")), "more behind: refused");
	ok(!system_name_valid(STR(":other.CZK")), "another kind: refused");
	ok(!system_name_valid(STR(":")), "a bare colon is refused");
	ok(!system_name_valid(STR("")), "nothing is refused");
}

int
main(void)
{
	test_names();
	test_banks();
	test_accounts();
	test_system_names();
	return tap_done();
}

/*
 * strife-teller: a bank's operator at strife-bankd's control socket. One
 * command a run; each is a row of `commands`. Manual: strife-teller(8).
 */
#include "teller.h"

#include <string.h>

#include "client/date.h"
#include "wire/money.h"

#define WHY_MAX 1024 /* octets: a TEXT on the wire */

/* ---- Requests about one account ---- */

static void
name_request(void *ctx, struct msg *m)
{
	const struct console *c = ctx;

	msg_set_str(m, KEY_name, str_from(c->operands[0]));
}

/* close, freeze, thaw: silent when done. */
static int
change_run(struct console *c)
{
	if (console_account(c, c->operands[0], false) != EXIT_OK)
		return EXIT_USAGE;
	return console_ask(c, c->command->verb, name_request, c, NULL);
}

static int
balance_run(struct console *c)
{
	if (console_account(c, c->operands[0], true) != EXIT_OK)
		return EXIT_USAGE;
	return console_show(c, name_request, c, 1);
}

static int
list_run(struct console *c)
{
	return console_show(c, NULL, NULL, CONSOLE_ALL);
}

/* ---- set ---- */

struct set {
	const struct console *console;
	int64_t overdraft;
};

static void
set_request(void *ctx, struct msg *m)
{
	const struct set *set = ctx;

	msg_set_str(m, KEY_name, str_from(set->console->operands[0]));
	msg_set_u64(m, KEY_overdraft, (uint64_t)set->overdraft);
}

/* The currency, which tells how many decimals there are, is the account's. */
static int
set_run(struct console *c)
{
	const char *text = c->values[OPTION_OVERDRAFT];
	struct set set = {.console = c};
	struct msg account;
	char currency[4];
	int result;

	if (console_account(c, c->operands[0], false) != EXIT_OK)
		return EXIT_USAGE;
	if (text == NULL)
		return console_usage(c, "set what? --overdraft AMOUNT");
	result = console_ask(c, VERB_TELLER_BALANCE, name_request, c, &account);
	if (result != EXIT_OK)
		return result;
	currency_text((uint32_t)account.v[KEY_currency].u64, currency);
	if (money_parse(&set.overdraft, str_from(text),
		(uint32_t)account.v[KEY_currency].u64) != MONEY_OK ||
	    set.overdraft < 0)
		return console_usage(c,
		    "--overdraft %s: an amount of 0 or more, with %d decimals "
		    "at most (%s)",
		    text,
		    currency_exponent((uint32_t)account.v[KEY_currency].u64),
		    currency);
	return console_ask(c, VERB_TELLER_SET, set_request, &set, NULL);
}

/* ---- statement ---- */

struct statement {
	const struct console *console;
	bool has_since, has_until;
	int64_t since_us, until_us;
};

static void
statement_request(void *ctx, struct msg *m)
{
	const struct statement *s = ctx;

	msg_set_str(m, KEY_name, str_from(s->console->operands[0]));
	if (s->has_since)
		msg_set_i64(m, KEY_since, s->since_us);
	if (s->has_until)
		msg_set_i64(m, KEY_until, s->until_us);
}

static int
wrong_date(const struct console *c, const char *option, const char *text)
{
	return console_usage(c,
	    "--%s %s: 2026-01-31, or RFC 3339 as in 2026-01-31T12:00:00Z",
	    option, text);
}

static int
statement_run(struct console *c)
{
	const char *since = c->values[OPTION_SINCE];
	const char *until = c->values[OPTION_UNTIL];
	struct statement s = {.console = c,
	    .has_since = since != NULL,
	    .has_until = until != NULL};
	uint32_t limit;

	if (console_account(c, c->operands[0], true) != EXIT_OK ||
	    console_count(c, c->values[OPTION_LIMIT], CONSOLE_ALL, &limit) !=
		EXIT_OK)
		return EXIT_USAGE;
	if (since != NULL && !date_parse(&s.since_us, str_from(since)))
		return wrong_date(c, "since", since);
	if (until != NULL && !date_parse_until(&s.until_us, str_from(until)))
		return wrong_date(c, "until", until);
	return console_show(c, statement_request, &s, limit);
}

/* ---- decide, post-late ---- */

struct decision {
	struct id id;
	struct str outcome, why;
};

static void
decision_request(void *ctx, struct msg *m)
{
	const struct decision *d = ctx;

	msg_set_id(m, KEY_id, &d->id);
	if (m->verb == VERB_TELLER_DECIDE)
		msg_set_str(m, KEY_outcome, d->outcome);
	msg_set_str(m, KEY_why, d->why);
}

/* What ID and --why give. */
static int
take_decision(const struct console *c, struct decision *d)
{
	const char *why = c->values[OPTION_WHY];

	if (console_id(c, c->operands[0], &d->id) != EXIT_OK ||
	    console_text(c, "why", why, WHY_MAX) != EXIT_OK)
		return EXIT_USAGE;
	d->why = str_from(why);
	return EXIT_OK;
}

static int
decide_run(struct console *c)
{
	static const char *const outcomes[] = {"commit", "abort"};
	struct decision d = {.outcome = str_from(c->operands[1])};

	if (!str_is(d.outcome, "commit") && !str_is(d.outcome, "abort"))
		return console_unknown(c, "the outcome is commit or abort, not",
		    c->operands[1], outcomes, 2);
	if (take_decision(c, &d) != EXIT_OK)
		return EXIT_USAGE;
	return console_ask(c, VERB_TELLER_DECIDE, decision_request, &d, NULL);
}

static int
post_late_run(struct console *c)
{
	struct decision d = {.outcome = STR_NONE};

	if (take_decision(c, &d) != EXIT_OK)
		return EXIT_USAGE;
	return console_show(c, decision_request, &d, 1);
}

/* ---- Tables ---- */

static const struct console_option options[OPTION_COUNT] = {
    [OPTION_ID] = {"id", '\0'},
    [OPTION_KEY] = {"key", '\0'},
    [OPTION_LIMIT] = {"limit", 'n'},
    [OPTION_MEMO] = {"memo", '\0'},
    [OPTION_OVERDRAFT] = {"overdraft", '\0'},
    [OPTION_SINCE] = {"since", '\0'},
    [OPTION_UNTIL] = {"until", '\0'},
    [OPTION_WHY] = {"why", '\0'},
};

#define BIT(option) (1u << OPTION_##option)
#define ENTRY_USAGE \
	"NAME AMOUNT CUR --id UUID | --key TEXT [--memo TEXT]\n" \
	"       (or -)"
#define ENTRY_HELP \
	"AMOUNT is in the currency's units (12.50). The id counts once: the\n" \
	"same command again is the same entry.\n" \
	"\n" \
	"  --id UUID     the entry's id\n" \
	"  --key TEXT    an id made of the bank and TEXT, always the same\n" \
	"  --memo TEXT   up to 140 octets for the statement\n" \
	"\n" \
	"With -, standard input has one entry a line, columns with tabs " \
	"between:\n" \
	"  id name amount currency memo\n" \
	"The id is a UUID or key:TEXT. All are checked before one is sent; " \
	"where\n" \
	"one is wrong, the exit code is 65.\n"

static const struct console_command commands[] = {
    {"open", "NAME CUR [--overdraft AMOUNT] (or -)", "open an account",
	"Opens an account. Again with the same currency is no error.\n"
	"\n"
	"  --overdraft AMOUNT   how far it may go below zero (0)\n"
	"\n"
	"With -, standard input has one account a line, columns with tabs "
	"between:\n"
	"  name currency overdraft\n"
	"All are checked before one is sent; where one is wrong, the exit "
	"code is 65.\n",
	entries_run, 1, 2, BIT(OVERDRAFT), VERB_TELLER_OPEN, 0, {0}},
    {"close", "NAME", "close an account for good; its balance must be zero",
	"Closes an account for good. Its balance must be zero, and no payment\n"
	"of it under way.\n",
	change_run, 1, 1, 0, VERB_TELLER_CLOSE, 0, {0}},
    {"freeze", "NAME", "let nothing new in or out of an account",
	"Lets nothing new in or out of an account until it is thawed. What it\n"
	"has voted for already is still posted.\n",
	change_run, 1, 1, 0, VERB_TELLER_FREEZE, 0, {0}},
    {"thaw", "NAME", "undo freeze", "Undoes freeze.\n", change_run, 1, 1, 0,
	VERB_TELLER_THAW, 0, {0}},
    {"set", "NAME --overdraft AMOUNT", "change an account's overdraft",
	"Sets how far an account may go below zero.\n", set_run, 1, 1,
	BIT(OVERDRAFT), VERB_TELLER_SET, 0, {0}},
    {"deposit", ENTRY_USAGE, "put money into an account",
	"Puts money into an account, against the bank's equity.\n\n" ENTRY_HELP,
	entries_run, 1, 3, BIT(ID) | BIT(KEY) | BIT(MEMO), VERB_TELLER_DEPOSIT,
	0, {0}},
    {"withdraw", ENTRY_USAGE, "take money out of an account",
	"Takes money out of an account, into the bank's equity.\n\n" ENTRY_HELP,
	entries_run, 1, 3, BIT(ID) | BIT(KEY) | BIT(MEMO), VERB_TELLER_WITHDRAW,
	0, {0}},
    {"accounts", "", "list all accounts, the bank's own (:...) too",
	"Lists all accounts; the bank's own start with a colon.\n", list_run, 0,
	0, 0, VERB_TELLER_ACCOUNTS, 7,
	{KEY_name, KEY_currency, KEY_posted, KEY_held, KEY_available,
	    KEY_overdraft, KEY_state}},
    {"balance", "NAME", "show an account",
	"Shows an account: posted, held by payments under way, available.\n",
	balance_run, 1, 1, 0, VERB_TELLER_BALANCE, 8,
	{KEY_name, KEY_currency, KEY_posted, KEY_held, KEY_available,
	    KEY_overdraft, KEY_state, KEY_seq}},
    {"statement", "NAME [--since DATE] [--until DATE] [-n N]",
	"list an account's entries, newest first",
	"Lists an account's entries, all of them, newest first.\n"
	"\n"
	"  --since DATE   at or after DATE: 2026-01-31 (UTC) or RFC 3339\n"
	"  --until DATE   at or before it; of a day, all of that day\n"
	"  -n N           the newest N of those only\n",
	statement_run, 1, 1, BIT(SINCE) | BIT(UNTIL) | BIT(LIMIT),
	VERB_TELLER_HISTORY, 9,
	{KEY_time, KEY_seq, KEY_id, KEY_kind, KEY_amount, KEY_currency,
	    KEY_balance, KEY_peer, KEY_memo}},
    {"indoubt", "", "list what waits for a gateway's decision",
	"Lists what this bank has voted yes to and has no decision for. The\n"
	"bank keeps asking its gateways by itself.\n",
	list_run, 0, 0, 0, VERB_TELLER_INDOUBT, 8,
	{KEY_id, KEY_branch, KEY_from, KEY_to, KEY_amount, KEY_currency,
	    KEY_peer, KEY_time}},
    {"decide", "ID commit|abort --why TEXT", "overrule a gateway that is lost",
	"Decides a payment in doubt without its gateway. If that decides\n"
	"otherwise, the books of two banks disagree until people put it "
	"right:\n"
	"only for a gateway that will not come back. TEXT is kept in the "
	"journal.\n",
	decide_run, 2, 2, BIT(WHY), VERB_TELLER_DECIDE, 0, {0}},
    {"post-late", "ID --why TEXT", "post what was decided against a gateway",
	"Posts a payment that was aborted by decide but committed by its\n"
	"gateway; where the account has not the money, against :suspense.CUR.\n"
	"Shows what it was posted against. TEXT is kept in the journal.\n",
	post_late_run, 1, 1, BIT(WHY), VERB_TELLER_POST_LATE, 2,
	{KEY_id, KEY_name}},
    {"stats", "", "show the bank's numbers", "Shows the bank's numbers.\n",
	list_run, 0, 0, 0, VERB_TELLER_STATS, 2, {KEY_name, KEY_value}},
    {"snapshot", "", "write the state beside the journal, for the next start",
	"Writes the bank's state beside its journal, so that the next start\n"
	"need not read all of it. Shows the newest record in it, once it is\n"
	"in place.\n",
	list_run, 0, 0, 0, VERB_TELLER_SNAPSHOT, 1, {KEY_seq}},
};

#define ANY VERB_UNKNOWN
static const struct console_advice advice[] = {
    {ANY, CODE_NO_SUCH_ACCOUNT,
	"strife-teller accounts lists them; open makes one"},
    {VERB_TELLER_OPEN, CODE_ALREADY_EXISTS,
	"an account keeps its currency: choose another name"},
    {VERB_TELLER_OPEN, CODE_ACCOUNT_CLOSED,
	"a closed account stays so: choose another name"},
    {VERB_TELLER_OPEN, CODE_OVERLOADED,
	"raise limits.accounts in the bank's configuration and restart it"},
    {VERB_TELLER_CLOSE, CODE_FORBIDDEN,
	"withdraw what is left, or pay in what is owed, first"},
    {VERB_TELLER_CLOSE, CODE_IN_PROGRESS,
	"run the same command again when it is through; strife-teller "
	"indoubt lists what is"},
    {ANY, CODE_ACCOUNT_CLOSED, "a closed account stays so"},
    {ANY, CODE_ACCOUNT_FROZEN, "strife-teller thaw undoes that"},
    {ANY, CODE_INSUFFICIENT_FUNDS,
	"strife-teller balance shows what is available"},
    {ANY, CODE_CURRENCY_MISMATCH,
	"strife-teller balance shows the account's currency"},
    {ANY, CODE_LIMIT_EXCEEDED,
	"no balance may pass 10^18 of the currency's smallest unit"},
    {ANY, CODE_ID_REUSED,
	"the first one stands; if this is another, give it an id of its own"},
    {ANY, CODE_READ_ONLY,
	"make room on the disk of the bank's journal, then run it again"},
    {VERB_TELLER_DECIDE, CODE_NOT_FOUND,
	"strife-teller indoubt lists what can be decided"},
    {VERB_TELLER_POST_LATE, CODE_NOT_FOUND,
	"only what was aborted by decide can be posted late"},
};
#undef ANY

static const struct console_program program = {
    .name = "strife-teller",
    .daemon = "strife-bankd",
    .file = "bankd.yaml",
    .name_key = "bank",
    .name_valid = bank_valid,
    .options = options,
    .option_count = OPTION_COUNT,
    .commands = commands,
    .command_count = sizeof(commands) / sizeof(commands[0]),
    .advice = advice,
    .advice_count = sizeof(advice) / sizeof(advice[0]),
};

int
main(int argc, char **argv)
{
	return console_main(&program, argc, argv);
}

/*
 * strife-ctl: the gateway's operator at strife-gatewayd's control socket. One
 * command a run; each is a row of `commands`. Manual: strife-ctl(8).
 */
#include <string.h>

#include "client/console.h"

#define PAYMENTS_SHOWN 50

enum { OPTION_LIMIT, OPTION_COUNT };

static int
list_run(struct console *c)
{
	return console_show(c, NULL, NULL, CONSOLE_ALL);
}

/* drain, resume: silent when done. */
static int
order_run(struct console *c)
{
	return console_ask(c, c->command->verb, NULL, NULL, NULL);
}

/* ---- payments ---- */

static void
payments_request(void *ctx, struct msg *m)
{
	const struct console *c = ctx;

	if (c->operand_count > 0)
		msg_set_str(m, KEY_state, str_from(c->operands[0]));
}

static int
payments_run(struct console *c)
{
	static const char *const states[] = {"received", "preparing", "held",
	    "committed", "aborted", "pending", "heuristic"};
	const uint32_t count = sizeof(states) / sizeof(states[0]);
	uint32_t limit, i = 0;

	if (console_count(c, c->values[OPTION_LIMIT], PAYMENTS_SHOWN, &limit) !=
	    EXIT_OK)
		return EXIT_USAGE;
	if (c->operand_count > 0) {
		while (i < count && strcmp(states[i], c->operands[0]) != 0)
			i++;
		if (i == count)
			return console_unknown(
			    c, "unknown state", c->operands[0], states, count);
	}
	return console_show(c, payments_request, c, limit);
}

/* ---- status, explain ---- */

static void
id_request(void *ctx, struct msg *m)
{
	msg_set_id(m, KEY_id, ctx);
}

static int
id_run(struct console *c)
{
	struct id id;

	if (console_id(c, c->operands[0], &id) != EXIT_OK)
		return EXIT_USAGE;
	return console_show(c, id_request, &id, CONSOLE_ALL);
}

/* ---- waive, rebind ---- */

struct bank_order {
	struct str bank;
	struct id journal;
};

static void
bank_request(void *ctx, struct msg *m)
{
	const struct bank_order *order = ctx;

	msg_set_str(m, KEY_bank, order->bank);
	if (m->verb == VERB_CONTROL_REBIND)
		msg_set_id(m, KEY_journal, &order->journal);
}

static int
bank_run(struct console *c)
{
	struct bank_order order = {.bank = str_from(c->operands[0])};

	if (!bank_valid(order.bank))
		return console_usage(c,
		    "%s is not a bank: 1 to %d of A-Z a-z 0-9 and -, starting "
		    "with a letter",
		    c->operands[0], BANK_MAX_LEN);
	if (c->operand_count > 1 &&
	    console_id(c, c->operands[1], &order.journal) != EXIT_OK)
		return EXIT_USAGE;
	return console_ask(c, c->command->verb, bank_request, &order, NULL);
}

/* ---- revoke ---- */

static void
user_request(void *ctx, struct msg *m)
{
	msg_set_str(m, KEY_user, str_from(ctx));
}

static int
user_run(struct console *c)
{
	struct str user = str_from(c->operands[0]);
	struct account account;

	if (!name_valid(user) && !account_parse(&account, user))
		return console_usage(c,
		    "%s is not a user: NAME, or NAME@BANK for a bank's "
		    "customer",
		    c->operands[0]);
	return console_ask(
	    c, c->command->verb, user_request, c->operands[0], NULL);
}

/* ---- Tables ---- */

static const struct console_option options[OPTION_COUNT] = {
    [OPTION_LIMIT] = {"limit", 'n'},
};

static const struct console_command commands[] = {
    {"banks", "", "list the banks that ever registered",
	"Lists the banks that ever registered: their state (up, down, fenced)\n"
	"and since when, payments in doubt, the round trip of the last PING, "
	"and\n"
	"the journal they are bound to.\n",
	list_run, 0, 0, 0, VERB_CONTROL_BANKS, 6,
	{KEY_bank, KEY_state, KEY_since, KEY_in_doubt, KEY_rtt_us,
	    KEY_journal}},
    {"payments", "[STATE] [-n N]", "list payments, newest first",
	"Lists payments, newest first. STATE is received, preparing, held,\n"
	"committed or aborted; pending: committed, but a bank has not yet\n"
	"acknowledged it; heuristic: a bank was overruled by its operator.\n"
	"\n"
	"  -n N   at most N (50)\n",
	payments_run, 0, 1, 1u << OPTION_LIMIT, VERB_CONTROL_PAYMENTS, 10,
	{KEY_id, KEY_state, KEY_from, KEY_to, KEY_amount, KEY_currency,
	    KEY_time, KEY_reason, KEY_pending, KEY_user}},
    {"status", "ID", "show a payment", "Shows a payment, whoever's it is.\n",
	id_run, 1, 1, 0, VERB_CONTROL_STATUS, 12,
	{KEY_id, KEY_state, KEY_from, KEY_to, KEY_amount, KEY_currency,
	    KEY_time, KEY_seq, KEY_reason, KEY_attempts, KEY_pending,
	    KEY_user}},
    {"explain", "ID", "tell all that happened to a payment",
	"Tells all that happened to a payment at this gateway, oldest first,\n"
	"from its journal.\n",
	id_run, 1, 1, 0, VERB_CONTROL_EXPLAIN, 5,
	{KEY_time, KEY_where, KEY_seq, KEY_event, KEY_text}},
    {"stats", "", "show the gateway's numbers",
	"Shows the gateway's numbers.\n", list_run, 0, 0, 0, VERB_CONTROL_STATS,
	2, {KEY_name, KEY_value}},
    {"drain", "", "take no new payments; let those under way end",
	"Refuses new payments with DRAINING, which clients take as passing, "
	"and\n"
	"lets those under way end. A restart of the gateway forgets it.\n",
	order_run, 0, 0, 0, VERB_CONTROL_DRAIN, 0, {0}},
    {"resume", "", "undo drain", "Undoes drain.\n", order_run, 0, 0, 0,
	VERB_CONTROL_RESUME, 0, {0}},
    {"revoke", "USER", "end a user's sessions and tokens",
	"Ends the sessions of a user, on every connection, and makes the "
	"tokens\n"
	"that he was given so far worthless. USER is NAME, or NAME@BANK for "
	"who\n"
	"logged in at a bank. He can log in again: change users.yaml first "
	"and\n"
	"send the gateway SIGHUP, if he is not to.\n",
	user_run, 1, 1, 0, VERB_CONTROL_REVOKE, 0, {0}},
    {"waive", "BANK", "go on with a bank that was fenced or stopped",
	"Goes on with a bank that was fenced, or stopped because its answers\n"
	"contradicted the journal, and no longer waits for it after a "
	"restore.\n"
	"Look at strife-journal audit first: what was lost is not found "
	"again.\n",
	bank_run, 1, 1, 0, VERB_CONTROL_WAIVE, 0, {0}},
    {"rebind", "BANK JOURNAL", "take another journal for a bank's own",
	"Binds a bank that is not connected to another journal, by its UUID,\n"
	"as after it had to begin a new one.\n",
	bank_run, 2, 2, 0, VERB_CONTROL_REBIND, 0, {0}},
    {"snapshot", "", "write the state beside the journal, for the next start",
	"Writes the gateway's state beside its journal, so that the next "
	"start\n"
	"need not read all of it. Shows the newest record in it, once it is\n"
	"in place.\n",
	list_run, 0, 0, 0, VERB_CONTROL_SNAPSHOT, 1, {KEY_seq}},
};

static const struct console_advice advice[] = {
    {VERB_CONTROL_STATUS, CODE_NOT_FOUND,
	"check the id; another gateway may have it"},
    {VERB_CONTROL_EXPLAIN, CODE_NOT_FOUND,
	"check the id; another gateway may have it"},
    {VERB_CONTROL_WAIVE, CODE_NOT_FOUND, "strife-ctl banks lists them"},
    {VERB_CONTROL_REBIND, CODE_NOT_FOUND, "strife-ctl banks lists them"},
    {VERB_CONTROL_REBIND, CODE_BAD_REQUEST,
	"stop that bank first if it is to have another"},
    {VERB_CONTROL_REVOKE, CODE_OVERLOADED,
	"replace the gateway's key for tokens: none that it gave out is good "
	"then"},
    {VERB_UNKNOWN, CODE_READ_ONLY,
	"make room on the disk of the gateway's journal, then run it again"},
};

static const struct console_program program = {
    .name = "strife-ctl",
    .daemon = "strife-gatewayd",
    .file = "gatewayd.yaml",
    .name_key = "node",
    .name_valid = name_valid,
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

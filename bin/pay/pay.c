/*
 * strife-pay: the client for people and scripts. One command a run; each is a
 * row of `commands`. Manual: strife-pay(1).
 */
#include "pay.h"

#include <err.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/version.h"
#include "client/configure.h"
#include "help.h"

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command {
	struct options_command told;
	int (*run)(struct pay *, int argc, char **argv);
} commands[] = {
    {{"login", "[--bank BANK] [--password-fd N] [USER]",
	 "log in, and keep the token", help_login},
	login_run},
    {{"logout", "", "give the token up", help_logout}, logout_run},
    {{"accounts", "", "list your accounts", help_accounts}, accounts_run},
    {{"balance", "[ACCOUNT...]", "show balances", help_balance}, balance_run},
    {{"pay",
	 "--from ACCOUNT --to ACCOUNT [--memo TEXT]\n"
	 "           [--id UUID | --key TEXT] [--no-hold] [--no-queue]\n"
	 "           [--wait[=SECONDS]]\n"
	 "           AMOUNT CURRENCY",
	 "make one payment", help_pay},
	payment_run},
    {{"batch", "[--assign OUT] [--window N] [--stop-at-first] [FILE | -]",
	 "make the payments in a file", help_batch},
	batch_run},
    {{"status", "[--wait[=SECONDS]] ID ... | --key TEXT",
	 "what became of payments", help_status},
	status_run},
    {{"cancel", "ID | --key TEXT", "give a payment up, for good", help_cancel},
	cancel_run},
    {{"history", "[-n N] [--since DATE] [--until DATE] [ACCOUNT]",
	 "list an account's entries, newest first", help_history},
	history_run},
    {{"menu", "[--plain]", "all of this in a conversation", help_menu},
	menu_run},
};

static const struct options_command *
command_at(size_t index)
{
	return index < COMMAND_COUNT ? &commands[index].told : NULL;
}

int
pay_option(struct pay *pay, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option = options_next(&pay->options, argc, argv, shorts, longs);

	if (option == 'h' || option == 'V')
		exit(options_tell(&pay->options, option));
	return option;
}

/* ---- What commands share ---- */

static void
tell(void *ctx, bool detail, const char *text)
{
	const struct pay *pay = ctx;

	if (!detail || pay->options.verbose)
		warnx("%s", text);
}

int
pay_start(struct pay *pay, uint32_t window)
{
	return pay_start_with(pay,
	    &(struct client_options){.window = window, .interactive = true});
}

int
pay_start_with(struct pay *pay, const struct client_options *wanted)
{
	struct client_options options = *wanted;
	struct yaml_error error;

	if (configure_read(&pay->options, &pay->config) != EXIT_OK)
		return EXIT_CONFIG;
	options.config = &pay->config;
	options.agent = "strife-pay/" STRIFE_VERSION;
	options.notice = tell;
	options.ctx = pay;
	if (options.window == 0)
		options.window = 1;
	if (client_new(&pay->client, &options, &error) == -1) {
		warnx("%s", error.text);
		return EXIT_CONFIG;
	}
	return EXIT_OK;
}

int
pay_gave_up(const struct pay *pay, enum session_end end)
{
	warnx("%s", session_why(client_session(pay->client)));
	return (int)client_exit(end);
}

int
pay_refused(const char *about, const struct msg *reply)
{
	enum code code = (enum code)reply->v[KEY_code].u64;
	struct str text = STR_NONE;

	if (msg_has(reply, text))
		text = reply->v[KEY_text].str;
	warnx("%s: %s%s%.*s", about, code_text(code), text.len > 0 ? ": " : "",
	    STR_ARG(text));
	switch (code_retry(code)) {
	case RETRY_SAME_ID:
		return EXIT_TEMPFAIL;
	case RETRY_LOGIN:
		return EXIT_NOPERM;
	case RETRY_NEVER:
	case RETRY_NEW_ID:
		break;
	}
	return EXIT_DECLINED;
}

void
pay_not_made(const struct answer *answer, const char *bank, const char *text)
{
	enum exitcode code = answer_exit(answer);
	const char *what = code == EXIT_TEMPFAIL ? "not finished"
	    : code == EXIT_NOPERM                ? "not allowed"
						 : "declined";

	if (code == EXIT_OK)
		return;
	warnx("%s: %s%s%s%s%s%s%s", what, answer_state_text(answer->state),
	    answer->reason != CODE_NONE ? ", " : "",
	    answer->reason != CODE_NONE ? code_text(answer->reason) : "",
	    bank[0] != '\0' ? " at " : "", bank, text[0] != '\0' ? ": " : "",
	    text);
}

struct output *
pay_output(const struct output_options *options)
{
	struct output *output = output_open(options);

	if (output == NULL)
		err(EXIT_OSERR, "memory");
	return output;
}

void *
pay_allocate(size_t count, size_t size)
{
	void *memory = calloc(count > 0 ? count : 1, size);

	if (memory == NULL)
		err(EXIT_OSERR, "memory");
	return memory;
}

char *
pay_copy(struct str text)
{
	char *copy = pay_allocate((size_t)text.len + 1, 1);

	(void)str_copy(copy, (size_t)text.len + 1, text);
	return copy;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	struct pay pay = {.options = {.program = "strife-pay",
			      .command_at = command_at,
			      .help = help_common}};
	int index, result;

	options_begin();
	if (pay_option(&pay, argc, argv, "+" OPTIONS_SHORT, longs) !=
	    OPTIONS_END)
		return EXIT_USAGE;
	index = options_command(&pay.options, &argc, &argv);
	if (index == -1)
		return EXIT_USAGE;
	result = commands[index].run(&pay, argc, argv);
	client_free(pay.client);
	client_config_free(&pay.config);
	return output_end(result);
}

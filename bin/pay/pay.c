/*
 * strife-pay: the client for people and scripts. One command a run; each is a
 * row of `commands`. Manual: strife-pay(1).
 */
#include "pay.h"

#include <err.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/version.h"
#include "help.h"

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command commands[] = {
    {"login", "[--bank BANK] [--password-fd N] [USER]",
	"log in, and keep the token", help_login, login_run},
    {"logout", "", "give the token up", help_logout, logout_run},
    {"accounts", "", "list your accounts", help_accounts, accounts_run},
    {"balance", "[ACCOUNT...]", "show balances", help_balance, balance_run},
    {"pay",
	"--from ACCOUNT --to ACCOUNT [--memo TEXT]\n"
	"           [--id UUID | --key TEXT] [--no-hold] [--no-queue]\n"
	"           [--wait[=SECONDS]]\n"
	"           AMOUNT CURRENCY",
	"make one payment", help_pay, payment_run},
    {"batch", "[--assign OUT] [--window N] [--stop-at-first] [FILE | -]",
	"make the payments in a file", help_batch, batch_run},
    {"status", "[--wait[=SECONDS]] ID ... | --key TEXT",
	"what became of payments", help_status, status_run},
    {"cancel", "ID | --key TEXT", "give a payment up, for good", help_cancel,
	cancel_run},
    {"history", "[-n N] [--since DATE] [--until DATE] [ACCOUNT]",
	"list an account's entries, newest first", help_history, history_run},
    {"menu", "[--plain]", "all of this in a conversation", help_menu, menu_run},
};

/* ---- Help ---- */

static _Noreturn void
help_general(void)
{
	size_t i;

	printf("usage: strife-pay [-v] [-c FILE] [--json] COMMAND [...]\n\n");
	for (i = 0; i < COMMAND_COUNT; i++)
		printf("  %-10s%s\n", commands[i].name, commands[i].summary);
	printf("%s", help_common);
	exit(output_end(EXIT_OK));
}

static _Noreturn void
help_command(const struct command *command)
{
	printf("usage: strife-pay %s%s%s\n\n%s", command->name,
	    command->usage[0] != '\0' ? " " : "", command->usage,
	    command->help);
	exit(output_end(EXIT_OK));
}

static _Noreturn void
version(void)
{
	printf("strife-pay %s\n", STRIFE_VERSION);
	exit(output_end(EXIT_OK));
}

int
pay_option(struct pay *pay, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option = options_next(&pay->options, argc, argv, shorts, longs);

	if (option == 'V')
		version();
	if (option == 'h' && pay->command == NULL)
		help_general();
	if (option == 'h')
		help_command(pay->command);
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

static int
configure(struct pay *pay)
{
	struct yaml_error error;
	char *path = client_config_find(pay->options.config);

	if (path == NULL)
		err(EXIT_OSERR, "configuration");
	if (client_config_read(&pay->config, path, &error) == -1) {
		warnx("%s", error.text);
		if (pay->options.config == NULL)
			warnx("another configuration is named with -c or "
			      "$STRIFE_PAY_CONFIG");
		free(path);
		return EXIT_CONFIG;
	}
	if (pay->options.verbose)
		warnx("configuration: %s", path);
	free(path);
	return EXIT_OK;
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

	if (configure(pay) != EXIT_OK)
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

/* ---- Which command ---- */

static const struct command *
find_command(const char *name)
{
	const char *names[COMMAND_COUNT];
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
		names[i] = commands[i].name;
	}
	options_suggest("unknown command", name, names, COMMAND_COUNT);
	fprintf(stderr, "try: strife-pay -h\n");
	return NULL;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	struct pay pay = {.options = {.program = "strife-pay"}};
	int result;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	if (privileges_no_core() != 0)
		err(EXIT_OSERR, "cannot turn core dumps off");
	log_set_level(LOG_LEVEL_ERROR);
	if (pay_option(&pay, argc, argv, "+" OPTIONS_SHORT, longs) !=
	    OPTIONS_END)
		return EXIT_USAGE;
	if (optind == argc)
		return options_usage(&pay.options, "which command?");
	pay.command = find_command(argv[optind]);
	if (pay.command == NULL)
		return EXIT_USAGE;
	pay.options.command = pay.command->name;
	argc -= optind;
	argv += optind;
	optind = 0; /* begin afresh, with the command as argv[0] */
	result = pay.command->run(&pay, argc, argv);
	client_free(pay.client);
	client_config_free(&pay.config);
	return output_end(result);
}

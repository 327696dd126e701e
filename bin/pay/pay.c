/*
 * strife-pay: the client for people and scripts. One command a run; each is a
 * row of `commands`. Manual: strife-pay(1).
 */
#include "pay.h"

#include <err.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/log.h"
#include "base/version.h"
#include "help.h"

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command commands[] = {
    {"accounts", "", "list your accounts", help_accounts, accounts_run},
    {"balance", "[ACCOUNT...]", "show balances", help_balance, balance_run},
    {"pay",
	"--from ACCOUNT --to ACCOUNT [--memo TEXT]\n"
	"           [--id UUID | --key TEXT] [--no-hold] [--no-queue]\n"
	"           AMOUNT CURRENCY",
	"make one payment", help_pay, payment_run},
    {"batch", "[--assign OUT] [--window N] [--stop-at-first] [FILE | -]",
	"make the payments in a file", help_batch, batch_run},
    {"status", "ID | --key TEXT", "what became of a payment", help_status,
	status_run},
    {"cancel", "ID | --key TEXT", "give a payment up, for good", help_cancel,
	cancel_run},
    {"history", "[-n N] [--since DATE] [ACCOUNT]",
	"list an account's entries, newest first", help_history, history_run},
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
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_CANTCREATE);
}

static _Noreturn void
help_command(const struct command *command)
{
	printf("usage: strife-pay %s%s%s\n\n%s", command->name,
	    command->usage[0] != '\0' ? " " : "", command->usage,
	    command->help);
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_CANTCREATE);
}

static _Noreturn void
version(void)
{
	printf("strife-pay %s\n", STRIFE_VERSION);
	exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_CANTCREATE);
}

int
pay_usage(const struct pay *pay, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
	if (pay->command != NULL)
		fprintf(stderr, "try: strife-pay %s -h\n", pay->command->name);
	else
		fprintf(stderr, "try: strife-pay -h\n");
	return EXIT_USAGE;
}

void
pay_suggest(const char *message, const char *word, const char *const *names,
    size_t count)
{
	const char *near = yaml_nearest(str_from(word), names, count);

	if (near != NULL)
		warnx("%s: %s (the nearest is %s)", message, word, near);
	else
		warnx("%s: %s", message, word);
}

/* ---- Options ---- */

#define LONGS_MAX 32

/* A long option that is not one: the word up to "=", and the nearest. */
static void
unknown_long(const char *word, const struct option *longs)
{
	const char *names[LONGS_MAX];
	char dashed[LONGS_MAX][32], given[64];
	size_t count;
	int len;

	for (count = 0; longs[count].name != NULL; count++) {
		CHECK(count < LONGS_MAX);
		len = snprintf(dashed[count], sizeof(dashed[count]), "--%s",
		    longs[count].name);
		CHECK(len > 0 && (size_t)len < sizeof(dashed[count]));
		names[count] = dashed[count];
	}
	len = snprintf(
	    given, sizeof(given), "%.*s", (int)strcspn(word, "="), word);
	CHECK(len >= 0);
	pay_suggest("unknown option", given, names, count);
}

int
pay_option(struct pay *pay, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			pay->config_option = optarg;
			break;
		case PAY_OPTION_JSON:
			pay->json = true;
			break;
		case 'v':
			pay->verbose = true;
			break;
		case 'V':
			version();
		case 'h':
			if (pay->command == NULL)
				help_general();
			help_command(pay->command);
		case ':':
			(void)pay_usage(
			    pay, "%s needs a value", argv[optind - 1]);
			return PAY_OPTION_BAD;
		case '?':
			if (optopt > 0 && optopt < 256)
				warnx("unknown option: -%c", optopt);
			else if (optopt >= 256)
				warnx("%s takes no value", argv[optind - 1]);
			else
				unknown_long(argv[optind - 1], longs);
			(void)fprintf(stderr, "try: strife-pay %s%s-h\n",
			    pay->command != NULL ? pay->command->name : "",
			    pay->command != NULL ? " " : "");
			return PAY_OPTION_BAD;
		default:
			return option;
		}
	}
	return PAY_OPTION_END;
}

/* ---- What commands share ---- */

static void
tell(void *ctx, bool detail, const char *text)
{
	const struct pay *pay = ctx;

	if (!detail || pay->verbose)
		warnx("%s", text);
}

static int
configure(struct pay *pay)
{
	struct yaml_error error;
	char *path = client_config_find(pay->config_option);

	if (path == NULL)
		err(EXIT_OSERR, "configuration");
	if (client_config_read(&pay->config, path, &error) == -1) {
		warnx("%s", error.text);
		if (pay->config_option == NULL)
			warnx("another configuration is named with -c or "
			      "$STRIFE_PAY_CONFIG");
		free(path);
		return EXIT_CONFIG;
	}
	if (pay->verbose)
		warnx("configuration: %s", path);
	free(path);
	return EXIT_OK;
}

int
pay_start(struct pay *pay, uint32_t window)
{
	struct client_options options = {
	    .config = &pay->config,
	    .agent = "strife-pay/" STRIFE_VERSION,
	    .window = window,
	    .interactive = true,
	    .notice = tell,
	    .ctx = pay,
	};
	struct yaml_error error;

	if (configure(pay) != EXIT_OK)
		return EXIT_CONFIG;
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
	pay_suggest("unknown command", name, names, COMMAND_COUNT);
	fprintf(stderr, "try: strife-pay -h\n");
	return NULL;
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {PAY_LONG_OPTIONS};
	struct pay pay = {0};
	int result;

	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	log_set_level(LOG_LEVEL_ERROR);
	if (pay_option(&pay, argc, argv, "+" PAY_SHORT_OPTIONS, longs) !=
	    PAY_OPTION_END)
		return EXIT_USAGE;
	if (optind == argc)
		return pay_usage(&pay, "which command?");
	pay.command = find_command(argv[optind]);
	if (pay.command == NULL)
		return EXIT_USAGE;
	argc -= optind;
	argv += optind;
	optind = 0; /* begin afresh, with the command as argv[0] */
	result = pay.command->run(&pay, argc, argv);
	client_free(pay.client);
	client_config_free(&pay.config);
	return result;
}

#include "client/options.h"

#include <bsd/string.h>
#include <err.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/exitcode.h"
#include "base/log.h"
#include "base/nearest.h"
#include "base/privileges.h"
#include "base/version.h"
#include "client/output.h"

#define LONGS_MAX 32
#define COMMANDS_MAX 32

void
options_begin(void)
{
	output_begin();
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)umask(077);
	(void)signal(SIGPIPE, SIG_IGN);
	if (privileges_no_core() != 0)
		err(EXIT_OSERR, "cannot turn core dumps off");
	log_set_level(LOG_LEVEL_ERROR);
}

/* ---- What -h and -V tell ---- */

static void
help_general(const struct options *o)
{
	const struct options_command *command;
	size_t i;

	if (o->command_at != NULL) {
		printf("usage: %s [-v] [-c FILE] [--json] COMMAND [...]\n\n",
		    o->program);
		for (i = 0; (command = o->command_at(i)) != NULL; i++)
			printf("  %-10s%s\n", command->name, command->summary);
	}
	printf("%s", o->help);
}

static void
help_command(const struct options *o)
{
	printf("usage: %s %s%s%s\n\n%s", o->program, o->command->name,
	    o->command->usage[0] != '\0' ? " " : "", o->command->usage,
	    o->command->help);
}

int
options_tell(const struct options *o, int option)
{
	if (option == 'V')
		printf("%s %s\n", o->program, STRIFE_VERSION);
	else if (o->command == NULL)
		help_general(o);
	else
		help_command(o);
	return output_end(EXIT_OK);
}

/* ---- What is wrong ---- */

static int
try_help(const struct options *o)
{
	fprintf(stderr, "try: %s%s%s -h\n", o->program,
	    o->command != NULL ? " " : "",
	    o->command != NULL ? o->command->name : "");
	return EXIT_USAGE;
}

int
options_usage(const struct options *o, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
	return try_help(o);
}

void
options_suggest(const char *message, const char *word, const char *const *names,
    size_t count)
{
	const char *near = nearest_word(str_from(word), names, count);

	if (near != NULL)
		warnx("%s: %s (the nearest is %s)", message, word, near);
	else
		warnx("%s: %s", message, word);
}

/* The beginning of several options: these. False where it is not. */
static bool
tell_ambiguous(const char *given, const char *const *names, size_t count)
{
	char list[256] = "";
	size_t i, found = 0, len = strlen(given);

	for (i = 0; i < count; i++) {
		if (strncmp(names[i], given, len) != 0)
			continue;
		if (found++ > 0)
			(void)strlcat(list, ", ", sizeof(list));
		(void)strlcat(list, names[i], sizeof(list));
	}
	if (found > 1)
		warnx("ambiguous option: %s (%s)", given, list);
	return found > 1;
}

void
options_unknown(const char *word, const struct option *longs)
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
	/* The word up to "=". */
	len = snprintf(
	    given, sizeof(given), "%.*s", (int)strcspn(word, "="), word);
	CHECK(len >= 0);
	if (!tell_ambiguous(given, names, count))
		options_suggest("unknown option", given, names, count);
}

/* Somebody may have typed an amount below zero. */
static bool
takes_amount(const struct options *o)
{
	return o->command != NULL &&
	    strstr(o->command->usage, "AMOUNT") != NULL;
}

static int
unknown(const struct options *o, const char *word, const struct option *longs)
{
	if (optopt >= '0' && optopt <= '9' && takes_amount(o))
		warnx("-%c: an amount is positive", optopt);
	else if (optopt > 0 && optopt < 256)
		warnx("unknown option: -%c", optopt);
	else if (optopt >= 256)
		warnx("%s takes no value", word);
	else
		options_unknown(word, longs);
	(void)try_help(o);
	return OPTIONS_BAD;
}

/* ---- What was given ---- */

int
options_command(struct options *o, int *argc, char ***argv)
{
	const char *names[COMMANDS_MAX];
	const struct options_command *command;
	const char *word;
	size_t i;

	if (optind == *argc) {
		(void)options_usage(o, "which command?");
		return -1;
	}
	word = (*argv)[optind];
	for (i = 0; (command = o->command_at(i)) != NULL; i++) {
		CHECK(i < COMMANDS_MAX);
		names[i] = command->name;
		if (strcmp(command->name, word) != 0)
			continue;
		o->command = command;
		*argc -= optind;
		*argv += optind;
		optind = 0; /* begin afresh, with the command as argv[0] */
		return (int)i;
	}
	options_suggest("unknown command", word, names, i);
	(void)try_help(o);
	return -1;
}

int
options_next(struct options *o, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			o->config = optarg;
			break;
		case OPTIONS_JSON:
			o->json = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case ':':
			(void)options_usage(
			    o, "%s needs a value", argv[optind - 1]);
			return OPTIONS_BAD;
		case '?':
			return unknown(o, argv[optind - 1], longs);
		default:
			return option;
		}
	}
	return OPTIONS_END;
}

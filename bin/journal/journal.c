#include "journal.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/exitcode.h"
#include "base/version.h"

#define PROGRAM "strife-journal"

static const struct command commands[] = {
    {"cat", "DIR...", "print the records", command_cat},
    {"grep", "[-E] PATTERN DIR...",
	"print the records that hold PATTERN, or the field KEY=VALUE",
	command_grep},
    {"verify", "DIR...", "check every record, and say what there is",
	command_verify},
    {"audit", "[-sv] [--json] DIR...",
	"prove that the books of gateways and banks are right", command_audit},
    {"explain", "[--json] {ID | --key TEXT --user USER} DIR...",
	"tell a payment's whole story", command_explain},
};

static const size_t command_count = sizeof(commands) / sizeof(commands[0]);

static const struct command *
command_find(const char *name)
{
	size_t i;

	for (i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static void
usage(FILE *to)
{
	size_t i;

	for (i = 0; i < command_count; i++)
		(void)fprintf(to, "%s " PROGRAM " %s %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].name,
		    commands[i].operands);
	(void)fprintf(to, "       " PROGRAM " -h | -V\n");
}

static void
help(void)
{
	size_t i;

	usage(stdout);
	(void)printf("\n");
	for (i = 0; i < command_count; i++)
		(void)printf(
		    "  %-8s %s\n", commands[i].name, commands[i].summary);
	(void)printf("\n"
		     "  -h, --help      this text\n"
		     "  -V, --version   the version\n"
		     "\nSee strife-journal(8), and strife-journal(5) for "
		     "what a record looks like.\n");
}

int
usage_of(const char *command)
{
	const struct command *c = command_find(command);

	if (c == NULL)
		usage(stderr);
	else
		(void)fprintf(
		    stderr, "usage: " PROGRAM " %s %s\n", c->name, c->operands);
	return EXIT_USAGE;
}

void
complain(const char *format, ...)
{
	va_list ap;

	/* What stdout holds was found before. */
	(void)fflush(stdout);
	(void)fprintf(stderr, PROGRAM ": ");
	va_start(ap, format);
	(void)vfprintf(stderr, format, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n");
}

int
worse(int a, int b)
{
	return a > b ? a : b;
}

int
walk(const char *dir,
    void (*each)(void *ctx, const struct record *, struct str text), void *ctx,
    enum reader_status *status)
{
	enum reader_status last;
	struct record record;
	struct reader *r;
	char error[1024];
	struct str text;

	if (reader_open(&r, dir, SIDE_COUNT, error, sizeof(error)) != 0) {
		if (status != NULL)
			*status = READER_ERROR;
		complain("%s", error);
		return EXIT_DATA;
	}
	while ((last = reader_next(r, &record, &text)) == READER_RECORD)
		each(ctx, &record, text);
	if (last == READER_CORRUPT || last == READER_ERROR)
		complain("%s", reader_problem(r));
	reader_close(r);
	if (status != NULL)
		*status = last;
	return last == READER_END || last == READER_TORN ? EXIT_OK : EXIT_DATA;
}

static int
run_command(int argc, char **argv)
{
	const struct command *c = command_find(argv[0]);
	int code;

	if (c == NULL) {
		complain("there is no command %s", argv[0]);
		usage(stderr);
		return EXIT_USAGE;
	}
	optind = 0; /* glibc: start anew */
	code = c->run(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		complain("standard output cannot be written");
		return worse(code, EXIT_CANTCREATE);
	}
	return code;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "+hV", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			help();
			return EXIT_OK;
		case 'V':
			(void)printf(PROGRAM " " STRIFE_VERSION "\n");
			return EXIT_OK;
		default:
			usage(stderr);
			return EXIT_USAGE;
		}
	}
	if (optind >= argc) {
		usage(stderr);
		return EXIT_USAGE;
	}
	return run_command(argc - optind, argv + optind);
}

#include "journal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/exitcode.h"
#include "client/output.h"

#define PROGRAM "strife-journal"
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const char help_cat[] =
    "Prints the records of each journal as they are, one a line.\n"
    "\n"
    "  -h, --help   this help\n";
static const char help_grep[] =
    "Prints the records that hold PATTERN, or exactly the field KEY=VALUE.\n"
    "Behind -- a PATTERN may begin with a dash. Exit 1: there is none.\n"
    "\n"
    "  -E           PATTERN is an extended regular expression\n"
    "  -h, --help   this help\n";
static const char help_verify[] =
    "Checks each journal to its end. One row each: the directory, component,\n"
    "name, journal, how many records, the first and the last, its check, "
    "and\n"
    "ok, unfinished (written to, or its writer was killed), damaged, or why\n"
    "nothing was read: missing, no-directory, empty, unreadable.\n"
    "\n"
    "      --json   an object a line\n"
    "  -h, --help   this help\n";
static const char help_audit[] =
    "Proves that the books of gateways and banks are right, or says what is\n"
    "wrong, and exits with 1.\n"
    "\n"
    "      --json      an object a line\n"
    "  -s, --stopped   the daemons were stopped, and these are their whole\n"
    "                  journals\n"
    "  -v, --verbose   tell all faults, not only the first\n"
    "  -h, --help      this help\n";
static const char help_explain[] =
    "Tells all that the journals say of a payment, in the order of time, and\n"
    "in the last row where it stands.\n"
    "\n"
    "      --json        an object a line\n"
    "      --key TEXT    the payment of that key instead of ID\n"
    "      --user USER   whose key it is\n"
    "  -h, --help        this help\n";

static const struct command {
	struct options_command told;
	bool json; /* it prints rows */
	int (*run)(struct options *, int argc, char **argv);
} commands[] = {
    {{"cat", "DIR...", "print the records", help_cat}, false, command_cat},
    {{"grep", "[-E] PATTERN DIR...",
	 "print the records that hold PATTERN, or the field KEY=VALUE",
	 help_grep},
	false, command_grep},
    {{"verify", "[--json] DIR...", "check every record, and say what there is",
	 help_verify},
	true, command_verify},
    {{"audit", "[-s] [-v] [--json] DIR...",
	 "prove that the books of gateways and banks are right", help_audit},
	true, command_audit},
    {{"explain", "[--json] {ID | --key TEXT --user USER} DIR...",
	 "tell a payment's whole story", help_explain},
	true, command_explain},
};

static const struct options_command *
command_at(size_t index)
{
	return index < COMMAND_COUNT ? &commands[index].told : NULL;
}

/* Not as options_tell does: with the usage of each command. */
static int
help(void)
{
	size_t i;

	for (i = 0; i < COMMAND_COUNT; i++)
		(void)printf("%s " PROGRAM " %s %s\n",
		    i == 0 ? "usage:" : "      ", commands[i].told.name,
		    commands[i].told.usage);
	(void)printf("       " PROGRAM " -h | -V\n\n");
	for (i = 0; i < COMMAND_COUNT; i++)
		(void)printf("  %-8s %s\n", commands[i].told.name,
		    commands[i].told.summary);
	(void)printf("\n"
		     "      --json      an object a line, of those that print "
		     "rows\n"
		     "  -h, --help      this text, or of a command its own\n"
		     "  -V, --version   the version\n"
		     "\nSee strife-journal(8), and strife-journal(5) for "
		     "what a record looks like.\n");
	return output_end(EXIT_OK);
}

int
journal_option(struct options *o, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option = options_next(o, argc, argv, shorts, longs);

	if (option == 'h' && o->command == NULL)
		exit(help());
	if (option == 'h' || option == 'V')
		exit(options_tell(o, option));
	return option;
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
run_command(struct options *o, int index, int argc, char **argv)
{
	int code;

	if (o->json && !commands[index].json)
		return options_usage(o,
		    "%s has no --json: it prints records as they are",
		    o->command->name);
	code = commands[index].run(o, argc, argv);
	if (code == EXIT_CANTCREATE)
		return output_end(code); /* it has been told */
	return worse(code, output_end(EXIT_OK));
}

int
main(int argc, char **argv)
{
	static const struct option longs[] = {JOURNAL_LONG_JSON, JOURNAL_LONG};
	struct options o = {.program = PROGRAM, .command_at = command_at};
	int index;

	output_begin();
	if (journal_option(&o, argc, argv, "+" JOURNAL_SHORT, longs) !=
	    OPTIONS_END)
		return EXIT_USAGE;
	index = options_command(&o, &argc, &argv);
	if (index == -1)
		return EXIT_USAGE;
	return run_command(&o, index, argc, argv);
}

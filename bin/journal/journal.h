/*
 * strife-journal: reads journals offline or while they are written; takes no
 * lock and writes nothing. Each command is a row of the table in journal.c.
 */
#ifndef STRIFE_JOURNAL_MAIN_H
#define STRIFE_JOURNAL_MAIN_H

#include <stdbool.h>

#include "journal/reader.h"

struct command {
	const char *name;
	const char *operands; /* behind the name, for the usage */
	const char *summary;
	/* argv[0] is the name; getopt(3) starts anew. Returns an exit code. */
	int (*run)(int argc, char **argv);
};

int command_cat(int argc, char **argv);
int command_grep(int argc, char **argv);
int command_verify(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_explain(int argc, char **argv);

/* Says on stderr how the command in argv[0] is used; returns EXIT_USAGE. */
int usage_of(const char *command);
void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * Gives every record of the journal in dir to each, as it is and as text.
 * EXIT_OK, also where the tail is unfinished (*status READER_TORN), or
 * EXIT_DATA after complaining. status may be NULL.
 */
int walk(const char *dir,
    void (*each)(void *ctx, const struct record *, struct str text), void *ctx,
    enum reader_status *status);
/* The larger of two exit codes: every directory is read before we exit. */
int worse(int a, int b);

#endif

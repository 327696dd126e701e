/*
 * strife-journal: reads journals offline or while they are written; takes no
 * lock and writes nothing. Each command is a row of the table in journal.c.
 */
#ifndef STRIFE_JOURNAL_MAIN_H
#define STRIFE_JOURNAL_MAIN_H

#include <stdbool.h>

#include "client/options.h"
#include "journal/reader.h"

/*
 * argv[0] is the command's name; getopt(3) starts anew, and `json` may have
 * been asked for before the command. Each returns an exit code.
 */
int command_cat(struct options *, int argc, char **argv);
int command_grep(struct options *, int argc, char **argv);
int command_verify(struct options *, int argc, char **argv);
int command_audit(struct options *, int argc, char **argv);
int command_explain(struct options *, int argc, char **argv);

/* What every command's options end with: there is no configuration. */
#define JOURNAL_LONG \
	{"help", no_argument, NULL, 'h'}, {"version", no_argument, NULL, 'V'}, \
	{ \
		NULL, 0, NULL, 0 \
	}
#define JOURNAL_LONG_JSON \
	{ \
		"json", no_argument, NULL, OPTIONS_JSON \
	}
#define JOURNAL_SHORT ":hV"

/* As options_next; -h and -V end the program. */
int journal_option(struct options *, int argc, char **argv, const char *shorts,
    const struct option *longs);
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

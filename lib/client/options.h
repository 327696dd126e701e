/*
 * The command line of a client program: which command it is, the options that
 * every command has, what -h and -V tell, and what is said of a command line
 * that is wrong: always with the nearest right word.
 */
#ifndef STRIFE_CLIENT_OPTIONS_H
#define STRIFE_CLIENT_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

/* What a program tells of one of its commands. */
struct options_command {
	const char *name;
	const char *usage;   /* operands and options */
	const char *summary; /* one line, for PROGRAM -h */
	const char *help;    /* the rest of PROGRAM NAME -h */
};

struct options {
	const char *program; /* "strife-queue" */
	/* Of each command, NULL behind the last; itself NULL: it has none. */
	const struct options_command *(*command_at)(size_t index);
	const char *help; /* what -h tells, or only what follows the commands */
	const struct options_command *command; /* NULL: not known yet */
	const char *config;                    /* -c */
	bool json, verbose;
};

/* Every command's long options end with these. */
#define OPTIONS_LONG \
	{"config", required_argument, NULL, 'c'}, \
	    {"help", no_argument, NULL, 'h'}, \
	    {"json", no_argument, NULL, OPTIONS_JSON}, \
	    {"verbose", no_argument, NULL, 'v'}, \
	    {"version", no_argument, NULL, 'V'}, \
	{ \
		NULL, 0, NULL, 0 \
	}
#define OPTIONS_SHORT ":c:hvV"

enum { OPTIONS_JSON = 256, OPTIONS_FIRST };
#define OPTIONS_END (-1)
#define OPTIONS_BAD '?'

/* What a client program does before anything else. */
void options_begin(void);
/*
 * The next option: OPTIONS_END after the last, OPTIONS_BAD for a wrong one,
 * which has been told, 'h' or 'V', which are the caller's, or one of its own.
 */
int options_next(struct options *, int argc, char **argv, const char *shorts,
    const struct option *longs);
/* Prints what its 'h' or 'V' asks for; returns the exit code. */
int options_tell(const struct options *, int option);
/*
 * The command that the word behind the program's own options names: its index,
 * having made it the first word of the command line, where getopt starts anew;
 * or -1, which has been told.
 */
int options_command(struct options *, int *argc, char ***argv);
/* Says what is wrong with the command line; returns EXIT_USAGE. */
int options_usage(const struct options *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says `message`, and the nearest of the names where one is near. */
void options_suggest(const char *message, const char *word,
    const char *const *names, size_t count);
/* Says that a long option is none of these, or which of them it may be. */
void options_unknown(const char *word, const struct option *longs);

#endif

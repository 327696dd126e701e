/*
 * The options that every command of a client program has, and what is said of a
 * command line that is wrong: always with the nearest right word.
 */
#ifndef STRIFE_CLIENT_OPTIONS_H
#define STRIFE_CLIENT_OPTIONS_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

struct options {
	const char *program; /* "strife-queue" */
	const char *command; /* NULL: not known yet */
	const char *config;  /* -c */
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

/*
 * The next option: OPTIONS_END after the last, OPTIONS_BAD for a wrong one,
 * which has been told, 'h' or 'V', which are the caller's, or one of its own.
 */
int options_next(struct options *, int argc, char **argv, const char *shorts,
    const struct option *longs);
/* Says what is wrong with the command line; returns EXIT_USAGE. */
int options_usage(const struct options *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says `message`, and the nearest of the names where one is near. */
void options_suggest(const char *message, const char *word,
    const char *const *names, size_t count);

#endif

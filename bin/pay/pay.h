/* What the commands of strife-pay share. */
#ifndef STRIFE_PAY_PAY_H
#define STRIFE_PAY_PAY_H

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "client/client.h"
#include "client/config.h"
#include "client/output.h"

struct command;

struct pay {
	const struct command *command; /* the one that runs */
	const char *config_option;     /* -c */
	bool json, verbose;
	struct client_config config;
	struct client *client;
};

struct command {
	const char *name;
	const char *usage;   /* operands and options */
	const char *summary; /* one line, for strife-pay -h */
	const char *help;    /* the rest of strife-pay NAME -h */
	int (*run)(struct pay *, int argc, char **argv);
};

int accounts_run(struct pay *, int argc, char **argv);
int balance_run(struct pay *, int argc, char **argv);
int batch_run(struct pay *, int argc, char **argv);
int cancel_run(struct pay *, int argc, char **argv);
int history_run(struct pay *, int argc, char **argv);
int payment_run(struct pay *, int argc, char **argv);
int status_run(struct pay *, int argc, char **argv);

/* ---- Options ---- */

/* Every command's long options end with these. */
#define PAY_LONG_OPTIONS \
	{"config", required_argument, NULL, 'c'}, \
	    {"help", no_argument, NULL, 'h'}, \
	    {"json", no_argument, NULL, PAY_OPTION_JSON}, \
	    {"verbose", no_argument, NULL, 'v'}, \
	    {"version", no_argument, NULL, 'V'}, \
	{ \
		NULL, 0, NULL, 0 \
	}
#define PAY_SHORT_OPTIONS ":c:hvV"

enum { PAY_OPTION_JSON = 256, PAY_OPTION_FIRST };
#define PAY_OPTION_END (-1)
#define PAY_OPTION_BAD '?'

/*
 * The next option of a command: PAY_OPTION_END after the last; PAY_OPTION_BAD
 * for a wrong one, which has been told, with the nearest right one. Handles the
 * common ones itself; -h and -V end the program.
 */
int pay_option(struct pay *, int argc, char **argv, const char *shorts,
    const struct option *longs);
/* Says what is wrong with the command line; returns EXIT_USAGE. */
int pay_usage(const struct pay *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says `message`, and the nearest of the names where one is near. */
void pay_suggest(const char *message, const char *word,
    const char *const *names, size_t count);

/* ---- Talking to a gateway ---- */

/*
 * Reads the configuration and makes the client; connects nowhere. EXIT_OK, or
 * EXIT_CONFIG having said why.
 */
int pay_start(struct pay *, uint32_t window);
/* Says why the client can go no further; returns the exit code. */
int pay_gave_up(const struct pay *, enum session_end);
/* Says what the gateway answered; returns the exit code of a question. */
int pay_refused(const char *about, const struct msg *reply);

/* output_open; ends the program where memory is short, as do these. */
struct output *pay_output(const struct output_options *);
/* Copies a borrowed text. */
char *pay_copy(struct str);
void *pay_allocate(size_t count, size_t size);

#endif

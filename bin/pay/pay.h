/* What the commands of strife-pay share. */
#ifndef STRIFE_PAY_PAY_H
#define STRIFE_PAY_PAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "client/answer.h"
#include "client/client.h"
#include "client/config.h"
#include "client/options.h"
#include "client/output.h"

struct pay {
	struct options options;
	struct client_config config;
	struct client *client;
};

int accounts_run(struct pay *, int argc, char **argv);
int balance_run(struct pay *, int argc, char **argv);
int batch_run(struct pay *, int argc, char **argv);
int cancel_run(struct pay *, int argc, char **argv);
int history_run(struct pay *, int argc, char **argv);
int login_run(struct pay *, int argc, char **argv);
int logout_run(struct pay *, int argc, char **argv);
int menu_run(struct pay *, int argc, char **argv);
int payment_run(struct pay *, int argc, char **argv);
int status_run(struct pay *, int argc, char **argv);

/*
 * As options_next, for the command's own long options before OPTIONS_LONG; -h
 * and -V end the program.
 */
int pay_option(struct pay *, int argc, char **argv, const char *shorts,
    const struct option *longs);

/* ---- Talking to a gateway ---- */

/*
 * Reads the configuration and makes the client; connects nowhere. EXIT_OK, or
 * EXIT_CONFIG having said why.
 */
int pay_start(struct pay *, uint32_t window);
/* As pay_start, with these options; config, agent and notice are filled in. */
int pay_start_with(struct pay *, const struct client_options *);
/* Says why the client can go no further; returns the exit code. */
int pay_gave_up(const struct pay *, enum session_end);
/* Says what the gateway answered; returns the exit code of a question. */
int pay_refused(const char *about, const struct msg *reply);
/* Says why a payment is not made, or not yet; nothing where it is committed. */
void pay_not_made(const struct answer *, const char *bank, const char *text);

/*
 * Keeps the token that the client's session was given: EXIT_OK, or the exit
 * code having said why not.
 */
int login_keep(struct pay *);

/* output_open; ends the program where memory is short, as do these. */
struct output *pay_output(const struct output_options *);
/* Copies a borrowed text. */
char *pay_copy(struct str);
void *pay_allocate(size_t count, size_t size);

#endif

/*
 * What the operators' programs share (strife-teller, strife-ctl): a table of
 * commands with their options, the daemon's configuration, its control socket,
 * lists that are printed by the schema of the reply, and what a refusal means.
 * Messages go to standard error; functions return exit codes (base/exitcode.h)
 * and never exit.
 */
#ifndef STRIFE_CLIENT_CONSOLE_H
#define STRIFE_CLIENT_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "client/control.h"
#include "client/output.h"

#define CONSOLE_OPTIONS_MAX 16
#define CONSOLE_COLUMNS_MAX 12

struct console;

/* --NAME VALUE, and -LETTER VALUE where letter is not 0. */
struct console_option {
	const char *name;
	char letter;
};

struct console_command {
	const char *name;
	const char *usage;   /* operands and options */
	const char *summary; /* one line, for -h */
	const char *help;    /* the rest of NAME -h */
	int (*run)(struct console *);
	uint32_t operands_min, operands_max;
	uint32_t options; /* 1 << index in the program's options */
	enum verb verb;   /* of the request that run sends */
	/* What is shown of each ROW, or of the OK of a verb without rows. */
	uint32_t column_count;
	enum key columns[CONSOLE_COLUMNS_MAX];
};

/* What an operator can do about this answer; of two rows the first counts. */
struct console_advice {
	enum verb verb; /* VERB_UNKNOWN: of any */
	enum code code;
	const char *text;
};

struct console_program {
	const char *name;     /* "strife-teller" */
	const char *daemon;   /* "strife-bankd" */
	const char *file;     /* "bankd.yaml", its configuration */
	const char *name_key; /* "bank": the key of its name */
	bool (*name_valid)(struct str);
	const struct console_option *options;
	uint32_t option_count;
	const struct console_command *commands;
	uint32_t command_count;
	const struct console_advice *advice;
	uint32_t advice_count;
};

struct console {
	const struct console_program *program;
	const struct console_command *command;
	char **operands;
	uint32_t operand_count;
	/* Of the program's options, by their index; NULL: not given. */
	const char *values[CONSOLE_OPTIONS_MAX];
	bool json;
	const char *config_option; /* -c */
	int64_t silence_ns;        /* --timeout */
	/* After console_configure: */
	char *config_path, *name, *socket_path;
	/* After console_connect: */
	struct control *control;
};

/* All of main(). */
int console_main(const struct console_program *, int argc, char **argv);

/* Says what is wrong with the command line; returns EXIT_USAGE. */
int console_usage(const struct console *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* As console_usage, for a word that is none of the names. */
int console_unknown(const struct console *, const char *message,
    const char *word, const char *const *names, uint32_t count);

/* ---- Values: EXIT_OK, or EXIT_USAGE having said why ---- */

int console_id(const struct console *, const char *text, struct id *);
/* An account of the bank; system: ":equity.CUR" and so on, too. */
int console_account(const struct console *, const char *text, bool system);
/* 1 to max octets of text, for the option of that name. */
int console_text(
    const struct console *, const char *name, const char *text, uint32_t max);
/* What -n gives, or `otherwise`. */
int console_count(const struct console *, const char *text, uint32_t otherwise,
    uint32_t *count);

/* ---- The daemon ---- */

/* Reads its configuration: EXIT_OK, or EXIT_CONFIG having said why. */
int console_configure(struct console *);
/* Connects, once: EXIT_OK, or it has said why not. Nothing was sent then. */
int console_connect(struct console *);
/*
 * Sends work to the daemon, connecting first where that was not done: EXIT_OK
 * when all was answered; else it has said why.
 */
int console_run(struct console *, enum verb, const struct control_work *work);
/* Says that what was sent may or may not be done. */
void console_doubt(void);
/* "deposit alice", for console_refused; cut where it does not fit. */
#define CONSOLE_ABOUT_SIZE 128
void console_about(
    const struct console *, struct str operand, char into[CONSOLE_ABOUT_SIZE]);
/* Says what an ERR to a request about `about` means; returns the exit code. */
int console_refused(
    const struct console *, const char *about, const struct msg *error);
/* The exit code of a refusal; what it says is not said. */
int console_refused_exit(enum code);

/* Fills the fields of a request; NULL where it has none. */
typedef void console_request(void *ctx, struct msg *);

/*
 * Sends one request of the command's verb and shows its columns. Where the verb
 * has pages, asks for as many as `limit` rows need.
 */
#define CONSOLE_ALL UINT32_MAX
int console_show(
    struct console *, console_request *request, void *ctx, uint32_t limit);

/*
 * Sends one request and shows nothing: EXIT_OK and *answer (where not NULL),
 * whose texts are no longer there; else it has said why.
 */
int console_ask(struct console *, enum verb, console_request *request,
    void *ctx, struct msg *answer);

#endif

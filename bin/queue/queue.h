/* What the commands of strife-queue share. */
#ifndef STRIFE_QUEUE_QUEUE_H
#define STRIFE_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/exitcode.h"
#include "client/client.h"
#include "client/config.h"
#include "client/naming.h"
#include "client/options.h"
#include "client/output.h"
#include "client/spool.h"

struct queue {
	struct options options;
	struct client_config config;
	struct spool *spool;
};

int add_run(struct queue *, int argc, char **argv);
int drop_run(struct queue *, int argc, char **argv);
int flush_run(struct queue *, int argc, char **argv);
int hold_run(struct queue *, int argc, char **argv);
int list_run(struct queue *, int argc, char **argv);
int release_run(struct queue *, int argc, char **argv);
int results_run(struct queue *, int argc, char **argv);
int watch_run(struct queue *, int argc, char **argv);

/* As options_next; -h and -V end the program. */
int queue_option(struct queue *, int argc, char **argv, const char *shorts,
    const struct option *longs);
/* Where a command takes no options of its own, and no operands. */
int queue_no_operands(struct queue *, int argc, char **argv);

/*
 * Reads the configuration and opens the spool: EXIT_OK, or an exit code having
 * said why. queue_close undoes it.
 */
int queue_open(struct queue *);
void queue_close(struct queue *);
/* Says that the spool cannot be used, by errno; returns EXIT_CANTCREATE. */
int queue_broken(const struct queue *);
/*
 * A client that connects nowhere yet: EXIT_OK, or EXIT_CONFIG having said why.
 * Of the options: config and agent are filled in.
 */
int
queue_client(struct queue *, struct client **, const struct client_options *);

/* ID, or --key TEXT of the configured user: EXIT_OK, or EXIT_USAGE. */
int queue_naming(struct queue *, struct naming *, int argc, char **argv);
/* Says that there is no such entry; returns EXIT_DECLINED. */
int queue_absent(const struct id *);
/* Where the entry is: EXIT_OK, or an exit code having said why not. */
int queue_find(struct queue *, const struct id *, enum spool_place *);

/* output_open; ends the program where memory is short. */
struct output *queue_output(const struct output_options *);

#endif

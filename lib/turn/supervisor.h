/*
 * What a daemon tells the manager that runs it (systemd's Type=notify): how it
 * is doing, and that it is still alive. The latter is told from the loop only
 * and only while the journal makes progress: so a turn that does not end and a
 * flush that does not end both stop it, and the manager puts an end to them.
 * Costs nothing where there is no manager.
 */
#ifndef STRIFE_TURN_SUPERVISOR_H
#define STRIFE_TURN_SUPERVISOR_H

#include <stdint.h>

#include "journal/journal.h"

#define SUPERVISOR_STATUS_SIZE 256

/* Writes figures for people into text, on one line. */
typedef void
supervisor_figures(const void *ctx, char text[SUPERVISOR_STATUS_SIZE]);

struct supervisor {
	supervisor_figures *figures;
	const void *ctx;
	int64_t ping_ns;      /* between two signs of life; 0: nobody waits */
	int64_t next_ping_ns; /* INT64_MAX: never */
	int64_t next_status_ns;
	/* The newest record at the last sign of life: due to be durable. */
	uint64_t due_seq;
	/* Records replayed so far, while it starts. */
	uint64_t replayed;
	int64_t extended_ns;
	char status[SUPERVISOR_STATUS_SIZE]; /* told last */
};

void supervisor_init(struct supervisor *);

/* A record was replayed: a long journal is no reason to end a start. */
void supervisor_replayed(struct supervisor *);

/* It serves from here on; ctx goes to figures. */
void supervisor_serving(
    struct supervisor *, supervisor_figures *figures, const void *ctx);

/* Call after each turn; due again at supervisor_next_ns at the latest. */
void
supervisor_turn(struct supervisor *, int64_t now_ns, const struct journal *);
int64_t supervisor_next_ns(const struct supervisor *);

/* It stops. */
void supervisor_stopping(struct supervisor *);
/* A step of that may take as long as limit_ns. */
void supervisor_waits(int64_t limit_ns);

#endif

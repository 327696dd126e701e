/*
 * The bank listener: the links that the banks open. HELLO, PING and the
 * heartbeats are answered here; registration, votes and RESOLVE are the
 * coordinator's. Every event of a link carries the bank that its certificate
 * names, whatever its lines say.
 */
#ifndef STRIFE_GATEWAYD_BANKS_H
#define STRIFE_GATEWAYD_BANKS_H

#include "gatewayd.h"

/* NULL: out of memory. Slots count from 0. */
struct banks *banks_new(struct gatewayd *);
void banks_free(struct banks *);
uint32_t banks_slots(const struct banks *);
uint32_t banks_connected(const struct banks *);
/* Listens; bound gets "HOST:PORT". -1 with errno. */
int banks_listen(struct banks *, char *bound, size_t bound_size);

/* The coordinator has accepted this peer's REGISTER. */
void banks_registered(struct banks *, struct peer);
void banks_deliver(struct banks *, struct peer, const char *line, size_t len);
void banks_close(struct banks *, struct peer, const char *why);

/* The certificates are others: closes whom they would not accept. */
void banks_recheck(struct banks *);
void banks_quiet(struct banks *); /* accept no more */
void banks_stop(struct banks *);  /* close all */
void banks_drop(struct banks *);  /* the same, at once */

#endif

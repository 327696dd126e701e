/*
 * The links to the gateways: dialled and dialled again, greeted with HELLO,
 * registered by the ledger, kept alive with PING. Their peer slots are 0 to
 * links_count - 1.
 */
#ifndef STRIFE_BANKD_LINKS_H
#define STRIFE_BANKD_LINKS_H

#include "bankd.h"

/* Dials from the first turn on. NULL: out of memory. */
struct links *links_new(struct bankd *);
void links_free(struct links *); /* after links_idle */
uint32_t links_count(const struct links *);
uint32_t links_registered(const struct links *);
uint64_t links_lines_in(const struct links *);
uint64_t links_lines_out(const struct links *);

/* The ledger sent REGISTER to this peer, with this tag. */
void links_registering(struct links *, struct peer, const char *tag);
void links_deliver(struct links *, struct peer, const char *line, size_t len);
void links_close(struct links *, struct peer, const char *why);

/* The certificates are others: closes whom they would not accept. */
void links_recheck(struct links *);
void links_retry(struct links *);      /* dial again now, fenced ones too */
void links_stop(struct links *);       /* close all, dial no more */
void links_drop(struct links *);       /* what is still closing, at once */
bool links_idle(const struct links *); /* nobody is connected */

#endif

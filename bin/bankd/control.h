/*
 * The control socket for strife-teller: a Unix socket, mode 0600, several
 * tellers at once, each connection its own peer slot after those of the links.
 * No HELLO and no login: who may open the socket is the bank's operator, and
 * SO_PEERCRED says who it is.
 */
#ifndef STRIFE_BANKD_CONTROL_H
#define STRIFE_BANKD_CONTROL_H

#include "bankd.h"

/* -1 with errno: the socket cannot be made. Slots count from first_slot. */
int control_new(struct control **, struct bankd *, uint32_t first_slot);
void control_free(struct control *); /* after control_idle; removes it */
uint32_t control_connected(const struct control *);

void
control_deliver(struct control *, struct peer, const char *line, size_t len);
void control_close(struct control *, struct peer, const char *why);
void control_after_turn(struct control *);

void control_stop(struct control *); /* close all, accept no more */
bool control_idle(const struct control *);

#endif

/*
 * The control socket for strife-ctl: a Unix socket, mode 0600, several
 * operators at once. No HELLO and no login: who may open the socket is the
 * gateway's operator, and SO_PEERCRED says who it is.
 */
#ifndef STRIFE_GATEWAYD_CONTROL_H
#define STRIFE_GATEWAYD_CONTROL_H

#include "gatewayd.h"

/* -1 with errno: the socket cannot be made. Slots count from first_slot. */
int control_new(struct control **, struct gatewayd *, uint32_t first_slot);
void control_free(struct control *); /* removes the socket */
uint32_t control_slots(void);
uint32_t control_connected(const struct control *);

void
control_deliver(struct control *, struct peer, const char *line, size_t len);
void control_close(struct control *, struct peer, const char *why);

void control_stop(struct control *); /* close all, accept no more */

#endif

/*
 * sd_notify(3)'s protocol without libsystemd: a datagram to $NOTIFY_SOCKET.
 * Does nothing where the variable is not set. Never blocks.
 */
#ifndef STRIFE_BASE_NOTIFY_H
#define STRIFE_BASE_NOTIFY_H

/* E.g. "READY=1\nSTATUS=serving". */
void notify_send(const char *state);

#endif

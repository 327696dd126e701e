/*
 * sd_notify(3)'s protocol without libsystemd: a datagram to $NOTIFY_SOCKET.
 * Does nothing where the variable is not set. Never blocks.
 */
#ifndef STRIFE_BASE_NOTIFY_H
#define STRIFE_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Is there a manager to be told anything? */
bool notify_wanted(void);

/* E.g. "READY=1\nSTATUS=serving". */
void notify_send(const char *state);

/* A reload has begun; when it is over, well or not, notify_send("READY=1"). */
void notify_reloading(void);

/* What goes on may take as long as this from now, however long was allowed. */
void notify_extend(int64_t more_ns);

/*
 * sd_watchdog_enabled(3): the manager ends us after this long without
 * "WATCHDOG=1", in ns; 0 where it does not.
 */
int64_t notify_watchdog_ns(void);

#endif

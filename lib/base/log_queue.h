/*
 * Lines of the log on their way to standard error, for base/log.h only. Until
 * log_queue_start each line is one write(2). After it lines are kept, at most
 * LOG_QUEUE_OCTETS of them, and written by log_queue_write as far as that can
 * be done without waiting for whoever reads them: a pipe or a terminal through
 * a description of our own that does not block, so that other writers to the
 * same one are not surprised; a socket by MSG_DONTWAIT. A file is written to
 * as to any disk.
 */
#ifndef STRIFE_BASE_LOG_QUEUE_H
#define STRIFE_BASE_LOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LOG_QUEUE_OCTETS ((size_t)1 << 20)
/* Of these the last quarter is for what is not `casual`. */
#define LOG_QUEUE_CASUAL (LOG_QUEUE_OCTETS / 4 * 3)

/* Standard error must not be changed from here to log_queue_stop. */
void log_queue_start(void);
/* Forgets what is left, and keeps nothing more. */
void log_queue_stop(void);

/* One line, LF included, of LOG_LINE_MAX at most. Where there is no room, what
 * was kept is written first; what does not fit then is dropped and counted. */
void log_queue_put(const char *line, size_t len, bool casual);
/* Writes what can be written now. */
void log_queue_write(void);
/* The same, waiting for the reader for so long at most. */
void log_queue_wait(int wait_ms);
/* Forgets what has not been written; returns how many octets that was. */
size_t log_queue_discard(void);
/* How many lines were dropped since it was last asked while there was room to
 * tell of them; 0: none, or no room. */
uint64_t log_queue_take_dropped(void);

#endif

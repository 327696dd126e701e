/* One line on standard error, where that is a terminal: how far a batch is. */
#ifndef STRIFE_CLIENT_PROGRESS_H
#define STRIFE_CLIENT_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool terminal;
	bool shown;
	uint32_t total;
	int64_t start_ns, next_ns;
};

/* rows_too: rows go to standard output meanwhile. */
void progress_init(struct progress *, uint32_t total, bool rows_too);
/* At most a few times a second. */
void progress_show(struct progress *, uint32_t done);
/* Clears the line, so that something else can be printed. */
void progress_hide(struct progress *);

#endif

/*
 * Waiting for a payment's end (--wait): pauses that grow, a limit, and what
 * Ctrl-C says. The client's session stays alive meanwhile.
 */
#ifndef STRIFE_PAY_WAIT_H
#define STRIFE_PAY_WAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"
#include "pay.h"
#include "wire/id.h"

/* Of --wait[=SECONDS]; 0: as long as it takes. */
#define WAIT_SECONDS_MAX (7 * 86400)

struct wait_option {
	bool wanted;
	int64_t seconds;
};
/* text: optarg, NULL where there is none. EXIT_OK, or EXIT_USAGE. */
int wait_option(const struct pay *, struct wait_option *, const char *text);

struct wait {
	struct pay *pay;
	struct timer limit;
	bool over;
	uint32_t pauses; /* since something changed */
	char id_text[ID_TEXT_LEN + 1];
};

/*
 * From now on Ctrl-C ends the program, with a word on how to go on. Embedded by
 * the caller, who calls wait_end before it goes away.
 */
void wait_begin(struct wait *, struct pay *, const struct wait_option *);
/* The payment that is waited for from now on. */
void wait_for(struct wait *, const struct id *);
/* 200 ms at first, growing to 5 s. False where the time is over. */
bool wait_pause(struct wait *);
/* May the same question be answered later, after this end of a session? */
bool wait_survives(const struct wait *, enum session_end);
void wait_end(struct wait *);

#endif

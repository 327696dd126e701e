/* What the files of strife-teller share. */
#ifndef STRIFE_TELLER_TELLER_H
#define STRIFE_TELLER_TELLER_H

#include "client/console.h"

enum teller_option {
	OPTION_ID,
	OPTION_KEY,
	OPTION_LIMIT,
	OPTION_MEMO,
	OPTION_OVERDRAFT,
	OPTION_SINCE,
	OPTION_UNTIL,
	OPTION_WHY,
	OPTION_COUNT
};

/* open, deposit and withdraw: one on the command line, or many on "-". */
int entries_run(struct console *);

#endif

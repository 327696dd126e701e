/*
 * Private to strife-journal explain: what was read of one payment, and how it
 * is told.
 */
#ifndef STRIFE_JOURNAL_EXPLAIN_H
#define STRIFE_JOURNAL_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/msg.h"

enum stand {
	STAND_NOTHING,
	STAND_ENTRY, /* the bank's own: a deposit or the like */
	STAND_ABORTED,
	STAND_PREPARED,
	STAND_OPEN,
	STAND_HELD,
	STAND_COMMITTED,
};

/* What one journal says of it in the end. */
struct teller {
	bool is_gateway;
	char name[NODE_MAX_LEN + 1];
	enum stand stand;
	bool by_operator; /* a bank's stand */
	char why[192];    /* of an abort, a hold; an ENTRY's text */
	char banks[2][BANK_MAX_LEN + 1]; /* gateway: of COMMIT */
	bool ended;
	char payment[400]; /* gateway: who pays whom */
};

struct happening {
	int64_t time_us;
	uint32_t teller, number; /* number: in the order of reading */
	uint64_t seq;
	const char *kind;
	char *text; /* owned */
};

struct story {
	struct id id;
	struct happening *events;
	uint32_t count, room;
	struct teller *tellers;
	uint32_t teller_count;
	char text[2048]; /* of the event at hand */
	size_t len;
};

/* Adds to the text of the event at hand; what does not fit is cut off. */
void explain_say(struct story *, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* That text, borrowed until the next record or the summary. */
struct str explain_said(const struct story *);
/*
 * A record of the journal that t is: true with its sentence said, and t brought
 * forward, where it tells of the payment.
 */
bool explain_record(struct story *, struct teller *t, const struct msg *);

/* The state in one word; its sentence is then said. */
const char *explain_summary(struct story *);

#endif

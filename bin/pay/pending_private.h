/* What the parts of pending.h share: pending.c and pending_now.c. */
#ifndef STRIFE_PAY_PENDING_PRIVATE_H
#define STRIFE_PAY_PENDING_PRIVATE_H

#include "client/spool.h"
#include "pending.h"

struct pending {
	struct menu *menu;
	struct spool *spool; /* NULL: it could not be opened */
	struct session *session;
	/* The oldest of the user's entries, in order: those in new. */
	struct spool_entry *list;
	uint32_t count;
	/* In the background: */
	bool started;
	bool busy; /* `sent` is unanswered */
	bool connecting;
	struct spool_entry sent;
	struct timer due;
	int64_t away_ns;       /* how long to wait while no gateway is there */
	enum session_end told; /* of which end it was announced */
	/* In the foreground: */
	struct spool_entry now;
	bool answered;
};

/* A sentence about an entry and what came of it; returns `into`. */
#define PENDING_ABOUT_SIZE 512
const char *
pending_about(const struct spool_entry *, char into[PENDING_ABOUT_SIZE]);
/* What is said besides of one that was refused, and waits for somebody. */
extern const char pending_on_hold[];

/* Fills the list. */
void pending_list(struct pending *);
/* True where it may be sent over the session, which is ready. */
bool pending_claim(struct pending *, struct spool_entry *);
/* Writes down what was answered: where the entry is by then. */
enum spool_place pending_settle(struct pending *, struct spool_entry *);
/* When the background looks next. Ends the program where memory is short. */
void pending_wake(struct pending *, int64_t ns);

#endif

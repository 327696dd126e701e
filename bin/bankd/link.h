/*
 * One link: links.c has them all, link.c dials, and closes, this one's
 * connection, link_talk.c has the lines that go over it.
 */
#ifndef STRIFE_BANKD_LINK_H
#define STRIFE_BANKD_LINK_H

#include "links.h"
#include "turn/heartbeat.h"

#define LINK_RETRY_MIN_NS (100 * NS_PER_MS)
#define LINK_RETRY_MAX_NS (5 * NS_PER_S)
#define LINK_COMPLAINT_MAX 256

enum link_state {
	LINK_WAITING,     /* for the time to dial */
	LINK_DIALLING,    /* connect and handshake */
	LINK_GREETING,    /* HELLO is sent */
	LINK_REGISTERING, /* its OK went to the ledger, which sends REGISTER */
	LINK_REGISTERED,
	LINK_STOPPED, /* the daemon is ending */
};

struct link {
	struct links *links;
	struct talk talk;
	const char *address;   /* as configured */
	uint32_t certificates; /* the set that its peer was checked by */
	enum link_state state;
	struct timer dial; /* when to do so next */
	int64_t delay_ns;
	struct heartbeat heartbeat;
	char complaint[LINK_COMPLAINT_MAX]; /* the last one, said once */
	uint64_t requests;                  /* numbers our tags */
	char hello_tag[TAG_MAX_LEN + 1], register_tag[TAG_MAX_LEN + 1];
	char node[NODE_MAX_LEN + 1]; /* from HELLO's OK */
};

struct links {
	struct bankd *bankd;
	uint32_t count;
	struct link *at;
};

/* ---- link.c ---- */

/* Link number i, which dials in the next turn. */
void link_init(struct link *, struct links *, uint32_t i);
/* Dials at that time, as clock_mono_ns counts; 0: in the next turn. */
void link_dial_at(struct link *, int64_t at_ns);
/* Connected, and not being ended? */
bool link_is_up(const struct link *);
/* Takes nothing more from this gateway, and closes it after this turn. */
void link_give_up(struct link *, const char *why, const char *detail);
/* Gives up where the certificates read meanwhile say so. */
void link_recheck(struct link *);

/* ---- link_talk.c ---- */

extern const struct talk_ops link_talk_ops; /* ctx: the link */
/* Greets a gateway that has just been connected. */
void link_talk_hello(struct link *);
/* heartbeat_ops.ping; ctx: the link */
void link_talk_ping(void *ctx);

#endif

/*
 * One payment of the spool, and the line that it is on disk (strife-spool(5)).
 * Does no input or output.
 */
#ifndef STRIFE_CLIENT_SPOOL_ENTRY_H
#define STRIFE_CLIENT_SPOOL_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

#include "client/answer.h"
#include "client/order.h"
#include "wire/account.h"
#include "wire/id.h"
#include "wire/msg.h"

#define SPOOL_TEXT_MAX 128 /* octets of an address, an answer's text */

/* Texts are NUL-terminated; "" or 0 where there is none. */
struct spool_entry {
	struct id id;
	struct order order;
	char user[ACCOUNT_MAX_LEN + 1]; /* whose it is: NAME or NAME@BANK */
	int64_t added_us; /* entries of a payer go in this order */
	char gateway[SPOOL_TEXT_MAX + 1]; /* the first one it was sent to */
	uint64_t attempts;                /* answers that were no end */
	int64_t next_us;                  /* not before then; 0: at once */
	/* The last answer: */
	bool answered;
	struct answer answer;
	char bank[BANK_MAX_LEN + 1];
	int64_t time_us;
	char text[SPOOL_TEXT_MAX + 1];
};

/* Clean, added now. */
void spool_entry_new(struct spool_entry *, const struct id *,
    const struct order *, const char *user);
/* Is it the same payment of the same user (the same PAY, but for hold)? */
bool spool_entry_same(const struct spool_entry *, const struct spool_entry *);
/* The PAY that it stands for; borrows from the entry. */
void spool_entry_request(const struct spool_entry *, struct msg *);
/* Takes what is kept of a final OK or ERR; answer_read's result is answer. */
void spool_entry_answered(struct spool_entry *, const struct msg *reply);

/* Where an answered entry belongs: SPOOL_NEW, it has no end yet. */
enum spool_fate {
	SPOOL_FATE_WAITS,    /* ask again later */
	SPOOL_FATE_PAID,     /* committed */
	SPOOL_FATE_DECLINED, /* aborted for a final reason */
	SPOOL_FATE_REFUSED,  /* a person has to look at it */
};
enum spool_fate spool_entry_fate(const struct answer *);

/* The line with its LF; the length. */
size_t spool_entry_write(const struct spool_entry *, char into[LINE_MAX_LEN]);
/* NULL, or what is wrong with the octets, in words that need no freeing. */
const char *
spool_entry_read(struct spool_entry *, const char *octets, size_t len);

#endif

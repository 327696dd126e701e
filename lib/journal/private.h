/*
 * What the files of lib/journal share among themselves. Nobody else includes
 * this. journal.c appends and reads back, open.c starts, from all records or by
 * resume.c from a snapshot, and taker.c takes one.
 */
#ifndef STRIFE_JOURNAL_PRIVATE_H
#define STRIFE_JOURNAL_PRIVATE_H

#include "journal/beside.h"
#include "journal/journal.h"
#include "journal/segment.h"

#define BATCH_MAX (1u << 20) /* a larger batch is flushed early */
#define MARK_EVERY 256       /* records from one mark to the next */
#define TAKER_ERROR_MAX 512

/* The child that takes a snapshot. */
struct taker {
	pid_t pid; /* 0: none */
	int fd;    /* what it has to say comes from here, and its end */
	uint64_t seq, octets; /* of the journal, when it began */
};

/* Where a record lies: what journal_proves starts counting lines from. */
struct mark {
	uint64_t seq;
	uint32_t segment, offset;
};

struct journal {
	char *dir;
	enum side side;
	char component[WORD_MAX_LEN + 1], name[NODE_MAX_LEN + 1];
	uint32_t new_octets; /* size of new segments */
	int dir_fd, lock_fd;
	struct id uuid;
	bool is_new, was_torn;
	/* The segment being written: `end` octets of it are durable. */
	int fd;
	uint32_t segment, size, end;
	char *batch; /* BATCH_MAX octets, batch_len of them to go to `end` */
	uint32_t batch_len;
	uint64_t last_seq, durable_seq;
	struct check head; /* of last_seq */
	int64_t last_us;
	struct spare spare;
	struct mark *marks;
	size_t mark_count, mark_size;
	int old_fd; /* an older segment, kept open for reading, or -1 */
	uint32_t old_segment, old_size;
	/* Snapshots: none without a core. */
	const struct journal_core *core;
	void *core_ctx;
	struct jpos last_at; /* of last_seq */
	uint64_t octets;     /* replayed and appended since the start */
	uint64_t replayed;   /* records, at the start */
	uint64_t snapshot_seq, snapshot_octets; /* at the newest; 0: none */
	struct taker taker;
};

struct opening {
	struct journal *j;
	const struct journal_conf *conf;
	bool (*replay)(void *, const struct record *, char *, size_t);
	void *ctx;
	char *error;
	size_t error_size;
};

/* ---- journal.c ---- */
/*
 * What the kernel did with the lost pages cannot be known (fsync(2)): nothing
 * may be answered any more. The next start reads what there is.
 */
_Noreturn void
journal_die(const struct journal *, uint32_t segment, const char *what);
/* Each segment's first record, and every 256th: no line count crosses one. */
static inline bool
record_is_marked(struct jpos pos)
{
	return pos.offset == 0 || pos.seq % MARK_EVERY == 0;
}
void mark_add(struct journal *, struct jpos pos);
void mark_record(struct journal *, struct jpos pos); /* if it is to be */
/* Where record seq starts: walks the lines from the mark before it. */
bool record_find(struct journal *, uint64_t seq, struct jpos *pos);
/* The first record of the current segment, which is empty. */
void segment_begin(struct journal *, int64_t wall_us);

/* ---- open.c ---- */
enum journal_open
refuse(char *error, size_t error_size, enum journal_open result,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Another component's or name's journal is the operator's mistake. */
bool is_ours(const struct journal *, const struct reader_state *);

/* ---- resume.c ---- */
/*
 * Starts from the newest snapshot that can be used: *r stands behind its
 * record. NULL: there is none, and the core is empty.
 */
enum journal_open journal_resume(const struct opening *, struct reader **r);
/* There is no segment: may a journal begin here? */
enum journal_open journal_begins(const struct opening *);

/* ---- taker.c ---- */
void taker_drop(struct journal *); /* ends the child, if there is one */

#endif

/*
 * Private to lib/journal: segments as files, the spare one, and records as
 * lines in them (JOURNAL.md, strife-journal(5)).
 *
 * A segment is made as NAME.new.PID, filled with zeros, flushed, and only then
 * given its name, so a file that has a segment's name was once complete. Its
 * last octet always stays zero: a last segment that ends otherwise was cut.
 */
#ifndef STRIFE_JOURNAL_SEGMENT_H
#define STRIFE_JOURNAL_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/str.h"
#include "journal/reader.h"
#include "wire/msg.h"

/* ---- Records as lines ---- */

#define RECORD_MAX (LINE_MAX_LEN - 1) /* octets, LF included */
#define CHECK_HEX_LEN 32
#define CHECK_FIELD_LEN (7 + CHECK_HEX_LEN) /* " check=" and the digits */
#define RECORD_BARE_MAX (RECORD_MAX - CHECK_FIELD_LEN - 1)

/* The check of a record whose line up to " check=" is bare. */
void check_chain(struct check *, const struct check *previous, struct str bare);
void check_text(const struct check *, char into[CHECK_HEX_LEN]);
bool check_eq(const struct check *, const struct check *);
/* The check that a line (without LF) ends with; false where it has none. */
bool record_check_said(struct str text, struct check *);
/* Does the check that the line ends with follow from the previous one? */
bool record_check_follows(
    struct str text, const struct check *previous, struct check *);
/* The typed record of a line with its check: NULL, or what is wrong with it. */
const char *record_type(struct line *, struct msg *, uint64_t *seq,
    enum side side, struct str text);

/* ---- Segment files ---- */

#define SEGMENT_NAME_MAX 24
#define SEGMENT_MAX ((UINT32_C(1) << 24) - 1) /* what an id index can hold */
#define SEGMENT_PAGE 4096
#define SEGMENT_OCTETS_MIN (2 * SEGMENT_PAGE)
#define SEGMENT_OCTETS_MAX (UINT32_MAX - SEGMENT_PAGE + 1)

void segment_name(uint32_t number, char into[SEGMENT_NAME_MAX]);
/*
 * How many segments there are. They are numbered from 1 without a gap: else
 * *missing is the first that is not there. 0, or -1 with errno.
 */
int segment_list(int dir_fd, uint32_t *last, uint32_t *missing);
/* A descriptor, or -1 with errno (EINVAL: not a regular file, or too large). */
int segment_open(int dir_fd, uint32_t number, int flags, uint32_t *size);
/* Only zeros from offset on? 1, 0, or -1 with errno. */
int segment_zero_from(int fd, uint32_t offset);
/* Overwrites [from, to) with zeros; not flushed. 0, or -1 with errno. */
int segment_zero(int fd, uint32_t from, uint32_t to);
/* fdatasync, continued after EINTR. */
int segment_flush(int fd);
/* fsync, likewise: for what is new, and for directories. */
int segment_sync(int fd);
/* Removes what a killed maker left behind. 0, or -1 with errno. */
int segment_sweep(int dir_fd);

/* ---- The spare segment ---- */

enum spare_state {
	SPARE_NONE,
	SPARE_MAKING, /* a child writes zeros into space already allocated */
	SPARE_READY,
};

struct spare {
	enum spare_state state;
	int fd;    /* MAKING, READY */
	pid_t pid; /* MAKING */
	uint32_t number, size;
	bool failed;    /* the last try: no spare until one works */
	int64_t try_ns; /* when it failed, clock_mono_ns */
};

/* Takes fd, an all-zero segment that was found at start. */
void spare_found(struct spare *, int fd, uint32_t number, uint32_t size);
/* Starts making it, at most once a second after a failure. */
void spare_start(struct spare *, int dir_fd, uint32_t number, uint32_t size);
/* Has the child finished? Then the segment gets its name. */
void spare_poll(struct spare *, int dir_fd);
/*
 * The next segment, waited for or made at once if need be. A descriptor that
 * the caller takes, or -1 with errno.
 */
int spare_take(struct spare *, int dir_fd, uint32_t number, uint32_t *size);
/* Ends a maker and removes what it made; keeps a ready one. */
void spare_drop(struct spare *, int dir_fd);

/* ---- What journal_open asks of a reader ---- */

struct reader_state {
	uint64_t last_seq;     /* of the last good record, 0: none */
	struct check head;     /* its check */
	uint64_t proven;       /* the highest `flushed` seen */
	int64_t last_us;       /* its time */
	uint32_t segment, end; /* just behind it */
	struct id journal;     /* of the first SEGMENT */
	char component[WORD_MAX_LEN + 1];
	char name[NODE_MAX_LEN + 1];
};
const struct reader_state *reader_state(const struct reader *);
/*
 * Reads on behind state, at the start of the segment after state->segment. 0,
 * or -1 with errno.
 */
int reader_open_at(
    struct reader **, const char *dir, enum side, const struct reader_state *);

#endif

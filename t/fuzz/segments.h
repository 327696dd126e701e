/*
 * A bank's journal of two segments, damaged as an input says. It is written
 * once, by lib/journal, in a directory below $TMPDIR (best in memory); every
 * run starts from its octets.
 *
 * An input is a list of edits: what to do, where, and with which octets. A
 * forged record has the right check, as whoever may rewrite a journal can make
 * one; all other damage leaves records as they were, or none at all.
 */
#ifndef STRIFE_T_FUZZ_SEGMENTS_H
#define STRIFE_T_FUZZ_SEGMENTS_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "fuzz.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/segment.h"
#include "reused.h"

#define SEGMENTS 2
#define SEGMENT_SIZE 8192
#define RECORDS_MAX 256

static char segments_dir[256];
static char segments_octets[SEGMENTS][SEGMENT_SIZE];

/* What was written. */
static struct original {
	struct str text; /* without LF */
	struct jpos pos;
	struct check check;
} originals[RECORDS_MAX];
static uint32_t original_count;

static inline struct journal_conf
segments_conf(void)
{
	return (struct journal_conf){
	    .dir = segments_dir,
	    .side = SIDE_BANK_JOURNAL,
	    .component = STR("bankd"),
	    .name = STR("BankA"),
	    .segment_octets = SEGMENT_SIZE,
	};
}

/* ---- Files ---- */

static inline void
segments_path(char *path, size_t size, uint32_t segment)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(segment, name);
	CHECK((size_t)snprintf(path, size, "%s/%s", segments_dir, name) < size);
}

/* Removes all files but the segments that every run writes. */
static inline void
segments_sweep(bool all)
{
	DIR *dir = opendir(segments_dir);
	struct dirent *entry;

	CHECK(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    (!all &&
			(strcmp(entry->d_name, "00000001.journal") == 0 ||
			    strcmp(entry->d_name, "00000002.journal") == 0)))
			continue;
		CHECK(unlinkat(dirfd(dir), entry->d_name, 0) == 0);
	}
	closedir(dir);
}

static inline void
segments_remove(void)
{
	segments_sweep(true);
	(void)rmdir(segments_dir);
}

static inline void
segments_write(uint32_t segment, const char *octets, size_t len)
{
	static int fds[SEGMENTS + 1];
	int fd = fds[segment];
	struct stat st;
	char path[512];

	/* A start may have taken the file away: then there is a new one. */
	if (fd == 0 || (fstat(fd, &st) == 0 && st.st_nlink == 0)) {
		if (fd != 0)
			close(fd);
		segments_path(path, sizeof(path), segment);
		fds[segment] = fd =
		    open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
		CHECK(fd > 0 && fstat(fd, &st) == 0);
	}
	CHECK((size_t)st.st_size == len || ftruncate(fd, (off_t)len) == 0);
	CHECK(pwrite(fd, octets, len, 0) == (ssize_t)len);
}

/* ---- The original ---- */

static inline void
segments_append(struct journal *j, uint32_t n)
{
	static struct msg m;
	struct record record;
	char account[32];

	(void)snprintf(account, sizeof(account), "acc%" PRIu32, n);
	msg_init(&m, MSG_REQUEST, VERB_BANK_JOURNAL_SET, "0");
	msg_set_str(&m, KEY_account, str_from(account));
	msg_set_u64(&m, KEY_overdraft, n);
	msg_set_str(&m, KEY_who, STR("uid=0"));
	journal_append(j, &m, INT64_C(1700000000000000) + (int64_t)n, &record);
}

static inline void
segments_keep(void)
{
	char path[512], error[512];
	struct record record;
	struct reader *r;
	struct str text;

	for (uint32_t i = 0; i < SEGMENTS; i++) {
		int fd;

		segments_path(path, sizeof(path), i + 1);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		CHECK(fd >= 0);
		CHECK(
		    read(fd, segments_octets[i], SEGMENT_SIZE) == SEGMENT_SIZE);
		close(fd);
	}
	CHECK(reader_open(&r, segments_dir, SIDE_BANK_JOURNAL, error,
		  sizeof(error)) == 0);
	while (reader_next(r, &record, &text) == READER_RECORD) {
		CHECK(original_count < RECORDS_MAX);
		originals[original_count++] = (struct original){
		    .text = {segments_octets[record.pos.segment - 1] +
			    record.pos.offset,
			text.len},
		    .pos = record.pos,
		    .check = record.check,
		};
	}
	reader_close(r);
	CHECK(originals[original_count - 1].pos.segment == SEGMENTS);
}

/* One record a flush at first, and at the end several: a tail to be torn. */
static inline void
segments_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	struct journal_conf conf;
	struct journal *j;
	char error[512] = "";
	uint32_t n = 0;

	log_init("fuzz", LOG_LEVEL_CRIT);
	(void)snprintf(segments_dir, sizeof(segments_dir),
	    "%.200s/strife-fuzz.XXXXXX", tmp != NULL ? tmp : "/dev/shm");
	CHECK(mkdtemp(segments_dir) != NULL);
	conf = segments_conf();
	CHECK(journal_open(&j, &conf, NULL, NULL, error, sizeof(error)) ==
	    JOURNAL_OPENED);
	for (; n < 60; n++) {
		segments_append(j, n);
		journal_flush(j);
	}
	for (; n < 66; n++)
		segments_append(j, n);
	journal_close(j);
	segments_keep();
	segments_sweep(false);
	CHECK(atexit(segments_remove) == 0);
}

/* ---- The damage ---- */

struct damage {
	char octets[SEGMENTS][SEGMENT_SIZE];
	size_t len[SEGMENTS];
	uint32_t forged; /* originals from here on need not be there */
};

/*
 * A record with this content in the place of original n, and of all behind, and
 * with a seq that may be `off` the right one.
 */
static inline void
segments_forge(struct damage *d, uint32_t n, uint32_t off, struct str content)
{
	const struct original *o = &originals[n];
	const struct check none = {{0}};
	char *at, bare[512];
	struct check check;
	int len;

	if (o->pos.offset + 600 > d->len[o->pos.segment - 1])
		return;
	at = d->octets[o->pos.segment - 1] + o->pos.offset;
	len = snprintf(bare, sizeof(bare), "%" PRIu64 " %.*s", o->pos.seq + off,
	    content.len < 400 ? (int)content.len : 400, content.at);
	CHECK(len > 0);
	memset(at, 0, d->len[o->pos.segment - 1] - o->pos.offset);
	check_chain(&check, n > 0 ? &originals[n - 1].check : &none,
	    (struct str){bare, (uint32_t)strlen(bare)});
	len = snprintf(at, 600, "%s check=", bare);
	check_text(&check, at + len);
	at[len + CHECK_HEX_LEN] = '\n';
	if (n < d->forged)
		d->forged = n;
}

static inline void
segments_edit(struct damage *d, struct fuzz_input *in)
{
	uint32_t what = fuzz_below(in, 8), segment = fuzz_below(in, SEGMENTS);
	uint32_t where = (uint32_t)fuzz_octet(in) << 8 | fuzz_octet(in);
	struct str octets = fuzz_piece(in);
	size_t len = d->len[segment], at = len == 0 ? 0 : where % len;
	char *into = d->octets[segment] + at;
	size_t room = len - at;

	if (room > octets.len && what != 1)
		room = octets.len;
	switch (what) {
	case 0: /* octets of the input's own */
	case 2:
		memcpy(into, octets.at, room);
		break;
	case 1: /* zeros up to the end: the clean end, perhaps */
		memset(into, 0, room);
		break;
	case 3: /* a piece that never arrived */
		memset(into, 0, room);
		break;
	case 4: /* bits that rotted */
		for (size_t i = 0; i < room; i++)
			into[i] ^= octets.at[i];
		break;
	case 5: /* cut */
		d->len[segment] = at;
		break;
	case 6: /* what lies elsewhere */
		memcpy(into, segments_octets[1 - segment] + at, room);
		break;
	case 7:
		segments_forge(d, where % original_count, where >> 14, octets);
		break;
	}
}

static inline void
segments_damage(struct damage *d, struct fuzz_input in)
{
	memcpy(d->octets, segments_octets, sizeof(d->octets));
	d->len[0] = d->len[1] = SEGMENT_SIZE;
	d->forged = original_count;
	while (in.len > 0)
		segments_edit(d, &in);
	for (uint32_t i = 0; i < SEGMENTS; i++)
		segments_write(i + 1, d->octets[i], d->len[i]);
}

/* ---- What may come of it ---- */

/* Record number n, from 0, as it was given: it is the original's. */
static inline void
segments_check_record(
    const struct damage *d, uint32_t n, const struct record *record)
{
	CHECK(record->pos.seq == (uint64_t)n + 1);
	CHECK(strtoull(record->msg->tag, NULL, 10) == record->pos.seq);
	CHECK(n < original_count || d->forged < original_count);
	if (n >= d->forged)
		return;
	CHECK(check_eq(&record->check, &originals[n].check));
	CHECK(record->pos.segment == originals[n].pos.segment);
	CHECK(record->pos.offset == originals[n].pos.offset);
}

#endif

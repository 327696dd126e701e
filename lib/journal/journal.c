#include "journal/journal.h"

#include <bsd/libutil.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/private.h"

/* ---- Failures ---- */

_Noreturn void
journal_die(const struct journal *j, uint32_t segment, const char *what)
{
	int why = errno;
	char name[SEGMENT_NAME_MAX];

	segment_name(segment, name);
	log_discard();
	log_crit(what, LOG_C("dir", j->dir), LOG_C("file", name), LOG_E(why));
	log_end();
	abort();
}

/* ---- Marks ---- */

void
mark_add(struct journal *j, struct jpos pos)
{
	struct mark *marks;
	size_t size;

	if (j->mark_count == j->mark_size) {
		size = j->mark_size == 0 ? 1024 : j->mark_size * 2;
		marks = reallocarray(j->marks, size, sizeof(*marks));
		CHECK(marks != NULL);
		j->marks = marks;
		j->mark_size = size;
	}
	j->marks[j->mark_count++] =
	    (struct mark){pos.seq, pos.segment, pos.offset};
}

void
mark_record(struct journal *j, struct jpos pos)
{
	if (record_is_marked(pos))
		mark_add(j, pos);
}

/* The last mark at or before seq, which is at least 1 and written. */
static const struct mark *
mark_before(const struct journal *j, uint64_t seq)
{
	size_t low = 0, high = j->mark_count, middle;

	CHECK(j->mark_count > 0 && seq >= j->marks[0].seq);
	while (high - low > 1) {
		middle = low + (high - low) / 2;
		if (j->marks[middle].seq <= seq)
			low = middle;
		else
			high = middle;
	}
	return &j->marks[low];
}

/* ---- Reading back ---- */

/* A descriptor of any segment, borrowed; -1 where it cannot be had. */
static int
segment_fd(struct journal *j, uint32_t segment, uint32_t *size)
{
	if (segment == j->segment) {
		*size = j->size;
		return j->fd;
	}
	if (segment == 0 || segment > j->segment)
		return -1;
	if (j->old_fd < 0 || j->old_segment != segment) {
		if (j->old_fd >= 0)
			close(j->old_fd);
		j->old_fd =
		    segment_open(j->dir_fd, segment, O_RDONLY, &j->old_size);
		j->old_segment = segment;
	}
	*size = j->old_size;
	return j->old_fd;
}

/*
 * Octets of a segment from offset on, the batch's included: how many there are
 * of len, 0 for none.
 */
static uint32_t
octets_at(struct journal *j, uint32_t segment, uint32_t offset, char *into,
    uint32_t len)
{
	uint32_t size, in_file, from, n = 0;
	ssize_t got;
	int fd = segment_fd(j, segment, &size);

	if (fd < 0 || offset >= size)
		return 0;
	in_file = segment == j->segment ? j->end : size;
	if (offset < in_file) {
		n = in_file - offset < len ? in_file - offset : len;
		got = file_read_at(fd, into, n, offset);
		if (got != (ssize_t)n)
			return 0;
	}
	if (segment == j->segment && n < len) {
		from = offset + n - j->end;
		if (from >= j->batch_len)
			return n;
		len -= n;
		if (len > j->batch_len - from)
			len = j->batch_len - from;
		memcpy(into + n, j->batch + from, len);
		n += len;
	}
	return n;
}

/* The check of the record before the one at pos; false: no record starts there.
 */
static bool
check_before(struct journal *j, struct jpos pos, const struct msg *m,
    struct check *check)
{
	char octets[CHECK_FIELD_LEN + 1];

	if (pos.offset == 0) {
		if (!msg_has(m, prev))
			return false;
		*check = m->v[KEY_prev].check;
		return true;
	}
	if (pos.offset < sizeof(octets) ||
	    octets_at(j, pos.segment, pos.offset - (uint32_t)sizeof(octets),
		octets, sizeof(octets)) != sizeof(octets) ||
	    octets[CHECK_FIELD_LEN] != '\n')
		return false;
	return record_check_said((struct str){octets, CHECK_FIELD_LEN}, check);
}

bool
journal_read(struct journal *j, struct jpos pos, struct line *line,
    struct msg *msg, struct record *out)
{
	char octets[RECORD_MAX];
	struct check before, check;
	uint64_t seq;
	const char *lf;
	struct str text;
	uint32_t n;

	n = octets_at(j, pos.segment, pos.offset, octets, sizeof(octets));
	lf = n > 0 ? memchr(octets, '\n', n) : NULL;
	if (lf == NULL)
		return false;
	text = (struct str){octets, (uint32_t)(lf - octets)};
	if (!record_check_said(text, &check) ||
	    record_type(line, msg, &seq, j->side, text) != NULL ||
	    (pos.seq != 0 && pos.seq != seq) ||
	    !check_before(j, pos, msg, &before) ||
	    !record_check_follows(text, &before, &check))
		return false;
	*out = (struct record){
	    .msg = msg,
	    .pos = {seq, pos.segment, pos.offset},
	    .check = check,
	};
	return true;
}

bool
record_find(struct journal *j, uint64_t seq, struct jpos *pos)
{
	const struct mark *mark = mark_before(j, seq);
	char octets[LINE_MAX_LEN];
	uint32_t offset = mark->offset, n, used;
	uint64_t at_seq = mark->seq;
	const char *lf;

	while (at_seq < seq) {
		n = octets_at(j, mark->segment, offset, octets, sizeof(octets));
		for (used = 0; at_seq < seq; at_seq++) {
			lf = memchr(octets + used, '\n', n - used);
			if (lf == NULL)
				break;
			used = (uint32_t)(lf - octets) + 1;
		}
		if (used == 0)
			return false;
		offset += used;
	}
	*pos = (struct jpos){seq, mark->segment, offset};
	return true;
}

bool
journal_proves(struct journal *j, uint64_t seq, const struct check *check)
{
	struct jpos pos;
	struct line line;
	struct msg msg;
	struct record record;

	if (seq == 0 || seq > j->last_seq)
		return false;
	return record_find(j, seq, &pos) &&
	    journal_read(j, pos, &line, &msg, &record) &&
	    check_eq(&record.check, check);
}

/* ---- Writing ---- */

void
journal_flush(struct journal *j)
{
	if (j->batch_len == 0)
		return;
	if (file_pwrite_all(j->fd, j->batch, j->batch_len, j->end) != 0)
		journal_die(j, j->segment, "cannot write the journal");
	if (segment_flush(j->fd) != 0)
		journal_die(j, j->segment, "cannot flush the journal");
	j->end += j->batch_len;
	j->batch_len = 0;
	j->durable_seq = j->last_seq;
}

/*
 * Encodes the next record behind the batch and returns its length; it counts
 * only once batch_take is called.
 */
static uint32_t
batch_encode(
    struct journal *j, struct msg *m, int64_t wall_us, struct check *check)
{
	char *line = j->batch + j->batch_len;
	size_t len;
	int n;

	n = snprintf(m->tag, sizeof(m->tag), "%" PRIu64, j->last_seq + 1);
	CHECK(n > 0 && (size_t)n < sizeof(m->tag));
	msg_set_i64(m, KEY_time, wall_us > j->last_us ? wall_us : j->last_us);
	msg_set_u64(m, KEY_flushed, j->durable_seq);
	len = msg_encode_bare(m, line, RECORD_BARE_MAX);
	CHECK(len > 0 && len <= RECORD_BARE_MAX);
	check_chain(check, &j->head, (struct str){line, (uint32_t)len});
	memcpy(line + len, " check=", 7);
	check_text(check, line + len + 7);
	line[len + CHECK_FIELD_LEN] = '\n';
	return (uint32_t)len + CHECK_FIELD_LEN + 1;
}

static void
batch_take(struct journal *j, const struct msg *m, uint32_t len,
    struct check check, struct record *out)
{
	*out = (struct record){
	    .msg = m,
	    .pos = {j->last_seq + 1, j->segment, j->end + j->batch_len},
	    .check = check,
	};
	mark_record(j, out->pos);
	j->batch_len += len;
	j->octets += len;
	j->last_seq++;
	j->last_at = out->pos;
	j->head = check;
	j->last_us = m->v[KEY_time].i64;
}

static enum verb
segment_verb(enum side side)
{
	return side == SIDE_BANK_JOURNAL ? VERB_BANK_JOURNAL_SEGMENT
					 : VERB_GATEWAY_JOURNAL_SEGMENT;
}

void
segment_begin(struct journal *j, int64_t wall_us)
{
	struct record record;
	struct check check;
	struct msg m;
	uint32_t len;

	CHECK(j->end == 0 && j->batch_len == 0);
	msg_init(&m, MSG_REQUEST, segment_verb(j->side), "0");
	msg_set_u64(&m, KEY_version, 1);
	msg_set_id(&m, KEY_journal, &j->uuid);
	msg_set_str(&m, KEY_component, str_from(j->component));
	msg_set_str(&m, KEY_name, str_from(j->name));
	msg_set_u64(&m, KEY_segment, j->segment);
	msg_set_check(&m, KEY_prev, &j->head);
	len = batch_encode(j, &m, wall_us, &check);
	batch_take(j, &m, len, check, &record);
}

/*
 * The segment is full. Its records are durable before the next one begins, so
 * that a torn tail lies in the newest segment only.
 */
static void
segment_switch(struct journal *j, int64_t wall_us)
{
	uint32_t size = j->new_octets;
	int fd;

	journal_flush(j);
	fd = spare_take(&j->spare, j->dir_fd, j->segment + 1, &size);
	if (fd < 0)
		journal_die(
		    j, j->segment + 1, "cannot make the next journal segment");
	close(j->fd);
	j->fd = fd;
	j->segment++;
	j->size = size;
	j->end = 0;
	segment_begin(j, wall_us);
}

void
journal_append(
    struct journal *j, struct msg *m, int64_t wall_us, struct record *out)
{
	struct check check;
	uint32_t len;

	CHECK(m->word == MSG_REQUEST && verb_info(m->verb)->side == j->side);
	if (BATCH_MAX - j->batch_len < 2 * LINE_MAX_LEN)
		journal_flush(j);
	len = batch_encode(j, m, wall_us, &check);
	/* The last octet of a segment stays zero. */
	if (len >= j->size - j->end - j->batch_len) {
		segment_switch(j, wall_us);
		len = batch_encode(j, m, wall_us, &check);
		CHECK(len < j->size - j->end - j->batch_len);
	}
	batch_take(j, m, len, check, out);
}

/* ---- Room ---- */

void
journal_tend(struct journal *j)
{
	spare_poll(&j->spare, j->dir_fd);
	spare_start(&j->spare, j->dir_fd, j->segment + 1, j->new_octets);
}

bool
journal_has_room(struct journal *j)
{
	if (j->spare.state == SPARE_READY)
		return true;
	/* One being made has its space already, unless making it fails. */
	journal_tend(j);
	return j->spare.state == SPARE_READY ||
	    (j->spare.state == SPARE_MAKING && !j->spare.failed);
}

/* ---- What it knows of itself ---- */

bool
journal_is_new(const struct journal *j)
{
	return j->is_new;
}

bool
journal_was_torn(const struct journal *j)
{
	return j->was_torn;
}

const struct id *
journal_uuid(const struct journal *j)
{
	return &j->uuid;
}

bool
journal_dirty(const struct journal *j)
{
	return j->batch_len > 0;
}

uint64_t
journal_last_seq(const struct journal *j)
{
	return j->last_seq;
}

uint64_t
journal_durable_seq(const struct journal *j)
{
	return j->durable_seq;
}

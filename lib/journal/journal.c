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
#include "journal/reader.h"
#include "journal/segment.h"

#define BATCH_MAX (1u << 20) /* a larger batch is flushed early */
#define MARK_EVERY 256       /* records from one mark to the next */
#define COPY_LEN 65536
#define TORN_COPIES_MAX 100
/* What a start needs when the disk is full: BOOT, and a little to finish. */
#define START_OCTETS (16 * LINE_MAX_LEN)
/* SEGMENT, one record that does not fit, and the zero at the end. */
#define SEGMENT_OVERHEAD (2 * LINE_MAX_LEN)

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
};

/* ---- Failures ---- */

/*
 * What the kernel did with the lost pages cannot be known (fsync(2)): nothing
 * may be answered any more. The next start reads what there is.
 */
static _Noreturn void
journal_die(const struct journal *j, uint32_t segment, const char *what)
{
	int why = errno;
	char name[SEGMENT_NAME_MAX];

	segment_name(segment, name);
	log_crit(what, LOG_C("dir", j->dir), LOG_C("file", name), LOG_E(why));
	abort();
}

static enum journal_open __attribute__((format(printf, 4, 5)))
refuse(char *error, size_t error_size, enum journal_open result,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(error, error_size, format, ap);
	va_end(ap);
	return result;
}

/* ---- Marks ---- */

static void
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

/* Each segment's first record, and every 256th: no line count crosses one. */
static void
mark_record(struct journal *j, struct jpos pos)
{
	if (pos.offset == 0 || pos.seq % MARK_EVERY == 0)
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

static ssize_t
read_at(int fd, char *into, size_t len, off_t at)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, into + got, len - got, at + (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
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
		got = read_at(fd, into, n, offset);
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

/* Where record seq starts: walks the lines from the mark before it. */
static bool
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
	j->last_seq++;
	j->head = check;
	j->last_us = m->v[KEY_time].i64;
}

static enum verb
segment_verb(enum side side)
{
	return side == SIDE_BANK_JOURNAL ? VERB_BANK_JOURNAL_SEGMENT
					 : VERB_GATEWAY_JOURNAL_SEGMENT;
}

/* The first record of the current segment, which is empty. */
static void
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

/* ---- Starting: a torn tail ---- */

/* Opens SEGMENTFILE.torn-B, or .torn-B.2 and so on where that is taken. */
static int
torn_create(
    const struct journal *j, const char *file, uint64_t seq, char name[80])
{
	int fd, i, n;

	for (i = 1; i <= TORN_COPIES_MAX; i++) {
		n = i == 1 ? snprintf(name, 80, "%s.torn-%" PRIu64, file, seq)
			   : snprintf(name, 80, "%s.torn-%" PRIu64 ".%d", file,
				 seq, i);
		CHECK(n > 0 && n < 80);
		fd = openat(j->dir_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/* The end of what is not zero. */
static int
torn_end(int fd, uint32_t from, uint32_t size, uint32_t *end)
{
	char octets[COPY_LEN];
	uint32_t at = from;
	ssize_t n, i;

	*end = from;
	while (at < size) {
		n = read_at(fd, octets, sizeof(octets), at);
		if (n <= 0)
			return (int)n;
		for (i = n; i > 0 && octets[i - 1] == '\0'; i--)
			continue;
		if (i > 0)
			*end = at + (uint32_t)i;
		at += (uint32_t)n;
	}
	return 0;
}

static int
octets_copy(int from_fd, uint32_t from, uint32_t end, int to_fd)
{
	char octets[COPY_LEN];
	uint32_t len;

	for (; from < end; from += len) {
		len = end - from < COPY_LEN ? end - from : COPY_LEN;
		if (read_at(from_fd, octets, len, from) != (ssize_t)len ||
		    file_write_all(to_fd, octets, len) != 0)
			return -1;
	}
	return 0;
}

/*
 * Copies the torn tail aside, then zeroes it. In this order, each flushed: a
 * crash in between finds the same tail again.
 */
static int
torn_cut(struct journal *j, struct jpos at)
{
	char file[SEGMENT_NAME_MAX], name[80];
	uint32_t size, end;
	int copy = -1, rc = -1, saved;
	int fd = segment_open(j->dir_fd, at.segment, O_RDWR, &size);

	if (fd < 0)
		return -1;
	segment_name(at.segment, file);
	if (torn_end(fd, at.offset, size, &end) != 0)
		goto done;
	copy = torn_create(j, file, at.seq, name);
	if (copy < 0)
		goto done;
	if (octets_copy(fd, at.offset, end, copy) != 0 ||
	    segment_sync(copy) != 0 || segment_sync(j->dir_fd) != 0) {
		saved = errno;
		(void)unlinkat(j->dir_fd, name, 0);
		errno = saved;
		goto done;
	}
	if (segment_zero(fd, at.offset, size) != 0 || segment_flush(fd) != 0)
		journal_die(j, at.segment, "cannot cut the torn tail");
	log_warn("a torn tail was cut off the journal: it was never durable",
	    LOG_C("dir", j->dir), LOG_C("file", file),
	    LOG_U("offset", at.offset), LOG_U("record", at.seq),
	    LOG_U("octets", end - at.offset), LOG_C("saved", name));
	j->was_torn = true;
	rc = 0;
done:
	saved = errno;
	if (copy >= 0)
		close(copy);
	close(fd);
	errno = saved;
	return rc;
}

/* ---- Starting: the unproven tail ---- */

/*
 * A flush that failed before the last crash may have left pages marked clean
 * that never reached the disk. Writing them again makes them dirty, and the
 * flush then tells the truth.
 */
static void
rewrite_segment(struct journal *j, uint32_t segment, uint32_t from)
{
	char octets[COPY_LEN];
	uint32_t size, len;
	int fd = segment_open(j->dir_fd, segment, O_RDWR, &size);

	if (fd < 0)
		journal_die(j, segment, "cannot open the journal again");
	if (segment == j->segment)
		size = j->end;
	for (; from < size; from += len) {
		len = size - from < COPY_LEN ? size - from : COPY_LEN;
		if (read_at(fd, octets, len, from) != (ssize_t)len ||
		    file_pwrite_all(fd, octets, len, from) != 0)
			journal_die(j, segment, "cannot rewrite the journal");
	}
	if (segment_flush(fd) != 0)
		journal_die(j, segment, "cannot flush the journal");
	close(fd);
}

static void
rewrite_unproven(struct journal *j, uint64_t proven)
{
	struct jpos from;
	uint32_t segment;

	if (proven >= j->last_seq)
		return;
	if (!record_find(j, proven + 1, &from))
		journal_die(j, j->segment, "the journal changed while read");
	for (segment = from.segment; segment <= j->segment; segment++)
		rewrite_segment(
		    j, segment, segment == from.segment ? from.offset : 0);
}

/* ---- Starting ---- */

struct opening {
	struct journal *j;
	const struct journal_conf *conf;
	bool (*replay)(void *, const struct record *, char *, size_t);
	void *ctx;
	char *error;
	size_t error_size;
};

static int
empty(int fd)
{
	int rc;

	do
		rc = ftruncate(fd, 0);
	while (rc != 0 && errno == EINTR);
	return rc;
}

static enum journal_open
open_lock(struct journal *j, const struct opening *o)
{
	char path[4096], text[32];
	ssize_t got;
	int n;

	n = snprintf(path, sizeof(path), "%s/lock", j->dir);
	if (n < 0 || (size_t)n >= sizeof(path))
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: the path is too long", j->dir);
	j->lock_fd =
	    flopen(path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0640);
	if (j->lock_fd < 0 && errno == EWOULDBLOCK) {
		n = open(path, O_RDONLY | O_CLOEXEC);
		got = n < 0 ? 0 : read_at(n, text, sizeof(text) - 1, 0);
		if (n >= 0)
			close(n);
		text[got > 0 ? got : 0] = '\0';
		text[strspn(text, "0123456789")] = '\0';
		return refuse(o->error, o->error_size, JOURNAL_LOCKED,
		    "%s: another process writes this journal (pid %s)", path,
		    text[0] != '\0' ? text : "unknown");
	}
	if (j->lock_fd < 0)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: %s", path, strerror(errno));
	/* For people who look: nothing reads it to decide anything. */
	n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (n < 0 || fchmod(j->lock_fd, 0640) != 0 || empty(j->lock_fd) != 0 ||
	    file_pwrite_all(j->lock_fd, text, (size_t)n, 0) != 0)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: %s", path, strerror(errno));
	return JOURNAL_OPENED;
}

static enum journal_open
open_dir(struct journal *j, const struct opening *o)
{
	struct stat st;

	if (stat(j->dir, &st) != 0 && errno == ENOENT &&
	    (file_mkdirs(j->dir, 0750) != 0 || chmod(j->dir, 0750) != 0 ||
		file_flush_dir_of(j->dir) != 0))
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: cannot make it: %s", j->dir, strerror(errno));
	j->dir_fd = open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (j->dir_fd < 0)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: %s", j->dir, strerror(errno));
	return open_lock(j, o);
}

static enum journal_open
open_conf(struct journal *j, const struct opening *o)
{
	const struct journal_conf *c = o->conf;
	int64_t room = c->segment_octets - SEGMENT_OVERHEAD;

	CHECK(c->side == SIDE_GATEWAY_JOURNAL || c->side == SIDE_BANK_JOURNAL);
	CHECK(str_copy(j->component, sizeof(j->component), c->component));
	CHECK(str_copy(j->name, sizeof(j->name), c->name));
	j->side = c->side;
	if (c->segment_octets < SEGMENT_OCTETS_MIN ||
	    c->segment_octets > SEGMENT_OCTETS_MAX)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: a segment of %" PRId64 " octets is not possible: "
		    "%d to %u are",
		    j->dir, c->segment_octets, SEGMENT_OCTETS_MIN,
		    (unsigned)SEGMENT_OCTETS_MAX);
	j->new_octets = (uint32_t)c->segment_octets;
	if (c->reserve_octets > room)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: what is in flight may need %" PRId64
		    " octets, and a segment of %" PRId64 " holds %" PRId64
		    ": make segments larger, or allow less "
		    "in flight",
		    j->dir, c->reserve_octets, c->segment_octets, room);
	return JOURNAL_OPENED;
}

/* Another component's or name's journal is the operator's mistake. */
static bool
is_ours(const struct journal *j, const struct reader_state *s)
{
	return strcmp(s->component, j->component) == 0 &&
	    strcmp(s->name, j->name) == 0;
}

/* Reads every record; *status is how the journal ends. */
static enum journal_open
open_replay(
    const struct opening *o, struct reader *r, enum reader_status *status)
{
	const struct reader_state *s = reader_state(r);
	struct record record;
	struct str text;

	while ((*status = reader_next(r, &record, &text)) == READER_RECORD) {
		if (s->last_seq == 1 && !is_ours(o->j, s))
			return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
			    "%s: this is the journal of %s %s, not of %s %s",
			    o->j->dir, s->component, s->name, o->j->component,
			    o->j->name);
		mark_record(o->j, record.pos);
		if (o->replay != NULL &&
		    !o->replay(o->ctx, &record, o->error, o->error_size))
			return JOURNAL_CORRUPT;
	}
	if (*status == READER_CORRUPT || *status == READER_ERROR)
		return refuse(o->error, o->error_size,
		    *status == READER_CORRUPT ? JOURNAL_CORRUPT
					      : JOURNAL_UNUSABLE,
		    "%s", reader_problem(r));
	return JOURNAL_OPENED;
}

/* Goes on where the reader found the end. */
static void
take_state(struct journal *j, const struct reader_state *s)
{
	j->uuid = s->journal;
	j->last_seq = j->durable_seq = s->last_seq;
	j->head = s->head;
	j->last_us = s->last_us;
	j->segment = s->segment;
	j->end = s->end;
	/* Each segment has a SEGMENT: then there is nothing else. */
	j->is_new = s->last_seq == s->segment;
}

static enum journal_open
open_read(const struct opening *o)
{
	struct journal *j = o->j;
	enum reader_status status;
	enum journal_open result;
	struct reader *r;

	if (reader_open(&r, j->dir, j->side, o->error, o->error_size) != 0)
		return JOURNAL_UNUSABLE;
	result = open_replay(o, r, &status);
	if (result != JOURNAL_OPENED)
		goto done;
	if (status == READER_TORN && torn_cut(j, reader_position(r)) != 0) {
		result = refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s; it cannot be cut off: %s", reader_problem(r),
		    strerror(errno));
		goto done;
	}
	take_state(j, reader_state(r));
	if (j->last_seq == 0)
		goto done;
	j->fd = segment_open(j->dir_fd, j->segment, O_RDWR, &j->size);
	if (j->fd < 0) {
		result = refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: segment %" PRIu32 ": %s", j->dir, j->segment,
		    strerror(errno));
		goto done;
	}
	rewrite_unproven(j, reader_state(r)->proven);
done:
	reader_close(r);
	return result;
}

/*
 * Behind the segment in use there may be empty ones: the first is the spare,
 * if new ones are still made in its size; others would stand in the way.
 */
static int
open_spare(struct journal *j, uint32_t last)
{
	char name[SEGMENT_NAME_MAX];
	uint32_t size, n;
	int fd;

	for (n = last; n > j->segment; n--) {
		fd = segment_open(j->dir_fd, n, O_RDWR, &size);
		if (fd < 0)
			return -1;
		if (n == j->segment + 1 && size == j->new_octets) {
			spare_found(&j->spare, fd, n, size);
			break;
		}
		close(fd);
		segment_name(n, name);
		if (unlinkat(j->dir_fd, name, 0) != 0)
			return -1;
	}
	return segment_sync(j->dir_fd);
}

/* A journal without any record begins. */
static int
open_begin(struct journal *j)
{
	uint32_t size = j->new_octets;

	digest_random(j->uuid.octets, sizeof(j->uuid.octets));
	/* RFC 9562, version 4. */
	j->uuid.octets[6] = (uint8_t)((j->uuid.octets[6] & 0x0f) | 0x40);
	j->uuid.octets[8] = (uint8_t)((j->uuid.octets[8] & 0x3f) | 0x80);
	j->fd = spare_take(&j->spare, j->dir_fd, 1, &size);
	if (j->fd < 0)
		return -1;
	j->segment = 1;
	j->size = size;
	j->end = 0;
	j->is_new = true;
	segment_begin(j, clock_wall_us());
	journal_flush(j);
	return 0;
}

/* With the disk full and little left, better not to start than to abort. */
static int
open_room(struct journal *j)
{
	uint32_t size = j->new_octets;
	int fd;

	if (j->spare.state == SPARE_READY || j->size - j->end > START_OCTETS ||
	    j->size <= START_OCTETS)
		return 0;
	fd = spare_take(&j->spare, j->dir_fd, j->segment + 1, &size);
	if (fd < 0)
		return -1;
	spare_found(&j->spare, fd, j->segment + 1, size);
	return 0;
}

static enum journal_open
open_all(const struct opening *o)
{
	struct journal *j = o->j;
	char name[SEGMENT_NAME_MAX];
	enum journal_open result;
	uint32_t last, missing;

	result = open_conf(j, o);
	if (result == JOURNAL_OPENED)
		result = open_dir(j, o);
	if (result != JOURNAL_OPENED)
		return result;
	if (segment_list(j->dir_fd, &last, &missing) != 0)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: %s", j->dir, strerror(errno));
	if (missing != 0) {
		segment_name(missing, name);
		return refuse(o->error, o->error_size, JOURNAL_CORRUPT,
		    "%s/%s: the segment is missing, and later ones are there",
		    j->dir, name);
	}
	if (last > 0)
		result = open_read(o);
	if (result != JOURNAL_OPENED)
		return result;
	if (segment_sweep(j->dir_fd) != 0 || open_spare(j, last) != 0 ||
	    (j->last_seq == 0 && open_begin(j) != 0) || open_room(j) != 0)
		return refuse(o->error, o->error_size, JOURNAL_UNUSABLE,
		    "%s: no segment can be made ready: %s", j->dir,
		    strerror(errno));
	return JOURNAL_OPENED;
}

static void
journal_free(struct journal *j)
{
	if (j->dir_fd >= 0)
		spare_drop(&j->spare, j->dir_fd);
	if (j->fd >= 0)
		close(j->fd);
	if (j->old_fd >= 0)
		close(j->old_fd);
	if (j->lock_fd >= 0)
		close(j->lock_fd);
	if (j->dir_fd >= 0)
		close(j->dir_fd);
	free(j->marks);
	free(j->batch);
	free(j->dir);
	free(j);
}

enum journal_open
journal_open(struct journal **out, const struct journal_conf *conf,
    bool (*replay)(
	void *ctx, const struct record *, char *error, size_t error_size),
    void *ctx, char *error, size_t error_size)
{
	struct journal *j = calloc(1, sizeof(*j));
	const struct opening o = {j, conf, replay, ctx, error, error_size};
	enum journal_open result;

	*out = NULL;
	if (j == NULL)
		return refuse(error, error_size, JOURNAL_UNUSABLE, "%s: %s",
		    conf->dir, strerror(errno));
	j->fd = j->old_fd = j->dir_fd = j->lock_fd = -1;
	j->dir = strdup(conf->dir);
	j->batch = malloc(BATCH_MAX);
	if (j->dir == NULL || j->batch == NULL)
		result = refuse(error, error_size, JOURNAL_UNUSABLE, "%s: %s",
		    conf->dir, strerror(errno));
	else
		result = open_all(&o);
	if (result == JOURNAL_OPENED)
		*out = j;
	else
		journal_free(j);
	return result;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	journal_flush(j);
	journal_free(j);
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

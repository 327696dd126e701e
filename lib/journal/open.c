/* Starting: what was written is verified, replayed and made ready to go on. */
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

#define COPY_LEN 65536
#define TORN_COPIES_MAX 100
/* What a start needs when the disk is full: BOOT, and a little to finish. */
#define START_OCTETS (16 * LINE_MAX_LEN)

enum journal_open
refuse(char *error, size_t error_size, enum journal_open result,
    const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(error, error_size, format, ap);
	va_end(ap);
	return result;
}

/* ---- Starting: a torn tail ---- */

/* Opens SEGMENTFILE.torn-B, or .torn-B.2 and so on where that is taken. */
static int
torn_create(
    const struct journal *j, const char *file, uint64_t seq, char name[80])
{
	int fd, i, n, saved;

	for (i = 1; i <= TORN_COPIES_MAX; i++) {
		n = i == 1 ? snprintf(name, 80, "%s.torn-%" PRIu64, file, seq)
			   : snprintf(name, 80, "%s.torn-%" PRIu64 ".%d", file,
				 seq, i);
		CHECK(n > 0 && n < 80);
		fd = openat(j->dir_fd, name,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd < 0 && errno == EEXIST)
			continue;
		/* Whatever the umask, as strife-journal(5) says. */
		if (fd < 0 || fchmod(fd, 0640) == 0)
			return fd;
		saved = errno;
		(void)unlinkat(j->dir_fd, name, 0);
		close(fd);
		errno = saved;
		return -1;
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
		n = file_read_at(fd, octets, sizeof(octets), at);
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
		if (file_read_at(from_fd, octets, len, from) != (ssize_t)len ||
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
		if (file_read_at(fd, octets, len, from) != (ssize_t)len ||
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
	j->lock_fd = flopen(
	    path, O_RDWR | O_CREAT | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (j->lock_fd < 0 && errno == EWOULDBLOCK) {
		n = open(path, O_RDONLY | O_CLOEXEC);
		got = n < 0 ? 0 : file_read_at(n, text, sizeof(text) - 1, 0);
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
	int64_t room = c->segment_octets - JOURNAL_OVERHEAD;

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

bool
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
		o->j->last_at = record.pos;
		o->j->octets += text.len + 1;
		o->j->replayed++;
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

	result = journal_resume(o, &r);
	if (result != JOURNAL_OPENED)
		return result;
	if (r == NULL &&
	    reader_open(&r, j->dir, j->side, o->error, o->error_size) != 0)
		return JOURNAL_UNUSABLE;
	result = open_replay(o, r, &status);
	if (result != JOURNAL_OPENED)
		goto done;
	if (j->core != NULL)
		log_info("the journal is replayed", LOG_C("dir", j->dir),
		    LOG_U("snapshot", j->snapshot_seq),
		    LOG_U("records", j->replayed));
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
	result = last > 0 ? open_read(o) : journal_begins(o);
	if (result != JOURNAL_OPENED)
		return result;
	beside_sweep(j->dir_fd);
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
	taker_drop(j);
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
	j->core = conf->core;
	j->core_ctx = ctx;
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

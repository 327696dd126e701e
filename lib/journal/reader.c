#include "journal/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hex.h"
#include "journal/segment.h"

#define WINDOW_LEN (32 * LINE_MAX_LEN)
/*
 * A disk writes whole sectors, so within one a torn write leaves no zeros
 * between octets that arrived.
 */
#define SECTOR_LEN 512

struct reader {
	char *dir;
	int dir_fd;
	enum side side;
	int fd; /* of the segment below, -1: not open */
	uint32_t segment, size, offset;
	char *window; /* the file's octets from window_at on */
	uint32_t window_at, window_len;
	struct reader_state state;
	struct line line;
	struct msg msg;
	const char *why; /* what is wrong with the record at offset */
	char problem[1024];
};

static const char not_follows[] =
    "its check does not follow from the record before it";

/* ---- Where things are ---- */

const struct reader_state *
reader_state(const struct reader *r)
{
	return &r->state;
}

struct jpos
reader_position(const struct reader *r)
{
	return (struct jpos){r->state.last_seq + 1, r->segment, r->offset};
}

enum side
reader_side(const struct reader *r)
{
	return r->side;
}

const char *
reader_problem(const struct reader *r)
{
	return r->problem;
}

static enum reader_status
problem(struct reader *r, enum reader_status status, const char *what)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(r->segment, name);
	(void)snprintf(r->problem, sizeof(r->problem),
	    "%s/%s: offset %" PRIu32 ": record %" PRIu64 ": %s", r->dir, name,
	    r->offset, r->state.last_seq + 1, what);
	return status;
}

static enum reader_status
problem_errno(struct reader *r)
{
	char name[SEGMENT_NAME_MAX];

	segment_name(r->segment, name);
	(void)snprintf(r->problem, sizeof(r->problem), "%s/%s: %s", r->dir,
	    name,
	    errno == EINVAL ? "not a regular file, or 4 GiB and more"
			    : strerror(errno));
	return READER_ERROR;
}

/* ---- The window ---- */

/*
 * Octets of the current segment from offset on, len of them or up to the end
 * of the file: the number, or -1 with errno.
 */
static ssize_t
view(struct reader *r, uint32_t offset, uint32_t len, const char **at)
{
	uint32_t left = offset < r->size ? r->size - offset : 0;
	ssize_t n;

	if (len > left)
		len = left;
	if (offset < r->window_at ||
	    offset + len > r->window_at + r->window_len) {
		r->window_at = offset;
		r->window_len = 0;
		while (r->window_len < WINDOW_LEN) {
			n = pread(r->fd, r->window + r->window_len,
			    WINDOW_LEN - r->window_len,
			    (off_t)offset + r->window_len);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return -1;
			if (n == 0)
				break;
			r->window_len += (uint32_t)n;
		}
		if (len > r->window_len)
			len = r->window_len; /* cut while we read */
	}
	*at = r->window + (offset - r->window_at);
	return (ssize_t)len;
}

/* The line that starts at offset: 1, 0 where there is no LF, -1 with errno. */
static int
view_line(struct reader *r, uint32_t offset, struct str *text)
{
	const char *at, *lf;
	ssize_t n = view(r, offset, RECORD_MAX, &at);

	if (n < 0)
		return -1;
	*text = (struct str){at, (uint32_t)n};
	lf = n > 0 ? memchr(at, '\n', (size_t)n) : NULL;
	if (lf == NULL)
		return 0;
	text->len = (uint32_t)(lf - at);
	return 1;
}

/* ---- One record ---- */

/* A SEGMENT record tells whose journal this is, and which part of it. */
static const char *
look_segment(struct reader *r)
{
	const struct msg *m = &r->msg;
	struct reader_state *s = &r->state;

	if (m->v[KEY_version].u64 != 1)
		return "this version of the format is not known";
	if (m->v[KEY_segment].u64 != r->segment)
		return "the segment has the number of another";
	if (!check_eq(&m->v[KEY_prev].check, &s->head))
		return "the segment does not follow the one before it";
	if (s->last_seq > 0) {
		if (!id_eq(&m->v[KEY_journal].id, &s->journal))
			return "the segment belongs to another journal";
		if (!str_is(m->v[KEY_component].str, s->component) ||
		    !str_is(m->v[KEY_name].str, s->name))
			return "the segment has another component or name";
		return NULL;
	}
	s->journal = m->v[KEY_journal].id;
	if (!str_copy(
		s->component, sizeof(s->component), m->v[KEY_component].str) ||
	    !str_copy(s->name, sizeof(s->name), m->v[KEY_name].str))
		return "the component or the name is too long";
	return NULL;
}

/* Which journal it is follows from its first record. */
static const char *
look_side(struct reader *r)
{
	struct str component = r->msg.v[KEY_component].str;

	if (str_is(component, "gatewayd"))
		r->side = SIDE_GATEWAY_JOURNAL;
	else if (str_is(component, "bankd"))
		r->side = SIDE_BANK_JOURNAL;
	else
		return "the component is unknown";
	if (r->side == SIDE_BANK_JOURNAL)
		r->msg.verb = VERB_BANK_JOURNAL_SEGMENT;
	return NULL;
}

static bool
is_segment_record(enum verb verb)
{
	return verb == VERB_GATEWAY_JOURNAL_SEGMENT ||
	    verb == VERB_BANK_JOURNAL_SEGMENT;
}

/* What the line with the right check says: NULL, or what is wrong with it. */
static const char *
look_content(struct reader *r, struct str text)
{
	enum side side = r->side == SIDE_COUNT ? SIDE_GATEWAY_JOURNAL : r->side;
	const char *why;
	uint64_t seq;

	why = record_type(&r->line, &r->msg, &seq, side, text);
	if (why != NULL)
		return why;
	if (seq != r->state.last_seq + 1)
		return "it has another sequence number";
	if (r->msg.v[KEY_flushed].u64 >= seq)
		return "it says that it was durable before it was written";
	if (is_segment_record(r->msg.verb) != (r->offset == 0))
		return "SEGMENT is the first record of a segment, and only it";
	if (r->offset != 0)
		return NULL;
	why = look_segment(r);
	if (why == NULL && r->side == SIDE_COUNT)
		why = look_side(r);
	return why;
}

/* Is there a good record at offset? 1, 0 with why, -1 with errno. */
static int
look(struct reader *r, struct str *text, struct check *check)
{
	int rc = view_line(r, r->offset, text);

	if (rc < 0)
		return -1;
	r->why = not_follows;
	if (rc == 0 || !record_check_follows(*text, &r->state.head, check))
		return 0;
	r->why = look_content(r, *text);
	return r->why == NULL;
}

static enum reader_status
accept_record(
    struct reader *r, struct str text, struct check check, struct record *out)
{
	struct reader_state *s = &r->state;

	*out = (struct record){
	    .msg = &r->msg,
	    .pos = {s->last_seq + 1, r->segment, r->offset},
	    .check = check,
	};
	s->last_seq++;
	s->head = check;
	s->last_us = r->msg.v[KEY_time].i64;
	if (r->msg.v[KEY_flushed].u64 > s->proven)
		s->proven = r->msg.v[KEY_flushed].u64;
	r->offset += text.len + 1;
	s->segment = r->segment;
	s->end = r->offset;
	return READER_RECORD;
}

/* ---- The first bad record: what is it? (JOURNAL.md, Starting) ---- */

/* The first later segment that is not all zeros, 0: none; -1 with errno. */
static int
later_segment(struct reader *r, uint32_t *later)
{
	uint32_t n, size;
	int fd, zero;

	*later = 0;
	for (n = r->segment + 1; n <= SEGMENT_MAX; n++) {
		fd = segment_open(r->dir_fd, n, O_RDONLY, &size);
		if (fd < 0)
			return errno == ENOENT ? 0 : -1;
		/* None is made without octets: an empty file was cut. */
		zero = size == 0 ? 0 : segment_zero_from(fd, 0);
		close(fd);
		if (zero < 0)
			return -1;
		if (zero == 0) {
			*later = n;
			return 0;
		}
	}
	return 0;
}

/*
 * How the line at offset ends: at its LF, at a zero octet (*end is where), or
 * at the end of the file. -1 with errno.
 */
enum line_end {
	LINE_END_ERROR = -1,
	LINE_END_LF,
	LINE_END_ZERO,
	LINE_END_FILE
};

static enum line_end
line_end(struct reader *r, uint32_t *end)
{
	const char *at;
	uint32_t offset = r->offset;
	ssize_t n, i;

	while ((n = view(r, offset, LINE_MAX_LEN, &at)) > 0) {
		for (i = 0; i < n; i++) {
			if (at[i] != '\n' && at[i] != '\0')
				continue;
			*end = offset + (uint32_t)i;
			return at[i] == '\n' ? LINE_END_LF : LINE_END_ZERO;
		}
		offset += (uint32_t)n;
	}
	return n < 0 ? LINE_END_ERROR : LINE_END_FILE;
}

/*
 * Is the record's check right but no LF behind it? Then the LF has rotted:
 * unless the next sector begins there and is zeros, which is how a torn write
 * leaves it. 1, 0, or -1 with errno.
 */
static int
lf_is_lost(struct reader *r)
{
	const char *at;
	struct check check;
	uint32_t after, len;
	ssize_t n = view(r, r->offset, LINE_MAX_LEN, &at);

	if (n < 0)
		return -1;
	for (len = CHECK_FIELD_LEN; (ssize_t)len <= n; len++) {
		if (at[len - CHECK_FIELD_LEN] != ' ' ||
		    !record_check_follows(
			(struct str){at, len}, &r->state.head, &check))
			continue;
		after = r->offset + len;
		if ((ssize_t)len < n && at[len] == '\0' &&
		    after % SECTOR_LEN == 0)
			return 0;
		return 1;
	}
	return 0;
}

/* The `flushed` of a record whose check is right. */
static uint64_t
flushed_of(struct str text)
{
	static const char field[] = " flushed=";
	const char *at, *end = text.at + text.len;
	uint64_t n = 0;

	at = memmem(text.at, text.len, field, sizeof(field) - 1);
	if (at == NULL)
		return 0;
	for (at += sizeof(field) - 1;
	     at < end && *at >= '0' && *at <= '9' && n < UINT64_MAX / 10 - 9;
	     at++)
		n = n * 10 + (uint64_t)(*at - '0');
	return n;
}

/*
 * Does an intact record behind offset say that record seq was durable? Intact:
 * its check follows from the check that the line before it ends with, whatever
 * else became of that line. 1, 0, or -1 with errno.
 */
static int
later_record_proves(struct reader *r, uint64_t seq)
{
	struct check check, said = {{0}};
	uint32_t offset = r->offset;
	bool have = false;
	struct str text;
	int rc;

	while (offset < r->size) {
		rc = view_line(r, offset, &text);
		if (rc < 0)
			return -1;
		if (rc == 0) {
			/* The end of a longer line is all that is wanted. */
			have = false;
			offset += text.len > LINE_MAX_LEN / 2 ? LINE_MAX_LEN / 2
							      : text.len + 1;
			continue;
		}
		if (have && record_check_follows(text, &said, &check) &&
		    flushed_of(text) >= seq)
			return 1;
		have = text.len >= CHECK_HEX_LEN &&
		    hex_read(said.octets, sizeof(said.octets),
			(struct str){
			    text.at + text.len - CHECK_HEX_LEN, CHECK_HEX_LEN});
		offset += text.len + 1;
	}
	return 0;
}

/* A bad record in the last segment that holds any: torn, or corrupt? */
static enum reader_status
judge_bad(struct reader *r)
{
	uint32_t end;
	int rc;

	switch (line_end(r, &end)) {
	case LINE_END_ERROR:
		return problem_errno(r);
	case LINE_END_FILE:
		return problem(r, READER_CORRUPT,
		    "the file was cut: a segment ends with a zero octet");
	case LINE_END_LF:
		return problem(r, READER_CORRUPT, r->why);
	case LINE_END_ZERO:
		break;
	}
	rc = lf_is_lost(r);
	if (rc > 0)
		return problem(
		    r, READER_CORRUPT, "its check is right but no LF follows");
	if (rc == 0)
		rc = later_record_proves(r, r->state.last_seq + 1);
	if (rc < 0)
		return problem_errno(r);
	if (rc > 0)
		return problem(r, READER_CORRUPT,
		    "it is damaged or lost, and a later record says that it "
		    "was durable");
	return problem(r, READER_TORN, "a torn write, never durable");
}

/*
 * There is no good record at offset. READER_RECORD here: none, but the next
 * segment goes on.
 */
static enum reader_status
judge(struct reader *r)
{
	uint32_t later;
	int zero;

	zero = segment_zero_from(r->fd, r->offset);
	if (zero < 0 || later_segment(r, &later) != 0)
		return problem_errno(r);
	if (later != 0 && zero == 0)
		return problem(r, READER_CORRUPT, r->why);
	if (later == r->segment + 1)
		return READER_RECORD;
	if (later != 0)
		return problem(r, READER_CORRUPT,
		    "it is missing: an empty segment stands before one that "
		    "is not");
	if (zero == 0)
		return judge_bad(r);
	if (r->offset >= r->size)
		return problem(r, READER_CORRUPT,
		    "the file was cut: a segment ends with a zero octet");
	return READER_END;
}

/* ---- Reading ---- */

static int
enter_segment(struct reader *r, uint32_t number)
{
	if (r->fd >= 0)
		close(r->fd);
	r->segment = number;
	r->offset = r->window_at = r->window_len = 0;
	r->fd = segment_open(r->dir_fd, number, O_RDONLY, &r->size);
	return r->fd < 0 ? -1 : 0;
}

enum reader_status
reader_next(struct reader *r, struct record *out, struct str *text)
{
	enum reader_status status;
	struct check check;
	int rc;

	for (;;) {
		rc = look(r, text, &check);
		if (rc > 0)
			return accept_record(r, *text, check, out);
		if (rc < 0)
			return problem_errno(r);
		status = judge(r);
		/*
		 * The journal may be being written: then what was seen last
		 * was written last, so whatever would prove the record at
		 * offset lost or damaged proves that it can be read by now.
		 */
		r->window_len = 0;
		rc = look(r, text, &check);
		if (rc > 0)
			return accept_record(r, *text, check, out);
		r->window_len = 0;
		if (status != READER_RECORD)
			return status;
		if (enter_segment(r, r->segment + 1) != 0)
			return problem_errno(r);
	}
}

static int
open_failed(char *error, size_t error_size, const char *dir, const char *why)
{
	(void)snprintf(error, error_size, "%s: %s", dir, why);
	return -1;
}

/* Enters a segment; with error filled where that is not possible. */
static int
open_segment(struct reader *r, uint32_t number, char *error, size_t error_size)
{
	if (enter_segment(r, number) == 0)
		return 0;
	(void)problem_errno(r);
	(void)snprintf(error, error_size, "%s", r->problem);
	return -1;
}

static int
open_first(struct reader *r, char *error, size_t error_size)
{
	char why[80], name[SEGMENT_NAME_MAX];
	uint32_t last, missing;

	if (segment_list(r->dir_fd, &last, &missing) != 0)
		return open_failed(error, error_size, r->dir, strerror(errno));
	if (missing != 0) {
		segment_name(missing, name);
		(void)snprintf(why, sizeof(why),
		    "a segment is missing: %s, of %" PRIu32, name, last);
		return open_failed(error, error_size, r->dir, why);
	}
	if (last == 0)
		return open_failed(
		    error, error_size, r->dir, "there is no journal here");
	return open_segment(r, 1, error, error_size);
}

/* A reader without a segment, or NULL with error filled. */
static struct reader *
reader_new(const char *dir, enum side side, char *error, size_t error_size)
{
	struct reader *r = calloc(1, sizeof(*r));

	CHECK(side == SIDE_GATEWAY_JOURNAL || side == SIDE_BANK_JOURNAL ||
	    side == SIDE_COUNT);
	if (r == NULL) {
		(void)open_failed(error, error_size, dir, strerror(errno));
		return NULL;
	}
	r->side = side;
	r->fd = r->dir_fd = -1;
	r->dir = strdup(dir);
	r->window = malloc(WINDOW_LEN);
	if (r->dir != NULL && r->window != NULL)
		r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r->dir_fd >= 0)
		return r;
	(void)open_failed(error, error_size, dir, strerror(errno));
	reader_close(r);
	return NULL;
}

int
reader_open(struct reader **out, const char *dir, enum side side, char *error,
    size_t error_size)
{
	*out = reader_new(dir, side, error, error_size);
	if (*out == NULL)
		return -1;
	if (open_first(*out, error, error_size) == 0)
		return 0;
	reader_close(*out);
	*out = NULL;
	return -1;
}

int
reader_open_at(struct reader **out, const char *dir, enum side side,
    const struct reader_state *state)
{
	char error[sizeof((*out)->problem)];
	int saved;

	*out = reader_new(dir, side, error, sizeof(error));
	if (*out == NULL)
		return -1;
	(*out)->state = *state;
	if (enter_segment(*out, state->segment + 1) == 0)
		return 0;
	saved = errno;
	reader_close(*out);
	*out = NULL;
	errno = saved;
	return -1;
}

void
reader_close(struct reader *r)
{
	if (r == NULL)
		return;
	if (r->fd >= 0)
		close(r->fd);
	if (r->dir_fd >= 0)
		close(r->dir_fd);
	free(r->window);
	free(r->dir);
	free(r);
}

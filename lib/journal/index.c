#include "journal/index.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "journal/private.h"

#define MARK_OCTETS 12
#define NOTE_OCTETS 32
/* More than any segment makes: its shortest record with an id is longer. */
#define BODY_MAX ((size_t)SEGMENT_OCTETS_MAX)

void
index_name(uint32_t segment, char into[INDEX_NAME_MAX])
{
	int n = snprintf(into, INDEX_NAME_MAX, "%08u.index", segment);

	CHECK(n > 0 && n < INDEX_NAME_MAX);
}

/* ---- Numbers ---- */

static void
put_u32(char *into, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		into[i] = (char)(uint8_t)(number >> (24 - 8 * i));
}

static uint32_t
get_u32(const char *from)
{
	uint32_t number = 0;

	for (int i = 0; i < 4; i++)
		number = number << 8 | (uint8_t)from[i];
	return number;
}

static void
put_mark(char into[MARK_OCTETS], struct jpos pos)
{
	put_u32(into, (uint32_t)(pos.seq >> 32));
	put_u32(into + 4, (uint32_t)pos.seq);
	put_u32(into + 8, pos.offset);
}

static void
put_note(char into[NOTE_OCTETS], const struct id_note *note)
{
	memset(into, 0, NOTE_OCTETS);
	memcpy(into, note->id.octets, sizeof(note->id.octets));
	put_u32(into + 16, note->at.offset);
	put_u32(into + 20, note->before.segment);
	put_u32(into + 24, note->before.offset);
	into[28] = (char)note->kind;
}

struct jpos
index_mark(const struct index *x, uint32_t segment, uint64_t i)
{
	const char *at = x->octets + x->marks_at + i * MARK_OCTETS;

	CHECK(i < x->marks);
	return (struct jpos){(uint64_t)get_u32(at) << 32 | get_u32(at + 4),
	    segment, get_u32(at + 8)};
}

struct id_note
index_note(const struct index *x, uint32_t segment, uint64_t i)
{
	const char *at = x->octets + x->notes_at + i * NOTE_OCTETS;
	struct id_note note = {
	    .at = {0, segment, get_u32(at + 16)},
	    .before = {0, get_u32(at + 20), get_u32(at + 24)},
	    .kind = (uint8_t)at[28],
	};

	CHECK(i < x->notes);
	memcpy(note.id.octets, at, sizeof(note.id.octets));
	return note;
}

void
index_free(struct index *x)
{
	free(x->octets);
	*x = (struct index){.octets = NULL};
}

/* ---- The first line ---- */

/* Over the line but its last field, and what follows it. */
static struct check
check_of(struct str bare, const char *body, size_t len)
{
	const struct str parts[] = {bare, {body, (uint32_t)len}};
	uint8_t digest[32];
	struct check check;

	digest_sha256(parts, 2, digest);
	memcpy(check.octets, digest, sizeof(check.octets));
	return check;
}

/* The segment file's size, 0: it is not there. */
static uint64_t
segment_octets(const struct index_source *source, uint32_t segment)
{
	char name[SEGMENT_NAME_MAX];
	struct stat st;

	segment_name(segment, name);
	if (fstatat(source->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return 0;
	return (uint64_t)st.st_size;
}

/* Does the line fit the segment, and what came before it? */
static bool
follows(const struct index_source *source, const struct msg *m,
    uint32_t segment, const struct reader_state *before)
{
	return m->v[KEY_version].u64 == 1 && m->v[KEY_segment].u64 == segment &&
	    m->v[KEY_octets].u64 == segment_octets(source, segment) &&
	    m->v[KEY_seq].u64 > before->last_seq &&
	    check_eq(&m->v[KEY_prev].check, &before->head) &&
	    id_eq(&m->v[KEY_journal].id, &source->journal);
}

static void
go_behind(struct reader_state *state, const struct msg *m, uint32_t segment)
{
	state->journal = m->v[KEY_journal].id;
	state->last_seq = m->v[KEY_seq].u64;
	state->head = m->v[KEY_head].check;
	state->last_us = m->v[KEY_time].i64;
	state->segment = segment;
}

/* The line at the start of octets, without LF; false: there is none. */
static bool
first_line(const char *octets, size_t len, struct str *text, struct line *line,
    struct msg *m)
{
	const char *lf = memchr(octets, '\n', len);
	struct msg_problem problem;

	if (lf == NULL || lf - octets >= LINE_MAX_LEN)
		return false;
	*text = (struct str){octets, (uint32_t)(lf - octets)};
	return line_split(line, *text) == LINE_OK &&
	    msg_request(m, line, SIDE_SNAPSHOT, &problem) == LINE_OK &&
	    m->verb == VERB_SNAPSHOT_INDEX;
}

static int
open_index(const struct index_source *source, uint32_t segment)
{
	char name[INDEX_NAME_MAX];

	index_name(segment, name);
	return openat(source->dir_fd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
}

bool
index_skip(const struct index_source *source, uint32_t segment,
    struct reader_state *state)
{
	int fd = open_index(source, segment);
	char octets[LINE_MAX_LEN];
	struct line line;
	struct str text;
	struct msg m;
	ssize_t n;
	bool good;

	if (fd < 0)
		return false;
	n = file_read_at(fd, octets, sizeof(octets), 0);
	close(fd);
	good = n > 0 && first_line(octets, (size_t)n, &text, &line, &m) &&
	    follows(source, &m, segment, state);
	if (good)
		go_behind(state, &m, segment);
	return good;
}

/* ---- Reading ---- */

static bool
read_whole(int fd, struct index *x)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
	    (uint64_t)st.st_size > BODY_MAX)
		return false;
	x->len = (size_t)st.st_size;
	x->octets = malloc(x->len);
	return x->octets != NULL &&
	    file_read_at(fd, x->octets, x->len, 0) == (ssize_t)x->len;
}

/* Is the file what its first line says? */
static bool
is_whole(struct index *x, struct str text, const struct msg *m)
{
	size_t body = text.len + 1;
	struct check check;

	/* Neither count can be so large that this overflows. */
	x->marks = m->v[KEY_marks].u64;
	x->notes = m->v[KEY_count].u64;
	if (x->marks > x->len / MARK_OCTETS || x->notes > x->len / NOTE_OCTETS)
		return false;
	x->marks_at = body;
	x->notes_at = body + x->marks * MARK_OCTETS;
	if (text.len < CHECK_FIELD_LEN ||
	    x->notes_at + x->notes * NOTE_OCTETS != x->len)
		return false;
	check = check_of((struct str){text.at, text.len - CHECK_FIELD_LEN},
	    x->octets + body, x->len - body);
	return check_eq(&check, &m->v[KEY_check].check);
}

bool
index_load(const struct index_source *source, uint32_t segment,
    struct reader_state *state, struct index *x)
{
	int fd = open_index(source, segment);
	struct line line;
	struct str text;
	struct msg m;
	bool good;

	*x = (struct index){.octets = NULL};
	if (fd < 0)
		return false;
	good = read_whole(fd, x) &&
	    first_line(x->octets, x->len, &text, &line, &m) &&
	    follows(source, &m, segment, state) && is_whole(x, text, &m);
	close(fd);
	if (good)
		go_behind(state, &m, segment);
	else
		index_free(x);
	return good;
}

/* ---- Making ---- */

struct making {
	struct buffer marks, notes;
	uint64_t mark_count, note_count;
};

static bool
make_record(const struct index_source *source, struct making *k,
    const struct record *record)
{
	char mark[MARK_OCTETS], octets[NOTE_OCTETS];
	struct id_note note;

	if (record_is_marked(record->pos)) {
		put_mark(mark, record->pos);
		if (buffer_append(&k->marks, mark, sizeof(mark)) != 0)
			return false;
		k->mark_count++;
	}
	if (!source->note(record, &note))
		return true;
	put_note(octets, &note);
	k->note_count++;
	return buffer_append(&k->notes, octets, sizeof(octets)) == 0;
}

__attribute__((format(printf, 2, 3))) static int
fail(const struct index_source *source, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(source->error, source->error_size, format, ap);
	va_end(ap);
	return -1;
}

static int
no_memory(const struct index_source *source)
{
	return fail(source, "%s: no memory for an index", source->dir);
}

/* Reads the segment up to its last record. */
static int
make_body(const struct index_source *source, uint32_t segment,
    struct reader_state *state, struct making *k)
{
	enum reader_status status;
	struct record record;
	struct reader *r;
	struct str text;
	int rc = 0;

	if (reader_open_at(&r, source->dir, source->side, state) != 0)
		return fail(source, "%s: segment %" PRIu32 ": %s", source->dir,
		    segment, strerror(errno));
	while ((status = reader_next(r, &record, &text)) == READER_RECORD &&
	    record.pos.segment == segment && rc == 0) {
		if (!make_record(source, k, &record))
			rc = no_memory(source);
		*state = *reader_state(r);
	}
	if (status == READER_CORRUPT || status == READER_ERROR)
		rc = fail(source, "%s", reader_problem(r));
	reader_close(r);
	return rc;
}

/* The first line and the body, one after the other. */
static bool
join(struct index *x, const struct msg *m, const struct making *k)
{
	size_t marks = buffer_len(&k->marks), notes = buffer_len(&k->notes);
	struct msg whole = *m;
	char line[LINE_MAX_LEN];
	struct check check = {{0}};
	size_t len;

	/* Its length is known once it has a check, whichever. */
	msg_set_check(&whole, KEY_check, &check);
	len = msg_encode(&whole, line);
	CHECK(len > CHECK_FIELD_LEN);
	x->len = len + marks + notes;
	x->octets = malloc(x->len);
	if (x->octets == NULL || x->len > BODY_MAX)
		return false;
	x->marks = k->mark_count;
	x->notes = k->note_count;
	x->marks_at = len;
	x->notes_at = len + marks;
	if (marks > 0)
		memcpy(x->octets + len, buffer_at(&k->marks), marks);
	if (notes > 0)
		memcpy(x->octets + x->notes_at, buffer_at(&k->notes), notes);
	check =
	    check_of((struct str){line, (uint32_t)len - 1 - CHECK_FIELD_LEN},
		x->octets + len, marks + notes);
	msg_set_check(&whole, KEY_check, &check);
	CHECK(msg_encode(&whole, line) == len);
	memcpy(x->octets, line, len);
	return true;
}

/* The first line, but for the check. */
static void
describe(const struct index_source *source, struct msg *m,
    const struct reader_state *before, const struct reader_state *state,
    const struct making *k)
{
	msg_init(m, MSG_REQUEST, VERB_SNAPSHOT_INDEX, "1");
	msg_set_u64(m, KEY_version, 1);
	msg_set_id(m, KEY_journal, &state->journal);
	msg_set_u64(m, KEY_segment, state->segment);
	msg_set_u64(m, KEY_octets, segment_octets(source, state->segment));
	msg_set_u64(m, KEY_seq, state->last_seq);
	msg_set_check(m, KEY_prev, &before->head);
	msg_set_check(m, KEY_head, &state->head);
	msg_set_i64(m, KEY_time, state->last_us);
	msg_set_u64(m, KEY_marks, k->mark_count);
	msg_set_u64(m, KEY_count, k->note_count);
}

int
index_make(const struct index_source *source, uint32_t segment,
    struct reader_state *state, struct index *x)
{
	const struct reader_state before = *state;
	struct making k = {.mark_count = 0};
	struct msg m;
	int rc;

	*x = (struct index){.octets = NULL};
	buffer_init(&k.marks, BODY_MAX);
	buffer_init(&k.notes, BODY_MAX);
	rc = make_body(source, segment, state, &k);
	if (rc == 0) {
		describe(source, &m, &before, state, &k);
		if (!join(x, &m, &k)) {
			index_free(x);
			rc = no_memory(source);
		}
	}
	buffer_free(&k.marks);
	buffer_free(&k.notes);
	return rc;
}

int
index_write(
    const struct index_source *source, uint32_t segment, const struct index *x)
{
	char name[INDEX_NAME_MAX];
	struct beside b;

	index_name(segment, name);
	if (beside_create(&b, source->dir_fd, name) != 0)
		return -1;
	if (file_write_all(b.fd, x->octets, x->len) != 0) {
		beside_discard(&b);
		return -1;
	}
	return beside_finish(&b);
}

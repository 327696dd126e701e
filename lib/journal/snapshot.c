#include "journal/snapshot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "journal/private.h"

/*
 * Flushed this often: dirty pages piled up in one go would stand in the way of
 * the journal's own flushes.
 */
#define FLUSH_OCTETS (4u << 20)
#define WINDOW_LEN (32 * LINE_MAX_LEN)
#define SEQ_DIGITS 16 /* as a tag */

/* ---- Names ---- */

void
snapshot_name(uint64_t seq, char into[SNAPSHOT_NAME_MAX])
{
	int n =
	    snprintf(into, SNAPSHOT_NAME_MAX, "%016" PRIu64 ".snapshot", seq);

	CHECK(n > 0 && n < SNAPSHOT_NAME_MAX);
}

static bool
name_seq(const char *name, uint64_t *seq)
{
	uint64_t n = 0;

	for (int i = 0; i < SEQ_DIGITS; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(name[i] - '0');
	}
	*seq = n;
	return n > 0 && strcmp(name + SEQ_DIGITS, ".snapshot") == 0;
}

/* Keeps the newest ones, in order; returns what falls out, or 0. */
static uint64_t
insert(uint64_t seqs[SNAPSHOTS_MAX], int *count, uint64_t seq)
{
	uint64_t out = *count == SNAPSHOTS_MAX ? seqs[SNAPSHOTS_MAX - 1] : 0;
	int at;

	if (*count == SNAPSHOTS_MAX && seq < out)
		return seq;
	if (*count < SNAPSHOTS_MAX)
		++*count;
	for (at = *count - 1; at > 0 && seqs[at - 1] < seq; at--)
		seqs[at] = seqs[at - 1];
	seqs[at] = seq;
	return out;
}

int
snapshot_list(int dir_fd, uint64_t seqs[SNAPSHOTS_MAX])
{
	DIR *dir = directory_open(dir_fd);
	struct dirent *entry;
	uint64_t seq;
	int count = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		if (name_seq(entry->d_name, &seq))
			(void)insert(seqs, &count, seq);
	closedir(dir);
	return count;
}

void
snapshot_prune(int dir_fd, uint64_t seq)
{
	uint64_t seqs[SNAPSHOTS_MAX];
	char name[SNAPSHOT_NAME_MAX];
	int count = snapshot_list(dir_fd, seqs), kept = 0;

	for (int i = 0; i < count; i++) {
		kept += seqs[i] <= seq ? 1 : 0;
		if (kept <= SNAPSHOTS_KEPT)
			continue;
		snapshot_name(seqs[i], name);
		(void)unlinkat(dir_fd, name, 0);
	}
}

/* ---- Writing ---- */

struct writer {
	int fd;
	size_t len;
	uint64_t lines;
	uint32_t unflushed;
	struct check check; /* of the lines so far */
	bool failed;
	char octets[WINDOW_LEN];
};

static bool
writer_flush(struct writer *w)
{
	if (!w->failed && w->len > 0 &&
	    file_write_all(w->fd, w->octets, w->len) != 0)
		w->failed = true;
	w->unflushed += (uint32_t)w->len;
	w->len = 0;
	if (!w->failed && w->unflushed >= FLUSH_OCTETS) {
		w->failed = segment_flush(w->fd) != 0;
		w->unflushed = 0;
	}
	return !w->failed;
}

/* Numbers the line; snapshot_line. */
static bool
writer_line(void *ctx, const struct msg *m)
{
	struct writer *w = ctx;
	struct msg numbered = *m;
	char *line;
	size_t len;
	int n;

	if (sizeof(w->octets) - w->len < LINE_MAX_LEN && !writer_flush(w))
		return false;
	n = snprintf(
	    numbered.tag, sizeof(numbered.tag), "%" PRIu64, w->lines + 1);
	CHECK(n > 0 && (size_t)n < sizeof(numbered.tag));
	line = w->octets + w->len;
	len = msg_encode_bare(&numbered, line, LINE_MAX_LEN - 1);
	CHECK(len > 0);
	check_chain(&w->check, &w->check, (struct str){line, (uint32_t)len});
	line[len] = '\n';
	w->len += len + 1;
	w->lines++;
	return true;
}

static bool
write_head(struct writer *w, const struct snapshot_head *head)
{
	struct msg m;

	msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_SNAPSHOT, "0");
	msg_set_u64(&m, KEY_version, 1);
	msg_set_id(&m, KEY_journal, &head->journal);
	msg_set_str(&m, KEY_component, str_from(head->component));
	msg_set_str(&m, KEY_name, str_from(head->name));
	msg_set_u64(&m, KEY_seq, head->at.seq);
	msg_set_jpos(&m, KEY_where, head->at);
	msg_set_check(&m, KEY_check, &head->check);
	msg_set_i64(&m, KEY_time, head->time_us);
	return writer_line(w, &m);
}

static bool
write_end(struct writer *w)
{
	struct check check = w->check;
	struct msg m;

	msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_END, "0");
	msg_set_u64(&m, KEY_count, w->lines);
	msg_set_check(&m, KEY_check, &check);
	return writer_line(w, &m);
}

int
snapshot_write(int dir_fd, const struct snapshot_head *head,
    bool (*lines)(const void *core, snapshot_line *line, void *ctx),
    const void *core)
{
	struct writer *w = calloc(1, sizeof(*w));
	char name[SNAPSHOT_NAME_MAX];
	struct beside b;
	bool good;

	if (w == NULL)
		return -1;
	snapshot_name(head->at.seq, name);
	if (beside_create(&b, dir_fd, name) != 0) {
		free(w);
		return -1;
	}
	w->fd = b.fd;
	errno = ENOMEM; /* unless a write says otherwise */
	good = write_head(w, head) && lines(core, writer_line, w) &&
	    write_end(w) && writer_flush(w);
	free(w);
	if (!good) {
		beside_discard(&b);
		return -1;
	}
	return beside_finish(&b);
}

/* ---- Reading ---- */

struct lines {
	int fd;
	off_t at; /* in the file, behind the window */
	size_t start, len;
	bool ended;         /* the window holds the rest of the file */
	uint64_t count;     /* lines so far */
	struct check check; /* of them */
	struct line line;
	struct msg msg;
	char window[WINDOW_LEN];
};

static struct lines *
lines_open(int dir_fd, uint64_t seq)
{
	struct lines *ls = calloc(1, sizeof(*ls));
	char name[SNAPSHOT_NAME_MAX];

	if (ls == NULL)
		return NULL;
	snapshot_name(seq, name);
	ls->fd = openat(dir_fd, name,
	    O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (ls->fd >= 0)
		return ls;
	free(ls);
	return NULL;
}

static void
lines_close(struct lines *ls)
{
	close(ls->fd);
	free(ls);
}

/* The next line without its LF: 1, 0 at the end, -1: it is none. */
static int
next_text(struct lines *ls, struct str *text)
{
	const char *lf;
	ssize_t n;

	if (!ls->ended && ls->len - ls->start < LINE_MAX_LEN) {
		memmove(
		    ls->window, ls->window + ls->start, ls->len - ls->start);
		ls->len -= ls->start;
		ls->start = 0;
		n = file_read_at(ls->fd, ls->window + ls->len,
		    sizeof(ls->window) - ls->len, ls->at);
		if (n < 0)
			return -1;
		ls->at += n;
		ls->len += (size_t)n;
		ls->ended = ls->len < sizeof(ls->window);
	}
	if (ls->start == ls->len)
		return 0;
	lf = memchr(ls->window + ls->start, '\n', ls->len - ls->start);
	if (lf == NULL || lf - (ls->window + ls->start) >= LINE_MAX_LEN)
		return -1;
	*text = (struct str){
	    ls->window + ls->start, (uint32_t)(lf - (ls->window + ls->start))};
	ls->start += text->len + 1;
	return 1;
}

/* A line as it must be here: typed, and with its number. */
static bool
read_line(struct lines *ls, struct str text)
{
	struct msg_problem problem;
	char number[TAG_MAX_LEN + 8];

	(void)snprintf(number, sizeof(number), "%" PRIu64, ls->count + 1);
	return line_split(&ls->line, text) == LINE_OK &&
	    msg_request(&ls->msg, &ls->line, SIDE_SNAPSHOT, &problem) ==
	    LINE_OK &&
	    strcmp(ls->line.tag, number) == 0;
}

static bool
take_head(const struct msg *m, uint64_t seq, struct snapshot_head *head)
{
	if (m->verb != VERB_SNAPSHOT_SNAPSHOT || m->v[KEY_version].u64 != 1 ||
	    m->v[KEY_seq].u64 != seq)
		return false;
	head->journal = m->v[KEY_journal].id;
	head->at = m->v[KEY_where].jpos;
	head->at.seq = seq;
	head->check = m->v[KEY_check].check;
	head->time_us = m->v[KEY_time].i64;
	return str_copy(head->component, sizeof(head->component),
		   m->v[KEY_component].str) &&
	    str_copy(head->name, sizeof(head->name), m->v[KEY_name].str);
}

static bool
is_end(const struct lines *ls)
{
	return ls->msg.verb == VERB_SNAPSHOT_END &&
	    ls->msg.v[KEY_count].u64 == ls->count &&
	    check_eq(&ls->msg.v[KEY_check].check, &ls->check);
}

/* Lines until the one that ends it; NULL, or what is wrong. */
static const char *
check_lines(struct lines *ls, uint64_t seq, struct snapshot_head *head)
{
	struct str text;
	int rc;

	while ((rc = next_text(ls, &text)) > 0) {
		if (!read_line(ls, text))
			return "a line is damaged, or of a newer version";
		if (ls->count == 0 && !take_head(&ls->msg, seq, head))
			return "its first line is of something else";
		if (ls->msg.verb == VERB_SNAPSHOT_END)
			return is_end(ls) && next_text(ls, &text) == 0
			    ? NULL
			    : "its check is wrong";
		check_chain(&ls->check, &ls->check, text);
		ls->count++;
	}
	return rc < 0 ? "a line does not end, or cannot be read"
		      : "its end is missing";
}

bool
snapshot_check(int dir_fd, uint64_t seq, struct snapshot_head *head,
    char *error, size_t error_size)
{
	struct lines *ls = lines_open(dir_fd, seq);
	const char *problem;

	if (ls == NULL) {
		(void)snprintf(error, error_size, "%s", strerror(errno));
		return false;
	}
	problem = check_lines(ls, seq, head);
	if (problem != NULL)
		(void)snprintf(error, error_size, "line %" PRIu64 ": %s",
		    ls->count + 1, problem);
	lines_close(ls);
	return problem == NULL;
}

bool
snapshot_give(int dir_fd, uint64_t seq,
    bool (*restore)(void *ctx, const struct msg *line), void *ctx)
{
	struct lines *ls = lines_open(dir_fd, seq);
	struct str text;
	bool good = ls != NULL;

	while (good && next_text(ls, &text) > 0) {
		good = read_line(ls, text) && restore(ctx, &ls->msg);
		ls->count++;
	}
	if (ls != NULL)
		lines_close(ls);
	return good;
}

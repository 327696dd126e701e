#include "client/spool_files.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "client/tsv.h"

/* hold/NAME.bad, then NAME.bad.1 and so on. */
#define ASIDE_MAX 100
#define ASIDE_SUFFIX_SIZE 24

/* ---- The directories ---- */

static const char *const place_texts[] = {[SPOOL_NEW] = "new",
    [SPOOL_HOLD] = "hold",
    [SPOOL_DONE] = "done",
    [SPOOL_FAILED] = "failed"};

const char *
spool_place_text(enum spool_place place)
{
	return place_texts[place];
}

/* A directory that is ours, and that nobody else writes to. */
static int
open_directory(int at, const char *name)
{
	int fd, error;
	struct stat st;

	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == 0) {
		if (st.st_uid == geteuid() && (st.st_mode & 022) == 0)
			return fd;
		errno = EPERM;
	}
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

static int
make_directory(struct spool *s, const char *name)
{
	if (mkdirat(s->root, name, 0700) == 0) {
		if (fsync(s->root) == -1)
			return -1;
	} else if (errno != EEXIST) {
		return -1;
	}
	return open_directory(s->root, name);
}

static int
open_all(struct spool *s, const char *path)
{
	int place;

	if (file_mkdirs(path, 0700) == -1)
		return -1;
	/* A link to the spool is fine, as its name is the operator's. */
	s->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->root == -1)
		return -1;
	place = open_directory(s->root, ".");
	if (place == -1)
		return -1;
	(void)close(place);
	s->tmp = make_directory(s, "tmp");
	if (s->tmp == -1)
		return -1;
	for (place = 0; place < SPOOL_PLACES; place++) {
		s->places[place] = make_directory(s, place_texts[place]);
		if (s->places[place] == -1)
			return -1;
	}
	s->lock = openat(
	    s->root, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	return s->lock == -1 ? -1 : 0;
}

int
spool_open(struct spool **spool, const char *path)
{
	struct spool *s = calloc(1, sizeof(*s));
	int error;

	if (s == NULL)
		return -1;
	s->root = s->tmp = s->lock = s->flusher = -1;
	memset(s->places, -1, sizeof(s->places));
	if (open_all(s, path) == -1) {
		error = errno;
		spool_close(s);
		return errno = error, -1;
	}
	*spool = s;
	return 0;
}

static void
close_if(int fd)
{
	if (fd != -1)
		(void)close(fd);
}

void
spool_close(struct spool *s)
{
	int place;

	if (s == NULL)
		return;
	CHECK(s->lock_depth == 0);
	for (place = 0; place < SPOOL_PLACES; place++)
		close_if(s->places[place]);
	close_if(s->flusher);
	close_if(s->lock);
	close_if(s->tmp);
	close_if(s->root);
	free(s);
}

int
spool_flush(struct spool *s)
{
	int place;

	for (place = 0; place < SPOOL_PLACES; place++) {
		if (s->dirty[place] && fsync(s->places[place]) == -1)
			return -1;
		s->dirty[place] = false;
	}
	return 0;
}

int
spool_names(struct spool *s, int directory, spool_name *visit, void *ctx)
{
	const struct dirent *entry;
	int fd = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream;
	int error;

	(void)s;
	if (fd == -1)
		return -1;
	stream = fdopendir(fd);
	if (stream == NULL) {
		error = errno;
		(void)close(fd);
		return errno = error, -1;
	}
	do {
		errno = 0;
		entry = readdir(stream);
	} while (entry != NULL &&
	    (entry->d_name[0] == '.' || visit(ctx, entry->d_name)));
	error = entry == NULL ? errno : 0;
	(void)closedir(stream);
	return error == 0 ? 0 : (errno = error, -1);
}

/* ---- The lock ---- */

int
spool_lock(struct spool *s)
{
	while (s->lock_depth == 0 && flock(s->lock, LOCK_EX) == -1)
		if (errno != EINTR)
			return -1;
	s->lock_depth++;
	return 0;
}

void
spool_unlock(struct spool *s)
{
	int error = errno;

	CHECK(s->lock_depth > 0);
	if (--s->lock_depth == 0)
		(void)flock(s->lock, LOCK_UN);
	errno = error;
}

/* ---- Reading ---- */

bool
spool_is_bad(const char *name)
{
	return strstr(name, ".bad") != NULL;
}

/* The suffix that it got, or NULL with errno. */
static const char *
rename_aside(struct spool *s, enum spool_place place, const char *name,
    char suffix[ASIDE_SUFFIX_SIZE])
{
	char aside[NAME_MAX + 1];
	int i, len;

	for (i = 0; i < ASIDE_MAX; i++) {
		if (i == 0)
			(void)str_copy(suffix, ASIDE_SUFFIX_SIZE, STR(".bad"));
		else
			(void)snprintf(suffix, ASIDE_SUFFIX_SIZE, ".bad.%d", i);
		len = snprintf(aside, sizeof(aside), "%s%s", name, suffix);
		if (len < 0 || (size_t)len >= sizeof(aside))
			return errno = ENAMETOOLONG, NULL;
		if (renameat2(s->places[place], name, s->places[SPOOL_HOLD],
			aside, RENAME_NOREPLACE) == 0) {
			s->dirty[place] = s->dirty[SPOOL_HOLD] = true;
			return suffix;
		}
		if (errno != EEXIST)
			return NULL;
	}
	return NULL;
}

/* errno stays as it is. */
static void
set_aside(
    struct spool *s, enum spool_place place, const char *name, const char *why)
{
	char shown[TSV_SHOWN_SIZE], suffix[ASIDE_SUFFIX_SIZE];
	int error = errno;

	(void)tsv_shown(str_from(name), shown);
	if (rename_aside(s, place, name, suffix) != NULL) {
		s->aside_count++;
		warnx("spool: %s/%s: %s; set aside as hold/%s%s",
		    place_texts[place], shown, why, shown, suffix);
	} else if (errno != ENOENT) {
		s->aside_count++;
		warn("spool: %s/%s: %s; it cannot be set aside",
		    place_texts[place], shown, why);
	}
	errno = error;
}

/* What stat(2) has against it, or NULL. */
static const char *
unfit(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "it is no regular file";
	if (st->st_uid != geteuid())
		return "it belongs to another user";
	if ((st->st_mode & 077) != 0)
		return "others than its owner can use it";
	if (st->st_size > LINE_MAX_LEN)
		return "it is longer than a line";
	return NULL;
}

/* Opens the file and looks at it: the descriptor, or -1 with *why or errno. */
static int
open_entry(
    struct spool *s, enum spool_place place, const char *name, const char **why)
{
	struct stat st;
	int fd, error;

	*why = NULL;
	fd = openat(s->places[place], name,
	    O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		if (errno == ELOOP || errno == ENXIO)
			*why = "it is no regular file";
		else if (errno == EACCES)
			*why = "it belongs to another user";
		return -1;
	}
	if (fstat(fd, &st) == 0) {
		*why = unfit(&st);
		if (*why == NULL)
			return fd;
	}
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

/* All of it, one octet beyond size at most: how many, or -1. */
static ssize_t
read_all(int fd, char *into, size_t size)
{
	size_t len = 0;
	ssize_t got;

	while (len < size) {
		got = read(fd, into + len, size - len);
		if (got == -1 && errno == EINTR)
			continue;
		if (got == -1)
			return -1;
		if (got == 0)
			break;
		len += (size_t)got;
	}
	return (ssize_t)len;
}

enum spool_status
spool_file_read(struct spool *s, enum spool_place place, const char *name,
    struct spool_entry *e)
{
	char octets[LINE_MAX_LEN + 1];
	const char *why;
	struct id id;
	ssize_t len;
	int fd, error;

	fd = open_entry(s, place, name, &why);
	if (fd == -1 && why == NULL)
		return errno == ENOENT ? SPOOL_ABSENT : SPOOL_ERROR;
	if (fd != -1) {
		len = read_all(fd, octets, sizeof(octets));
		error = errno;
		(void)close(fd);
		if (len == -1)
			return errno = error, SPOOL_ERROR;
		why = spool_entry_read(e, octets, (size_t)len);
		if (why == NULL &&
		    (!id_parse(&id, str_from(name)) || !id_eq(&id, &e->id)))
			why = "its name is not the id in it";
	}
	if (why == NULL)
		return SPOOL_OK;
	set_aside(s, place, name, why);
	return SPOOL_ABSENT;
}

/* ---- Writing ---- */

/* A new file of tmp, flushed; none is left where that fails. */
static int
write_new(struct spool *s, const char *name, const char *octets, size_t len)
{
	int fd, result = -1, error;

	if (unlinkat(s->tmp, name, 0) == -1 && errno != ENOENT)
		return -1;
	fd = openat(s->tmp, name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return -1;
	/* Whatever the umask is. */
	if (fchmod(fd, 0600) == 0 && file_write_all(fd, octets, len) == 0 &&
	    fsync(fd) == 0)
		result = 0;
	error = errno;
	if (close(fd) == -1 && result == 0) {
		error = errno;
		result = -1;
	}
	if (result == -1)
		(void)unlinkat(s->tmp, name, 0);
	errno = error;
	return result;
}

int
spool_file_write(
    struct spool *s, enum spool_place place, const struct spool_entry *e)
{
	char line[LINE_MAX_LEN], name[ID_TEXT_LEN + 1];

	CHECK(s->lock_depth > 0);
	id_text(&e->id, name);
	if (write_new(s, name, line, spool_entry_write(e, line)) == -1 ||
	    renameat(s->tmp, name, s->places[place], name) == -1)
		return -1;
	s->dirty[place] = true;
	return 0;
}

int
spool_file_move(struct spool *s, const struct id *id, enum spool_place from,
    enum spool_place to)
{
	char name[ID_TEXT_LEN + 1];

	CHECK(s->lock_depth > 0);
	id_text(id, name);
	if (renameat(s->places[from], name, s->places[to], name) == -1)
		return -1;
	s->dirty[from] = s->dirty[to] = true;
	return 0;
}

int
spool_file_remove(struct spool *s, enum spool_place place, const struct id *id)
{
	char name[ID_TEXT_LEN + 1];

	CHECK(s->lock_depth > 0);
	id_text(id, name);
	if (unlinkat(s->places[place], name, 0) == -1)
		return -1;
	s->dirty[place] = true;
	return 0;
}

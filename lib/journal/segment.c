#include "journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/log.h"
#include "journal/beside.h"

#define SEGMENT_MODE 0640
#define ZEROS_LEN 65536
/*
 * The maker flushes this often: dirty pages piled up in one go would stand in
 * the way of the journal's own flushes.
 */
#define MAKER_FLUSH_OCTETS (4u << 20)

static const char zeros[ZEROS_LEN];

/* ---- Records as lines ---- */

void
check_text(const struct check *check, char into[CHECK_HEX_LEN])
{
	hex_write(into, check->octets, sizeof(check->octets));
}

bool
check_eq(const struct check *a, const struct check *b)
{
	return memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

void
check_chain(struct check *check, const struct check *previous, struct str bare)
{
	char hex[CHECK_HEX_LEN];
	uint8_t digest[32];

	check_text(previous, hex);
	const struct str parts[] = {{hex, CHECK_HEX_LEN}, bare};
	digest_sha256(parts, 2, digest);
	memcpy(check->octets, digest, sizeof(check->octets));
}

bool
record_check_said(struct str text, struct check *check)
{
	const char *field;

	if (text.len < CHECK_FIELD_LEN)
		return false;
	field = text.at + text.len - CHECK_FIELD_LEN;
	if (memcmp(field, " check=", 7) != 0)
		return false;
	return hex_read(check->octets, sizeof(check->octets),
	    (struct str){field + 7, CHECK_HEX_LEN});
}

bool
record_check_follows(
    struct str text, const struct check *previous, struct check *check)
{
	struct check right;

	if (!record_check_said(text, check))
		return false;
	check_chain(&right, previous,
	    (struct str){text.at, text.len - CHECK_FIELD_LEN});
	return check_eq(&right, check);
}

/* A tag that is a seq: decimal, from 1, without leading zeros. */
static bool
seq_read(const char *tag, uint64_t *seq)
{
	uint64_t n = 0;

	if (*tag < '1' || *tag > '9')
		return false;
	for (; *tag != '\0'; tag++) {
		if (*tag < '0' || *tag > '9')
			return false;
		n = n * 10 + (uint64_t)(*tag - '0'); /* 16 digits at most */
	}
	*seq = n;
	return true;
}

const char *
record_type(struct line *line, struct msg *msg, uint64_t *seq, enum side side,
    struct str text)
{
	struct msg_problem problem;

	CHECK(text.len >= CHECK_FIELD_LEN);
	/* GATEWAY has a field `check` of its own: the last one is not it. */
	text.len -= CHECK_FIELD_LEN;
	if (line_split(line, text) != LINE_OK)
		return "it is not a line of the grammar";
	if (!seq_read(line->tag, seq))
		return "it does not start with a sequence number";
	switch (msg_request(msg, line, side, &problem)) {
	case LINE_OK:
		return NULL;
	case LINE_UNKNOWN_VERB:
		return "its kind is unknown (written by a newer program?)";
	case LINE_SHAPE:
	case LINE_LONG:
	case LINE_BAD_FIELD:
		break;
	}
	return "a field is missing, unknown or out of range "
	       "(written by a newer program?)";
}

/* ---- Segment files ---- */

void
segment_name(uint32_t number, char into[SEGMENT_NAME_MAX])
{
	int n = snprintf(into, SEGMENT_NAME_MAX, "%08u.journal", number);

	CHECK(n > 0 && n < SEGMENT_NAME_MAX);
}

static bool
segment_number(const char *name, uint32_t *number)
{
	uint32_t n = 0;
	int i;

	for (i = 0; i < 8; i++) {
		if (name[i] < '0' || name[i] > '9')
			return false;
		n = n * 10 + (uint32_t)(name[i] - '0');
	}
	*number = n;
	return n > 0 && strcmp(name + 8, ".journal") == 0;
}

int
segment_list(int dir_fd, uint32_t *last, uint32_t *missing)
{
	char name[SEGMENT_NAME_MAX];
	struct dirent *entry;
	struct stat st;
	uint32_t count = 0, lowest = UINT32_MAX, n;
	DIR *dir;
	int saved;

	*last = *missing = 0;
	dir = directory_open(dir_fd);
	if (dir == NULL)
		return -1;
	errno = 0;
	while ((entry = readdir(dir)) != NULL) {
		if (segment_number(entry->d_name, &n)) {
			count++;
			*last = n > *last ? n : *last;
			lowest = n < lowest ? n : lowest;
		}
		errno = 0;
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	if (saved != 0)
		return -1;
	/* All numbers differ, so this is what "from 1, no gap" means. */
	if (count == *last && (count == 0 || lowest == 1))
		return 0;
	for (n = 1; n < *last; n++) {
		segment_name(n, name);
		if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			break;
	}
	*missing = n;
	return 0;
}

int
segment_open(int dir_fd, uint32_t number, int flags, uint32_t *size)
{
	char name[SEGMENT_NAME_MAX];
	struct stat st;
	int fd, saved;

	segment_name(number, name);
	fd = openat(dir_fd, name,
	    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		goto fail;
	if (!S_ISREG(st.st_mode) || st.st_size > (off_t)SEGMENT_OCTETS_MAX) {
		errno = EINVAL;
		goto fail;
	}
	*size = (uint32_t)st.st_size;
	return fd;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
segment_zero_from(int fd, uint32_t offset)
{
	char octets[32768];
	off_t at = offset;
	ssize_t n;

	for (;;) {
		n = pread(fd, octets, sizeof(octets), at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			return 1;
		if (memcmp(octets, zeros, (size_t)n) != 0)
			return 0;
		at += n;
	}
}

int
segment_flush(int fd)
{
	int rc;

	do
		rc = fdatasync(fd);
	while (rc != 0 && errno == EINTR);
	return rc;
}

int
segment_sync(int fd)
{
	int rc;

	do
		rc = fsync(fd);
	while (rc != 0 && errno == EINTR);
	return rc;
}

int
segment_zero(int fd, uint32_t from, uint32_t to)
{
	uint32_t len;

	for (; from < to; from += len) {
		len = to - from < ZEROS_LEN ? to - from : ZEROS_LEN;
		if (file_pwrite_all(fd, zeros, len, from) != 0)
			return -1;
	}
	return 0;
}

int
segment_sweep(int dir_fd)
{
	struct dirent *entry;
	DIR *dir;
	int saved = 0;

	dir = directory_open(dir_fd);
	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL) {
		/* NNNNNNNN.journal.new.PID */
		if (strlen(entry->d_name) < 21 ||
		    strncmp(entry->d_name + 8, ".journal.new.", 13) != 0)
			continue;
		if (unlinkat(dir_fd, entry->d_name, 0) != 0 && errno != ENOENT)
			saved = errno;
	}
	closedir(dir);
	errno = saved;
	return saved == 0 ? 0 : -1;
}

/* ---- Making segments ---- */

static void
new_name(uint32_t number, char into[SEGMENT_NAME_MAX + 24])
{
	char name[SEGMENT_NAME_MAX];
	int n;

	segment_name(number, name);
	n = snprintf(
	    into, SEGMENT_NAME_MAX + 24, "%s.new.%ld", name, (long)getpid());
	CHECK(n > 0 && n < SEGMENT_NAME_MAX + 24);
}

/*
 * Creates the file and takes its space, so that a full disk is known at once
 * and not when the zeros are half written. Some file systems cannot allocate
 * ahead: there the free space must do.
 */
static int
new_create(int dir_fd, uint32_t number, uint32_t size)
{
	char name[SEGMENT_NAME_MAX + 24];
	struct statvfs vfs;
	int fd, rc, saved;

	if (number > SEGMENT_MAX) {
		errno = EFBIG;
		return -1;
	}
	new_name(number, name);
	(void)unlinkat(dir_fd, name, 0);
	fd = openat(
	    dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, SEGMENT_MODE);
	if (fd < 0)
		return -1;
	/* Whatever the umask, as strife-journal(5) says. */
	if (fchmod(fd, SEGMENT_MODE) != 0)
		goto fail;
	do
		rc = fallocate(fd, 0, 0, (off_t)size);
	while (rc != 0 && errno == EINTR);
	if (rc != 0) {
		if (errno != EOPNOTSUPP && errno != ENOSYS)
			goto fail;
		if (fstatvfs(fd, &vfs) != 0)
			goto fail;
		if ((uint64_t)vfs.f_bavail * vfs.f_frsize < size) {
			errno = ENOSPC;
			goto fail;
		}
	}
	return fd;
fail:
	saved = errno;
	close(fd);
	(void)unlinkat(dir_fd, name, 0);
	errno = saved;
	return -1;
}

/* Zeros, really written: so that a later flush has no metadata to write. */
static int
new_fill(int fd, uint32_t size)
{
	uint32_t at, len;

	for (at = 0; at < size; at += len) {
		len = size - at < MAKER_FLUSH_OCTETS ? size - at
						     : MAKER_FLUSH_OCTETS;
		if (segment_zero(fd, at, at + len) != 0 ||
		    segment_flush(fd) != 0)
			return -1;
	}
	return segment_sync(fd);
}

/*
 * Gives the finished file its name, durably; or takes the name away again, for
 * it would stand in the way of the next try.
 */
static int
new_finish(int dir_fd, uint32_t number)
{
	char from[SEGMENT_NAME_MAX + 24], to[SEGMENT_NAME_MAX];
	int saved;

	new_name(number, from);
	segment_name(number, to);
	if (renameat2(dir_fd, from, dir_fd, to, RENAME_NOREPLACE) != 0) {
		/* Not every file system knows NOREPLACE; we hold the lock. */
		if (errno != EINVAL && errno != ENOSYS)
			return -1;
		if (renameat(dir_fd, from, dir_fd, to) != 0)
			return -1;
	}
	if (segment_sync(dir_fd) == 0)
		return 0;
	saved = errno;
	(void)unlinkat(dir_fd, to, 0);
	errno = saved;
	return -1;
}

static void
new_discard(int dir_fd, uint32_t number, int fd)
{
	char name[SEGMENT_NAME_MAX + 24];
	int saved = errno;

	close(fd);
	new_name(number, name);
	(void)unlinkat(dir_fd, name, 0);
	errno = saved;
}

static int
segment_make(int dir_fd, uint32_t number, uint32_t size)
{
	int fd;

	fd = new_create(dir_fd, number, size);
	if (fd < 0)
		return -1;
	if (new_fill(fd, size) != 0 || new_finish(dir_fd, number) != 0) {
		new_discard(dir_fd, number, fd);
		return -1;
	}
	return fd;
}

/* ---- The spare segment ---- */

void
spare_found(struct spare *s, int fd, uint32_t number, uint32_t size)
{
	*s = (struct spare){
	    .state = SPARE_READY, .fd = fd, .number = number, .size = size};
}

static void
spare_failed(struct spare *s, int why)
{
	if (!s->failed)
		log_warn("cannot make the next journal segment ready",
		    LOG_U("segment", s->number), LOG_U("octets", s->size),
		    LOG_E(why));
	s->state = SPARE_NONE;
	s->failed = true;
	s->try_ns = clock_mono_ns();
}

static void
spare_made(struct spare *s)
{
	if (s->failed)
		log_info("the next journal segment is ready again",
		    LOG_U("segment", s->number));
	s->state = SPARE_READY;
	s->failed = false;
}

/*
 * Tells by its exit status what went wrong. It holds nothing but the file: no
 * lock that would outlive the daemon, no connection of a peer.
 */
static _Noreturn void
maker_main(int fd, uint32_t size, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(ECANCELED);
	if (fd > 0)
		(void)close_range(0, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	if (new_fill(fd, size) != 0)
		_exit(errno > 0 && errno < 256 ? errno : EIO);
	_exit(0);
}

void
spare_start(struct spare *s, int dir_fd, uint32_t number, uint32_t size)
{
	pid_t parent = getpid();
	int saved;

	if (s->state != SPARE_NONE)
		return;
	if (s->failed && clock_mono_ns() - s->try_ns < NS_PER_S)
		return;
	s->number = number;
	s->size = size;
	s->fd = new_create(dir_fd, number, size);
	if (s->fd < 0) {
		spare_failed(s, errno);
		return;
	}
	s->pid = fork();
	if (s->pid == 0)
		maker_main(s->fd, size, parent);
	if (s->pid < 0) {
		saved = errno;
		new_discard(dir_fd, number, s->fd);
		spare_failed(s, saved);
		return;
	}
	s->state = SPARE_MAKING;
}

/* Reaps the maker; false while it is still at work (options WNOHANG). */
static bool
spare_reap(struct spare *s, int dir_fd, int options)
{
	int status, why = 0;
	pid_t pid;

	do
		pid = waitpid(s->pid, &status, options);
	while (pid < 0 && errno == EINTR);
	if (pid == 0)
		return false;
	if (pid < 0)
		why = errno;
	else if (!WIFEXITED(status))
		why = EINTR;
	else if (WEXITSTATUS(status) != 0)
		why = WEXITSTATUS(status);
	else if (new_finish(dir_fd, s->number) != 0)
		why = errno;
	if (why == 0) {
		spare_made(s);
		return true;
	}
	new_discard(dir_fd, s->number, s->fd);
	spare_failed(s, why);
	return true;
}

void
spare_poll(struct spare *s, int dir_fd)
{
	if (s->state == SPARE_MAKING)
		(void)spare_reap(s, dir_fd, WNOHANG);
}

int
spare_take(struct spare *s, int dir_fd, uint32_t number, uint32_t *size)
{
	int fd;

	if (s->state == SPARE_MAKING)
		(void)spare_reap(s, dir_fd, 0);
	if (s->state == SPARE_READY) {
		CHECK(s->number == number);
		s->state = SPARE_NONE;
		*size = s->size;
		return s->fd;
	}
	fd = segment_make(dir_fd, number, *size);
	if (fd < 0)
		return -1;
	s->failed = false;
	return fd;
}

void
spare_drop(struct spare *s, int dir_fd)
{
	if (s->state == SPARE_READY)
		close(s->fd);
	if (s->state == SPARE_MAKING) {
		(void)kill(s->pid, SIGKILL);
		while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
			continue;
		new_discard(dir_fd, s->number, s->fd);
	}
	s->state = SPARE_NONE;
}

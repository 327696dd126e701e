/*
 * Makes one call fail, or be the last: preloaded into a daemon by the sweeps.
 *
 * Every call that makes something durable is counted, where it is about a file
 * or directory at or below FAULT_DIR: write, pwrite, pwritev, fdatasync, fsync,
 * rename, ftruncate, fallocate, of this process and of what it forks. The count
 * lives in the file FAULT_COUNT, so that it outlives a SIGKILL and goes on in
 * the next process that is given the same file. By environment:
 *
 *   FAULT_AT=N      call N, from 1, is the one (0 or absent: only count)
 *   FAULT_DO=WHAT   kill-before, kill-after, eio, enospc, eintr, short, or
 *                   lie: a flush says that it was done, and was not; or
 *                   tear-end, tear-start: a kill that leaves a write without
 *                   its second half, or without its first (see middle)
 *   FAULT_FOR=K     so many calls from N on fail (1; 0: all of them)
 *   FAULT_ONLY=NAME count calls of that name only
 *   FAULT_MATCH=TEXT the first write that holds TEXT is the one, too
 *   FAULT_LOG=FILE  a line for each call that is counted
 *   FAULT_MALLOC=N  allocation N of the process, from 1, fails (0: only count)
 *
 * A kill takes the process that was started, whoever of its family makes the
 * call. What it executes (strife-authd) is left alone.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL, SHORT, LIE, TEAR };

/* In FAULT_COUNT, in this order; t/sweep/rig.py reads it. */
struct shared {
	uint64_t calls, fired, mallocs, malloc_fired;
};

static struct shared nowhere, *shared = &nowhere;
static char dir[4096], only[32], match[64];
static size_t dir_len;
static uint64_t at, how_many = 1, malloc_at;
static enum action what;
static int why, log_fd = -1;
static pid_t main_pid;
static bool ready, count_mallocs;

/* ---- Setting up ---- */

static uint64_t
number(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void
text(const char *name, char *into, size_t size)
{
	const char *value = getenv(name);

	if (value != NULL && strlen(value) < size)
		memcpy(into, value, strlen(value) + 1);
}

static void
choose(const char *name)
{
	static const struct {
		const char *name;
		enum action what;
		int why;
	} all[] = {
	    {"kill-before", KILL_BEFORE, 0},
	    {"kill-after", KILL_AFTER, 0},
	    {"eio", FAIL, EIO},
	    {"enospc", FAIL, ENOSPC},
	    {"eintr", FAIL, EINTR},
	    {"short", SHORT, 0},
	    {"lie", LIE, 0},
	    {"tear-end", TEAR, 0},
	    {"tear-start", TEAR, 1},
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(name, all[i].name) == 0) {
			what = all[i].what;
			why = all[i].why;
		}
}

__attribute__((constructor)) static void
set_up(void)
{
	static const char *const mine[] = {"LD_PRELOAD", "FAULT_DIR",
	    "FAULT_COUNT", "FAULT_AT", "FAULT_DO", "FAULT_FOR", "FAULT_ONLY",
	    "FAULT_MATCH", "FAULT_LOG", "FAULT_MALLOC"};
	const char *path = getenv("FAULT_COUNT");
	void *mapping;
	int fd;

	main_pid = getpid();
	text("FAULT_DIR", dir, sizeof(dir));
	text("FAULT_ONLY", only, sizeof(only));
	text("FAULT_MATCH", match, sizeof(match));
	dir_len = strlen(dir);
	at = number("FAULT_AT", 0);
	how_many = number("FAULT_FOR", 1);
	count_mallocs = getenv("FAULT_MALLOC") != NULL;
	malloc_at = number("FAULT_MALLOC", 0);
	if (getenv("FAULT_DO") != NULL)
		choose(getenv("FAULT_DO"));
	if (getenv("FAULT_LOG") != NULL)
		log_fd = open(getenv("FAULT_LOG"),
		    O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd >= 0 && syscall(SYS_ftruncate, fd, 4096) == 0) {
		mapping =
		    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mapping != MAP_FAILED)
			shared = mapping;
	}
	if (fd >= 0)
		close(fd);
	for (size_t i = 0; i < sizeof(mine) / sizeof(mine[0]); i++)
		unsetenv(mine[i]);
	ready = true;
}

/* ---- Counting ---- */

static bool
below(const char *path, size_t len)
{
	return dir_len > 0 && len >= dir_len &&
	    memcmp(path, dir, dir_len) == 0 &&
	    (path[dir_len] == '/' || path[dir_len] == '\0');
}

/* Is it a file or a directory at or below FAULT_DIR? */
static bool
is_ours(int fd)
{
	char link[40], path[4096];
	struct stat st;
	ssize_t len;

	if (!ready || fd < 0 || fstat(fd, &st) != 0 ||
	    (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len <= 0)
		return false;
	path[len] = '\0';
	return below(path, (size_t)len);
}

static _Noreturn void
die(void)
{
	if (getpid() != main_pid)
		kill(main_pid, SIGKILL);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

static void
note(const char *name, int fd, uint64_t n)
{
	char link[40], path[4096], line[4200];
	ssize_t len;
	int octets;

	if (log_fd < 0)
		return;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	octets = snprintf(line, sizeof(line), "%llu %s %s%s\n",
	    (unsigned long long)n, name, path,
	    getpid() != main_pid ? " (child)" : "");
	if (octets > 0)
		(void)!syscall(SYS_write, log_fd, line, (size_t)octets);
}

/* Counts the call; what is to become of it. Renaming is not interrupted. */
static enum action
count(const char *name, int fd)
{
	uint64_t n;
	int saved = errno;

	if (!is_ours(fd) || (only[0] != '\0' && strcmp(only, name) != 0)) {
		errno = saved;
		return NOTHING;
	}
	n = __atomic_add_fetch(&shared->calls, 1, __ATOMIC_SEQ_CST);
	note(name, fd, n);
	errno = saved;
	if (at == 0 || n < at || (how_many != 0 && n >= at + how_many))
		return NOTHING;
	__atomic_store_n(&shared->fired, n, __ATOMIC_SEQ_CST);
	/* Only a write can be torn. */
	if (what == KILL_BEFORE ||
	    (what == TEAR && strcmp(name, "pwrite") != 0))
		die();
	if (what == FAIL && why == EINTR && strcmp(name, "rename") == 0)
		return NOTHING;
	return what;
}

/* The call is over: the last one? */
static void
finish(enum action action)
{
	if (action == KILL_AFTER)
		die();
}

static void
look(int fd, const void *octets, size_t len)
{
	if (match[0] == '\0' ||
	    memmem(octets, len, match, strlen(match)) == NULL || !is_ours(fd))
		return;
	die();
}

#define REAL(name, ...) \
	static __typeof__(name) *real; \
	if (real == NULL) \
	*(void **)&real = dlsym(RTLD_NEXT, #name)

/* ---- Writing ---- */

ssize_t
write(int fd, const void *octets, size_t len)
{
	enum action action;
	ssize_t n;

	REAL(write);
	look(fd, octets, len);
	action = count("write", fd);
	if (action == FAIL) {
		errno = why;
		return -1;
	}
	n = real(fd, octets, action == SHORT && len > 1 ? len / 2 : len);
	finish(action);
	return n;
}

/*
 * Where a write is torn. Not just before an LF: a disk writes whole sectors, so
 * none leaves a record without its last octet, unless a sector begins there;
 * the journal takes one for damage, and is right.
 */
static size_t
middle(const char *octets, size_t len)
{
	size_t half = len / 2;

	return half > 0 && octets[half] == '\n' ? half - 1 : half;
}

static ssize_t
do_pwrite(ssize_t (*real)(int, const void *, size_t, off_t), int fd,
    const void *octets, size_t len, off_t offset)
{
	enum action action;
	size_t half;
	ssize_t n;

	look(fd, octets, len);
	action = count("pwrite", fd);
	if (action == FAIL) {
		errno = why;
		return -1;
	}
	if (action == TEAR) {
		half = middle(octets, len);
		if (why == 0)
			(void)!real(fd, octets, half, offset);
		else
			(void)!real(fd, (const char *)octets + half, len - half,
			    offset + (off_t)half);
		die();
	}
	n = real(
	    fd, octets, action == SHORT && len > 1 ? len / 2 : len, offset);
	finish(action);
	return n;
}

ssize_t
pwrite(int fd, const void *octets, size_t len, off_t offset)
{
	REAL(pwrite);
	return do_pwrite(real, fd, octets, len, offset);
}

ssize_t
pwrite64(int fd, const void *octets, size_t len, off64_t offset)
{
	REAL(pwrite64);
	return do_pwrite(real, fd, octets, len, offset);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	enum action action;
	ssize_t sent;

	REAL(pwritev);
	action = count("pwritev", fd);
	if (action == FAIL) {
		errno = why;
		return -1;
	}
	sent = real(fd, iov, action == SHORT && n > 1 ? n / 2 : n, offset);
	finish(action);
	return sent;
}

/* ---- Flushing, names and space ---- */

/* Any call that answers 0 or -1. */
#define SIMPLE(name, fd, call) \
	do { \
		enum action action_; \
		int rc_; \
\
		action_ = count(name, fd); \
		if (action_ == FAIL) { \
			errno = why; \
			return -1; \
		} \
		rc_ = call; \
		finish(action_); \
		return rc_; \
	} while (0)

int
fdatasync(int fd)
{
	REAL(fdatasync);
	SIMPLE("fdatasync", fd, action_ == LIE ? 0 : real(fd));
}

int
fsync(int fd)
{
	REAL(fsync);
	SIMPLE("fsync", fd, action_ == LIE ? 0 : real(fd));
}

int
ftruncate(int fd, off_t size)
{
	REAL(ftruncate);
	SIMPLE("ftruncate", fd, real(fd, size));
}

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	REAL(fallocate);
	SIMPLE("fallocate", fd, real(fd, mode, offset, len));
}

int
renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	REAL(renameat);
	SIMPLE("rename", to_fd, real(from_fd, from, to_fd, to));
}

int
renameat2(
    int from_fd, const char *from, int to_fd, const char *to, unsigned flags)
{
	REAL(renameat2);
	SIMPLE("rename", to_fd, real(from_fd, from, to_fd, to, flags));
}

/* By path: the file that is renamed tells where it is. */
int
rename(const char *from, const char *to)
{
	enum action action;
	int fd, rc;

	REAL(rename);
	fd = open(from, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	action = count("rename", fd);
	if (fd >= 0)
		close(fd);
	if (action == FAIL) {
		errno = why;
		return -1;
	}
	rc = real(from, to);
	finish(action);
	return rc;
}

/* ---- Memory ---- */

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static bool
fails(void)
{
	if (!ready || !count_mallocs || getpid() != main_pid)
		return false;
	if (++shared->mallocs != malloc_at)
		return false;
	shared->malloc_fired = malloc_at;
	errno = ENOMEM;
	return true;
}

void *
malloc(size_t size)
{
	return fails() ? NULL : __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *
realloc(void *old, size_t size)
{
	return fails() ? NULL : __libc_realloc(old, size);
}

void *
reallocarray(void *old, size_t n, size_t size)
{
	size_t octets;

	if (__builtin_mul_overflow(n, size, &octets)) {
		errno = ENOMEM;
		return NULL;
	}
	return fails() ? NULL : __libc_realloc(old, octets);
}

int
posix_memalign(void **out, size_t alignment, size_t size)
{
	if (fails())
		return ENOMEM;
	*out = __libc_memalign(alignment, size);
	return *out != NULL ? 0 : ENOMEM;
}

void *
aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __libc_memalign(alignment, size);
}

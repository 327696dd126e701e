#include "journal/beside.h"

#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"

#define MODE 0640

DIR *
directory_open(int dir_fd)
{
	DIR *dir;
	int fd, saved;

	fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (dir == NULL) {
		saved = errno;
		close(fd);
		errno = saved;
	}
	return dir;
}

int
beside_create(struct beside *b, int dir_fd, const char *name)
{
	int n = snprintf(
	    b->made, sizeof(b->made), "%s.new.%ld", name, (long)getpid());

	CHECK(n > 0 && (size_t)n < sizeof(b->made));
	CHECK(strlcpy(b->name, name, sizeof(b->name)) < sizeof(b->name));
	b->dir_fd = dir_fd;
	(void)unlinkat(dir_fd, b->made, 0);
	b->fd = openat(
	    dir_fd, b->made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
	if (b->fd < 0)
		return -1;
	/* Whatever the umask, as strife-journal(5) says. */
	if (fchmod(b->fd, MODE) == 0)
		return 0;
	beside_discard(b);
	return -1;
}

void
beside_discard(struct beside *b)
{
	int saved = errno;

	close(b->fd);
	(void)unlinkat(b->dir_fd, b->made, 0);
	errno = saved;
}

int
beside_finish(struct beside *b)
{
	if (file_flush(b->fd) != 0 ||
	    renameat(b->dir_fd, b->made, b->dir_fd, b->name) != 0) {
		beside_discard(b);
		return -1;
	}
	close(b->fd);
	return file_flush(b->dir_fd);
}

/* NUMBER.snapshot.new.PID, NUMBER.index.new.PID */
static bool
is_unfinished(const char *name)
{
	const char *rest = name + strspn(name, "0123456789");

	return rest != name &&
	    (strncmp(rest, ".snapshot.new.", 14) == 0 ||
		strncmp(rest, ".index.new.", 11) == 0);
}

void
beside_sweep(int dir_fd)
{
	DIR *dir = directory_open(dir_fd);
	struct dirent *entry;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (is_unfinished(entry->d_name))
			(void)unlinkat(dir_fd, entry->d_name, 0);
	closedir(dir);
}

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Room beyond the size that fstat gave, so that the end is seen at once. */
#define READ_SLACK 64

static void
close_quietly(int fd)
{
	int saved_errno = errno;

	close(fd);
	errno = saved_errno;
}

/* For what may have held a secret. */
static void
free_wiped(char *octets, size_t size)
{
	int saved_errno = errno;

	if (octets != NULL)
		explicit_bzero(octets, size);
	free(octets);
	errno = saved_errno;
}

/* ---- Reading ---- */

/* Reads to the end of the file, which may be longer than `size` promised. */
static int
read_to_end(int fd, size_t size, size_t max, char **octets, size_t *len)
{
	size_t room = size + READ_SLACK, held = 0;
	char *data = malloc(room);

	if (data == NULL)
		return -1;
	for (;;) {
		ssize_t got = read(fd, data + held, room - 1 - held);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			goto fail;
		if (got == 0)
			break;
		held += (size_t)got;
		if (held > max) {
			errno = EFBIG;
			goto fail;
		}
		if (held == room - 1) {
			char *larger = malloc(room * 2);

			if (larger == NULL)
				goto fail;
			memcpy(larger, data, held);
			free_wiped(data, room);
			data = larger;
			room *= 2;
		}
	}
	data[held] = '\0';
	*octets = data;
	*len = held;
	return 0;
fail:
	free_wiped(data, room);
	return -1;
}

static int
read_file(
    const char *path, size_t max, mode_t refused, char **octets, size_t *len)
{
	/* O_NONBLOCK: opening a FIFO would wait for its other end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int result = -1;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) != 0)
		goto out;
	if (!S_ISREG(st.st_mode)) {
		errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
		goto out;
	}
	if ((st.st_mode & refused) != 0) {
		errno = EPERM;
		goto out;
	}
	if (st.st_size < 0 || (uintmax_t)st.st_size > max) {
		errno = EFBIG;
		goto out;
	}
	result = read_to_end(fd, (size_t)st.st_size, max, octets, len);
out:
	close_quietly(fd);
	return result;
}

int
file_read(const char *path, size_t max, char **octets, size_t *len)
{
	return read_file(path, max, 0, octets, len);
}

int
file_read_secret(const char *path, size_t max, char **octets, size_t *len)
{
	return read_file(path, max, S_IRGRP | S_IROTH, octets, len);
}

/* ---- Writing ---- */

/* At *offset, which moves on, or where the file stands if that is NULL. */
static int
write_all(int fd, const char *at, size_t len, off_t *offset)
{
	while (len > 0) {
		ssize_t sent = offset == NULL ? write(fd, at, len)
					      : pwrite(fd, at, len, *offset);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		if (sent == 0) {
			errno = EIO;
			return -1;
		}
		at += sent;
		len -= (size_t)sent;
		if (offset != NULL)
			*offset += sent;
	}
	return 0;
}

int
file_write_all(int fd, const void *octets, size_t len)
{
	return write_all(fd, octets, len, NULL);
}

int
file_pwrite_all(int fd, const void *octets, size_t len, off_t offset)
{
	return write_all(fd, octets, len, &offset);
}

ssize_t
file_read_at(int fd, void *octets, size_t len, off_t offset)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(
		    fd, (char *)octets + got, len - got, offset + (off_t)got);
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

int
file_flush(int fd)
{
	int result;

	do
		result = fsync(fd);
	while (result != 0 && errno == EINTR);
	return result;
}

/* Fills a new file; its mode is as asked, whatever the umask. */
static int
write_new(const char *path, mode_t mode, const void *octets, size_t len)
{
	int fd =
	    open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		S_IRUSR | S_IWUSR);

	if (fd < 0)
		return -1;
	if (file_write_all(fd, octets, len) != 0 || fchmod(fd, mode) != 0 ||
	    file_flush(fd) != 0) {
		close_quietly(fd);
		return -1;
	}
	return close(fd);
}

int
file_replace(const char *path, mode_t mode, const void *octets, size_t len)
{
	char *temporary;
	int result = -1, saved_errno;

	if (asprintf(&temporary, "%s.tmp.%ld", path, (long)getpid()) < 0) {
		errno = ENOMEM;
		return -1;
	}
	/* One that is there was left by a crash of a process numbered as we. */
	if (unlink(temporary) != 0 && errno != ENOENT)
		goto out;
	if (write_new(temporary, mode, octets, len) != 0 ||
	    rename(temporary, path) != 0) {
		saved_errno = errno;
		unlink(temporary);
		errno = saved_errno;
		goto out;
	}
	result = file_flush_dir_of(path);
out:
	saved_errno = errno;
	free(temporary);
	errno = saved_errno;
	return result;
}

/* ---- Directories and paths ---- */

int
file_flush_dir_of(const char *path)
{
	char *copy = strdup(path);
	int fd, result, saved_errno;

	if (copy == NULL)
		return -1;
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	saved_errno = errno;
	free(copy);
	if (fd < 0) {
		errno = saved_errno;
		return -1;
	}
	result = file_flush(fd);
	close_quietly(fd);
	return result;
}

/* One directory; one that is there already stays as it is. */
static int
make_directory(const char *path, mode_t mode, bool exact)
{
	struct stat st;
	int saved_errno;

	if (mkdir(path, mode) == 0) {
		if (exact && chmod(path, mode) != 0)
			return -1;
		return file_flush_dir_of(path);
	}
	/* It may be there without our being allowed to make it. */
	saved_errno = errno;
	if (stat(path, &st) != 0) {
		errno = saved_errno;
		return -1;
	}
	if (S_ISDIR(st.st_mode))
		return 0;
	errno = ENOTDIR;
	return -1;
}

int
file_mkdirs(const char *path, mode_t mode)
{
	char *copy = strdup(path);
	size_t len, at;
	int result = -1, saved_errno;

	if (copy == NULL)
		return -1;
	len = strlen(copy);
	while (len > 1 && copy[len - 1] == '/')
		copy[--len] = '\0';
	if (len == 0) {
		errno = ENOENT;
		goto out;
	}
	/* Each place where a component above the last one ends. */
	for (at = 1; at < len; at++) {
		if (copy[at] != '/' || copy[at - 1] == '/')
			continue;
		copy[at] = '\0';
		if (make_directory(copy, 0777, false) != 0)
			goto out;
		copy[at] = '/';
	}
	result = make_directory(copy, mode, true);
out:
	saved_errno = errno;
	free(copy);
	errno = saved_errno;
	return result;
}

char *
file_path_beside(const char *beside, const char *path)
{
	char *copy, *joined;
	const char *dir;

	if (path[0] == '/')
		return strdup(path);
	copy = strdup(beside);
	if (copy == NULL)
		return NULL;
	dir = dirname(copy);
	if (asprintf(&joined, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, path) <
	    0)
		joined = NULL;
	free(copy);
	return joined;
}

/*
 * Files: whole reads, atomic replacement, directory flushes, locks, and the
 * permission rules for secrets. All descriptors are O_CLOEXEC. Errors: -1 with
 * errno, nothing logged.
 */
#ifndef STRIFE_BASE_FILE_H
#define STRIFE_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/*
 * Reads a whole regular file of at most max octets (EFBIG beyond) into memory
 * that the caller frees; NUL-terminated, *len without the NUL.
 */
int file_read(const char *path, size_t max, char **octets, size_t *len);
/* As file_read, refusing with EPERM a file that group or others can read. */
int file_read_secret(const char *path, size_t max, char **octets, size_t *len);
/* Writes path.tmp.PID, flushes, renames over path, flushes the directory. */
int file_replace(const char *path, mode_t mode, const void *octets, size_t len);
/* fsync(2), EINTR retried: nothing was tried yet then. */
int file_flush(int fd);
/* The same of the directory that holds path. */
int file_flush_dir_of(const char *path);
/* write(2) / pwrite(2) until all is out; EINTR and short writes retried. */
int file_write_all(int fd, const void *octets, size_t len);
int file_pwrite_all(int fd, const void *octets, size_t len, off_t offset);
/* pread(2) of len octets, or up to the end: how many; EINTR retried. */
ssize_t file_read_at(int fd, void *octets, size_t len, off_t offset);
/* mkdir -p; the last component gets mode. */
int file_mkdirs(const char *path, mode_t mode);
/* directory-of(beside) "/" path unless path is absolute: malloced, or NULL. */
char *file_path_beside(const char *beside, const char *path);

#endif

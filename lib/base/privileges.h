/*
 * What a process gives up before it deals with anybody: core dumps, new
 * privileges, and being root. Linux: capabilities(7), prctl(2).
 */
#ifndef STRIFE_BASE_PRIVILEGES_H
#define STRIFE_BASE_PRIVILEGES_H

#include <stddef.h>

/*
 * For every program that holds passwords, tokens or keys: no core dump, whether
 * to a file (RLIMIT_CORE 0) or a pipe (not dumpable), and no other process of
 * the user may look into this one. It ends by abort(3) as ever. 0, or -1 with
 * errno.
 */
int privileges_no_core(void);

/* No execve(2) gives privileges from here on. 0, or -1 with errno. */
int privileges_no_new(void);

/*
 * Becomes the named user for good: his user id, his group and no other group,
 * no capabilities, none to be had. Verified before it returns. A process that
 * is this user already only makes sure of it. 0, or -1 with a sentence in
 * error: the process may be anything in between and has to exit.
 */
int privileges_drop(const char *user, char *error, size_t error_size);

#endif

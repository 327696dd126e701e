/*
 * What checker.c shares with checker_child.c, which starts strife-authd as a
 * child and tests the file that it would read.
 */
#ifndef STRIFE_AUTH_CHECKER_PRIVATE_H
#define STRIFE_AUTH_CHECKER_PRIVATE_H

#include <stdbool.h>
#include <sys/types.h>

#include "auth/checker.h"

/* How the program is started; paths, borrowed. */
struct checker_command {
	const char *program, *users;
	bool local;
	bool test; /* it only tests the file, and says what is wrong with it */
};

/*
 * Starts it with child, which stays the caller's, as standard input and output,
 * or as output and error where it tests; it inherits nothing else. 0, or -1
 * with errno.
 */
int checker_spawn(pid_t *, const struct checker_command *, int child);
/* Blocks until it has ended: its status, or -1 with errno. */
int checker_wait(pid_t);

#endif

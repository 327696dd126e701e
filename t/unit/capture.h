/*
 * For unit tests of what ends a process or writes to standard error: runs a
 * function in a child and keeps what it wrote and how it ended.
 */
#ifndef STRIFE_T_CAPTURE_H
#define STRIFE_T_CAPTURE_H

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"

struct capture {
	int status; /* of waitpid(2) */
	char out[16384], err[16384];
};

static inline void
capture_read(FILE *from, char *into, size_t size)
{
	size_t len;

	rewind(from);
	len = fread(into, 1, size - 1, from);
	into[len] = '\0';
	fclose(from);
}

/* body may return, which is exit(0). */
static inline void
capture_run(struct capture *c, void (*body)(void *ctx), void *ctx)
{
	FILE *out = tmpfile(), *err = tmpfile();
	pid_t pid;

	CHECK(out != NULL);
	CHECK(err != NULL);
	fflush(stdout);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		if (dup2(fileno(out), STDOUT_FILENO) < 0 ||
		    dup2(fileno(err), STDERR_FILENO) < 0)
			_exit(126);
		body(ctx);
		exit(0);
	}
	CHECK(waitpid(pid, &c->status, 0) == pid);
	capture_read(out, c->out, sizeof(c->out));
	capture_read(err, c->err, sizeof(c->err));
}

static inline int
capture_exit(const struct capture *c)
{
	return WIFEXITED(c->status) ? WEXITSTATUS(c->status) : -1;
}

#endif

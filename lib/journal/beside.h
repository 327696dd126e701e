/*
 * Private to lib/journal: files that stand beside the segments. Each is made as
 * NAME.new.PID and gets its name when it is durable, so that what has its name
 * was once complete.
 */
#ifndef STRIFE_JOURNAL_BESIDE_H
#define STRIFE_JOURNAL_BESIDE_H

#include <dirent.h>

#define BESIDE_NAME_MAX 32

struct beside {
	int dir_fd, fd; /* fd: to be written */
	char name[BESIDE_NAME_MAX], made[BESIDE_NAME_MAX + 24];
};

/* 0, or -1 with errno. */
int beside_create(struct beside *, int dir_fd, const char *name);
/* Flushes it, names it, flushes the directory. 0, or -1 with errno. */
int beside_finish(struct beside *);
void beside_discard(struct beside *); /* keeps errno */
/* Removes what a killed maker of snapshots or indexes left. */
void beside_sweep(int dir_fd);

/* The directory for readdir; NULL with errno. closedir leaves dir_fd open. */
DIR *directory_open(int dir_fd);

#endif

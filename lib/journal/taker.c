/*
 * Taking a snapshot: a child has the state as it was when it was forked, writes
 * it down and ends. It also makes the indexes that are missing, so that a start
 * finds them. Nothing waits for it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "journal/index.h"
#include "journal/private.h"
#include "journal/snapshot.h"

/* The journal's own work goes first. */
#define TAKER_NICE 10

/* ---- The child ---- */

/* It holds nothing but its output: no lock, and no connection of a peer. */
static void
close_others(int a, int b)
{
	unsigned low = (unsigned)(a < b ? a : b);
	unsigned high = (unsigned)(a < b ? b : a);

	if (low > 0)
		(void)close_range(0, low - 1, 0);
	if (low + 1 < high)
		(void)close_range(low + 1, high - 1, 0);
	(void)close_range(high + 1, ~0U, 0);
}

static bool
make_indexes(const struct journal *j, char *error, size_t error_size)
{
	const struct index_source source = {j->dir, j->dir_fd, j->uuid, j->side,
	    j->core->note, error, error_size};
	struct reader_state state = {.last_seq = 0};
	struct index x;
	int rc;

	CHECK(str_copy(
	    state.component, sizeof(state.component), str_from(j->component)));
	CHECK(str_copy(state.name, sizeof(state.name), str_from(j->name)));
	for (uint32_t n = 1; n < j->last_at.segment; n++) {
		if (index_skip(&source, n, &state))
			continue;
		if (index_make(&source, n, &state, &x) != 0)
			return false;
		rc = index_write(&source, n, &x);
		index_free(&x);
		if (rc != 0) {
			(void)snprintf(error, error_size, "%08u.index: %s", n,
			    strerror(errno));
			return false;
		}
	}
	return true;
}

static bool
write_state(const struct journal *j, char *error, size_t error_size)
{
	struct snapshot_head head = {
	    .journal = j->uuid,
	    .at = j->last_at,
	    .check = j->head,
	    .time_us = j->last_us,
	};

	CHECK(str_copy(
	    head.component, sizeof(head.component), str_from(j->component)));
	CHECK(str_copy(head.name, sizeof(head.name), str_from(j->name)));
	if (snapshot_write(j->dir_fd, &head, j->core->lines, j->core_ctx) !=
	    0) {
		(void)snprintf(error, error_size, "%s", strerror(errno));
		return false;
	}
	snapshot_prune(j->dir_fd, head.at.seq);
	return true;
}

/* What it writes to the pipe is why it failed; or, after 0, what else did. */
static _Noreturn void
taker_main(const struct journal *j, int out, pid_t parent)
{
	char error[TAKER_ERROR_MAX] = "";
	bool good;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(1);
	close_others(j->dir_fd, out);
	(void)setpriority(PRIO_PROCESS, 0, TAKER_NICE);
	good = write_state(j, error, sizeof(error));
	if (good)
		(void)make_indexes(j, error, sizeof(error));
	(void)file_write_all(out, error, strlen(error));
	_exit(good ? 0 : 1);
}

/* ---- The daemon ---- */

uint64_t
journal_since_snapshot(const struct journal *j)
{
	return j->octets - j->snapshot_octets;
}

int
journal_snapshot_begin(struct journal *j)
{
	struct taker *t = &j->taker;
	pid_t parent = getpid();
	int fds[2], saved;

	CHECK(j->core != NULL && t->pid == 0 && j->batch_len == 0);
	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	t->pid = fork();
	if (t->pid == 0)
		taker_main(j, fds[1], parent);
	saved = errno;
	close(fds[1]);
	if (t->pid < 0) {
		t->pid = 0;
		close(fds[0]);
		errno = saved;
		return -1;
	}
	t->fd = fds[0];
	t->seq = j->last_seq;
	t->octets = j->octets;
	return t->fd;
}

/* Everything it wrote: it has ended, or is about to. */
static void
read_error(int fd, char error[TAKER_ERROR_MAX])
{
	size_t got = 0;
	ssize_t n;

	while (got < TAKER_ERROR_MAX - 1) {
		n = read(fd, error + got, TAKER_ERROR_MAX - 1 - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		got += (size_t)n;
	}
	error[got] = '\0';
}

static int
reap(struct taker *t)
{
	int status;

	while (waitpid(t->pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static void
taker_ended(struct taker *t)
{
	close(t->fd);
	*t = (struct taker){.pid = 0};
}

bool
journal_snapshot_end(
    struct journal *j, uint64_t *seq, char *error, size_t error_size)
{
	struct taker *t = &j->taker;
	char said[TAKER_ERROR_MAX];
	int status;

	CHECK(t->pid != 0);
	read_error(t->fd, said);
	status = reap(t);
	*seq = t->seq;
	if (status == 0) {
		j->snapshot_seq = t->seq;
		j->snapshot_octets = t->octets;
		if (said[0] != '\0')
			log_warn("the indexes beside the segments are not all "
				 "there",
			    LOG_C("dir", j->dir), LOG_C("why", said));
	} else {
		beside_sweep(j->dir_fd);
		if (said[0] == '\0')
			(void)snprintf(said, sizeof(said),
			    "the process that wrote it ended with status %d",
			    status);
		(void)snprintf(error, error_size, "%s", said);
	}
	taker_ended(t);
	return status == 0;
}

void
taker_drop(struct journal *j)
{
	struct taker *t = &j->taker;

	if (t->pid == 0)
		return;
	(void)kill(t->pid, SIGKILL);
	(void)reap(t);
	beside_sweep(j->dir_fd);
	taker_ended(t);
}

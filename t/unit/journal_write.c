/* Writing a journal: group commit, segments, room, and what a failure does. */
#include "journal_fixture.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"

/* ---- A disk that can be told to fail: these stand before libc's ---- */

static bool disk_full, disk_short;
static int fail_pwrite, fail_fdatasync; /* errno of the next call, 0: works */
static int pwrites, fdatasyncs;
static char pwritten[65536];
static size_t pwritten_len;

int
fallocate(int fd, int mode, off_t offset, off_t len)
{
	if (disk_full) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_fallocate, fd, mode, offset, len);
}

ssize_t
pwrite(int fd, const void *octets, size_t len, off_t offset)
{
	pwrites++;
	if (fail_pwrite != 0) {
		errno = fail_pwrite;
		if (fail_pwrite == EINTR)
			fail_pwrite = 0;
		return -1;
	}
	if (disk_short && len > 7)
		len = 7;
	if (pwritten_len + len <= sizeof(pwritten)) {
		memcpy(pwritten + pwritten_len, octets, len);
		pwritten_len += len;
	}
	return syscall(SYS_pwrite64, fd, octets, len, offset);
}

int
fdatasync(int fd)
{
	fdatasyncs++;
	if (fail_fdatasync != 0) {
		errno = fail_fdatasync;
		if (fail_fdatasync == EINTR)
			fail_fdatasync = 0;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void
disk_reset(void)
{
	pwrites = fdatasyncs = 0;
	pwritten_len = 0;
}

/* ---- A new journal ---- */

static void
test_new(const char *dir)
{
	struct journal *j = fixture_journal(dir), *second;
	struct stat st;
	char pid[64];
	size_t len;
	char *text;

	ok(journal_is_new(j) && !journal_was_torn(j), "a journal begins");
	is_i64(journal_last_seq(j), 1, "with SEGMENT");
	is_i64(journal_durable_seq(j), 1, "which is durable");
	ok(!journal_dirty(j), "nothing waits");
	ok(stat(dir, &st) == 0 && (st.st_mode & 0777) == 0750,
	    "the directory has mode 0750");
	ok(stat(fixture_path("a/00000001.journal"), &st) == 0 &&
		(st.st_mode & 0777) == 0640 && st.st_size == FIXTURE_SEGMENT,
	    "the segment has mode 0640 and its full size");
	(void)snprintf(pid, sizeof(pid), "(pid %ld)", (long)getpid());
	ok(fixture_open(&second, dir) == JOURNAL_LOCKED &&
		strstr(fixture_error, pid) != NULL && second == NULL,
	    "a second writer is refused and told who is there");
	journal_close(j);
	j = fixture_journal(dir);
	ok(journal_is_new(j), "opened again it is still new");
	(void)fixture_append(j, 1, "test");
	journal_close(j);
	text = fixture_read(fixture_path("a/00000001.journal"), &len);
	ok(strncmp(text, "1 SEGMENT time=", 15) == 0 &&
		strstr(text, " flushed=0 version=1 journal=") != NULL &&
		strstr(text,
		    " component=bankd name=BankA segment=1 "
		    "prev=00000000000000000000000000000000 check=") != NULL,
	    "SEGMENT says whose it is");
	ok(strstr(text, "\n2 SET time=") != NULL, "closing flushes");
	free(text);
	j = fixture_journal(dir);
	ok(!journal_is_new(j) && journal_last_seq(j) == 2,
	    "with a record it is not new");
	journal_close(j);
}

/* ---- Append, flush, read ---- */

static void
test_batch(const char *dir)
{
	struct journal *j = fixture_journal(dir);
	struct record a, b, got;
	static struct line line;
	static struct msg msg;
	int64_t time_a;
	struct check wrong;

	disk_reset();
	a = fixture_append(j, 7, "first");
	time_a = a.msg->v[KEY_time].i64;
	is_i64(a.msg->v[KEY_flushed].u64, 1, "flushed= is the durable seq");
	b = fixture_append(j, 3, "a second\303\251 %");
	ok(b.msg->v[KEY_time].i64 >= time_a, "time never goes back");
	is_i64(b.msg->v[KEY_flushed].u64, 1, "and still is in the same batch");
	ok(a.pos.seq == 2 && b.pos.seq == 3 && a.pos.segment == 1 &&
		b.pos.offset > a.pos.offset,
	    "append tells where records will lie");
	ok(journal_dirty(j) && journal_durable_seq(j) == 1 &&
		journal_last_seq(j) == 3 && pwrites == 0,
	    "nothing is written before the flush");
	ok(journal_read(j, b.pos, &line, &msg, &got) &&
		str_is(msg.v[KEY_who].str, "a second\303\251 %") &&
		memcmp(&got.check, &b.check, sizeof(got.check)) == 0,
	    "an unflushed record can be read");
	ok(journal_proves(j, 3, &b.check), "and proven");
	journal_flush(j);
	ok(pwrites == 1 && fdatasyncs == 1, "one write, one flush");
	ok(!journal_dirty(j) && journal_durable_seq(j) == 3, "all is durable");
	journal_flush(j);
	ok(pwrites == 1 && fdatasyncs == 1, "an empty flush does nothing");
	b = fixture_append(j, 8, "third");
	is_i64(b.msg->v[KEY_flushed].u64, 3, "flushed= has gone on");
	ok(journal_read(j, (struct jpos){0, a.pos.segment, a.pos.offset}, &line,
	       &msg, &got) &&
		got.pos.seq == 2 && msg.v[KEY_overdraft].u64 == 7,
	    "a position without seq is enough");
	ok(!journal_read(
	       j, (struct jpos){3, 1, a.pos.offset}, &line, &msg, &got),
	    "a position with another seq is not");
	ok(!journal_read(
	       j, (struct jpos){0, 1, a.pos.offset + 2}, &line, &msg, &got) &&
		!journal_read(
		    j, (struct jpos){0, 1, 1 << 20}, &line, &msg, &got) &&
		!journal_read(
		    j, (struct jpos){0, 1, UINT32_MAX}, &line, &msg, &got) &&
		!journal_read(j, (struct jpos){0, 2, 0}, &line, &msg, &got) &&
		!journal_read(j, JPOS_NONE, &line, &msg, &got),
	    "nor one where no record starts");
	ok(journal_read(j, (struct jpos){0, 1, 0}, &line, &msg, &got) &&
		msg.verb == VERB_BANK_JOURNAL_SEGMENT,
	    "the segment's first record can be read");
	wrong = a.check;
	wrong.octets[15] ^= 1;
	ok(journal_proves(j, 2, &a.check) && !journal_proves(j, 2, &wrong) &&
		!journal_proves(j, 3, &a.check) &&
		!journal_proves(j, 0, &a.check) &&
		!journal_proves(j, 5, &b.check),
	    "a proof needs the right seq and the right check");
	journal_close(j);
}

/* The check, computed again from the file as strife-journal(5) says. */
static void
test_chain(const char *dir)
{
	char hex[33] = "00000000000000000000000000000000", want[33];
	uint8_t digest[32];
	char *text, *line, *lf;
	bool good = true;
	size_t len;
	int n = 0;

	text = fixture_read(fixture_path("%s/00000001.journal", dir), &len);
	for (line = text; (lf = strchr(line, '\n')) != NULL; line = lf + 1) {
		const struct str parts[] = {
		    {hex, 32}, {line, (uint32_t)(lf - line) - 39}};

		digest_sha256(parts, 2, digest);
		hex_write(want, digest, 16);
		good = good && memcmp(lf - 39, " check=", 7) == 0 &&
		    memcmp(lf - 32, want, 32) == 0;
		memcpy(hex, lf - 32, 32);
		n++;
	}
	ok(good && n == 4, "each check follows from the line before");
	free(text);
}

/* ---- Segments ---- */

static bool
count_replayed(void *ctx, const struct record *record, char *e, size_t size)
{
	uint64_t *last = ctx;

	(void)e;
	(void)size;
	if (record->pos.seq != *last + 1)
		return false;
	*last = record->pos.seq;
	return true;
}

static void
wait_for_spare(struct journal *j, const char *path)
{
	const struct timespec pause = {0, 2 * NS_PER_MS};
	int i;

	for (i = 0; i < 5000 && access(path, F_OK) != 0; i++) {
		journal_tend(j);
		(void)nanosleep(&pause, NULL);
	}
}

static void
test_segments(const char *dir)
{
	struct journal_conf conf = fixture_conf(dir);
	struct journal *j = fixture_journal(dir);
	struct record records[600], got;
	static struct line line;
	static struct msg msg;
	bool durable = true, read = true, proven = true;
	uint64_t last = 0;
	char *text;
	size_t len;
	int i;

	wait_for_spare(j, fixture_path("c/00000002.journal"));
	text = fixture_read(fixture_path("c/00000002.journal"), &len);
	for (i = 0; len == FIXTURE_SEGMENT && i < FIXTURE_SEGMENT; i++)
		durable = durable && text[i] == '\0';
	ok(len == FIXTURE_SEGMENT && durable, "the spare is all zeros");
	free(text);
	for (i = 0; i < 600; i++) {
		records[i] = fixture_append(j, (uint64_t)i, "segments");
		if (i % 50 == 0)
			journal_flush(j);
		if (i == 300)
			wait_for_spare(j, fixture_path("c/00000004.journal"));
	}
	ok(records[599].pos.segment > 4, "records go on in new segments");
	for (i = 0; i < 600; i++) {
		read = read &&
		    journal_read(j, records[i].pos, &line, &msg, &got) &&
		    msg.v[KEY_overdraft].u64 == (uint64_t)i;
		proven = proven &&
		    journal_proves(j, records[i].pos.seq, &records[i].check);
	}
	ok(read, "records of all segments can be read");
	ok(proven, "and proven");
	ok(journal_read(j, (struct jpos){0, 3, 0}, &line, &msg, &got) &&
		msg.v[KEY_flushed].u64 == got.pos.seq - 1,
	    "what is before a SEGMENT was durable when it was written");
	journal_flush(j);
	journal_close(j);
	is_i64(fixture_count(dir, ".new"), 0, "no maker's file is left");
	i = (int)journal_open(&j, &conf, count_replayed, &last, fixture_error,
	    sizeof(fixture_error));
	ok(i == JOURNAL_OPENED && last == journal_last_seq(j),
	    "replay gives every record once and in order");
	read = proven = true;
	for (i = 0; i < 600; i += 7)
		proven = proven &&
		    journal_proves(j, records[i].pos.seq, &records[i].check);
	ok(proven, "all is proven after a new start too");
	journal_close(j);
	conf.segment_octets = 2 * FIXTURE_SEGMENT;
	is_i64(journal_open(
		   &j, &conf, NULL, NULL, fixture_error, sizeof(fixture_error)),
	    JOURNAL_OPENED, "segments may change their size");
	for (i = 0; i < 300; i++)
		(void)fixture_append(j, (uint64_t)i, "larger");
	journal_close(j);
	is_i64(fixture_open(&j, dir), JOURNAL_OPENED, "and back");
	journal_close(j);
}

static bool
refuse_third(void *ctx, const struct record *record, char *e, size_t size)
{
	(void)ctx;
	(void)snprintf(e, size, "replay says no");
	return record->pos.seq < 3;
}

static void
test_refused(const char *dir)
{
	struct journal_conf conf = fixture_conf(dir);
	struct journal *j;

	conf.name = STR("BankB");
	ok(journal_open(&j, &conf, NULL, NULL, fixture_error,
	       sizeof(fixture_error)) == JOURNAL_UNUSABLE &&
		strstr(fixture_error, "bankd BankA, not of bankd BankB") !=
		    NULL,
	    "another bank's journal is refused");
	conf = fixture_conf(dir);
	conf.side = SIDE_GATEWAY_JOURNAL;
	conf.component = STR("gatewayd");
	is_i64(journal_open(
		   &j, &conf, NULL, NULL, fixture_error, sizeof(fixture_error)),
	    JOURNAL_UNUSABLE, "a bank's journal is no gateway's");
	conf = fixture_conf(dir);
	conf.reserve_octets = 9000;
	ok(journal_open(&j, &conf, NULL, NULL, fixture_error,
	       sizeof(fixture_error)) == JOURNAL_UNUSABLE &&
		strstr(fixture_error, "9000") != NULL &&
		strstr(fixture_error, "16384") != NULL,
	    "a reserve that no segment can hold is refused with both figures");
	conf.reserve_octets = FIXTURE_SEGMENT - 8192;
	is_i64(journal_open(
		   &j, &conf, NULL, NULL, fixture_error, sizeof(fixture_error)),
	    JOURNAL_OPENED, "one that fits is not");
	journal_close(j);
	ok(journal_open(&j, &conf, refuse_third, NULL, fixture_error,
	       sizeof(fixture_error)) == JOURNAL_CORRUPT &&
		strcmp(fixture_error, "replay says no") == 0,
	    "replay can refuse the journal");
	fixture_write(fixture_path("file"), "", 0);
	is_i64(fixture_open(&j, fixture_path("file")), JOURNAL_UNUSABLE,
	    "a file is no directory");
}

/* ---- Room ---- */

static void
test_room(const char *dir)
{
	const struct timespec second = {1, 50 * NS_PER_MS};
	struct journal *j = fixture_journal(dir);
	int i;

	disk_full = true;
	ok(!journal_has_room(j), "no room where no spare can be made");
	disk_full = false;
	ok(!journal_has_room(j), "which is tried once a second");
	(void)nanosleep(&second, NULL);
	(void)journal_has_room(j);
	wait_for_spare(j, fixture_path("d/00000002.journal"));
	journal_tend(j);
	ok(journal_has_room(j), "room again once a spare is there");
	disk_full = true;
	for (i = 0; i < 100 || journal_durable_seq(j) == 1; i++)
		(void)fixture_append(j, (uint64_t)i, "full");
	ok(access(fixture_path("d/00000002.journal"), F_OK) == 0 &&
		!journal_has_room(j),
	    "the spare is used, and then there is no room");
	journal_close(j);
	j = fixture_journal(dir);
	ok(!journal_has_room(j), "a start with a full disk finds no room");
	disk_full = false;
	journal_close(j);
	j = fixture_journal(dir);
	ok(journal_has_room(j), "a spare that is being made is room");
	journal_close(j);
}

/* ---- Failure ---- */

/* Runs journal_flush in a child that a failure ends: its wait status. */
static int
flush_in_child(const char *dir, int write_errno, int flush_errno)
{
	struct journal *j;
	int status = -1;
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)close(STDERR_FILENO);
		if (fixture_open(&j, dir) != JOURNAL_OPENED)
			_exit(9);
		(void)fixture_append(j, 1, "lost");
		fail_pwrite = write_errno;
		fail_fdatasync = flush_errno;
		disk_reset();
		journal_flush(j);
		_exit(0);
	}
	fixture_check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	return status;
}

static void
test_failure(const char *dir)
{
	struct journal *j;
	uint64_t seq;
	int status;

	status = flush_in_child(dir, EIO, 0);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	    "a failed write aborts");
	status = flush_in_child(dir, 0, EIO);
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT,
	    "a failed flush aborts");
	status = flush_in_child(dir, EINTR, EINTR);
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 0,
	    "an interrupted call goes on");
	j = fixture_journal(dir);
	seq = journal_last_seq(j);
	disk_short = true;
	(void)fixture_append(j, 1, "in pieces");
	journal_flush(j);
	disk_short = false;
	journal_close(j);
	j = fixture_journal(dir);
	is_i64(journal_last_seq(j), seq + 1, "short writes are continued");
	journal_close(j);
}

/* The last batch is not proven by any flushed=: it is written again. */
static void
test_unproven(const char *dir)
{
	struct journal *j = fixture_journal(dir);
	int i;

	for (i = 0; i < 5; i++)
		(void)fixture_append(j, 100, "proven");
	journal_flush(j);
	(void)fixture_append(j, 101, "tail");
	(void)fixture_append(j, 102, "tail");
	journal_close(j);
	disk_reset();
	j = fixture_journal(dir);
	pwritten[pwritten_len] = '\0';
	ok(memmem(pwritten, pwritten_len, "account=acc101 ", 15) != NULL &&
		memmem(pwritten, pwritten_len, "account=acc102 ", 15) != NULL,
	    "the unproven tail is rewritten");
	ok(memmem(pwritten, pwritten_len, "account=acc100 ", 15) == NULL,
	    "and no more than that");
	ok(fdatasyncs >= 1, "and flushed");
	is_i64(journal_durable_seq(j), 8, "before it is believed");
	journal_close(j);
}

/* A writer that is killed takes the maker of its spare with it. */
static void
test_killed(const char *dir)
{
	const struct timespec pause = {0, 5 * NS_PER_MS};
	struct journal_conf conf = fixture_conf(dir);
	struct journal *j = NULL;
	enum journal_open result = JOURNAL_LOCKED;
	int status = -1, i;
	pid_t pid;

	conf.segment_octets = 64 << 20;
	journal_close(fixture_journal(dir));
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		if (journal_open(&j, &conf, NULL, NULL, fixture_error,
			sizeof(fixture_error)) != JOURNAL_OPENED)
			_exit(1);
		journal_tend(j);
		(void)kill(getpid(), SIGKILL);
	}
	fixture_check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	for (i = 0; i < 2000 && result == JOURNAL_LOCKED; i++) {
		result = fixture_open(&j, dir);
		(void)nanosleep(&pause, NULL);
	}
	is_i64(result, JOURNAL_OPENED, "nothing keeps the lock of the dead");
	is_i64(fixture_count(dir, ".new"), 0, "what was half made is removed");
	journal_close(j);
}

int
main(void)
{
	fixture_begin();
	test_new(fixture_path("a"));
	test_batch(fixture_path("b"));
	test_chain("b");
	test_segments(fixture_path("c"));
	test_refused(fixture_path("c"));
	test_room(fixture_path("d"));
	test_failure(fixture_path("e"));
	test_unproven(fixture_path("f"));
	test_killed(fixture_path("g"));
	return fixture_end();
}

/*
 * client/spool.h: entries there and back, every change of place, what is no
 * entry, and who may change what. strife-queue's tests are in t5000 to t5200.
 */
#include "client/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

#define A "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0001"
#define B "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0002"

static char top[256], path[256];
static struct spool *spool;
static struct spool_entry entry, there;
static enum spool_place place;

static void
need(bool holds, const char *what)
{
	if (!holds) {
		printf("Bail out! %s\n", what);
		exit(1);
	}
}

static struct id
id_of(const char *text)
{
	struct id id;

	need(id_parse(&id, str_from(text)), text);
	return id;
}

static const char *
at(const char *name)
{
	static char whole[512];

	need(snprintf(whole, sizeof(whole), "%s/%s", path, name) > 0, name);
	return whole;
}

static bool
is_there(const char *name)
{
	struct stat st;

	return lstat(at(name), &st) == 0;
}

static void
write_file(const char *name, const char *octets, mode_t mode)
{
	int fd = open(at(name), O_WRONLY | O_CREAT | O_TRUNC, mode);

	need(fd != -1 &&
		write(fd, octets, strlen(octets)) == (ssize_t)strlen(octets) &&
		fchmod(fd, mode) == 0 && close(fd) == 0,
	    name);
}

/* A payment of 12.50 CZK. */
static void
make(const char *id)
{
	static const struct order_words words = {.from = "alice@BankA",
	    .to = "bob@BankB",
	    .amount = "12.50",
	    .currency = "CZK",
	    .memo = "lunch"};
	char problem[ORDER_PROBLEM_SIZE];
	struct order order;
	struct id of = id_of(id);

	need(order_read(&order, &words, problem), "order");
	spool_entry_new(&entry, &of, &order, "alice");
}

static void
begin(void)
{
	static int count;

	need(snprintf(path, sizeof(path), "%s/%d/spool", top, count++) > 0,
	    "path");
	need(spool_open(&spool, path) == 0, "open");
}

/* ---- Lines ---- */

static void
test_line(void)
{
	char line[LINE_MAX_LEN], again[LINE_MAX_LEN];
	size_t len, i, wrong = 0;

	make(A);
	entry.added_us = 1000000;
	len = spool_entry_write(&entry, line);
	line[len] = '\0';
	is_text(line,
	    "1 PAY id=" A " user=alice from=alice@BankA to=bob@BankB "
	    "amount=1250 currency=CZK memo=lunch "
	    "added=1970-01-01T00:00:01.000000Z attempts=0\n",
	    "a new entry's line is as the man page says");
	entry.order.no_hold = true;
	(void)snprintf(entry.gateway, sizeof(entry.gateway), "[::1]:7440");
	entry.attempts = 3;
	entry.next_us = 2000000;
	entry.answered = true;
	entry.answer = (struct answer){
	    .state = PAYMENT_ABORTED, .reason = CODE_BANK_TIMEOUT, .seq = 7};
	(void)snprintf(entry.bank, sizeof(entry.bank), "BankB");
	entry.time_us = 3000000;
	(void)snprintf(entry.text, sizeof(entry.text), "no vote in time");
	len = spool_entry_write(&entry, line);
	ok(spool_entry_read(&there, line, len) == NULL, "a full one is read");
	ok(spool_entry_write(&there, again) == len &&
		memcmp(line, again, len) == 0,
	    "and is written as it was");
	ok(there.order.no_hold && there.answer.reason == CODE_BANK_TIMEOUT &&
		there.answer.seq == 7 && there.attempts == 3 &&
		there.next_us == 2000000,
	    "with what was in it");
	for (i = 0; i < len; i++)
		wrong += spool_entry_read(&there, line, i) == NULL;
	is_i64(wrong, 0, "no shorter piece of it is an entry");
	need(len * 2 < sizeof(line), "room");
	memcpy(line + len, line, len);
	ok(spool_entry_read(&there, line, 2 * len) != NULL, "nor are two");
}

static void
test_wrong_lines(void)
{
	static const char *const lines[] = {
	    "1 PAY id=" A "\n",
	    "1 PING\n",
	    "1 OK id=" A "\n",
	    "1 PAY id=" A " user=alice from=alice@BankA to=bob@BankB "
	    "amount=0 currency=CZK added=1970-01-01T00:00:01.000000Z "
	    "attempts=0\n",
	    "1 PAY id=" A " user=alice from=alice@BankA to=bob@BankB "
	    "amount=1 currency=CZK added=1970-01-01T00:00:01.000000Z "
	    "attempts=0 state=nonsense\n",
	    "1 PAY id=" A " user=alice from=alice@BankA to=bob@BankB "
	    "amount=1 currency=CZK added=1970-01-01T00:00:01.000000Z "
	    "attempts=0 reason=BANK_TIMEOUT\n",
	    "1 PAY id=" A " user=alice from=alice@BankA to=bob@BankB "
	    "amount=1 currency=CZK added=1970-01-01T00:00:01.000000Z "
	    "attempts=0 more=1\n",
	};
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		ok(spool_entry_read(&there, lines[i], strlen(lines[i])) != NULL,
		    "wrong line %zu is told", i + 1);
}

static void
test_fates(void)
{
	static const struct {
		enum payment_state state;
		enum code reason;
		enum spool_fate fate;
	} cases[] = {
	    {PAYMENT_COMMITTED, CODE_NONE, SPOOL_FATE_PAID},
	    {PAYMENT_ABORTED, CODE_INSUFFICIENT_FUNDS, SPOOL_FATE_DECLINED},
	    {PAYMENT_ABORTED, CODE_OTHER_NEW_ID, SPOOL_FATE_DECLINED},
	    {PAYMENT_ABORTED, CODE_BANK_TIMEOUT, SPOOL_FATE_WAITS},
	    {PAYMENT_ABORTED, CODE_NONE, SPOOL_FATE_REFUSED},
	    {PAYMENT_REFUSED, CODE_INSUFFICIENT_FUNDS, SPOOL_FATE_REFUSED},
	    {PAYMENT_REFUSED, CODE_FORBIDDEN, SPOOL_FATE_REFUSED},
	    {PAYMENT_REFUSED, CODE_ID_REUSED, SPOOL_FATE_REFUSED},
	    {PAYMENT_REFUSED, CODE_OTHER_NEVER, SPOOL_FATE_REFUSED},
	    {PAYMENT_REFUSED, CODE_OVERLOADED, SPOOL_FATE_WAITS},
	    {PAYMENT_REFUSED, CODE_TOKEN_EXPIRED, SPOOL_FATE_WAITS},
	    {PAYMENT_HELD, CODE_BANK_UNAVAILABLE, SPOOL_FATE_WAITS},
	    {PAYMENT_PREPARING, CODE_IN_PROGRESS, SPOOL_FATE_WAITS},
	    {PAYMENT_UNKNOWN, CODE_NONE, SPOOL_FATE_WAITS},
	};
	struct answer answer;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		answer = (struct answer){
		    .state = cases[i].state, .reason = cases[i].reason};
		ok(spool_entry_fate(&answer) == cases[i].fate, "fate of %s %s",
		    answer_state_text(cases[i].state),
		    code_text(cases[i].reason));
	}
}

/* ---- Places ---- */

static void
test_add(void)
{
	struct stat st;
	int again;

	begin();
	ok(stat(at("."), &st) == 0 && (st.st_mode & 0777) == 0700 &&
		stat(at("new"), &st) == 0 && (st.st_mode & 0777) == 0700,
	    "the spool is its owner's only");
	ok(!spool_waiting(spool), "nothing waits");
	make(A);
	ok(spool_add(spool, &entry, &there, &place) == SPOOL_OK, "add");
	ok(spool_waiting(spool), "it waits");
	ok(stat(at("new/" A), &st) == 0 && (st.st_mode & 0777) == 0600,
	    "in new, under its id, for its owner only");
	ok(!is_there("tmp/" A), "nothing is left in tmp");
	for (again = 0; again < 2; again++)
		ok(spool_add(spool, &entry, &there, &place) == SPOOL_EXISTS &&
			place == SPOOL_NEW && spool_entry_same(&entry, &there),
		    "again: it is there");
	entry.order.amount++;
	ok(spool_add(spool, &entry, &there, &place) == SPOOL_EXISTS &&
		!spool_entry_same(&entry, &there),
	    "another payment under its id is told from it");
	spool_close(spool);
	ok(chmod(path, 0770) == 0 && spool_open(&spool, path) == -1 &&
		errno == EPERM,
	    "a spool that others may write to is refused");
	ok(chmod(path, 0700) == 0 && chmod(at("hold"), 0722) == 0 &&
		spool_open(&spool, path) == -1 && errno == EPERM,
	    "and one with such a directory");
}

static void
test_claim(void)
{
	begin();
	make(A);
	ok(spool_claim(spool, &entry, "gw:1") == SPOOL_ABSENT,
	    "what is not there is not claimed");
	need(spool_add(spool, &entry, &there, &place) == SPOOL_OK, "add");
	ok(spool_claim(spool, &entry, "gw:1") == SPOOL_OK, "claim");
	is_text(entry.gateway, "gw:1", "it keeps to that gateway");
	ok(spool_claim(spool, &entry, "gw:1") == SPOOL_OK, "claim it again");
	ok(spool_claim(spool, &entry, "gw:2") == SPOOL_ELSEWHERE,
	    "not for another one");
	ok(spool_retract(spool, &entry.id) == SPOOL_ELSEWHERE,
	    "nor is it as if it had never been");
	ok(spool_cancel_unsent(spool, &entry) == SPOOL_ELSEWHERE,
	    "nor cancelled without asking");
	is_text(entry.gateway, "gw:1", "the gateway to ask is told");
	make(B);
	need(spool_add(spool, &entry, &there, &place) == SPOOL_OK, "add");
	ok(spool_claim(spool, &entry,
	       "a-name-that-is-longer-than-what-a-line-has-room-for.a-name-"
	       "that-is-longer-than-what-a-line-has-room-for.a-name-that-is-"
	       "longer:7440") == SPOOL_ERROR &&
		errno == ENAMETOOLONG,
	    "an address that is too long is an error");
	ok(spool_move(spool, &entry.id, SPOOL_NEW, SPOOL_HOLD) == SPOOL_OK,
	    "hold");
	ok(spool_claim(spool, &entry, "gw:1") == SPOOL_ABSENT,
	    "what is on hold is not claimed");
	ok(spool_release(spool, &entry.id) == SPOOL_OK && is_there("new/" B),
	    "release");
	ok(spool_retract(spool, &entry.id) == SPOOL_OK && !is_there("new/" B),
	    "one that was never sent can be as if it had never been");
	spool_close(spool);
}

static void
answer_is(enum payment_state state, enum code reason)
{
	entry.answered = true;
	entry.answer = (struct answer){.state = state, .reason = reason};
}

static void
test_settle(void)
{
	begin();
	make(A);
	ok(spool_settle(spool, &entry, SPOOL_DONE) == SPOOL_ABSENT,
	    "what is not there is not settled");
	need(spool_add(spool, &entry, &there, &place) == SPOOL_OK &&
		spool_claim(spool, &entry, "gw:1") == SPOOL_OK,
	    "claim");
	answer_is(PAYMENT_HELD, CODE_BANK_UNAVAILABLE);
	entry.gateway[0] = '\0';
	entry.attempts = 1;
	ok(spool_settle(spool, &entry, SPOOL_NEW) == SPOOL_OK &&
		spool_find(spool, &entry.id, &there, &place) == SPOOL_OK &&
		place == SPOOL_NEW && there.attempts == 1,
	    "no end: it stays, with what was said");
	is_text(there.gateway, "gw:1", "and keeps to its gateway");
	need(spool_move(spool, &entry.id, SPOOL_NEW, SPOOL_HOLD) == SPOOL_OK,
	    "hold");
	ok(spool_settle(spool, &entry, SPOOL_NEW) == SPOOL_OK &&
		is_there("hold/" A) && !is_there("new/" A),
	    "no end, and put on hold meanwhile: it stays on hold");
	answer_is(PAYMENT_COMMITTED, CODE_NONE);
	ok(spool_settle(spool, &entry, SPOOL_DONE) == SPOOL_OK &&
		is_there("done/" A) && !is_there("hold/" A),
	    "paid, and put on hold meanwhile: it is done");
	ok(spool_settle(spool, &entry, SPOOL_NEW) == SPOOL_ABSENT &&
		!is_there("new/" A),
	    "an end is the end");
	ok(spool_flush(spool) == 0, "flush");
	ok(spool_add(spool, &entry, &there, &place) == SPOOL_EXISTS &&
		place == SPOOL_DONE,
	    "it cannot be added again");
	ok(spool_remove(spool, &entry.id, SPOOL_DONE) == SPOOL_OK &&
		spool_remove(spool, &entry.id, SPOOL_DONE) == SPOOL_ABSENT,
	    "until it is forgotten");
	make(B);
	need(spool_add(spool, &entry, &there, &place) == SPOOL_OK, "add");
	ok(spool_cancel_unsent(spool, &entry) == SPOOL_OK &&
		spool_find(spool, &entry.id, &there, &place) == SPOOL_OK &&
		place == SPOOL_FAILED && there.answer.reason == CODE_CANCELLED,
	    "dropped before it was sent: cancelled");
	ok(spool_claim(spool, &entry, "gw:1") == SPOOL_ABSENT,
	    "and never sent");
	spool_close(spool);
}

/* ---- What is no entry ---- */

static uint32_t seen, bad;

static bool
count(void *ctx, const struct spool_entry *e)
{
	(void)ctx;
	(void)e;
	seen++;
	return true;
}

static void
count_bad(void *ctx, const char *name)
{
	(void)ctx;
	(void)name;
	bad++;
}

static void
look(void)
{
	seen = bad = 0;
	ok(spool_each(spool, SPOOL_NEW, count, NULL) == 0 &&
		spool_each_bad(spool, count_bad, NULL) == 0,
	    "a spool with strange things in it is read");
}

static void
test_bad(void)
{
	char line[LINE_MAX_LEN];
	int round;

	begin();
	make(A);
	line[spool_entry_write(&entry, line)] = '\0';
	need(spool_add(spool, &entry, &there, &place) == SPOOL_OK, "add");
	for (round = 0; round < 2; round++) {
		write_file("new/" B, line, 0600); /* another's id */
		write_file("new/readme", "hello\n", 0600);
		write_file("new/.swp", "x", 0600);
		need(symlink("../done", at("new/link")) == 0, "symlink");
		need(mkdir(at("new/directory"), 0700) == 0, "mkdir");
		need(mkfifo(at("new/fifo"), 0600) == 0, "mkfifo");
		look();
		is_i64(seen, 1, "the good one is found");
		is_i64(bad, (round + 1) * 5, "the others are set aside");
	}
	ok(is_there("hold/" B ".bad") && is_there("hold/" B ".bad.1"),
	    "under names of their own");
	ok(is_there("new/.swp"), "what starts with a dot is left alone");
	need(chmod(at("new/" A), 0640) == 0, "chmod");
	look();
	is_i64(seen, 0, "one that others can read is no entry");
	ok(is_there("hold/" A ".bad"), "it is set aside");
	seen = 0;
	ok(spool_each(spool, SPOOL_HOLD, count, NULL) == 0 && seen == 0,
	    "nothing set aside is an entry on hold");
	ok(spool_release(spool, &entry.id) == SPOOL_ABSENT,
	    "nor can it be released");
	if (geteuid() == 0) {
		write_file("new/" A, line, 0600);
		need(chown(at("new/" A), 1, 1) == 0, "chown");
		look();
		is_i64(seen, 0, "another user's is no entry");
	}
	spool_close(spool);
}

/* ---- One flusher ---- */

static void
test_flusher(void)
{
	struct spool *other;

	begin();
	need(spool_open(&other, path) == 0, "open");
	write_file("tmp/" A, "half a li", 0600);
	ok(spool_become_flusher(spool) == 0, "a flusher");
	ok(!is_there("tmp/" A), "removes what a crash left in tmp");
	ok(spool_become_flusher(other) == -1 && errno == EWOULDBLOCK,
	    "there is only one");
	spool_resign_flusher(spool);
	ok(spool_become_flusher(other) == 0, "until it resigns");
	spool_close(other);
	ok(spool_become_flusher(spool) == 0, "or closes the spool");
	spool_close(spool);
}

int
main(void)
{
	char command[300];

	(void)snprintf(top, sizeof(top), "%s/strife-spool-unit.XXXXXX",
	    getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	need(mkdtemp(top) != NULL, "a directory");
	test_line();
	test_wrong_lines();
	test_fates();
	test_add();
	test_claim();
	test_settle();
	test_bad();
	test_flusher();
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	need(system(command) == 0, "clean up");
	return tap_done();
}

/*
 * A bank's start with damaged snapshots and indexes beside an intact journal:
 * whatever they hold, the state is that which the records make. An input is a
 * list of edits, each of one of those files.
 */
#include "fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "journal/journal.h"
#include "ledger/ledger.h"
#include "reused.h"
#include "wire/money.h"

#define ACCOUNTS 24 /* with long names: there is a second segment */
#define SEGMENT_SIZE 8192
#define FILES_MAX 16
#define FILE_SIZE_MAX 32768
#define DUMP_MAX 65536

static char dir[256];

/* Everything beside the segments, as it was written. */
static struct file {
	char name[64];
	size_t len;
	char octets[FILE_SIZE_MAX];
} files[FILES_MAX], damaged[FILES_MAX];
static uint32_t file_count;

struct dump {
	size_t len;
	char text[DUMP_MAX];
};
static struct dump original;

/* ---- The bank ---- */

static struct ledger *ledger;

static void
ledger_renew(void)
{
	const struct ledger_conf conf = {
	    .bank = "BankA",
	    .accounts_max = 128,
	    .in_flight_max = 4,
	    .gateways_max = 2,
	    .queries_max = 2,
	    .remembered_max = 128,
	    .resolve_ns = 1000000000,
	    .key = {{1, 2}},
	};

	ledger_free(ledger);
	ledger = ledger_new(&conf);
	CHECK(ledger != NULL);
}

static bool
give(const struct event *ev, char *error, size_t size)
{
	static struct actions actions;

	actions.count = 0;
	ledger_step(ledger, ev, &actions);
	if (actions.count == 0)
		return true;
	fuzz_message(actions.at[0].text);
	(void)snprintf(error, size, "%s", actions.at[0].text);
	return false;
}

static bool
replay(void *ctx, const struct record *record, char *error, size_t size)
{
	const struct event ev = {.kind = EV_RECORD, .record = record};

	(void)ctx;
	return give(&ev, error, size);
}

static bool
remember(void *ctx, const struct id_note *note, char *error, size_t size)
{
	const struct event ev = {.kind = EV_REMEMBER, .note = note};

	(void)ctx;
	return give(&ev, error, size);
}

static bool
restore(void *ctx, const struct msg *line, char *error, size_t size)
{
	const struct event ev = {.kind = EV_RESTORE, .msg = line};

	(void)ctx;
	return give(&ev, error, size);
}

static void
renew(void *ctx)
{
	(void)ctx;
	ledger_renew();
}

static bool
lines(const void *ctx, snapshot_line *line, void *line_ctx)
{
	(void)ctx;
	return ledger_snapshot(ledger, line, line_ctx);
}

static enum journal_open
open_journal(struct journal **j, char *error, size_t size)
{
	static const struct journal_core core = {.note = ledger_note,
	    .remember = remember,
	    .restore = restore,
	    .renew = renew,
	    .lines = lines};
	const struct journal_conf conf = {
	    .dir = dir,
	    .side = SIDE_BANK_JOURNAL,
	    .component = STR("bankd"),
	    .name = STR("BankA"),
	    .segment_octets = SEGMENT_SIZE,
	    .core = &core,
	};

	ledger_renew();
	return journal_open(j, &conf, replay, NULL, error, size);
}

static void
dump_row(void *ctx, const char *text)
{
	struct dump *d = ctx;
	int len =
	    snprintf(d->text + d->len, sizeof(d->text) - d->len, "%s\n", text);

	CHECK(len > 0 && (size_t)len < sizeof(d->text) - d->len);
	d->len += (size_t)len;
}

/* ---- Files ---- */

static bool
is_segment(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot != NULL && strcmp(dot, ".journal") == 0;
}

/* Removes what stands beside the segments, or all. */
static void
sweep(bool all)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	CHECK(d != NULL);
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.' &&
		    (all || !is_segment(entry->d_name)))
			CHECK(unlinkat(dirfd(d), entry->d_name, 0) == 0);
	closedir(d);
}

static void
remove_all(void)
{
	sweep(true);
	(void)rmdir(dir);
}

static int
open_file(const char *name, int flags)
{
	char path[512];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, flags | O_CLOEXEC, 0640);
	CHECK(fd >= 0);
	return fd;
}

static void
keep_files(void)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	CHECK(d != NULL);
	while ((entry = readdir(d)) != NULL) {
		struct file *f = &files[file_count];
		ssize_t len;
		int fd;

		if (entry->d_name[0] == '.' || is_segment(entry->d_name) ||
		    strcmp(entry->d_name, "lock") == 0)
			continue;
		CHECK(file_count < FILES_MAX);
		CHECK(str_copy(
		    f->name, sizeof(f->name), str_from(entry->d_name)));
		fd = open_file(f->name, O_RDONLY);
		len = read(fd, f->octets, sizeof(f->octets));
		CHECK(len > 0 && (size_t)len < sizeof(f->octets));
		f->len = (size_t)len;
		file_count++;
		close(fd);
	}
	closedir(d);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct file *)a)->name, ((const struct file *)b)->name);
}

/* ---- The original ---- */

/* What the ledger wants appended, and what follows from each record. */
static void
carry(struct journal *j, struct actions *actions)
{
	struct actions *next = malloc(sizeof(*next));

	CHECK(next != NULL);
	for (uint32_t i = 0; i < actions->count; i++) {
		struct event ev = {.kind = EV_RECORD};
		struct record record;

		if (actions->at[i].kind != AC_APPEND)
			continue;
		journal_append(
		    j, &actions->at[i].msg, INT64_C(1700000000000000), &record);
		ev.record = &record;
		next->count = 0;
		ledger_step(ledger, &ev, next);
		carry(j, next);
	}
	free(next);
}

static void
load(struct journal *j, uint32_t n)
{
	static struct actions actions;
	char name[NAME_MAX_LEN + 1];
	struct ledger_opening opening = {
	    .currency = CURRENCY('C', 'Z', 'K'),
	    .balance = 100 + (int64_t)n,
	    .id = {{1, (uint8_t)n}},
	};

	(void)snprintf(name, sizeof(name), "acc%061u", (unsigned)n);
	opening.name = str_from(name);
	actions.count = 0;
	CHECK(ledger_load(ledger, &opening, &actions) == CODE_NONE);
	carry(j, &actions);
	journal_flush(j);
}

static void
take_snapshot(struct journal *j)
{
	char error[512] = "";
	uint64_t seq;

	CHECK(journal_snapshot_begin(j) >= 0);
	CHECK(journal_snapshot_end(j, &seq, error, sizeof(error)));
}

static void
begin(void)
{
	const char *tmp = getenv("TMPDIR");
	char error[1024] = "";
	struct journal *j;

	log_init("fuzz", LOG_LEVEL_CRIT);
	(void)snprintf(dir, sizeof(dir), "%.200s/strife-fuzz.XXXXXX",
	    tmp != NULL ? tmp : "/dev/shm");
	CHECK(mkdtemp(dir) != NULL && atexit(remove_all) == 0);
	CHECK(open_journal(&j, error, sizeof(error)) == JOURNAL_OPENED);
	for (uint32_t n = 0; n < ACCOUNTS; n++) {
		load(j, n);
		if (n == ACCOUNTS / 3 || n == ACCOUNTS * 2 / 3)
			take_snapshot(j);
	}
	ledger_dump(ledger, dump_row, &original);
	journal_close(j);
	/* A start makes the indexes that were not made before. */
	CHECK(open_journal(&j, error, sizeof(error)) == JOURNAL_OPENED);
	journal_close(j);
	keep_files();
	CHECK(file_count == 3); /* two snapshots and an index */
	qsort(files, file_count, sizeof(files[0]), by_name);
}

/* ---- The damage ---- */

static void
edit(struct fuzz_input *in)
{
	uint32_t what = fuzz_below(in, 7), which = fuzz_below(in, file_count);
	uint32_t where = (uint32_t)fuzz_octet(in) << 8 | fuzz_octet(in);
	struct str octets = fuzz_piece(in);
	const struct file *other = &files[(which + 1) % file_count];
	struct file *f = &damaged[which];
	size_t at = f->len == 0 ? 0 : where % f->len, len = f->len - at;

	if (len > octets.len)
		len = octets.len;
	switch (what) {
	case 0: /* octets of the input's own */
		memcpy(f->octets + at, octets.at, len);
		break;
	case 1: /* bits that rotted */
		for (size_t i = 0; i < len; i++)
			f->octets[at + i] ^= octets.at[i];
		break;
	case 2: /* cut */
		f->len = at;
		break;
	case 3: /* longer than it was */
		memcpy(f->octets + f->len, octets.at,
		    f->len + octets.len < sizeof(f->octets) ? octets.len : 0);
		if (f->len + octets.len < sizeof(f->octets))
			f->len += octets.len;
		break;
	case 4: /* another one in its place */
		f->len = other->len;
		memcpy(f->octets, other->octets, other->len);
		break;
	case 5: /* octets in the place of all */
		f->len = octets.len;
		memcpy(f->octets, octets.at, octets.len);
		break;
	case 6: /* gone */
		f->name[0] = '\0';
		break;
	}
}

static void
damage(struct fuzz_input in)
{
	memcpy(damaged, files, file_count * sizeof(files[0]));
	while (in.len > 0)
		edit(&in);
	for (uint32_t i = 0; i < file_count; i++) {
		const struct file *f = &damaged[i];
		int fd;

		if (f->name[0] == '\0')
			continue;
		fd = open_file(f->name, O_WRONLY | O_CREAT | O_TRUNC);
		CHECK(write(fd, f->octets, f->len) == (ssize_t)f->len);
		close(fd);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct dump dump;
	char error[1024] = "";
	struct journal *j;

	if (dir[0] == '\0')
		begin();
	sweep(false);
	damage((struct fuzz_input){octets, len});
	CHECK(open_journal(&j, error, sizeof(error)) == JOURNAL_OPENED);
	ledger_check(ledger);
	dump.len = 0;
	ledger_dump(ledger, dump_row, &dump);
	CHECK(dump.len == original.len);
	CHECK(memcmp(dump.text, original.text, dump.len) == 0);
	journal_close(j);
	return 0;
}

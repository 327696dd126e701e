/*
 * Snapshots and indexes beside a journal: a start from them knows what a start
 * from all records knows, whatever bit of them is wrong.
 */
#include <poll.h>

#include "journal_fixture.h"

/* A core whose state is a sum over what it was given, in order. */
struct core {
	uint64_t state; /* by records, or restored */
	uint64_t noted; /* by what records tell about ids */
	uint64_t replayed, remembered, restored, renewed;
	bool refuse_notes, refuse_lines;
};

static uint64_t
mix(uint64_t sum, uint64_t number)
{
	return ((sum ^ number) * UINT64_C(0x9e3779b97f4a7c15)) >> 1;
}

static bool
note(const struct record *record, struct id_note *n)
{
	const struct msg *m = record->msg;
	uint64_t number;

	if (m->verb != VERB_BANK_JOURNAL_SET)
		return false;
	number = m->v[KEY_overdraft].u64;
	*n = (struct id_note){.at = record->pos,
	    .before = {0, 1, (uint32_t)number},
	    .kind = (uint8_t)(1 + number % 7)};
	memcpy(n->id.octets, &number, sizeof(number));
	return number % 3 != 0;
}

static void
take_note(struct core *c, const struct id_note *n)
{
	uint64_t number;

	memcpy(&number, n->id.octets, sizeof(number));
	c->noted = mix(c->noted, number);
	c->noted = mix(c->noted, (uint64_t)n->at.segment << 32 | n->at.offset);
	c->noted = mix(c->noted,
	    (uint64_t)n->before.segment << 40 |
		(uint64_t)n->before.offset << 8 | n->kind);
}

static bool
replay(void *ctx, const struct record *record, char *error, size_t error_size)
{
	struct core *c = ctx;
	struct id_note n;

	(void)error;
	(void)error_size;
	c->replayed++;
	if (record->msg->verb == VERB_BANK_JOURNAL_SET)
		c->state = mix(c->state, record->msg->v[KEY_overdraft].u64);
	if (note(record, &n))
		take_note(c, &n);
	return true;
}

static bool
remember(void *ctx, const struct id_note *n, char *error, size_t error_size)
{
	struct core *c = ctx;

	snprintf(error, error_size, "this core takes no notes");
	c->remembered++;
	take_note(c, n);
	return !c->refuse_notes;
}

static bool
restore(void *ctx, const struct msg *m, char *error, size_t error_size)
{
	struct core *c = ctx;

	snprintf(error, error_size, "this core takes no lines");
	c->restored++;
	if (m->verb == VERB_SNAPSHOT_BOOT)
		c->state = m->v[KEY_boot].u64;
	return !c->refuse_lines;
}

static void
renew(void *ctx)
{
	struct core *c = ctx;
	struct core fresh = {.renewed = c->renewed + 1,
	    .refuse_notes = c->refuse_notes,
	    .refuse_lines = c->refuse_lines};

	*c = fresh;
}

static bool
lines(const void *ctx, snapshot_line *line, void *line_ctx)
{
	const struct core *c = ctx;
	struct msg m;

	msg_init(&m, MSG_REQUEST, VERB_SNAPSHOT_BOOT, "0");
	msg_set_u64(&m, KEY_boot, c->state);
	msg_set_u64(&m, KEY_loaded, 1);
	return line(line_ctx, &m);
}

static const struct journal_core hooks = {
    .note = note,
    .remember = remember,
    .restore = restore,
    .renew = renew,
    .lines = lines,
};

static enum journal_open
open_with(struct journal **j, const char *dir, struct core *c)
{
	struct journal_conf conf = fixture_conf(dir);

	conf.core = &hooks;
	fixture_error[0] = '\0';
	return journal_open(
	    j, &conf, replay, c, fixture_error, sizeof(fixture_error));
}

/* Records from `first` on; the core is given them as they come back. */
static void
write_records(struct journal *j, struct core *c, uint64_t first, uint64_t count)
{
	struct record record;

	for (uint64_t n = first; n < first + count; n++) {
		record = fixture_append(j, n, "somebody");
		(void)replay(c, &record, NULL, 0);
		if (n % 20 == 0)
			journal_flush(j);
	}
	journal_flush(j);
}

static bool
take_snapshot(struct journal *j, uint64_t *seq)
{
	struct pollfd p = {.fd = journal_snapshot_begin(j), .events = POLLIN};

	fixture_check(p.fd >= 0 && poll(&p, 1, -1) == 1, "snapshot");
	return journal_snapshot_end(
	    j, seq, fixture_error, sizeof(fixture_error));
}

static const char *
snapshot_path(const char *dir, uint64_t seq)
{
	return fixture_path(
	    "%s/%016" PRIu64 ".snapshot", strrchr(dir, '/') + 1, seq);
}

/*
 * Four segments, a snapshot in the last, and 30 records behind it. What `c`
 * knows then is what every start has to know.
 */
static uint64_t
make(const char *dir, struct core *c)
{
	struct journal *j;
	uint64_t seq = 0;

	*c = (struct core){0};
	fixture_check(open_with(&j, dir, c) == JOURNAL_OPENED, dir);
	write_records(j, c, 1, 400);
	ok(journal_since_snapshot(j) > 3 * FIXTURE_SEGMENT,
	    "what was appended counts towards a snapshot");
	ok(take_snapshot(j, &seq) && seq == journal_last_seq(j),
	    "a snapshot is taken: %s", fixture_error);
	is_i64((int64_t)journal_since_snapshot(j), 0, "and nothing since");
	write_records(j, c, 401, 30);
	journal_close(j);
	return seq;
}

/* Starts once; the same state again? */
static bool
same(const char *dir, const struct core *want, struct core *got)
{
	struct journal *j;
	bool good;

	got->state = got->noted = got->replayed = 0;
	got->remembered = got->restored = got->renewed = 0;
	good = open_with(&j, dir, got) == JOURNAL_OPENED;
	if (!good) {
		printf("# %s\n", fixture_error);
		return false;
	}
	journal_close(j);
	return got->state == want->state && got->noted == want->noted;
}

static void
starts(void)
{
	const char *dir = fixture_path("starts");
	struct core want, got = {0};
	struct journal *j;
	struct check check;
	struct record record;
	uint64_t seq = make(dir, &want);
	bool good = true;

	is_i64(fixture_count(dir, ".index"), 3,
	    "an index beside each finished segment");
	ok(same(dir, &want, &got), "a start from it knows the same");
	is_i64((int64_t)got.replayed, 30, "of the records after it alone");
	is_i64((int64_t)got.restored, 3, "and its lines");
	fixture_check(open_with(&j, dir, &got) == JOURNAL_OPENED, dir);
	record = fixture_append(j, 999, "x");
	check = record.check;
	ok(journal_proves(j, record.pos.seq, &check), "it goes on");
	for (uint64_t n = 1; n <= seq; n++) {
		memset(&check, 1, sizeof(check));
		good = good && !journal_proves(j, n, &check);
	}
	ok(good, "every older record can be looked at");
	journal_close(j);
	fixture_check(unlink(snapshot_path(dir, seq)) == 0, "unlink");
	got = (struct core){0};
	fixture_check(open_with(&j, dir, &got) == JOURNAL_OPENED, dir);
	journal_close(j);
	is_i64(
	    (int64_t)got.remembered, 0, "without a snapshot no index is used");
	is_i64((int64_t)got.replayed, (int64_t)seq + 31, "but all records");
}

/* Octets of it in turn, another bit each time. */
static void
flipped(const char *dir, const char *path, size_t step, const struct core *want,
    bool is_snapshot)
{
	struct core got = {0};
	size_t len;
	char *octets = fixture_read(path, &len);
	bool good = true, noticed = true;

	for (size_t i = 0; i < len && good && noticed; i += step) {
		octets[i] = (char)(octets[i] ^ 1 << (i / step % 8));
		fixture_write(path, octets, len);
		octets[i] = (char)(octets[i] ^ 1 << (i / step % 8));
		good = same(dir, want, &got);
		noticed = is_snapshot == (got.restored == 0);
		if (!good || !noticed)
			printf("# octet %zu\n", i);
	}
	fixture_write(path, octets, len);
	free(octets);
	ok(good, "whatever bit of it is wrong, a start knows the same");
	ok(noticed, "and %s",
	    is_snapshot ? "does not use it" : "makes it again");
}

static void
cut(const char *dir, const char *path, const struct core *want)
{
	struct core got = {0};
	size_t len;
	char *octets = fixture_read(path, &len);
	bool good = true;

	for (size_t i = 0; i < len && good; i += 43) {
		fixture_write(path, octets, i);
		good = same(dir, want, &got);
	}
	fixture_write(path, octets, len);
	free(octets);
	ok(good, "nor does it matter where it is cut");
}

static void
damaged(void)
{
	const char *dir = fixture_path("damaged");
	struct core want;
	uint64_t seq = make(dir, &want);

	flipped(dir, snapshot_path(dir, seq), 3, &want, true);
	cut(dir, snapshot_path(dir, seq), &want);
	flipped(dir, fixture_path("damaged/00000002.index"), 41, &want, false);
	cut(dir, fixture_path("damaged/00000001.index"), &want);
}

static void
refused(void)
{
	const char *dir = fixture_path("refused");
	struct core want, got = {0};
	uint64_t seq = make(dir, &want);

	got.refuse_notes = true;
	ok(same(dir, &want, &got), "a core that takes no notes");
	is_i64((int64_t)got.renewed, 1, "is made anew");
	is_i64(
	    (int64_t)got.replayed, (int64_t)seq + 30, "and given all records");
	got.refuse_notes = false;
	got.refuse_lines = true;
	ok(same(dir, &want, &got), "one that takes no lines, too");
	is_i64((int64_t)got.renewed, 1, "is made anew");
	is_i64(
	    (int64_t)got.replayed, (int64_t)seq + 30, "and given all records");
}

/* A torn tail behind the snapshot is one; the loss of its record is damage. */
static void
lost(void)
{
	const char *dir = fixture_path("lost");
	const char *last = fixture_path("lost/00000004.journal");
	struct core want, got = {0};
	struct journal *j;
	uint64_t seq = make(dir, &want);
	size_t len, end;
	char *octets = fixture_read(last, &len);

	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	/* The last record is of the batch that nothing proves. */
	memset(octets + end - 20, 0, 20);
	fixture_write(last, octets, len);
	got.replayed = 0;
	ok(open_with(&j, dir, &got) == JOURNAL_OPENED,
	    "a torn tail behind a snapshot's record");
	ok(journal_was_torn(j), "is cut");
	is_i64((int64_t)got.replayed, 29, "and the rest is there");
	journal_close(j);
	memset(octets + 200, 0, len - 200);
	fixture_write(last, octets, len);
	free(octets);
	is_i64(open_with(&j, dir, &got), JOURNAL_CORRUPT,
	    "without the snapshot's record: corrupt");
	ok(strstr(fixture_error, "ends before it") != NULL &&
		strstr(fixture_error, ".snapshot: ") != NULL,
	    "%s", fixture_error);
	fixture_check(unlink(snapshot_path(dir, seq)) == 0, "unlink");
	is_i64(open_with(&j, dir, &got), JOURNAL_OPENED,
	    "without the snapshot nothing proves it");
	journal_close(j);
}

static void
kept(void)
{
	const char *dir = fixture_path("kept");
	struct core c = {0};
	struct journal *j;
	uint64_t seq = 0;
	int fd;

	fixture_check(open_with(&j, dir, &c) == JOURNAL_OPENED, dir);
	for (uint64_t n = 0; n < 4; n++) {
		write_records(j, &c, 1 + n * 10, 10);
		fixture_check(take_snapshot(j, &seq), fixture_error);
	}
	is_i64(fixture_count(dir, ".snapshot"), 2, "two are kept");
	ok(access(snapshot_path(dir, seq), R_OK) == 0, "the newest");
	fd = open(fixture_path("kept/0000000000009999.snapshot.new.1"),
	    O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	/* One that is under way is no reason to wait. */
	fixture_check(journal_snapshot_begin(j) >= 0, "snapshot");
	journal_close(j);
	fixture_check(open_with(&j, dir, &c) == JOURNAL_OPENED, dir);
	is_i64(fixture_count(dir, ".snapshot.new."), 0,
	    "what was left unfinished is removed");
	journal_close(j);
}

/* Snapshots of another journal, and files that are none. */
static void
foreign(void)
{
	const char *dir = fixture_path("foreign");
	const char *other = fixture_path("other");
	struct core want, got = {0};
	uint64_t seq = make(other, &want);

	is_i64((int64_t)make(dir, &want), (int64_t)seq, "two journals alike");
	fixture_copy(snapshot_path(other, seq), snapshot_path(dir, seq));
	ok(same(dir, &want, &got), "the snapshot of another journal");
	ok(got.restored == 0 && got.renewed == 0, "is passed over");
	fixture_check(unlink(snapshot_path(dir, seq)) == 0, "unlink");
	fixture_copy(fixture_path("other/00000001.index"),
	    fixture_path("foreign/00000001.index"));
	ok(same(dir, &want, &got), "and its index is not used");
	for (uint64_t n = 1; n <= 20; n++)
		fixture_write(snapshot_path(dir, n), "x", 1);
	ok(same(dir, &want, &got), "nor are files that are no snapshots");
	is_i64((int64_t)got.replayed, (int64_t)seq + 30, "all records are");
}

/* Older ones that are broken are not in the way of the newest. */
static void
many(void)
{
	const char *dir = fixture_path("many");
	struct core want, got = {0};
	uint64_t seq = make(dir, &want);

	for (uint64_t n = 1; n <= 20; n++)
		fixture_write(snapshot_path(dir, n * 7 % 23), "x", 1);
	ok(same(dir, &want, &got) && got.restored == 3,
	    "20 broken ones before it");
	for (uint64_t n = 1; n <= 3; n++)
		fixture_write(snapshot_path(dir, seq + n * 2 % 3), "x", 1);
	ok(same(dir, &want, &got) && got.restored == 0, "the newest broken");
}

/* An old copy of the journal that went on without the snapshot's records. */
static void
diverged(void)
{
	const char *dir = fixture_path("diverged");
	const char *segment = fixture_path("diverged/00000001.journal");
	const char *kept_segment = fixture_path("kept.journal");
	const char *kept_snapshot = fixture_path("kept.snapshot");
	struct core c = {0};
	struct journal *j;
	uint64_t seq = 0;

	fixture_check(open_with(&j, dir, &c) == JOURNAL_OPENED, dir);
	write_records(j, &c, 1, 20);
	journal_close(j);
	fixture_copy(segment, kept_segment);
	fixture_check(open_with(&j, dir, &c) == JOURNAL_OPENED, dir);
	write_records(j, &c, 21, 20);
	fixture_check(take_snapshot(j, &seq), fixture_error);
	journal_close(j);
	fixture_copy(snapshot_path(dir, seq), kept_snapshot);
	fixture_check(unlink(snapshot_path(dir, seq)) == 0, "unlink");
	fixture_copy(kept_segment, segment);
	fixture_check(open_with(&j, dir, &c) == JOURNAL_OPENED, dir);
	write_records(j, &c, 51, 40);
	journal_close(j);
	fixture_copy(kept_snapshot, snapshot_path(dir, seq));
	is_i64(open_with(&j, dir, &c), JOURNAL_CORRUPT,
	    "another record where the snapshot's was");
	ok(strstr(fixture_error, "has another record there") != NULL, "%s",
	    fixture_error);
}

/* Damage that a start from a snapshot meets is what a replay meets. */
static void
rotten(void)
{
	const char *last = fixture_path("rotten/00000004.journal");
	const char *dir = fixture_path("rotten");
	struct core want, got = {0};
	struct journal *j;
	size_t len;
	char *octets;

	(void)make(dir, &want);
	octets = fixture_read(last, &len);
	octets[300] ^= 1;
	fixture_write(last, octets, len);
	free(octets);
	is_i64(open_with(&j, dir, &got), JOURNAL_CORRUPT,
	    "damage before the snapshot's record");
	ok(strstr(fixture_error, "00000004.journal: offset ") != NULL, "%s",
	    fixture_error);
}

int
main(void)
{
	fixture_begin();
	starts();
	damaged();
	refused();
	lost();
	kept();
	foreign();
	many();
	diverged();
	rotten();
	return fixture_end();
}

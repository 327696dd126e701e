/*
 * What damage does to a journal: whatever is flipped, cut, torn or put
 * elsewhere, a reader gives a prefix of what was written and then says that the
 * journal is corrupt, or that a tail was torn that nothing proves durable.
 */
#include "journal_fixture.h"

#include "journal/segment.h"

#define RECORDS_MAX 512
#define SECTOR 512

/* The journal that was written: its lines, and what its own records prove. */
static char *lines[RECORDS_MAX];
static uint64_t records, proven;

struct outcome {
	enum reader_status status;
	uint64_t count;
	bool same; /* every record given is as it was written */
};

static struct outcome
read_all(const char *dir)
{
	struct outcome got = {READER_ERROR, 0, true};
	struct reader *r;
	struct record record;
	struct str text;

	if (reader_open(
		&r, dir, SIDE_COUNT, fixture_error, sizeof(fixture_error)) != 0)
		return got;
	while ((got.status = reader_next(r, &record, &text)) == READER_RECORD) {
		got.same = got.same && got.count < records &&
		    str_is(text, lines[got.count]);
		got.count++;
	}
	(void)snprintf(
	    fixture_error, sizeof(fixture_error), "%s", reader_problem(r));
	reader_close(r);
	return got;
}

/* Never silently different, and nothing lost that was proven durable. */
static bool
harmless(struct outcome got)
{
	if (!got.same)
		return false;
	switch (got.status) {
	case READER_END:
		return got.count == records;
	case READER_TORN:
		return got.count >= proven;
	case READER_CORRUPT:
		return true;
	case READER_RECORD:
	case READER_ERROR:
		break;
	}
	return false;
}

/*
 * With an argument, "whole": every bit and every length of a journal of 64 KiB,
 * which takes minutes; else of a smaller one, and a sample of what is alike.
 */
#define WHOLE_RECORDS 440
#define WHOLE_SEGMENTS 8
static bool whole;

static void
remember(const char *dir)
{
	struct reader *r;
	struct record record;
	struct str text;

	fixture_check(reader_open(&r, dir, SIDE_COUNT, fixture_error,
			  sizeof(fixture_error)) == 0,
	    "reader_open");
	for (; records > 0; records--)
		free(lines[records - 1]);
	proven = 0;
	while (reader_next(r, &record, &text) == READER_RECORD) {
		fixture_check(records < RECORDS_MAX, "too many records");
		lines[records] = strndup(text.at, text.len);
		fixture_check(lines[records++] != NULL, "strndup");
		proven = record.msg->v[KEY_flushed].u64;
	}
	reader_close(r);
}

/* Three segments, flushed every few records; the last batch is not proven. */
static void
build(const char *dir)
{
	struct journal_conf conf = fixture_conf(dir);
	struct journal *j;
	int i;

	conf.segment_octets = SEGMENT_OCTETS_MIN;
	fixture_check(journal_open(&j, &conf, NULL, NULL, fixture_error,
			  sizeof(fixture_error)) == JOURNAL_OPENED,
	    "journal_open");
	for (i = 0; i < (whole ? WHOLE_RECORDS : 150); i++) {
		(void)fixture_append(j, (uint64_t)i, "someone");
		if (i % 4 == 0)
			journal_flush(j);
	}
	journal_close(j);
	remember(dir);
}

/* ---- Bits and lengths ---- */

static void
flip_segment(const char *path, const char *dir, bool last, int bits)
{
	size_t len, i;
	char *octets = fixture_read(path, &len);
	unsigned bad = 0, silent = 0;
	struct outcome got;
	int fd = open(path, O_WRONLY | O_CLOEXEC), bit;
	size_t used = len;
	char c;

	fixture_check(fd >= 0, path);
	while (used > 0 && octets[used - 1] == '\0')
		used--;
	/* The zeros behind are all alike: some of them will do. */
	for (i = 0; i < len; i += whole || i < used + 40 ? 1 : 509) {
		for (bit = 0; bit < 8; bit++) {
			if (!whole && bits == 1 && bit != (int)(i % 8))
				continue;
			c = (char)(octets[i] ^ 1 << bit);
			fixture_check(pwrite(fd, &c, 1, (off_t)i) == 1, path);
			got = read_all(dir);
			bad += !harmless(got);
			silent += got.status == READER_END ||
			    (!last && got.status == READER_TORN);
		}
		fixture_check(pwrite(fd, octets + i, 1, (off_t)i) == 1, path);
	}
	ok(bad == 0, "%s: no flipped bit changes or loses what is proven",
	    path + strlen(fixture_root));
	ok(silent == 0, "%s: none goes unnoticed%s",
	    path + strlen(fixture_root),
	    last ? "" : ", or is taken for a torn tail");
	close(fd);
	free(octets);
}

static void
cut_segment(const char *path, const char *dir, bool last)
{
	size_t len, i;
	char *octets = fixture_read(path, &len);
	unsigned bad = 0, torn = 0;
	struct outcome got;
	size_t step;

	for (i = 0; i < len; i += step) {
		step = whole || i % 4096 < 2100 ? 1 : 13;
		fixture_check(truncate(path, (off_t)i) == 0, path);
		got = read_all(dir);
		bad += !harmless(got);
		torn += got.status == READER_TORN;
		fixture_write(path, octets, len);
	}
	ok(bad == 0, "%s: cut to any length, nothing is lost silently",
	    path + strlen(fixture_root));
	ok(last || torn == 0, "%s: and an older segment is never torn",
	    path + strlen(fixture_root));
	free(octets);
}

static void
test_flips(const char *dir)
{
	struct outcome got = read_all(dir);
	unsigned last = whole ? WHOLE_SEGMENTS : 3;

	ok(got.status == READER_END && got.count == records && got.same &&
		proven + 4 >= records && proven < records,
	    "the journal is sound to begin with");
	for (unsigned n = 1; n <= last; n++) {
		char name[32];

		snprintf(name, sizeof(name), "a/%08u.journal", n);
		flip_segment(fixture_path("%s", name), dir, n == last,
		    n == last ? 8 : 1);
		if (whole || n == 1 || n == last)
			cut_segment(fixture_path("%s", name), dir, n == last);
	}
	got = read_all(dir);
	ok(got.status == READER_END && got.count == records,
	    "the journal is sound again");
}

/* ---- Segments in the wrong place ---- */

static bool
is_corrupt(const char *dir, const char *says)
{
	struct outcome got = read_all(dir);

	if (got.same && got.status == READER_CORRUPT &&
	    strstr(fixture_error, says) != NULL)
		return true;
	printf("# status %d, %s\n", (int)got.status, fixture_error);
	return false;
}

static void
test_segments(const char *dir)
{
	const char *one = fixture_path("a/00000001.journal"),
		   *two = fixture_path("a/00000002.journal"),
		   *three = fixture_path("a/00000003.journal"),
		   *four = fixture_path("a/00000004.journal"),
		   *aside = fixture_path("aside"),
		   *other = fixture_path("other/00000002.journal");
	char zeros[SEGMENT_OCTETS_MIN] = {0};
	struct journal *j;

	fixture_check(rename(one, aside) == 0 && rename(two, one) == 0 &&
		rename(aside, two) == 0,
	    "rename");
	ok(is_corrupt(dir, "00000001.journal: offset 0: record 1: "),
	    "segments that changed places are corrupt");
	fixture_check(rename(one, aside) == 0 && rename(two, one) == 0 &&
		rename(aside, two) == 0,
	    "rename");
	fixture_copy(three, four);
	ok(is_corrupt(dir, "00000004.journal: offset 0: "),
	    "a segment that is there twice is corrupt");
	fixture_write(four, zeros, sizeof(zeros));
	ok(read_all(dir).status == READER_END, "an empty one behind is spare");
	fixture_check(rename(four, aside) == 0 && rename(three, four) == 0 &&
		rename(aside, three) == 0,
	    "rename");
	ok(is_corrupt(dir, "empty segment"), "one before others is not");
	fixture_check(rename(four, three) == 0, "rename");
	fixture_copy(two, aside);
	fixture_copy(other, two);
	ok(is_corrupt(dir, "00000002.journal: offset 0: "),
	    "a segment of another journal is corrupt");
	fixture_check(unlink(two) == 0, "unlink");
	is_i64(read_all(dir).status, READER_ERROR,
	    "a missing segment is found before anything is read");
	is_i64(fixture_open(&j, dir), JOURNAL_CORRUPT,
	    "and the writer calls it corrupt");
	fixture_check(rename(aside, two) == 0, "rename");
	is_i64(read_all(dir).status, READER_END, "all is well again");
}

/* ---- Lines that are lost, doubled, swapped, edited ---- */

static void
test_lines(const char *dir)
{
	const char *path = fixture_path("a/00000003.journal");
	size_t len, a, b, c;
	char *octets = fixture_read(path, &len);
	char *changed = calloc(1, 2 * len);
	char *lf;

	fixture_check(changed != NULL, "calloc");
	lf = strchr(octets, '\n');
	a = (size_t)(lf - octets) + 1;
	lf = strchr(octets + a, '\n');
	b = (size_t)(lf - octets) + 1;
	lf = strchr(octets + b, '\n');
	c = (size_t)(lf - octets) + 1;

	memcpy(changed, octets, a);
	memcpy(changed + a, octets + b, len - b);
	fixture_write(path, changed, len);
	ok(is_corrupt(dir, "check does not follow"), "a lost record");
	memcpy(changed, octets, b);
	memcpy(changed + b, octets + a, len - b);
	fixture_write(path, changed, len);
	ok(is_corrupt(dir, "check does not follow"), "a doubled record");
	memcpy(changed, octets, len);
	memcpy(changed + a, octets + b, c - b);
	memcpy(changed + a + (c - b), octets + a, b - a);
	fixture_write(path, changed, len);
	ok(is_corrupt(dir, "check does not follow"), "two swapped records");
	memcpy(changed, octets, len);
	lf = strstr(changed + a, " overdraft=");
	fixture_check(lf != NULL, "no overdraft");
	lf[11] = lf[11] == '9' ? '8' : '9';
	fixture_write(path, changed, len);
	ok(is_corrupt(dir, "check does not follow"), "an edited amount");
	memcpy(changed, octets, len);
	changed[c - 1] = 'x';
	fixture_write(path, changed, len);
	ok(is_corrupt(dir, "offset"), "a line feed that is none");
	fixture_write(path, octets, len);
	free(changed);
	free(octets);
}

/* The last line's LF, and the rest of the four criteria. */
static void
test_criteria(const char *dir)
{
	const char *path = fixture_path("a/00000003.journal");
	size_t len, end, last;
	char *octets = fixture_read(path, &len);
	struct outcome got;

	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	for (last = end - 1; octets[last - 1] != '\n'; last--)
		continue;
	octets[end - 1] = '\0';
	fixture_write(path, octets, len);
	if (end % SECTOR == 1)
		is_i64(read_all(dir).status, READER_TORN, "a torn LF");
	else
		ok(is_corrupt(dir, "check is right but no LF"),
		    "a right check without LF is corrupt");
	octets[end - 1] = '\n';
	memset(octets + last + 10, 0, 20);
	fixture_write(path, octets, len);
	got = read_all(dir);
	ok(got.status == READER_TORN && got.count == records - 1,
	    "zeros in the last, unproven record: torn");
	fixture_write(path, octets, last + 9);
	ok(is_corrupt(dir, "cut"), "a file cut within it: corrupt");
	fixture_write(path, octets, last);
	ok(is_corrupt(dir, "cut"), "a file cut between records: corrupt");
	memset(octets + last, 0, end - last);
	octets[len - 1] = 'x';
	fixture_write(path, octets, len);
	got = read_all(dir);
	ok(got.status == READER_TORN && got.count == records - 1,
	    "octets far behind the end: torn");
	free(octets);
}

/* ---- Torn writes ---- */

/*
 * A batch of which any sectors are missing: every combination is torn or
 * complete, and never corrupt, or a power failure would stop the daemon.
 */
static void
torn_batch(const char *dir, const char *path, unsigned *bad)
{
	struct journal *j = fixture_journal(dir);
	size_t len, from, end, first, sectors, s;
	struct outcome got;
	char *octets, *torn;
	unsigned set;
	int i;

	from = fixture_append(j, 1, "before").pos.offset;
	journal_flush(j);
	for (i = 0; i < 9; i++)
		(void)fixture_append(j, 2, "torn");
	journal_close(j);
	remember(dir);
	octets = fixture_read(path, &len);
	torn = malloc(len);
	fixture_check(torn != NULL, "malloc");
	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	from =
	    (size_t)((char *)memchr(octets + from, '\n', len - from) - octets) +
	    1;
	first = from / SECTOR;
	sectors = (end - 1) / SECTOR - first + 1;
	for (set = 1; set < 1U << sectors; set++) {
		memcpy(torn, octets, len);
		for (s = 0; s < sectors; s++) {
			size_t at = (first + s) * SECTOR;
			size_t to = at + SECTOR < end ? at + SECTOR : end;

			at = at < from ? from : at;
			if (set & 1U << s)
				memset(torn + at, 0, to - at);
		}
		fixture_write(path, torn, len);
		got = read_all(dir);
		*bad += !got.same || got.count < proven ||
		    (got.status != READER_TORN && got.status != READER_END);
	}
	fixture_write(path, octets, len);
	free(torn);
	free(octets);
}

static void
test_torn_batches(const char *dir)
{
	unsigned bad = 0;
	int i;

	for (i = 0; i < 8; i++)
		torn_batch(dir, fixture_path("t/00000001.journal"), &bad);
	ok(bad == 0, "whatever sectors of a batch are lost, it is torn");
}

/* A LF that would have been the first octet of a sector that did not arrive. */
static void
test_torn_lf(const char *dir)
{
	const char *path = fixture_path("l/00000001.journal");
	struct journal *j = fixture_journal(dir);
	char who[SECTOR + 2], *octets;
	size_t at, len, end, pad = SECTOR;
	struct outcome got;

	/* Until the LF of a record like the last comes near a sector's start.
	 */
	do {
		at = fixture_append(j, 1, "x").pos.offset;
		journal_flush(j);
	} while (journal_last_seq(j) < 12); /* all numbers as long */
	while (pad > 40) {
		end = fixture_append(j, 1, "x").pos.offset;
		len = end - at;
		at = end;
		journal_flush(j);
		pad = 1 + (SECTOR - (at + 2 * len - 1) % SECTOR) % SECTOR;
	}
	memset(who, 'x', pad);
	who[pad] = '\0';
	(void)fixture_append(j, 1, who);
	journal_close(j);
	remember(dir);
	octets = fixture_read(path, &len);
	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	is_i64((end - 1) % SECTOR, 0, "a LF begins a sector");
	octets[end - 1] = '\0';
	fixture_write(path, octets, len);
	got = read_all(dir);
	ok(got.status == READER_TORN && got.count == records - 1,
	    "and is lost with it: torn, not corrupt");
	free(octets);
}

/* ---- What a start makes of it ---- */

static void
test_cut(const char *dir)
{
	const char *path = fixture_path("s/00000001.journal");
	struct journal *j = fixture_journal(dir);
	char *octets, *copy;
	size_t len, copy_len, at, end;
	struct record record;

	(void)fixture_append(j, 1, "kept");
	journal_flush(j);
	at = fixture_append(j, 2, "torn").pos.offset;
	(void)fixture_append(j, 3, "intact behind the hole");
	(void)fixture_append(j, 4, "intact behind the hole");
	journal_close(j);
	octets = fixture_read(path, &len);
	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	memset(octets + at + 3, 0, 30);
	fixture_write(path, octets, len);
	j = fixture_journal(dir);
	ok(journal_was_torn(j) && journal_last_seq(j) == 2,
	    "a start cuts the torn tail off");
	copy =
	    fixture_read(fixture_path("s/00000001.journal.torn-3"), &copy_len);
	ok(copy_len == end - at && memcmp(copy, octets + at, copy_len) == 0,
	    "and keeps its octets aside");
	free(copy);
	free(octets);
	octets = fixture_read(path, &len);
	for (end = len; octets[end - 1] == '\0'; end--)
		continue;
	is_i64(end, at, "zeros are in its place");
	record = fixture_append(j, 5, "again");
	ok(record.pos.seq == 3 && record.pos.offset == at,
	    "the journal goes on there");
	journal_close(j);
	free(octets);
	octets = fixture_read(path, &len);
	memset(octets + at + 3, 0, 30);
	fixture_write(path, octets, len);
	j = fixture_journal(dir);
	ok(journal_was_torn(j) &&
		fixture_count(dir, "00000001.journal.torn-3.2") == 1,
	    "a second tail at the same record is kept too");
	journal_close(j);
	j = fixture_journal(dir);
	ok(!journal_was_torn(j), "the next start is like any other");
	journal_close(j);
	free(octets);
}

/* Damage below a record that proves it was durable: nothing is touched. */
static void
test_refuse(const char *dir)
{
	const char *path = fixture_path("r/00000001.journal");
	struct journal *j = fixture_journal(dir);
	char *octets, *after;
	size_t len, after_len, at;
	int names;

	at = fixture_append(j, 1, "durable").pos.offset;
	journal_flush(j);
	(void)fixture_append(j, 2, "says so");
	journal_close(j);
	octets = fixture_read(path, &len);
	memset(octets + at + 3, 0, 30);
	fixture_write(path, octets, len);
	names = fixture_count(dir, "");
	ok(fixture_open(&j, dir) == JOURNAL_CORRUPT &&
		strstr(fixture_error, "00000001.journal: offset ") != NULL &&
		strstr(fixture_error, ": record 2: ") != NULL,
	    "a start refuses it, with file, offset and seq");
	after = fixture_read(path, &after_len);
	ok(after_len == len && memcmp(after, octets, len) == 0 &&
		fixture_count(dir, "") == names,
	    "and changes nothing");
	free(after);
	free(octets);
}

/* The first write into a new segment can tear as well. */
static void
test_torn_segment(const char *dir)
{
	const char *path = fixture_path("n/00000002.journal");
	struct journal *j = fixture_journal(dir);
	uint64_t last = 0;
	size_t len, i;
	char *octets;
	bool zero = true;

	while (access(path, F_OK) != 0) {
		last = journal_last_seq(j);
		(void)fixture_append(j, 1, "fills the first segment");
	}
	journal_close(j);
	octets = fixture_read(path, &len);
	memset(octets + 100, 0, 50);
	fixture_write(path, octets, len);
	j = fixture_journal(dir);
	ok(journal_was_torn(j) && journal_last_seq(j) == last,
	    "a new segment whose first record is torn never began");
	(void)fixture_append(j, 2, "and the journal goes on");
	journal_close(j);
	free(octets);
	octets = fixture_read(path, &len);
	fixture_check(read_all(dir).status == READER_END, "read");
	for (i = 0; i < len; i++)
		zero = zero && octets[i] == '\0';
	ok(zero || strstr(octets, " segment=2 ") != NULL,
	    "the segment is spare, or used again");
	j = fixture_journal(dir);
	is_i64(journal_last_seq(j), last + 1 + !zero, "without a gap");
	journal_close(j);
	free(octets);
}

/* And so can the very first. */
static void
test_torn_first(const char *dir)
{
	const char *path = fixture_path("o/00000001.journal");
	size_t len;
	char *octets;
	struct journal *j = fixture_journal(dir);

	journal_close(j);
	octets = fixture_read(path, &len);
	memset(octets + 30, 0, 30);
	fixture_write(path, octets, len);
	j = fixture_journal(dir);
	ok(journal_is_new(j) && journal_was_torn(j) && journal_last_seq(j) == 1,
	    "a journal whose first record is torn begins again");
	journal_close(j);
	free(octets);
}

int
main(int argc, char **argv)
{
	whole = argc > 1 && strcmp(argv[1], "whole") == 0;
	fixture_begin();
	build(fixture_path("other"));
	build(fixture_path("a"));
	test_flips(fixture_path("a"));
	if (whole)
		return fixture_end();
	test_segments(fixture_path("a"));
	test_lines(fixture_path("a"));
	test_criteria(fixture_path("a"));
	test_torn_batches(fixture_path("t"));
	test_torn_lf(fixture_path("l"));
	test_cut(fixture_path("s"));
	test_refuse(fixture_path("r"));
	test_torn_segment(fixture_path("n"));
	test_torn_first(fixture_path("o"));
	for (; records > 0; records--)
		free(lines[records - 1]);
	return fixture_end();
}

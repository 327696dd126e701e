/*
 * Records whose checks are right and that cannot be nevertheless: of another
 * journal, out of order, or of a newer program. They are damage, never a torn
 * tail, for a tail is cut off.
 */
#include "journal_fixture.h"

#include "journal/segment.h"

#define TIME " time=2023-11-14T22:13:20.000000Z"
#define JOURNAL "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define SEGMENT(version, journal, component, name, number) \
	"SEGMENT" TIME " flushed=0 version=" version " journal=" journal \
	" component=" component " name=" name " segment=" number " prev="
#define FIRST SEGMENT("1", JOURNAL, "bankd", "BankA", "1")
#define NO_CHECK "00000000000000000000000000000000"

/* A segment that is being made. */
struct making {
	char octets[FIXTURE_SEGMENT];
	size_t len;
	struct check head;
};

/* The text without its tag; `prev` is filled in behind what ends with "=". */
static void
add(struct making *m, const char *tag, const char *text)
{
	char line[LINE_MAX_LEN], hex[CHECK_HEX_LEN + 1] = "";
	size_t len = strlen(text);
	int n;

	check_text(&m->head, hex);
	n = snprintf(line, sizeof(line), "%s %s%s", tag, text,
	    text[len - 1] == '=' ? hex : "");
	fixture_check(n > 0 && (size_t)n < sizeof(line), "a line");
	check_chain(&m->head, &m->head, (struct str){line, (uint32_t)n});
	check_text(&m->head, hex);
	m->len += (size_t)snprintf(m->octets + m->len,
	    sizeof(m->octets) - m->len, "%s check=%s\n", line, hex);
}

static void
finish(const struct making *m, const char *dir, unsigned segment)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/%08u.journal", dir, segment);
	fixture_write(path, m->octets, sizeof(m->octets));
}

/* After so many good records: what is wrong with the next. */
static void
damaged(const char *dir, uint32_t good, const char *words)
{
	struct journal *j = NULL;
	struct record record;
	struct reader *r;
	struct str text;

	fixture_check(reader_open(&r, dir, SIDE_COUNT, fixture_error,
			  sizeof(fixture_error)) == 0,
	    dir);
	for (uint32_t i = 0; i < good; i++)
		ok(reader_next(r, &record, &text) == READER_RECORD,
		    "a good record: %s", reader_problem(r));
	ok(reader_next(r, &record, &text) == READER_CORRUPT &&
		strstr(reader_problem(r), words) != NULL,
	    "damage: %s", reader_problem(r));
	reader_close(r);
	ok(fixture_open(&j, dir) != JOURNAL_OPENED && fixture_error[0] != '\0',
	    "no start with it: %s", fixture_error);
	is_i64(fixture_count(dir, "torn"), 0, "and nothing is cut off");
	fixture_remove(dir);
}

/* The first record of all. */
static void
test_first(void)
{
	static const char *const bad[][3] = {
	    {"1", SEGMENT("2", JOURNAL, "bankd", "BankA", "1"),
		"this version of the format is not known"},
	    {"1", SEGMENT("1", JOURNAL, "bankd", "BankA", "2"),
		"the segment has the number of another"},
	    {"1", FIRST "11111111111111111111111111111111",
		"the segment does not follow the one before it"},
	    {"1", SEGMENT("1", JOURNAL, "teller", "BankA", "1"),
		"the component is unknown"},
	    {"2", FIRST, "it has another sequence number"},
	    {"01", FIRST, "it does not start with a sequence number"},
	    {"1x", FIRST, "it does not start with a sequence number"},
	    {"x", FIRST, "it does not start with a sequence number"},
	    {"1", "BOOT" TIME " flushed=0 boot=1 agent=x",
		"a field is missing, unknown or out of range"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *dir = fixture_path("first%zu", i);
		static struct making m;

		memset(&m, 0, sizeof(m));
		fixture_check(mkdir(dir, 0750) == 0, dir);
		add(&m, bad[i][0], bad[i][1]);
		finish(&m, dir, 1);
		damaged(dir, 0, bad[i][2]);
	}
}

static void
test_second(void)
{
	static const char *const bad[][3] = {
	    {"3", "BOOT" TIME " flushed=0 boot=1 agent=x",
		"it has another sequence number"},
	    {"2", "BOOT" TIME " flushed=2 boot=1 agent=x",
		"it says that it was durable before it was written"},
	    {"2", "BOOT" TIME " flushed=0 boot=1 agent=x more=1",
		"a field is missing, unknown or out of range"},
	    {"2", "BOOT" TIME " flushed=0 agent=x",
		"a field is missing, unknown or out of range"},
	    {"2", "BEYOND" TIME " flushed=0",
		"its kind is unknown (written by a newer program?)"},
	    {"2", "BOOT" TIME " flushed=0 boot=1 \001",
		"it is not a line of the grammar"},
	    {"2", FIRST,
		"SEGMENT is the first record of a segment, and only it"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *dir = fixture_path("second%zu", i);
		static struct making m;

		memset(&m, 0, sizeof(m));
		fixture_check(mkdir(dir, 0750) == 0, dir);
		add(&m, "1", FIRST);
		add(&m, bad[i][0], bad[i][1]);
		finish(&m, dir, 1);
		damaged(dir, 1, bad[i][2]);
	}
}

/* Another journal's file in the place of this one's second segment. */
static void
test_segments(void)
{
	static const char *const bad[][2] = {
	    {SEGMENT("1", OTHER, "bankd", "BankA", "2"),
		"the segment belongs to another journal"},
	    {SEGMENT("1", JOURNAL, "gatewayd", "BankA", "2"),
		"the segment has another component or name"},
	    {SEGMENT("1", JOURNAL, "bankd", "BankB", "2"),
		"the segment has another component or name"},
	    {SEGMENT("1", JOURNAL, "bankd", "BankA", "2") NO_CHECK,
		"the segment does not follow the one before it"},
	    {"BOOT" TIME " flushed=0 boot=1 agent=x",
		"SEGMENT is the first record of a segment, and only it"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const char *dir = fixture_path("segment%zu", i);
		static struct making one, two;

		memset(&one, 0, sizeof(one));
		memset(&two, 0, sizeof(two));
		fixture_check(mkdir(dir, 0750) == 0, dir);
		add(&one, "1", FIRST);
		two.head = one.head;
		add(&two, "2", bad[i][0]);
		finish(&one, dir, 1);
		finish(&two, dir, 2);
		damaged(dir, 1, bad[i][1]);
	}
}

int
main(void)
{
	fixture_begin();
	test_first();
	test_second();
	test_segments();
	return fixture_end();
}

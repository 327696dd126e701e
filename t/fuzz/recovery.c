/*
 * Starting from a damaged journal: it is refused and left as it is, or what
 * comes to life is a beginning of what was written, which goes on, is closed,
 * and is read again whole.
 */
#include "segments.h"

#include <sys/stat.h>

struct start {
	const struct damage *damage;
	uint32_t count;
};

static bool
replay(void *ctx, const struct record *record, char *error, size_t size)
{
	struct start *s = ctx;

	(void)error;
	(void)size;
	segments_check_record(s->damage, s->count, record);
	s->count++;
	return true;
}

static bool
is_unchanged(const struct damage *d, uint32_t segment)
{
	static char octets[SEGMENT_SIZE + 1];
	char path[512];
	ssize_t got;
	int fd;

	segments_path(path, sizeof(path), segment);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(fd >= 0);
	got = read(fd, octets, sizeof(octets));
	close(fd);
	return got == (ssize_t)d->len[segment - 1] &&
	    memcmp(octets, d->octets[segment - 1], (size_t)got) == 0;
}

static uint64_t
read_again(const struct damage *d)
{
	char error[1024] = "";
	enum reader_status status;
	struct record record;
	struct reader *r;
	struct str text;
	uint64_t n = 0;

	CHECK(reader_open(&r, segments_dir, SIDE_BANK_JOURNAL, error,
		  sizeof(error)) == 0);
	while ((status = reader_next(r, &record, &text)) == READER_RECORD)
		CHECK(record.pos.seq == ++n);
	CHECK(status == READER_END);
	reader_close(r);
	(void)d;
	return n;
}

/* The life of a bank after its start, in short. */
static void
live(struct journal *j, const struct start *s)
{
	uint64_t last = journal_last_seq(j);

	CHECK(last >= s->count && journal_durable_seq(j) == last);
	for (uint32_t n = 0; n < s->count && n < s->damage->forged; n += 8)
		CHECK(journal_proves(j, (uint64_t)n + 1, &originals[n].check));
	segments_append(j, 1000);
	journal_flush(j);
	last = journal_last_seq(j);
	journal_close(j);
	CHECK(read_again(s->damage) == last);
}

static void
start(const struct damage *d)
{
	struct journal_conf conf = segments_conf();
	struct start s = {d, 0};
	char error[1024] = "";
	struct journal *j;

	switch (journal_open(&j, &conf, replay, &s, error, sizeof(error))) {
	case JOURNAL_OPENED:
		live(j, &s);
		break;
	case JOURNAL_CORRUPT:
		fuzz_message(error);
		CHECK(is_unchanged(d, 1) && is_unchanged(d, 2));
		break;
	case JOURNAL_UNUSABLE:
		fuzz_message(error);
		break;
	case JOURNAL_LOCKED:
		CHECK_UNREACHABLE("a journal of our own");
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct damage damage;

	if (segments_dir[0] == '\0')
		segments_begin();
	segments_sweep(false);
	segments_damage(&damage, (struct fuzz_input){octets, len});
	start(&damage);
	return 0;
}

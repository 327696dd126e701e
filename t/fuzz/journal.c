/*
 * Reading a damaged journal: what is given as records is what was written, in
 * order and without a gap, up to where the reader stops and says why.
 */
#include "segments.h"

static void
read_all(const struct damage *d, enum side side)
{
	char error[1024] = "";
	enum reader_status status;
	struct record record;
	struct reader *r;
	struct str text;
	uint32_t n = 0;

	if (reader_open(&r, segments_dir, side, error, sizeof(error)) != 0) {
		fuzz_message(error);
		return;
	}
	while ((status = reader_next(r, &record, &text)) == READER_RECORD) {
		segments_check_record(d, n, &record);
		if (n < d->forged)
			CHECK(str_eq(text, originals[n].text));
		n++;
	}
	CHECK(reader_position(r).seq == (uint64_t)n + 1);
	if (status != READER_END)
		fuzz_message(reader_problem(r));
	/* And it says so again. */
	CHECK(reader_next(r, &record, &text) == status);
	reader_close(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct damage damage;
	struct fuzz_input in = {octets, len};
	enum side side;

	if (segments_dir[0] == '\0')
		segments_begin();
	side = fuzz_below(&in, 4) == 0 ? SIDE_COUNT : SIDE_BANK_JOURNAL;
	segments_damage(&damage, in);
	read_all(&damage, side);
	return 0;
}

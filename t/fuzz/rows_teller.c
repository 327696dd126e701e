/*
 * Rows of strife-teller on standard input. The first octet chooses what is done
 * with them: accounts are opened, or money is paid in or out.
 */
#include "told.h"

#include "../../bin/teller/rows.h"
#include "reused.h"
#include "wire/money.h"

/* What is left on standard input: the linker puts this in read's place. */
static struct fuzz_input standard_input;

ssize_t __wrap_read(int fd, void *into, size_t size);

ssize_t
__wrap_read(int fd, void *into, size_t size)
{
	size_t len = standard_input.len / 2 + 1;

	CHECK(fd == STDIN_FILENO);
	if (len > size)
		len = size;
	if (len > standard_input.len)
		len = standard_input.len;
	memcpy(into, standard_input.at, len);
	standard_input.at += len;
	standard_input.len -= len;
	return (ssize_t)len;
}

static void
check_row(const struct rows *rows, const struct row *row)
{
	bool entry = rows->layout == &row_layout_entry;
	struct str memo = row->fields[ROW_MEMO];

	CHECK(name_valid(row->fields[ROW_NAME]));
	CHECK(currency_exponent(row->currency) >= 0);
	CHECK(row->overdraft >= 0 && row->overdraft <= MONEY_BALANCE_MAX);
	CHECK(!entry || !id_is_nil(&row->id));
	CHECK(row->amount >= (entry ? 1 : 0));
	CHECK(row->amount <= MONEY_AMOUNT_MAX);
	CHECK(memo.len <= MEMO_MAX_LEN && text_valid(memo));
	CHECK(row->state == ROW_UNSENT);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct fuzz_input in = {octets, len};
	struct rows rows = {.layout = fuzz_octet(&in) % 2 == 0
		? &row_layout_open
		: &row_layout_entry,
	    .bank = STR("BankA")};

	standard_input = in;
	told = 0;
	if (rows_read(&rows) == EXIT_OK) {
		CHECK(told == 0);
		for (uint32_t i = 0; i < rows.count; i++)
			check_row(&rows, &rows.at[i]);
	} else {
		CHECK(told > 0 && told <= TSV_TOLD_MAX + 2);
	}
	rows_free(&rows);
	return 0;
}

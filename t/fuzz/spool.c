/*
 * A file of the spool. What is read as an entry is written as a line that reads
 * the same, and is a PAY that a gateway would take.
 */
#include "fuzz.h"

#include "client/spool_entry.h"
#include "wire/money.h"

static void
check_order(const struct order *o)
{
	struct account account;

	CHECK(account_parse(&account, str_from(o->from)));
	CHECK(account_parse(&account, str_from(o->to)));
	CHECK(o->amount >= 1 && o->amount <= MONEY_AMOUNT_MAX);
	CHECK(text_valid(str_from(o->memo)));
}

static void
check_request(const struct spool_entry *e)
{
	static char text[LINE_MAX_LEN];
	static struct msg m;
	static struct line line;
	struct msg_problem problem;
	size_t len;

	spool_entry_request(e, &m);
	len = msg_encode(&m, text);
	/* The nil UUID is an id that a gateway refuses. */
	if (id_is_nil(&e->id)) {
		CHECK(len == 0);
		return;
	}
	CHECK(len > 0);
	CHECK(line_split(&line, (struct str){text, (uint32_t)len - 1}) ==
	    LINE_OK);
	CHECK(msg_request(&m, &line, SIDE_CLIENT, &problem) == LINE_OK);
}

static void
check_same(const struct spool_entry *a, const struct spool_entry *b)
{
	CHECK(id_eq(&a->id, &b->id) && spool_entry_same(a, b));
	CHECK(a->order.no_hold == b->order.no_hold);
	CHECK(a->added_us == b->added_us && a->next_us == b->next_us);
	CHECK(a->attempts == b->attempts && a->time_us == b->time_us);
	CHECK(strcmp(a->gateway, b->gateway) == 0);
	CHECK(strcmp(a->bank, b->bank) == 0 && strcmp(a->text, b->text) == 0);
	CHECK(a->answered == b->answered);
	CHECK(a->answer.state == b->answer.state);
	CHECK(a->answer.reason == b->answer.reason);
	CHECK(a->answer.seq == b->answer.seq);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	static struct spool_entry entry, again;
	static char text[LINE_MAX_LEN], twice[LINE_MAX_LEN];
	const char *wrong = spool_entry_read(&entry, (const char *)octets, len);
	size_t written;

	if (wrong != NULL) {
		fuzz_message(wrong);
		return 0;
	}
	check_order(&entry.order);
	check_request(&entry);
	(void)spool_entry_fate(&entry.answer);
	written = spool_entry_write(&entry, text);
	CHECK(spool_entry_read(&again, text, written) == NULL);
	CHECK(spool_entry_write(&again, twice) == written);
	CHECK(memcmp(text, twice, written) == 0);
	if (entry.answered)
		check_same(&entry, &again);
	return 0;
}

/* strife-queue list, results, hold and release. */
#include <bsd/string.h>
#include <err.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "client/date.h"
#include "client/tsv.h"
#include "entries.h"
#include "wire/money.h"

/* ---- Columns ---- */

static void
column_id(struct output *out, const struct id *id)
{
	char text[ID_TEXT_LEN + 1];

	id_text(id, text);
	output_text(out, str_from(text));
}

static void
column_time(struct output *out, int64_t us)
{
	if (us != 0)
		output_time(out, us);
	else
		output_text(out, STR_NONE);
}

static void
columns_order(struct output *out, const struct spool_entry *e)
{
	char currency[4];

	currency_text(e->order.currency, currency);
	output_text(out, str_from(e->order.from));
	output_text(out, str_from(e->order.to));
	output_money(out, e->order.amount, e->order.currency);
	output_text(out, str_from(currency));
	output_text(out, str_from(e->order.memo));
	output_text(out, str_from(e->user));
}

static void
columns_answer(struct output *out, const struct spool_entry *e)
{
	output_text(out,
	    e->answered ? str_from(answer_state_text(e->answer.state))
			: STR_NONE);
	output_text(out,
	    e->answer.reason != CODE_NONE
		? str_from(code_text(e->answer.reason))
		: STR_NONE);
}

/* ---- What waits ---- */

#define LIST_COLUMNS 15

static void
print_waiting(struct output *out, const struct entry *entry)
{
	const struct spool_entry *e = &entry->spooled;

	column_id(out, &e->id);
	output_text(out, str_from(spool_place_text(entry->place)));
	columns_answer(out, e);
	columns_order(out, e);
	output_text(out, str_from(e->gateway));
	output_u64(out, e->attempts);
	column_time(out, e->added_us);
	column_time(out, e->next_us);
	output_text(out, str_from(e->text));
	output_row(out);
}

/* The whole name: whoever looks into it needs it. */
static void
print_bad(void *ctx, const char *name)
{
	struct output *out = ctx;
	char whole[4 * NAME_MAX + 1] = "", part[TSV_SHOWN_SIZE];
	struct str left = str_from(name);
	int i;

	CHECK(left.len <= NAME_MAX);
	while (left.len > 0) {
		(void)strlcat(whole, tsv_shown(left, part), sizeof(whole));
		i = left.len < TSV_SHOWN_MAX ? (int)left.len : TSV_SHOWN_MAX;
		left = (struct str){left.at + i, left.len - (uint32_t)i};
	}
	output_text(out, str_from(whole));
	output_text(out, STR("bad"));
	for (i = 2; i < LIST_COLUMNS; i++)
		output_text(out, STR_NONE);
	output_row(out);
}

int
list_run(struct queue *q, int argc, char **argv)
{
	static const struct column columns[LIST_COLUMNS] = {
	    {"id", COLUMN_TEXT, 0}, {"place", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"reason", COLUMN_TEXT, 0},
	    {"from", COLUMN_TEXT, 0}, {"to", COLUMN_TEXT, 0},
	    {"amount", COLUMN_MONEY, 0}, {"currency", COLUMN_TEXT, 0},
	    {"memo", COLUMN_TEXT, 0}, {"user", COLUMN_TEXT, 0},
	    {"gateway", COLUMN_TEXT, 0}, {"attempts", COLUMN_NUMBER, 0},
	    {"added", COLUMN_TEXT, 0}, {"next", COLUMN_TEXT, 0},
	    {"text", COLUMN_TEXT, 0}};
	struct entries entries = {NULL, 0, 0};
	struct output *out;
	uint32_t i;
	int result = queue_no_operands(q, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = entries_load(&entries, q, SPOOL_NEW);
	if (result == EXIT_OK)
		result = entries_load(&entries, q, SPOOL_HOLD);
	if (result == EXIT_OK) {
		entries_sort(&entries);
		out = queue_output(&(struct output_options){.columns = columns,
		    .count = LIST_COLUMNS,
		    .json = q->options.json});
		for (i = 0; i < entries.count; i++)
			print_waiting(out, &entries.at[i]);
		if (spool_each_bad(q->spool, print_bad, out) == -1)
			result = queue_broken(q);
		if (output_close(out) != EXIT_OK)
			result = EXIT_CANTCREATE;
	}
	entries_free(&entries);
	return result;
}

/* ---- What has ended ---- */

static void
print_result(struct output *out, const struct spool_entry *e)
{
	column_id(out, &e->id);
	columns_answer(out, e);
	if (e->answer.seq != 0)
		output_u64(out, e->answer.seq);
	else
		output_text(out, STR_NONE);
	column_time(out, e->time_us);
	columns_order(out, e);
	column_time(out, e->added_us);
	output_text(out, str_from(e->text));
	output_row(out);
}

static int
print_results(struct queue *q, const struct entries *entries)
{
	static const struct column columns[] = {{"id", COLUMN_TEXT, 0},
	    {"state", COLUMN_STATE, 0}, {"reason", COLUMN_TEXT, 0},
	    {"seq", COLUMN_NUMBER, 0}, {"time", COLUMN_TEXT, 0},
	    {"from", COLUMN_TEXT, 0}, {"to", COLUMN_TEXT, 0},
	    {"amount", COLUMN_MONEY, 0}, {"currency", COLUMN_TEXT, 0},
	    {"memo", COLUMN_TEXT, 0}, {"user", COLUMN_TEXT, 0},
	    {"added", COLUMN_TEXT, 0}, {"text", COLUMN_TEXT, 0}};
	struct output *out =
	    queue_output(&(struct output_options){.columns = columns,
		.count = sizeof(columns) / sizeof(columns[0]),
		.json = q->options.json});
	uint32_t i;

	for (i = 0; i < entries->count; i++)
		print_result(out, &entries->at[i].spooled);
	return output_close(out);
}

/* When it ended, as far as that is known. */
static int64_t
ended_us(const struct spool_entry *e)
{
	return e->time_us > e->added_us ? e->time_us : e->added_us;
}

static int
forget(struct queue *q, const struct entries *entries, int64_t before_us)
{
	const struct entry *entry;
	uint32_t i;

	for (i = 0; i < entries->count; i++) {
		entry = &entries->at[i];
		if (ended_us(&entry->spooled) < before_us &&
		    spool_remove(q->spool, &entry->spooled.id, entry->place) ==
			SPOOL_ERROR)
			return queue_broken(q);
	}
	return EXIT_OK;
}

static int
results_options(struct queue *q, const char **date, int64_t *before_us,
    int argc, char **argv)
{
	enum { OPTION_FORGET = OPTIONS_FIRST };
	static const struct option longs[] = {
	    {"forget", required_argument, NULL, OPTION_FORGET}, OPTIONS_LONG};
	int option;

	while ((option = queue_option(q, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		if (option != OPTION_FORGET)
			return EXIT_USAGE;
		*date = optarg;
		if (!date_parse(before_us, str_from(*date)))
			return options_usage(&q->options,
			    "--forget: %s is not a date: 2026-01-31", *date);
	}
	if (optind < argc)
		return options_usage(
		    &q->options, "%s: takes no operand", argv[optind]);
	return EXIT_OK;
}

int
results_run(struct queue *q, int argc, char **argv)
{
	struct entries entries = {NULL, 0, 0};
	const char *date = NULL;
	int64_t before_us = 0;
	int result = results_options(q, &date, &before_us, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = entries_load(&entries, q, SPOOL_DONE);
	if (result == EXIT_OK)
		result = entries_load(&entries, q, SPOOL_FAILED);
	if (result == EXIT_OK) {
		entries_sort(&entries);
		result = date != NULL ? forget(q, &entries, before_us)
				      : print_results(q, &entries);
	}
	entries_free(&entries);
	return result;
}

/* ---- Hold and release ---- */

static int
named(struct queue *q, struct id *id, int argc, char **argv)
{
	struct naming naming = {NULL, NULL};
	int result = queue_naming(q, &naming, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = naming_id(&q->options, &naming, q->config.user, id);
	return result;
}

/* Is it in that place already? */
static bool
is_in(struct queue *q, const struct id *id, enum spool_place wanted)
{
	struct spool_entry entry;
	enum spool_place place;

	return spool_find(q->spool, id, &entry, &place) == SPOOL_OK &&
	    place == wanted;
}

static int
moved(struct queue *q, const struct id *id, enum spool_status status,
    enum spool_place to)
{
	switch (status) {
	case SPOOL_OK:
		return EXIT_OK;
	case SPOOL_ABSENT:
		return is_in(q, id, to) ? EXIT_OK : queue_absent(id);
	case SPOOL_ERROR:
	case SPOOL_EXISTS:
	case SPOOL_ELSEWHERE:
		break;
	}
	return queue_broken(q);
}

int
hold_run(struct queue *q, int argc, char **argv)
{
	struct spool_entry entry;
	enum spool_place place;
	struct id id;
	int result = named(q, &id, argc, argv);

	if (result == EXIT_OK)
		result = moved(q, &id,
		    spool_move(q->spool, &id, SPOOL_NEW, SPOOL_HOLD),
		    SPOOL_HOLD);
	if (result == EXIT_OK &&
	    spool_find(q->spool, &id, &entry, &place) == SPOOL_OK &&
	    entry.gateway[0] != '\0')
		warnx("it was sent to %s before; to stop it for good: "
		      "strife-queue drop",
		    entry.gateway);
	return result;
}

int
release_run(struct queue *q, int argc, char **argv)
{
	struct id id;
	int result = named(q, &id, argc, argv);

	if (result == EXIT_OK)
		result = moved(q, &id, spool_release(q->spool, &id), SPOOL_NEW);
	return result;
}

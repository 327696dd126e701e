/* verify: one row for each journal. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exitcode.h"
#include "base/hex.h"
#include "journal.h"
#include "journal/witness.h"
#include "wire/id.h"
#include "wire/msg.h"

#define COLUMNS 9

static const char *const heads[COLUMNS] = {"dir", "component", "name",
    "journal", "records", "first", "last", "check", "status"};

struct found {
	const char *dir;
	char component[WORD_MAX_LEN + 1], name[NODE_MAX_LEN + 1];
	char journal[ID_TEXT_LEN + 1];
	char records[24], first[24], last[24], check[33];
	const char *status;
	struct witness *witness;
	bool no_memory;
	uint64_t count, first_seq, last_seq;
};

static void
take_record(void *ctx, const struct record *record, struct str text)
{
	struct found *f = ctx;
	const struct msg *m = record->msg;

	(void)text;
	if (f->count++ == 0) {
		f->first_seq = record->pos.seq;
		(void)str_copy(f->component, sizeof(f->component),
		    m->v[KEY_component].str);
		(void)str_copy(f->name, sizeof(f->name), m->v[KEY_name].str);
		id_text(&m->v[KEY_journal].id, f->journal);
	}
	f->last_seq = record->pos.seq;
	if (f->witness != NULL && !witness_record(f->witness, record))
		f->no_memory = true;
	hex_write(f->check, record->check.octets, 16);
}

static void
number(char into[24], uint64_t n)
{
	(void)snprintf(into, 24, "%" PRIu64, n);
}

static void
say(const char *text)
{
	complain("%s", text);
}

/* The segments, and what stands beside them; the first damage ends it. */
static int
read_all(struct found *f, enum reader_status *status)
{
	int code;

	f->witness = witness_open(f->dir, say);
	code = walk(f->dir, take_record, f, status);
	if (f->no_memory) {
		complain("out of memory");
		code = EXIT_OSERR;
	}
	if (code == EXIT_OK && f->witness != NULL && !witness_end(f->witness))
		code = EXIT_DATA;
	witness_free(f->witness);
	return code;
}

static int
verify_dir(struct found *f, const char *dir)
{
	enum reader_status status;
	int code;

	f->dir = dir;
	code = read_all(f, &status);
	number(f->records, f->count);
	number(f->first, f->first_seq);
	number(f->last, f->last_seq);
	if (code != EXIT_OK)
		f->status = "damaged";
	else
		f->status = status == READER_TORN ? "unfinished" : "ok";
	return code;
}

static const char *
cell(const struct found *f, int column)
{
	const char *const cells[COLUMNS] = {f->dir, f->component, f->name,
	    f->journal, f->records, f->first, f->last, f->check, f->status};

	return cells[column];
}

/* For people: a head, and columns that stand below each other. */
static void
print_table(const struct found *rows, int count)
{
	int width[COLUMNS], column, i, len;

	for (column = 0; column < COLUMNS; column++) {
		width[column] = (int)strlen(heads[column]);
		for (i = 0; i < count; i++) {
			len = (int)strlen(cell(&rows[i], column));
			width[column] =
			    len > width[column] ? len : width[column];
		}
	}
	for (i = -1; i < count; i++) {
		for (column = 0; column < COLUMNS - 1; column++)
			(void)printf("%-*s  ", width[column],
			    i < 0 ? heads[column] : cell(&rows[i], column));
		(void)printf(
		    "%s\n", i < 0 ? heads[column] : cell(&rows[i], column));
	}
}

static void
print_tsv(const struct found *rows, int count)
{
	int column, i;

	for (i = 0; i < count; i++)
		for (column = 0; column < COLUMNS; column++)
			(void)printf("%s%c", cell(&rows[i], column),
			    column == COLUMNS - 1 ? '\n' : '\t');
}

int
command_verify(int argc, char **argv)
{
	struct found *rows;
	int code = EXIT_OK, i, count;

	if (getopt(argc, argv, "+") != -1 || optind >= argc)
		return usage_of(argv[0]);
	count = argc - optind;
	rows = calloc((size_t)count, sizeof(*rows));
	if (rows == NULL) {
		complain("out of memory");
		return EXIT_OSERR;
	}
	for (i = 0; i < count; i++)
		code = worse(code, verify_dir(&rows[i], argv[optind + i]));
	if (isatty(STDOUT_FILENO))
		print_table(rows, count);
	else
		print_tsv(rows, count);
	free(rows);
	return code;
}

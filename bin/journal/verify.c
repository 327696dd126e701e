/* verify: one row for each journal. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exitcode.h"
#include "base/hex.h"
#include "client/output.h"
#include "journal.h"
#include "journal/segment.h"
#include "journal/witness.h"
#include "wire/id.h"
#include "wire/msg.h"

static const struct column columns[] = {
    {"dir", COLUMN_TEXT, 0},
    {"component", COLUMN_TEXT, 0},
    {"name", COLUMN_TEXT, 0},
    {"journal", COLUMN_TEXT, 0},
    {"records", COLUMN_NUMBER, 0},
    {"first", COLUMN_NUMBER, 0},
    {"last", COLUMN_NUMBER, 0},
    {"check", COLUMN_TEXT, 0},
    {"status", COLUMN_TEXT, 0},
};

struct found {
	const char *dir;
	char component[WORD_MAX_LEN + 1], name[NODE_MAX_LEN + 1];
	char journal[ID_TEXT_LEN + 1], check[33];
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

/* In a word: why nothing, or no more, can be read there. */
static const char *
why_unread(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), result;
	uint32_t last, missing;

	if (fd == -1)
		return errno == ENOENT ? "missing"
		    : errno == ENOTDIR ? "no-directory"
				       : "unreadable";
	result = segment_list(fd, &last, &missing);
	(void)close(fd);
	if (result != 0)
		return "unreadable";
	if (missing != 0)
		return "damaged";
	return last == 0 ? "empty" : "unreadable";
}

static int
verify_dir(struct found *f, const char *dir)
{
	enum reader_status status;
	int code;

	f->dir = dir;
	code = read_all(f, &status);
	if (status == READER_ERROR)
		f->status = why_unread(dir);
	else if (code != EXIT_OK)
		f->status = "damaged";
	else
		f->status = status == READER_TORN ? "unfinished" : "ok";
	return code;
}

static int
print(const struct found *rows, int count, bool json)
{
	struct output *out =
	    output_open(&(struct output_options){.columns = columns,
		.count = sizeof(columns) / sizeof(columns[0]),
		.json = json});
	int i;

	if (out == NULL)
		err(EXIT_OSERR, "memory");
	for (i = 0; i < count; i++) {
		const struct found *f = &rows[i];

		output_text(out, str_from(f->dir));
		output_text(out, str_from(f->component));
		output_text(out, str_from(f->name));
		output_text(out, str_from(f->journal));
		output_u64(out, f->count);
		output_u64(out, f->first_seq);
		output_u64(out, f->last_seq);
		output_text(out, str_from(f->check));
		output_text(out, str_from(f->status));
		output_row(out);
	}
	return output_close(out);
}

int
command_verify(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {JOURNAL_LONG_JSON, JOURNAL_LONG};
	struct found *rows;
	int code = EXIT_OK, i, count;

	if (journal_option(o, argc, argv, JOURNAL_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	if (optind >= argc)
		return options_usage(o, "needs DIR...");
	count = argc - optind;
	rows = calloc((size_t)count, sizeof(*rows));
	if (rows == NULL) {
		complain("out of memory");
		return EXIT_OSERR;
	}
	for (i = 0; i < count; i++)
		code = worse(code, verify_dir(&rows[i], argv[optind + i]));
	code = worse(code, print(rows, count, o->json));
	free(rows);
	return code;
}

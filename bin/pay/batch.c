/* strife-pay batch: the payments of a file, each once or not at all. */
#include <bsd/err.h>
#include <bsd/stdlib.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "client/naming.h"
#include "pay.h"
#include "rows.h"
#include "sender.h"

struct batch {
	const char *path, *assign;
	uint32_t window;
	struct sender_options sender;
};

static int
batch_options(struct pay *pay, struct batch *b, int argc, char **argv)
{
	enum {
		OPTION_ASSIGN = OPTIONS_FIRST,
		OPTION_WINDOW,
		OPTION_STOP,
		OPTION_ANY_ORDER
	};
	static const struct option longs[] = {
	    {"assign", required_argument, NULL, OPTION_ASSIGN},
	    {"window", required_argument, NULL, OPTION_WINDOW},
	    {"stop-at-first", no_argument, NULL, OPTION_STOP},
	    {"any-order", no_argument, NULL, OPTION_ANY_ORDER}, OPTIONS_LONG};
	const char *problem;
	int option;

	while ((option = pay_option(pay, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		switch (option) {
		case OPTION_ASSIGN:
			b->assign = optarg;
			break;
		case OPTION_WINDOW:
			b->window = (uint32_t)strtonum(
			    optarg, 1, SESSION_WINDOW_MAX, &problem);
			if (problem != NULL)
				return options_usage(&pay->options,
				    "--window %s: 1 to %d", optarg,
				    SESSION_WINDOW_MAX);
			break;
		case OPTION_STOP:
			b->sender.stop_at_first = true;
			break;
		case OPTION_ANY_ORDER:
			b->sender.any_order = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind > 1)
		return options_usage(&pay->options, "one file at a time");
	b->path = optind < argc ? argv[optind] : "-";
	return EXIT_OK;
}

/* ---- Ids for rows that have none ---- */

/* The rows with their new ids, as the text of a new file: malloced. */
static char *
assigned_text(const struct rows *rows, struct ids *ids, size_t *len)
{
	size_t room = 64 + (size_t)rows->count * 2, used = 0;
	char id[ID_TEXT_LEN + 1], *text;
	uint32_t i, f;

	for (i = 0; i < rows->count; i++) {
		room += ID_TEXT_LEN + ROW_FIELDS;
		for (f = 0; f < ROW_FIELDS; f++)
			room += rows->at[i].fields[f].len;
	}
	text = pay_allocate(room, 1);
	if (rows->heading)
		used = (size_t)snprintf(
		    text, room, "id\tfrom\tto\tamount\tcurrency\tmemo\n");
	for (i = 0; i < rows->count; i++) {
		struct id new_id;

		for (f = 0; f < ROW_FIELDS; f++) {
			struct str field = rows->at[i].fields[f];

			if (f == ROW_ID && field.len == 0) {
				new_id = ids_next(ids);
				id_text(&new_id, id);
				field = str_from(id);
			}
			CHECK(used + field.len + 1 <= room);
			memcpy(text + used, field.at, field.len);
			used += field.len;
			text[used++] = f + 1 < ROW_FIELDS ? '\t' : '\n';
		}
	}
	*len = used;
	return text;
}

/*
 * A new file, whole or not at all, durable; never in the place of another: that
 * one may hold the only record of the ids of an earlier run.
 */
static int
write_new(const char *path, const char *text, size_t len)
{
	char *aside;
	int fd, result = -1, error;

	if (asprintf(&aside, "%s.tmp.%ld", path, (long)getpid()) == -1)
		return -1;
	fd = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd == -1) {
		free(aside);
		return -1;
	}
	if (file_write_all(fd, text, len) == 0 && fsync(fd) == 0)
		result = link(aside, path);
	error = errno;
	(void)close(fd);
	(void)unlink(aside);
	free(aside);
	if (result == 0)
		return file_flush_dir_of(path);
	errno = error;
	return -1;
}

static int
out_refused(const char *out, int error)
{
	if (error == EEXIST)
		warnx("%s is there already, and may hold the ids of an earlier "
		      "run; to go on with that: strife-pay batch %s",
		    out, out);
	else
		warnc(error, "%s", out);
	return EXIT_CANTCREATE;
}

/* Writes OUT and goes on with what is in it. */
static int
assign(struct pay *pay, struct rows *rows, const char *out)
{
	struct ids ids = {.next = 0};
	char *text;
	size_t len;
	int result;

	/* Looked at before ids are used up; write_new makes sure. */
	if (access(out, F_OK) == 0)
		return out_refused(out, EEXIST);
	if (rows->missing > 0) {
		result = naming_reserve(pay->client, &ids, rows->missing);
		if (result != EXIT_OK)
			return result;
	}
	text = assigned_text(rows, &ids, &len);
	if (write_new(out, text, len) == -1) {
		result = out_refused(out, errno);
		free(text);
		return result;
	}
	tsv_free(&rows->tsv);
	rows->tsv = (struct tsv){.name = out, .text = text, .len = len};
	return rows_check(rows, true);
}

int
batch_run(struct pay *pay, int argc, char **argv)
{
	struct batch b = {.window = SESSION_WINDOW_MAX};
	struct rows rows = {.user = NULL};
	int result = batch_options(pay, &b, argc, argv);

	if (result == EXIT_OK)
		result = pay_start(pay, b.window);
	if (result != EXIT_OK)
		return result;
	rows.tsv.name = strcmp(b.path, "-") == 0 ? "(stdin)" : b.path;
	rows.user = pay->config.user;
	result = rows_read(&rows, b.path);
	if (result == EXIT_OK)
		result = rows_check(&rows, b.assign == NULL);
	if (result == EXIT_OK && b.assign != NULL)
		result = assign(pay, &rows, b.assign);
	if (result == EXIT_OK && rows.count > 0)
		result = sender_run(pay, &rows, &b.sender);
	rows_free(&rows);
	return result;
}

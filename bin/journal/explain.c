/*
 * explain: all that the journals say of one payment, in the order of time, and
 * where it stands.
 */
#include <stdlib.h>

#include "base/exitcode.h"
#include "client/ids.h"
#include "client/output.h"
#include "explain.h"
#include "journal.h"
#include "wire/time.h"
#include "words.h"

/* ---- Reading ---- */

static void
look(void *ctx, const struct record *record, struct str text)
{
	struct story *s = ctx;
	struct teller *t = &s->tellers[s->teller_count];
	const struct msg *m = record->msg;
	struct happening *e;

	(void)text;
	if (record->pos.seq == 1) {
		t->is_gateway =
		    verb_info(m->verb)->side == SIDE_GATEWAY_JOURNAL;
		(void)str_copy(t->name, sizeof(t->name), m->v[KEY_name].str);
	}
	if (!explain_record(s, t, m))
		return;
	e = array_add((void **)&s->events, &s->count, &s->room, sizeof(*e));
	*e = (struct happening){m->v[KEY_time].i64, s->teller_count,
	    s->count - 1, record->pos.seq, verb_info(m->verb)->word,
	    text_keep(explain_said(s))};
}

/* Times never go back within a journal, so its own order stays. */
static int
by_time(const void *left, const void *right)
{
	const struct happening *a = left, *b = right;

	if (a->time_us != b->time_us)
		return a->time_us < b->time_us ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

/* ---- Printing ---- */

static const struct column columns[] = {
    {"time", COLUMN_TEXT, 0},
    {"journal", COLUMN_TEXT, 0},
    {"seq", COLUMN_NUMBER, 0},
    {"kind", COLUMN_STATE, 0},
    {"text", COLUMN_TEXT, 0},
};

static int
print_story(struct story *s, bool json)
{
	const struct output_options options = {.columns = columns,
	    .count = sizeof(columns) / sizeof(columns[0]),
	    .json = json};
	struct output *o = output_open(&options);
	const char *state = explain_summary(s);

	if (o == NULL)
		out_of_memory();
	for (uint32_t i = 0; i < s->count; i++) {
		const struct happening *e = &s->events[i];

		output_time(o, e->time_us);
		output_text(o, str_from(s->tellers[e->teller].name));
		output_u64(o, e->seq);
		output_text(o, str_from(e->kind));
		output_text(o, str_from(e->text));
		output_row(o);
	}
	for (uint32_t i = 0; i < 3; i++)
		output_text(o, STR_NONE);
	output_text(o, str_from(state));
	output_text(o, explain_said(s));
	output_row(o);
	return output_close(o);
}

static void
story_free(struct story *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		free(s->events[i].text);
	free(s->events);
	free(s->tellers);
}

static int
explain(struct story *s, int count, char **dirs, bool json)
{
	int code = EXIT_OK;

	s->tellers = calloc((size_t)count, sizeof(*s->tellers));
	if (s->tellers == NULL)
		out_of_memory();
	for (int i = 0; i < count; i++) {
		code = worse(code, walk(dirs[i], look, s, NULL));
		s->teller_count++;
	}
	if (s->count > 0) {
		qsort(s->events, s->count, sizeof(*s->events), by_time);
		return worse(code, print_story(s, json));
	}
	if (code == EXIT_OK) {
		char id[ID_TEXT_LEN + 1];

		id_text(&s->id, id);
		complain("%s: no journal here knows this id", id);
	}
	return worse(code, EXIT_DECLINED);
}

int
command_explain(struct options *o, int argc, char **argv)
{
	enum { OPTION_KEY = OPTIONS_FIRST, OPTION_USER };
	static const struct option longs[] = {JOURNAL_LONG_JSON,
	    {"key", required_argument, NULL, OPTION_KEY},
	    {"user", required_argument, NULL, OPTION_USER}, JOURNAL_LONG};
	struct story s = {.count = 0};
	const char *key = NULL, *user = NULL;
	int c, code;

	while ((c = journal_option(o, argc, argv, JOURNAL_SHORT, longs)) !=
	    OPTIONS_END) {
		if (c == OPTION_KEY)
			key = optarg;
		else if (c == OPTION_USER)
			user = optarg;
		else
			return EXIT_USAGE;
	}
	if ((key == NULL) != (user == NULL))
		return options_usage(o, "--key and --user go together");
	if (key != NULL) {
		s.id = id_from_key(str_from(user), str_from(key));
	} else if (optind < argc &&
	    !ids_parse(&s.id, str_from(argv[optind++]))) {
		complain("%s is no id", argv[optind - 1]);
		return EXIT_USAGE;
	}
	if (optind >= argc)
		return options_usage(o,
		    key != NULL ? "needs DIR..."
				: "needs ID, or --key TEXT --user USER, and "
				  "DIR...");
	code = explain(&s, argc - optind, argv + optind, o->json);
	story_free(&s);
	return code;
}

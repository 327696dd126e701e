/*
 * audit: do the journals of a gateway and its banks agree, and are they right?
 * It reads every gateway, then every bank, then compares (audit.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "base/exitcode.h"

void
fault(struct audit *a, const struct where *at, const struct id *id,
    const char *format, ...)
{
	char text[1024];
	va_list ap;

	if (audit_is_over(a))
		return;
	va_start(ap, format);
	/* A line for people may end early. */
	(void)vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	a->faults++;
	report_fault(a, at, id, text);
}

/* ---- Which journals there are ---- */

static int
look_at(struct source *s, struct id *journal, char name[NODE_MAX_LEN + 1])
{
	struct record record;
	struct reader *r;
	char error[1024];
	struct str text;

	if (reader_open(&r, s->dir, SIDE_COUNT, error, sizeof(error)) != 0) {
		complain("%s", error);
		return EXIT_DATA;
	}
	s->status = reader_next(r, &record, &text);
	if (s->status == READER_RECORD) {
		s->side = reader_side(r);
		*journal = record.msg->v[KEY_journal].id;
		(void)str_copy(
		    name, NODE_MAX_LEN + 1, record.msg->v[KEY_name].str);
	} else if (s->status == READER_CORRUPT || s->status == READER_ERROR) {
		complain("%s", reader_problem(r));
	} else {
		complain("%s: there is no record yet", s->dir);
	}
	reader_close(r);
	return s->status == READER_RECORD ? EXIT_OK : EXIT_DATA;
}

static int
add_source(struct audit *a, const char *dir)
{
	struct source *s = &a->sources[a->source_count];
	char name[NODE_MAX_LEN + 1];
	struct volume *v;
	struct id journal;
	int code;

	*s = (struct source){.dir = dir};
	code = look_at(s, &journal, name);
	if (code != EXIT_OK)
		return code;
	s->name = name_need(a, str_from(name));
	v = volume_need(a, &journal, &s->volume);
	if (v->source != NONE) {
		complain("%s and %s are the same journal",
		    a->sources[v->source].dir, dir);
		return EXIT_USAGE;
	}
	v->source = a->source_count++;
	if (s->side == SIDE_BANK_JOURNAL)
		v->bank = s->name;
	return EXIT_OK;
}

/* Gateways first, else in the order given. */
static void
sort_sources(struct audit *a)
{
	uint32_t gateways = 0;

	for (uint32_t i = 0; i < a->source_count; i++) {
		struct source s = a->sources[i];

		if (s.side != SIDE_GATEWAY_JOURNAL)
			continue;
		memmove(&a->sources[gateways + 1], &a->sources[gateways],
		    (i - gateways) * sizeof(s));
		a->sources[gateways++] = s;
	}
	for (uint32_t i = 0; i < a->source_count; i++)
		((struct volume *)pool_at(&a->volumes, a->sources[i].volume))
		    ->source = i;
	for (uint32_t i = 0; i < gateways; i++)
		if (gateway_find(a, a->sources[i].name) != i) {
			struct where at = {i, 1, 0, 1};

			fault(a, &at, NULL,
			    "there is another journal of gateway %s: %s",
			    name_text(a, a->sources[i].name),
			    a->sources[gateway_find(a, a->sources[i].name)]
				.dir);
		}
}

/* ---- Reading them ---- */

static void
take(struct audit *a, uint32_t source, const struct record *record)
{
	struct source *s = &a->sources[source];
	struct where at = where_of(source, record);
	int64_t time_us = record->msg->v[KEY_time].i64;

	if (s->records++ == 0)
		s->first = record->pos.seq;
	s->last = record->pos.seq;
	s->head = record->check;
	if (time_us < s->last_us)
		fault(a, &at, NULL,
		    "its time is before that of the record "
		    "before it");
	s->last_us = time_us;
	if (s->side == SIDE_GATEWAY_JOURNAL)
		gateway_record(a, source, record);
	else
		bank_record(a, source, record);
	a->proven[PROVEN_RECORDS]++;
}

static int
read_source(struct audit *a, uint32_t source)
{
	struct source *s = &a->sources[source];
	struct record record;
	struct reader *r;
	char error[1024];
	struct str text;
	int code = EXIT_OK;

	if (reader_open(&r, s->dir, s->side, error, sizeof(error)) != 0) {
		complain("%s", error);
		return EXIT_DATA;
	}
	while ((s->status = reader_next(r, &record, &text)) == READER_RECORD &&
	    !audit_is_over(a))
		take(a, source, &record);
	if (s->status == READER_CORRUPT || s->status == READER_ERROR) {
		complain("%s", reader_problem(r));
		code = EXIT_DATA;
	}
	reader_close(r);
	return code;
}

static int
read_sources(struct audit *a)
{
	bool banks = false;
	int code = EXIT_OK;

	for (uint32_t i = 0;
	     i < a->source_count && code == EXIT_OK && !audit_is_over(a); i++) {
		if (!banks && a->sources[i].side == SIDE_BANK_JOURNAL) {
			cross_gateways_read(a);
			banks = true;
		}
		code = read_source(a, i);
	}
	return code;
}

static void
audit_init(struct audit *a)
{
	arc4random_buf(&a->key, sizeof(a->key));
	pool_init(&a->names, sizeof(struct name), sizeof(struct name));
	pool_init(&a->volumes, sizeof(struct volume), sizeof(struct id));
#define KEYED(pool, type) \
	pool_init( \
	    &a->pool, sizeof(struct type), sizeof(((struct type *)NULL)->key))
	KEYED(bindings, binding);
	KEYED(pairs, pair);
	KEYED(payments, payment);
	KEYED(accounts, page);
	KEYED(branches, branch_at);
	KEYED(entries, entry);
	KEYED(nodes, node);
	KEYED(mirrors, mirror);
#undef KEYED
	pool_init(&a->moved, sizeof(struct moved), sizeof(uint32_t));
}

static void
audit_free(struct audit *a)
{
	struct pool *const pools[] = {&a->names, &a->volumes, &a->bindings,
	    &a->pairs, &a->payments, &a->accounts, &a->branches, &a->entries,
	    &a->nodes, &a->mirrors, &a->moved};

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++)
		pool_free(pools[i]);
	for (uint32_t i = 0; i < a->source_count; i++)
		free(a->sources[i].commits);
	for (uint32_t i = 0; i < a->decision_count; i++) {
		free(a->decisions[i].who);
		free(a->decisions[i].why);
	}
	for (uint32_t i = 0; i < a->row_count; i++)
		free(a->rows[i].text);
	free(a->sources);
	free(a->claims);
	free(a->decisions);
	free(a->deviations);
	free(a->rows);
}

static int
audit(struct audit *a, int count, char **dirs)
{
	int code = EXIT_OK, i;

	for (i = 0; i < count && code == EXIT_OK; i++)
		code = add_source(a, dirs[i]);
	if (code != EXIT_OK)
		return code;
	sort_sources(a);
	code = read_sources(a);
	if (code != EXIT_OK)
		return code;
	if (!audit_is_over(a))
		audit_end(a);
	if (!audit_is_over(a))
		code = report(a);
	return a->faults > 0 ? worse(code, EXIT_DECLINED) : code;
}

int
command_audit(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {JOURNAL_LONG_JSON,
	    {"stopped", no_argument, NULL, 's'},
	    {"verbose", no_argument, NULL, 'v'}, JOURNAL_LONG};
	struct audit a = {.verbose = false};
	int c, code;

	while ((c = journal_option(o, argc, argv, JOURNAL_SHORT "sv", longs)) !=
	    OPTIONS_END) {
		if (c != 's')
			return EXIT_USAGE;
		a.stopped = true;
	}
	a.json = o->json;
	a.verbose = o->verbose;
	if (optind >= argc)
		return options_usage(o, "needs DIR...");
	a.sources = calloc((size_t)(argc - optind), sizeof(*a.sources));
	if (a.sources == NULL) {
		complain("out of memory");
		return EXIT_OSERR;
	}
	audit_init(&a);
	code = audit(&a, argc - optind, argv + optind);
	audit_free(&a);
	return code;
}

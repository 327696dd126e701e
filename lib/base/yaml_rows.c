#include "base/yaml.h"

#include <bsd/stdlib.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/utf8.h"

#define KEY_LEN_MAX 128
#define CANDIDATES_MAX 64
#define LIMIT_TEXT_MAX 32
#define SHOWN 60 /* octets of a wrong value that a message quotes */

/* One pass over a map, and where in it each row's value was found. */
struct decoder {
	const struct yaml *yaml;
	const struct yaml_row *rows;
	size_t count;
	const struct yaml_node **found; /* by row; NULL: not in the file */
	struct yaml_error *error;
};

/* A map whose keys are being matched, with the prefix that leads to it. */
struct level {
	const struct yaml_node *next;
	size_t prefix_len;
};

/* ---- Values ---- */

struct unit {
	const char *name;
	int64_t size;
};

static const struct unit durations[] = {
    {"ms", 1000000},
    {"s", 1000000000},
    {"m", 60 * INT64_C(1000000000)},
    {"h", 3600 * INT64_C(1000000000)},
};
static const struct unit sizes[] = {
    {"", 1},
    {"KiB", 1 << 10},
    {"MiB", 1 << 20},
    {"GiB", 1 << 30},
};
#define UNITS(list) (list), sizeof(list) / sizeof((list)[0])

/* Digits alone: no sign but "-", no leading zero that could mean octal. */
static bool
parse_integer(int64_t *value, struct str text)
{
	char copy[24];
	const char *digits, *problem;

	if (!str_copy(copy, sizeof(copy), text))
		return false;
	digits = copy[0] == '-' ? copy + 1 : copy;
	if (digits[0] == '\0' || strspn(digits, "0123456789") != strlen(digits))
		return false;
	if (digits[0] == '0' && (digits[1] != '\0' || digits != copy))
		return false;
	*value = strtonum(copy, INT64_MIN, INT64_MAX, &problem);
	return problem == NULL;
}

/* NUMBER UNIT without a space: "5s", "64MiB". */
static bool
parse_units(
    int64_t *value, struct str text, const struct unit *units, size_t count)
{
	struct str number = {text.at, 0}, name;
	int64_t n;

	while (number.len < text.len && text.at[number.len] >= '0' &&
	    text.at[number.len] <= '9')
		number.len++;
	name = (struct str){text.at + number.len, text.len - number.len};
	if (!parse_integer(&n, number))
		return false;
	for (size_t i = 0; i < count; i++)
		if (str_is(name, units[i].name))
			return !__builtin_mul_overflow(n, units[i].size, value);
	return false;
}

/* A limit in the largest unit that says it exactly. */
static void
limit_text(char into[LIMIT_TEXT_MAX], int64_t value, const struct unit *units,
    size_t count)
{
	size_t best = 0;
	int len;

	for (size_t i = 0; i < count; i++)
		if (value != 0 && value % units[i].size == 0)
			best = i;
	len = snprintf(into, LIMIT_TEXT_MAX, "%" PRId64 "%s",
	    value / units[best].size, units[best].name);
	CHECK(len > 0 && len < LIMIT_TEXT_MAX);
}

static bool
has_control(struct str text)
{
	size_t size;

	for (uint32_t at = 0; at < text.len; at += (uint32_t)size) {
		uint32_t c;

		size = utf8_next(text.at + at, text.len - at, &c);
		if (size == 0 || utf8_is_control(c))
			return true;
	}
	return false;
}

/* What "~" or nothing at all stands for. */
static bool
is_null(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->plain &&
	    (node->text.len == 0 || str_is(node->text, "~"));
}

static bool
optional(const struct yaml_row *row)
{
	return row->standard != NULL && strcmp(row->standard, "~") == 0;
}

static void *
member(const struct yaml_row *row, void *into)
{
	return (char *)into + row->offset;
}

/* ---- Decoding one row ---- */

static int
fail_number(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, struct str text)
{
	char min[LIMIT_TEXT_MAX], max[LIMIT_TEXT_MAX];
	const char *what = "a whole number";

	if (row->type == YAML_DURATION) {
		what = "a duration such as 500ms, 5s, 5m or 24h";
		limit_text(min, row->min, UNITS(durations));
		limit_text(max, row->max, UNITS(durations));
	} else if (row->type == YAML_SIZE) {
		what = "a size such as 512KiB, 64MiB or 1GiB";
		limit_text(min, row->min, UNITS(sizes));
		limit_text(max, row->max, UNITS(sizes));
	} else {
		static const struct unit one[] = {{"", 1}};

		limit_text(min, row->min, UNITS(one));
		limit_text(max, row->max, UNITS(one));
	}
	return yaml_fail(d->yaml, at, d->error,
	    "\"%s\" must be %s, from %s to %s, not \"%.*s\"", row->key, what,
	    min, max, text.len < SHOWN ? (int)text.len : SHOWN, text.at);
}

static int
decode_number(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, struct str text, int64_t *value)
{
	const char *problem;
	int64_t n;
	bool parsed;

	if (row->type == YAML_DURATION)
		parsed = parse_units(&n, text, UNITS(durations));
	else if (row->type == YAML_SIZE)
		parsed = parse_units(&n, text, UNITS(sizes));
	else
		parsed = parse_integer(&n, text);
	if (!parsed || n < row->min || n > row->max)
		return fail_number(d, row, at, text);
	problem = row->check == NULL ? NULL : row->check(text);
	if (problem != NULL)
		return yaml_fail(
		    d->yaml, at, d->error, "\"%s\": %s", row->key, problem);
	*value = n;
	return 0;
}

static int
decode_text(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, struct str text, char **value)
{
	bool file = row->type == YAML_FILE || row->type == YAML_FILE_LIST;
	bool single = row->type == YAML_TEXT || row->type == YAML_FILE;
	const char *problem;
	char *copy;

	if (text.len == 0 && !(row->type == YAML_TEXT && row->min == 0))
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must not be empty", row->key);
	if (has_control(text))
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must not hold control characters", row->key);
	if (single && row->max > 0 &&
	    (text.len < row->min || text.len > row->max))
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must be from %" PRId64 " to %" PRId64
		    " octets long, not %" PRIu32,
		    row->key, row->min, row->max, text.len);
	if (file && text.len >= PATH_MAX)
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must be a path of at most %d octets", row->key,
		    PATH_MAX - 1);
	problem = row->check == NULL ? NULL : row->check(text);
	if (problem != NULL)
		return yaml_fail(
		    d->yaml, at, d->error, "\"%s\": %s", row->key, problem);
	copy = strndup(text.at, text.len);
	if (copy != NULL && file) {
		char *path = file_path_beside(yaml_path(d->yaml), copy);

		free(copy);
		copy = path;
	}
	if (copy == NULL)
		return yaml_fail(d->yaml, at, d->error, "%s", strerror(ENOMEM));
	*value = copy;
	return 0;
}

static int
fail_count(
    struct decoder *d, const struct yaml_row *row, const struct yaml_node *at)
{
	if (row->min == row->max)
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must have %" PRId64 " %s, not %" PRIu32, row->key,
		    row->min, row->min == 1 ? "entry" : "entries", at->count);
	return yaml_fail(d->yaml, at, d->error,
	    "\"%s\" must have from %" PRId64 " to %" PRId64
	    " entries, not %" PRIu32,
	    row->key, row->min, row->max, at->count);
}

static int
decode_list(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, struct yaml_list *list)
{
	if (at->kind != YAML_LIST)
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must be a list, as in [one, two]", row->key);
	if (row->max > 0 && (at->count < row->min || at->count > row->max))
		return fail_count(d, row, at);
	list->at = calloc(at->count == 0 ? 1 : at->count, sizeof(char *));
	if (list->at == NULL)
		return yaml_fail(d->yaml, at, d->error, "%s", strerror(ENOMEM));
	for (const struct yaml_node *n = at->first; n != NULL; n = n->next) {
		if (n->kind != YAML_SCALAR)
			return yaml_fail(d->yaml, n, d->error,
			    "\"%s\" must be a list of single values", row->key);
		if (decode_text(d, row, n, n->text, &list->at[list->count]) < 0)
			return -1;
		list->count++;
	}
	return 0;
}

static int
decode_value(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, void *into)
{
	void *value = member(row, into);

	switch (row->type) {
	case YAML_NODE:
		*(const struct yaml_node **)value = at;
		return 0;
	case YAML_TEXT_LIST:
	case YAML_FILE_LIST:
		return decode_list(d, row, at, value);
	case YAML_TEXT:
	case YAML_FILE:
	case YAML_INTEGER:
	case YAML_DURATION:
	case YAML_SIZE:
		break;
	}
	if (at->kind != YAML_SCALAR)
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must be a single value", row->key);
	if (is_null(at))
		return yaml_fail(d->yaml, at, d->error,
		    "\"%s\" must have a value", row->key);
	if (row->type == YAML_TEXT || row->type == YAML_FILE)
		return decode_text(d, row, at, at->text, value);
	return decode_number(d, row, at, at->text, value);
}

/* A default, in the file's own notation; of a list, its only entry. */
static int
decode_standard(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *map, void *into)
{
	struct yaml_node one = {.kind = YAML_SCALAR,
	    .line = map->line,
	    .column = map->column,
	    .text = str_from(row->standard)};
	struct yaml_node list = {.kind = YAML_LIST,
	    .line = map->line,
	    .column = map->column,
	    .count = 1,
	    .first = &one};

	bool in_list =
	    row->type == YAML_TEXT_LIST || row->type == YAML_FILE_LIST;

	CHECK(row->type != YAML_NODE);
	return decode_value(d, row, in_list ? &list : &one, into);
}

/* The innermost map in which the missing key was looked for. */
static const struct yaml_node *
where_missing(const struct yaml_row *row, const struct yaml_node *map)
{
	const char *key = row->key, *dot;

	while ((dot = strchr(key, '.')) != NULL) {
		struct str part = {key, (uint32_t)(dot - key)};
		const struct yaml_node *n = map->first;

		while (n != NULL && !str_eq(n->key, part))
			n = n->next;
		if (n == NULL)
			return map;
		map = n;
		key = dot + 1;
	}
	return map;
}

static int
decode_row(struct decoder *d, const struct yaml_row *row,
    const struct yaml_node *at, const struct yaml_node *map, void *into)
{
	if (at == NULL) {
		if (row->standard == NULL)
			return yaml_fail(d->yaml, where_missing(row, map),
			    d->error, "missing key \"%s\"", row->key);
		return optional(row) ? 0 : decode_standard(d, row, map, into);
	}
	if (optional(row) && is_null(at))
		return 0;
	return decode_value(d, row, at, into);
}

/* ---- Matching keys ---- */

/*
 * The names that may stand after the prefix. text gets them, each ended by a
 * NUL, and candidates points into it.
 */
static size_t
list_candidates(const struct decoder *d, const char *prefix, char *text,
    size_t size, const char *candidates[CANDIDATES_MAX])
{
	size_t used = 0, prefix_len = strlen(prefix), count = 0;

	for (size_t i = 0; i < d->count && count < CANDIDATES_MAX; i++) {
		const char *name = d->rows[i].key + prefix_len;
		size_t len;

		if (strncmp(d->rows[i].key, prefix, prefix_len) != 0)
			continue;
		len = strcspn(name, ".");
		if (len + 1 > size - used)
			break;
		memcpy(text + used, name, len);
		text[used + len] = '\0';
		candidates[count++] = text + used;
		used += len + 1;
	}
	return count;
}

static int
fail_unknown(
    struct decoder *d, const struct yaml_node *entry, const char *prefix)
{
	const char *candidates[CANDIDATES_MAX], *nearest;
	char text[CANDIDATES_MAX * 32];
	size_t count =
	    list_candidates(d, prefix, text, sizeof(text), candidates);

	nearest = nearest_word(entry->key, candidates, count);
	if (nearest != NULL)
		return yaml_fail_key(d->yaml, entry, d->error,
		    "unknown key \"%.64s\"; did you mean \"%s\"?",
		    entry->key.at, nearest);
	/* The right name in the wrong map. */
	for (size_t i = 0; i < d->count; i++) {
		const char *dot = strrchr(d->rows[i].key, '.');

		if (str_is(entry->key, dot == NULL ? d->rows[i].key : dot + 1))
			return yaml_fail_key(d->yaml, entry, d->error,
			    "unknown key \"%.64s\"; did you mean \"%s\"?",
			    entry->key.at, d->rows[i].key);
	}
	return yaml_fail_key(
	    d->yaml, entry, d->error, "unknown key \"%.64s\"", entry->key.at);
}

enum match { MATCH_NONE, MATCH_ROW, MATCH_GROUP };

static enum match
match_key(const struct decoder *d, const char *full, size_t *row)
{
	size_t len = strlen(full);

	for (size_t i = 0; i < d->count; i++)
		if (strncmp(d->rows[i].key, full, len) == 0) {
			if (d->rows[i].key[len] == '\0') {
				*row = i;
				return MATCH_ROW;
			}
			if (d->rows[i].key[len] == '.')
				return MATCH_GROUP;
		}
	return MATCH_NONE;
}

/*
 * Matches one entry: 1 where it is a group whose entries come next, 0 where it
 * was taken, or -1. prefix holds its whole name on return.
 */
static int
match_entry(struct decoder *d, const struct yaml_node *entry,
    char prefix[KEY_LEN_MAX], size_t prefix_len)
{
	size_t row = 0;
	enum match match = MATCH_NONE;

	/* A key with a dot in it could pass for a name in an inner map. */
	if (memchr(entry->key.at, '.', entry->key.len) == NULL &&
	    str_copy(
		prefix + prefix_len, KEY_LEN_MAX - 1 - prefix_len, entry->key))
		match = match_key(d, prefix, &row);
	switch (match) {
	case MATCH_NONE:
		prefix[prefix_len] = '\0';
		return fail_unknown(d, entry, prefix);
	case MATCH_ROW:
		d->found[row] = entry;
		return 0;
	case MATCH_GROUP:
		break;
	}
	/* A group whose entries are all commented out. */
	if (is_null(entry))
		return 0;
	if (entry->kind != YAML_MAP)
		return yaml_fail(d->yaml, entry, d->error,
		    "\"%s\" must be a map, as in {key: value}", prefix);
	return 1;
}

static int
match_map(struct decoder *d, const struct yaml_node *map)
{
	struct level levels[YAML_DEPTH_MAX];
	char prefix[KEY_LEN_MAX] = "";
	size_t depth = 1;

	levels[0] = (struct level){map->first, 0};
	while (depth > 0) {
		struct level *level = &levels[depth - 1];
		const struct yaml_node *entry = level->next;
		int status;

		if (entry == NULL) {
			depth--;
			continue;
		}
		level->next = entry->next;
		status = match_entry(d, entry, prefix, level->prefix_len);
		if (status < 0)
			return -1;
		if (status == 0)
			continue;
		CHECK(depth < YAML_DEPTH_MAX);
		levels[depth++] = (struct level){
		    entry->first, level->prefix_len + entry->key.len + 1};
		prefix[levels[depth - 1].prefix_len - 1] = '.';
		prefix[levels[depth - 1].prefix_len] = '\0';
	}
	return 0;
}

/* ---- The interface ---- */

static void
clear_member(const struct yaml_row *row, void *into)
{
	switch (row->type) {
	case YAML_TEXT:
	case YAML_FILE:
		*(char **)member(row, into) = NULL;
		break;
	case YAML_INTEGER:
	case YAML_DURATION:
	case YAML_SIZE:
		*(int64_t *)member(row, into) = 0;
		break;
	case YAML_TEXT_LIST:
	case YAML_FILE_LIST:
		*(struct yaml_list *)member(row, into) = (struct yaml_list){0};
		break;
	case YAML_NODE:
		*(const struct yaml_node **)member(row, into) = NULL;
		break;
	}
}

int
yaml_rows(const struct yaml *yaml, const struct yaml_node *map,
    const struct yaml_row *rows, size_t count, void *into,
    struct yaml_error *error)
{
	struct decoder d = {
	    .yaml = yaml, .rows = rows, .count = count, .error = error};
	int result;

	for (size_t i = 0; i < count; i++)
		clear_member(&rows[i], into);
	if (map->kind != YAML_MAP)
		return yaml_fail(
		    yaml, map, error, "must be a map, as in \"key: value\"");
	d.found = calloc(count == 0 ? 1 : count, sizeof(*d.found));
	if (d.found == NULL)
		return yaml_fail(yaml, map, error, "%s", strerror(ENOMEM));
	result = match_map(&d, map);
	for (size_t i = 0; i < count && result == 0; i++)
		result = decode_row(&d, &rows[i], d.found[i], map, into);
	free(d.found);
	if (result < 0)
		yaml_rows_free(rows, count, into);
	return result;
}

void
yaml_rows_free(const struct yaml_row *rows, size_t count, void *into)
{
	for (size_t i = 0; i < count; i++) {
		const struct yaml_row *row = &rows[i];
		struct yaml_list *list;

		if (row->type == YAML_TEXT || row->type == YAML_FILE)
			free(*(char **)member(row, into));
		if (row->type == YAML_TEXT_LIST ||
		    row->type == YAML_FILE_LIST) {
			list = member(row, into);
			for (uint32_t j = 0; j < list->count; j++)
				free(list->at[j]);
			free(list->at);
		}
		clear_member(row, into);
	}
}

/* cat and grep: records as they lie in the journal. */
#include <regex.h>
#include <stdio.h>
#include <string.h>

#include "base/exitcode.h"
#include "journal.h"
#include "wire/msg.h"

/* ---- cat ---- */

static void
print_record(void *ctx, const struct record *record, struct str text)
{
	(void)ctx;
	(void)record;
	(void)printf("%.*s\n", STR_ARG(text));
}

int
command_cat(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {JOURNAL_LONG};
	int code = EXIT_OK, i;

	if (journal_option(o, argc, argv, JOURNAL_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	if (optind >= argc)
		return options_usage(o, "needs DIR...");
	for (i = optind; i < argc; i++)
		code = worse(code, walk(argv[i], print_record, NULL, NULL));
	return code;
}

/* ---- grep ---- */

struct pattern {
	bool is_regex;
	regex_t regex;
	/* Any of them: a field is looked for as typed and as escaped. */
	char text[2][LINE_MAX_LEN + 2];
	bool is_field;
	const char *dir; /* printed before the record, NULL: not */
	bool found;
};

/* KEY=VALUE of a key that journals know: *value is where VALUE starts. */
static bool
split_field(const char *text, const char **value)
{
	const char *equals = strchr(text, '=');
	struct str name;
	int key;

	if (equals == NULL || equals - text > KEY_MAX_LEN)
		return false;
	name = (struct str){text, (uint32_t)(equals - text)};
	*value = equals + 1;
	for (key = 0; key < KEY_COUNT; key++)
		if (str_is(name, key_text((enum key)key)))
			return true;
	return false;
}

/* false: no record can hold it, for it is too long. */
static bool
pattern_text(struct pattern *p, const char *text)
{
	const char *value = text;
	char *into = p->text[1];
	bool bad = false;
	size_t head, len;
	int n;

	p->is_field = split_field(text, &value);
	n = snprintf(p->text[0], sizeof(p->text[0]), "%s%s",
	    p->is_field ? " " : "", text);
	if (n < 0 || (size_t)n >= sizeof(p->text[0]))
		return false;
	(void)memcpy(into, p->text[0], (size_t)n + 1);
	if (!p->is_field)
		return true;
	/* Records hold values in the shortest escaped form. */
	head = (size_t)(value - text) + 1;
	len = value_escape(
	    into + head, sizeof(p->text[1]) - head - 1, str_from(value), &bad);
	if (!bad)
		into[head + len] = '\0';
	else
		(void)memcpy(into, p->text[0], (size_t)n + 1);
	return true;
}

static bool
text_holds(struct str text, const char *part, bool whole_field)
{
	const char *at = text.at, *end = text.at + text.len;
	size_t len = strlen(part);

	while ((at = memmem(at, (size_t)(end - at), part, len)) != NULL) {
		if (!whole_field || at + len == end || at[len] == ' ')
			return true;
		at++;
	}
	return false;
}

static bool
pattern_matches(const struct pattern *p, struct str text)
{
	char line[LINE_MAX_LEN + 1];

	if (p->is_regex)
		return str_copy(line, sizeof(line), text) &&
		    regexec(&p->regex, line, 0, NULL, 0) == 0;
	return text_holds(text, p->text[0], p->is_field) ||
	    text_holds(text, p->text[1], p->is_field);
}

static void
print_match(void *ctx, const struct record *record, struct str text)
{
	struct pattern *p = ctx;

	(void)record;
	if (!pattern_matches(p, text))
		return;
	p->found = true;
	if (p->dir != NULL)
		(void)printf("%s:", p->dir);
	(void)printf("%.*s\n", STR_ARG(text));
}

static int
grep_dirs(struct pattern *p, int count, char **dirs)
{
	int code = EXIT_OK, i;

	for (i = 0; i < count; i++) {
		p->dir = count > 1 ? dirs[i] : NULL;
		code = worse(code, walk(dirs[i], print_match, p, NULL));
	}
	return code == EXIT_OK && !p->found ? EXIT_DECLINED : code;
}

int
command_grep(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {JOURNAL_LONG};
	struct pattern p = {.is_regex = false};
	char error[256];
	int c, code;

	while ((c = journal_option(o, argc, argv, JOURNAL_SHORT "E", longs)) !=
	    OPTIONS_END) {
		if (c != 'E')
			return EXIT_USAGE;
		p.is_regex = true;
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		return options_usage(o, "needs PATTERN DIR...");
	if (!p.is_regex) {
		if (!pattern_text(&p, argv[0])) {
			complain("the pattern is longer than any record");
			return EXIT_USAGE;
		}
		return grep_dirs(&p, argc - 1, argv + 1);
	}
	c = regcomp(&p.regex, argv[0], REG_EXTENDED | REG_NOSUB);
	if (c != 0) {
		(void)regerror(c, &p.regex, error, sizeof(error));
		complain("%s: %s", argv[0], error);
		return EXIT_USAGE;
	}
	code = grep_dirs(&p, argc - 1, argv + 1);
	regfree(&p.regex);
	return code;
}

/* The configuration reader: what it takes, refuses, and where it points. */
#include "base/yaml.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tap.h"

static char directory[PATH_MAX];
static char path[PATH_MAX + 16];

static void
write_octets(const char *octets, size_t len)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(octets, 1, len, file) != len ||
	    fclose(file) != 0)
		abort();
}

/* What the message says after "PATH:". */
static const char *
after_path(const struct yaml_error *error)
{
	size_t len = strlen(path);

	if (strncmp(error->text, path, len) != 0 || error->text[len] != ':')
		return error->text;
	return error->text + len + 1;
}

static void
refused_octets(
    const char *octets, size_t len, const char *want, const char *what)
{
	struct yaml_error error = {""};
	struct yaml *yaml = NULL;

	write_octets(octets, len);
	if (yaml_open(&yaml, path, &error) == 0) {
		ok(false, "%s", what);
		yaml_close(yaml);
		return;
	}
	is_text(after_path(&error), want, what);
}

static void
refused(const char *text, const char *want, const char *what)
{
	refused_octets(text, strlen(text), want, what);
}

static struct yaml *
opened(const char *text)
{
	struct yaml_error error;
	struct yaml *yaml;

	write_octets(text, strlen(text));
	if (yaml_open(&yaml, path, &error) < 0) {
		printf("# %s\n", error.text);
		return NULL;
	}
	return yaml;
}

/* ---- Trees ---- */

static void
test_tree(void)
{
	struct yaml *yaml = opened("# comment\n"
				   "node: gw1\n"
				   "listen: {clients: \"a:1\", banks: 'b:2'}\n"
				   "keys:\n"
				   "- one\n"
				   "- \xc3\xa9t\xc3\xa9\n"
				   "empty:\n");
	const struct yaml_node *root, *node;

	if (!ok(yaml != NULL, "a plain file opens"))
		return;
	root = yaml_root(yaml);
	ok(root->kind == YAML_MAP && root->count == 4, "the root is a map");
	is_text(yaml_path(yaml), path, "the path is kept");
	node = yaml_get(root, "node");
	ok(node != NULL && node->kind == YAML_SCALAR && node->plain &&
		str_is(node->text, "gw1") && str_is(node->key, "node"),
	    "a plain scalar has its key and text");
	ok(node->line == 2 && node->column == 7 && node->key_line == 2 &&
		node->key_column == 1,
	    "positions count from 1");
	node = yaml_get(yaml_get(root, "listen"), "banks");
	ok(node != NULL && !node->plain && str_is(node->text, "b:2") &&
		node->line == 3 && node->column == 33 && node->key_column == 26,
	    "a quoted scalar in a flow map");
	node = yaml_get(root, "keys");
	ok(node != NULL && node->kind == YAML_LIST && node->count == 2 &&
		str_is(node->first->text, "one") &&
		str_is(node->first->next->text, "\xc3\xa9t\xc3\xa9") &&
		node->first->next->line == 6,
	    "a block list with UTF-8");
	node = yaml_get(root, "empty");
	ok(node != NULL && node->plain && node->text.len == 0,
	    "no value is an empty plain scalar");
	ok(yaml_get(root, "nod") == NULL && yaml_get(node, "x") == NULL,
	    "yaml_get finds nothing else");
	yaml_close(yaml);
	yaml_close(NULL);
}

static void
test_shapes(void)
{
	struct yaml_error error;
	struct yaml *yaml;

	yaml = opened("\xef\xbb\xbf"
		      "a: b\n");
	ok(yaml != NULL && yaml_root(yaml)->first->key_column == 1,
	    "a byte order mark is skipped");
	yaml_close(yaml);
	yaml = opened("%YAML 1.1\n---\na: b\n...\n");
	ok(yaml != NULL, "an explicit document");
	yaml_close(yaml);
	yaml = opened("a: b\r\nc: d\r\n");
	ok(yaml != NULL && yaml_get(yaml_root(yaml), "c")->line == 2,
	    "lines that end in CR LF");
	if (yaml != NULL) {
		yaml_fail(yaml, yaml_get(yaml_root(yaml), "c"), &error, "no %s",
		    "good");
		is_text(after_path(&error), "2:4: no good", "yaml_fail");
		yaml_fail_key(yaml, yaml_get(yaml_root(yaml), "c"), &error,
		    "\x1b[2J\xc2\x9b%s", "\xc3\xa9");
		is_text(after_path(&error), "2:1: ?[2J??\xc3\xa9",
		    "control characters in messages are replaced");
	}
	yaml_close(yaml);
	yaml = opened("[[[[[[[[x]]]]]]]]");
	ok(yaml != NULL, "nesting of %d levels", YAML_DEPTH_MAX);
	yaml_close(yaml);
}

static void
test_refusals(void)
{
	refused("", "1:1: the file is empty", "an empty file");
	refused("# only this\n", "1:1: the file is empty", "comments alone");
	refused("a: &x b\nc: *x\n", "1:4: anchors are not allowed", "anchor");
	refused("a: &x {b: c}\n", "1:4: anchors are not allowed",
	    "anchor of a map");
	refused(
	    "a: &x [b]\n", "1:4: anchors are not allowed", "anchor of a list");
	refused("a:\n  b: *x\n", "2:6: aliases are not allowed", "alias");
	refused("a: !!str b\n", "1:4: tags are not allowed", "tag");
	refused("a: ! b\n", "1:4: tags are not allowed", "bare tag");
	refused("a: !x {b: c}\n", "1:4: tags are not allowed", "local tag");
	refused("a: !!seq [b]\n", "1:4: tags are not allowed", "tag of a list");
	refused("%TAG !e! tag:example.com,2000:\n---\na: b\n",
	    "1:1: tags are not allowed", "tag directive");
	refused("a: b\n---\nc: d\n", "2:1: only one document is allowed",
	    "two documents");
	refused("a: b\nc: d\na: e\n",
	    "3:1: key \"a\" is repeated; it was first given at 1:1",
	    "a repeated key");
	refused("x: {a: b, c: d,\n  'a': e}\n",
	    "2:3: key \"a\" is repeated; it was first given at 1:5",
	    "a repeated key in a flow map");
	refused("[a, b]: c\n", "1:1: a key must be a single word or text",
	    "a list as key");
	refused("? {a: b}\n: c\n", "1:3: a key must be a single word or text",
	    "a map as key");
	refused("\"\": c\n", "1:1: an empty key", "an empty key");
	refused("[[[[[[[[[x]]]]]]]]]", "1:9: nested more than 8 levels deep",
	    "nesting of nine levels");
	refused("{a: {a: {a: {a: {a: {a: {a: {a: {a: b}}}}}}}}}",
	    "1:33: nested more than 8 levels deep", "nine maps");
}

static void
test_octets(void)
{
	refused_octets("a: b\nc: \0d\n", 11, "2:4: a NUL octet", "a NUL octet");
	refused("a: \"x\\0y\"\n", "1:4: a NUL octet", "an escaped NUL");
	refused(
	    "\"x\\0y\": a\n", "1:1: a NUL octet", "an escaped NUL, in a key");
	refused("a: \xc3\xa9\xff\n", "1:5: octet 0xff is not UTF-8 here",
	    "an octet that is never UTF-8; columns count characters");
	refused("a: b\nb: \xc0\x80\n", "2:4: octet 0xc0 is not UTF-8 here",
	    "an overlong sequence");
	refused("a: \xed\xa0\x80\n", "1:4: octet 0xed is not UTF-8 here",
	    "a surrogate");
	refused("a: \xf4\x90\x80\x80\n", "1:4: octet 0xf4 is not UTF-8 here",
	    "beyond U+10FFFF");
	refused("a: \xe2\x82", "1:4: octet 0xe2 is not UTF-8 here",
	    "a sequence cut short");
	refused("a: \x80\n", "1:4: octet 0x80 is not UTF-8 here",
	    "a stray continuation");
	refused("a: \x1b[1m\n", "1:4: character U+001B is not allowed",
	    "a control character");
	refused("a: \xc2\x85\n", "1:4: character U+0085 is not allowed",
	    "a C1 control character");
	refused("a: b\xe2\x80\xa8"
		"c: d\n",
	    "1:5: character U+2028 is not allowed", "a line separator");
	refused("a: b\rc: d\r\x7f", "3:1: character U+007F is not allowed",
	    "CR alone ends a line");
	refused_octets("\xff\xfe"
		       "a\0:\0",
	    6, "1:1: octet 0xff is not UTF-8 here", "UTF-16");
}

static void
test_syntax(void)
{
	refused("a:\n\tb: c\n",
	    "2:1: a tab cannot indent: use spaces "
	    "(while scanning for the next token from 2:1)",
	    "a tab as indentation");
	refused("a: [b, c\n",
	    "2:1: did not find expected ',' or ']' "
	    "(while parsing a flow sequence from 1:4)",
	    "an open list");
	refused("a: b: c\n",
	    "1:5: mapping values are not allowed in this "
	    "context",
	    "two colons");
	refused("a: \"b\n",
	    "2:1: found unexpected end of stream (while "
	    "scanning a quoted scalar from 1:4)",
	    "an open quote");
}

static void
test_files(void)
{
	struct yaml_error error;
	struct yaml *yaml;
	char want[PATH_MAX + 64];
	int fd;

	unlink(path);
	ok(yaml_open(&yaml, path, &error) < 0, "a missing file");
	snprintf(want, sizeof(want), "%s: No such file or directory", path);
	is_text(error.text, want, "is told with its path");
	ok(yaml_open(&yaml, directory, &error) < 0, "a directory");

	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ok(fd >= 0 && ftruncate(fd, (off_t)YAML_FILE_MAX + 1) == 0 &&
		yaml_open(&yaml, path, &error) < 0,
	    "one octet over the limit");
	is_text(after_path(&error), " larger than 64 MiB", "is told so");
	ok(ftruncate(fd, (off_t)YAML_FILE_MAX) == 0 &&
		yaml_open(&yaml, path, &error) < 0,
	    "at the limit the file is looked at");
	is_text(after_path(&error), "1:1: a NUL octet", "and found to be NULs");
	close(fd);
}

static void
test_many_keys(void)
{
	char *text = NULL, want[96];
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);
	struct yaml *yaml;

	for (int i = 1; i <= 20000; i++)
		fprintf(file, "key%d: %d\n", i, i);
	fflush(file);
	yaml = opened(text);
	ok(yaml != NULL && yaml_root(yaml)->count == 20000,
	    "a map of 20000 entries");
	yaml_close(yaml);
	fprintf(file, "key7: again\n");
	fclose(file);
	snprintf(want, sizeof(want),
	    "20001:1: key \"key7\" is repeated; it was first given at 7:1");
	refused(text, want, "a repeated key among 20000");
	free(text);
}

static void
test_long_message(void)
{
	char key[2000], name[251];
	char want[64];
	struct yaml_error error;
	struct yaml *yaml;
	char *text;

	memset(name, 'p', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	if (asprintf(&text, "%s/%s", directory, name) < 0)
		abort();
	ok(yaml_open(&yaml, text, &error) < 0 &&
		strncmp(error.text, "...ppp", 6) == 0 &&
		strstr(error.text, ": No such") != NULL,
	    "of a long path the end is shown, and the message after it");
	free(text);

	memset(key, 'k', sizeof(key));
	memcpy(key, "a: b\n\"", 6);
	memcpy(key + 1000, "\": 1\n", 6);
	yaml = opened(key);
	if (!ok(yaml != NULL, "a key of a thousand octets"))
		return;
	ok(yaml_rows(yaml, yaml_root(yaml), NULL, 0, NULL, &error) < 0,
	    "is unknown to no rows");
	snprintf(want, sizeof(want), "1:1: unknown key \"a\"");
	is_text(after_path(&error), want, "as is the first one");
	yaml_close(yaml);
}

/* ---- Rows ---- */

struct config {
	char *node;
	char *ca;
	int64_t count;
	int64_t timeout_ns;
	int64_t segment;
	struct yaml_list gateways;
	struct yaml_list keys;
	const struct yaml_node *extra;
	char *level;
	char *crl;
	int64_t untouched;
};

static const char *
check_level(struct str value)
{
	return str_is(value, "info") || str_is(value, "debug")
	    ? NULL
	    : "must be info or debug";
}

#define AT(member) offsetof(struct config, member)
static const struct yaml_row rows[] = {
    {"node", YAML_TEXT, AT(node), 1, 8, NULL, NULL},
    {"tls.ca", YAML_FILE, AT(ca), 0, 0, "ca.crt", NULL},
    {"tls.crl", YAML_FILE, AT(crl), 0, 0, "~", NULL},
    {"payments.count", YAML_INTEGER, AT(count), -5, 100, "7", NULL},
    {"payments.prepare_timeout", YAML_DURATION, AT(timeout_ns), 100000000,
	INT64_C(3600000000000), "5s", NULL},
    {"journal.segment", YAML_SIZE, AT(segment), 1 << 16, 1 << 30, "64MiB",
	NULL},
    {"gateways", YAML_TEXT_LIST, AT(gateways), 1, 3, "127.0.0.1:7440", NULL},
    {"sessions.deep.token_keys", YAML_FILE_LIST, AT(keys), 0, 0, "~", NULL},
    {"extra", YAML_NODE, AT(extra), 0, 0, "~", NULL},
    {"log.level", YAML_TEXT, AT(level), 1, 16, "info", check_level},
};
#define ROWS (sizeof(rows) / sizeof(rows[0]))

static void
row_refused(const char *text, const char *want, const char *what)
{
	static const struct config nothing = {.untouched = 42};
	struct config config;
	struct yaml_error error = {""};
	struct yaml *yaml = opened(text);

	memset(&config, 0xff, sizeof(config));
	config.untouched = 42;
	if (yaml == NULL) {
		ok(false, "%s", what);
		return;
	}
	if (yaml_rows(yaml, yaml_root(yaml), rows, ROWS, &config, &error) ==
	    0) {
		ok(false, "%s", what);
		yaml_rows_free(rows, ROWS, &config);
	} else {
		is_text(after_path(&error), want, what);
		if (config.node != NULL || config.gateways.at != NULL ||
		    config.extra != NULL ||
		    config.untouched != nothing.untouched)
			ok(false, "%s: leaves nothing behind", what);
	}
	yaml_close(yaml);
}

static void
test_defaults(void)
{
	struct config config = {.untouched = 42};
	struct yaml_error error = {""};
	struct yaml *yaml = opened("node: gw1\nlog:\ntls: {crl: ~}\n");
	char want[PATH_MAX + 16];

	if (!ok(yaml_rows(yaml, yaml_root(yaml), rows, ROWS, &config, &error) ==
		    0,
		"one key is enough where the others have defaults")) {
		printf("# %s\n", error.text);
		return;
	}
	is_text(config.node, "gw1", "a text");
	snprintf(want, sizeof(want), "%s/ca.crt", directory);
	is_text(config.ca, want, "a default path is relative to the file");
	is_i64(config.count, 7, "a default integer");
	is_i64(config.timeout_ns, INT64_C(5000000000), "a default duration");
	is_i64(config.segment, 64 << 20, "a default size");
	ok(config.gateways.count == 1 &&
		strcmp(config.gateways.at[0], "127.0.0.1:7440") == 0,
	    "a default list of one");
	ok(config.keys.count == 0 && config.extra == NULL && config.crl == NULL,
	    "absent optional values are nothing");
	is_text(config.level, "info", "the default in an empty group");
	is_i64(config.untouched, 42, "other members are not touched");
	yaml_rows_free(rows, ROWS, &config);
	ok(config.node == NULL && config.gateways.at == NULL,
	    "yaml_rows_free clears");
	yaml_rows_free(rows, ROWS, &config);
	yaml_close(yaml);
}

static void
test_values(void)
{
	struct config config = {0};
	struct yaml_error error = {""};
	struct yaml *yaml =
	    opened("node: 'gw: 2'\n"
		   "tls: {ca: /abs/ca.crt, crl: x/y}\n"
		   "payments: {count: -5, prepare_timeout: 100ms}\n"
		   "journal: {segment: 65536}\n"
		   "gateways: [a, b, c]\n"
		   "sessions: {deep: {token_keys: [k, /l]}}\n"
		   "extra: {any: [thing]}\n"
		   "log: {level: debug}\n");
	char want[PATH_MAX + 16];

	if (!ok(yaml_rows(yaml, yaml_root(yaml), rows, ROWS, &config, &error) ==
		    0,
		"every kind of row")) {
		printf("# %s\n", error.text);
		return;
	}
	is_text(config.node, "gw: 2", "a quoted text");
	is_text(config.ca, "/abs/ca.crt", "an absolute path stays");
	is_i64(config.count, -5, "the least integer");
	is_i64(config.timeout_ns, 100000000, "the least duration");
	is_i64(config.segment, 65536, "a size without a unit is octets");
	ok(config.gateways.count == 3 && config.gateways.at[2][0] == 'c',
	    "a list");
	snprintf(want, sizeof(want), "%s/k", directory);
	ok(config.keys.count == 2 && strcmp(config.keys.at[0], want) == 0 &&
		strcmp(config.keys.at[1], "/l") == 0,
	    "a list of paths, three levels down");
	ok(config.extra != NULL && config.extra->kind == YAML_MAP,
	    "a node for the caller");
	yaml_rows_free(rows, ROWS, &config);
	yaml_close(yaml);
}

static void
test_keys_refused(void)
{
	row_refused("- a\n", "1:1: must be a map, as in \"key: value\"",
	    "a list where a map belongs");
	row_refused("log: {level: info}\n", "1:1: missing key \"node\"",
	    "a missing key");
	row_refused("node: a\npayments:\n  count: 1\n  prepare_timout: 5s\n",
	    "4:3: unknown key \"prepare_timout\"; did you mean "
	    "\"prepare_timeout\"?",
	    "a key spelt wrong");
	row_refused("ndoe: a\n",
	    "1:1: unknown key \"ndoe\"; did you mean \"node\"?",
	    "letters swapped");
	row_refused("node: a\nprepare_timeout: 5s\n",
	    "2:1: unknown key \"prepare_timeout\"; did you mean "
	    "\"payments.prepare_timeout\"?",
	    "the right key in the wrong place");
	row_refused("node: a\nzebra: 5s\n", "2:1: unknown key \"zebra\"",
	    "a key like no other");
	row_refused("node: a\nlog.level: info\n",
	    "2:1: unknown key \"log.level\"", "a dotted key is no key");
	row_refused("node: a\ntls: {\"ca.crt\": x}\n",
	    "2:7: unknown key \"ca.crt\"", "nor is it in a group");
	row_refused("node: a\nlog: debug\n",
	    "2:6: \"log\" must be a map, as in {key: value}",
	    "a value where a group belongs");
	row_refused("node: a\nlog: {level: {a: b}}\n",
	    "2:14: \"log.level\" must be a single value",
	    "a map where a value belongs");
	row_refused("node:\n", "1:6: \"node\" must have a value",
	    "a required key without a value");
	row_refused("node: ~\n", "1:7: \"node\" must have a value", "or null");
	row_refused("node: a\nlog: {level: loud}\n",
	    "2:14: \"log.level\": must be info or debug",
	    "a value that its check refuses");
}

static void
test_values_refused(void)
{
	row_refused(
	    "node: ''\n", "1:7: \"node\" must not be empty", "an empty text");
	row_refused("node: 123456789\n",
	    "1:7: \"node\" must be from 1 to 8 octets long, not 9",
	    "a text too long");
	row_refused("node: \"a\\nb\"\n",
	    "1:7: \"node\" must not hold control characters",
	    "a text with a line feed");
	row_refused("node: \"a\\u0085b\"\n",
	    "1:7: \"node\" must not hold control characters",
	    "a text with a C1 control");
	row_refused("node: a\ngateways: x\n",
	    "2:11: \"gateways\" must be a list, as in [one, two]",
	    "a value where a list belongs");
	row_refused("node: a\ngateways: []\n",
	    "2:11: \"gateways\" must have from 1 to 3 entries, not 0",
	    "an empty list");
	row_refused("node: a\ngateways: [a, b, c, d]\n",
	    "2:11: \"gateways\" must have from 1 to 3 entries, not 4",
	    "a list too long");
	row_refused("node: a\ngateways: [a, [b]]\n",
	    "2:15: \"gateways\" must be a list of single values",
	    "a list in a list");
	row_refused("node: a\ngateways: [a, '']\n",
	    "2:15: \"gateways\" must not be empty", "an empty entry");
}

static void
test_numbers_refused(void)
{
	static const char *const integers[] = {"101", "-6", "x", "07", "-0",
	    "1.5", "0x10", "+1", "1_000", "99999999999999999999", "1 2"};
	static const char *const times[] = {
	    "99ms", "3601s", "2h", "5", "5 s", "-5s", "1d", "05s", "s", "''"};
	static const char *const octets[] = {
	    "65535", "2GiB", "64MB", "9223372036854775807GiB", "1.5GiB"};
	char text[128], want[256];

	for (size_t i = 0; i < sizeof(integers) / sizeof(integers[0]); i++) {
		snprintf(text, sizeof(text), "node: a\npayments: {count: %s}\n",
		    integers[i]);
		snprintf(want, sizeof(want),
		    "2:19: \"payments.count\" must be a whole number, "
		    "from -5 to 100, not \"%s\"",
		    integers[i]);
		row_refused(text, want, "an integer that is none");
	}
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		snprintf(text, sizeof(text),
		    "node: a\npayments: {prepare_timeout: %s}\n", times[i]);
		snprintf(want, sizeof(want),
		    "2:29: \"payments.prepare_timeout\" must be a duration "
		    "such as 500ms, 5s, 5m or 24h, from 100ms to 1h, not "
		    "\"%s\"",
		    strcmp(times[i], "''") == 0 ? "" : times[i]);
		row_refused(text, want, "a duration that is none");
	}
	for (size_t i = 0; i < sizeof(octets) / sizeof(octets[0]); i++) {
		snprintf(text, sizeof(text),
		    "node: a\njournal: {segment: %s}\n", octets[i]);
		snprintf(want, sizeof(want),
		    "2:20: \"journal.segment\" must be a size such as 512KiB, "
		    "64MiB or 1GiB, from 64KiB to 1GiB, not \"%s\"",
		    octets[i]);
		row_refused(text, want, "a size that is none");
	}
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(directory, sizeof(directory), "%s/strife-yaml-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(directory) == NULL)
		abort();
	snprintf(path, sizeof(path), "%s/test.yaml", directory);
	test_tree();
	test_shapes();
	test_refusals();
	test_octets();
	test_syntax();
	test_files();
	test_many_keys();
	test_long_message();
	test_defaults();
	test_values();
	test_keys_refused();
	test_values_refused();
	test_numbers_refused();
	unlink(path);
	rmdir(directory);
	return tap_done();
}

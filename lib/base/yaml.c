#include <errno.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <yaml.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/table.h"
#include "base/utf8.h"
#include "base/yaml_private.h"

#define CHUNK_SIZE (64u << 10)
/* Below this many entries comparing each with each costs less than hashing. */
#define PAIRWISE_MAX 16

_Static_assert(YAML_FILE_MAX <= UINT32_MAX, "struct str must hold any scalar");

/* Nodes and texts live as long as the tree, so they share large chunks. */
struct chunk {
	struct chunk *next;
	size_t size, used;
	alignas(max_align_t) char octets[];
};

struct yaml {
	char *path;
	struct chunk *chunks;
	struct yaml_node *root;
};

/* A map or list that is still open. */
struct frame {
	struct yaml_node *node;
	struct yaml_node *last;
	bool have_key; /* in a map: the key was read, its value comes next */
	struct str key;
	uint32_t key_line, key_column;
};

struct builder {
	struct yaml *yaml;
	struct yaml_error *error;
	const char *octets;
	size_t len;
	uint32_t depth, documents;
	struct frame stack[YAML_DEPTH_MAX];
};

/* ---- Memory ---- */

static void *
take(struct yaml *yaml, size_t len)
{
	size_t need = (len + 15) & ~(size_t)15;
	struct chunk *chunk = yaml->chunks;

	if (chunk == NULL || chunk->size - chunk->used < need) {
		size_t size = need > CHUNK_SIZE ? need : CHUNK_SIZE;

		chunk = malloc(sizeof(*chunk) + size);
		if (chunk == NULL)
			return NULL;
		chunk->size = size;
		chunk->used = 0;
		chunk->next = yaml->chunks;
		yaml->chunks = chunk;
	}
	chunk->used += need;
	return chunk->octets + chunk->used - need;
}

/* Copies a scalar; `at` NULL on failure. */
static struct str
take_text(struct yaml *yaml, const yaml_char_t *text, size_t len)
{
	char *copy = take(yaml, len + 1);

	if (copy == NULL)
		return (struct str){NULL, 0};
	memcpy(copy, text, len);
	copy[len] = '\0';
	return (struct str){copy, (uint32_t)len};
}

/* ---- The octets, before libyaml sees them ---- */

__attribute__((format(printf, 4, 5))) static int
fail(struct builder *b, uint32_t line, uint32_t column, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	yaml_fail_at(b->error, (struct yaml_place){b->yaml->path, line, column},
	    format, ap);
	va_end(ap);
	return -1;
}

static int
check_octets(struct builder *b)
{
	uint32_t line = 1, column = 1;
	size_t at = 0;

	while (at < b->len) {
		uint32_t c;
		size_t size = utf8_next(b->octets + at, b->len - at, &c);

		if (size == 0)
			return fail(b, line, column,
			    "octet 0x%02x is not UTF-8 here",
			    (unsigned)(uint8_t)b->octets[at]);
		if (c == 0)
			return fail(b, line, column, "a NUL octet");
		/* What would be invisible or break a line unseen. */
		if ((utf8_is_control(c) && c != '\t' && c != '\n' &&
			c != '\r') ||
		    c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe ||
		    c == 0xffff)
			return fail(b, line, column,
			    "character U+%04X is not allowed", c);
		at += size;
		if (c == '\n' ||
		    (c == '\r' && (at == b->len || b->octets[at] != '\n'))) {
			line++;
			column = 1;
		} else
			column++;
	}
	return 0;
}

/* ---- Building the tree ---- */

static uint32_t
line_of(yaml_mark_t mark)
{
	return (uint32_t)mark.line + 1;
}

static uint32_t
column_of(yaml_mark_t mark)
{
	return (uint32_t)mark.column + 1;
}

static int
fail_memory(struct builder *b)
{
	return fail(b, 0, 0, "%s", strerror(ENOMEM));
}

static int
syntax_error(struct builder *b, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	const char *problem =
	    parser->problem == NULL ? "not valid YAML" : parser->problem;

	if (parser->error == YAML_MEMORY_ERROR)
		return fail_memory(b);
	if (parser->error == YAML_READER_ERROR)
		return fail(b, 0, 0, "%s", problem);
	/* libyaml says only that this character cannot start a token. */
	if (parser->error == YAML_SCANNER_ERROR &&
	    parser->mark.index == mark.index && parser->unread > 0 &&
	    *parser->buffer.pointer == '\t')
		problem = "a tab cannot indent: use spaces";
	if (parser->context == NULL)
		return fail(b, line_of(mark), column_of(mark), "%s", problem);
	return fail(b, line_of(mark), column_of(mark), "%s (%s from %u:%u)",
	    problem, parser->context, line_of(parser->context_mark),
	    column_of(parser->context_mark));
}

/* Links a new value into the map or list it belongs to. */
static struct yaml_node *
add_node(struct builder *b, enum yaml_kind kind, yaml_mark_t mark)
{
	struct yaml_node *node = take(b->yaml, sizeof(*node));
	struct frame *in = b->depth == 0 ? NULL : &b->stack[b->depth - 1];

	if (node == NULL) {
		fail_memory(b);
		return NULL;
	}
	*node = (struct yaml_node){.kind = kind,
	    .line = line_of(mark),
	    .column = column_of(mark),
	    .key = STR_NONE,
	    .text = STR_NONE};
	if (in == NULL) {
		b->yaml->root = node;
		return node;
	}
	if (in->node->kind == YAML_MAP) {
		node->key = in->key;
		node->key_line = in->key_line;
		node->key_column = in->key_column;
		in->have_key = false;
	}
	if (in->last == NULL)
		in->node->first = node;
	else
		in->last->next = node;
	in->last = node;
	in->node->count++;
	return node;
}

static bool
wants_key(const struct builder *b)
{
	const struct frame *in;

	if (b->depth == 0)
		return false;
	in = &b->stack[b->depth - 1];
	return in->node->kind == YAML_MAP && !in->have_key;
}

static int
take_key(struct builder *b, const yaml_event_t *event, struct str text)
{
	struct frame *in = &b->stack[b->depth - 1];

	if (text.len == 0)
		return fail(b, line_of(event->start_mark),
		    column_of(event->start_mark), "an empty key");
	in->key = text;
	in->key_line = line_of(event->start_mark);
	in->key_column = column_of(event->start_mark);
	in->have_key = true;
	return 0;
}

static int
refuse(struct builder *b, const yaml_event_t *event, const char *what)
{
	return fail(b, line_of(event->start_mark), column_of(event->start_mark),
	    "%s", what);
}

static int
take_scalar(struct builder *b, const yaml_event_t *event)
{
	const yaml_char_t *value = event->data.scalar.value;
	size_t len = event->data.scalar.length;
	struct yaml_node *node;
	struct str text;

	if (event->data.scalar.anchor != NULL)
		return refuse(b, event, "anchors are not allowed");
	if (event->data.scalar.tag != NULL)
		return refuse(b, event, "tags are not allowed");
	if (memchr(value, '\0', len) != NULL)
		return refuse(b, event, "a NUL octet");
	text = take_text(b->yaml, value, len);
	if (text.at == NULL)
		return fail_memory(b);
	if (wants_key(b))
		return take_key(b, event, text);
	node = add_node(b, YAML_SCALAR, event->start_mark);
	if (node == NULL)
		return -1;
	node->text = text;
	node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	return 0;
}

static int
open_frame(struct builder *b, const yaml_event_t *event, enum yaml_kind kind)
{
	bool map = kind == YAML_MAP;
	struct yaml_node *node;

	if ((map ? event->data.mapping_start.anchor
		 : event->data.sequence_start.anchor) != NULL)
		return refuse(b, event, "anchors are not allowed");
	if ((map ? event->data.mapping_start.tag
		 : event->data.sequence_start.tag) != NULL)
		return refuse(b, event, "tags are not allowed");
	if (wants_key(b))
		return refuse(b, event, "a key must be a single word or text");
	if (b->depth == YAML_DEPTH_MAX)
		return fail(b, line_of(event->start_mark),
		    column_of(event->start_mark),
		    "nested more than %d levels deep", YAML_DEPTH_MAX);
	node = add_node(b, kind, event->start_mark);
	if (node == NULL)
		return -1;
	b->stack[b->depth++] = (struct frame){.node = node};
	return 0;
}

/* ---- Repeated keys ---- */

static bool
same_key(const void *pool, uint32_t index, const void *key, size_t len)
{
	const struct yaml_node *const *entries = pool;
	struct str other = entries[index]->key;

	return other.len == len && memcmp(other.at, key, len) == 0;
}

static int
fail_repeated(struct builder *b, const struct yaml_node *again,
    const struct yaml_node *first)
{
	return fail(b, again->key_line, again->key_column,
	    "key \"%.64s\" is repeated; it was first given at %u:%u",
	    again->key.at, first->key_line, first->key_column);
}

static int
refuse_repeated_few(struct builder *b, const struct yaml_node *map)
{
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
		for (const struct yaml_node *m = map->first; m != n;
		     m = m->next)
			if (str_eq(m->key, n->key))
				return fail_repeated(b, n, m);
	return 0;
}

/* Linear in the number of entries, whatever keys the file has. */
static int
refuse_repeated_many(struct builder *b, const struct yaml_node *map)
{
	const struct yaml_node **entries;
	struct table table;
	struct hash_key key;
	uint32_t count = 0;
	int result = 0;

	entries = calloc(map->count, sizeof(const struct yaml_node *));
	if (entries == NULL)
		return fail_memory(b);
	digest_random(&key, sizeof(key));
	if (table_init(&table, map->count, &key, same_key, entries) < 0) {
		free(entries);
		return fail_memory(b);
	}
	for (const struct yaml_node *n = map->first; n != NULL && result == 0;
	     n = n->next) {
		uint32_t first = table_find(&table, n->key.at, n->key.len);

		if (first != TABLE_NONE) {
			result = fail_repeated(b, n, entries[first]);
			continue;
		}
		entries[count] = n;
		table_insert(&table, n->key.at, n->key.len, count++);
	}
	table_free(&table);
	free(entries);
	return result;
}

static int
close_frame(struct builder *b)
{
	const struct yaml_node *node = b->stack[--b->depth].node;

	if (node->kind != YAML_MAP)
		return 0;
	return node->count <= PAIRWISE_MAX ? refuse_repeated_few(b, node)
					   : refuse_repeated_many(b, node);
}

/* ---- Events ---- */

static int
start_document(struct builder *b, const yaml_event_t *event)
{
	if (b->documents++ > 0)
		return refuse(b, event, "only one document is allowed");
	if (event->data.document_start.tag_directives.start !=
	    event->data.document_start.tag_directives.end)
		return refuse(b, event, "tags are not allowed");
	return 0;
}

static int
take_event(struct builder *b, const yaml_event_t *event)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return start_document(b, event);
	case YAML_ALIAS_EVENT:
		return refuse(b, event, "aliases are not allowed");
	case YAML_SCALAR_EVENT:
		return take_scalar(b, event);
	case YAML_SEQUENCE_START_EVENT:
		return open_frame(b, event, YAML_LIST);
	case YAML_MAPPING_START_EVENT:
		return open_frame(b, event, YAML_MAP);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return close_frame(b);
	case YAML_STREAM_END_EVENT:
		if (b->documents == 0)
			return fail(b, 1, 1, "the file is empty");
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 0;
	}
	return 0;
}

static int
build(struct builder *b)
{
	yaml_parser_t parser;
	yaml_event_t event;
	bool ended = false;
	int result = 0;

	if (yaml_parser_initialize(&parser) == 0)
		return fail_memory(b);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(
	    &parser, (const unsigned char *)b->octets, b->len);
	while (result == 0 && !ended) {
		if (yaml_parser_parse(&parser, &event) == 0) {
			result = syntax_error(b, &parser);
			continue;
		}
		ended = event.type == YAML_STREAM_END_EVENT;
		result = take_event(b, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return result;
}

/* ---- The interface ---- */

__attribute__((format(printf, 3, 4))) static void
fail_file(struct yaml_error *error, const char *path, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	yaml_fail_at(error, (struct yaml_place){path, 0, 0}, format, ap);
	va_end(ap);
}

int
yaml_open(struct yaml **opened, const char *path, struct yaml_error *error)
{
	static const char bom[] = {'\xef', '\xbb', '\xbf'};
	struct builder b = {.error = error};
	char *octets = NULL;
	size_t len = 0;
	int status;

	status = file_read(path, YAML_FILE_MAX, &octets, &len);
	if (status < 0) {
		if (errno == EFBIG)
			fail_file(error, path, "larger than %u MiB",
			    YAML_FILE_MAX >> 20);
		else
			fail_file(error, path, "%s", strerror(errno));
		return -1;
	}
	b.octets = octets;
	b.len = len;
	if (len >= sizeof(bom) && memcmp(octets, bom, sizeof(bom)) == 0) {
		b.octets += sizeof(bom);
		b.len -= sizeof(bom);
	}
	b.yaml = calloc(1, sizeof(*b.yaml));
	if (b.yaml == NULL || (b.yaml->path = strdup(path)) == NULL) {
		fail_file(error, path, "%s", strerror(ENOMEM));
		status = -1;
	} else if (check_octets(&b) < 0 || build(&b) < 0)
		status = -1;
	/* users.yaml holds password hashes. */
	explicit_bzero(octets, len);
	free(octets);
	if (status < 0) {
		yaml_close(b.yaml);
		return -1;
	}
	*opened = b.yaml;
	return 0;
}

void
yaml_close(struct yaml *yaml)
{
	struct chunk *chunk, *next;

	if (yaml == NULL)
		return;
	for (chunk = yaml->chunks; chunk != NULL; chunk = next) {
		next = chunk->next;
		explicit_bzero(chunk->octets, chunk->used);
		free(chunk);
	}
	free(yaml->path);
	free(yaml);
}

const struct yaml_node *
yaml_root(const struct yaml *yaml)
{
	return yaml->root;
}

const char *
yaml_path(const struct yaml *yaml)
{
	return yaml->path;
}

const struct yaml_node *
yaml_get(const struct yaml_node *map, const char *key)
{
	if (map->kind != YAML_MAP)
		return NULL;
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next)
		if (str_is(n->key, key))
			return n;
	return NULL;
}

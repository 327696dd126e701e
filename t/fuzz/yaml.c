/*
 * The reader of configuration files itself: a tree within its bounds, or a
 * message with a place.
 */
#include "in_memory.h"

#include "base/yaml.h"

static void
check_text(struct str text)
{
	CHECK(text.at[text.len] == '\0');
	CHECK(memchr(text.at, '\0', text.len) == NULL || text.len == 0);
}

static void
check_repeated(const struct yaml_node *map)
{
	for (const struct yaml_node *n = map->first; n != NULL; n = n->next) {
		CHECK(n->key.len > 0);
		check_text(n->key);
		CHECK(yaml_get(map, n->key.at) == n);
	}
}

/* Depth is bounded by YAML_DEPTH_MAX, so recursion is. */
static void
check_node(const struct yaml_node *node, uint32_t depth)
{
	uint32_t count = 0;

	CHECK(node->line >= 1 && node->column >= 1);
	if (node->kind == YAML_SCALAR) {
		check_text(node->text);
		CHECK(node->first == NULL && node->count == 0);
		return;
	}
	CHECK(depth < YAML_DEPTH_MAX);
	for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
		check_node(n, depth + 1);
		count++;
	}
	CHECK(count == node->count);
	if (node->kind == YAML_MAP)
		check_repeated(node);
}

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	const char *path = in_memory_file(octets, len);
	struct yaml_error error = {""};
	struct yaml *yaml = NULL;

	if (yaml_open(&yaml, path, &error) < 0) {
		fuzz_message(error.text);
		CHECK(strncmp(error.text, path, strlen(path)) == 0);
		return 0;
	}
	CHECK(yaml_root(yaml) != NULL);
	check_node(yaml_root(yaml), 0);
	yaml_close(yaml);
	return 0;
}

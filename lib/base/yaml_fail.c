/* The messages of yaml.h. */
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"
#include "base/yaml_private.h"

#define PATH_SHOWN_MAX 200

/*
 * The message is printed on terminals and quotes the file: control characters
 * and a sequence that was cut in half become question marks.
 */
static void
make_printable(char *text)
{
	size_t len = strlen(text), at = 0;

	while (at < len) {
		uint32_t c;
		size_t size = utf8_next(text + at, len - at, &c);

		if (size == 0 || utf8_is_control(c)) {
			memset(text + at, '?', size == 0 ? 1 : size);
			at += size == 0 ? 1 : size;
		} else
			at += size;
	}
}

/* Of a path that would fill the message only the end is shown. */
static const char *
path_shown(const char *path, const char **dots)
{
	size_t len = strlen(path);

	*dots = len > PATH_SHOWN_MAX ? "..." : "";
	return len > PATH_SHOWN_MAX ? path + len - PATH_SHOWN_MAX : path;
}

int
yaml_fail_at(struct yaml_error *error, struct yaml_place place,
    const char *format, va_list ap)
{
	const char *dots, *shown = path_shown(place.path, &dots);
	size_t size = sizeof(error->text), used;
	int len;

	if (place.line == 0)
		len = snprintf(error->text, size, "%s%s: ", dots, shown);
	else
		len = snprintf(error->text, size, "%s%s:%u:%u: ", dots, shown,
		    place.line, place.column);
	used = len < 0 ? 0 : (size_t)len;
	if (used >= size)
		used = size - 1;
	if (vsnprintf(error->text + used, size - used, format, ap) < 0)
		error->text[used] = '\0';
	make_printable(error->text);
	return -1;
}

int
yaml_fail(const struct yaml *yaml, const struct yaml_node *at,
    struct yaml_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	yaml_fail_at(error,
	    (struct yaml_place){yaml_path(yaml), at->line, at->column}, format,
	    ap);
	va_end(ap);
	return -1;
}

int
yaml_fail_key(const struct yaml *yaml, const struct yaml_node *at,
    struct yaml_error *error, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	yaml_fail_at(error,
	    (struct yaml_place){yaml_path(yaml), at->key_line, at->key_column},
	    format, ap);
	va_end(ap);
	return -1;
}

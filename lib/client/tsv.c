#include "client/tsv.h"

#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "wire/msg.h"

#define READ_CHUNK ((size_t)1 << 18)

int
tsv_read(struct tsv *t, int fd)
{
	size_t room = 0;
	ssize_t got;

	for (;;) {
		if (t->len == TSV_FILE_MAX)
			return errno = EFBIG, -1;
		if (room - t->len < READ_CHUNK) {
			char *text;

			room = room > 0 ? 2 * room : 4 * READ_CHUNK;
			text = realloc(t->text, room);
			if (text == NULL)
				return -1;
			t->text = text;
		}
		got = read(fd, t->text + t->len,
		    room - t->len < TSV_FILE_MAX - t->len
			? room - t->len
			: TSV_FILE_MAX - t->len);
		if (got == -1 && errno == EINTR)
			continue;
		if (got <= 0)
			return (int)got;
		t->len += (size_t)got;
	}
}

void
tsv_free(struct tsv *t)
{
	free(t->text);
	memset(t, 0, sizeof(*t));
}

void
tsv_begin(struct tsv *t)
{
	t->line = t->wrong = 0;
	t->line_at = NULL;
}

/* One line of the file, whatever is in it. */
static bool
next_line(struct tsv *t, const char **from, const char **to)
{
	/* U+FEFF, which some programs put in front of UTF-8: no content. */
	static const char mark[] = "\xef\xbb\xbf";
	const char *end = t->text + t->len, *at = t->text, *newline;

	if (t->line > 0) {
		newline = memchr(t->line_at, '\n', (size_t)(end - t->line_at));
		at = newline != NULL ? newline + 1 : end;
	} else if (t->len >= sizeof(mark) - 1 &&
	    memcmp(at, mark, sizeof(mark) - 1) == 0) {
		at += sizeof(mark) - 1;
	}
	if (at == end)
		return false;
	newline = memchr(at, '\n', (size_t)(end - at));
	t->line++;
	t->line_at = *from = at;
	*to = newline != NULL ? newline : end;
	return true;
}

bool
tsv_next(struct tsv *t, struct str *line)
{
	const char *from, *to;

	while (next_line(t, &from, &to)) {
		if (to > from && to[-1] == '\r')
			to--;
		if (to - from > LINE_MAX_LEN) {
			(void)tsv_wrong(t, from, "the row is too long");
		} else if (to > from) {
			*line = (struct str){from, (uint32_t)(to - from)};
			return true;
		}
	}
	return false;
}

uint32_t
tsv_split(struct str line, struct str *fields, uint32_t max)
{
	const char *at = line.at, *end = line.at + line.len, *tab;
	uint32_t count = 0;

	for (;;) {
		if (count == max)
			return max + 1;
		tab = memchr(at, '\t', (size_t)(end - at));
		if (tab == NULL)
			tab = end;
		fields[count++] = (struct str){at, (uint32_t)(tab - at)};
		if (tab == end)
			return count;
		at = tab + 1;
	}
}

bool
tsv_wrong(struct tsv *t, const char *at, const char *format, ...)
{
	char text[320];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len >= 0);
	if (t->wrong++ < TSV_TOLD_MAX)
		warnx("%s:%u:%zu: %s", t->name, (unsigned)t->line,
		    (size_t)(at - t->line_at) + 1, text);
	return false;
}

int
tsv_end(const struct tsv *t)
{
	if (t->wrong == 0)
		return EXIT_OK;
	if (t->wrong > TSV_TOLD_MAX)
		warnx("%s: and %u more", t->name,
		    (unsigned)(t->wrong - TSV_TOLD_MAX));
	warnx("%s: nothing was sent", t->name);
	return EXIT_DATA;
}

/* vis(3) would let octets pass that are no text. */
const char *
tsv_shown(struct str value, char into[TSV_SHOWN_SIZE])
{
	uint32_t len = value.len < TSV_SHOWN_MAX ? value.len : TSV_SHOWN_MAX;
	char *at = into;

	for (uint32_t i = 0; i < len; i++) {
		unsigned char octet = (unsigned char)value.at[i];

		if (octet >= ' ' && octet < 0x7f && octet != '\\')
			*at++ = (char)octet;
		else
			at += snprintf(at, 5, "\\x%02X", octet);
	}
	*at = '\0';
	return into;
}

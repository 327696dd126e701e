/* The editor's keys: octets from a terminal become changes of a line. */
#include <bsd/string.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "base/check.h"
#include "editor_private.h"
#include "wire/msg.h"

#define CTRL(letter) ((letter)&0x1F)
#define ESCAPE 0x1B
#define DELETE 0x7F

void
typed_clear(struct typed *t)
{
	explicit_bzero(t, sizeof(*t));
}

/* ---- Places in the line ---- */

static bool
continues(char octet)
{
	return ((unsigned char)octet & 0xC0) == 0x80;
}

static size_t
before(const struct typed *t, size_t at)
{
	if (at == 0)
		return 0;
	do
		at--;
	while (at > 0 && continues(t->text[at]));
	return at;
}

static size_t
after(const struct typed *t, size_t at)
{
	if (at == t->len)
		return at;
	do
		at++;
	while (at < t->len && continues(t->text[at]));
	return at;
}

static size_t
word_before(const struct typed *t, size_t at)
{
	while (at > 0 && t->text[at - 1] == ' ')
		at--;
	while (at > 0 && t->text[at - 1] != ' ')
		at--;
	return at;
}

/* ---- Changes ---- */

static void
cut(struct typed *t, size_t from, size_t to)
{
	CHECK(from <= to && to <= t->len);
	if (from == to)
		t->refused = true;
	memmove(t->text + from, t->text + to, t->len - to);
	t->len -= to - from;
	t->cursor = from;
}

static void
insert(struct typed *t, const char *octets, size_t len)
{
	if (t->len + len >= EDITOR_LINE_MAX) {
		t->refused = true;
		return;
	}
	memmove(
	    t->text + t->cursor + len, t->text + t->cursor, t->len - t->cursor);
	memcpy(t->text + t->cursor, octets, len);
	t->len += len;
	t->cursor += len;
}

/* ---- Keys ---- */

static enum typed_key
control_key(struct typed *t, char octet)
{
	switch (octet) {
	case '\r':
	case '\n':
		return TYPED_ENTER;
	case CTRL('A'):
		t->cursor = 0;
		break;
	case CTRL('B'):
		t->cursor = before(t, t->cursor);
		break;
	case CTRL('D'):
		if (t->len == 0)
			return TYPED_END;
		cut(t, t->cursor, after(t, t->cursor));
		break;
	case CTRL('E'):
		t->cursor = t->len;
		break;
	case CTRL('F'):
		t->cursor = after(t, t->cursor);
		break;
	case CTRL('H'):
	case DELETE:
		cut(t, before(t, t->cursor), t->cursor);
		break;
	case CTRL('K'):
		cut(t, t->cursor, t->len);
		break;
	case CTRL('L'):
		return TYPED_CLEAR;
	case CTRL('U'):
		cut(t, 0, t->cursor);
		break;
	case CTRL('W'):
		cut(t, word_before(t, t->cursor), t->cursor);
		break;
	default:
		t->refused = true;
		break;
	}
	return TYPED_MORE;
}

/* A whole sequence after ESC: "[A", "OH", "[3~", or another, which is lost. */
static void
escape_key(struct typed *t, const char *keys, size_t len)
{
	char last = keys[len - 1];

	if (last == 'D')
		t->cursor = before(t, t->cursor);
	else if (last == 'C')
		t->cursor = after(t, t->cursor);
	else if (last == 'H' || (last == '~' && strchr("17", keys[1]) != NULL))
		t->cursor = 0;
	else if (last == 'F' || (last == '~' && strchr("48", keys[1]) != NULL))
		t->cursor = t->len;
	else if (last == '~' && keys[1] == '3')
		cut(t, t->cursor, after(t, t->cursor));
	else
		t->refused = true;
}

/* Inside a sequence: complete with its final octet (ECMA-48, 5.4). */
static void
escape_octet(struct typed *t, char octet)
{
	bool control = t->pending_len > 1 && t->pending[1] == '[';
	bool final = t->pending_len > 1 && octet >= '@' && octet <= '~';
	bool opens = t->pending_len == 1 && (octet == '[' || octet == 'O');

	if (t->pending_len < sizeof(t->pending))
		t->pending[t->pending_len++] = octet;
	else if (!final)
		return; /* a long one is lost, but read to its end */
	if (opens || (control && !final))
		return;
	if (t->pending_len > 2)
		escape_key(t, t->pending + 1, t->pending_len - 1);
	else
		t->refused = true;
	t->pending_len = 0;
}

/* Whole characters that take part in a line of text. */
static void
text_octet(struct typed *t, char octet)
{
	mbstate_t state;
	wchar_t wide;
	size_t used;

	t->pending[t->pending_len++] = octet;
	memset(&state, 0, sizeof(state));
	used = mbrtowc(&wide, t->pending, t->pending_len, &state);
	if (used == (size_t)-2 && t->pending_len < 4)
		return;
	if (used == (size_t)-1 || used == (size_t)-2 || wcwidth(wide) < 0 ||
	    !text_valid((struct str){t->pending, (uint32_t)t->pending_len}))
		t->refused = true;
	else
		insert(t, t->pending, t->pending_len);
	t->pending_len = 0;
}

enum typed_key
typed_octet(struct typed *t, char octet)
{
	unsigned char value = (unsigned char)octet;

	t->refused = false;
	if (t->pending_len > 0 && t->pending[0] == ESCAPE) {
		escape_octet(t, octet);
		return TYPED_MORE;
	}
	if (value == ESCAPE) {
		t->pending[0] = octet;
		t->pending_len = 1;
		return TYPED_MORE;
	}
	if (value < 0x20 || value == DELETE) {
		t->pending_len = 0;
		return control_key(t, octet);
	}
	text_octet(t, octet);
	return TYPED_MORE;
}

/* ---- The screen ---- */

/* The columns that text takes: what cannot be shown takes one. */
static size_t
text_columns(const char *text, size_t len)
{
	size_t columns = 0, at = 0, used;
	mbstate_t state;
	wchar_t wide;
	int width;

	memset(&state, 0, sizeof(state));
	while (at < len) {
		used = mbrtowc(&wide, text + at, len - at, &state);
		if (used == 0 || used > len - at) {
			memset(&state, 0, sizeof(state));
			used = 1;
			width = 1;
		} else {
			width = wcwidth(wide);
		}
		columns += width > 0 ? (size_t)width : 0;
		at += used;
	}
	return columns;
}

size_t
screen_draw(const char *prompt, const struct typed *t, bool hidden,
    size_t columns, char into[SCREEN_MAX])
{
	size_t room = text_columns(prompt, strlen(prompt)) + 1;
	size_t from = 0, to = hidden ? 0 : t->len;
	size_t cursor = hidden ? 0 : t->cursor;
	int len;

	/* On a narrow terminal the prompt gives way to what is typed. */
	if (room + 8 > columns) {
		prompt = "> ";
		room = 3;
	}
	room = columns > room ? columns - room : 1;
	while (text_columns(t->text + from, cursor - from) > room)
		from = after(t, from);
	while (to > cursor && text_columns(t->text + from, to - from) > room)
		to = before(t, to);
	len = snprintf(into, SCREEN_MAX, "\r%s%.*s\033[K\r", prompt,
	    (int)(to - from), t->text + from);
	CHECK(len > 0 && (size_t)len < SCREEN_MAX - 16);
	return (size_t)len +
	    (size_t)snprintf(into + len, 16, "\033[%zuC",
		text_columns(prompt, strlen(prompt)) +
		    text_columns(t->text + from, cursor - from));
}

#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* What fatal() can say before it is cut. */
#define LOG_MESSAGE_MAX 1024

/* Always kept free: the end of a quoted value, the mark of a cut, a newline. */
static const char line_tail[] = "\" cut=yes\n";
#define LINE_TAIL_LEN (sizeof(line_tail) - 1)

/* The longest encoding of one octet or character: \xNN for each of four. */
#define UNIT_MAX 16

_Static_assert(LOG_LINE_MAX > LINE_TAIL_LEN + UNIT_MAX,
    "a line holds at least one character");

static struct {
	const char *program;
	enum log_level level;
	bool initialised;
	bool journald_known, journald;
} log_state = {.program = "strife", .level = LOG_LEVEL_INFO};

struct line {
	size_t len;
	bool cut; /* something did not fit: nothing more is added */
	char at[LOG_LINE_MAX];
};

/* How a value is written. */
enum style {
	STYLE_BARE,   /* logfmt without quotes: nothing in it needs escaping */
	STYLE_QUOTED, /* logfmt in quotes */
	STYLE_PEOPLE, /* for a terminal: only what could drive it is escaped */
};

/* ---- Which characters may stand as they are ---- */

/*
 * The length of the UTF-8 character (RFC 3629, section 4) at the start of
 * octets, or 0 where there is none; *code gets its number.
 */
static size_t
utf8_next(const unsigned char *octets, size_t len, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t need;

	if (octets[0] < 0x80)
		need = 1;
	else if (octets[0] >= 0xc2 && octets[0] < 0xe0)
		need = 2;
	else if (octets[0] >= 0xe0 && octets[0] < 0xf0)
		need = 3;
	else if (octets[0] >= 0xf0 && octets[0] < 0xf5)
		need = 4;
	else
		return 0;
	if (need > len)
		return 0;
	*code = need == 1 ? octets[0] : octets[0] & (0x7fu >> need);
	for (size_t i = 1; i < need; i++) {
		if ((octets[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (octets[i] & 0x3fu);
	}
	if (*code < least[need] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return need;
}

/*
 * Whether a character only ever shows itself: not the controls, and not those
 * that break a line or turn the direction of the text around it.
 */
static bool
is_harmless(uint32_t code)
{
	if (code < 0x20 || (code >= 0x7f && code < 0xa0))
		return false;
	if (code >= 0x2028 && code <= 0x202e)
		return false;
	if (code >= 0x2066 && code <= 0x2069)
		return false;
	return code != 0x200e && code != 0x200f && code != 0x061c &&
	    code != 0xfeff;
}

static bool
needs_quotes(struct str value)
{
	for (uint32_t i = 0; i < value.len; i++) {
		char c = value.at[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
			return true;
	}
	return value.len == 0;
}

/* ---- A line ---- */

/* Adds all of it or, where it does not fit, none and marks the line as cut. */
static bool
line_put(struct line *l, const char *octets, size_t len)
{
	if (l->cut || l->len + len > LOG_LINE_MAX - LINE_TAIL_LEN) {
		l->cut = true;
		return false;
	}
	memcpy(l->at + l->len, octets, len);
	l->len += len;
	return true;
}

__attribute__((format(printf, 2, 3))) static bool
line_format(struct line *l, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(text)) {
		l->cut = true;
		return false;
	}
	return line_put(l, text, (size_t)len);
}

/* Encodes the next character into unit[]; returns how many octets it took. */
static size_t
encode(const unsigned char *octets, size_t len, enum style style,
    char unit[UNIT_MAX + 1], size_t *unit_len)
{
	uint32_t code = 0;
	size_t took = utf8_next(octets, len, &code);

	if (took > 0 && is_harmless(code)) {
		*unit_len = 0;
		if (style != STYLE_PEOPLE && (code == '"' || code == '\\'))
			unit[(*unit_len)++] = '\\';
		memcpy(unit + *unit_len, octets, took);
		*unit_len += took;
		return took;
	}
	if (took == 1 && code == '\n') {
		memcpy(unit, "\\n", 2);
		*unit_len = 2;
		return took;
	}
	if (took == 0)
		took = 1;
	*unit_len = 0;
	for (size_t i = 0; i < took; i++) {
		snprintf(unit + *unit_len, UNIT_MAX + 1 - *unit_len, "\\x%02x",
		    octets[i]);
		*unit_len += 4;
	}
	return took;
}

static void
line_text(struct line *l, struct str text, enum style style)
{
	size_t at = 0;

	while (at < text.len) {
		char unit[UNIT_MAX + 1];
		size_t unit_len;

		at += encode((const unsigned char *)text.at + at, text.len - at,
		    style, unit, &unit_len);
		if (!line_put(l, unit, unit_len))
			return;
	}
}

static void
line_value(struct line *l, struct str value)
{
	if (!needs_quotes(value)) {
		line_text(l, value, STYLE_BARE);
		return;
	}
	if (!line_put(l, "\"", 1))
		return;
	line_text(l, value, STYLE_QUOTED);
	l->at[l->len++] = '"'; /* fits: it is part of the tail kept free */
}

static void
line_field(struct line *l, const struct log_field *field)
{
	/* A number is there whole or not at all: half of one would mislead. */
	switch (field->kind) {
	case LOG_I64:
		line_format(l, " %s=%" PRId64, field->key, field->i64);
		return;
	case LOG_U64:
		line_format(l, " %s=%" PRIu64, field->key, field->u64);
		return;
	case LOG_STR:
		if (line_format(l, " %s=", field->key))
			line_value(l, field->str);
		return;
	case LOG_ERRNO:
		if (line_format(l, " %s=", field->key))
			line_value(l, str_from(strerror((int)field->i64)));
		return;
	case LOG_END:
		return;
	}
}

static void
line_send(struct line *l)
{
	ssize_t sent;

	if (l->cut) {
		size_t mark_len = LINE_TAIL_LEN - 2;

		memcpy(l->at + l->len, line_tail + 1, mark_len);
		l->len += mark_len;
	}
	l->at[l->len++] = '\n';
	/* Once only, and nowhere to complain: logging must not hold us up. */
	sent = write(STDERR_FILENO, l->at, l->len);
	(void)sent;
}

/* ---- The log ---- */

/* systemd.exec(5): $JOURNAL_STREAM is DEVICE:INODE of the stream to it. */
static bool
under_journald(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	struct stat st;
	char ours[64];
	int len;

	if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
		return false;
	len = snprintf(ours, sizeof(ours), "%ju:%ju", (uintmax_t)st.st_dev,
	    (uintmax_t)st.st_ino);
	return len > 0 && (size_t)len < sizeof(ours) &&
	    strcmp(ours, stream) == 0;
}

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_CRIT:
		return "crit";
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		return "debug";
	}
	return "crit";
}

static void
line_time(struct line *l)
{
	int64_t now_us = clock_wall_us();
	time_t now_s = (time_t)(now_us / US_PER_S);
	struct tm utc;
	char text[32];

	if (gmtime_r(&now_s, &utc) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) == 0)
		return;
	line_format(l, "time=%s.%06dZ ", text, (int)(now_us % US_PER_S));
}

void
log_init(const char *program, enum log_level level)
{
	log_state.program = program;
	log_state.level = level;
	log_state.initialised = true;
	log_state.journald_known = false;
}

void
log_set_level(enum log_level level)
{
	log_state.level = level;
}

bool
log_enabled(enum log_level level)
{
	return level <= log_state.level;
}

bool
log_level_from(struct str word, enum log_level *level)
{
	static const enum log_level levels[] = {
	    LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG};

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (str_is(word, level_name(levels[i]))) {
			*level = levels[i];
			return true;
		}
	}
	return false;
}

void
log_write(
    enum log_level level, const char *text, const struct log_field *fields)
{
	int saved_errno = errno;
	struct line l;

	if (!log_enabled(level))
		return;
	if (!log_state.journald_known) {
		log_state.journald = under_journald();
		log_state.journald_known = true;
	}
	l.len = 0;
	l.cut = false;
	if (log_state.journald)
		line_format(&l, "<%d>", (int)level);
	else
		line_time(&l);
	line_format(&l, "level=%s program=", level_name(level));
	line_value(&l, str_from(log_state.program));
	line_put(&l, " msg=", 5);
	line_value(&l, str_from(text));
	for (; fields->kind != LOG_END && !l.cut; fields++)
		line_field(&l, fields);
	line_send(&l);
	errno = saved_errno;
}

void
fatal(int code, const char *format, ...)
{
	char message[LOG_MESSAGE_MAX];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);
	if (len < 0)
		message[0] = '\0';
	if (log_state.initialised && !isatty(STDERR_FILENO)) {
		log_write(LOG_LEVEL_ERROR, message,
		    (const struct log_field[]){LOG_FIELD_END});
	} else {
		struct line l;

		l.len = 0;
		l.cut = false;
		line_text(&l,
		    str_from(log_state.initialised
			    ? log_state.program
			    : program_invocation_short_name),
		    STYLE_PEOPLE);
		line_put(&l, ": ", 2);
		line_text(&l, str_from(message), STYLE_PEOPLE);
		line_send(&l);
	}
	exit(code);
}

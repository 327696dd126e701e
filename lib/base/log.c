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
#include "base/log_queue.h"
#include "base/utf8.h"

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
 * Whether a character only ever shows itself: not the controls, and not those
 * that break a line or turn the direction of the text around it.
 */
static bool
is_harmless(uint32_t code)
{
	if (utf8_is_control(code))
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
	size_t took = utf8_next((const char *)octets, len, &code);

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
		/* Nothing in it is to be escaped; but it may have to be cut. */
		if (l->len + value.len <= LOG_LINE_MAX - LINE_TAIL_LEN)
			line_put(l, value.at, value.len);
		else
			line_text(l, value, STYLE_BARE);
		return;
	}
	if (!line_put(l, "\"", 1))
		return;
	line_text(l, value, STYLE_QUOTED);
	l->at[l->len++] = '"'; /* fits: it is part of the tail kept free */
}

static bool
line_key(struct line *l, const char *key)
{
	return line_put(l, " ", 1) && line_put(l, key, strlen(key)) &&
	    line_put(l, "=", 1);
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
		if (line_key(l, field->key))
			line_value(l, field->str);
		return;
	case LOG_ERRNO:
		if (line_key(l, field->key))
			line_value(l, str_from(strerror((int)field->i64)));
		return;
	case LOG_END:
		return;
	}
}

static void
line_send(struct line *l, bool casual)
{
	if (l->cut) {
		size_t mark_len = LINE_TAIL_LEN - 2;

		memcpy(l->at + l->len, line_tail + 1, mark_len);
		l->len += mark_len;
	}
	l->at[l->len++] = '\n';
	log_queue_put(l->at, l->len, casual);
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
	/* Of the second that was written last. */
	static time_t text_s = -1;
	static char text[32];
	int64_t now_us = clock_wall_us();
	time_t now_s = (time_t)(now_us / US_PER_S);
	struct tm utc;

	if (now_s != text_s) {
		if (gmtime_r(&now_s, &utc) == NULL ||
		    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc) ==
			0)
			return;
		text_s = now_s;
	}
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

/* Empty but for the priority, where there is to be one: then true. */
static bool
line_begin(struct line *l, enum log_level level)
{
	if (!log_state.journald_known) {
		log_state.journald = under_journald();
		log_state.journald_known = true;
	}
	l->len = 0;
	l->cut = false;
	if (log_state.journald)
		line_format(l, "<%d>", (int)level);
	return log_state.journald;
}

void
log_plain(const char *format, ...)
{
	char text[LOG_MESSAGE_MAX];
	struct line l;
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (len < 0)
		return;
	(void)line_begin(&l, LOG_LEVEL_INFO);
	line_text(&l, str_from(text), STYLE_PEOPLE);
	line_send(&l, false);
}

void
log_write(
    enum log_level level, const char *text, const struct log_field *fields)
{
	int saved_errno = errno;
	struct line l;

	if (!log_enabled(level))
		return;
	if (!line_begin(&l, level))
		line_time(&l);
	line_put(&l, "level=", 6);
	line_put(&l, level_name(level), strlen(level_name(level)));
	line_put(&l, " program=", 9);
	line_value(&l, str_from(log_state.program));
	line_put(&l, " msg=", 5);
	line_value(&l, str_from(text));
	for (; fields->kind != LOG_END && !l.cut; fields++)
		line_field(&l, fields);
	line_send(&l, level >= LOG_LEVEL_INFO);
	errno = saved_errno;
}

/* ---- A log that waits for nobody ---- */

void
log_keep(void)
{
	log_queue_start();
}

void
log_flush(void)
{
	int saved_errno = errno;
	uint64_t dropped;

	log_queue_write();
	dropped = log_queue_take_dropped();
	if (dropped > 0) {
		log_warn("nobody read the log: lines were dropped",
		    LOG_U("lines", dropped));
		log_queue_write();
	}
	errno = saved_errno;
}

void
log_discard(void)
{
	size_t octets = log_queue_discard();

	if (octets > 0)
		log_warn("lines about records that were not flushed are not "
			 "logged",
		    LOG_U("octets", octets));
}

void
log_end(void)
{
	log_queue_wait(LOG_END_MS);
	log_flush();
	log_queue_stop();
}

__attribute__((format(printf, 3, 0))) _Noreturn static void
fatal_write(int code, bool to_log, const char *format, va_list ap)
{
	char message[LOG_MESSAGE_MAX];

	if (vsnprintf(message, sizeof(message), format, ap) < 0)
		message[0] = '\0';
	if (to_log) {
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
		line_send(&l, false);
	}
	log_end();
	exit(code);
}

void
fatal(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fatal_write(
	    code, log_state.initialised && !isatty(STDERR_FILENO), format, ap);
}

void
fatal_plain(int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fatal_write(code, false, format, ap);
}

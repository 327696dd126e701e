/*
 * Logging: one logfmt line an event to stderr (time= level= program= msg= and
 * typed fields). Under systemd (JOURNAL_STREAM names our stderr) each line
 * starts with its sd-daemon(3) priority, <3> to <7>, and leaves time= out.
 * Values are escaped, so no text from a peer can forge a line or a field.
 * Never log a password, a token or a key. Not thread-safe; a line is cut at
 * LOG_LINE_MAX. Each is one write(2) to stderr, which may block, until log_keep
 * is called.
 */
#ifndef STRIFE_BASE_LOG_H
#define STRIFE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

#define LOG_LINE_MAX 2048

/* Named after syslog(3), with the values of its priorities. */
enum log_level {
	LOG_LEVEL_CRIT = 2, /* money or agreement in question */
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

enum log_field_kind { LOG_END, LOG_STR, LOG_I64, LOG_U64, LOG_ERRNO };

struct log_field {
	const char *key;
	enum log_field_kind kind;
	struct str str;
	int64_t i64;
	uint64_t u64;
};

#define LOG_S(k, s) \
	((struct log_field){.key = (k), .kind = LOG_STR, .str = (s)})
#define LOG_C(k, c) LOG_S((k), str_from(c))
#define LOG_I(k, v) \
	((struct log_field){.key = (k), .kind = LOG_I64, .i64 = (v)})
#define LOG_U(k, v) \
	((struct log_field){.key = (k), .kind = LOG_U64, .u64 = (v)})
/* error="text of errno value v" */
#define LOG_E(v) \
	((struct log_field){.key = "error", .kind = LOG_ERRNO, .i64 = (v)})

/* Call once at start; until then info and up is logged as program "strife". */
void log_init(const char *program, enum log_level level);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* "error" "warn" "info" "debug"; false for any other word. */
bool log_level_from(struct str word, enum log_level *level);

/* A line by itself, at any level, for scripts to wait for. */
void log_plain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* fields end with one of kind LOG_END; use the macros below. */
void log_write(
    enum log_level level, const char *text, const struct log_field *fields);

/*
 * For a daemon, which must not wait for whoever reads its log: from now on
 * lines are kept, a megabyte of them, until log_flush writes what can be
 * written at once. Kept lines tell of what becomes durable in the same turn,
 * so it is called when that is. When lines find no room, some are dropped,
 * those of info and debug sooner than the rest, and later a line tells how
 * many. log_end, and fatal, give the reader LOG_END_MS to take what is left.
 */
#define LOG_END_MS 1000
void log_keep(void);
void log_flush(void);
/* A flush has failed: what is kept may not be true, and is forgotten. */
void log_discard(void);
void log_end(void);

#define LOG_AT_(level, text, ...) \
	log_write((level), (text), (const struct log_field[]){__VA_ARGS__})
#define LOG_FIELD_END ((struct log_field){.kind = LOG_END})
/* log_info("bank registered", LOG_S("bank", name), LOG_U("seq", seq)); */
#define log_crit(...) LOG_PICK_(LOG_LEVEL_CRIT, __VA_ARGS__, LOG_FIELD_END)
#define log_error(...) LOG_PICK_(LOG_LEVEL_ERROR, __VA_ARGS__, LOG_FIELD_END)
#define log_warn(...) LOG_PICK_(LOG_LEVEL_WARN, __VA_ARGS__, LOG_FIELD_END)
#define log_info(...) LOG_PICK_(LOG_LEVEL_INFO, __VA_ARGS__, LOG_FIELD_END)
#define log_debug(...) \
	(log_enabled(LOG_LEVEL_DEBUG) \
		? LOG_PICK_(LOG_LEVEL_DEBUG, __VA_ARGS__, LOG_FIELD_END) \
		: (void)0)
#define LOG_PICK_(level, text, ...) LOG_AT_(level, text, __VA_ARGS__)

/*
 * The operator's problem: logs the message at error level (printf form: one
 * sentence that says what, where and what to do next) and exits with code.
 * On a terminal or without log_init it prints "program: message".
 */
_Noreturn void
fatal(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * The same, but never as a line of the log: a file that a start reads is wrong,
 * and the message begins with FILE:LINE:COLUMN for whoever edits it.
 */
_Noreturn void fatal_plain(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

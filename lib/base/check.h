/*
 * CHECK is for our own mistakes and stays on in production: one condition,
 * no side effects. An operator's problem is fatal() (base/log.h); a peer's
 * problem is a reply or a log line.
 */
#ifndef STRIFE_BASE_CHECK_H
#define STRIFE_BASE_CHECK_H

/* Says where and what on stderr, then abort(3). */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition) \
	((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

/* For a place that is never reached: says what would have had to be. */
#define CHECK_UNREACHABLE(what) check_failed(__FILE__, __LINE__, what)

#endif

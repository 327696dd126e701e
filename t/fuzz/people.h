/*
 * What the targets share in which octets choose what people do to a core: ids,
 * lines as printf makes them, connections that the core closes.
 */
#ifndef STRIFE_T_FUZZ_PEOPLE_H
#define STRIFE_T_FUZZ_PEOPLE_H

#include <stdarg.h>

#include "core.h"

#define IDS 6
#define ASKED_MAX 8   /* requests that are remembered, to be answered */
#define CRASHES_MAX 4 /* each reads all there is again */
#define TEXT_MAX 1024
#define CHECK_HEX "0123456789abcdef0123456789abcdef"

#define COUNT(list) ((uint32_t)(sizeof(list) / sizeof((list)[0])))
#define ONE_OF(in, list) (list)[fuzz_below((in), COUNT(list))]

/* Closed by the core, and not yet down. */
static struct peer closing[16];
static uint32_t closing_count, crashes;

/* The target's: a line, as its shell would take it. */
static void give(struct peer, enum side, enum verb, struct str text);

static void
core_closed(struct peer peer)
{
	CHECK(closing_count < COUNT(closing));
	closing[closing_count++] = peer;
}

__attribute__((format(printf, 4, 5))) static void
say(struct peer peer, enum side side, enum verb verb, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len > 0 && (size_t)len < sizeof(text));
	give(peer, side, verb, (struct str){text, (uint32_t)len});
}

static const char *
id_of(struct fuzz_input *in)
{
	static char text[ID_TEXT_LEN + 1];

	(void)snprintf(text, sizeof(text), "00000000-0000-4000-8000-%012x",
	    (unsigned)(1 + fuzz_below(in, IDS)));
	return text;
}

#endif

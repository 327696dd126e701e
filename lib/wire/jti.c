#include "wire/jti.h"

#include "wire/internal.h"

bool
jti_parse(struct jti *jti, struct str text)
{
	const char *dot = text.len > 0 ? memchr(text.at, '.', text.len) : NULL;
	struct jti parsed;
	uint32_t len;

	if (dot == NULL)
		return false;
	len = (uint32_t)(dot - text.at);
	if (!number_read(&parsed.epoch, (struct str){text.at, len}) ||
	    !number_read(
		&parsed.counter, (struct str){dot + 1, text.len - len - 1}))
		return false;
	*jti = parsed;
	return true;
}

void
jti_text(struct jti jti, char into[JTI_TEXT_MAX + 1])
{
	const char *end = into + JTI_TEXT_MAX;
	char *at = number_write(into, end, jti.epoch);

	/* Two numbers of twenty digits at most and a dot: it fits. */
	*at++ = '.';
	at = number_write(at, end, jti.counter);
	*at = '\0';
}

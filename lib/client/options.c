#include "client/options.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/exitcode.h"
#include "base/nearest.h"

#define LONGS_MAX 32

static int
try_help(const struct options *o)
{
	fprintf(stderr, "try: %s%s%s -h\n", o->program,
	    o->command != NULL ? " " : "",
	    o->command != NULL ? o->command : "");
	return EXIT_USAGE;
}

int
options_usage(const struct options *o, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
	return try_help(o);
}

void
options_suggest(const char *message, const char *word, const char *const *names,
    size_t count)
{
	const char *near = nearest_word(str_from(word), names, count);

	if (near != NULL)
		warnx("%s: %s (the nearest is %s)", message, word, near);
	else
		warnx("%s: %s", message, word);
}

/* A long option that is not one: the word up to "=", and the nearest. */
static void
unknown_long(const char *word, const struct option *longs)
{
	const char *names[LONGS_MAX];
	char dashed[LONGS_MAX][32], given[64];
	size_t count;
	int len;

	for (count = 0; longs[count].name != NULL; count++) {
		CHECK(count < LONGS_MAX);
		len = snprintf(dashed[count], sizeof(dashed[count]), "--%s",
		    longs[count].name);
		CHECK(len > 0 && (size_t)len < sizeof(dashed[count]));
		names[count] = dashed[count];
	}
	len = snprintf(
	    given, sizeof(given), "%.*s", (int)strcspn(word, "="), word);
	CHECK(len >= 0);
	options_suggest("unknown option", given, names, count);
}

static int
unknown(const struct options *o, const char *word, const struct option *longs)
{
	if (optopt >= '0' && optopt <= '9')
		warnx("-%c: an amount is positive", optopt);
	else if (optopt > 0 && optopt < 256)
		warnx("unknown option: -%c", optopt);
	else if (optopt >= 256)
		warnx("%s takes no value", word);
	else
		unknown_long(word, longs);
	(void)try_help(o);
	return OPTIONS_BAD;
}

int
options_next(struct options *o, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			o->config = optarg;
			break;
		case OPTIONS_JSON:
			o->json = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case ':':
			(void)options_usage(
			    o, "%s needs a value", argv[optind - 1]);
			return OPTIONS_BAD;
		case '?':
			return unknown(o, argv[optind - 1], longs);
		default:
			return option;
		}
	}
	return OPTIONS_END;
}

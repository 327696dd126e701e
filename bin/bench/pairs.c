#include "pairs.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "wire/money.h"

enum field { FIELD_FROM, FIELD_TO, FIELD_CURRENCY, FIELDS };

static bool
check_account(
    struct tsv *t, struct account *account, const char *name, struct str text)
{
	char show[TSV_SHOWN_SIZE];

	if (account_parse(account, text))
		return true;
	return tsv_wrong(t, text.at, "%s: \"%s\" is not an account, NAME@BANK",
	    name, tsv_shown(text, show));
}

static bool
check_row(struct tsv *t, struct pair *pair, struct str line)
{
	char show[TSV_SHOWN_SIZE];
	struct str fields[FIELDS], currency;
	uint32_t count = tsv_split(line, fields, FIELDS);

	if (count != FIELDS)
		return tsv_wrong(t, line.at,
		    "too %s columns: from to currency, with tabs",
		    count < FIELDS ? "few" : "many");
	if (!check_account(t, &pair->from, "from", fields[FIELD_FROM]) ||
	    !check_account(t, &pair->to, "to", fields[FIELD_TO]))
		return false;
	currency = fields[FIELD_CURRENCY];
	if (!currency_parse(&pair->currency, currency))
		return tsv_wrong(t, currency.at,
		    "currency: \"%s\" is not an ISO 4217 code",
		    tsv_shown(currency, show));
	return true;
}

static void
make_room(struct pairs *p)
{
	uint32_t room = p->room > 0 ? 2 * p->room : 1024;

	if (p->count < p->room)
		return;
	p->at = reallocarray(p->at, room, sizeof(*p->at));
	if (p->at == NULL)
		err(EXIT_OSERR, "memory");
	p->room = room;
}

static bool
is_heading(const struct tsv *t, struct str line)
{
	return t->line == 1 && line.len >= 5 &&
	    memcmp(line.at, "from\t", 5) == 0;
}

static void
check_rows(struct pairs *p)
{
	struct str line;

	tsv_begin(&p->tsv);
	while (tsv_next(&p->tsv, &line)) {
		if (is_heading(&p->tsv, line))
			continue;
		if (p->count == TSV_ROWS_MAX) {
			(void)tsv_wrong(&p->tsv, line.at, "more than %u rows",
			    TSV_ROWS_MAX);
			return;
		}
		make_room(p);
		if (check_row(&p->tsv, &p->at[p->count], line))
			p->count++;
	}
}

int
pairs_read(struct pairs *p, const char *path)
{
	int fd = STDIN_FILENO, result;

	memset(p, 0, sizeof(*p));
	p->tsv.name = "(stdin)";
	if (strcmp(path, "-") != 0) {
		p->tsv.name = path;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd == -1) {
			warn("%s", path);
			return EXIT_DATA;
		}
	}
	result = tsv_read(&p->tsv, fd);
	if (result == -1)
		warn("%s", p->tsv.name);
	if (fd != STDIN_FILENO)
		(void)close(fd);
	if (result == -1)
		return EXIT_DATA;
	check_rows(p);
	result = tsv_end(&p->tsv);
	if (result == EXIT_OK && p->count == 0) {
		warnx("%s: there is no pair in it", p->tsv.name);
		result = EXIT_DATA;
	}
	return result;
}

void
pairs_free(struct pairs *p)
{
	tsv_free(&p->tsv);
	free(p->at);
	memset(p, 0, sizeof(*p));
}

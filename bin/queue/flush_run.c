/* strife-queue flush: what is due, now. */
#include <err.h>
#include <errno.h>

#include "client/ids.h"
#include "flush.h"

static int
flush_options(struct queue *q, const char **operand, int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	int option;

	while ((option = queue_option(
		    q, argc, argv, OPTIONS_SHORT "i:", longs)) != OPTIONS_END) {
		if (option != 'i')
			return EXIT_USAGE;
		*operand = optarg;
	}
	if (optind < argc)
		return options_usage(
		    &q->options, "%s: takes no operand", argv[optind]);
	return EXIT_OK;
}

/* -i of an entry that is not in new. */
static int
elsewhere(struct queue *q, const struct id *id)
{
	enum spool_place place;
	int result = queue_find(q, id, &place);

	if (result != EXIT_OK)
		return result;
	switch (place) {
	case SPOOL_DONE:
		return EXIT_OK;
	case SPOOL_FAILED:
		return EXIT_DECLINED;
	case SPOOL_HOLD:
		warnx("it is on hold: strife-queue release");
		break;
	case SPOOL_NEW:
		break;
	}
	return EXIT_TEMPFAIL;
}

/* Another program flushes: it will see to what is there. */
static int
leave_it(struct queue *q, bool asked)
{
	if (asked || q->options.verbose)
		warnx("another strife-queue is flushing just now");
	return asked || spool_waiting(q->spool) ? EXIT_TEMPFAIL : EXIT_OK;
}

static int
run(struct queue *q, const struct id *only)
{
	const struct flush_options options = {.queue = q,
	    .config = &q->config,
	    .only = only,
	    .progress = true,
	    .interactive = true};
	struct flush_result result;

	if (spool_become_flusher(q->spool) == -1)
		return errno == EWOULDBLOCK ? leave_it(q, only != NULL)
					    : queue_broken(q);
	flush(&options, &result);
	if (result.exit != EXIT_OK)
		return result.exit;
	if (result.remain + result.refused > 0)
		return EXIT_TEMPFAIL;
	if (result.declined > 0)
		return EXIT_DECLINED;
	if (only != NULL && result.paid == 0)
		return elsewhere(q, only);
	return EXIT_OK;
}

int
flush_run(struct queue *q, int argc, char **argv)
{
	const char *operand = NULL;
	struct naming naming;
	struct id id;
	int result = flush_options(q, &operand, argc, argv);

	if (result == EXIT_OK && operand != NULL) {
		naming = (struct naming){.operand = operand};
		result = naming_id(&q->options, &naming, q->config.user, &id);
	}
	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = run(q, operand != NULL ? &id : NULL);
	return result;
}

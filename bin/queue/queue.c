/*
 * strife-queue: the payments that wait on disk for a gateway. One command a
 * run; each is a row of `commands`. Manual: strife-queue(1).
 */
#include "queue.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>

#include "base/version.h"
#include "client/configure.h"
#include "client/login.h"
#include "help.h"

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command {
	struct options_command told;
	int (*run)(struct queue *, int argc, char **argv);
} commands[] = {
    {{"add",
	 "--from ACCOUNT --to ACCOUNT [--memo TEXT]\n"
	 "           [--id UUID | --key TEXT] [--no-hold] AMOUNT CURRENCY",
	 "put a payment into the queue", help_add},
	add_run},
    {{"list", "", "list what waits", help_list}, list_run},
    {{"flush", "[-i ID]", "send what is due, then stop", help_flush},
	flush_run},
    {{"watch", "", "send what is due, and stay", help_watch}, watch_run},
    {{"hold", "ID | --key TEXT", "keep one back", help_hold}, hold_run},
    {{"release", "ID | --key TEXT", "let it go again", help_release},
	release_run},
    {{"drop", "ID | --key TEXT", "give one up, for good", help_drop}, drop_run},
    {{"results", "[--forget DATE]", "list what has ended", help_results},
	results_run},
};

static const struct options_command *
command_at(size_t index)
{
	return index < COMMAND_COUNT ? &commands[index].told : NULL;
}

/* ---- What commands share ---- */

int
queue_option(struct queue *q, int argc, char **argv, const char *shorts,
    const struct option *longs)
{
	int option = options_next(&q->options, argc, argv, shorts, longs);

	if (option == 'h' || option == 'V')
		exit(options_tell(&q->options, option));
	return option;
}

int
queue_no_operands(struct queue *q, int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};

	if (queue_option(q, argc, argv, OPTIONS_SHORT, longs) != OPTIONS_END)
		return EXIT_USAGE;
	if (optind < argc)
		return options_usage(
		    &q->options, "%s: takes no operand", argv[optind]);
	return EXIT_OK;
}

int
queue_open(struct queue *q)
{
	int result = configure_read(&q->options, &q->config);

	if (result == EXIT_OK && spool_open(&q->spool, q->config.spool) == -1)
		result = queue_broken(q);
	return result;
}

void
queue_close(struct queue *q)
{
	spool_close(q->spool);
	q->spool = NULL;
	client_config_free(&q->config);
}

int
queue_broken(const struct queue *q)
{
	warnx("spool %s: %s", q->config.spool, spool_why(errno));
	return EXIT_CANTCREATE;
}

int
queue_client(struct queue *q, struct client **client,
    const struct client_options *wanted)
{
	struct client_options options = *wanted;
	struct yaml_error error;

	options.agent = "strife-queue/" STRIFE_VERSION;
	if (options.config == NULL)
		options.config = &q->config;
	if (client_new(client, &options, &error) == 0)
		return EXIT_OK;
	warnx("%s", error.text);
	return EXIT_CONFIG;
}

struct output *
queue_output(const struct output_options *options)
{
	struct output *output = output_open(options);

	if (output == NULL)
		err(EXIT_OSERR, "memory");
	return output;
}

/* ---- One entry ---- */

int
queue_naming(struct queue *q, struct naming *naming, int argc, char **argv)
{
	enum { OPTION_KEY = OPTIONS_FIRST };
	static const struct option longs[] = {
	    {"key", required_argument, NULL, OPTION_KEY}, OPTIONS_LONG};
	int option;

	while ((option = queue_option(q, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		if (option != OPTION_KEY)
			return EXIT_USAGE;
		naming->key = optarg;
	}
	if (argc - optind != (naming->key == NULL ? 1 : 0))
		return options_usage(&q->options, "needs ID or --key TEXT");
	naming->operand = argv[optind];
	return EXIT_OK;
}

int
queue_absent(const struct id *id)
{
	char text[ID_TEXT_LEN + 1];

	id_text(id, text);
	warnx("%s is not in the queue", text);
	return EXIT_DECLINED;
}

int
queue_find(struct queue *q, const struct id *id, enum spool_place *place)
{
	struct spool_entry entry;

	switch (spool_find(q->spool, id, &entry, place)) {
	case SPOOL_OK:
		return EXIT_OK;
	case SPOOL_ABSENT:
	case SPOOL_EXISTS:
	case SPOOL_ELSEWHERE:
		return queue_absent(id);
	case SPOOL_ERROR:
		break;
	}
	return queue_broken(q);
}

/* ---- The whole ---- */

int
main(int argc, char **argv)
{
	static const struct option longs[] = {OPTIONS_LONG};
	struct queue q = {.options = {.program = "strife-queue",
			      .command_at = command_at,
			      .help = help_common}};
	int index, result;

	options_begin();
	if (queue_option(&q, argc, argv, "+" OPTIONS_SHORT, longs) !=
	    OPTIONS_END)
		return EXIT_USAGE;
	index = options_command(&q.options, &argc, &argv);
	if (index == -1)
		return EXIT_USAGE;
	result = commands[index].run(&q, argc, argv);
	queue_close(&q);
	return output_end(result);
}

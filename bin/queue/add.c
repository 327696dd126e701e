/* strife-queue add: one payment, on disk before it exits with 0. */
#include <err.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/ids.h"
#include "client/login.h"
#include "client/order.h"
#include "queue.h"

struct adding {
	struct order_words words;
	const char *id_option, *key;
	bool no_hold;
	struct order order;
	struct id id;
};

enum {
	OPTION_FROM = OPTIONS_FIRST,
	OPTION_TO,
	OPTION_MEMO,
	OPTION_ID,
	OPTION_KEY,
	OPTION_NO_HOLD,
};

static const struct option longs[] = {
    {"from", required_argument, NULL, OPTION_FROM},
    {"to", required_argument, NULL, OPTION_TO},
    {"memo", required_argument, NULL, OPTION_MEMO},
    {"id", required_argument, NULL, OPTION_ID},
    {"key", required_argument, NULL, OPTION_KEY},
    {"no-hold", no_argument, NULL, OPTION_NO_HOLD}, OPTIONS_LONG};

static int
add_options(struct queue *q, struct adding *a, int argc, char **argv)
{
	int option;

	while ((option = queue_option(q, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END) {
		switch (option) {
		case OPTION_FROM:
			a->words.from = optarg;
			break;
		case OPTION_TO:
			a->words.to = optarg;
			break;
		case OPTION_MEMO:
			a->words.memo = optarg;
			break;
		case OPTION_ID:
			a->id_option = optarg;
			break;
		case OPTION_KEY:
			a->key = optarg;
			break;
		case OPTION_NO_HOLD:
			a->no_hold = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	if (argc - optind != 2)
		return options_usage(
		    &q->options, "needs AMOUNT and CURRENCY: 12.50 CZK");
	a->words.amount = argv[optind];
	a->words.currency = argv[optind + 1];
	if (a->words.from == NULL || a->words.to == NULL)
		return options_usage(&q->options, "needs --from and --to");
	if (a->id_option != NULL && a->key != NULL)
		return options_usage(&q->options, "either --id or --key");
	return EXIT_OK;
}

static int
add_order(struct queue *q, struct adding *a)
{
	char problem[ORDER_PROBLEM_SIZE];

	if (!order_read(&a->order, &a->words, problem))
		return options_usage(&q->options, "%s", problem);
	a->order.no_hold = a->no_hold;
	return EXIT_OK;
}

static int
add_id(struct queue *q, struct adding *a, const struct client *client)
{
	const struct naming naming = {.operand = a->id_option, .key = a->key};
	struct ids ids;

	if (naming.operand != NULL || naming.key != NULL)
		return queue_id(q, &naming, &a->id);
	ids_init(&ids, client_self(client));
	if (ids_reserve(&ids, 1) == -1) {
		ids_warn();
		return EXIT_CONFIG;
	}
	a->id = ids_next(&ids);
	return EXIT_OK;
}

static int
print(const struct queue *q, const struct id *id, const char *place)
{
	static const struct column columns[] = {
	    {"id", COLUMN_TEXT, 0}, {"place", COLUMN_TEXT, 0}};
	struct output *out = queue_output(&(struct output_options){
	    .columns = columns, .count = 2, .json = q->options.json});
	char text[ID_TEXT_LEN + 1];

	id_text(id, text);
	output_text(out, str_from(text));
	output_text(out, str_from(place));
	output_row(out);
	return output_close(out);
}

static int
add(struct queue *q, const struct adding *a, const char *user)
{
	struct spool_entry entry, there;
	enum spool_place place;

	spool_entry_new(&entry, &a->id, &a->order, user);
	switch (spool_add(q->spool, &entry, &there, &place)) {
	case SPOOL_EXISTS:
		if (!spool_entry_same(&entry, &there)) {
			warnx("this id is another payment's");
			return EXIT_DECLINED;
		}
		break;
	case SPOOL_OK:
		break;
	case SPOOL_ERROR:
	case SPOOL_ABSENT:
	case SPOOL_ELSEWHERE:
		return queue_broken(q);
	}
	if (place != SPOOL_FAILED)
		return print(q, &a->id, spool_place_text(place));
	warnx("it has ended, and its id never pays: %s",
	    code_text(there.answer.reason));
	return EXIT_DECLINED;
}

int
add_run(struct queue *q, int argc, char **argv)
{
	struct adding a = {.words.memo = ""};
	struct client *client = NULL;
	int result = add_options(q, &a, argc, argv);

	if (result == EXIT_OK)
		result = add_order(q, &a);
	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = queue_client(
		    q, &client, &(struct client_options){.window = 1});
	if (result == EXIT_OK)
		result = add_id(q, &a, client);
	if (result == EXIT_OK)
		result = add(q, &a, login_user(client_login(client)));
	client_free(client);
	return result;
}

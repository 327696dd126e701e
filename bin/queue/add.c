/* strife-queue add: one payment, on disk before it exits with 0. */
#include <err.h>
#include <stdlib.h>

#include "base/check.h"
#include "client/login.h"
#include "client/order.h"
#include "queue.h"

struct adding {
	struct order_given given;
	struct order order;
	struct id id;
};

static int
add_options(struct queue *q, struct adding *a, int argc, char **argv)
{
	static const struct option longs[] = {ORDER_OPTIONS, OPTIONS_LONG};
	int option;

	while ((option = queue_option(q, argc, argv, OPTIONS_SHORT, longs)) !=
	    OPTIONS_END)
		if (!order_option(&a->given, option))
			return EXIT_USAGE;
	return order_operands(&q->options, &a->given, argc, argv, &a->order);
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
	struct adding a = {.given.no_hold = false};
	struct client *client = NULL;
	int result = add_options(q, &a, argc, argv);

	if (result == EXIT_OK)
		result = queue_open(q);
	if (result == EXIT_OK)
		result = queue_client(
		    q, &client, &(struct client_options){.window = 1});
	if (result == EXIT_OK)
		result = naming_id_or_new(&q->options,
		    &(struct naming){a.given.id, a.given.key}, q->config.user,
		    client, &a.id);
	if (result == EXIT_OK)
		result = add(q, &a, login_user(client_login(client)));
	client_free(client);
	return result;
}

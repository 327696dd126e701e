#include "flush.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "choice.h"
#include "client/login.h"
#include "client/pipeline.h"
#include "entries.h"

struct flushing {
	struct flush_options options;
	struct queue *queue;
	struct flush_result *result;
	struct entries entries;
	struct client *client;
	struct pipeline *pipeline;
	/* Those of this pass, as indices of entries. */
	uint32_t *chosen; /* owned; room for all */
	uint32_t chosen_count;
	struct progress progress;
	uint32_t done;        /* for it */
	uint32_t losses_left; /* for what was never sent, to find another */
	bool strangers;       /* payments of other users were told about */
};

__attribute__((format(printf, 2, 3))) static void
tell(struct flushing *f, const char *format, ...)
{
	char text[SESSION_WHY_MAX + 128];
	va_list ap;
	int len;

	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len >= 0);
	progress_hide(&f->progress);
	if (f->options.tell != NULL)
		f->options.tell(f->options.ctx, text);
	else
		warnx("%s", text);
}

static void
notice(void *ctx, bool detail, const char *text)
{
	struct flushing *f = ctx;

	(void)detail;
	if (!f->queue->options.verbose)
		return;
	progress_hide(&f->progress);
	warnx("%s", text);
}

/* ---- What is due ---- */

static void
begin_choice(struct choice *c, const struct flushing *f)
{
	choice_begin(c, &f->entries, f->options.config,
	    f->options.all || f->options.only != NULL);
}

/* The first entry that may be sent, or NULL. */
static struct entry *
first_due(struct flushing *f)
{
	struct choice c;
	struct entry *found = NULL;
	uint32_t i;

	begin_choice(&c, f);
	for (i = 0; i < f->entries.count && found == NULL; i++)
		if (choice_may(&c, i))
			found = &f->entries.at[i];
	choice_end(&c);
	return found;
}

/* Those for this gateway; unsent: and those that were never sent. */
static void
choose(struct flushing *f, const char *gateway, bool unsent)
{
	struct choice c;
	uint32_t i;

	f->chosen_count = 0;
	begin_choice(&c, f);
	for (i = 0; i < f->entries.count; i++) {
		const char *keeps_to = f->entries.at[i].spooled.gateway;

		if (!choice_may(&c, i))
			continue;
		if (keeps_to[0] == '\0' ? unsent
					: strcmp(keeps_to, gateway) == 0)
			f->chosen[f->chosen_count++] = i;
		else
			choice_block(&c, i);
	}
	choice_end(&c);
}

/* ---- What the pipeline asks and tells ---- */

static struct entry *
chosen(struct flushing *f, uint32_t index)
{
	return &f->entries.at[f->chosen[index]];
}

static struct str
entry_payer(void *ctx, uint32_t index)
{
	return str_from(chosen(ctx, index)->spooled.order.from);
}

static void
entry_request(void *ctx, uint32_t index, struct msg *request)
{
	spool_entry_request(&chosen(ctx, index)->spooled, request);
}

/* Once: a session is one user's, and others' payments wait for theirs. */
static bool
is_ours(struct flushing *f, const struct spool_entry *e)
{
	const char *user = login_grant(client_login(f->client))->user;

	if (strcmp(e->user, user) == 0)
		return true;
	if (!f->strangers)
		tell(f, "payments of %s wait until %s logs in, not %s", e->user,
		    e->user, user);
	f->strangers = true;
	return false;
}

static enum pipeline_verdict
entry_prepare(void *ctx, uint32_t index)
{
	struct flushing *f = ctx;
	struct entry *entry = chosen(f, index);

	if (!is_ours(f, &entry->spooled)) {
		entry->tried = true;
		return PIPELINE_BLOCK;
	}
	switch (spool_claim(f->queue->spool, &entry->spooled,
	    session_address(client_session(f->client)))) {
	case SPOOL_OK:
		return PIPELINE_SEND;
	case SPOOL_ABSENT:
		/* Another program has put it on hold, dropped or ended it. */
		entry->ended = true;
		return PIPELINE_GONE;
	case SPOOL_ELSEWHERE:
		return PIPELINE_BLOCK;
	case SPOOL_ERROR:
	case SPOOL_EXISTS:
		break;
	}
	progress_hide(&f->progress);
	f->result->exit = queue_broken(f->queue);
	return PIPELINE_FAIL;
}

static bool
entries_commit(void *ctx)
{
	struct flushing *f = ctx;

	if (spool_flush(f->queue->spool) == 0)
		return true;
	progress_hide(&f->progress);
	f->result->exit = queue_broken(f->queue);
	return false;
}

static void
entry_answered(void *ctx, uint32_t index, const struct msg *reply)
{
	spool_entry_answered(&chosen(ctx, index)->spooled, reply);
}

static void
tell_end(struct flushing *f, const struct spool_entry *e, const char *what)
{
	char id[ID_TEXT_LEN + 1];

	id_text(&e->id, id);
	tell(f, "%s: %s%s%s%s%s", id, what,
	    e->answer.reason != CODE_NONE ? ": " : "",
	    e->answer.reason != CODE_NONE ? code_text(e->answer.reason) : "",
	    e->text[0] != '\0' ? ": " : "", e->text);
}

/* Where it goes, by its answer. */
static enum spool_place
entry_place(struct flushing *f, struct entry *entry)
{
	struct spool_entry *e = &entry->spooled;

	switch (spool_entry_fate(&e->answer)) {
	case SPOOL_FATE_PAID:
		f->result->paid++;
		return SPOOL_DONE;
	case SPOOL_FATE_DECLINED:
		f->result->declined++;
		tell_end(f, e, "declined");
		return SPOOL_FAILED;
	case SPOOL_FATE_REFUSED:
		f->result->refused++;
		tell_end(f, e, "refused, now on hold");
		return SPOOL_HOLD;
	case SPOOL_FATE_WAITS:
		break;
	}
	e->attempts++;
	e->next_us = clock_wall_us() +
	    choice_delay_ns(f->options.config, e->attempts) / 1000;
	return SPOOL_NEW;
}

static void
entry_done(void *ctx, uint32_t index)
{
	struct flushing *f = ctx;
	struct entry *entry = chosen(f, index);
	enum spool_place place = entry_place(f, entry);

	entry->tried = true;
	entry->ended = place != SPOOL_NEW;
	f->done++;
	/* Where it is no longer there, another program knew it sooner. */
	if (spool_settle(f->queue->spool, &entry->spooled, place) ==
	    SPOOL_ERROR) {
		progress_hide(&f->progress);
		f->result->exit = queue_broken(f->queue);
		pipeline_stop(f->pipeline);
	}
}

static bool
turned(void *ctx)
{
	struct flushing *f = ctx;

	progress_show(&f->progress, f->done);
	return f->result->exit == EXIT_OK && entries_commit(f);
}

static void
lost(void *ctx)
{
	struct flushing *f = ctx;

	progress_hide(&f->progress);
}

static const struct pipeline_ops pipeline_ops = {
    .payer = entry_payer,
    .request = entry_request,
    .prepare = entry_prepare,
    .commit = entries_commit,
    .answered = entry_answered,
    .done = entry_done,
    .turned = turned,
    .lost = lost,
};

/* ---- One pass: through one session ---- */

/* None of those that would have gone there is tried again in this run. */
static void
give_up(struct flushing *f, const char *gateway)
{
	uint32_t i;

	for (i = 0; i < f->entries.count; i++)
		if (strcmp(f->entries.at[i].spooled.gateway, gateway) == 0)
			f->entries.at[i].tried = true;
}

static enum session_end
send_chosen(struct flushing *f)
{
	const struct pipeline_options options = {.client = f->client,
	    .ops = &pipeline_ops,
	    .ctx = f,
	    .count = f->chosen_count};
	enum session_end end;

	if (pipeline_new(&f->pipeline, &options) == -1)
		err(EXIT_OSERR, "memory");
	end = pipeline_run(f->pipeline);
	pipeline_free(f->pipeline);
	f->pipeline = NULL;
	return end;
}

/* Connects, and sends what may go there; gateway "": to the first there is. */
static enum session_end
talk(struct flushing *f, const char *gateway)
{
	enum session_end end = client_connect(f->client);
	const char *address;

	f->chosen_count = 0;
	if (end != SESSION_END_NONE)
		return end;
	f->result->connected = true;
	address = session_address(client_session(f->client));
	choose(f, address, gateway[0] == '\0');
	if (f->chosen_count > 0)
		end = send_chosen(f);
	/* What was claimed for it is not tried anywhere else. */
	if (end != SESSION_END_NONE)
		give_up(f, address);
	return end;
}

static void
pass_failed(struct flushing *f, const char *gateway, enum session_end end)
{
	/* Where a gateway was lost, what was never sent may find another. */
	if (end != SESSION_END_NONE) {
		if (f->chosen_count == 0 || f->losses_left == 0)
			give_up(f, gateway);
		else
			f->losses_left--;
	}
	switch (end) {
	case SESSION_END_NONE:
	case SESSION_END_CLOSED:
		return;
	case SESSION_END_UNREACHABLE:
	case SESSION_END_BUSY:
	case SESSION_END_LOST:
		f->result->unreachable = true;
		break;
	case SESSION_END_UNTRUSTED:
	case SESSION_END_REFUSED:
	case SESSION_END_LOGIN:
	case SESSION_END_LOGGED_OUT:
	case SESSION_END_BROKEN:
		break;
	}
	tell(f, "%s", session_why(client_session(f->client)));
}

/* False: no further pass. */
static bool
pass(struct flushing *f, struct entry *first)
{
	char gateway[sizeof(first->spooled.gateway)];
	struct client_options options = {.config = f->options.config,
	    .window = SESSION_WINDOW_MAX,
	    .interactive = f->options.interactive,
	    .notice = notice,
	    .ctx = f};
	enum session_end end;

	memcpy(gateway, first->spooled.gateway, sizeof(gateway));
	if (gateway[0] != '\0')
		options.only_gateway = gateway;
	f->result->exit = queue_client(f->queue, &f->client, &options);
	if (f->result->exit != EXIT_OK)
		return false;
	if (f->options.client != NULL)
		f->options.client(f->options.ctx, f->client);
	end = talk(f, gateway);
	pass_failed(f, gateway, end);
	if (f->chosen_count == 0)
		first->tried = true;
	if (f->options.client != NULL)
		f->options.client(f->options.ctx, NULL);
	client_free(f->client);
	f->client = NULL;
	return end != SESSION_END_CLOSED && end != SESSION_END_LOGIN &&
	    f->result->exit == EXIT_OK;
}

/* ---- The whole ---- */

static int
load(struct flushing *f)
{
	const struct id *only = f->options.only;
	uint32_t i;
	int result = entries_load(&f->entries, f->queue, SPOOL_NEW);

	if (result != EXIT_OK)
		return result;
	entries_sort(&f->entries);
	for (i = 0; only != NULL && i < f->entries.count; i++)
		if (!id_eq(&f->entries.at[i].spooled.id, only))
			f->entries.at[i].ended = true;
	f->chosen = calloc(f->entries.count + 1, sizeof(*f->chosen));
	if (f->chosen == NULL)
		err(EXIT_OSERR, "memory");
	return EXIT_OK;
}

static void
count_up(struct flushing *f)
{
	struct flush_result *result = f->result;
	uint32_t i;

	for (i = 0; i < f->entries.count; i++) {
		const struct entry *entry = &f->entries.at[i];

		if (entry->ended)
			continue;
		result->remain++;
		if (entry->spooled.next_us != 0 &&
		    (result->next_us == 0 ||
			entry->spooled.next_us < result->next_us))
			result->next_us = entry->spooled.next_us;
	}
}

void
flush(const struct flush_options *options, struct flush_result *result)
{
	struct flushing f = {
	    .options = *options, .queue = options->queue, .result = result};
	const struct spool *spool = options->queue->spool;
	uint32_t aside_before = spool_aside_count(spool);
	struct entry *first;

	*result = (struct flush_result){.exit = EXIT_OK};
	result->exit = load(&f);
	if (result->exit == EXIT_OK) {
		progress_init(&f.progress, f.entries.count, false);
		if (!options->progress)
			f.progress.terminal = false;
		f.losses_left = options->config->gateways.count - 1;
		do
			first = first_due(&f);
		while (first != NULL && pass(&f, first));
		progress_hide(&f.progress);
		if (result->exit == EXIT_OK &&
		    spool_flush(f.queue->spool) == -1)
			result->exit = queue_broken(f.queue);
		count_up(&f);
	}
	result->refused += spool_aside_count(spool) - aside_before;
	free(f.chosen);
	entries_free(&f.entries);
}

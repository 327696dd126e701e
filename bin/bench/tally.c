#include "tally.h"

#include <err.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "client/output.h"

void
tally_answer(struct tally *t, const struct answer *answer, int64_t latency_ns,
    bool in_time)
{
	if (answer->state != PAYMENT_COMMITTED) {
		CHECK((uint32_t)answer->reason < TALLY_CODES);
		t->refused[answer->reason]++;
		return;
	}
	t->committed++;
	if (in_time)
		t->committed_in_time++;
	histogram_add(&t->latency_ns, latency_ns, 1);
}

void
tally_unanswered(struct tally *t, int64_t waited_ns, uint64_t count)
{
	t->unanswered += count;
	histogram_add(&t->latency_ns, waited_ns, count);
}

void
tally_unsent(struct tally *t, int64_t waited_ns, uint64_t count)
{
	t->unsent += count;
	histogram_add(&t->latency_ns, waited_ns, count);
}

uint64_t
tally_failed(const struct tally *t)
{
	uint64_t failed = t->unanswered + t->unsent;

	for (uint32_t i = 0; i < TALLY_CODES; i++)
		failed += t->refused[i];
	return failed;
}

/* ---- Printing ---- */

__attribute__((format(printf, 2, 3))) static void
tell(uint64_t count, const char *format, ...)
{
	char text[128];
	va_list ap;
	int len;

	if (count == 0)
		return;
	va_start(ap, format);
	len = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	CHECK(len > 0);
	warnx("%llu %s failed: %s", (unsigned long long)count,
	    count == 1 ? "payment" : "payments", text);
}

static void
tell_failures(const struct tally *t)
{
	for (uint32_t i = 0; i < TALLY_CODES; i++) {
		enum code code = (enum code)i;

		if (code == CODE_NONE)
			tell(t->refused[i], "no reason was given");
		else
			tell(t->refused[i], "%s: %s", code_text(code),
			    code_words(code));
	}
	tell(t->unanswered, "not answered");
	tell(t->unsent, "due, but never sent: the rate is more than is taken");
}

static void
put(struct output *o, double value)
{
	char text[40];
	int len = snprintf(text, sizeof(text), "%.3f", value);

	CHECK(len > 0 && (size_t)len < sizeof(text));
	output_text(o, str_from(text));
}

static void
put_ms(struct output *o, int64_t ns)
{
	put(o, (double)ns / (double)NS_PER_MS);
}

/* CLI.md names the columns. */
static const struct column columns[] = {
    {"payments_per_s", COLUMN_NUMBER, 0},
    {"p50_ms", COLUMN_NUMBER, 0},
    {"p95_ms", COLUMN_NUMBER, 0},
    {"p99_ms", COLUMN_NUMBER, 0},
    {"p999_ms", COLUMN_NUMBER, 0},
    {"max_ms", COLUMN_NUMBER, 0},
    {"committed", COLUMN_NUMBER, 0},
    {"failed", COLUMN_NUMBER, 0},
    {"connections", COLUMN_NUMBER, 0},
    {"window", COLUMN_NUMBER, 0},
    {"seconds", COLUMN_NUMBER, 0},
    {"rate", COLUMN_NUMBER, 0},
};

static void
put_row(struct output *o, const struct tally *t, const struct tally_setting *s)
{
	static const uint32_t permilles[] = {500, 950, 990, 999};
	double seconds = (double)t->elapsed_ns / (double)NS_PER_S;

	put(o, seconds > 0 ? (double)t->committed_in_time / seconds : 0);
	for (uint32_t i = 0; i < sizeof(permilles) / sizeof(*permilles); i++)
		put_ms(o, histogram_value(&t->latency_ns, permilles[i]));
	put_ms(o, t->latency_ns.max);
	output_u64(o, t->committed);
	output_u64(o, tally_failed(t));
	output_u64(o, s->connections);
	output_u64(o, s->window);
	put(o, seconds);
	if (s->rate > 0)
		output_u64(o, s->rate);
	else
		output_text(o, STR_NONE);
	output_row(o);
}

int
tally_print(const struct tally *t, const struct tally_setting *setting)
{
	const struct output_options options = {.columns = columns,
	    .count = sizeof(columns) / sizeof(*columns),
	    .json = setting->json,
	    .heading = true};
	struct output *o = output_open(&options);
	int result;

	if (o == NULL)
		err(EXIT_OSERR, "memory");
	put_row(o, t, setting);
	result = output_close(o);
	tell_failures(t);
	if (result == EXIT_OK && tally_failed(t) > 0)
		result = EXIT_DECLINED;
	return result;
}

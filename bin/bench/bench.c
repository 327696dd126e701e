/*
 * strife-bench: how many payments a second a gateway takes, and how long each
 * takes. Manual: strife-bench(1).
 */
#include <bsd/stdlib.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "client/configure.h"
#include "client/options.h"
#include "client/output.h"
#include "client/session.h"
#include "load.h"

/* Descriptors besides the connections'. */
#define FILES_SPARE 32

static const char help[] =
    "usage: strife-bench [-v] [-c FILE] --pairs FILE [--connections N]\n"
    "                    [--window N] [--seconds N] [--rate N]\n"
    "                    [--memo OCTETS] [--seed N] [--json]\n"
    "\n"
    "Pays as fast as the gateway answers, or at a rate, and tells how many\n"
    "payments a second were committed and how long they took. The money\n"
    "really moves: 0.01 or whatever is the currency's smallest unit.\n"
    "\n"
    "  --pairs FILE       who pays whom: from, to, currency, with tabs "
    "between;\n"
    "                     - is standard input. Each payment takes one at "
    "random\n"
    "  --connections N    so many connections, 1 to 10000 (else 1)\n"
    "  --window N         so many payments in flight on each, 1 to 1024 (else "
    "1)\n"
    "  --seconds N        how long, 1 to 86400 (else 10)\n"
    "  --rate N           so many payments become due a second, 1 to 1000000;\n"
    "                     their time counts from when they are due\n"
    "  --memo OCTETS      the length of each payment's memo, 0 to 140 (else "
    "0)\n"
    "  --seed N           of the choice of pairs (else 1)\n"
    "  --json             print one JSON object\n"
    "  -c, --config FILE  configuration (else $STRIFE_PAY_CONFIG,\n"
    "                     ~/.config/strife/pay.yaml, the system's)\n"
    "  -v, --verbose      say more on standard error\n"
    "  -h, --help         this help\n"
    "  -V, --version      the version\n"
    "\n"
    "Exit: 0 every payment was committed, 1 some failed, 64 usage, 65 the\n"
    "pairs are wrong, 69 no gateway reachable, 75 it went away or is busy, 76\n"
    "the gateway broke the protocol, 77 login, 78 configuration.\n";

struct bench {
	struct options options;
	const char *pairs_path;
	struct client_config config;
	struct pairs pairs;
	struct load_options load;
};

/* ---- The command line ---- */

enum {
	OPTION_CONNECTIONS = OPTIONS_FIRST,
	OPTION_MEMO,
	OPTION_PAIRS,
	OPTION_RATE,
	OPTION_SECONDS,
	OPTION_SEED,
	OPTION_WINDOW,
};

/* A number of the command line: its option, its bounds, where it goes. */
struct number {
	int option;
	const char *name;
	long long min, max;
	uint32_t *value;
};

static int
read_number(const struct bench *b, const struct number *n)
{
	const char *problem;

	*n->value = (uint32_t)strtonum(optarg, n->min, n->max, &problem);
	if (problem == NULL)
		return EXIT_OK;
	return options_usage(&b->options, "--%s %s: %lld to %lld", n->name,
	    optarg, n->min, n->max);
}

static int
read_option(struct bench *b, int option)
{
	struct load_options *l = &b->load;
	uint32_t seed;
	const struct number numbers[] = {
	    {OPTION_CONNECTIONS, "connections", 1, LOAD_CONNECTIONS_MAX,
		&l->connections},
	    {OPTION_WINDOW, "window", 1, SESSION_WINDOW_MAX, &l->window},
	    {OPTION_SECONDS, "seconds", 1, LOAD_SECONDS_MAX, &l->seconds},
	    {OPTION_RATE, "rate", 1, LOAD_RATE_MAX, &l->rate},
	    {OPTION_MEMO, "memo", 0, MEMO_MAX_LEN, &l->memo_len},
	    {OPTION_SEED, "seed", 0, UINT32_MAX, &seed},
	};
	size_t i;
	int result;

	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (numbers[i].option != option)
			continue;
		result = read_number(b, &numbers[i]);
		if (option == OPTION_SEED && result == EXIT_OK)
			l->seed = seed;
		return result;
	}
	if (option == 'h' || option == 'V')
		exit(options_tell(&b->options, option));
	if (option != OPTION_PAIRS)
		return EXIT_USAGE;
	b->pairs_path = optarg;
	return EXIT_OK;
}

static int
read_options(struct bench *b, int argc, char **argv)
{
	static const struct option longs[] = {
	    {"connections", required_argument, NULL, OPTION_CONNECTIONS},
	    {"memo", required_argument, NULL, OPTION_MEMO},
	    {"pairs", required_argument, NULL, OPTION_PAIRS},
	    {"rate", required_argument, NULL, OPTION_RATE},
	    {"seconds", required_argument, NULL, OPTION_SECONDS},
	    {"seed", required_argument, NULL, OPTION_SEED},
	    {"window", required_argument, NULL, OPTION_WINDOW}, OPTIONS_LONG};
	int option, result;

	while ((option = options_next(&b->options, argc, argv, OPTIONS_SHORT,
		    longs)) != OPTIONS_END) {
		result = read_option(b, option);
		if (result != EXIT_OK)
			return result;
	}
	if (optind < argc)
		return options_usage(
		    &b->options, "%s: takes no operand", argv[optind]);
	if (b->pairs_path == NULL)
		return options_usage(&b->options, "needs --pairs FILE");
	if (b->load.connections * b->load.window > LOAD_IN_FLIGHT_MAX)
		return options_usage(&b->options,
		    "--connections times --window: at most %u",
		    LOAD_IN_FLIGHT_MAX);
	b->load.verbose = b->options.verbose;
	return EXIT_OK;
}

/* ---- The whole ---- */

static int
allow_files(uint32_t connections)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		err(EXIT_OSERR, "limit of open files");
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) == -1)
		err(EXIT_OSERR, "limit of open files");
	if (files.rlim_cur >= connections + FILES_SPARE)
		return EXIT_OK;
	warnx(
	    "%u connections need %u open files; the limit (ulimit -n) is %llu",
	    (unsigned)connections, (unsigned)(connections + FILES_SPARE),
	    (unsigned long long)files.rlim_cur);
	return EXIT_OSERR;
}

static int
run(struct bench *b)
{
	static struct tally tally; /* too large for a stack */
	const struct tally_setting setting = {
	    .connections = b->load.connections,
	    .window = b->load.window,
	    .rate = b->load.rate,
	    .json = b->options.json};
	int result = configure_read(&b->options, &b->config);

	if (result == EXIT_OK)
		result = pairs_read(&b->pairs, b->pairs_path);
	if (result == EXIT_OK)
		result = allow_files(b->load.connections);
	if (result == EXIT_OK)
		result = load_run(&b->load, &tally);
	if (result == EXIT_OK)
		result = tally_print(&tally, &setting);
	return result;
}

int
main(int argc, char **argv)
{
	struct bench b = {.options = {.program = "strife-bench", .help = help},
	    .load = {.connections = 1, .window = 1, .seconds = 10, .seed = 1}};
	int result;

	options_begin();
	b.load.config = &b.config;
	b.load.pairs = &b.pairs;
	result = read_options(&b, argc, argv);
	if (result == EXIT_OK)
		result = run(&b);
	pairs_free(&b.pairs);
	client_config_free(&b.config);
	return output_end(result);
}

/*
 * client/console.h, the half that deals with people: commands, options, help,
 * values. The other half is console_daemon.c.
 */
#include "client/console.h"

#include <bsd/stdlib.h>
#include <err.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/version.h"
#include "base/yaml.h"
#include "client/ids.h"
#include "client/options.h"

#define SILENCE_S 30
#define COMMANDS_MAX 32

/* ---- Help ---- */

static int
help_general(const struct console_program *program)
{
	uint32_t i;

	printf("usage: %s [-c FILE] [--json] [--timeout SECONDS] COMMAND ...\n",
	    program->name);
	for (i = 0; i < program->command_count; i++)
		printf("  %-10s  %s\n", program->commands[i].name,
		    program->commands[i].summary);
	printf("%s COMMAND -h tells more. All take -c FILE (%s's\n"
	       "configuration), --json (an object a line), --timeout SECONDS; "
	       "-V: version.\n"
	       "Exit: 0 done, 1 refused for good, 64 usage, 69 no daemon at "
	       "the socket,\n"
	       "75 not now: run it again, 76 protocol, 77 permission, 78 "
	       "configuration.\n",
	    program->name, program->daemon);
	return EXIT_OK;
}

static int
help_command(const struct console *c)
{
	printf("usage: %s %s%s%s\n\n%s", c->program->name, c->command->name,
	    c->command->usage[0] != '\0' ? " " : "", c->command->usage,
	    c->command->help);
	return EXIT_OK;
}

static void
try_help(const struct console *c)
{
	fprintf(stderr, "try: %s %s%s-h\n", c->program->name,
	    c->command != NULL ? c->command->name : "",
	    c->command != NULL ? " " : "");
}

int
console_usage(const struct console *c, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vwarnx(format, ap);
	va_end(ap);
	try_help(c);
	return EXIT_USAGE;
}

int
console_unknown(const struct console *c, const char *message, const char *word,
    const char *const *names, uint32_t count)
{
	options_suggest(message, word, names, count);
	try_help(c);
	return EXIT_USAGE;
}

/* ---- Options ---- */

enum {
	LONG_JSON = 256,
	LONG_TIMEOUT,
	LONG_FIRST, /* the program's own, by their index */
};
#define COMMON_LONGS 5
#define LONGS_MAX (COMMON_LONGS + CONSOLE_OPTIONS_MAX)

struct known {
	struct option longs[LONGS_MAX + 1];
	char shorts[8 + 2 * CONSOLE_OPTIONS_MAX];
};

/* Those of every command, and of `c->command` its own. */
static void
options_of(const struct console *c, struct known *o)
{
	static const struct option common[COMMON_LONGS] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {"json", no_argument, NULL, LONG_JSON},
	    {"timeout", required_argument, NULL, LONG_TIMEOUT},
	    {"version", no_argument, NULL, 'V'}};
	size_t count = COMMON_LONGS, len;
	uint32_t i;

	memset(o, 0, sizeof(*o));
	memcpy(o->longs, common, sizeof(common));
	(void)strcpy(o->shorts, c->command == NULL ? "+:c:hV" : ":c:hV");
	if (c->command == NULL)
		return;
	CHECK(c->program->option_count <= CONSOLE_OPTIONS_MAX);
	for (i = 0; i < c->program->option_count; i++) {
		const struct console_option *option = &c->program->options[i];

		if ((c->command->options & 1u << i) == 0)
			continue;
		o->longs[count++] = (struct option){
		    option->name, required_argument, NULL, LONG_FIRST + (int)i};
		len = strlen(o->shorts);
		if (option->letter != '\0') {
			o->shorts[len] = option->letter;
			o->shorts[len + 1] = ':';
		}
	}
}

/* Which of the program's options getopt's answer is. */
static uint32_t
option_index(const struct console *c, int option)
{
	uint32_t i;

	if (option >= LONG_FIRST)
		return (uint32_t)(option - LONG_FIRST);
	for (i = 0; i < c->program->option_count; i++)
		if (c->program->options[i].letter == option)
			break;
	CHECK(i < c->program->option_count);
	return i;
}

static int
wrong_option(
    const struct console *c, char *const *argv, const struct option *longs)
{
	if (optopt >= '0' && optopt <= '9')
		return console_usage(c,
		    "-%c: amounts are positive, and there is no such option",
		    optopt);
	if (optopt > 0 && optopt < 256)
		return console_usage(c, "unknown option: -%c", optopt);
	if (optopt >= 256)
		return console_usage(c, "%s takes no value", argv[optind - 1]);
	options_unknown(argv[optind - 1], longs);
	try_help(c);
	return EXIT_USAGE;
}

static int
take_timeout(struct console *c)
{
	const char *problem;
	int64_t seconds = strtonum(optarg, 1, 86400, &problem);

	if (problem != NULL)
		return console_usage(
		    c, "--timeout %s: 1 to 86400 seconds", optarg);
	c->silence_ns = seconds * NS_PER_S;
	return EXIT_OK;
}

/* Of the whole program, or of c->command. -1: go on, else the exit code. */
static int
parse_options(struct console *c, int argc, char **argv)
{
	struct known o;
	int option;

	options_of(c, &o);
	opterr = 0;
	while (
	    (option = getopt_long(argc, argv, o.shorts, o.longs, NULL)) != -1) {
		switch (option) {
		case 'c':
			c->config_option = optarg;
			break;
		case LONG_JSON:
			c->json = true;
			break;
		case LONG_TIMEOUT:
			if (take_timeout(c) != EXIT_OK)
				return EXIT_USAGE;
			break;
		case 'V':
			printf("%s %s\n", c->program->name, STRIFE_VERSION);
			return EXIT_OK;
		case 'h':
			return c->command == NULL ? help_general(c->program)
						  : help_command(c);
		case ':':
			return console_usage(
			    c, "%s needs a value", argv[optind - 1]);
		case '?':
			return wrong_option(c, argv, o.longs);
		default:
			c->values[option_index(c, option)] = optarg;
			break;
		}
	}
	return -1;
}

/* ---- Values ---- */

int
console_id(const struct console *c, const char *text, struct id *id)
{
	if (ids_parse(id, str_from(text)))
		return EXIT_OK;
	return console_usage(
	    c, "%s is not an id: a UUID of 36 characters", text);
}

int
console_account(const struct console *c, const char *text, bool system)
{
	struct str name = str_from(text);

	if (name_valid(name) || (system && system_name_valid(name)))
		return EXIT_OK;
	return console_usage(c,
	    "%s is not an account of a bank: 1 to %d of A-Z a-z 0-9 . _ -, "
	    "without @BANK",
	    text, NAME_MAX_LEN);
}

int
console_text(
    const struct console *c, const char *name, const char *text, uint32_t max)
{
	struct str value;

	if (text == NULL)
		return console_usage(c, "--%s is missing", name);
	value = str_from(text);
	if (value.len >= 1 && value.len <= max && text_valid(value))
		return EXIT_OK;
	return console_usage(c,
	    "--%s: 1 to %u octets of UTF-8 without control characters", name,
	    (unsigned)max);
}

int
console_count(const struct console *c, const char *text, uint32_t otherwise,
    uint32_t *count)
{
	const char *problem;

	*count = otherwise;
	if (text == NULL)
		return EXIT_OK;
	*count = (uint32_t)strtonum(text, 1, CONSOLE_ALL - 1, &problem);
	if (problem != NULL)
		return console_usage(
		    c, "-n %s: 1 to %u", text, (unsigned)CONSOLE_ALL - 1);
	return EXIT_OK;
}

/* ---- Which command ---- */

static int
find_command(struct console *c, const char *name)
{
	const struct console_program *program = c->program;
	const char *names[COMMANDS_MAX];
	uint32_t i;

	CHECK(program->command_count <= COMMANDS_MAX);
	for (i = 0; i < program->command_count; i++) {
		names[i] = program->commands[i].name;
		if (strcmp(names[i], name) != 0)
			continue;
		c->command = &program->commands[i];
		return EXIT_OK;
	}
	return console_unknown(
	    c, "unknown command", name, names, program->command_count);
}

static int
run_command(struct console *c, int argc, char **argv)
{
	const struct console_command *command = c->command;
	int result;

	optind = 0; /* begin afresh, with the command as argv[0] */
	result = parse_options(c, argc, argv);
	if (result != -1)
		return result;
	c->operands = argv + optind;
	c->operand_count = (uint32_t)(argc - optind);
	if (c->operand_count < command->operands_min ||
	    c->operand_count > command->operands_max)
		return console_usage(c, "usage: %s %s%s%s", c->program->name,
		    command->name, command->usage[0] != '\0' ? " " : "",
		    command->usage);
	return command->run(c);
}

int
console_main(const struct console_program *program, int argc, char **argv)
{
	struct console c = {
	    .program = program, .silence_ns = SILENCE_S * NS_PER_S};
	int result;

	options_begin();
	result = parse_options(&c, argc, argv);
	if (result != -1)
		return output_end(result);
	if (optind == argc)
		return console_usage(&c, "which command?");
	result = find_command(&c, argv[optind]);
	if (result == EXIT_OK)
		result = run_command(&c, argc - optind, argv + optind);
	control_free(c.control);
	free(c.config_path);
	free(c.name);
	free(c.socket_path);
	return output_end(result);
}

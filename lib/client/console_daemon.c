/*
 * client/console.h, the half that deals with the daemon: its configuration, its
 * control socket, and showing what it replies by the schema of the reply.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/file.h"
#include "base/yaml.h"
#include "client/console.h"
#include "wire/money.h"

#define PATH_OCTETS 4096
#define OPERAND_SHOWN_MAX 80
#define PAGE_ROWS_MAX 500   /* a LIMIT on the wire */
#define CURSOR_MAX_LEN 1024 /* a TEXT on the wire */

static int
out_of_memory(void)
{
	warnx("out of memory");
	return EXIT_OSERR;
}

/* ---- The daemon's configuration ---- */

/*
 * -c FILE, else PREFIX/etc/strife/FILE of the prefix that our own executable is
 * in (a checkout is one), else the system's. malloced, or NULL.
 */
static char *
find_config(const struct console *c)
{
	char self[PATH_OCTETS], *slash, *path = NULL;
	ssize_t len;
	int i;

	if (c->config_option != NULL)
		return strdup(c->config_option);
	len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[len > 0 ? len : 0] = '\0';
	for (i = 0; i < 2; i++) {
		slash = strrchr(self, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	if (asprintf(&path, "%s/etc/strife/%s", self, c->program->file) == -1)
		return NULL;
	if (access(path, F_OK) == 0)
		return path;
	free(path);
	if (asprintf(&path, "%s/strife/%s", SYSCONFDIR, c->program->file) == -1)
		return NULL;
	return path;
}

/* The text of a key of the file's top, NULL with *error filled. */
static const struct yaml_node *
top_text(const struct yaml *yaml, const char *key, struct yaml_error *error)
{
	const struct yaml_node *node = yaml_get(yaml_root(yaml), key);

	if (node == NULL) {
		(void)yaml_fail(
		    yaml, yaml_root(yaml), error, "key \"%s\" is missing", key);
		return NULL;
	}
	if (node->kind == YAML_SCALAR && node->text.len > 0 &&
	    !(node->plain && str_is(node->text, "~")))
		return node;
	(void)yaml_fail(yaml, node, error, "\"%s\" has to be a text", key);
	return NULL;
}

/*
 * Two keys of a file that is the daemon's: what the others may hold is for the
 * daemon to check (strife-bankd -t).
 */
static int
read_config(
    struct console *c, const struct yaml *yaml, struct yaml_error *error)
{
	const struct console_program *program = c->program;
	const struct yaml_node *name, *control;

	name = top_text(yaml, program->name_key, error);
	if (name == NULL)
		return -1;
	if (!program->name_valid(name->text))
		return yaml_fail(yaml, name, error, "\"%s\" is not a name",
		    program->name_key);
	control = top_text(yaml, "control", error);
	if (control == NULL)
		return -1;
	c->name = strdup(name->text.at);
	c->socket_path = file_path_beside(c->config_path, control->text.at);
	if (c->name == NULL || c->socket_path == NULL)
		return yaml_fail(yaml, control, error, "out of memory");
	if (strlen(c->socket_path) > CONTROL_PATH_MAX)
		return yaml_fail(yaml, control, error,
		    "\"control\": a socket's path is at most %zu octets",
		    CONTROL_PATH_MAX);
	return 0;
}

int
console_configure(struct console *c)
{
	struct yaml_error error;
	struct yaml *yaml;
	int result;

	if (c->socket_path != NULL)
		return EXIT_OK;
	c->config_path = find_config(c);
	if (c->config_path == NULL)
		return out_of_memory();
	if (yaml_open(&yaml, c->config_path, &error) == -1) {
		warnx("%s%s", error.text,
		    c->config_option == NULL ? "; name the file with -c" : "");
		return EXIT_CONFIG;
	}
	result = read_config(c, yaml, &error);
	yaml_close(yaml);
	if (result == 0)
		return EXIT_OK;
	warnx("%s", error.text);
	return EXIT_CONFIG;
}

/* ---- Talking to it ---- */

static int
connect_failed(const struct console *c, enum control_end end)
{
	const char *why = control_why(c->control);
	const char *daemon = c->program->daemon;

	switch (end) {
	case CONTROL_ABSENT:
		warnx("%s: %s; is %s running with %s?", c->socket_path, why,
		    daemon, c->config_path);
		return EXIT_UNAVAILABLE;
	case CONTROL_DENIED:
		warnx("%s: %s; only the user that %s runs as, and root, may "
		      "connect",
		    c->socket_path, why, daemon);
		return EXIT_NOPERM;
	case CONTROL_SILENT:
		warnx("%s: %s; %s may be stopped or overloaded: try again "
		      "later",
		    c->socket_path, why, daemon);
		return EXIT_TEMPFAIL;
	case CONTROL_OK:
	case CONTROL_LOST:
	case CONTROL_BROKEN:
	case CONTROL_ERROR:
		break;
	}
	warnx("%s: %s", c->socket_path, why);
	return EXIT_OSERR;
}

int
console_connect(struct console *c)
{
	enum control_end end;
	int result = console_configure(c);

	if (result != EXIT_OK || c->control != NULL)
		return result;
	c->control = control_new(c->silence_ns);
	if (c->control == NULL)
		return out_of_memory();
	end = control_connect(c->control, c->socket_path);
	return end == CONTROL_OK ? EXIT_OK : connect_failed(c, end);
}

void
console_doubt(void)
{
	warnx("whether it was done is not known: run the same command again, "
	      "nothing is done twice");
}

int
console_run(struct console *c, enum verb verb, const struct control_work *work)
{
	const char *daemon = c->program->daemon;
	int result = console_connect(c);
	enum control_end end;

	if (result != EXIT_OK)
		return result;
	end = control_run(c->control, verb, work);
	switch (end) {
	case CONTROL_OK:
		return EXIT_OK;
	case CONTROL_LOST:
		warnx("%s: %s: %s; it may be stopping, or have as many "
		      "operators connected as it takes",
		    c->socket_path, daemon, control_why(c->control));
		return EXIT_TEMPFAIL;
	case CONTROL_SILENT:
		warnx("%s: %s: %s", c->socket_path, daemon,
		    control_why(c->control));
		return EXIT_TEMPFAIL;
	case CONTROL_BROKEN:
		warnx("%s: %s: %s; are both of the same version?",
		    c->socket_path, daemon, control_why(c->control));
		return EXIT_PROTOCOL;
	case CONTROL_ABSENT:
	case CONTROL_DENIED:
	case CONTROL_ERROR:
		break;
	}
	warnx("%s", control_why(c->control));
	return EXIT_OSERR;
}

void
console_about(
    const struct console *c, struct str operand, char into[CONSOLE_ABOUT_SIZE])
{
	if (operand.len > OPERAND_SHOWN_MAX)
		operand.len = OPERAND_SHOWN_MAX;
	(void)snprintf(into, CONSOLE_ABOUT_SIZE, "%s%s%.*s", c->command->name,
	    operand.len > 0 ? " " : "", STR_ARG(operand));
}

static struct str
first_operand(const struct console *c)
{
	return c->operand_count > 0 ? str_from(c->operands[0]) : STR_NONE;
}

int
console_refused_exit(enum code code)
{
	if (code == CODE_UNKNOWN_VERB || code == CODE_LINE_TOO_LONG)
		return EXIT_PROTOCOL;
	switch (code_retry(code)) {
	case RETRY_SAME_ID:
		return EXIT_TEMPFAIL;
	case RETRY_LOGIN:
		return EXIT_NOPERM;
	case RETRY_NEVER:
	case RETRY_NEW_ID:
		break;
	}
	return EXIT_DECLINED;
}

static const char *
advice_for(const struct console *c, enum verb verb, enum code code)
{
	const struct console_advice *a = c->program->advice;
	uint32_t i;

	for (i = 0; i < c->program->advice_count; i++)
		if (a[i].code == code &&
		    (a[i].verb == verb || a[i].verb == VERB_UNKNOWN))
			return a[i].text;
	if (console_refused_exit(code) == EXIT_TEMPFAIL)
		return "this passes: run the same command again later";
	if (code == CODE_UNKNOWN_VERB)
		return "the daemon is of another version";
	return NULL;
}

int
console_refused(
    const struct console *c, const char *about, const struct msg *error)
{
	enum code code = (enum code)error->v[KEY_code].u64;
	const char *advice = advice_for(c, error->verb, code);
	struct str text = str_from(code_words(code));

	if (msg_has(error, text) && error->v[KEY_text].str.len > 0)
		text = error->v[KEY_text].str;
	warnx("%s: %.*s (%s)%s%s", about, STR_ARG(text), code_text(code),
	    advice != NULL ? "; " : "", advice != NULL ? advice : "");
	return console_refused_exit(code);
}

/* ---- Showing replies ---- */

struct show {
	struct console *console;
	console_request *request;
	void *ctx;
	struct output *out;
	uint32_t left; /* rows */
	int result;
	bool more;
	char next[CURSOR_MAX_LEN + 1];
};

static const struct schema *
shown_schema(enum verb verb)
{
	const struct verb_info *info = verb_info(verb);

	return info->row.count > 0 ? &info->row : &info->ok;
}

static enum type
type_of(enum verb verb, enum key key)
{
	const struct schema *schema = shown_schema(verb);
	uint32_t i = 0;

	while (i < schema->count && schema->fields[i].key != key)
		i++;
	CHECK(i < schema->count);
	return schema->fields[i].type;
}

static enum column_kind
kind_of(enum verb verb, enum key key)
{
	enum type type = type_of(verb, key);

	if (key == KEY_state)
		return COLUMN_STATE;
	if (type == TYPE_AMOUNT || type == TYPE_SIGNED || key == KEY_overdraft)
		return COLUMN_MONEY;
	if (type == TYPE_COUNT || type == TYPE_SEQ)
		return COLUMN_NUMBER;
	return COLUMN_TEXT;
}

static void
show_account(struct output *out, struct account account)
{
	char text[ACCOUNT_MAX_LEN + 1];
	int len = snprintf(text, sizeof(text), "%.*s@%.*s",
	    STR_ARG(account.name), STR_ARG(account.bank));

	CHECK(len > 0 && (size_t)len < sizeof(text));
	output_text(out, str_from(text));
}

static void
show_id(struct output *out, const struct id *id)
{
	static const struct id none;
	char text[ID_TEXT_LEN + 1] = "";

	if (!id_eq(id, &none))
		id_text(id, text);
	output_text(out, str_from(text));
}

static void
show_money(struct output *out, const struct msg *m, int64_t minor)
{
	/* Without its currency nobody knows where the point stands. */
	if (msg_has(m, currency))
		output_money(out, minor, (uint32_t)m->v[KEY_currency].u64);
	else
		output_text(out, STR_NONE);
}

static void
show_cell(struct output *out, const struct msg *m, enum key key)
{
	const struct value *v = &m->v[key];
	enum type type = type_of(m->verb, key);
	char text[BRANCH_TEXT_MAX + 1];

	if ((m->have & MSG_BIT(key)) == 0)
		output_text(out, STR_NONE);
	else if (key == KEY_overdraft)
		show_money(out, m, (int64_t)v->u64);
	else if (type == TYPE_AMOUNT || type == TYPE_SIGNED)
		show_money(out, m, v->i64);
	else if (type == TYPE_COUNT || type == TYPE_SEQ)
		output_u64(out, v->u64);
	else if (type == TYPE_ID || type == TYPE_ID0 || type == TYPE_UUID)
		show_id(out, &v->id);
	else if (type == TYPE_ACCOUNT)
		show_account(out, v->account);
	else if (type == TYPE_TIME)
		output_time(out, v->i64);
	else if (type == TYPE_CODE)
		output_text(out, str_from(code_text((enum code)v->u64)));
	else if (type == TYPE_CURRENCY) {
		currency_text((uint32_t)v->u64, text);
		output_text(out, str_from(text));
	} else if (type == TYPE_BRANCH) {
		(void)branch_text(&v->branch, text);
		output_text(out, str_from(text));
	} else
		output_text(out, v->str);
}

static void
show_row(struct show *s, const struct msg *m)
{
	const struct console_command *command = s->console->command;
	uint32_t i;

	if (s->left == 0)
		return;
	for (i = 0; i < command->column_count; i++)
		show_cell(s->out, m, command->columns[i]);
	output_row(s->out);
	if (s->left != CONSOLE_ALL)
		s->left--;
}

static bool
has_pages(enum verb verb)
{
	const struct schema *schema = &verb_info(verb)->request;
	uint32_t i;

	for (i = 0; i < schema->count; i++)
		if (schema->fields[i].key == KEY_limit)
			return true;
	return false;
}

static void
show_request(void *ctx, uint32_t index, struct msg *m)
{
	struct show *s = ctx;

	(void)index;
	if (s->request != NULL)
		s->request(s->ctx, m);
	if (!has_pages(m->verb))
		return;
	msg_set_u64(
	    m, KEY_limit, s->left < PAGE_ROWS_MAX ? s->left : PAGE_ROWS_MAX);
	if (s->next[0] != '\0')
		msg_set_str(m, KEY_before, str_from(s->next));
}

static void
show_reply(void *ctx, uint32_t index, const struct msg *m)
{
	struct show *s = ctx;
	bool rows = verb_info(m->verb)->row.count > 0;
	char what[CONSOLE_ABOUT_SIZE];

	(void)index;
	if (m->word == MSG_ERR) {
		console_about(s->console, first_operand(s->console), what);
		s->result = console_refused(s->console, what, m);
		return;
	}
	if ((m->word == MSG_ROW) == rows)
		show_row(s, m);
	if (m->word != MSG_OK || !rows)
		return;
	/* A cursor that stays where it is would keep us here for ever. */
	s->more = msg_has(m, next) && !str_is(m->v[KEY_next].str, s->next) &&
	    str_copy(s->next, sizeof(s->next), m->v[KEY_next].str);
}

static struct output *
show_open(const struct console *c, struct column *columns)
{
	const struct console_command *command = c->command;
	uint32_t i;

	CHECK(command->column_count <= CONSOLE_COLUMNS_MAX);
	for (i = 0; i < command->column_count; i++)
		columns[i] =
		    (struct column){.name = key_text(command->columns[i]),
			.kind = kind_of(command->verb, command->columns[i])};
	return output_open(&(struct output_options){.columns = columns,
	    .count = command->column_count,
	    .json = c->json});
}

int
console_show(
    struct console *c, console_request *request, void *ctx, uint32_t limit)
{
	struct show s = {
	    .console = c, .request = request, .ctx = ctx, .left = limit};
	const struct control_work work = {.count = 1,
	    .request = show_request,
	    .reply = show_reply,
	    .ctx = &s};
	struct column columns[CONSOLE_COLUMNS_MAX];
	int result = console_connect(c), closed;

	CHECK(limit > 0);
	/* Not even a heading where there is nobody to ask. */
	if (result != EXIT_OK)
		return result;
	s.out = show_open(c, columns);
	if (s.out == NULL)
		return out_of_memory();
	do {
		s.more = false;
		result = console_run(c, c->command->verb, &work);
	} while (result == EXIT_OK && s.more && s.left > 0);
	if (result == EXIT_OK)
		result = s.result;
	closed = output_close(s.out);
	return result != EXIT_OK ? result : closed;
}

/* ---- One request, nothing shown ---- */

struct ask {
	struct console *console;
	console_request *request;
	void *ctx;
	struct msg *answer;
	int result;
};

static void
ask_request(void *ctx, uint32_t index, struct msg *m)
{
	struct ask *a = ctx;

	(void)index;
	a->request(a->ctx, m);
}

static void
ask_reply(void *ctx, uint32_t index, const struct msg *m)
{
	struct ask *a = ctx;
	char what[CONSOLE_ABOUT_SIZE];

	(void)index;
	if (m->word == MSG_ERR) {
		console_about(a->console, first_operand(a->console), what);
		a->result = console_refused(a->console, what, m);
	} else if (m->word == MSG_OK && a->answer != NULL) {
		*a->answer = *m;
	}
}

static void
no_fields(void *ctx, struct msg *m)
{
	(void)ctx;
	(void)m;
}

int
console_ask(struct console *c, enum verb verb, console_request *request,
    void *ctx, struct msg *answer)
{
	struct ask a = {.console = c,
	    .request = request != NULL ? request : no_fields,
	    .ctx = ctx,
	    .answer = answer};
	const struct control_work work = {
	    .count = 1, .request = ask_request, .reply = ask_reply, .ctx = &a};
	int result = console_connect(c);

	if (result != EXIT_OK)
		return result;
	result = console_run(c, verb, &work);
	if (result == EXIT_OK)
		return a.result;
	console_doubt();
	return result;
}

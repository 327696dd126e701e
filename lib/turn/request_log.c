#include "turn/request_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "wire/id.h"
#include "wire/money.h"

/* The longest user of a session, NAME@BANK, is no longer than an account. */
#define WHO_SIZE (ACCOUNT_MAX_LEN + 1)
#define LOG_FIELDS_MAX 20

struct requested {
	TAILQ_ENTRY(requested)
	entry;
	int64_t taken_ns;
	enum verb verb;
	char tag[TAG_MAX_LEN + 1], word[WORD_MAX_LEN + 1];
	char user[WHO_SIZE], from[WHO_SIZE], to[WHO_SIZE];
	bool has_id;
	struct id id;
	int64_t amount;    /* 0: none */
	uint32_t currency; /* of the amount */
	uint64_t attempts; /* 0: not known */
};

/* What an answer tells, still encoded: codes and states need no escapes. */
struct told {
	bool ok;
	struct str code, state, reason, bank, user;
};

void
request_log_init(struct request_log *log)
{
	TAILQ_INIT(&log->waiting);
}

/* ---- The request ---- */

static void
copy_account(char into[WHO_SIZE], struct account a)
{
	CHECK(a.name.len + 1 + a.bank.len < WHO_SIZE);
	memcpy(into, a.name.at, a.name.len);
	into[a.name.len] = '@';
	memcpy(into + a.name.len + 1, a.bank.at, a.bank.len);
	into[a.name.len + 1 + a.bank.len] = '\0';
}

/* Whom LOGIN is for, as the session will call him. */
static void
copy_user(struct requested *r, const struct msg *m)
{
	if (msg_has(m, bank))
		copy_account(r->user,
		    (struct account){m->v[KEY_user].str, m->v[KEY_bank].str});
	else
		CHECK(str_copy(r->user, sizeof(r->user), m->v[KEY_user].str));
}

static void
note_fields(struct requested *r, const struct msg *m)
{
	r->verb = m->verb;
	r->has_id = msg_has(m, id);
	if (r->has_id)
		r->id = m->v[KEY_id].id;
	if (msg_has(m, from))
		copy_account(r->from, m->v[KEY_from].account);
	if (msg_has(m, to))
		copy_account(r->to, m->v[KEY_to].account);
	if (msg_has(m, account))
		copy_account(r->from, m->v[KEY_account].account);
	if (msg_has(m, amount) && msg_has(m, currency)) {
		r->amount = m->v[KEY_amount].i64;
		r->currency = (uint32_t)m->v[KEY_currency].u64;
	}
	if (msg_has(m, user))
		copy_user(r, m);
}

void
request_log_taken(struct request_log *log, const struct line *line,
    const struct msg *m, const struct request_log_peer *peer)
{
	struct requested *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return;
	r->taken_ns = clock_mono_ns();
	r->verb = VERB_UNKNOWN;
	CHECK(str_copy(r->tag, sizeof(r->tag), str_from(line->tag)));
	CHECK(str_copy(r->word, sizeof(r->word), line->word));
	if (peer->user != NULL)
		CHECK(str_copy(r->user, sizeof(r->user), str_from(peer->user)));
	if (m != NULL)
		note_fields(r, m);
	TAILQ_INSERT_TAIL(&log->waiting, r, entry);
}

void
request_log_attempts(
    struct request_log *log, const struct id *id, uint64_t attempts)
{
	struct requested *r;

	/* It is the one that is being taken: the newest. */
	TAILQ_FOREACH_REVERSE(r, &log->waiting, request_log_list, entry)
	if (r->verb == VERB_CLIENT_PAY && id_eq(&r->id, id)) {
		r->attempts = attempts;
		return;
	}
}

/* ---- The answer ---- */

static struct str
field_of(const char *line, size_t len, const char *key)
{
	const char *at = memmem(line, len, key, strlen(key));
	struct str value = STR_NONE;

	if (at == NULL)
		return value;
	value.at = at + strlen(key);
	len -= (size_t)(value.at - line);
	while (value.len < len && value.at[value.len] != ' ' &&
	    value.at[value.len] != '\n')
		value.len++;
	return value;
}

static struct told
read_answer(const char *line, size_t len, size_t tag_len)
{
	return (struct told){
	    .ok = len > tag_len + 2 && line[tag_len + 1] == 'O',
	    .code = field_of(line, len, " code="),
	    .state = field_of(line, len, " state="),
	    .reason = field_of(line, len, " reason="),
	    .bank = field_of(line, len, " bank="),
	    .user = field_of(line, len, " user="),
	};
}

/* Money and sessions; and whoever tries what he may not. */
static enum log_level
level_of(const struct requested *r, const struct told *told)
{
	enum code code;

	if (!told->ok && code_parse(&code, told->code)) {
		if (code == CODE_BAD_CREDENTIALS || code == CODE_TOKEN_INVALID)
			return LOG_LEVEL_WARN;
		if (code == CODE_FORBIDDEN || code_retry(code) == RETRY_LOGIN)
			return LOG_LEVEL_INFO;
	}
	switch ((int)r->verb) {
	case VERB_CLIENT_PAY:
	case VERB_CLIENT_CANCEL:
	case VERB_CLIENT_LOGIN:
	case VERB_CLIENT_AUTH:
	case VERB_CLIENT_LOGOUT:
		return LOG_LEVEL_INFO;
	}
	return LOG_LEVEL_DEBUG;
}

struct log_fields {
	uint32_t count;
	struct log_field at[LOG_FIELDS_MAX];
};

static void
add(struct log_fields *f, struct log_field field)
{
	CHECK(f->count < LOG_FIELDS_MAX - 1);
	f->at[f->count++] = field;
	f->at[f->count] = LOG_FIELD_END;
}

static void
add_text(struct log_fields *f, const char *key, struct str text)
{
	if (text.len > 0)
		add(f, LOG_S(key, text));
}

/* told is NULL where nobody could be told. */
static void
say(const struct requested *r, const struct told *told,
    const struct request_log_peer *peer)
{
	static const struct told nothing = {.ok = true};
	enum log_level level = level_of(r, told != NULL ? told : &nothing);
	char id[ID_TEXT_LEN + 1], amount[MONEY_TEXT_MAX], currency[4];
	struct log_fields f = {.count = 0};

	if (!log_enabled(level))
		return;
	add(&f, LOG_C("peer", peer->address));
	add(&f, LOG_C("certificate", peer->certificate));
	add_text(&f, "user",
	    r->user[0] == '\0' && told != NULL ? told->user
					       : str_from(r->user));
	add(&f, LOG_C("verb", r->word));
	if (r->has_id) {
		id_text(&r->id, id);
		add(&f, LOG_C("id", id));
	}
	add_text(&f, r->to[0] != '\0' ? "from" : "account", str_from(r->from));
	add_text(&f, "to", str_from(r->to));
	if (r->amount != 0) {
		money_text(r->amount, r->currency, amount);
		currency_text(r->currency, currency);
		add(&f, LOG_C("amount", amount));
		add(&f, LOG_C("currency", currency));
	}
	if (told == NULL) {
		add(&f, LOG_C("result", "unanswered"));
	} else {
		add(&f,
		    told->ok ? LOG_C("result", "OK")
			     : LOG_S("result", told->code));
		add_text(&f, "state", told->state);
		add_text(&f, "reason", told->reason);
		add_text(&f, "bank", told->bank);
	}
	if (r->attempts > 0)
		add(&f, LOG_U("attempts", r->attempts));
	add(&f, LOG_I("duration_us", (clock_mono_ns() - r->taken_ns) / 1000));
	log_write(level, "request", f.at);
}

static struct requested *
find(struct request_log *log, const char *tag, size_t tag_len)
{
	struct requested *r;

	TAILQ_FOREACH (r, &log->waiting, entry)
		if (strlen(r->tag) == tag_len &&
		    memcmp(r->tag, tag, tag_len) == 0)
			return r;
	return NULL;
}

void
request_log_answered(struct request_log *log, const char *line, size_t len,
    const struct request_log_peer *peer)
{
	const char *space = memchr(line, ' ', len);
	size_t tag_len = space == NULL ? 0 : (size_t)(space - line);
	struct requested *r = find(log, line, tag_len);
	struct told told;

	if (r == NULL)
		return;
	told = read_answer(line, len, tag_len);
	say(r, &told, peer);
	TAILQ_REMOVE(&log->waiting, r, entry);
	free(r);
}

void
request_log_gone(struct request_log *log, const struct request_log_peer *peer)
{
	struct requested *r;

	while ((r = TAILQ_FIRST(&log->waiting)) != NULL) {
		say(r, NULL, peer);
		TAILQ_REMOVE(&log->waiting, r, entry);
		free(r);
	}
}

#include "logins.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/log.h"

/* A password being checked: who is to be answered. */
struct login {
	struct talk *talk;
	struct peer peer;
	char tag[TAG_MAX_LEN + 1];
	char user[NAME_MAX_LEN + 1], node[NODE_MAX_LEN + 1]; /* for the log */
	bool used;
	uint32_t generation;
};

struct logins {
	struct bankd *bankd;
	uint32_t count, used;
	struct login *at;
};

struct logins *
logins_new(struct bankd *b)
{
	struct logins *ls = calloc(1, sizeof(*ls));

	if (ls == NULL)
		return NULL;
	ls->bankd = b;
	ls->count = (uint32_t)b->config.logins_max;
	ls->at = calloc(ls->count, sizeof(*ls->at));
	if (ls->at == NULL) {
		free(ls);
		return NULL;
	}
	return ls;
}

void
logins_free(struct logins *ls)
{
	if (ls == NULL)
		return;
	free(ls->at);
	free(ls);
}

uint32_t
logins_waiting(const struct logins *ls)
{
	return ls->used;
}

void
logins_start(
    struct logins *ls, struct talk *t, const char *node, const struct msg *m)
{
	struct login *login;
	uint32_t i = 0;

	if (ls->bankd->checker == NULL) {
		talk_error(t, m->tag, CODE_BAD_CREDENTIALS, STR_NONE,
		    "this bank has no customers who can log in");
		return;
	}
	while (i < ls->count && ls->at[i].used)
		i++;
	if (i == ls->count) {
		talk_error(t, m->tag, CODE_OVERLOADED, STR_NONE, NULL);
		return;
	}
	login = &ls->at[i];
	login->used = true;
	login->generation++;
	login->talk = t;
	login->peer = t->peer;
	CHECK(str_copy(login->tag, sizeof(login->tag), str_from(m->tag)));
	CHECK(str_copy(login->user, sizeof(login->user), m->v[KEY_user].str));
	CHECK(str_copy(login->node, sizeof(login->node), str_from(node)));
	ls->used++;
	checker_password(ls->bankd->checker,
	    (uint64_t)login->generation << 32 | i, m->v[KEY_user].str,
	    m->v[KEY_password].str);
}

/* A customer's one account, or an empty text. */
static struct str
only_account(const struct rights *rights)
{
	struct str accounts = str_from(rights->accounts);

	return name_valid(accounts) ? accounts : STR_NONE;
}

static void
answer_login(struct talk *t, const char *tag, enum checker_outcome outcome,
    const struct rights *rights)
{
	struct msg m;

	switch (outcome) {
	case CHECKER_GRANTED:
		break;
	case CHECKER_REFUSED:
		talk_error(t, tag, CODE_BAD_CREDENTIALS, STR_NONE, NULL);
		return;
	case CHECKER_OVERLOADED:
		talk_error(t, tag, CODE_OVERLOADED, STR_NONE, NULL);
		return;
	case CHECKER_BROKEN:
		talk_error(t, tag, CODE_INTERNAL, STR_NONE, NULL);
		return;
	}
	if (only_account(rights).len == 0) {
		log_warn("a customer without exactly one account logged in",
		    LOG_C("user", rights->user));
		talk_error(t, tag, CODE_BAD_CREDENTIALS, STR_NONE, NULL);
		return;
	}
	msg_init(&m, MSG_OK, VERB_DOWN_AUTHENTICATE, tag);
	msg_set_str(&m, KEY_account, only_account(rights));
	msg_set_str(&m, KEY_roles, str_from(rights->roles));
	turn_send(t->turn, t->peer, &m);
}

void
logins_checked(struct logins *ls, uint64_t cookie, enum checker_outcome outcome,
    const struct rights *rights)
{
	uint32_t i = (uint32_t)cookie;
	struct login *login;

	CHECK(i < ls->count);
	login = &ls->at[i];
	CHECK(login->used && login->generation == (uint32_t)(cookie >> 32));
	login->used = false;
	ls->used--;
	if (outcome == CHECKER_GRANTED)
		log_info("login", LOG_C("user", login->user),
		    LOG_C("gateway", login->node));
	else if (outcome == CHECKER_REFUSED)
		log_warn("login refused", LOG_C("user", login->user),
		    LOG_C("gateway", login->node));
	/* The connection that asked may be gone: then nobody is answered. */
	if (talk_is(login->talk, login->peer))
		answer_login(login->talk, login->tag, outcome, rights);
}

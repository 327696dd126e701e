/* explain: where a payment stands, by all that the journals said. */
#include <string.h>

#include "explain.h"

/* The gateway, or else the bank, that says most. */
static const struct teller *
best(const struct story *s, bool gateway)
{
	const struct teller *found = NULL;

	for (uint32_t i = 0; i < s->teller_count; i++)
		if (s->tellers[i].is_gateway == gateway &&
		    s->tellers[i].stand != STAND_NOTHING &&
		    (found == NULL || s->tellers[i].stand > found->stand))
			found = &s->tellers[i];
	return found;
}

static const struct teller *
bank_of(const struct story *s, const char *name)
{
	const struct teller *found = NULL;

	for (uint32_t i = 0; i < s->teller_count; i++)
		if (!s->tellers[i].is_gateway &&
		    strcmp(s->tellers[i].name, name) == 0 &&
		    (found == NULL || s->tellers[i].stand > found->stand))
			found = &s->tellers[i];
	return found;
}

static void
say_where_posted(struct story *s, const struct teller *g)
{
	for (int i = 0; i < 2 && g->banks[i][0] != '\0'; i++) {
		const struct teller *bank = bank_of(s, g->banks[i]);

		explain_say(s, "%s", i == 0 ? "; " : ", ");
		if (bank != NULL && bank->stand == STAND_COMMITTED)
			explain_say(s, "posted at %s%s", g->banks[i],
			    bank->by_operator ? " by an operator" : "");
		else if (bank != NULL && bank->stand == STAND_ABORTED)
			explain_say(s, "aborted at %s%s", g->banks[i],
			    bank->by_operator ? " by an operator: see "
						"strife-teller post-late"
					      : "");
		else if (bank != NULL)
			explain_say(s, "not posted at %s yet", g->banks[i]);
		else
			explain_say(s, "%s at %s (its journal was not given)",
			    g->ended ? "acknowledged" : "not acknowledged",
			    g->banks[i]);
	}
}

/* What banks did with a payment that no gateway here has committed. */
static void
say_banks(struct story *s, const char *lead)
{
	for (uint32_t i = 0; i < s->teller_count; i++) {
		const struct teller *t = &s->tellers[i];

		if (t->is_gateway ||
		    (t->stand != STAND_PREPARED && t->stand != STAND_COMMITTED))
			continue;
		explain_say(s, "%s%s at %s%s", lead,
		    t->stand == STAND_COMMITTED ? "posted" : "still prepared",
		    t->name, t->by_operator ? " by an operator" : "");
		lead = ", ";
	}
}

const char *
explain_summary(struct story *s)
{
	const struct teller *g = best(s, true), *b = best(s, false);
	/* A gateway may know no more than what a bank, not here, has done. */
	enum stand stand = b == NULL ? STAND_NOTHING : b->stand;

	s->len = 0;
	s->text[0] = '\0';
	if (g == NULL) {
		if (stand == STAND_ENTRY) {
			explain_say(s, "a bank's own entry (%s) at %s", b->why,
			    b->name);
			return "entry";
		}
		explain_say(s, "no gateway's journal here has received it");
		say_banks(s, "; ");
		return stand == STAND_COMMITTED ? "committed"
		    : stand == STAND_PREPARED   ? "in-doubt"
						: "aborted";
	}
	if (g->payment[0] != '\0')
		explain_say(s, "%s; ", g->payment);
	switch (g->stand) {
	case STAND_COMMITTED:
		explain_say(s, "committed by %s", g->name);
		say_where_posted(s, g);
		return "committed";
	case STAND_HELD:
		explain_say(s, "%s at %s", g->why, g->name);
		say_banks(s, "; ");
		return "held";
	case STAND_ABORTED:
		explain_say(s, "%s", g->why);
		say_banks(s, "; but ");
		return "aborted";
	case STAND_OPEN:
		explain_say(s, "%s has not decided it", g->name);
		say_banks(s, "; ");
		return "undecided";
	case STAND_NOTHING:
	case STAND_ENTRY:
	case STAND_PREPARED:
		break;
	}
	return "";
}

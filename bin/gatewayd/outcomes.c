#include "outcomes.h"

#include "base/log.h"
#include "wire/id.h"

void
outcome_log(const struct msg *m)
{
	struct log_field fields[7];
	char id[ID_TEXT_LEN + 1];
	const char *text;
	uint32_t count = 0;
	/* Only left out where it is one; a tombstone has none. */
	uint64_t attempts = msg_has(m, attempts) ? m->v[KEY_attempts].u64 : 1;

	switch ((int)m->verb) {
	case VERB_GATEWAY_JOURNAL_COMMIT:
		text = "committed";
		break;
	case VERB_GATEWAY_JOURNAL_ABORT:
		text = "aborted";
		break;
	case VERB_GATEWAY_JOURNAL_HELD:
		text = "held";
		break;
	default:
		return;
	}
	if (!log_enabled(LOG_LEVEL_INFO))
		return;
	id_text(&m->v[KEY_id].id, id);
	fields[count++] = LOG_C("id", id);
	if (msg_has(m, reason))
		fields[count++] =
		    LOG_C("reason", code_text((enum code)m->v[KEY_reason].u64));
	if (msg_has(m, bank))
		fields[count++] = LOG_S("bank", m->v[KEY_bank].str);
	if (msg_has(m, final))
		fields[count++] =
		    LOG_C("final", m->v[KEY_final].u64 != 0 ? "yes" : "no");
	if (attempts > 0)
		fields[count++] = LOG_U("attempts", attempts);
	fields[count] = LOG_FIELD_END;
	log_write(LOG_LEVEL_INFO, text, fields);
}

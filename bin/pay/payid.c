#include "payid.h"

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <string.h>

#include "client/ids.h"

bool
payid_parse(struct id *id, struct str text)
{
	char lower[ID_TEXT_LEN];
	uint32_t i;

	if (text.len != sizeof(lower))
		return false;
	for (i = 0; i < text.len; i++)
		lower[i] = (char)tolower((unsigned char)text.at[i]);
	return id_parse(id, (struct str){lower, sizeof(lower)});
}

bool
payid_key_valid(struct str key)
{
	return key.len >= 1 && key.len <= KEY_TEXT_MAX && text_valid(key);
}

int
payid_named(
    struct pay *pay, const char *operand, const char *key, struct id *id)
{
	if (key != NULL) {
		if (!payid_key_valid(str_from(key)))
			return pay_usage(pay,
			    "--key: TEXT is 1 to %d octets of UTF-8 without "
			    "control characters",
			    KEY_TEXT_MAX);
		*id = id_from_key(str_from(pay->config.user), str_from(key));
		return EXIT_OK;
	}
	if (payid_parse(id, str_from(operand)))
		return EXIT_OK;
	return pay_usage(
	    pay, "%s is not an id: a UUID of 36 characters", operand);
}

int
payid_reserve(const struct pay *pay, struct ids *ids, uint32_t count)
{
	ids_init(ids, client_self(pay->client));
	if (ids_reserve(ids, count) == 0)
		return EXIT_OK;
	if (errno == EBADMSG)
		warnx("cannot make a new id: strife/ids in the state "
		      "directory is not a counter; move it away");
	else
		warn("cannot make a new id: strife/ids in the state directory");
	return EXIT_CONFIG;
}

#include "client/naming.h"

#include "base/exitcode.h"

int
naming_id(const struct options *o, const struct naming *naming,
    const char *user, struct id *id)
{
	if (naming->key == NULL) {
		if (ids_parse(id, str_from(naming->operand)))
			return EXIT_OK;
		return options_usage(o,
		    "%s is not an id: a UUID of 36 characters",
		    naming->operand);
	}
	if (!ids_key_valid(str_from(naming->key)))
		return options_usage(o,
		    "--key: TEXT is 1 to %d octets of UTF-8 without control "
		    "characters",
		    IDS_KEY_MAX);
	*id = id_from_key(str_from(user), str_from(naming->key));
	return EXIT_OK;
}

int
naming_reserve(const struct client *client, struct ids *ids, uint32_t count)
{
	ids_init(ids, client_self(client));
	if (ids_reserve(ids, count) == 0)
		return EXIT_OK;
	ids_warn();
	return EXIT_CONFIG;
}

int
naming_id_or_new(const struct options *o, const struct naming *naming,
    const char *user, const struct client *client, struct id *id)
{
	struct ids ids;
	int result;

	if (naming->operand != NULL || naming->key != NULL)
		return naming_id(o, naming, user, id);
	result = naming_reserve(client, &ids, 1);
	if (result == EXIT_OK)
		*id = ids_next(&ids);
	return result;
}

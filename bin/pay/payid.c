#include "payid.h"

#include "client/ids.h"

int
payid_named(
    struct pay *pay, const char *operand, const char *key, struct id *id)
{
	if (key != NULL) {
		if (!ids_key_valid(str_from(key)))
			return options_usage(&pay->options,
			    "--key: TEXT is 1 to %d octets of UTF-8 without "
			    "control characters",
			    IDS_KEY_MAX);
		*id = id_from_key(str_from(pay->config.user), str_from(key));
		return EXIT_OK;
	}
	if (ids_parse(id, str_from(operand)))
		return EXIT_OK;
	return options_usage(
	    &pay->options, "%s is not an id: a UUID of 36 characters", operand);
}

int
payid_reserve(const struct pay *pay, struct ids *ids, uint32_t count)
{
	ids_init(ids, client_self(pay->client));
	if (ids_reserve(ids, count) == 0)
		return EXIT_OK;
	ids_warn();
	return EXIT_CONFIG;
}

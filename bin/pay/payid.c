#include "payid.h"

#include <err.h>
#include <errno.h>

#include "client/ids.h"

int
payid_named(
    struct pay *pay, const char *operand, const char *key, struct id *id)
{
	if (key != NULL) {
		if (!ids_key_valid(str_from(key)))
			return pay_usage(pay,
			    "--key: TEXT is 1 to %d octets of UTF-8 without "
			    "control characters",
			    IDS_KEY_MAX);
		*id = id_from_key(str_from(pay->config.user), str_from(key));
		return EXIT_OK;
	}
	if (ids_parse(id, str_from(operand)))
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

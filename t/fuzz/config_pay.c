/* pay.yaml: refused with a message, or every value within its limits. */
#include "in_memory.h"

#include "client/config.h"
#include "wire/account.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct yaml_error error = {""};
	struct client_config c;

	if (client_config_read(&c, in_memory_file(octets, len), &error) < 0) {
		fuzz_message(error.text);
		return 0;
	}
	CHECK(name_valid(str_from(c.user)));
	CHECK(c.gateways.count >= 1 && c.gateways.count <= 16);
	CHECK(c.retries >= 0 && c.retries <= 1000);
	CHECK(c.retry_delay_ns > 0 && c.min_delay_ns > 0);
	CHECK(c.reply_timeout_ns > 0 && c.connect_timeout_ns > 0);
	CHECK(c.spool != NULL && c.key != NULL);
	client_config_free(&c);
	return 0;
}

/* gatewayd.yaml: refused with a message, or every value within its limits. */
#include "in_memory.h"

#include "../../bin/gatewayd/config.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct yaml_error error = {""};
	struct config c;

	if (config_read(&c, in_memory_file(octets, len), &error) < 0) {
		fuzz_message(error.text);
		return 0;
	}
	CHECK(name_valid(str_from(c.node)));
	CHECK(c.users != NULL && c.listen_clients != NULL);
	CHECK(c.settings.journal_dir != NULL && c.settings.in_flight > 0);
	CHECK(c.settings.reserve_octets > 0);
	CHECK(c.settings.reserve_octets <= settings_reserve_max(&c.settings));
	CHECK(c.token_keys.count == 0 || c.token_secret == NULL);
	CHECK(c.prepare_timeout_ns > 0 && c.held_expiry_ns > 0);
	config_free(&c);
	return 0;
}

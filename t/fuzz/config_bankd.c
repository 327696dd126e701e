/* bankd.yaml: refused with a message, or every value within its limits. */
#include "in_memory.h"

#include "../../bin/bankd/config.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct yaml_error error = {""};
	struct config c;

	if (config_read(&c, in_memory_file(octets, len), &error) < 0) {
		fuzz_message(error.text);
		return 0;
	}
	CHECK(bank_valid(str_from(c.bank)));
	CHECK(c.gateways.count > 0);
	for (uint32_t i = 0; i < c.gateways.count; i++)
		CHECK(
		    settings_check_address(str_from(c.gateways.at[i])) == NULL);
	CHECK(c.settings.reserve_octets > 0);
	CHECK(c.settings.reserve_octets <= settings_reserve_max(&c.settings));
	CHECK(c.resolve_ns > 0 && c.accounts_max > 0);
	config_free(&c);
	return 0;
}

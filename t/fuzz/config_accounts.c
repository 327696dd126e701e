/* A bank's accounts.yaml: refused with a message, or opening balances. */
#include "in_memory.h"

#include "../../bin/bankd/load.h"

#define ACCOUNTS_MAX 16

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	struct yaml_error error = {""};
	struct openings *openings = NULL;

	if (openings_read(&openings, in_memory_file(octets, len), STR("BankA"),
		ACCOUNTS_MAX, &error) < 0) {
		fuzz_message(error.text);
		CHECK(openings == NULL);
		return 0;
	}
	CHECK(openings_count(openings) <= ACCOUNTS_MAX);
	openings_free(openings);
	return 0;
}

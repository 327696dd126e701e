/* A bank starts from records and snapshots that others wrote. */
#include "bank.h"
#include "replay.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	replay_run(&bank_kind, fuzz_text(octets, len));
	return 0;
}

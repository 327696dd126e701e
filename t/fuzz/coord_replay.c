/* A gateway starts from records and snapshots that others wrote. */
#include "gateway.h"
#include "replay.h"

int
LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len)
{
	replay_run(&gateway_kind, fuzz_text(octets, len));
	return 0;
}

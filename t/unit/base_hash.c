/* SipHash-2-4 against the vectors of the paper and of its authors' program. */
#include "base/hash.h"

#include "tap.h"

int
main(void)
{
	/* Key 00 01 .. 0f; input 00 01 .. of the length given. */
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
	    {15, UINT64_C(0xa129ca6149be45e5)}, /* the paper, appendix A */
	    {0, UINT64_C(0x726fdb47dd0e0e31)},
	    {1, UINT64_C(0x74f839c593dc67fd)},
	    {7, UINT64_C(0xab0200f58b01d137)},
	    {8, UINT64_C(0x93f5f5799a932462)},
	    {9, UINT64_C(0x9e0082df0ba9e4b0)},
	    {63, UINT64_C(0x958a324ceb064572)},
	};
	const struct hash_key key = {
	    {UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
	const struct hash_key other = {
	    {UINT64_C(0x0706050403020101), UINT64_C(0x0f0e0d0c0b0a0908)}};
	uint8_t input[65];

	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		ok(hash_octets(&key, input, vectors[i].len) == vectors[i].hash,
		    "the vector of %zu octets", vectors[i].len);
	ok(hash_octets(&other, input, 15) != vectors[0].hash,
	    "another key gives another hash");

	for (size_t i = 0; i < 64; i++)
		input[i + 1] = (uint8_t)i;
	ok(hash_octets(&key, input + 1, 15) == vectors[0].hash,
	    "input need not be aligned");
	return tap_done();
}

#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* The names and the order of steps are those of the paper, section 2. */
struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate_left(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void
sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotate_left(s->v1, 13) ^ s->v0;
	s->v3 = rotate_left(s->v3, 16) ^ s->v2;
	s->v0 = rotate_left(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotate_left(s->v1, 17) ^ s->v2;
	s->v3 = rotate_left(s->v3, 21) ^ s->v0;
	s->v2 = rotate_left(s->v2, 32);
}

/* c = 2 rounds a word. */
static inline void
sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

uint64_t
hash_octets(const struct hash_key *key, const void *octets, size_t len)
{
	const unsigned char *at = octets;
	size_t left = len;
	uint64_t word;
	struct sip s = {
	    .v0 = key->k[0] ^ UINT64_C(0x736f6d6570736575),
	    .v1 = key->k[1] ^ UINT64_C(0x646f72616e646f6d),
	    .v2 = key->k[0] ^ UINT64_C(0x6c7967656e657261),
	    .v3 = key->k[1] ^ UINT64_C(0x7465646279746573),
	};

	for (; left >= sizeof(word); left -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sip_word(&s, le64toh(word));
		at += sizeof(word);
	}
	/* The last word: what is left over, below the length modulo 256. */
	word = (uint64_t)len << 56;
	while (left > 0) {
		left--;
		word |= (uint64_t)at[left] << 8 * left;
	}
	sip_word(&s, word);

	/* d = 4 rounds to finish. */
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

/*
 * Making ids, apart from id.c so that who only reads and writes them needs no
 * digest.
 */
#include "base/check.h"
#include "base/digest.h"
#include "wire/internal.h"

#define PARTS_MAX 4

/* Strife's own namespace: drawn at random once, never to be changed. */
static const struct id strife_namespace = {{0x1f, 0x48, 0x3d, 0xa1, 0xd8, 0x8d,
    0x4f, 0xae, 0x88, 0xa3, 0x23, 0xf2, 0xa8, 0xa5, 0x51, 0xde}};

static void
stamp(struct id *id, unsigned version)
{
	id->octets[6] = (uint8_t)((id->octets[6] & 0x0f) | version << 4);
	id->octets[8] = (uint8_t)((id->octets[8] & 0x3f) | 0x80);
}

struct id
id_named(const struct id *space, const struct str *parts, size_t count)
{
	struct str hashed[1 + PARTS_MAX];
	uint8_t digest[20];
	struct id id;

	CHECK(count <= PARTS_MAX);
	hashed[0] = (struct str){(const char *)space->octets, 16};
	for (size_t i = 0; i < count; i++)
		hashed[1 + i] = parts[i];
	digest_sha1(hashed, 1 + count, digest);
	memcpy(id.octets, digest, sizeof(id.octets));
	stamp(&id, 5);
	return id;
}

struct id
id_from_key(struct str user, struct str key)
{
	const struct str parts[] = {user, {"", 1}, key};

	return id_named(&strife_namespace, parts, 3);
}

struct id
id_generate(const uint8_t node[6], uint64_t counter, uint32_t random)
{
	struct id id;

	CHECK(counter <= ID_COUNTER_MAX);
	memcpy(id.octets, node, 6);
	/* 12 bits of the counter between version and variant, 30 after. */
	id.octets[6] = (uint8_t)(counter >> 38);
	id.octets[7] = (uint8_t)(counter >> 30);
	id.octets[8] = (uint8_t)(counter >> 24 & 0x3f);
	id.octets[9] = (uint8_t)(counter >> 16);
	id.octets[10] = (uint8_t)(counter >> 8);
	id.octets[11] = (uint8_t)counter;
	for (unsigned i = 0; i < 4; i++)
		id.octets[12 + i] = (uint8_t)(random >> (24 - 8 * i));
	stamp(&id, 8);
	return id;
}

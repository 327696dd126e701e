/*
 * What the fuzz targets share. A target is one file with a libFuzzer entry
 * point: whatever the octets, they are refused, or CHECKs say what holds of
 * what was read. Nothing here outlives a run but what is static.
 */
#ifndef STRIFE_T_FUZZ_H
#define STRIFE_T_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *octets, size_t len);

static inline struct str
fuzz_text(const uint8_t *octets, size_t len)
{
	return (struct str){(const char *)octets, (uint32_t)len};
}

/* Takes octets off the front of an input; zeros once there are none. */
struct fuzz_input {
	const uint8_t *at;
	size_t len;
};

static inline uint8_t
fuzz_octet(struct fuzz_input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->at++;
}

static inline uint32_t
fuzz_below(struct fuzz_input *in, uint32_t limit)
{
	return fuzz_octet(in) % limit;
}

/* As many octets as the next one says, or what is left. */
static inline struct str
fuzz_piece(struct fuzz_input *in)
{
	size_t len = fuzz_octet(in);
	struct str piece;

	if (len > in->len)
		len = in->len;
	piece = fuzz_text(in->at, len);
	in->at += len;
	in->len -= len;
	return piece;
}

/*
 * For what reads a file: the path of one in memory that holds these octets
 * until the next call.
 */
static inline const char *
fuzz_file(const void *octets, size_t len)
{
	static char path[32];
	static int fd = -1;

	if (fd < 0) {
		int n;

		fd = memfd_create("fuzz", MFD_CLOEXEC);
		CHECK(fd >= 0);
		n = snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		CHECK(n > 0 && (size_t)n < sizeof(path));
	}
	CHECK(ftruncate(fd, (off_t)len) == 0);
	CHECK(pwrite(fd, octets, len, 0) == (ssize_t)len);
	return path;
}

/* A message for people: there is one, and no control character is in it. */
static inline void
fuzz_message(const char *text)
{
	CHECK(text[0] != '\0');
	for (const char *at = text; *at != '\0'; at++)
		CHECK(((unsigned char)*at >= 0x20 && *at != 0x7f));
}

#endif

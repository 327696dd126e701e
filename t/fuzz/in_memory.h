/*
 * Configuration files without a file system: the linker puts this in the place
 * of file_read (--wrap), which most of a run would be spent in.
 */
#ifndef STRIFE_T_FUZZ_IN_MEMORY_H
#define STRIFE_T_FUZZ_IN_MEMORY_H

#include <stdlib.h>

#include "base/file.h"
#include "fuzz.h"

#define IN_MEMORY_PATH "etc/file.yaml"

static struct str in_memory;

int __wrap_file_read(const char *path, size_t max, char **octets, size_t *len);

int
__wrap_file_read(const char *path, size_t max, char **octets, size_t *len)
{
	CHECK(strcmp(path, IN_MEMORY_PATH) == 0 && in_memory.len <= max);
	*octets = malloc((size_t)in_memory.len + 1);
	CHECK(*octets != NULL);
	memcpy(*octets, in_memory.at, in_memory.len);
	(*octets)[in_memory.len] = '\0';
	*len = in_memory.len;
	return 0;
}

/* The path under which these octets are read from now on. */
static inline const char *
in_memory_file(const uint8_t *octets, size_t len)
{
	in_memory = fuzz_text(octets, len);
	return IN_MEMORY_PATH;
}

#endif

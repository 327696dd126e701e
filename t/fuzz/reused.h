/*
 * Large blocks are used again. A run of a target that starts a core or opens a
 * journal would spend most of its time with fresh pages: the linker puts these
 * in the place of the libraries' functions (--wrap). A block is of one size all
 * its life, so the sanitizer's red zones are around it, and it is poisoned
 * while nobody has it.
 */
#ifndef STRIFE_T_FUZZ_REUSED_H
#define STRIFE_T_FUZZ_REUSED_H

#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/mapping.h"

#define REUSED_LARGE ((size_t)1 << 15)
#define REUSED_MAX 32

static struct {
	void *at;
	size_t size;
	bool used;
} reused[REUSED_MAX];

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
void __real_free(void *at);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
void *__wrap_reallocarray(void *at, size_t count, size_t size);
void __wrap_free(void *at);
void *__wrap_mapping_new(size_t size);
void __wrap_mapping_free(void *at, size_t size);

static void *
reused_take(size_t size)
{
	size_t i = 0;

	while (i < REUSED_MAX && reused[i].at != NULL &&
	    (reused[i].used || reused[i].size != size))
		i++;
	CHECK(i < REUSED_MAX);
	if (reused[i].at == NULL) {
		reused[i].at = __real_malloc(size);
		reused[i].size = size;
	}
	CHECK(reused[i].at != NULL);
	ASAN_UNPOISON_MEMORY_REGION(reused[i].at, size);
	reused[i].used = true;
	return reused[i].at;
}

/* REUSED_MAX where it is none of these. */
static size_t
reused_find(const void *at)
{
	size_t i = 0;

	while (i < REUSED_MAX && reused[i].at != at)
		i++;
	return i;
}

static bool
reused_give(void *at)
{
	size_t i = reused_find(at);

	if (i == REUSED_MAX)
		return false;
	ASAN_POISON_MEMORY_REGION(at, reused[i].size);
	reused[i].used = false;
	return true;
}

void *
__wrap_malloc(size_t size)
{
	return size < REUSED_LARGE ? __real_malloc(size) : reused_take(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
	size_t octets;

	if (__builtin_mul_overflow(count, size, &octets) ||
	    octets < REUSED_LARGE)
		return __real_calloc(count, size);
	return memset(reused_take(octets), 0, octets);
}

void *
__wrap_realloc(void *at, size_t size)
{
	size_t i = at == NULL ? REUSED_MAX : reused_find(at);
	void *to;

	if (at == NULL)
		return __wrap_malloc(size);
	/* Of what the sanitizer has, the size is not known here. */
	if (i == REUSED_MAX)
		return __real_realloc(at, size);
	to = __wrap_malloc(size);
	memcpy(to, at, size < reused[i].size ? size : reused[i].size);
	(void)reused_give(at);
	return to;
}

void *
__wrap_reallocarray(void *at, size_t count, size_t size)
{
	size_t octets;

	if (__builtin_mul_overflow(count, size, &octets))
		return NULL;
	return __wrap_realloc(at, octets);
}

void
__wrap_free(void *at)
{
	if (at != NULL && !reused_give(at))
		__real_free(at);
}

void *
__wrap_mapping_new(size_t size)
{
	return memset(reused_take(size), 0, size);
}

void
__wrap_mapping_free(void *at, size_t size)
{
	(void)size;
	CHECK(at == NULL || reused_give(at));
}

#endif

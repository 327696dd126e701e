/*
 * Memory straight from the kernel: zeros, and pages that are not touched cost
 * nothing. It is not there in a child after fork(2), which need not be given
 * copies of its pages either.
 */
#ifndef STRIFE_BASE_MAPPING_H
#define STRIFE_BASE_MAPPING_H

#include <stddef.h>

void *mapping_new(size_t octets); /* NULL with errno */
void mapping_free(void *mapping, size_t octets);

#endif

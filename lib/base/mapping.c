#include "base/mapping.h"

#include <sys/mman.h>

void *
mapping_new(size_t octets)
{
	void *mapping = mmap(NULL, octets, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapping == MAP_FAILED)
		return NULL;
	/* Where the kernel does not know of it, a child has copies. */
	(void)madvise(mapping, octets, MADV_DONTFORK);
	return mapping;
}

void
mapping_free(void *mapping, size_t octets)
{
	if (mapping != NULL)
		(void)munmap(mapping, octets);
}

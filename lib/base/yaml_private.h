/*
 * What yaml.c shares with yaml_fail.c, which words its messages.
 */
#ifndef STRIFE_BASE_YAML_PRIVATE_H
#define STRIFE_BASE_YAML_PRIVATE_H

#include <stdarg.h>

#include "base/yaml.h"

struct yaml_place {
	const char *path;
	uint32_t line, column; /* line 0: the file as a whole */
};

/* Fills error with "PATH:LINE:COLUMN: message", printable; returns -1. */
int yaml_fail_at(struct yaml_error *, struct yaml_place, const char *format,
    va_list) __attribute__((format(printf, 3, 0)));

#endif

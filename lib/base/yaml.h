/*
 * Configuration files: a strict subset of YAML 1.1 read through libyaml's event
 * API into a tree with positions, then decoded by tables of typed rows.
 * Refused with file:line:column: aliases, anchors, tags, several documents,
 * repeated keys, keys that are not scalars, nesting beyond 8, a file over
 * YAML_FILE_MAX, unknown keys (with the nearest known one), values out of
 * range, missing required keys. Nothing is logged here: the message is in
 * struct yaml_error, ready to be printed by the caller before exit 78.
 */
#ifndef STRIFE_BASE_YAML_H
#define STRIFE_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define YAML_FILE_MAX (64u << 20)
#define YAML_DEPTH_MAX 8

struct yaml_error {
	char
	    text[512]; /* "FILE:LINE:COLUMN: what is wrong and what is legal" */
};

enum yaml_kind { YAML_SCALAR, YAML_MAP, YAML_LIST };

struct yaml_node {
	enum yaml_kind kind;
	uint32_t line, column; /* from 1 */
	bool plain;            /* a scalar without quotes */
	struct str key;        /* in a map: this entry's key, NUL-terminated */
	uint32_t key_line, key_column;
	struct str text; /* of a scalar, NUL-terminated */
	uint32_t count;  /* of a map or list */
	struct yaml_node *first, *next;
};

struct yaml; /* owns every node and text */

/* 0, or -1 with *error filled (unreadable files too). */
int yaml_open(struct yaml **, const char *path, struct yaml_error *error);
void yaml_close(struct yaml *); /* wipes what it frees */
const struct yaml_node *yaml_root(const struct yaml *);
const char *yaml_path(const struct yaml *);
/* A map's entry, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);
/* Fills error with "path:line:column: message" at this node; returns -1. */
int yaml_fail(const struct yaml *, const struct yaml_node *at,
    struct yaml_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* As yaml_fail, at the key of this entry of a map. */
int yaml_fail_key(const struct yaml *, const struct yaml_node *at,
    struct yaml_error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/*
 * What a row's value is, and the C type of the member that takes it. Of texts
 * and lists max 0 means no limit; no text may hold a control character.
 */
enum yaml_type {
	YAML_TEXT,     /* char * (malloced) : min..max octets */
	YAML_FILE,     /* char * (malloced) : path, made relative to the file */
	YAML_INTEGER,  /* int64_t : min..max */
	YAML_DURATION, /* int64_t, ns : "200ms" "5s" "5m" "24h" */
	YAML_SIZE,     /* int64_t, octets : "64KiB" "64MiB" "1GiB" or plain */
	YAML_TEXT_LIST, /* struct yaml_list : min..max entries */
	YAML_FILE_LIST, /* struct yaml_list */
	YAML_NODE,      /* const struct yaml_node * (borrowed from yaml) */
};

struct yaml_list {
	uint32_t count;
	char **at; /* malloced, as each entry */
};

/*
 * One configuration key. `key` is dotted ("payments.prepare_timeout"): every
 * key with the same prefix lies in the map of that name. `standard` is the
 * default in the file's own notation, NULL: required, "~": may be absent (0,
 * NULL). `check` (or NULL) refuses a value: it returns NULL, or what is wrong.
 */
struct yaml_row {
	const char *key;
	enum yaml_type type;
	size_t offset; /* in the caller's struct */
	int64_t min, max;
	const char *standard;
	const char *(*check)(struct str value);
};

/*
 * Decodes a map by rows into *into (members not named are not touched).
 * 0, or -1 with *error filled and nothing left allocated in *into.
 */
int yaml_rows(const struct yaml *, const struct yaml_node *map,
    const struct yaml_row *rows, size_t count, void *into,
    struct yaml_error *error);
/* Frees what yaml_rows allocated in *into. */
void yaml_rows_free(const struct yaml_row *rows, size_t count, void *into);

#endif

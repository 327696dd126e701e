/*
 * Key files for tests: RFC 8037's Ed25519 key, RFC 7515's HMAC key, another
 * key, and some that must be refused. Made in a directory of the test's own.
 */
#ifndef STRIFE_T_TOKEN_FIXTURE_H
#define STRIFE_T_TOKEN_FIXTURE_H

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/keyring.h"

#define PRIVATE(text) \
	"-----BEGIN PRIVATE KEY-----\n" text "\n-----END PRIVATE KEY-----\n"
/* RFC 8037, A.1 */
#define KEY_RFC \
	PRIVATE("MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMc" \
		"rn9g")
#define KEY_RFC_ID "06e3fd8fda29bb60"
#define KEY_OTHER \
	PRIVATE("MC4CAQAwBQYDK2VwBCIEIPYH0F4dnyDqoSAfed/asol4jKfpMgmWNXbBtxRn" \
		"5Wqn")
#define KEY_P256 \
	PRIVATE("MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg8LPSe6IS3Q/L" \
		"gcHJ\nQNz3z5E30D5vIR6rSNvtC4Zap4ihRANCAATtRv+S20eSvrOpQdTzi" \
		"++V/EuXVaFH\nMOONsf1HzrqkC0rAyWzKDqryEfEtYrUHW5+vYlKrI1kBYs" \
		"cOv+UTSk3M")
#define KEY_ENCRYPTED \
	"-----BEGIN ENCRYPTED PRIVATE KEY-----\n" \
	"MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgHdrpRXsBGdgICCAAw\n" \
	"DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEAynAisdkOEH3PFddAEMElUEQBKB\n" \
	"/o+k8KVdFDPe8dKGdN+qz7E/I3LHf8Cem2Gc0k1c6fvmEDRpRETI34vUEUYkzbY5\n" \
	"4KLInMMHn86ZbM/mN/8=\n" \
	"-----END ENCRYPTED PRIVATE KEY-----\n"
#define KEY_PUBLIC \
	"-----BEGIN PUBLIC KEY-----\n" \
	"MCowBQYDK2VwAyEAaZ/IqEgSSid92KyOFmEhPyN+Xi6M/1TRwc2CMEIbOCw=\n" \
	"-----END PUBLIC KEY-----\n"
/* RFC 7515, A.1.1 */
#define SECRET_RFC \
	"\x03\x23\x35\x4b\x2b\x0f\xa5\xbc\x83\x7e\x06\x65\x77\x7b\xa6\x8f" \
	"\x5a\xb3\x28\xe6\xf0\x54\xc9\x28\xa9\x0f\x84\xb2\xd2\x50\x2e\xbf" \
	"\xd3\xfb\x5a\x92\xd2\x06\x47\xef\x96\x8a\xb4\xc3\x77\x62\x3d\x22" \
	"\x3d\x2e\x21\x72\x05\x2e\x4f\x08\xc0\xcd\x9a\xf5\x67\xd0\x80\xa3"
#define SECRET_RFC_ID "c8ecc9361a05e285"

static char key_directory[PATH_MAX];
static uint32_t key_files;

static inline void
keys_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(key_directory, sizeof(key_directory), "%s/strife-keys-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(key_directory) == NULL)
		abort();
}

/* The name of file number i. */
static inline void
key_name(char *path, size_t size, uint32_t i)
{
	snprintf(path, size, "%.4000s/%u", key_directory, i);
}

static inline void
keys_end(void)
{
	char path[PATH_MAX];

	for (uint32_t i = 0; i < key_files; i++) {
		key_name(path, sizeof(path), i);
		unlink(path);
	}
	rmdir(key_directory);
}

/* A new file with these octets; the caller frees its name. */
static inline char *
key_file(const char *octets, size_t len, mode_t mode)
{
	char path[PATH_MAX];
	FILE *file;

	key_name(path, sizeof(path), key_files++);
	file = fopen(path, "w");
	if (file == NULL || fwrite(octets, 1, len, file) != len ||
	    fclose(file) != 0 || chmod(path, mode) < 0)
		abort();
	return strdup(path);
}

/* A ring of one or two keys, given as PEM. */
static inline struct keyring *
ring_of(const char *first, const char *second)
{
	char error[512] = "", *files[2] = {NULL, NULL};
	struct keyring *ring = NULL;
	uint32_t count = second != NULL ? 2 : 1;

	files[0] = key_file(first, strlen(first), 0600);
	if (second != NULL)
		files[1] = key_file(second, strlen(second), 0600);
	if (keyring_open(&ring, files, count, error, sizeof(error)) < 0) {
		printf("# %s\n", error);
		abort();
	}
	free(files[0]);
	free(files[1]);
	return ring;
}

static inline struct keyring *
ring_of_secret(const char *octets, size_t len)
{
	char error[512] = "", *file = key_file(octets, len, 0600);
	struct keyring *ring = NULL;

	if (keyring_open_secret(&ring, file, error, sizeof(error)) < 0) {
		printf("# %s\n", error);
		abort();
	}
	free(file);
	return ring;
}

#endif

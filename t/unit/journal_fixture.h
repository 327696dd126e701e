/* What the tests of lib/journal share: a bank's journal in a directory. */
#ifndef STRIFE_T_JOURNAL_FIXTURE_H
#define STRIFE_T_JOURNAL_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/hex.h"
#include "base/log.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "tap.h"

#define FIXTURE_WALL INT64_C(1700000000000000)
#define FIXTURE_SEGMENT 16384

static char fixture_root[256];
static char fixture_error[512];

static inline void
fixture_check(bool fine, const char *what)
{
	if (fine)
		return;
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

static inline void
fixture_begin(void)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(fixture_root, sizeof(fixture_root),
	    "%s/strife-journal.XXXXXX", tmp != NULL ? tmp : "/tmp");
	fixture_check(mkdtemp(fixture_root) != NULL, "mkdtemp");
	log_init("test", LOG_LEVEL_CRIT);
}

static inline int
fixture_unlink(
    const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void
fixture_remove(const char *path)
{
	(void)nftw(path, fixture_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

static inline int
fixture_end(void)
{
	fixture_remove(fixture_root);
	return tap_done();
}

/* A path below the test's directory: the same text is the same pointer. */
__attribute__((format(printf, 1, 2))) static inline const char *
fixture_path(const char *format, ...)
{
	static char *paths[256];
	char path[512];
	va_list ap;
	int n, i;

	n = snprintf(path, sizeof(path), "%s/", fixture_root);
	va_start(ap, format);
	(void)vsnprintf(path + n, sizeof(path) - (size_t)n, format, ap);
	va_end(ap);
	for (i = 0; i < 255 && paths[i] != NULL; i++)
		if (strcmp(paths[i], path) == 0)
			return paths[i];
	paths[i] = strdup(path);
	fixture_check(i < 255 && paths[i] != NULL, "paths");
	return paths[i];
}

static inline struct journal_conf
fixture_conf(const char *dir)
{
	return (struct journal_conf){
	    .dir = dir,
	    .side = SIDE_BANK_JOURNAL,
	    .component = STR("bankd"),
	    .name = STR("BankA"),
	    .segment_octets = FIXTURE_SEGMENT,
	    .reserve_octets = 0,
	};
}

static inline enum journal_open
fixture_open(struct journal **j, const char *dir)
{
	struct journal_conf conf = fixture_conf(dir);

	fixture_error[0] = '\0';
	return journal_open(
	    j, &conf, NULL, NULL, fixture_error, sizeof(fixture_error));
}

static inline struct journal *
fixture_journal(const char *dir)
{
	struct journal *j;

	if (fixture_open(&j, dir) != JOURNAL_OPENED) {
		printf("Bail out! %s\n", fixture_error);
		exit(1);
	}
	return j;
}

/* Appends a SET whose length can be chosen by who. */
static inline struct record
fixture_append(struct journal *j, uint64_t n, const char *who)
{
	static struct msg m;
	struct record record;
	char account[32];

	(void)snprintf(account, sizeof(account), "acc%" PRIu64, n);
	msg_init(&m, MSG_REQUEST, VERB_BANK_JOURNAL_SET, "0");
	msg_set_str(&m, KEY_account, str_from(account));
	msg_set_u64(&m, KEY_overdraft, n);
	msg_set_str(&m, KEY_who, str_from(who));
	journal_append(j, &m, FIXTURE_WALL + (int64_t)n, &record);
	return record;
}

static inline char *
fixture_read(const char *path, size_t *len)
{
	struct stat st;
	char *octets;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	fixture_check(fd >= 0 && fstat(fd, &st) == 0, path);
	octets = malloc((size_t)st.st_size + 1);
	fixture_check(octets != NULL &&
		read(fd, octets, (size_t)st.st_size) == st.st_size,
	    path);
	octets[st.st_size] = '\0';
	*len = (size_t)st.st_size;
	close(fd);
	return octets;
}

static inline void
fixture_write(const char *path, const char *octets, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	fixture_check(fd >= 0 && write(fd, octets, len) == (ssize_t)len, path);
	close(fd);
}

static inline void
fixture_copy(const char *from, const char *to)
{
	size_t len;
	char *octets = fixture_read(from, &len);

	fixture_write(to, octets, len);
	free(octets);
}

/* How many names in dir contain part. */
static inline int
fixture_count(const char *dir, const char *part)
{
	struct dirent *entry;
	DIR *d = opendir(dir);
	int n = 0;

	fixture_check(d != NULL, dir);
	while ((entry = readdir(d)) != NULL)
		n += strstr(entry->d_name, part) != NULL;
	closedir(d);
	return n;
}

#endif

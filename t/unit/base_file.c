/* Files: reads within bounds, atomic replacement, directories, paths. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "capture.h"
#include "tap.h"

static char dir[200];

/* A name in our directory: valid until the call after next. */
static const char *
in_dir(const char *name)
{
	static char paths[2][400];
	static int which;

	which = !which;
	snprintf(paths[which], sizeof(paths[which]), "%s/%s", dir, name);
	return paths[which];
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

static int
entries(void)
{
	DIR *d = opendir(dir);
	int count = 0;

	CHECK(d != NULL);
	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count - 2; /* . and .. */
}

static void
test_read(void)
{
	const char *path = in_dir("file");
	char *octets = NULL;
	size_t len = 99;

	errno = 0;
	ok(file_read(path, 10, &octets, &len) == -1 && errno == ENOENT,
	    "a file that is not there is ENOENT");
	CHECK(file_replace(path, 0600, "ab\0cd", 5) == 0);
	ok(file_read(path, 5, &octets, &len) == 0 && len == 5 &&
		memcmp(octets, "ab\0cd", 6) == 0,
	    "a file of just max octets is read, with a NUL after it");
	free(octets);
	errno = 0;
	ok(file_read(path, 4, &octets, &len) == -1 && errno == EFBIG,
	    "one octet more is EFBIG");
	CHECK(file_replace(path, 0600, "", 0) == 0);
	ok(file_read(path, 0, &octets, &len) == 0 && len == 0 &&
		octets[0] == '\0',
	    "an empty file is read");
	free(octets);
	errno = 0;
	ok(file_read(dir, 10, &octets, &len) == -1 && errno == EISDIR,
	    "a directory is EISDIR");
	CHECK(mkfifo(in_dir("fifo"), 0600) == 0);
	errno = 0;
	ok(file_read(in_dir("fifo"), 10, &octets, &len) == -1 &&
		errno == EINVAL,
	    "a FIFO is refused, and not waited for");
	unlink(in_dir("fifo"));
	/* The kernel says that this one is empty, and then it is not. */
	ok(file_read("/proc/self/status", 1 << 16, &octets, &len) == 0 &&
		len > 64 && strlen(octets) == len,
	    "a file longer than its size is read to its end");
	free(octets);
	errno = 0;
	ok(file_read("/proc/self/status", 100, &octets, &len) == -1 &&
		errno == EFBIG,
	    "or refused, where that is beyond max");
}

static void
test_read_secret(void)
{
	const char *path = in_dir("secret");
	static const mode_t refused[] = {0640, 0604, 0644, 0440};
	char *octets = NULL;
	size_t len;

	CHECK(file_replace(path, 0600, "key", 3) == 0);
	ok(file_read_secret(path, 10, &octets, &len) == 0 && len == 3,
	    "a secret that only we can read is read");
	free(octets);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CHECK(chmod(path, refused[i]) == 0);
		errno = 0;
		ok(file_read_secret(path, 10, &octets, &len) == -1 &&
			errno == EPERM,
		    "mode %04o is refused", refused[i]);
	}
	unlink(path);
}

static void
test_replace(void)
{
	const char *path = in_dir("file");
	char stale[300], *octets;
	int before;
	size_t len;

	unlink(path);
	before = entries();
	CHECK(umask(077) != 0777);
	ok(file_replace(path, 0640, "one", 3) == 0 && mode_of(path) == 0640,
	    "a file is made with the mode asked, whatever the umask");
	snprintf(stale, sizeof(stale), "%s.tmp.%ld", path, (long)getpid());
	CHECK(symlink("/nonexistent/target", stale) == 0);
	ok(file_replace(path, 0600, "two", 3) == 0 && mode_of(path) == 0600,
	    "and replaced, in spite of what a crash left behind");
	CHECK(file_read(path, 10, &octets, &len) == 0);
	is_text(octets, "two", "it has the new content");
	free(octets);
	is_i64(entries(), before + 1, "no temporary file is left");
	errno = 0;
	ok(file_replace(in_dir("no/file"), 0600, "x", 1) == -1 &&
		errno == ENOENT,
	    "where there is no directory, ENOENT");
	CHECK(mkdir(in_dir("sub"), 0700) == 0);
	errno = 0;
	ok(file_replace(in_dir("sub"), 0600, "x", 1) == -1 && errno == EISDIR,
	    "a directory is not replaced");
	is_i64(entries(), before + 2, "and nothing is left behind either");
	rmdir(in_dir("sub"));
	unlink(path);
}

static void
test_write(void)
{
	const char *path = in_dir("file");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	char back[9] = {0};
	int pipes[2];
	static char large[1 << 20];

	CHECK(fd >= 0);
	ok(file_write_all(fd, "abcdefgh", 8) == 0 &&
		file_pwrite_all(fd, "XY", 2, 3) == 0 &&
		pread(fd, back, 8, 0) == 8,
	    "octets are written, at the end and in place");
	is_text(back, "abcXYfgh", "and where they belong");
	ok(file_write_all(-1, "", 0) == 0, "nothing is always written");
	close(fd);
	errno = 0;
	ok(file_write_all(fd, "a", 1) == -1 && errno == EBADF,
	    "an error is reported");
	errno = 0;
	ok(file_pwrite_all(fd, "a", 1, 0) == -1 && errno == EBADF,
	    "of pwrite too");
	unlink(path);

	/* A pipe takes less than a mebibyte at once. */
	CHECK(pipe2(pipes, O_CLOEXEC) == 0);
	fflush(stdout);
	if (fork() == 0) {
		size_t total = 0;
		ssize_t got;

		close(pipes[1]);
		while ((got = read(pipes[0], large, sizeof(large))) > 0)
			total += (size_t)got;
		_exit(total == sizeof(large) ? 0 : 1);
	}
	close(pipes[0]);
	ok(file_write_all(pipes[1], large, sizeof(large)) == 0,
	    "more than a pipe holds is written");
	close(pipes[1]);
	CHECK(wait(&fd) > 0);
	is_i64(fd, 0, "and arrives whole");
}

static void
test_mkdirs(void)
{
	const char *deep = in_dir("a//b/c/");

	ok(file_mkdirs(deep, 0750) == 0, "directories are made");
	ok(mode_of(in_dir("a/b/c")) == 0750, "the last has the mode asked");
	ok(mode_of(in_dir("a/b")) == 0700, "those above have the umask's");
	ok(file_mkdirs(in_dir("a/b/c"), 0700) == 0 &&
		mode_of(in_dir("a/b/c")) == 0750,
	    "one that is there is left as it is");
	CHECK(file_replace(in_dir("a/file"), 0600, "", 0) == 0);
	errno = 0;
	ok(file_mkdirs(in_dir("a/file"), 0700) == -1 && errno == ENOTDIR,
	    "a file in the last place is ENOTDIR");
	errno = 0;
	ok(file_mkdirs(in_dir("a/file/x"), 0700) == -1 && errno == ENOTDIR,
	    "a file on the way is ENOTDIR");
	errno = 0;
	ok(file_mkdirs("", 0700) == -1 && errno == ENOENT, "no path is ENOENT");
	ok(file_mkdirs("/", 0700) == 0, "the root is there");
	ok(file_flush_dir_of(in_dir("a/file")) == 0 &&
		file_flush_dir_of(in_dir("a/none")) == 0 &&
		file_flush_dir_of("relative") == 0,
	    "the directory of a path is flushed, be the path there or not");
	errno = 0;
	ok(file_flush_dir_of(in_dir("none/x")) == -1 && errno == ENOENT,
	    "a directory that is not there is ENOENT");
	unlink(in_dir("a/file"));
	rmdir(in_dir("a/b/c"));
	rmdir(in_dir("a/b"));
	rmdir(in_dir("a"));
}

static void
is_beside(const char *beside, const char *path, const char *wanted)
{
	char *got = file_path_beside(beside, path);

	CHECK(got != NULL);
	is_text(got, wanted, wanted);
	free(got);
}

int
main(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(dir, sizeof(dir), "%s/base_file.XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	CHECK(mkdtemp(dir) != NULL);
	test_read();
	test_read_secret();
	test_replace();
	test_write();
	test_mkdirs();
	is_beside("etc/x.yaml", "ca.crt", "etc/ca.crt");
	is_beside("/etc/x.yaml", "../ca.crt", "/etc/../ca.crt");
	is_beside("x.yaml", "ca.crt", "./ca.crt");
	is_beside("/x.yaml", "ca.crt", "/ca.crt");
	is_beside("etc/x.yaml", "/ca.crt", "/ca.crt");
	is_i64(entries(), 0, "the tests left nothing");
	rmdir(dir);
	return tap_done();
}

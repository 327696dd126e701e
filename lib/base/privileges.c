#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Capabilities of a process come in two words of 32. */
#define WORDS _LINUX_CAPABILITY_U32S_3

__attribute__((format(printf, 3, 4))) static int
fail(char *error, size_t size, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(error, size, format, ap);
	va_end(ap);
	return -1;
}

int
privileges_no_core(void)
{
	const struct rlimit none = {0, 0};

	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return -1;
	return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
privileges_no_new(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- Capabilities: glibc has no names for these system calls ---- */

static int
get_capabilities(struct __user_cap_data_struct sets[WORDS])
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};

	return (int)syscall(SYS_capget, &header, sets);
}

static int
clear_capabilities(void)
{
	struct __user_cap_header_struct header = {
	    .version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[WORDS] = {{0}};

	/* The ambient set goes with the permitted and inheritable ones. */
	return (int)syscall(SYS_capset, &header, none);
}

/* Those that an execve(2) could give back, while we may still say so. */
static void
drop_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0;
	     cap++) {
		/*
		 * A root without CAP_SETPCAP may not; then no_new_privs alone
		 * stands in the way.
		 */
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return;
	}
}

/* ---- Users ---- */

static bool
is_all_of(uid_t uid, gid_t gid)
{
	uid_t real_uid, effective_uid, saved_uid;
	gid_t real_gid, effective_gid, saved_gid;

	return getresuid(&real_uid, &effective_uid, &saved_uid) == 0 &&
	    getresgid(&real_gid, &effective_gid, &saved_gid) == 0 &&
	    real_uid == uid && effective_uid == uid && saved_uid == uid &&
	    real_gid == gid && effective_gid == gid && saved_gid == gid;
}

static bool
has_capabilities(void)
{
	struct __user_cap_data_struct sets[WORDS];

	if (get_capabilities(sets) < 0)
		return true;
	for (size_t i = 0; i < WORDS; i++)
		if (sets[i].effective != 0 || sets[i].permitted != 0 ||
		    sets[i].inheritable != 0)
			return true;
	return false;
}

static int
become(const struct passwd *entry, char *error, size_t size)
{
	const gid_t group = entry->pw_gid;

	drop_bounding_set();
	if (setgroups(1, &group) < 0 || setresgid(group, group, group) < 0 ||
	    setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) < 0)
		return fail(error, size, "cannot become user %s: %s",
		    entry->pw_name, strerror(errno));
	return 0;
}

/* Nothing of what was given up can be had back. */
static int
verify(const struct passwd *entry, char *error, size_t size)
{
	if (!is_all_of(entry->pw_uid, entry->pw_gid))
		return fail(error, size,
		    "user %s: the user or group id is not that user's",
		    entry->pw_name);
	if (has_capabilities())
		return fail(error, size, "user %s: capabilities are left",
		    entry->pw_name);
	if (setuid(0) == 0 || setgid(0) == 0)
		return fail(error, size, "user %s can become root again",
		    entry->pw_name);
	return 0;
}

int
privileges_drop(const char *user, char *error, size_t size)
{
	const struct passwd *entry;

	errno = 0;
	entry = getpwnam(user);
	if (entry == NULL)
		return fail(error, size, "user %s: %s", user,
		    errno != 0 ? strerror(errno) : "there is no such user");
	if (entry->pw_uid == 0 || entry->pw_gid == 0)
		return fail(error, size,
		    "user %s is root, or of its group: name one without "
		    "privileges",
		    user);
	if (geteuid() != 0 && !is_all_of(entry->pw_uid, entry->pw_gid))
		return fail(error, size,
		    "cannot become user %s: only root can; start it as that "
		    "user or as root",
		    user);
	if (geteuid() == 0 && become(entry, error, size) < 0)
		return -1;
	/* A change of ids may have made the process dumpable again. */
	if (clear_capabilities() < 0 || privileges_no_new() < 0 ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return fail(error, size, "user %s: cannot give up more: %s",
		    user, strerror(errno));
	return verify(entry, error, size);
}

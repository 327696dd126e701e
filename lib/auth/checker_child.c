#include <bsd/string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/checker_private.h"
#include "base/daemon.h"
#include "base/exitcode.h"
#include "base/log.h"

#define ERROR_MAX 1024

/* posix_spawn's argv is not const, though it changes nothing. */
static char *
argument(const char *text)
{
	union {
		const char *from;
		char *to;
	} u = {.from = text};

	return u.to;
}

/* Spawns argv with fd `child` as standard input and output (or error). */
static int
spawn(pid_t *pid, char *const argv[], int child, bool test)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t mask, defaults;
	int error = posix_spawn_file_actions_init(&actions);

	if (error != 0)
		goto fail;
	error = posix_spawnattr_init(&attributes);
	if (error != 0)
		goto fail_actions;
	/*
	 * SIGHUP is taken as soon as the child asks for it and must not end it
	 * before that.
	 */
	sigemptyset(&mask);
	sigaddset(&mask, SIGHUP);
	sigfillset(&defaults);
	error = posix_spawnattr_setflags(
	    &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	if (error == 0)
		error = posix_spawnattr_setsigmask(&attributes, &mask);
	if (error == 0)
		error = posix_spawnattr_setsigdefault(&attributes, &defaults);
	if (error == 0)
		error = test ? posix_spawn_file_actions_addopen(
				   &actions, 0, "/dev/null", O_RDONLY, 0)
			     : posix_spawn_file_actions_adddup2(
				   &actions, child, STDIN_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_adddup2(
		    &actions, child, STDOUT_FILENO);
	if (error == 0 && test)
		error = posix_spawn_file_actions_adddup2(
		    &actions, child, STDERR_FILENO);
	if (error == 0)
		error = posix_spawn_file_actions_addclosefrom_np(
		    &actions, STDERR_FILENO + 1);
	if (error == 0)
		error = posix_spawn(
		    pid, argv[0], &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
fail_actions:
	posix_spawn_file_actions_destroy(&actions);
fail:
	errno = error;
	return error == 0 ? 0 : -1;
}

int
checker_spawn(pid_t *pid, const struct checker_command *command, int child)
{
	char *argv[6];
	size_t count = 0;

	argv[count++] = argument(command->program);
	if (command->test)
		argv[count++] = argument("-t");
	argv[count++] = argument("-u");
	argv[count++] = argument(command->users);
	if (command->local)
		argv[count++] = argument("--local");
	argv[count] = NULL;
	return spawn(pid, argv, child, command->test);
}

int
checker_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* ---- Testing the users file ---- */

/* Reads what the child says, as much as fits, until it ends. */
static void
read_all(int fd, char *into, size_t size)
{
	char rest[256];
	size_t len = 0;

	for (;;) {
		bool room = len < size - 1;
		ssize_t got = read(fd, room ? into + len : rest,
		    room ? size - 1 - len : sizeof(rest));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (room)
			len += (size_t)got;
	}
	into[len] = '\0';
	into[strcspn(into, "\n")] = '\0';
}

int
checker_test(const char *program, const char *users, bool local, char *error,
    size_t error_size)
{
	const struct checker_command command = {program, users, local, true};
	pid_t pid;
	int fds[2], status;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		strlcpy(error, strerror(errno), error_size);
		return -1;
	}
	status = checker_spawn(&pid, &command, fds[1]);
	close(fds[1]);
	if (status < 0) {
		if (snprintf(error, error_size, "%s: %s", program,
			strerror(errno)) < 0)
			error[0] = '\0';
		close(fds[0]);
		return -1;
	}
	read_all(fds[0], error, error_size);
	close(fds[0]);
	status = checker_wait(pid);
	if (status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (error[0] == '\0' &&
	    snprintf(
		error, error_size, "%s: ended without saying why", program) < 0)
		error[0] = '\0';
	return -1;
}

char *
checker_find(const char *users, bool local)
{
	char error[ERROR_MAX], *program = daemon_sibling("strife-authd");

	if (program == NULL)
		fatal(EXIT_CONFIG,
		    "cannot find strife-authd beside this program");
	if (checker_test(program, users, local, error, sizeof(error)) < 0)
		fatal_plain(EXIT_CONFIG, "%s", error);
	return program;
}

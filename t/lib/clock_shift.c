/*
 * A wall clock that a test can move: preloaded into a program, it adds the
 * seconds that stand in the file $CLOCK_SHIFT to CLOCK_REALTIME. The monotonic
 * clock goes on as ever.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int
clock_gettime(clockid_t clock, struct timespec *now)
{
	char text[32] = "";
	int fd, result = (int)syscall(SYS_clock_gettime, clock, now);

	if (result != 0 || clock != CLOCK_REALTIME)
		return result;
	fd = open(getenv("CLOCK_SHIFT"), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (read(fd, text, sizeof(text) - 1) > 0)
		now->tv_sec += atol(text);
	close(fd);
	return 0;
}

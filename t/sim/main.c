/*
 * Runs schedules: sim [-n SEEDS] [-s FIRST] [-j PROCESSES] [-t] [-v] [-H].
 * Each seed is one schedule. A seed that fails prints how to run it alone and
 * its history (the newest lines; all with -v). Exit 0, or 1 for a violation,
 * or 2 when the campaign did not meet all that it should have.
 */
#include <bsd/stdlib.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "sim.h"

#define JOBS_MAX 64
#define HISTORY_LINES 400
#define HISTORY_OCTETS 8192

struct shared {
	uint64_t cover[COVER_COUNT];
	uint64_t seed; /* under way */
	uint64_t done;
};

static const char *const cover_words[] = {
#define COVER(name, schedules, what) what,
#include "cover.def"
#undef COVER
};
static const char *const cover_names[] = {
#define COVER(name, schedules, what) #name,
#include "cover.def"
#undef COVER
};
static const uint64_t cover_every[] = {
#define COVER(name, schedules, what) schedules,
#include "cover.def"
#undef COVER
};

uint64_t *cover;
bool tracing, hashing;
static bool printing; /* -v: every line at once */
static char history[HISTORY_LINES][HISTORY_OCTETS];
static uint64_t history_count;

void
trace(const char *format, ...)
{
	char line[HISTORY_OCTETS];
	va_list ap;
	int len;

	if (!tracing && !hashing)
		return;
	len = snprintf(line, sizeof(line), "%11.6f ", (double)w.now_ns / 1e9);
	va_start(ap, format);
	(void)vsnprintf(line + len, sizeof(line) - (size_t)len, format, ap);
	va_end(ap);
	/* FNV-1a (Fowler, Noll, Vo), for comparing two runs. */
	for (const char *p = line; hashing && *p != '\0'; p++)
		w.hash = (w.hash ^ (uint8_t)*p) * UINT64_C(0x100000001b3);
	w.lines++;
	if (printing)
		puts(line);
	else if (tracing)
		memcpy(history[history_count++ % HISTORY_LINES], line,
		    sizeof(line));
}

static void
print_history(void)
{
	uint64_t first =
	    history_count > HISTORY_LINES ? history_count - HISTORY_LINES : 0;

	for (uint64_t i = first; i < history_count && !printing; i++)
		puts(history[i % HISTORY_LINES]);
}

void
wrong(const char *format, ...)
{
	va_list ap;

	print_history();
	fflush(stdout);
	if (tracing) {
		printf("%11.6f WRONG: ", (double)w.now_ns / 1e9);
		va_start(ap, format);
		vprintf(format, ap);
		va_end(ap);
		printf("\n");
		fflush(stdout);
	}
	_exit(1);
}

/* Stands in for lib/base's, so that a core's own check tells the seed too. */
void
check_failed(const char *file, int line, const char *condition)
{
	wrong("%s:%d: %s does not hold", file, line, condition);
}

/* ---- The campaign ---- */

static struct shared *shared;

static void
run_share(uint64_t first, uint64_t seeds, uint64_t job, uint64_t jobs)
{
	struct shared *s = &shared[job];

	cover = s->cover;
	for (uint64_t i = job; i < seeds; i += jobs) {
		s->seed = first + i;
		world_run(first + i);
		s->done++;
		if (hashing)
			printf("seed %llu lines %llu hash %016llx\n",
			    (unsigned long long)(first + i),
			    (unsigned long long)w.lines,
			    (unsigned long long)w.hash);
	}
}

/* Runs the failed seed once more, alone, to tell its history. */
static void
tell(const char *self, uint64_t seed)
{
	char text[24];
	pid_t pid;

	printf("not ok: %s -s %llu -t  (or -v for all of it)\n", self,
	    (unsigned long long)seed);
	fflush(stdout);
	snprintf(text, sizeof(text), "%llu", (unsigned long long)seed);
	pid = fork();
	if (pid == 0) {
		execl(self, self, "-s", text, "-t", (char *)NULL);
		_exit(127);
	}
	if (pid > 0)
		(void)waitpid(pid, NULL, 0);
}

static bool
report(uint64_t jobs, uint64_t seeds, double seconds)
{
	uint64_t sum[COVER_COUNT] = {0}, done = 0;
	bool all = true;

	for (uint64_t j = 0; j < jobs; j++) {
		done += shared[j].done;
		for (int i = 0; i < COVER_COUNT; i++)
			sum[i] += shared[j].cover[i];
	}
	for (int i = 0; i < COVER_COUNT; i++) {
		bool missed = sum[i] == 0 && seeds >= 20 * cover_every[i];

		printf("%12llu %s%s\n", (unsigned long long)sum[i],
		    cover_words[i], missed ? "  <- never met" : "");
		if (missed)
			printf("# not covered: %s\n", cover_names[i]);
		all &= !missed;
	}
	printf("%llu schedules in %.1f s, %.0f a second\n",
	    (unsigned long long)done, seconds, (double)done / seconds);
	return all;
}

static double
seconds_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
campaign(const char *self, uint64_t first, uint64_t seeds, uint64_t jobs)
{
	double began = seconds_now();
	pid_t pids[JOBS_MAX];
	bool failed = false;

	for (uint64_t j = 0; j < jobs; j++) {
		fflush(stdout);
		pids[j] = fork();
		CHECK(pids[j] >= 0);
		if (pids[j] == 0) {
			run_share(first, seeds, j, jobs);
			fflush(stdout);
			_exit(0);
		}
	}
	for (uint64_t n = 0; n < jobs; n++) {
		int status;
		pid_t pid = wait(&status);

		for (uint64_t j = 0; j < jobs; j++) {
			if (pids[j] != pid)
				continue;
			pids[j] = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
				continue;
			for (uint64_t k = 0; k < jobs; k++)
				if (pids[k] > 0)
					kill(pids[k], SIGTERM);
			if (failed ||
			    (WIFSIGNALED(status) &&
				WTERMSIG(status) == SIGTERM))
				continue;
			failed = true;
			if (WIFSIGNALED(status))
				printf("died of signal %d\n", WTERMSIG(status));
			tell(self, shared[j].seed);
		}
	}
	if (failed)
		return 1;
	return report(jobs, seeds, seconds_now() - began) ? 0 : 2;
}

static uint64_t
number(const char *text, uint64_t max)
{
	const char *error;
	long long value = strtonum(text, 0, (long long)max, &error);

	if (error != NULL) {
		fprintf(stderr, "sim: %s is %s\n", text, error);
		exit(64);
	}
	return (uint64_t)value;
}

int
main(int argc, char **argv)
{
	uint64_t first = 1, seeds = 1, jobs = 1;
	int option;

	while ((option = getopt(argc, argv, "n:s:j:tvH")) != -1) {
		switch (option) {
		case 'n':
			seeds = number(optarg, UINT32_MAX);
			break;
		case 's':
			first = number(optarg, INT64_MAX / 2);
			break;
		case 'j':
			jobs = number(optarg, JOBS_MAX);
			break;
		case 't':
			tracing = true;
			break;
		case 'v':
			tracing = printing = true;
			break;
		case 'H':
			hashing = true;
			break;
		default:
			fprintf(stderr,
			    "usage: sim [-n SEEDS] [-s FIRST] [-j PROCESSES] "
			    "[-t | -v] [-H]\n");
			return 64;
		}
	}
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 28);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	shared = mmap(NULL, sizeof(*shared) * (jobs + 1),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(shared != MAP_FAILED);
	if (seeds == 1) {
		run_share(first, 1, 0, 1);
		return 0;
	}
	return campaign(argv[0], first, seeds, jobs == 0 ? 1 : jobs);
}

/*
 * Private to lib/journal: SEQ.snapshot, the state after record SEQ as lines
 * (strife-journal(5)). The first says which journal and record, the last how
 * many lines came before and their chained check, as in the journal itself.
 */
#ifndef STRIFE_JOURNAL_SNAPSHOT_H
#define STRIFE_JOURNAL_SNAPSHOT_H

#include <stddef.h>

#include "journal/segment.h"

#define SNAPSHOT_NAME_MAX 32
#define SNAPSHOTS_KEPT 2
/* So many are looked at; there are more only where somebody put them. */
#define SNAPSHOTS_MAX 16

struct snapshot_head {
	struct id journal;
	char component[WORD_MAX_LEN + 1], name[NODE_MAX_LEN + 1];
	struct jpos at; /* of record at.seq */
	struct check check;
	int64_t time_us;
};

void snapshot_name(uint64_t seq, char into[SNAPSHOT_NAME_MAX]);
/* Which there are, the newest first; how many, or -1 with errno. */
int snapshot_list(int dir_fd, uint64_t seqs[SNAPSHOTS_MAX]);
/*
 * Removes those before the newest two up to seq: later ones are not of this
 * journal.
 */
void snapshot_prune(int dir_fd, uint64_t seq);

/*
 * Writes it, durably. lines: the core's, given to `line`. 0, or -1 with errno.
 */
int snapshot_write(int dir_fd, const struct snapshot_head *,
    bool (*lines)(const void *core, snapshot_line *line, void *ctx),
    const void *core);

/*
 * Reads all of it and checks it, and its first line. False: damaged, or cannot
 * be read; error says what, without the file's name.
 */
bool snapshot_check(int dir_fd, uint64_t seq, struct snapshot_head *,
    char *error, size_t error_size);
/*
 * Gives each line, the first and the last too, to restore. False: it refused
 * one, or the file is damaged after all.
 */
bool snapshot_give(int dir_fd, uint64_t seq,
    bool (*restore)(void *ctx, const struct msg *line), void *ctx);

#endif

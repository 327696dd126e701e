/* The texts of -h. */
#ifndef STRIFE_QUEUE_HELP_H
#define STRIFE_QUEUE_HELP_H

extern const char help_common[], help_add[], help_list[], help_flush[],
    help_watch[], help_hold[], help_release[], help_drop[], help_results[];

#endif

/* The texts of -h, one screen each; strife-pay(1) says more. */
#ifndef STRIFE_PAY_HELP_H
#define STRIFE_PAY_HELP_H

extern const char help_common[];
extern const char help_login[], help_logout[], help_accounts[], help_balance[],
    help_pay[], help_batch[], help_status[], help_cancel[], help_history[],
    help_menu[];

#endif

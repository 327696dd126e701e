#include "help.h"

const char help_common[] =
    "\n"
    "  -c, --config FILE   configuration (else $STRIFE_PAY_CONFIG,\n"
    "                      ~/.config/strife/pay.yaml, the system's)\n"
    "  --json              one JSON object a line\n"
    "  -v, --verbose       say more on standard error\n"
    "  -h, --help          this help; strife-queue COMMAND -h: a command's\n"
    "  -V, --version       the version\n"
    "\n"
    "Exit: 0 done, 1 declined for good or not in the queue, 64 usage, 73 the\n"
    "spool cannot be used, 75 some payments remain: run the same command\n"
    "again, 77 login, 78 configuration.\n";

const char help_add[] =
    "Puts a payment on disk, without asking anybody; flush sends it. Exits\n"
    "with 0 once it is there to stay. The same payment again is no error.\n"
    "\n"
    "  --from ACCOUNT   the payer, NAME@BANK\n"
    "  --to ACCOUNT     the payee\n"
    "  --memo TEXT      up to 140 octets for both statements\n"
    "  --id UUID        the payment's id (else a new one is made)\n"
    "  --key TEXT       an id made of you and TEXT, always the same\n"
    "  --no-hold        do not wait for a bank that is away: try again\n";

const char help_list[] =
    "Lists the payments that wait, oldest first, and those on hold.\n";

const char help_flush[] =
    "Sends each payment that is due, and says nothing where all goes well.\n"
    "Meant for cron. Exits with 0 when nothing is left to send, 75 when "
    "some\n"
    "remain or were put on hold just now, 1 when some were declined. What is\n"
    "on hold already does not count.\n"
    "\n"
    "  -i ID   only this one, due or not\n";

const char help_watch[] =
    "Sends each payment when it is due, until SIGTERM or SIGINT. Looks every\n"
    "queue.poll, and more often while no gateway can be reached.\n";

const char help_hold[] =
    "Keeps a payment back until it is released.\n"
    "\n"
    "  --key TEXT   the payment that was made with --key TEXT\n";

const char help_release[] =
    "Lets a payment that is on hold go again.\n"
    "\n"
    "  --key TEXT   the payment that was made with --key TEXT\n";

const char help_drop[] =
    "Gives a payment up for good. Where a gateway may have seen it that one "
    "is\n"
    "asked first; while it cannot be asked, the payment stays in the queue.\n"
    "\n"
    "  --key TEXT   the payment that was made with --key TEXT\n";

const char help_results[] =
    "Lists what became of payments that have left the queue, oldest first.\n"
    "They are kept until you say otherwise.\n"
    "\n"
    "  --forget DATE   removes those from before DATE: 2026-01-31 (UTC) or\n"
    "                  RFC 3339; lists nothing\n";

#include "help.h"

const char help_common[] =
    "\n"
    "  -c, --config FILE   configuration (else $STRIFE_PAY_CONFIG,\n"
    "                      ~/.config/strife/pay.yaml, the system's)\n"
    "  --json              one JSON object a line\n"
    "  -v, --verbose       say more on standard error\n"
    "  -h, --help          this help; strife-pay COMMAND -h: a command's\n"
    "  -V, --version       the version\n"
    "\n"
    "Exit: 0 committed or answered, 1 declined for good, 64 usage, 65 bad\n"
    "input, 69 no gateway reachable, 75 not finished: run the same command\n"
    "again, 76 protocol, 77 login, 78 configuration.\n";

const char help_login[] =
    "Logs in and keeps the token, in strife/token of the state directory;\n"
    "later commands use it until it expires. USER is the configured one,\n"
    "unless it is given; the password is asked for without echo.\n"
    "\n"
    "  --bank BANK        USER is a customer of BANK, not of the gateway\n"
    "  --password-fd N    read the password from this open file\n";

const char help_logout[] =
    "Has the gateway revoke the token for good, and removes it here.\n";

const char help_accounts[] = "Lists your accounts with their currencies.\n";

const char help_balance[] =
    "Shows accounts, or all of yours: posted, held, and what is available.\n";

const char help_pay[] =
    "Pays AMOUNT, in the currency's units (12.50), once or not at all. The id\n"
    "is shown before anything is sent; the same id never pays twice.\n"
    "\n"
    "  --from ACCOUNT   the payer, NAME@BANK\n"
    "  --to ACCOUNT     the payee\n"
    "  --memo TEXT      up to 140 octets for both statements\n"
    "  --id UUID        the payment's id (else a new one is made)\n"
    "  --key TEXT       an id made of you and TEXT, always the same\n"
    "  --no-hold        where a bank is away, do not let the gateway hold "
    "it;\n"
    "                   it is queued here and tried again, unless --no-queue\n"
    "                   is given too\n"
    "  --no-queue       do not spool it: exit 69 when no gateway is "
    "reachable\n"
    "  --wait[=S]       until it has ended, or S seconds are over\n"
    "\n"
    "  strife-pay pay --from alice@BankA --to landlord@BankB \\\n"
    "      --key rent-$(date +%Y-%m) 9500.00 CZK\n";

const char help_batch[] =
    "Pays each row of a file of tab-separated columns:\n"
    "  id from to amount currency memo\n"
    "The id is a UUID or key:TEXT. All rows are checked before the first is\n"
    "sent; they come out in the same order with state, reason and seq. The\n"
    "same file may be run again at any time: nothing is paid twice.\n"
    "\n"
    "  --assign OUT      give rows without an id one, write all to OUT, and\n"
    "                    pay from there\n"
    "  --window N        how many payments may be unanswered\n"
    "  --stop-at-first   send no more after the first that is not committed\n"
    "  --any-order       a payer's rows need not wait for those before them\n";

const char help_status[] =
    "Shows what became of your payments.\n"
    "\n"
    "  --key TEXT        the payment that was made with --key TEXT\n"
    "  --wait[=SECONDS]  until each has ended, or SECONDS are over; then the\n"
    "                    exit code is the payment's\n";

const char help_cancel[] =
    "Gives a payment up for good, unless it is committed: its id can then\n"
    "never pay.\n"
    "\n"
    "  --key TEXT   the payment that was made with --key TEXT\n";

const char help_history[] =
    "Lists an account's entries, newest first. Without ACCOUNT: your only "
    "one.\n"
    "\n"
    "  -n N           at most N entries (50)\n"
    "  --since DATE   at or after DATE: 2026-01-31 (UTC) or RFC 3339\n"
    "  --until DATE   at or before DATE; of a day, until its end\n";

const char help_menu[] =
    "Asks what to do: log in, balance, pay, retry pending, history, log out,\n"
    "quit. Pending payments are delivered meanwhile. Ctrl-C gives up an\n"
    "entry; at the main prompt it leaves.\n"
    "\n"
    "  --plain   leave the editing of lines to the terminal, or to rlwrap\n";

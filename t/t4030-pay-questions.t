#!/usr/bin/python3
"""strife-pay accounts, balance, status, cancel and history."""
import json
import os
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import PAY, Place, done, is_, ok  # noqa: E402

ID = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0001"
DAY = "2026-01-31T12:00:00.000000Z"
p = Place()


def given(rules):
    gateway = p.gateway(rules)
    p.config(gateway)
    return gateway


# ---- accounts and balance ----
ACCOUNTS = ("ACCOUNTS => ROW account=alice@BankA currency=CZK | "
            "ROW account=a.smith@BankB currency= | OK\n")
BALANCES = (
    "BALANCE account=alice@BankA => OK account=alice@BankA currency=CZK "
    "posted=123456 held=50 available=123406 seq=9\n"
    "BALANCE account=yen@BankA => OK account=yen@BankA currency=JPY "
    "posted=-5 held=0 available=0 seq=10\n"
    "BALANCE account=a.smith@BankB => ERR code=BANK_UNAVAILABLE "
    "retry=same-id text=away\n"
    "BALANCE => ERR code=FORBIDDEN retry=never text=no\n")
gateway = given(ACCOUNTS + BALANCES)
r = p.pay("accounts")
is_((r.returncode, r.stdout), (0, "alice@BankA\tCZK\na.smith@BankB\t\n"),
    "accounts: a row each, tab-separated in a pipe")
r = p.pay("accounts", "--json")
is_(r.stdout, '{"account":"alice@BankA","currency":"CZK"}\n'
    '{"account":"a.smith@BankB"}\n', "accounts --json: what is not known is "
    "left out")
r = p.pay("balance", "alice@BankA", "yen@BankA")
is_((r.returncode, r.stdout),
    (0, "alice@BankA\tCZK\t1234.56\t0.50\t1234.06\t9\n"
        "yen@BankA\tJPY\t-5\t0\t0\t10\n"), "balance: in the currencies' units")
r = p.pay("--json", "balance", "alice@BankA")
is_(json.loads(r.stdout), {
    "account": "alice@BankA", "currency": "CZK", "posted": "1234.56",
    "held": "0.50", "available": "1234.06", "seq": 9}, "balance --json")
r = p.pay("balance")
is_((r.returncode, r.stdout), (75, "alice@BankA\tCZK\t1234.56\t0.50\t1234.06"
                                   "\t9\n"),
    "balance of all: those that are known; one away: exit 75")
ok("a.smith@BankB: BANK_UNAVAILABLE" in r.stderr, "and which is not",
   r.stderr)
r = p.pay("balance", "bob@BankB")
is_((r.returncode, r.stdout), (1, ""), "balance of another's: exit 1")
ok("nearest" not in r.stderr, "none of theirs is near", r.stderr)
r = p.pay("balance", "alcie@BankA")
ok("the nearest of your accounts is alice@BankA" in r.stderr,
   "balance of an account misspelt: the nearest is named", r.stderr)
code, shown, _ = p.terminal("balance", "alice@BankA", "yen@BankA")
is_(shown, "account      currency   posted  held  available  seq\n"
    "alice@BankA  CZK       1234.56  0.50    1234.06    9\n"
    "yen@BankA    JPY            -5     0          0   10\n",
    "balance on a terminal: aligned, with a heading, numbers to the right")
given("ACCOUNTS x1 => ROW account=alice@BankA currency=CZK | close\n" +
      ACCOUNTS)
r = p.pay("accounts")
is_((r.returncode, len(r.stdout.splitlines())), (0, 2),
    "accounts: broken off half-way, then whole: no row twice")

# ---- status ----
gateway = given(
    "STATUS id=%s => OK id={id} state=committed from=alice@BankA "
    "to=bob@BankB amount=1250 currency=CZK time={time} seq=7 attempts=1 "
    "pending=BankB\n"
    "STATUS id=0190aaaa-bbbb-4ccc-8ddd-eeeeffff0002 => OK id={id} "
    "state=aborted time={time} reason=CANCELLED\n"
    "STATUS => ERR code=NOT_FOUND retry=never text=unknown" % ID)
r = p.pay("status", ID)
is_((r.returncode, r.stdout),
    (0, "%s\tcommitted\talice@BankA\tbob@BankB\t12.50\tCZK\t%s\t7\t\t1\t"
        "BankB\n" % (ID, DAY)), "status: exit 0 and a row")
r = p.pay("status", ID.upper())
is_(r.returncode, 0, "status: an id in capitals")
r = p.pay("status", ID[:-1] + "2", "--json")
is_((r.returncode, json.loads(r.stdout)),
    (0, {"id": ID[:-1] + "2", "state": "aborted", "time": DAY,
         "reason": "CANCELLED"}), "status: the answer may be that it failed")
r = p.pay("status", "--key", "none")
is_(r.returncode, 1, "status of an unknown one: exit 1")
ok("NOT_FOUND" in r.stderr, "and says so", r.stderr)
r = p.pay("pay", "--key", "a key", "--from", "alice@BankA", "--to",
          "bob@BankB", "1", "CZK")
keyed = r.stdout.split("\t")[0]
p.pay("status", "--key", "a key")
is_(gateway.lines("STATUS")[-1], "STATUS id=" + keyed,
    "status --key asks for what pay --key paid")
code, shown, _ = p.terminal("status", ID)
ok("\033[32mcommitted\033[0m" in shown, "a terminal: states have colours",
   repr(shown))
ok("reason" not in shown, "columns that are empty are not shown", shown)
for name, value in (("NO_COLOR", "1"), ("TERM", "dumb")):
    env = dict(p.environment(), **{name: value})
    code, shown, _ = p.terminal("status", ID, env=env)
    ok("committed" in shown and "\033" not in shown,
       "%s=%s: no colours" % (name, value), repr(shown))

# ---- cancel ----
gateway = given(
    "CANCEL id=%s => OK id={id} state=aborted reason=CANCELLED\n"
    "CANCEL id=0190aaaa-bbbb-4ccc-8ddd-eeeeffff0002 => ERR "
    "code=ALREADY_EXISTS retry=never text=done state=committed seq=7 "
    "time={time}\n"
    "CANCEL id=0190aaaa-bbbb-4ccc-8ddd-eeeeffff0003 x1 => ERR "
    "code=IN_PROGRESS retry=same-id text=wait state=preparing\n"
    "CANCEL id=0190aaaa-bbbb-4ccc-8ddd-eeeeffff0003 => OK id={id} "
    "state=aborted reason=CANCELLED\n"
    "CANCEL => ERR code=IN_PROGRESS retry=same-id text=wait "
    "state=preparing\n" % ID)
r = p.pay("cancel", ID)
is_((r.returncode, r.stdout), (0, ID + "\taborted\tCANCELLED\n"),
    "cancel: exit 0, aborted")
r = p.pay("cancel", ID[:-1] + "2")
is_((r.returncode, r.stdout.split("\t")[1]), (1, "committed"),
    "cancel of a committed one: exit 1, committed")
r = p.pay("cancel", ID[:-1] + "3")
is_((r.returncode, len(gateway.lines("CANCEL"))), (0, 4),
    "cancel of one being decided: asked again")
r = p.pay("cancel", "--key", "x")
is_((r.returncode, r.stdout.split("\t")[1]), (75, "preparing"),
    "cancel of one that is being decided for long: exit 75")

# ---- history ----
ROW = ("ROW seq=%d time={time} id=%s kind=payment amount=%d currency=CZK "
       "balance=%d peer=bob@BankB memo=%s")
rows = " | ".join(ROW % (1000 - i, ID, -100, 5000 - i, "a%20%22b%22\\")
                  for i in range(500))
gateway = given(
    "HISTORY before=c1 => " + ROW % (3, "", 7, 8, "") +
    " | OK\nHISTORY limit=500 => " + rows +
    " | OK next=c1\nHISTORY account=bad@BankA => " + (ROW + " | ") %
    (1, ID, 1, 1, "") + (ROW + " | OK") % (2, ID, 1, 1, "") +
    "\nHISTORY => OK\n"
    "ACCOUNTS x1 => ROW account=only@BankA currency=CZK | OK\n" + ACCOUNTS)
r = p.pay("history", "alice@BankA", "-n", "600")
lines = r.stdout.splitlines()
is_((r.returncode, len(lines)), (0, 501), "history: all pages")
is_(lines[0], "%s\t1000\t%s\tpayment\t-1.00\tCZK\t50.00\tbob@BankB\t"
    'a "b"\\' % (DAY, ID), "history: a row")
is_(lines[500], "%s\t3\t\tpayment\t0.07\tCZK\t0.08\tbob@BankB\t" % DAY,
    "history: an entry without id and memo")
is_(gateway.lines("HISTORY"),
    ["HISTORY account=alice@BankA limit=500",
     "HISTORY account=alice@BankA limit=100 before=c1"],
    "history: what is left is asked for from where the page ended")
r = p.pay("history", "-n", "500", "alice@BankA", "--json")
is_(json.loads(r.stdout.splitlines()[0])["memo"], 'a "b"\\',
    "history --json: strings are escaped")
r = p.pay("history")
is_(gateway.lines("HISTORY")[-1], "HISTORY account=only@BankA limit=50",
    "history: the only account, 50 entries")
r = p.pay("history")
is_(r.returncode, 64, "history: of which of two accounts?")
ok("alice@BankA" in r.stderr and "a.smith@BankB" in r.stderr,
   "they are named", r.stderr)
for since, sent in (("2026-01-31", "2026-01-31T00:00:00.000000Z"),
                    ("2026-01-31T12:00:00Z", DAY),
                    ("2026-01-31T13:00:00.25+01:00",
                     "2026-01-31T12:00:00.250000Z"),
                    ("2026-01-31t07:00:00-05:00", DAY)):
    p.pay("history", "alice@BankA", "--since", since)
    is_(gateway.lines("HISTORY")[-1],
        "HISTORY account=alice@BankA limit=50 since=" + sent,
        "history --since " + since)
p.pay("history", "alice@BankA", "--since", "2026-01-30", "--until",
      "2026-01-31")
is_(gateway.lines("HISTORY")[-1],
    "HISTORY account=alice@BankA limit=50 since=2026-01-30T00:00:00.000000Z "
    "until=2026-01-31T23:59:59.999999Z",
    "history --until, a day with its end: the bank leaves the rest out")
for since in ("2026-1-31", "2026-01-31T12:00", "2026-01-31T12:00:00",
              "2026-01-31T12:00:00.Z", "2026-01-31T25:00:00Z",
              "2026-01-31T12:00:00Zx", "1969-12-31", "x"):
    is_(p.pay("history", "alice@BankA", "--since", since).returncode, 64,
        "history --since %s is refused" % since)
# Eight pages of 500, each entry with the balance after it.
pages = "\n".join(
    "HISTORY %s=> %s | OK%s" % (
        "before=p%d " % page if page else "",
        " | ".join("ROW seq=%d time={time} id= kind=deposit amount=1 "
                   "currency=CZK balance=%d peer= memo=" % (4000 - i, 4000 - i)
                   for i in range(500 * page, 500 * page + 500)),
        " next=p%d" % (page + 1) if page < 7 else "")
    for page in sorted(range(8), reverse=True))
gateway = given(pages)
r = p.pay("history", "a@BankA", "--until", "2026-01-29", "--since",
          "2026-01-28", "-n", "5000", "--json")
is_((r.returncode, [json.loads(line)["balance"]
                    for line in r.stdout.splitlines()]),
    (0, ["%d.%02d" % divmod(4000 - i, 100) for i in range(4000)]),
    "history: page after page, each entry with the balance after it")
is_((len(gateway.lines("HISTORY")), gateway.lines("HISTORY")[7]),
    (8, "HISTORY account=a@BankA limit=500 before=p7 "
        "since=2026-01-28T00:00:00.000000Z "
        "until=2026-01-29T23:59:59.999999Z"),
    "history --since --until: of a day its beginning, and its end")
is_(p.pay("history", "a@BankA", "--until", "x").returncode, 64,
    "history --until x is refused")
r = subprocess.run("strife-pay history a@BankA -n 4000 --json | jq -s "
                   "'map(.amount|tonumber)|add*100|round'", shell=True,
                   env=dict(p.environment(), PATH=os.path.dirname(PAY) + ":" +
                            os.environ["PATH"]), cwd=p.dir, text=True,
                   capture_output=True)
if shutil.which("jq"):
    is_(r.stdout, "4000\n", "history --json | jq")
gateway = given("HISTORY => ERR code=FORBIDDEN retry=never text=no\n" +
                ACCOUNTS)
r = p.pay("history", "alice@BnakA")
ok(r.returncode == 1 and "is alice@BankA" in r.stderr,
   "history of an account misspelt: the nearest is named", r.stderr)
gateway = given("PAY => ERR code=FORBIDDEN retry=never text=no\n" + ACCOUNTS)
r = p.pay("pay", "--from", "alice@BankB", "--to", "bob@BankB", "1", "CZK")
ok(r.returncode == 1 and "is alice@BankA" in r.stderr,
   "pay from an account misspelt: the nearest is named", r.stderr)

gateway = given("HISTORY => " + (ROW + " | ") %
                (1, ID, 1, 1, "") + (ROW + " | OK") % (2, ID, 1, 1, ""))
r = p.pay("history", "bad@BankA", "-n", "1")
is_(r.returncode, 76, "history: more entries than asked for: exit 76")
given("HISTORY => OK")
r = p.pay("history", "alice@BankA", "-n", "7")
is_((r.returncode, r.stdout), (0, ""), "history: none")
done()

#!/usr/bin/python3
"""strife-pay pay --wait and status --wait: to the end, or as long as told."""
import os
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import Place, done, is_, ok, unused_address  # noqa: E402

PAYMENT = ("--from", "alice@BankA", "--to", "bob@BankB", "12.50", "CZK")
ID = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0001"
ID2 = ID[:-1] + "2"
HELD = "OK id={id} state=held seq=3 time={time} reason=BANK_UNAVAILABLE"
COMMITTED = "OK id={id} state=committed seq=9 time={time}"
p = Place()


def given(rules, **keys):
    gateway = p.gateway(rules)
    p.config(gateway, **keys)
    return gateway


# ---- pay --wait ----
gateway = given("PAY => " + HELD + "\nSTATUS x2 => " + HELD +
                "\nSTATUS => " + COMMITTED)
r = p.pay("pay", "--wait", "--id", ID, *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[:2]), (0, [ID, "committed"]),
    "held, then committed: exit 0, one row")
is_(len(r.stdout.splitlines()), 1, "the end only is printed")
is_(gateway.verbs()[2:], ["PAY", "STATUS", "STATUS", "STATUS"],
    "it is sent once, then asked for")
given("PAY => " + HELD + "\nSTATUS => OK id={id} state=aborted time={time} "
      "reason=HOLD_EXPIRED")
r = p.pay("pay", "--wait=60", "--id", ID, *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[1:3]),
    (1, ["aborted", "HOLD_EXPIRED"]), "held, then declined: exit 1")
gateway = given("PAY x1 => " + HELD + "\nSTATUS => ERR code=NOT_FOUND "
                "retry=never text=no\nPAY => " + COMMITTED)
r = p.pay("pay", "--wait", "--id", ID, *PAYMENT)
is_((r.returncode, gateway.verbs()[2:]), (0, ["PAY", "STATUS", "PAY"]),
    "the gateway has forgotten it: the same payment again")
is_(len(set(gateway.lines("PAY"))), 1, "under the same id")
gateway = given("PAY x1 => ERR code=BANK_TIMEOUT retry=same-id text=no "
                "state=aborted\nPAY => " + COMMITTED)
r = p.pay("pay", "--wait", "--id", ID, *PAYMENT)
is_((r.returncode, gateway.verbs()[2:]), (0, ["PAY", "PAY"]),
    "failed for a passing reason: the same payment again")
gateway = given("PAY => ERR code=BANK_UNAVAILABLE retry=same-id text=no "
                "state=aborted")
r = p.pay("pay", "--wait", "--no-hold", "--id", ID, *PAYMENT)
is_((r.returncode, len(gateway.lines("PAY"))), (75, 1),
    "--no-hold: a bank that is away is not waited for")
gateway = given("PAY => " + HELD + "\nSTATUS => " + HELD)
r = p.pay("pay", "--wait=1", "--id", ID, *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[:2]), (75, [ID, "held"]),
    "the time is over: exit 75, what was last heard")
ok("run again: strife-pay" in r.stderr, "how to go on", r.stderr)
gateway = given("PAY => nothing")
r = p.pay("pay", "--wait=1", "--id", ID, *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[:2]), (75, [ID, "unknown"]),
    "the time is over without an answer: exit 75, unknown")
first = p.gateway("PAY x1 => close\nPAY => " + COMMITTED)
p.config(first, retries="0")
r = p.pay("pay", "--wait", "--id", ID, *PAYMENT)
is_((r.returncode, len(first.lines("PAY"))), (0, 2),
    "the connection breaks, no retries: --wait goes on")
given("LOGIN => ERR code=BAD_CREDENTIALS retry=login text=no")
is_(p.pay("pay", "--wait", *PAYMENT).returncode, 77,
    "what does not pass is not waited for")
for seconds in ("0", "x", "-1", "9999999"):
    is_(p.pay("pay", "--wait=" + seconds, *PAYMENT).returncode, 64,
        "--wait=%s: exit 64" % seconds)

p.config(unused_address(), retries="0")
for words, code in ((("--no-queue",), 69), ((), 75)):
    r = p.pay("pay", "--wait=1", *words, *PAYMENT)
    is_((r.returncode, r.stdout), (code, ""),
        "no gateway until the time is over %s: exit %d" % (words, code))
    ok("was not sent" in r.stderr, "it says that it was never sent", r.stderr)

# ---- status --wait, and several ids ----
gateway = given("STATUS id=%s x2 => %s\nSTATUS id=%s => %s\n"
                "STATUS => OK id={id} state=aborted time={time} "
                "reason=INSUFFICIENT_FUNDS" % (ID, HELD, ID, COMMITTED))
r = p.pay("status", "--wait", ID)
is_((r.returncode, r.stdout.split("\t")[:2], len(gateway.lines("STATUS"))),
    (0, [ID, "committed"], 3), "status --wait: to the end")
r = p.pay("status", ID, ID2)
is_((r.returncode, [line.split("\t")[:2] for line in r.stdout.splitlines()]),
    (0, [[ID, "committed"], [ID2, "aborted"]]),
    "status of several: a row each, in their order")
r = p.pay("status", "--wait", ID, ID2)
is_((r.returncode, len(r.stdout.splitlines())), (1, 2),
    "status --wait: one was declined: exit 1")
gateway = given("STATUS id=%s => ERR code=NOT_FOUND retry=never text=no\n"
                "STATUS => %s" % (ID, HELD))
r = p.pay("status", ID, ID2)
is_((r.returncode, r.stdout.split("\t")[0]), (1, ID2),
    "one is not known: exit 1, the others are shown")
r = p.pay("status", "--wait=1", ID2)
is_((r.returncode, r.stdout.split("\t")[:2]), (75, [ID2, "held"]),
    "status --wait=1: exit 75, the last state")
is_(p.pay("status", ID, "x").returncode, 64, "one id that is none: exit 64")
is_(p.pay("status", "--key", "a", ID).returncode, 64, "a key and an id")
is_(p.pay("cancel", ID, ID2).returncode, 64, "cancel of two")

# ---- Ctrl-C ----
gateway = given("PAY => " + HELD + "\nSTATUS => " + HELD)
for words in (("pay", "--wait", "--id", ID) + PAYMENT,
              ("status", "--wait", ID)):
    asked = len(gateway.lines("STATUS"))
    process = p.start(*words)
    while len(gateway.lines("STATUS")) == asked:
        if process.poll() is not None:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    is_(process.returncode, -signal.SIGINT, words[0] + ": Ctrl-C ends it")
    ok("strife-pay status --wait " + ID in err, "it says how to go on", err)
done()

#!/usr/bin/python3
"""strife-queue: what each command does to the spool, and what strife-pay pay
leaves in it."""
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import PAY, QUEUE, Place, done, is_, ok, unused_address  # noqa: E402

ACCOUNTS = ("--from", "alice@BankA", "--to", "bob@BankB")
PAYMENT = ACCOUNTS + ("12.50", "CZK")
ID = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff000"
FINAL = "ERR code=%s retry=new-id text=because%%20so id={id} state=aborted"
NEVER = "ERR code=%s retry=never text=because%%20so id={id}"
p = Place()


def spool():
    """{place: [file names]} of what is in the spool, tmp included."""
    top = p.path("spool-%d" % p.spools)
    return {name: sorted(os.listdir(os.path.join(top, name)))
            for name in ("tmp", "new", "hold", "done", "failed")}


def places():
    """{N of an id ID + N, any other id whole: its place, or "twice"}."""
    found = {}
    for place, names in spool().items():
        for name in names:
            key = name[len(ID):] if name.startswith(ID) else name
            found[key] = "twice" if key in found else place
    return found


def add(n, *words):
    return p.queue("add", "--id", ID + str(n), *(words or PAYMENT))


# ---- add and list ----
p.config(unused_address(), retries="0")
r = add(1)
is_((r.returncode, r.stdout, r.stderr), (0, ID + "1\tnew\n", ""), "add")
is_(spool()["new"], [ID + "1"], "one file, named by its id")
line = p.read("spool-%d/new/%s1" % (p.spools, ID))
ok(re.fullmatch("1 PAY id=%s1 user=alice from=alice@BankA to=bob@BankB "
                r"amount=1250 currency=CZK added=\S+ attempts=0\n" % ID, line),
   "one line", line)
is_(add(1).returncode, 0, "again: no error")
is_(len(spool()["new"]), 1, "and no second payment")
is_(add(1, *ACCOUNTS, "13", "CZK").returncode, 1,
    "another payment under its id: exit 1")
r = p.queue("add", "--key", "rent", "--memo", "for číslo 5", "--no-hold",
            *PAYMENT)
is_((r.returncode, r.stdout[14]), (0, "5"), "add --key")
r = p.queue("--json", "add", *PAYMENT)
is_(json.loads(r.stdout)["id"][14], "8", "add makes an id")
r = p.queue("list")
rows = [row.split("\t") for row in r.stdout.splitlines()]
is_((r.returncode, len(rows), {len(row) for row in rows}), (0, 3, {15}),
    "list: a row each, of the same columns")
is_(rows[0][:12], [ID + "1", "new", "", "", "alice@BankA", "bob@BankB",
                   "12.50", "CZK", "", "alice", "", "0"], "a row")
is_(rows[1][8], "for číslo 5", "the memo")
rows = [json.loads(row) for row in
        p.queue("list", "--json").stdout.splitlines()]
is_([row["amount"] for row in rows], ["12.50"] * 3, "list --json")
code, shown, _ = p.terminal("list", program=QUEUE)
ok(code == 0 and re.match("id +place +from +to +amount +currency", shown),
   "list on a terminal: aligned, with a heading", shown)
for words in (("add",) + PAYMENT[:5], ("add", "--id", "x") + PAYMENT,
              ("add",) + ACCOUNTS + ("1.999", "CZK"), ("list", "x"), (),
              ("flsh",), ("add", "--too", "x") + PAYMENT, ("hold",),
              ("drop", ID + "1", ID + "2"), ("flush", "-i", "x"),
              ("results", "--forget", "x")):
    r = p.queue(*words)
    is_(r.returncode, 64, "%s: exit 64" % (" ".join(words) or "no command"))
ok("list" in p.queue("lst").stderr, "the nearest command is told")
ok("--to" in add(1, "--too", "x").stderr, "and the nearest option")

# ---- hold and release ----
is_(p.queue("hold", ID + "1").returncode, 0, "hold")
is_(places()["1"], "hold", "it is in hold")
is_(p.queue("hold", ID + "1").returncode, 0, "again: no error")
is_(p.queue("hold", "--key", "rent").returncode, 0, "hold --key")
is_(p.queue("hold", ID + "9").returncode, 1, "one that is not there: exit 1")
r = p.pay("pay", "--id", ID + "1", *PAYMENT)
is_(r.returncode, 75, "strife-pay does not send what is on hold: exit 75")
ok("on hold" in r.stderr, "it says so", r.stderr)
is_(p.queue("release", ID + "1").returncode, 0, "release")
is_(places()["1"], "new", "it is in new")
is_(p.queue("release", ID + "1").returncode, 0, "again: no error")
is_(p.queue("release", ID + "9").returncode, 1, "one that is not there: exit 1")

# ---- drop of what was never sent ----
is_(p.queue("drop", ID + "1").returncode, 0, "drop, no gateway needed")
is_(places()["1"], "failed", "it is in failed")
is_(p.queue("drop", ID + "1").returncode, 0, "again: no error")
is_(p.queue("drop", "--key", "rent").returncode, 0, "drop of one on hold")
is_(p.queue("drop", ID + "9").returncode, 1, "one that is not there: exit 1")
r = p.queue("results")
is_([row.split("\t")[:3] for row in r.stdout.splitlines()][0],
    [ID + "1", "aborted", "CANCELLED"], "results shows it")
r = p.pay("pay", "--id", ID + "1", *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[1:3]), (1, ["aborted", "CANCELLED"]),
    "strife-pay under that id: it was cancelled, exit 1")
is_(p.queue("release", ID + "1").returncode, 1, "it cannot be released")
is_(add(1).returncode, 1, "nor added again")
is_(p.queue("results", "--forget", "2026-01-01").returncode, 0, "forget")
is_(len(p.queue("results").stdout.splitlines()), 2, "not what is newer")
is_(p.queue("results", "--forget", "2999-01-01").returncode, 0, "forget all")
is_((p.queue("results").stdout, spool()["failed"]), ("", []), "all")

# ---- flush, by the answers ----
gateway = p.gateway(
    "PAY id=%s2 => %s\nPAY id=%s3 => %s\nPAY id=%s4 => %s\n"
    "PAY id=%s5 => OK id={id} state=held seq=3 time={time} "
    "reason=BANK_UNAVAILABLE bank=BankB\n"
    "PAY id=%s6 => ERR code=BANK_TIMEOUT retry=same-id text=late id={id} "
    "state=aborted\n"
    "PAY id=%s7 => ERR code=ALREADY_EXISTS retry=never text=x id={id} "
    "state=committed seq=7 time={time}\n"
    "PAY id=%s8 => ERR code=SAME_ACCOUNT retry=new-id text=x id={id}\n"
    "PAY id=%s9 => ERR code=NEWER retry=never text=newer id={id}" % (
        ID, FINAL % "INSUFFICIENT_FUNDS", ID, NEVER % "NO_SUCH_BANK", ID,
        NEVER % "ID_REUSED", ID, ID, ID, ID, ID))
p.config(gateway, queue="{min_delay: 1h, max_delay: 2h}")
for n in range(1, 10):
    add(n, "--from", "a%d@BankA" % n, "--to", "bob@BankB", "1", "CZK")
r = p.queue("flush")
is_(r.returncode, 75, "flush, all kinds of answers: exit 75, some remain")
is_(places(), {"1": "done", "2": "failed", "3": "hold", "4": "hold",
               "5": "new", "6": "new", "7": "done", "8": "hold", "9": "hold"},
    "each goes where its answer says")
is_(gateway.verbs().count("LOGIN"), 1, "through one session")
is_(r.stdout, "", "flush prints nothing")
ok("%s2: declined: INSUFFICIENT_FUNDS: because so" % ID in r.stderr and
   "%s3: refused, now on hold: NO_SUCH_BANK" % ID in r.stderr,
   "but says what was declined or refused", r.stderr)
ok(ID + "1" not in r.stderr and ID + "5" not in r.stderr,
   "and nothing of the others")
rows = {row.split("\t")[0][-1]: row.split("\t") for row in
        p.queue("list").stdout.splitlines()}
is_(rows["5"][2:4] + rows["5"][10:12],
    ["held", "BANK_UNAVAILABLE", gateway.address, "1"],
    "list shows the last answer, the gateway, the attempts")
is_(rows["9"][2:4] + rows["9"][14:], ["refused", "", "newer"],
    "also a code of a later version")
rows = {row.split("\t")[0][-1]: row.split("\t") for row in
        p.queue("results").stdout.splitlines()}
is_(rows["2"][1:3] + rows["2"][12:],
    ["aborted", "INSUFFICIENT_FUNDS", "because so"], "results: the reason")
is_(rows["7"][1:5], ["committed", "", "7", "2026-01-31T12:00:00.000000Z"],
    "results: seq and time")
count = len(gateway.lines("PAY"))
r = p.queue("flush")
is_((r.returncode, r.stderr, len(gateway.lines("PAY"))), (75, "", count),
    "flush again: none is due, nothing is said, exit 75")
r = p.queue("flush", "-i", ID + "6")
is_((r.returncode, len(gateway.lines("PAY"))), (75, count + 1),
    "flush -i: due or not")
for n, code, what in ((1, 0, "done"), (2, 1, "failed"), (3, 75, "on hold")):
    is_(p.queue("flush", "-i", ID + str(n)).returncode, code,
        "flush -i of one that is %s: exit %d" % (what, code))
is_(p.queue("flush", "-i", ID + "0").returncode, 1, "of none: exit 1")
r = p.pay("pay", "--id", ID + "7", "--from", "a7@BankA", "--to", "bob@BankB",
          "1", "CZK")
is_((r.returncode, r.stdout.split("\t")[1]), (0, "committed"),
    "strife-pay of what the queue has delivered: exit 0")
r = p.pay("pay", "--id", ID + "2", "--from", "a2@BankA", "--to", "bob@BankB",
          "1", "CZK")
is_((r.returncode, r.stdout.split("\t")[1:3]),
    (1, ["aborted", "INSUFFICIENT_FUNDS"]), "of what was declined: exit 1")
is_(len(gateway.lines("PAY")), count + 1, "nothing is sent for it")
p.config(p.gateway("PAY => " + FINAL % "ACCOUNT_CLOSED"))
add(1)
is_(p.queue("flush").returncode, 1, "all were declined: exit 1")
is_(p.queue("flush").returncode, 0, "and later: exit 0, none is left")
p.config(p.gateway())
add(1)
r = p.queue("flush")
is_((r.returncode, r.stdout + r.stderr), (0, ""),
    "all were delivered: exit 0, not a word")

# ---- drop of what was sent ----
HELD = ("OK id={id} state=held seq=3 time={time} reason=BANK_UNAVAILABLE")
for answer, code, place in (
        ("OK id={id} state=aborted reason=CANCELLED", 0, "failed"),
        ("ERR code=ALREADY_EXISTS retry=never text=x id={id} state=committed "
         "seq=5 time={time}", 1, "done"),
        ("ERR code=ALREADY_EXISTS retry=never text=x id={id} state=aborted "
         "reason=HOLD_EXPIRED", 0, "failed"),
        ("ERR code=NOT_FOUND retry=never text=x", 0, "failed"),
        ("ERR code=IN_PROGRESS retry=same-id text=x id={id} state=held", 75,
         "new"),
        ("ERR code=FORBIDDEN retry=never text=x", 1, "new"),
        ("close", 75, "new")):
    gateway = p.gateway("PAY => %s\nCANCEL => %s" % (HELD, answer))
    p.config(unused_address(), gateway, retries="1")
    add(1)
    p.queue("flush")
    r = p.queue("drop", ID + "1")
    words = answer.split(" ")[:2] + re.findall("state=[a-z]+", answer)
    is_((r.returncode, places()), (code, {"1": place}),
        "drop, answered %s: exit %d, %s" % (" ".join(words), code, place))
    is_(gateway.lines("CANCEL")[0], "CANCEL id=%s1" % ID, "it was asked")
gateway.close()
is_((p.queue("drop", ID + "1").returncode, places()), (75, {"1": "new"}),
    "drop, the gateway is away: exit 75, it stays")
first, second = p.gateway("PAY => " + HELD), p.gateway()
p.config(first)
add(1)
p.queue("flush")
text = p.read("pay.yaml").replace(first.address, second.address)
p.write("pay.yaml", text)
first.close()
is_(p.queue("drop", ID + "1").returncode, 75,
    "drop asks the gateway that has seen it")
is_(second.requests, [], "and no other one")
p.config(p.gateway("PAY => " + HELD))
add(1)
p.queue("flush")
p.write("pay.yaml", p.read("pay.yaml").replace("user: alice", "user: eve"))
r = p.queue("drop", ID + "1")
is_((r.returncode, places(), p.gateways[-1].lines("CANCEL")),
    (77, {"1": "new"}, []), "drop by another user: exit 77, not asked")

# ---- strife-pay pay ----
p.config(unused_address(), retries="0")
r = p.pay("pay", "--id", ID + "1", *PAYMENT)
is_((r.returncode, r.stdout, places()), (75, "", {"1": "new"}),
    "strife-pay, no gateway: exit 75, it is queued")
ok("strife-queue flush" in r.stderr and ID in r.stderr,
   "it says what delivers it, and the id", r.stderr)
is_(p.pay("pay", "--id", ID + "1", *PAYMENT).returncode, 75, "again: the same")
is_(p.pay("pay", "--id", ID + "1", *ACCOUNTS, "13", "CZK").returncode, 1,
    "another payment under its id: exit 1")
gateway = p.gateway()
p.write("pay.yaml", re.sub("gateways: .*", 'gateways: ["%s"]' %
                           gateway.address, p.read("pay.yaml")))
r = p.pay("pay", "--id", ID + "1", *PAYMENT)
is_((r.returncode, places()), (0, {}), "it is delivered: the queue is empty")
r = p.pay("pay", "--no-queue", "--id", ID + "2", *PAYMENT)
is_((r.returncode, places()), (0, {}), "--no-queue")
for answer, code, place in (
        (FINAL % "INSUFFICIENT_FUNDS", 1, {}), (NEVER % "FORBIDDEN", 1, {}),
        (HELD, 75, {"1": "new"}), ("close", 75, {"1": "new"}),
        ("raw nonsense", 76, {"1": "new"})):
    p.config(p.gateway("PAY => " + answer), retries="0")
    r = p.pay("pay", "--id", ID + "1", *PAYMENT)
    is_((r.returncode, places()), (code, place),
        "strife-pay, answered %s: exit %d, %s" % (
            " ".join(answer.split(" ")[:2]), code,
            "queued" if place else "not queued"))
p.config(p.gateway("LOGIN => ERR code=BAD_CREDENTIALS retry=login text=no"))
is_((p.pay("pay", "--id", ID + "1", *PAYMENT).returncode, places()), (77, {}),
    "login refused: exit 77, nothing is queued")
first, second = p.gateway("PAY x1 => close"), p.gateway()
p.config(first, retries="0")
is_(p.pay("pay", "--id", ID + "1", *PAYMENT).returncode, 75, "an answer lost")
is_(p.pay("pay", "--id", ID + "1", *PAYMENT).returncode, 0, "then given")
first = p.gateway("PAY x1 => close")
p.config(first, retries="0")
p.pay("pay", "--id", ID + "1", *PAYMENT)
text = p.read("pay.yaml")
both = '["%s", "%s"]' % (second.address, first.address)
p.write("pay.yaml", text.replace('["%s"]' % first.address, both))
is_((p.pay("pay", "--id", ID + "1", *PAYMENT).returncode,
     len(first.lines("PAY")), second.requests), (0, 2, []),
    "it keeps to the gateway that it was sent to, whichever is first now")
first = p.gateway("PAY x1 => close")
p.config(first, retries="0")
p.pay("pay", "--id", ID + "1", *PAYMENT)
p.write("pay.yaml", p.read("pay.yaml").replace(first.address, second.address))
r = p.pay("pay", "--id", ID + "1", *PAYMENT)
is_((r.returncode, second.requests), (75, []),
    "which is no longer one of the gateways: exit 75, not sent elsewhere")
ok(first.address in r.stderr, "it says which one that is", r.stderr)
gateway = p.gateway()
p.config(gateway, spool="password/x")
r = p.pay("pay", *PAYMENT)
is_((r.returncode, gateway.requests), (73, []),
    "the spool cannot be used: exit 73, nothing is sent")
ok("--no-queue" in r.stderr, "it says how to pay without", r.stderr)
is_(p.pay("pay", "--no-queue", *PAYMENT).returncode, 0, "--no-queue does")
is_(p.queue("list").returncode, 73, "strife-queue: exit 73")

# ---- On disk before it is sent ----
gateway = p.gateway()
for program, words in ((PAY, ("pay", "--id", ID + "1") + PAYMENT),
                       (QUEUE, ("flush",))):
    p.config(gateway)
    if program == QUEUE:
        add(1)
    else:
        p.queue("list")
    subprocess.run(
        ("strace", "-f", "-qq", "-o", p.path("trace"), "-e",
         "trace=fsync,renameat,sendto", program) + words, capture_output=True,
        env=dict(p.environment(), ASAN_OPTIONS="detect_leaks=0"), check=True)
    calls = [line.split()[1].partition("(")[0]
             for line in p.read("trace").splitlines()]
    # HELLO and LOGIN, after the handshake, and then PAY.
    text = " ".join(calls)
    claimed = text.rfind("fsync renameat fsync sendto")
    ok(claimed != -1 and "sendto" in text[:claimed],
       "%s: a file flushed and renamed, its directory flushed, then PAY" %
       words[0], text)
    if program == PAY:
        ok("fsync renameat fsync" in text.partition("sendto")[0],
           "pay: and all that before it connects, too", text)

# ---- Twelve at once ----
gateway = p.gateway()
p.config(gateway)
words = ("pay", "--key", "rent-2026-11") + PAYMENT
running = [p.start(*words) for _ in range(12)]
outputs = [process.communicate(timeout=120) for process in running]
codes = {process.returncode for process in running}
ok(codes <= {0, 75} and 0 in codes, "twelve of one key at once: 0 or 75",
   codes, outputs)
is_(len(gateway.committed), 1, "one payment")
is_(p.queue("flush").returncode, 0, "nothing is left over")
is_(len(gateway.committed), 1, "still one payment")
done()

#!/usr/bin/python3
"""strife-pay batch: checks before sending, order, windows, broken lines."""
import json
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import Place, done, is_, ok, unused_address  # noqa: E402

HEADING = "id\tfrom\tto\tamount\tcurrency\tmemo\n"
COMMITTED = "OK id={id} state=committed seq={n} time={time}"
p = Place()


def given(rules="", **keys):
    window = keys.pop("window", 1024)
    gateway = p.gateway(rules, window=window)
    p.config(gateway, **keys)
    return gateway


def row(name, amount="1.00", memo="m", to="bob@BankB", payer="alice@BankA"):
    return "%s\t%s\t%s\t%s\tCZK\t%s\n" % (name, payer, to, amount, memo)


def column(output, index):
    return [line.split("\t")[index] for line in output.splitlines()]


# ---- Rows in, rows out ----
gateway = given()
ID = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff0001"
text = row(ID) + row("key:rent", "12.5", "") + \
    "key:short\talice@BankA\tbob@BankB\t7\tJPY\n" + "\n" + row("key:číslo")
r = p.pay("batch", p.write("a.tsv", text))
is_(r.returncode, 0, "all committed: exit 0")
is_(r.stdout.splitlines(), [
    row(ID).strip() + "\tcommitted\t\t1",
    "key:rent\talice@BankA\tbob@BankB\t12.5\tCZK\t\tcommitted\t\t2",
    "key:short\talice@BankA\tbob@BankB\t7\tJPY\t\tcommitted\t\t3",
    row("key:číslo").strip() + "\tcommitted\t\t4"],
    "the same columns plus state, reason and seq")
is_(r.stderr, "", "nothing else is said")
sent = gateway.lines("PAY")
is_(sent[0], "PAY id=%s from=alice@BankA to=bob@BankB amount=100 "
    "currency=CZK memo=m" % ID, "what is sent")
ok(" amount=7 currency=JPY" in sent[2], "in each currency's units", sent[2])
p.pay("pay", "--key", "rent", "--from", "alice@BankA", "--to", "bob@BankB",
      "12.50", "CZK")
is_(gateway.lines("PAY")[-1], sent[1], "key:TEXT is pay's --key TEXT")
r2 = p.pay("batch", stdin=text)
is_((r2.returncode, r2.stdout), (0, r.stdout),
    "again, from standard input: the same, and nothing is paid twice")
r = p.pay("batch", "-", stdin=HEADING + row("key:h"))
is_((r.stdout.splitlines()[0], len(r.stdout.splitlines())),
    (HEADING.strip() + "\tstate\treason\tseq", 2), "a heading is kept")
r = p.pay("--json", "batch", stdin=row("key:j") + row(ID))
is_([json.loads(line) for line in r.stdout.splitlines()][0]["key"], "j",
    "--json: the key, and")
ok(re.fullmatch("[0-9a-f-]{36}", json.loads(r.stdout.splitlines()[0])["id"]),
   "--json: its id", r.stdout)
is_(json.loads(r.stdout.splitlines()[1]), {
    "id": ID, "from": "alice@BankA", "to": "bob@BankB", "amount": "1.00",
    "currency": "CZK", "memo": "m", "state": "committed", "seq": 1},
    "--json: a row")
r = p.pay("batch", stdin=row(ID).replace("\n", "\r\n"))
is_((r.returncode, r.stdout), (0, row(ID).strip() + "\tcommitted\t\t1\n"),
    "lines that end in CR LF")
is_(p.pay("batch", stdin="").returncode, 0, "no rows: exit 0")

# ---- Checked before anything is sent ----
GOOD = row("key:good")
for bad, where, what in (
        (row("x"), "2:1", "an id that is none"),
        (row("key:"), "2:1", "an empty key"),
        (row(""), "2:1", "no id"),
        (row("key:a", to="bob"), "2:19", "an account without a bank"),
        (row("key:a", "1.001"), "2:29", "too many decimals"),
        (row("key:a", "0"), "2:29", "nothing to pay"),
        (row("key:a", "ten"), "2:29", "no amount"),
        (row("key:a").replace("CZK", "CZQ"), "2:34", "no currency"),
        (row("key:a", memo="x" * 141), "2:38", "a memo too long"),
        (row("key:a", memo="a\x07b"), "2:38", "a control character"),
        (row("key:a", memo="m\tmore"), "2:1", "a column too many"),
        ("key:a\talice@BankA\tbob@BankB\t1\n", "2:1", "a column too few"),
        (row("key:a", memo="y" * 5000), "2:1", "a row too long"),
        (row("key:good", "2.00"), "2:1", "an id for two payments")):
    gateway = given()
    r = p.pay("batch", p.write("bad.tsv", GOOD + bad))
    is_(r.returncode, 65, what + ": exit 65")
    ok("bad.tsv:%s: " % where in r.stderr, what + ": file, line and column",
       r.stderr)
    is_((r.stdout, gateway.connections), ("", 0), what + ": nothing is sent")
r = p.pay("batch", stdin=row("x") * 30)
ok(r.stderr.count("(stdin):") == 22 and "and 10 more" in r.stderr,
   "the first twenty are named", r.stderr)
r = p.pay("batch", p.path("none.tsv"))
is_(r.returncode, 65, "a file that is missing: exit 65")
with open(p.path("bytes.tsv"), "wb") as file:
    file.write(GOOD.encode() + row("key:a", memo="?").encode()
               .replace(b"?", b"\xff\x00"))
is_(p.pay("batch", p.path("bytes.tsv")).returncode, 65, "octets of no text")
with open(p.path("bytes.tsv"), "wb") as file:
    file.write(GOOD.encode().replace(b"bob@", b"b\xc0\x80b@", 1))
ok("\\xC0\\x80" in p.pay("batch", p.path("bytes.tsv")).stderr,
   "octets of no text are shown as numbers")
with open(p.path("bytes.tsv"), "wb") as file:
    file.write(os.urandom(200000))
is_(p.pay("batch", p.path("bytes.tsv")).returncode, 65, "no text at all")

gateway = given()
r = p.pay("batch", stdin=GOOD + row("key:b") + GOOD)
is_((r.returncode, column(r.stdout, 6)), (0, ["committed"] * 3),
    "the same payment twice in a file: answered twice,")
is_(len(gateway.lines("PAY")), 2, "sent once")

# ---- --assign ----
gateway = given()
p.write("new.tsv", HEADING + row("") + row(ID) + row("", memo=""))
r = p.pay("batch", "new.tsv", "--assign", "out.tsv")
is_(r.returncode, 0, "--assign: exit 0")
assigned = p.read("out.tsv").splitlines()
is_([re.sub("^[0-9a-f-]{36}\t", "", line) for line in assigned],
    [HEADING.strip(), row("").strip(), row("").strip(),
     row("", memo="").strip("\n")[1:]], "OUT has the rows")
is_([line.split("\t")[0] for line in assigned[1:]],
    [re.match("PAY id=(.{36}) ", line)[1] for line in gateway.lines("PAY")],
    "with the ids that were paid") if len(assigned) == 4 else ok(False, "ids")
ok(ID == assigned[2].split("\t")[0], "an id that was there stays")
is_(os.stat(p.path("out.tsv")).st_mode & 0o777, 0o600, "OUT is private")
r = p.pay("batch", "new.tsv", "--assign", "out.tsv")
is_(r.returncode, 73, "--assign never replaces a file: exit 73")
is_(p.read("out.tsv").splitlines(), assigned, "it is as it was")
ok("strife-pay batch out.tsv" in r.stderr, "and says how to go on", r.stderr)
before = len(gateway.lines("PAY"))
r = p.pay("batch", "out.tsv")
is_((r.returncode, len(gateway.committed)), (0, 3),
    "OUT can be run again: nothing is paid twice")
r = p.pay("batch", "new.tsv", "--assign", "none/out.tsv")
is_(r.returncode, 73, "OUT cannot be written: exit 73")
is_(len(gateway.lines("PAY")), before + 3, "and nothing is sent")
p.write("bad.tsv", row("") + row("", "x"))
r = p.pay("batch", "bad.tsv", "--assign", "out2.tsv")
is_((r.returncode, os.path.exists(p.path("out2.tsv"))), (65, False),
    "a bad row: OUT is not written")
is_([name for name in os.listdir(p.dir) if ".tmp." in name], [],
    "nothing is left lying about")

# ---- What becomes of rows ----
RULES = """
PAY memo=poor => ERR code=INSUFFICIENT_FUNDS retry=new-id text=no state=aborted
PAY memo=held => OK id={id} state=held seq=5 time={time} reason=BANK_UNAVAILABLE
PAY memo=busy x3 => ERR code=OVERLOADED retry=same-id text=later
PAY memo=voting x1 => ERR code=IN_PROGRESS retry=same-id text=w state=preparing
PAY memo=full => ERR code=OVERLOADED retry=same-id text=later
PAY memo=slow => sleep 50 | OK id={id} state=committed seq=9 time={time}
"""
gateway = given(RULES)
r = p.pay("batch", stdin=row("key:1", memo="slow") +
          row("key:2", memo="poor") + row("key:3", memo="busy") +
          row("key:4", memo="voting") + row("key:5"))
is_(r.returncode, 1, "one declined for good: exit 1")
is_(column(r.stdout, 0), ["key:%d" % i for i in range(1, 6)],
    "the rows come out in their order")
is_(column(r.stdout, 6),
    ["committed", "aborted", "committed", "committed", "committed"],
    "those that were told \"not now\" were asked again")
is_(column(r.stdout, 7)[1], "INSUFFICIENT_FUNDS", "with its reason")
r = p.pay("batch", stdin=row("key:2", memo="poor") + row("key:6", memo="held"))
is_((r.returncode, column(r.stdout, 6)), (75, ["aborted", "held"]),
    "one unfinished: exit 75")
ok("run the same command again" in r.stderr, "it says what to do", r.stderr)
gateway = given(RULES)
r = p.pay("batch", stdin=row("key:7", memo="full"))
is_((r.returncode, column(r.stdout, 6), column(r.stdout, 7)),
    (75, ["refused"], ["OVERLOADED"]), "overloaded for long: exit 75")
is_(len(gateway.lines("PAY")), 7, "it was asked again a few times only")

# ---- --stop-at-first, --window ----
gateway = given(RULES)
r = p.pay("batch", "--stop-at-first", "--window", "1",
          stdin=row("key:1") + row("key:2", memo="poor") + row("key:3") +
          row("key:4"))
is_((r.returncode, column(r.stdout, 6)),
    (1, ["committed", "aborted", "unsent", "unsent"]),
    "--stop-at-first: what follows is unsent")
is_(len(gateway.lines("PAY")), 2, "really")
gateway = given(RULES)
r = p.pay("batch", "--stop-at-first", stdin=row("key:1", memo="held") +
          "".join(row("key:n%d" % i, payer="p%d@BankA" % i)
                  for i in range(3000)))
states = column(r.stdout, 6)
is_((r.returncode, states[0], states[-1]), (75, "held", "unsent"),
    "--stop-at-first at one that is held: exit 75")
is_(states.count("committed"), len(gateway.lines("PAY")) - 1,
    "what had been sent is brought to its end")

# ---- Order within a payer ----
gateway = given(RULES)
r = p.pay("batch", stdin=row("key:1", memo="held") + row("key:2") +
          row("key:3", payer="carol@BankA") + row("key:4"))
is_((r.returncode, column(r.stdout, 6)),
    (75, ["held", "unsent", "committed", "unsent"]),
    "rows behind an unfinished one of the same payer are unsent")
is_(len(gateway.lines("PAY")), 2, "really")
gateway = given(RULES)
r = p.pay("batch", stdin=row("key:1", memo="poor") + row("key:2"))
is_((r.returncode, column(r.stdout, 6)), (1, ["aborted", "committed"]),
    "rows behind a declined one are sent")
gateway = given(RULES)
r = p.pay("batch", "--any-order", stdin=row("key:1", memo="held") +
          row("key:2") + row("key:3"))
is_((r.returncode, column(r.stdout, 6)),
    (75, ["held", "committed", "committed"]),
    "--any-order: nothing waits for the payer's other rows")
gateway = given("PAY memo=cut x1 => ERR code=TOKEN_EXPIRED retry=login text=x",
                retry_delay="10ms")
r = p.pay("batch", stdin=row("key:1") +
          row("key:2", memo="cut", payer="carol@BankA") + row("key:3"))
is_((r.returncode, [line.split(" memo=")[1] for line in gateway.lines("PAY")]),
    (0, ["m", "cut", "m", "cut"]),
    "a row that may go when the session ends is sent once")
gateway = given("PAY => nothing", reply_timeout="300ms", retries="0")
p.pay("batch", stdin="".join(row("key:%d" % i) for i in range(5)))
is_(len(gateway.lines("PAY")), 1, "one of a payer's rows at a time")
gateway = given("PAY => nothing", reply_timeout="300ms", retries="0")
p.pay("batch", "--any-order",
      stdin="".join(row("key:%d" % i) for i in range(5)))
is_(len(gateway.lines("PAY")), 5, "all at once in any order")


def deepest(window_of_server, *args):
    """How many requests came in a row before the first was answered."""
    gateway = given("PAY => nothing", window=window_of_server,
                    reply_timeout="300ms", retries="0")
    p.pay("batch", *args, stdin="".join(
        row("key:%d" % i, payer="p%d@BankA" % i) for i in range(20)))
    return len(gateway.lines("PAY"))


is_(deepest(5), 5, "no more unanswered than the server's window")
is_(deepest(5, "--window", "3"), 3, "no more than --window")
is_(deepest(1000), 20, "else all at once")

# ---- Broken connections ----
gateway = given("PAY memo=cut x1 => close")
text = "".join(row("key:c%d" % i, memo="cut" if i == 40 else "m")
               for i in range(300))
r = p.pay("batch", "--window", "16", stdin=text)
is_(r.returncode, 0, "a connection that breaks in the middle: exit 0")
is_((column(r.stdout, 0), set(column(r.stdout, 6))),
    (["key:c%d" % i for i in range(300)], {"committed"}),
    "every row once, in order")
is_((gateway.connections, len(gateway.committed)), (2, 300),
    "what was unanswered was sent again under its id")

gateway = given("PAY memo=cut => close", retries="1")
r = p.pay("batch", "--window", "8", stdin=text)
states = column(r.stdout, 6)
is_((r.returncode, len(states)), (75, 300), "it breaks for good: exit 75")
is_((states[:33], states[40], states[-1]),
    (["committed"] * 33, "unknown", "unsent"),
    "known, unknown and unsent are told apart")
given()
is_(p.pay("batch", stdin=text).returncode, 0, "running it again finishes it")

gateway = given("PAY memo=cut x1 => ERR code=TOKEN_EXPIRED retry=login text=x")
r = p.pay("batch", stdin=text)
is_((r.returncode, gateway.verbs().count("LOGIN"), len(gateway.committed)),
    (0, 2, 300), "a session that expires: logged in again")
given("PAY memo=cut => raw nonsense")
r = p.pay("batch", "--window", "8", stdin=text)
is_((r.returncode, column(r.stdout, 6)[40]), (76, "unknown"),
    "a broken protocol: exit 76")
p.config(unused_address(), retries="0")
r = p.pay("batch", stdin=text)
is_((r.returncode, r.stdout), (69, ""), "no gateway: exit 69, no rows")
given("LOGIN => ERR code=BAD_CREDENTIALS retry=login text=no")
is_(p.pay("batch", stdin=text).returncode, 77, "no login: exit 77")

# ---- Streaming, terminals, many ----
gateway = given("PAY memo=stuck => sleep 700 | " + COMMITTED)
process = p.start("batch", p.write("s.tsv", row("key:1") + row("key:2") +
                                   row("key:3", memo="stuck")))
is_([process.stdout.readline().split("\t")[0] for _ in range(2)],
    ["key:1", "key:2"], "rows are printed as they are known")
is_(process.wait(timeout=60), 0, "and the rest later")
process.stdout.close()
process.stderr.close()
gateway = given("PAY memo=slow => sleep 5 | " + COMMITTED)
p.write("t.tsv", "".join(row("key:%d" % i, memo="slow") for i in range(100)))
code, shown, output = p.terminal("batch", "--window", "1", "t.tsv",
                                 err_only=True)
is_((code, len(output.splitlines())), (0, 100), "errors to a terminal only")
ok(re.search(r"\d+/100 done, \d+/s, \d+ s left", shown),
   "progress is shown there", repr(shown))
ok(shown.endswith("\r\033[K"), "and cleared at the end", repr(shown[-40:]))
code, shown, _ = p.terminal("batch", "a.tsv")
ok(code == 0 and shown.startswith("id ") and "done" not in shown,
   "rows to a terminal: aligned, under a heading, no progress", shown)

gateway = given()
rows = "".join(row("key:m%d" % i) for i in range(6471))
started = time.monotonic()
r = p.pay("batch", stdin=rows)
print("# 6471 rows in %.2f s" % (time.monotonic() - started))
is_((r.returncode, len(r.stdout.splitlines()), len(gateway.committed)),
    (0, 6471, 6471), "many rows")
done()

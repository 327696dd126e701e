#!/usr/bin/python3
"""strife-pay among other programs: jq, join, and a progress line beside."""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import PAY, Place, done, is_, ok  # noqa: E402

# Ended from outside, the terminal is still to be closed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
ROWS = 40
TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
p = Place()


def shell(command):
    environment = dict(p.environment(), LC_ALL="C",
                       PATH=os.path.dirname(os.path.abspath(PAY)) + ":" +
                       os.environ["PATH"])
    return subprocess.run(command, shell=True, cwd=p.dir, env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=120, check=False)


def row_id(i):
    return "0190aaaa-bbbb-4ccc-8ddd-%012x" % i


p.write("in", "".join("%s\talice@BankA\tbob@BankB\t%d.50\tCZK\tno %d\n" %
                      (row_id(i), i + 1, i) for i in range(ROWS)))
gateway = p.gateway(
    "PAY id=%s => ERR code=INSUFFICIENT_FUNDS retry=new-id text=no id={id} "
    "state=aborted\n"
    "BALANCE => OK account={account} currency=CZK posted=5 held=0 available=5 "
    "seq=1\nACCOUNTS => ROW account=alice@BankA currency=CZK | OK\n"
    "HISTORY => ROW seq=2 time={time} id=%s kind=payment amount=-150 "
    "currency=CZK balance=850 peer=bob@BankB memo=%%22tea%%22%%20%%5C | "
    "ROW seq=1 time={time} id= kind=deposit amount=1000 currency=CZK "
    "balance=1000 peer= memo= | OK\n"
    "STATUS => OK id={id} state=committed time={time}" %
    (row_id(7), row_id(0)))
p.config(gateway)

# ---- join ----
r = shell("strife-pay batch <in >out; echo $?; "
          "join -t '\t' -o 1.1,1.6,2.7,2.8 in out")
code, *lines = r.stdout.splitlines()
is_((code, len(lines)), ("1", ROWS), "batch <in >out; join in out: every row")
is_([line for line in lines if "committed" not in line],
    [row_id(7) + "\tno 7\taborted\tINSUFFICIENT_FUNDS"],
    "with what became of it")
r = shell("strife-pay batch <in | cut -f 1-6 | cmp - in")
is_((r.returncode, r.stdout), (0, ""), "the input's columns come out as they "
    "went in")
r = shell("strife-pay batch in | head -n 1; cut -f 1 in | head -n 2 | "
          "xargs strife-pay status | cut -f 2")
is_(r.stdout.splitlines()[1:], ["committed", "committed"],
    "ids from a pipe: status takes several")

p.write("shell", """
strife-pay history alice@BankA -n 100000 | head -n 1 >first
echo "${PIPESTATUS[*]}"
strife-pay batch in | true
echo "${PIPESTATUS[*]}"
""")
many = p.gateway(
    "HISTORY => " + " | ".join(
        "ROW seq=%d time={time} id= kind=deposit amount=1000 currency=CZK "
        "balance=1000 peer= memo=%s" % (n, "m" * 100) for n in range(1, 501)) +
    " | OK next=1")
p.config(many)
r = shell("bash ./shell")
is_((r.stdout.splitlines()[:1], r.stderr), (["141 0"], ""),
    "| head -n 1 of a long list: SIGPIPE, in silence")
ok(p.read("first").count("\n") == 1 and len(many.lines("HISTORY")) < 5,
   "and no more is asked for", many.lines("HISTORY"))
is_(r.stdout.splitlines()[1:], ["141 0"], "a batch likewise")
is_(len(many.committed), len(many.lines("PAY")),
    "once what was sent had its end")
p.config(gateway)

# ---- jq ----
if shutil.which("jq"):
    r = shell("strife-pay history alice@BankA --json | jq -r "
              "'select(.amount | startswith(\"-\")) | [.memo, .peer] | @tsv'")
    is_((r.returncode, r.stdout), (0, '"tea" \\\\\tbob@BankB\n'),
        "history --json | jq")
    r = shell("strife-pay batch --json in | jq -r 'select(.state != "
              "\"committed\") | .reason'")
    is_(r.stdout, "INSUFFICIENT_FUNDS\n", "batch --json | jq")
    r = shell("for c in accounts balance 'status %s' history; do "
              "strife-pay --json $c | jq -e 'type == \"object\"' || exit 1; "
              "done" % row_id(0))
    is_((r.returncode, set(r.stdout.split())), (0, {"true"}),
        "each row of --json is one object")
    with open(os.path.join(TOP, "man", "strife-pay.1"),
              encoding="utf-8") as page:
        example = page.read().split("What went out in January")[1]
    example = re.search(r"\.Bd.*?\n(.*?)\n\.Ed", example, re.S)[1]
    sums = p.gateway("HISTORY => " + " | ".join(
        "ROW seq=%d time={time} id= kind=payment amount=%d currency=CZK "
        "balance=1 peer=%s memo=" % one for one in (
            (1, -10, "bob@BankB"), (2, -20, "bob@BankB"), (3, 999, "x@BankB"),
            (4, -900719925474098, "dan@BankC"), (5, -1, "dan@BankC"))) +
        " | OK")
    p.config(sums)
    r = shell(example.replace("\\e", "\\"))
    is_((r.stdout, r.stderr),
        ("bob@BankB\t0.30\ndan@BankC\t9007199254740.99\n", ""),
        "the page's sum of payments by payee is exact")
    p.config(gateway)
else:
    ok(True, "jq # SKIP it is not installed")

# ---- The progress line ----
slow = p.gateway("PAY => sleep 60 | OK id={id} state=committed seq={n} "
                 "time={time}")
p.config(slow)
if shutil.which("tmux"):
    socket = "strife-progress-%d" % os.getpid()
    tmux = ["tmux", "-L", socket]
    environment = dict(p.environment(), TMUX_TMPDIR=p.dir)
    environment.pop("TMUX", None)

    def run(*words):
        return subprocess.run(
            tmux + list(words), cwd=p.dir, env=environment, text=True,
            stdin=subprocess.DEVNULL, capture_output=True, timeout=60,
            check=False).stdout

    try:
        run("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "10",
            "sh", "-c", "%s batch in >out2; echo over; cat" % PAY)
        seen, screen = set(), ""
        while "over" not in screen:
            screen = run("capture-pane", "-p")
            seen.update(re.findall(r"^\d+/\d+ done, \d+/s, \d+ s left$",
                                   screen, re.M))
        ok(seen and all("/%d done" % ROWS in line for line in seen),
           "a terminal beside the output: done, rate, time left", seen)
        is_(screen.splitlines()[0], "over", "the line is gone at the end")
        is_(len(p.read("out2").splitlines()), ROWS, "the output is whole")
    finally:
        run("kill-server")
else:
    ok(True, "the progress line # SKIP tmux is not installed")
done()

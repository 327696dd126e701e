#!/usr/bin/python3
"""strife-bench and a gateway of canned answers: what it counts, when it pays,
what it says and its exit codes."""
import json
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import BIN, Place, done, is_, ok, unused_address  # noqa: E402

BENCH = os.path.join(BIN, "strife-bench")
FIELDS = ["payments_per_s", "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms",
          "committed", "failed", "connections", "window", "seconds"]

p = Place()
PAIRS = ["alice@BankA\tbob@BankB\tCZK", "alice@BankA\tcarol@BankB\tCZK",
         "dan@BankA\tbob@BankB\tEUR", "dan@BankA\tcarol@BankC\tCZK"]
p.write("pairs", "from\tto\tcurrency\n" + "\n".join(PAIRS) + "\n")


def bench(*args, stdin="", pairs="pairs"):
    command = [BENCH] + (["--pairs", pairs] if pairs else []) + list(args)
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, cwd=p.dir,
        env=p.environment(), timeout=120, start_new_session=True, check=False)


def measure(*args, **more):
    """A run of a second with --json: (finished process, its figures)."""
    run = bench("--json", "--seconds", "1", *args, **more)
    try:
        return run, json.loads(run.stdout)
    except ValueError:
        return run, {}


def pays(gateway):
    """The PAYs that came, each a dict of its fields."""
    return [dict(word.split("=", 1) for word in line.split(" ")[1:])
            for line in gateway.lines("PAY")]


def given(rules="", window=1024, **keys):
    gateway = p.gateway(rules, window)
    p.config(gateway, **keys)
    return gateway


# ---- Closed loop ----
gateway = given()
run, figures = measure("--connections", "3", "--window", "4", "--memo", "9")
is_((run.returncode, run.stderr), (0, ""), "all committed: exit 0")
is_(sorted(figures), sorted(FIELDS), "the fields of --json")
came = pays(gateway)
is_((figures["committed"], figures["failed"]), (len(came), 0),
    "every payment that came is counted")
ok(len(came) > 0 and len({one["id"] for one in came}) == len(came),
   "and has an id of its own")
is_([figures[name] for name in ("connections", "window", "seconds")],
    [3, 4, 1], "connections, window, seconds")
quantiles = [figures[name] for name in FIELDS[1:6]]
ok(0 < quantiles[0] and quantiles == sorted(quantiles),
   "quantiles grow", quantiles)
ok(0 <= figures["payments_per_s"] <= figures["committed"],
   "payments_per_s counts what committed within the second")
is_(gateway.verbs().count("LOGIN"), 3, "each connection logs in")
is_({"%s\t%s\t%s" % (one["from"], one["to"], one["currency"])
     for one in came}, set(PAIRS), "every pair is paid, and no other")
is_({(one["amount"], one["memo"], one["hold"]) for one in came},
    {("1", "m" * 9, "no")}, "the smallest amount, the memo, not to be held")

# ---- The seed, and an open loop ----
def order(seed, *args, window=1024, **more):
    gateway = given(window=window)
    run, figures = measure("--seed", seed, "--rate", "40", *args, **more)
    came = pays(gateway)
    is_((run.returncode, len(came), figures["committed"], figures["rate"]),
        (0, 40, 40, 40), "--rate 40: 40 payments in a second")
    is_((figures["seconds"], figures["payments_per_s"] <= 40), (1, True),
        "a second is a second, and the rate no more than was asked for")
    return (run, [(one["from"], one["to"]) for one in came],
            {one["id"] for one in came})


run, first, first_ids = order("7")
run, again, again_ids = order("7", "--window", "8", window=2)
is_(first, again, "a seed chooses the same pairs again")
ok(not first_ids & again_ids, "under other ids")
ok("allows a window of 2 " in run.stderr,
   "a window that the gateway does not allow", run.stderr)
run, other, _ = order("8", "--connections", "2", pairs="-",
                      stdin=p.read("pairs"))
ok(other != first, "another seed chooses others; pairs from standard input")

gateway = given("PAY x1 => sleep 400 | OK id={id} state=committed seq={n} "
                "time={time}")
run, figures = measure("--rate", "20")
is_(figures["committed"], 20, "a gateway that stops for a moment")
# The second one was due after 50 ms, and could not be sent for 400.
ok(figures["p95_ms"] >= 345 and figures["max_ms"] >= 400,
   "is charged for what was due meanwhile", figures)
gateway = given("PAY => nothing", reply_timeout="300ms")
run, figures = measure("--rate", "10")
is_((run.returncode, figures["committed"], figures["failed"]), (1, 0, 10),
    "one that never answers: all that was due has failed")
is_([line for line in run.stderr.splitlines() if "failed" in line],
    ["strife-bench: 1 payment failed: not answered",
     "strife-bench: 9 payments failed: due, but never sent: the rate is more "
     "than is taken"], "not answered, and never sent")
ok(figures["p50_ms"] > 0, "and how long they have waited is counted")

# ---- Answers ----
gateway = given("PAY from=dan@BankA => ERR code=CURRENCY_MISMATCH "
                "retry=new-id text=no id={id} state=aborted\n"
                "PAY x1 => ERR code=OVERLOADED retry=same-id text=no id={id}")
run = bench("--seconds", "1", "--rate", "100")
lines = [line.split("\t") for line in run.stdout.splitlines()]
is_((len(lines), lines[0]), (2, FIELDS + ["rate"]),
    "in a pipe: a heading and a row, with tabs")
figures = dict(zip(*lines))
refused = sum(one["from"] == "dan@BankA" for one in pays(gateway))
is_((run.returncode, figures["failed"], figures["committed"]),
    (1, str(refused + 1), str(99 - refused)), "some are refused: exit 1")
ok("%d payments failed: CURRENCY_MISMATCH: " % refused in run.stderr and
   "1 payment failed: OVERLOADED: " in run.stderr,
   "each reason is named, with its count", run.stderr)

# ---- A connection that breaks ----
gateway = given("PAY x1 => close\n"
                "PAY x1 => ERR code=TOKEN_EXPIRED retry=login text=old\n"
                "PAY x1 => ERR code=IN_PROGRESS retry=same-id text=wait "
                "id={id} state=preparing")
run, figures = measure("--rate", "50", "--window", "4")
ids = [one["id"] for one in pays(gateway)]
is_((run.returncode, figures["committed"], figures["failed"], len(set(ids))),
    (0, 50, 0, 50), "what was in flight is paid under the same id")
ok(len(ids) > 52, "which was sent again, also while it was in progress")
is_(gateway.verbs().count("LOGIN"), 3, "after another login")
is_(run.stderr.count("; trying again"), 1, "and it says that it broke")

# ---- Signals ----
def interrupted(rules, signals):
    gateway = given(rules)
    process = subprocess.Popen(
        [BENCH, "--pairs", "pairs", "--json", "--seconds", "600", "--window",
         "4"], cwd=p.dir, env=p.environment(), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while gateway.verbs().count("PAY") < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    for _ in range(signals):
        process.send_signal(signal.SIGINT)
        # Two that are sent together would arrive as one.
        while signals > 1 and process.poll() is None and \
                pending(process.pid):
            time.sleep(0.01)
    out, err = process.communicate(timeout=60)
    return gateway, process.returncode, json.loads(out), err


def pending(pid):
    try:
        with open("/proc/%d/status" % pid, encoding="ascii") as file:
            mask = re.search(r"^ShdPnd:\t(\w+)$", file.read(), re.M)
    except OSError:
        return False
    return bool(int(mask[1], 16) & 1 << signal.SIGINT - 1)


gateway, code, figures, err = interrupted("", 1)
is_((code, figures["committed"], figures["failed"]),
    (0, gateway.verbs().count("PAY"), 0), "SIGINT: what there is, all answered")
ok(0 <= figures["seconds"] < 600, "and how long it took")
gateway, code, figures, err = interrupted("PAY => nothing", 2)
is_((code, figures["committed"], figures["failed"]), (1, 0, 4),
    "a second SIGINT: without what is not answered")
ok("4 payments failed: not answered" in err, "which is told", err)

# ---- For people ----
given()
code, shown, _ = p.terminal("--pairs", "pairs", "--seconds", "1",
                            program=BENCH)
lines = shown.splitlines()
ok(code == 0 and len(lines) == 2 and len(lines[0]) == len(lines[1]) and
   lines[0].split() == FIELDS, "on a terminal: aligned", shown)


# ---- Exit codes ----
def refused_pairs(text, where):
    p.write("bad", text)
    run = bench("--seconds", "1", pairs="bad")
    ok(run.returncode == 65 and where in run.stderr,
       "65: %s" % where, run.returncode, run.stderr)


gateway = given()
refused_pairs("alice@BankA\tbob@BankB\tCZK\nalice@BankA\tbob\tCZK\n",
              "bad:2:13: to: ")
refused_pairs("alice@BankA\tbob@BankB\tXXZ\n", "bad:1:23: currency: ")
refused_pairs("alice\tbob@BankB\tCZK\n", "bad:1:1: from: ")
refused_pairs("alice@BankA\tbob@BankB\n", "bad:1:1: too few columns")
refused_pairs("a@BankA\tb@BankB\tCZK\t1\n", "bad:1:1: too many columns")
refused_pairs("from\tto\tcurrency\n", "bad: there is no pair in it")
is_(bench(pairs="nowhere").returncode, 65, "65: no such file")
is_(gateway.requests, [], "and nothing was sent")
for args in (["--window", "0"], ["--window", "1025"], ["--connections", "x"],
             ["--connections", "0"], ["--seconds", "0"], ["--rate", "0"],
             ["--memo", "141"], ["--connections", "1025", "--window", "1024"],
             ["operand"], ["--nothing"], ["--rate"]):
    is_(bench(*args).returncode, 64, "64: " + " ".join(args))
is_(bench(pairs=None).returncode, 64, "64: no --pairs")
is_(bench("-c", "nowhere.yaml").returncode, 78, "78: no configuration")
p.config(unused_address(), retries="0")
run = bench("--connections", "3")
ok(run.returncode == 69 and "nothing was paid" in run.stderr and
   run.stdout == "", "69: no gateway", run.returncode, run.stderr)
given("LOGIN => ERR code=BAD_CREDENTIALS retry=login text=no")
is_(bench("--connections", "3").returncode, 77, "77: login refused")
given("LOGIN => raw nonsense", retries="0")
is_(bench().returncode, 76, "76: no such protocol")
given("LOGIN => ERR code=OVERLOADED retry=same-id text=no", retries="1")
is_(bench().returncode, 75, "75: the gateway is busy")
done()

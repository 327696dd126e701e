#!/usr/bin/python3
"""The queue against real daemons: what was queued is paid once, whatever is
killed, expires, is dropped or declined meanwhile. Prints TAP.

    campaign.py [--short] [--seed N] [SCENARIO ...]

Without --short the sizes are those that a release should have seen: minutes.
What is checked after each step: every payment lies in one place of the spool,
and the bank's books show each one that was paid once, and no other.
"""
import argparse
import os
import random
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "lib"))
import strife
from gatewaytest import PASSWORD
from queuetest import PAY, PAYERS, QUEUE, Deployment
from strife import equal, note, ok

AMOUNT = 100


# ---- Scenarios ----

def gateway_down(size, dice):
    """Payments made while the gateway is down, delivered by one flush."""
    with strife.Place() as place:
        d = Deployment(place)
        d.stop_gateway()
        waiting, codes, errs = [], {}, []
        for n in range(size):
            waiting.append(d.popen(
                PAY, "pay", "--from", "p%d@BankA" % dice.randrange(PAYERS),
                "--to", "shop@BankB", "1.00", "CZK"))
            if len(waiting) == 8 or n == size - 1:
                for process in waiting:
                    errs.append(process.communicate(timeout=300)[1])
                    codes[process.returncode] = \
                        codes.get(process.returncode, 0) + 1
                waiting = []
        equal(codes, {75: size}, "down: each strife-pay exits with 75")
        ids = sorted(d.names("new"))
        equal(len(ids), size, "down: %d payments are queued" % size)
        ok(all("id %s" % one in "".join(errs) for one in ids),
           "down: and their ids were shown")
        d.start_gateway()
        begun = time.monotonic()
        r = d.run(QUEUE, "flush", env={})
        note("one flush of %d: %.1f s" % (size, time.monotonic() - begun))
        equal((r.returncode, r.out + r.err), (0, ""),
              "down: one flush without an environment delivers all")
        equal(sorted(d.names("done")), ids, "down: all are done")
        d.check(ids, "down")


def kill_something(d, dice, process):
    """kill -9 of the flusher or the gateway, at some moment of a flush."""
    time.sleep(dice.random() ** 2 * 0.12)
    if dice.random() < 0.6:
        process.send_signal(signal.SIGKILL)
        process.communicate()
        return "strife-queue", process.returncode == -signal.SIGKILL
    hit = process.poll() is None
    d.kill_gateway()
    process.communicate(timeout=300)
    d.start_gateway()
    return "the gateway", hit


def kills(size, dice):
    """Rounds of a flush in which something is killed."""
    with strife.Place() as place:
        d = Deployment(place)
        paid, hits = [], {}
        for _ in range(size):
            ids = d.add(dice.randrange(5, 40), dice)
            killed, hit = kill_something(
                d, dice, d.popen(QUEUE, "flush"))
            hits[killed] = hits.get(killed, 0) + hit
            places = d.places()
            if any(len(places.get(one, [])) != 1 for one in ids):
                ok(False, "kills: each is in one place")
                note(places)
            if d.flush_all() != 0:
                ok(False, "kills: flush afterwards delivers all")
            paid += ids
        for killed, count in sorted(hits.items()):
            note("%s was killed in the middle of %d flushes" % (killed, count))
        equal((sorted(d.names("new")), sorted(d.names("tmp"))), ([], []),
              "kills: nothing is left in the spool after %d rounds" % size)
        equal(sorted(d.names("done")), sorted(paid), "kills: all are done")
        d.check(paid, "kills")
        equal(d.sums(), [PAYERS * 10 ** 6 - AMOUNT * len(paid),
                         AMOUNT * len(paid)], "kills: no money is lost")


LIFETIME_S = 1


def expiring_flush(d, size, ids):
    """A flush that is stopped in its middle until every token that it has had
    is over, then let go: (its exit code, what it said). Adds as many payments
    to ids as it needs for having a middle."""
    while True:
        for _ in range(size):
            # One payer: they go one by one.
            ids.append(d.run(QUEUE, "add", "--from", "p0@BankA", "--to",
                             "shop@BankB", "1.00", "CZK").out.split("\t")[0])
        before = len(d.names("done"))
        flush = d.popen(QUEUE, "flush", start_new_session=True)
        while flush.poll() is None and len(d.names("done")) == before:
            time.sleep(0.001)
        flush.send_signal(signal.SIGSTOP)
        left = d.names("new")
        if left:
            # exp is in whole seconds, rounded up.
            time.sleep(LIFETIME_S + 1)
        flush.send_signal(signal.SIGCONT)
        _, err = flush.communicate(timeout=300)
        if left:
            note("the tokens of a flush of %d were over with %d left" % (
                size, len(left)))
            return flush.returncode, err


def tokens(size, dice):
    """Tokens that expire in the middle of a flush."""
    with strife.Place() as place:
        d = Deployment(place, lifetime="%ds" % LIFETIME_S)
        password = place.write("password", PASSWORD + "\n")
        for how, keys in (
                ("certificate", {}),
                ("password file", {"user": "desk",
                                   "password_file": password})):
            d.configure(retries=1, **keys)
            ids = list(d.booked())
            equal(expiring_flush(d, size, ids), (0, ""),
                  "tokens: by %s: one flush delivers all" % how)
            d.check(ids, "tokens: by " + how)
        token_only(d, size)


def login(d):
    """strife-pay login, the password through a pipe."""
    reader, writer = os.pipe()
    os.write(writer, PASSWORD.encode() + b"\n")
    os.close(writer)
    process = d.popen(PAY, "login", "desk", "--password-fd", str(reader),
                      pass_fds=(reader,), start_new_session=True)
    _, err = process.communicate(timeout=60)
    os.close(reader)
    if process.returncode != 0:
        ok(False, "tokens: login")
        note(err)


def token_only(d, size):
    """strife-pay login, and nothing to renew the token with."""
    d.configure(user="desk", retries=1)
    ids = list(d.booked())
    login(d)
    code, err = expiring_flush(d, size, ids)
    equal(code, 75, "tokens: it expires: exit 75")
    strife.like(err, "strife-pay login", "tokens: and what to do")
    lost = set(ids) - set(d.names("new")) - set(d.names("done"))
    equal(lost, set(), "tokens: none is lost")
    # A token may be over again before so many are delivered.
    for _ in range(size):
        if not d.names("new"):
            break
        login(d)
        d.popen(QUEUE, "flush", start_new_session=True).communicate(
            timeout=300)
    d.check(ids, "tokens: by strife-pay login")


def drops(size, dice):
    """drop against flush: paid or cancelled, never both."""
    with strife.Place() as place:
        d = Deployment(place)
        paid, wrong, counts = [], [], {}
        for n in range(size):
            one, other = d.add(2, dice)
            if n % 4 == 3:
                # Held at the gateway, and let go as it is dropped.
                d.banks["BankB"].crash()
                d.run(QUEUE, "flush")
                how = "held"
                d.banks["BankB"].start(ready=False)
            else:
                how = "in flight"
            flush = d.popen(QUEUE, "flush")
            time.sleep(dice.random() ** 2 * 0.08)
            drop = d.run(QUEUE, "drop", one)
            flush.communicate(timeout=300)
            d.wait_for_banks()
            d.flush_all()
            where = d.places().get(one)
            counts[how, drop.returncode, str(where)] = counts.get(
                (how, drop.returncode, str(where)), 0) + 1
            if (drop.returncode, where) not in (
                    (0, ["failed"]), (1, ["done"]), (75, ["done"])):
                wrong.append((drop.returncode, where, drop.err))
            if where == ["done"]:
                paid.append(one)
            paid.append(other)
        for (how, code, where), count in sorted(counts.items()):
            note("%s: drop exit %d, then in %s: %d times" % (
                how, code, where, count))
        equal(wrong, [], "drops: %d: cancelled and in failed, or paid and in "
              "done" % size)
        d.check(paid, "drops")


def declined(size, dice):
    """A payment without funds, and those behind it."""
    with strife.Place() as place:
        d = Deployment(place, opening=5 * AMOUNT)
        ids = []
        for amount in ["1.00"] * 3 + ["999.00"] + ["1.00"] * 2:
            ids.append(d.run(QUEUE, "add", "--from", "p0@BankA", "--to",
                             "shop@BankB", amount,
                             "CZK").out.split("\t")[0])
        equal(d.run(QUEUE, "flush").returncode, 1, "declined: flush exits 1")
        rows = [row.split("\t")[:3] for row in
                d.run(QUEUE, "results").out.splitlines()]
        equal(rows[3], [ids[3], "aborted", "INSUFFICIENT_FUNDS"],
              "declined: it is in the results")
        equal(d.names("new"), [], "declined: and has left the queue")
        d.check(ids[:3] + ids[4:], "declined: those behind it")


def keys(size, dice):
    """Twelve programs make one payment at once."""
    with strife.Place() as place:
        d = Deployment(place)
        ids = []
        for n in range(size):
            payer = "p%d@BankA" % dice.randrange(PAYERS)
            running = [d.popen(PAY, "pay", "--key", "rent-%d" % n, "--from",
                               payer, "--to", "shop@BankB", "1.00", "CZK")
                       for _ in range(12)]
            results = [(process.communicate(timeout=300), process.returncode)
                       for process in running]
            codes = {code for _, code in results}
            if not codes <= {0, 75}:
                ok(False, "keys: each exits with 0 or 75")
                note(results)
            d.flush_all()
            ids.append(results[0][0][1].split()[1])
        equal(d.names("new"), [], "keys: nothing is left in the queue")
        equal(len(set(ids)), size, "keys: %d keys" % size)
        d.check(ids, "keys")


CALLS = ("fsync", "renameat", "unlinkat", "sendto")
PROGRAMS = {"pay": (PAY, "pay", "--from", "p1@BankA", "--to", "shop@BankB",
                    "1.00", "CZK"),
            "flush": (QUEUE, "flush")}


def step(d, dice, name, call, when, what):
    """A program in which the Nth call of a name kills it, or fails; whether
    there was such a call."""
    waiting = set(d.add(3, dice)) if name == "flush" else set()
    before = set(d.booked())
    program, *words = PROGRAMS[name]
    trace = d.place.path("strace.out")
    process = subprocess.run(
        ("strace", "-f", "-qq", "-o", trace, "-e", "trace=" + call, "-e",
         "inject=%s:%s:when=%d" % (call, what, when), program, "-c", d.config,
         *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=300,
        env=dict(d.environment(), ASAN_OPTIONS="detect_leaks=0"))
    with open(trace, encoding="utf-8", errors="replace") as file:
        done = file.read()
    hit = "(INJECTED)" in done or "killed by SIGKILL" in done
    if name == "pay" and "id " in process.stderr:
        shown = process.stderr.partition("id ")[2].split()[0]
        if shown in d.places() or process.returncode == 0:
            waiting.add(shown)
        elif shown in set(d.booked()) - before:
            # Killed with its answer, after the entry was removed.
            waiting.add(shown)
    here = "steps: %s, %s number %d, %s" % (name, call, when, what)
    lost = [one for one in waiting if one not in d.places() and
            one not in d.booked()]
    if lost:
        ok(False, here + ": none is lost")
        note(lost)
    if d.flush_all() != 0:
        ok(False, here + ": flush afterwards delivers all")
    return hit, waiting


def steps(size, dice):
    """Each system call that changes something, killed before it or failing."""
    with strife.Place() as place:
        d = Deployment(place)
        paid, count = set(), 0
        todo = [(name, call, what) for name in PROGRAMS for call in CALLS
                for what in ("signal=KILL", "error=EIO")
                if what == "signal=KILL" or call != "sendto"]
        if size == 0:
            todo = dice.sample(todo, 4)
        for name, call, what in todo:
            when, hit = 0, True
            while hit and when < 100:
                when += 1 if size else dice.randrange(1, 4)
                hit, ids = step(d, dice, name, call, when, what)
                paid |= ids
                count += hit
        note("%d system calls were killed or failed" % count)
        ok(count > 0, "steps: some were hit")
        d.check(sorted(paid), "steps")


def full(size, dice):
    """A spool without room."""
    with strife.Place() as place:
        d = Deployment(place)
        d.add(1, dice)
        for n in range(size):
            os.close(os.open(os.path.join(d.spool, "hold", "%d.bad" % n),
                             os.O_WRONLY | os.O_CREAT))
        words = ("--from", "p0@BankA", "--to", "shop@BankB", "1.00", "CZK")
        equal(d.run(QUEUE, "add", *words).returncode, 73,
              "full: add exits with 73")
        equal(d.run(PAY, "pay", *words).returncode, 73,
              "full: strife-pay exits with 73")
        d.check([], "full")
        equal(d.run(PAY, "pay", "--no-queue", *words).returncode, 0,
              "full: strife-pay --no-queue pays")


# Scenario: its size, and that of its short form; None: not in it.
SCENARIOS = {gateway_down: (1000, 60), kills: (100, 5), tokens: (500, 50),
             drops: (200, 20), declined: (1, 1), keys: (10, 1),
             steps: (1, 0), full: (100000, None)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("scenarios", nargs="*",
                        metavar="SCENARIO: " + " ".join(
                            one.__name__ for one in SCENARIOS))
    options = parser.parse_args()
    for scenario, sizes in SCENARIOS.items():
        if options.scenarios and scenario.__name__ not in options.scenarios:
            continue
        if sizes[options.short] is None:
            continue
        dice = random.Random("%d %s" % (options.seed, scenario.__name__))
        begun = time.monotonic()
        scenario(sizes[options.short], dice)
        note("%s: %.0f s" % (scenario.__name__, time.monotonic() - begun))
    strife.done()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Breaks one daemon at one durable call, in each scenario; then checks it all.

    sweep.py [--kind kill|errno|malloc] [--scenario NAME]... [--victim NAME]...
             [--do WHAT]... [--every K] [--from N] [--to N] [--recovery]
             [--jobs J] [--keep DIR] [--verbose]

Prints what is known of each case that went wrong, and a summary; exit 1 where
any did. A case is named SCENARIO:VICTIM:WHAT:N[:M]; --case NAME runs only that
one. With --recovery, the start after each kill is killed as well: at each of
its calls and of what follows.
"""

import argparse
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import rig as rigs
import scenarios
import strife

VICTIMS = ("gateway", "BankA", "BankB")
KILLS = ("kill-before", "kill-after", "tear-end", "tear-start")
ERRNOS = ("eio", "enospc", "eintr", "short")
# A run may make a few calls more than the one that was counted.
BEYOND = 2


class Sweep:
    """Cases that ran, and what became of them."""

    def __init__(self, place, shim, verbose=False, keep=None):
        self.rig = rigs.Rig(place, shim=shim)
        self.verbose, self.kept = verbose, keep
        self.cases = self.fired = self.kills = 0
        self.wrong = []
        self.statuses = {}

    def case(self, scenario, victim, what, n, m=None, only=None):
        """One case; (did the fault come, did the second one, calls). `only`:
        just calls of that name count."""
        rig = self.rig
        rig.reset(scenarios.template(rig, scenario, victim))
        label = "%s:%s:%s:%d%s" % (scenario, victim, what, n,
                                   "" if m is None else ":%d" % m)
        fault = rig.faults[victim] = rigs.Fault(
            rig, victim, at=n, do=what, only=only,
            log=os.environ.get("SWEEP_LOG"))
        second = None
        if m is not None:
            second = rig.next_faults[victim] = rigs.Fault(
                rig, victim, at=m, do="kill-before")
        rig.allowed = lambda name, status, text: allowed(
            what, name == victim and bool(fault.fired), status, text)
        start = time.monotonic()
        try:
            rig.start_all()
            rig.wait_up()
            scenarios.ALL[scenario](rig)
        except (rigs.Hung, rigs.Lost) as e:
            rig.bad("%s: %s" % (type(e).__name__, e))
        calls, fired = fault.calls, fault.fired
        rig.finish()
        self.cases += 1
        self.fired += bool(fired)
        for _, status in rig.deaths:
            self.statuses[status] = self.statuses.get(status, 0) + 1
        if rig.violations:
            self.wrong.append(label)
            self.tell("WRONG %s\n%s" % (label, rig.why()))
            if self.kept:
                rig.keep(os.path.join(self.kept, label.replace(":", "-")))
        elif self.verbose:
            self.tell("ok %s fired=%d calls=%d deaths=%s %.2f s" % (
                label, fired, calls, rig.deaths, time.monotonic() - start))
        return bool(fired), second is not None and bool(second.fired), calls

    def tell(self, text):
        for line in text.splitlines():
            print("# " + line)
        sys.stdout.flush()

    def count(self, scenario, victim):
        """How many durable calls a clean run makes."""
        return self.case(scenario, victim, "kill-before", 0)[2]


def allowed(what, is_victim, status, text):
    """May a daemon end like this?"""
    if not is_victim or what not in ("eio", "enospc"):
        return False
    # A failed write or flush; or a start that says why it cannot be.
    return status == -6 and "level=crit" in text or status == 78


def sweep(s, args):
    for name in args.scenario or list(scenarios.ALL):
        for victim in args.victim or VICTIMS:
            calls = s.count(name, victim)
            s.tell("%s: a clean run of %s makes %d durable calls" % (
                name, victim, calls))
            for what in args.do or (KILLS if args.kind == "kill" else ERRNOS):
                one_line(s, args, name, victim, what, calls)


def one_line(s, args, name, victim, what, calls):
    """Every call of one daemon in one scenario."""
    last = min(args.to, calls + BEYOND)
    for turn, n in enumerate(range(args.start, last + 1, args.every)):
        if turn % args.shards != args.shard:
            continue
        fired = s.case(name, victim, what, n)[0]
        m = 1
        while fired and args.recovery and s.case(name, victim, what, n, m)[1]:
            m += 1


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("--kind", choices=("kill", "errno"), default="kill")
    p.add_argument("--scenario", action="append",
                   choices=list(scenarios.ALL))
    p.add_argument("--victim", action="append", choices=VICTIMS)
    p.add_argument("--do", action="append", choices=KILLS + ERRNOS)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--from", dest="start", type=int, default=1)
    p.add_argument("--to", type=int, default=1000000)
    p.add_argument("--recovery", action="store_true",
                   help="kill again at every call of the recovery")
    p.add_argument("--jobs", type=int, default=1)
    p.add_argument("--shard", default="0/1", help="one of so many parts: I/N")
    p.add_argument("--case", action="append")
    p.add_argument("--keep")
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    args.shard, args.shards = map(int, args.shard.split("/"))
    return args


def share(jobs):
    """So many of us at once, each with its part."""
    parts = [subprocess.Popen([sys.executable] + sys.argv + [
        "--jobs=1", "--shard=%d/%d" % (n, jobs)]) for n in range(jobs)]
    return max(part.wait() for part in parts)


def main():
    args = arguments()
    if args.jobs > 1:
        sys.exit(share(args.jobs))
    start = time.monotonic()
    with strife.Place() as place:
        s = Sweep(place, rigs.build_shim(place.dir), args.verbose, args.keep)
        try:
            run(s, args)
        finally:
            summary(s, time.monotonic() - start)
    sys.exit(1 if s.wrong else 0)


def run(s, args):
    for label in args.case or ():
        parts = label.split(":")
        s.case(*parts[:3], *map(int, parts[3:]))
    if not args.case:
        sweep(s, args)


def summary(s, seconds):
    print("%d cases, the fault came in %d, ends %s, torn tails cut %d, "
          "%d wrong, %.0f s" % (s.cases, s.fired, s.statuses, s.rig.torn,
                                len(s.wrong), seconds))
    for label in s.wrong:
        print("wrong: %s" % label)
    sys.stdout.flush()


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Fails one allocation of a daemon's start after the other.

    startup.py [--every K] [--from N] [--to N] [--program gateway|BankA]...
               [--fresh] [--verbose]

Whatever fails, the daemon serves all the same, or ends with a message: by
itself, or by abort(3) from a check that says so. Then it must start again.
"""

import argparse
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig as rigs
import scenarios
import strife


class Startup:
    def __init__(self, rig, verbose=False):
        self.rig = rig
        rig.reset(scenarios.template(rig, None, None))
        self.verbose = verbose
        self.cases = 0
        self.statuses = {}
        self.wrong = []

    def start(self, name, n):
        """Starts it with allocation n failing; (fired, count)."""
        rig = self.rig
        fault = rig.faults[name] = rigs.Fault(rig, name, malloc=n)
        daemon = rig.spawn(name)
        del rig.faults[name]
        if daemon.wait_for(r"^ready "):
            count, status = fault.mallocs, 0
            daemon.kill()
        else:
            status = daemon.wait()
            count = fault.mallocs
        self.cases += 1
        self.statuses[status] = self.statuses.get(status, 0) + 1
        text = daemon.stderr()
        right = status == 0 or text and (
            status in (71, 78) or
            status == -6 and "does not hold" in text)
        if not right:
            self.wrong.append("%s:%d" % (name, n))
            print("# WRONG %s, allocation %d: status %s" % (name, n, status))
            for line in text.splitlines()[-5:]:
                print("#   " + line)
        elif self.verbose:
            print("# %s:%d status %s %s" % (name, n, status,
                                            text.splitlines()[-1:]))
        sys.stdout.flush()
        os.unlink(fault.path)
        return bool(fault.fired), count

    def again(self, name):
        """It starts as if nothing had happened."""
        daemon = self.rig.spawn(name)
        if not daemon.wait_for(r"^ready "):
            self.wrong.append("%s again" % name)
            print("# WRONG %s does not start again: %s" % (
                name, daemon.stderr()))
        daemon.kill()

    def sweep(self, name, first, last, every):
        _, count = self.start(name, 0)
        print("# %s: %d allocations until it is ready" % (name, count))
        for n in range(first, min(last, count) + 1, every):
            self.start(name, n)
            if self.cases % 50 == 0:
                self.again(name)
        self.again(name)
        return count


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--from", dest="first", type=int, default=1)
    p.add_argument("--to", type=int, default=1 << 30)
    p.add_argument("--program", action="append", choices=("gateway", "BankA"))
    p.add_argument("--verbose", action="store_true")
    args = p.parse_args()
    start = time.monotonic()
    with strife.Place() as place:
        s = Startup(rigs.Rig(place, shim=rigs.build_shim(place.dir)),
                    args.verbose)
        for name in args.program or ("gateway", "BankA"):
            s.sweep(name, args.first, args.to, args.every)
        s.rig.check_journals()
        s.wrong += s.rig.violations
    print("%d allocations failed, ends %s, %d wrong, %.0f s" % (
        s.cases, s.statuses, len(s.wrong), time.monotonic() - start))
    sys.exit(1 if s.wrong else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# kill -9 at a durable call of the gateway or of either bank, in each scenario,
# with torn writes, and again in the recovery: some calls here, all of them by
# make sweep.
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import rig
import scenarios
import strife
import sweep
from strife import ok

EVERY = 11
# The maker of segments writes many blocks of zeros, all alike.
SPARSE = {"first": 23, "rollover": 23, "snapshot": 23}


def calls(s, scenario, victim, offset):
    """A clean run's calls, some of them, from another one each time."""
    every = SPARSE.get(scenario, EVERY)
    count = s.count(scenario, victim)
    ok(count > 0, "%s of %s makes durable calls: %d" % (
        scenario, victim, count))
    return range(1 + offset % every, count + 1, every)


def torn(place, shim, octets):
    """What is left of a write whose second half was torn off."""
    path = place.write("torn/file", "")
    done = subprocess.run(
        [sys.executable, "-c",
         "import os, sys\n"
         "os.pwrite(os.open(sys.argv[1], os.O_WRONLY), %r, 0)" % octets, path],
        env=dict(os.environ, LD_PRELOAD=shim, FAULT_DIR=os.path.dirname(path),
                 FAULT_AT="1", FAULT_DO="tear-end"))
    with open(path, "rb") as f:
        return done.returncode, f.read()


with strife.Place() as place:
    s = sweep.Sweep(place, rig.build_shim(place.dir))
    for octets, left in ((b"abc\nd\n", b"ab"), (b"abcde\nf\n", b"abcd")):
        ok(torn(place, s.rig.shim, octets) == (-9, left),
           "no write is torn just before an LF: %r" % octets)
    turn = again = 0
    for scenario in scenarios.ALL:
        for victim in sweep.VICTIMS:
            wrong = len(s.wrong)
            for n in calls(s, scenario, victim, turn * 3):
                turn += 1
                what = sweep.KILLS[turn % len(sweep.KILLS)]
                # In a third of them, the recovery is killed as well.
                m = 1 + turn % 5 if turn % 3 == 0 else None
                again += s.case(scenario, victim, what, n, m)[1]
            ok(len(s.wrong) == wrong,
               "%s, %s killed: nothing lost, nothing twice" % (
                   scenario, victim))
    ok(s.fired > len(scenarios.ALL) * 3, "kills that came: %d of %d cases" % (
        s.fired, s.cases))
    ok(again > 0, "and in the recovery: %d" % again)
    ok(s.rig.torn > 0, "torn tails that were cut: %d" % s.rig.torn)
strife.done()

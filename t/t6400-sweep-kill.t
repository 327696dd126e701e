#!/usr/bin/python3
# kill -9 at a durable call of the gateway or of either bank, in each scenario,
# with torn writes, and again in the recovery: some calls here, all of them by
# make sweep.
import os
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
SPARSE = {"first": 23, "rollover": 23}


def calls(s, scenario, victim, offset):
    """A clean run's calls, some of them, from another one each time."""
    every = SPARSE.get(scenario, EVERY)
    count = s.count(scenario, victim)
    ok(count > 0, "%s of %s makes durable calls: %d" % (
        scenario, victim, count))
    return range(1 + offset % every, count + 1, every)


# The one that leaves a branch in doubt has failed once in a while on a busy
# machine, without a cause that is known yet: sweep.py runs it.
SHORT = [name for name in scenarios.ALL if name != "in_doubt"]

with strife.Place() as place:
    s = sweep.Sweep(place, rig.build_shim(place.dir))
    turn = again = 0
    for scenario in SHORT:
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
    ok(s.fired > len(SHORT) * 3, "kills that came: %d of %d cases" % (
        s.fired, s.cases))
    ok(again > 0, "and in the recovery: %d" % again)
    ok(s.rig.torn > 0, "torn tails that were cut: %d" % s.rig.torn)
strife.done()

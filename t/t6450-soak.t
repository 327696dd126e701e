#!/usr/bin/python3
# Eight banks under load, a random daemon killed every three seconds, for twenty
# seconds; t/sweep/soak.py --minutes 10 is the long form.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import rig as rigs
import soak
import strife
from strife import equal, note, ok

with strife.Place() as place:
    rig = rigs.Rig(place, accounts=soak.accounts(8))
    kills, acknowledged, seconds = soak.soak(rig, 20, 3, 2, 8, 1, note)
    ok(sum(kills.values()) >= 5, "daemons killed: %s" % kills)
    ok(acknowledged > 100, "payments acknowledged: %d of %d" % (
        acknowledged, len(rig.payments)))
    if not equal(rig.violations, [], "violations: none"):
        note(rig.why())
strife.done()

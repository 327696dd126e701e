#!/usr/bin/python3
# The power of a machine goes, under load: what was acknowledged is there. A few
# cuts here, a thousand for each file system by make sweep.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import powercut
import rig
import strife
from strife import equal, note, ok

CUTS = {"ext4": 24, "xfs": 12}


def skip(fs, why):
    ok(True, "power cuts on %s # SKIP %s" % (fs, why))


def cuts(fs):
    with strife.Place() as place:
        c = powercut.run(place, fs, CUTS[fs], 12, 1, note)
        equal(c.rig.violations, [], "%s: %d times a machine lost power: "
              "nothing lost" % (fs, sum(c.cuts.values())))
        ok(c.acknowledged > 0, "%s: payments acknowledged meanwhile: %d" % (
            fs, c.acknowledged))


for fs in CUTS:
    why = powercut.why_not(fs)
    if why is not None:
        skip(fs, why)
        continue
    cuts(fs)

if powercut.why_not("ext4") is None:
    # A disk whose flushes do nothing must be found out, or this tests nothing.
    rig.HANG_S = 3
    rig.SETTLE_S = 1
    with strife.Place() as place:
        c = powercut.run(place, "ext4", 12, 12, 1, lambda text: None,
                         lie=True)
        ok(c.rig.violations, "a disk that lies is found out")
else:
    skip("a disk that lies", "as above")
strife.done()

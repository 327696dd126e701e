#!/usr/bin/python3
# A full disk: new payments are READ_ONLY, reads and what is in flight go on;
# with room again so do new ones, without a restart.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import diskfull
import strife
from strife import equal, ok

why = diskfull.why_not()
if why is not None:
    strife.skip_all(why)
with strife.Place() as place:
    d = diskfull.DiskFull(place)
    for victim, kill in (("gateway", False), ("BankA", False),
                         ("BankB", True), ("gateway", True)):
        refused = d.refused
        d.case(victim, kill)
        ok(d.refused > refused, "%s is full: READ_ONLY" % victim)
        equal(d.rig.violations, [], "%s%s: reads go on, and with room all "
              "does" % (victim, ", killed meanwhile" if kill else ""))
strife.done()

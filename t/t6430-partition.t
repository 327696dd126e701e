#!/usr/bin/python3
# A bank parted from the gateway, both ways, one way, by resets, by loss; a bank
# or the gateway that stands still past every timeout: payments are held, and
# all is well afterwards.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import partition
import strife
from strife import equal, ok

why = partition.why_not()
with strife.Place() as place:
    wires = None if why else place.keep(partition.Wires(("BankA", "BankB")))
    c = partition.Partitions(place, wires)
    for n, way in enumerate(partition.NETWORK + partition.STOPS):
        bank = ("BankA", "BankB")[n % 2]
        if why and way in partition.NETWORK:
            ok(True, "partition: %s # SKIP %s" % (way, why))
            continue
        known = len(c.rig.violations)
        ok(c.case(way, bank, 2.0), "%s, %s: noticed" % (way, bank))
        equal(c.rig.violations[known:], [],
              "%s, %s: all is well afterwards" % (way, bank))
    ok(c.acknowledged > 0 and c.held > 0,
       "payments acknowledged: %d, held meanwhile: %d" % (
           c.acknowledged, c.held))
    known = len(c.rig.violations)
    c.rig.finish()
    equal(c.rig.violations[known:], [], "books and journals agree")
strife.done()

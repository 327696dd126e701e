#!/usr/bin/python3
# EIO, ENOSPC, EINTR and short writes at durable calls in each scenario, and
# allocations that fail while a daemon starts: never a wrong answer, and no end
# but with a message. Some calls here, all of them by make sweep.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "sweep"))
import rig
import scenarios
import startup
import strife
import sweep
from strife import equal, ok

EVERY = 17
SPARSE = {"first": 29, "rollover": 29}
ALLOCATIONS = 701


def died(s):
    return sum(s.statuses.values())


with strife.Place() as place:
    s = sweep.Sweep(place, rig.build_shim(place.dir))
    turn = 0
    fired = dict.fromkeys(sweep.ERRNOS, 0)
    ended = dict.fromkeys(sweep.ERRNOS, 0)
    for scenario in scenarios.ALL:
        for victim in sweep.VICTIMS:
            wrong = len(s.wrong)
            every = SPARSE.get(scenario, EVERY)
            for n in range(1 + turn % every, s.count(scenario, victim) + 1,
                           every):
                what = sweep.ERRNOS[turn % len(sweep.ERRNOS)]
                turn += 1
                before = died(s)
                fired[what] += s.case(scenario, victim, what, n)[0]
                ended[what] += died(s) - before
            ok(len(s.wrong) == wrong, "%s, a call of %s fails: never a wrong "
               "answer" % (scenario, victim))
    before, wrong = died(s), len(s.wrong)
    for n in range(1, 7):
        s.case("across", "BankA", "eintr", n)
    equal((died(s), len(s.wrong)), (before, wrong),
          "no interrupted call keeps a bank from starting")
    ok(all(fired.values()), "calls that failed: %s" % fired)
    ok(ended["eio"] > 0, "after EIO a daemon ends at once: %d times"
       % ended["eio"])
    equal((ended["eintr"], ended["short"]), (0, 0),
          "an interrupted call and a short write are continued")

    # The spare segment's last step fails once: it has its name, but not for
    # sure. The next try must not find it in the way.
    calls = s.case("first", "gateway", "eio", 0, only="fsync")[2]
    wrong = len(s.wrong)
    ok(s.case("first", "gateway", "eio", calls, only="fsync")[0],
       "the last of %d fsyncs of a first start fails" % calls)
    ok(len(s.wrong) == wrong, "and the gateway has room again, by itself")

    s = startup.Startup(s.rig)
    for name in ("gateway", "BankA"):
        if rig.sanitizers():
            ok(True, "%s without memory # SKIP a sanitizer allocates" % name)
            continue
        wrong = len(s.wrong)
        count = s.sweep(name, 1 + len(name), 1 << 30, ALLOCATIONS)
        # The last ones are ours, not a library's.
        for n in range(count - 60, count + 1, 7):
            s.start(name, n)
        ok(len(s.wrong) == wrong, "%s without memory serves, or says why not"
           % name)
    s.rig.check_journals()
    equal(s.rig.violations, [], "and the journals are whole")
strife.done()

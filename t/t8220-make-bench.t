#!/usr/bin/python3
"""make bench prints a row for each setting, and leaves nothing behind."""
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import demos
import strife
from strife import equal, like, note, ok


def script(place, **more):
    env = demos.environment(
        place, BENCH_DIR=place.path("bench"), SECONDS_EACH="1", RATES="50",
        CONNECTIONS="2", **more)
    return demos.Script(place, "bench.sh", env)


def clean(place):
    if not ok(demos.gone(place.path("bench")), "nothing is left running"):
        note(demos.left_running(place.path("bench")))
    ok(not os.path.exists(place.path("bench")), "nor any file")


def main():
    with strife.Place() as place:
        try:
            whole = script(place, WINDOWS="4")
            if not equal(whole.wait(), 0, "it ends well"):
                note(whole.output())
            rows = [line.split() for line in whole.output().splitlines()
                    if re.match(r" *\d+ +\d+ +(-|\d+) ", line)]
            equal([row[:2] for row in rows],
                  [["2", "4"], ["2", "4"]], "a row a setting")
            equal([row[2] == "-" for row in rows], [True, False],
                  "the last at a rate")
            equal([row[-1] for row in rows], ["0"] * 2, "no payment failed")
            ok(all(re.fullmatch(r"\d+", row[3]) for row in rows),
               "payments a second")
            like(whole.output(),
                 r"^This disk makes [1-9]\d* writes a second durable",
                 "and the disk's own figure")
            clean(place)
            cut = script(place, WINDOWS="4")
            ok(cut.wait_for("payments/s"), "it comes to its first setting")
            cut.interrupt()
            ok(cut.wait() in (130, -2), "Ctrl-C ends it")
            clean(place)
        finally:
            demos.end(place.path("bench"))
    strife.done()


main()

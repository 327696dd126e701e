#!/usr/bin/python3
"""Kills a random daemon every few seconds, under load; then checks it all.

    soak.py [--minutes M | --seconds S] [--banks N] [--every SECONDS]
            [--clients N] [--window N] [--seed N] [--keep DIR]
"""

import argparse
import os
import random
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load
import rig as rigs
import strife


def accounts(banks):
    return {"Bank%d" % n: {"a%d" % k: "5000.00" for k in range(20)}
            for n in range(banks)}


def soak(rig, seconds, every, clients, window, seed, tell=print):
    """Runs it; what came of it is in the rig. (kills, acknowledged)"""
    dice = random.Random(seed)
    names = ["%s@%s" % (name, bank) for bank in rig.banks
             for name in rig.accounts[bank]]
    rig.allowed = lambda name, status, text: status == -9
    rig.start_all()
    rig.wait_up()
    loads = [load.Load(rig, names, seed * 1000 + n, window, pause_s=0.05)
             for n in range(clients)]
    start = last = time.monotonic()
    kills = {}
    while time.monotonic() - start < seconds:
        time.sleep(min(every, seconds / 4))
        victim = dice.choice(rig.names)
        kills[victim] = kills.get(victim, 0) + 1
        rig.daemons[victim].process.kill()
        rig.restarts = 0
        rig.revive()
        if time.monotonic() - last > 30:
            last = time.monotonic()
            tell("%.0f s: %d payments, %d acknowledged, %d violations" % (
                last - start, sum(len(l.mine) for l in loads),
                sum(l.acknowledged for l in loads), len(rig.violations)))
    took = time.monotonic() - start
    for one in loads:
        one.end()
    acknowledged = sum(l.acknowledged for l in loads)
    rig.finish()
    return kills, acknowledged, took


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--minutes", type=float)
    p.add_argument("--seconds", type=float, default=20)
    p.add_argument("--banks", type=int, default=8)
    p.add_argument("--every", type=float, default=3)
    p.add_argument("--clients", type=int, default=3)
    p.add_argument("--window", type=int, default=16)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--keep")
    args = p.parse_args()
    seconds = args.minutes * 60 if args.minutes else args.seconds
    with strife.Place() as place:
        rig = rigs.Rig(place, accounts=accounts(args.banks), gateway={
            "payments": {"remembered": 4194304},
            "journal": {"segment": "16MiB"}}, bank={
            "payments": {"remembered": 1048576},
            "journal": {"segment": "4MiB"}})
        kills, acknowledged, took = soak(
            rig, seconds, args.every, args.clients, args.window, args.seed)
        print("%.0f s, %d kills %s" % (took, sum(kills.values()), kills))
        print("payments %d, acknowledged %d, ended %s" % (
            len(rig.payments), acknowledged, load.unique(rig.payments)))
        print("violations %d" % len(rig.violations))
        if rig.violations:
            print(rig.why()[:20000])
            if args.keep:
                rig.keep(args.keep)
        sys.exit(1 if rig.violations else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/python3
"""Fills the disk of one daemon, then makes room again; checks it all.

    diskfull.py [--rounds N] [--keep DIR]

Each daemon's journal lies on a small tmpfs. When it is full new payments are
READ_ONLY, reads go on, and so do those in flight; with room again, so do new
ones, without a restart. In every second round the daemon is killed while the
disk is full: it starts, or says why not, and the books are the same.
Needs root; runs in a mount namespace of its own.
"""

import argparse
import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import powercut
import rig as rigs
import strife
from rig import Payment

SIZE = "6m"
BATCH = 100
# Far more than one segment holds.
PAYMENTS_MAX = 6000


def why_not():
    if os.geteuid() != 0:
        return "only root can mount"
    if not powercut.unshare_mounts():
        return "no mount namespace can be made"
    return None


class Small:
    """A tmpfs, and the file that fills it."""

    def __init__(self, place, name):
        self.at = place.path("small-" + name)
        self.filler = os.path.join(self.at, "filler")
        os.makedirs(self.at)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + SIZE,
                        "tmpfs", self.at], check=True)

    def fill(self):
        try:
            with open(self.filler, "wb", buffering=0) as f:
                while True:
                    f.write(b"\1" * 4096)
        except OSError:
            pass

    def make_room(self):
        os.unlink(self.filler)

    def close(self):
        subprocess.run(["umount", "-l", self.at], stderr=subprocess.DEVNULL)


class DiskFull:
    def __init__(self, place):
        self.disks = {n: place.keep(Small(place, n))
                      for n in ("gateway", "BankA", "BankB")}
        self.rig = rigs.Rig(
            place, accounts={"BankA": {"a": "900000.00"},
                             "BankB": {"b": "900000.00"}},
            dirs={n: os.path.join(d.at, "journal")
                  for n, d in self.disks.items()},
            gateway={"payments": {"in_flight": 128, "held_max": 128,
                                  "per_user": 128, "remembered": 65536,
                                  "per_bank": 128}})
        self.refused = 0

    def fresh(self):
        """Small journals again: three segments would not fit for long."""
        rig = self.rig
        rig.kill_all()
        rig.forget()
        for name in rig.names:
            subprocess.run(["rm", "-rf", rig.journal(name)], check=True)

    def until_refused(self, victim):
        """Pays until the disk is full: the first READ_ONLY, or None."""
        rig = self.rig
        for _ in range(PAYMENTS_MAX // BATCH):
            batch = [Payment("a@BankA", "b@BankB", 1, hold="no",
                             memo="m" * 100) for _ in range(BATCH)]
            rig.payments += batch
            todo = rig._pay_once(batch, rig.client)
            refused = [p for p in todo
                       if p.told and "code=READ_ONLY" in p.told[-1]]
            if refused:
                self.refused += len(refused)
                return refused[0]
            rig.revive()
        rig.bad("%s is never full" % victim)
        return None

    def reads(self, payment):
        """What must go on while there is no room."""
        rig = self.rig
        for verb, fields in (("BALANCE", {"account": "a@BankA"}),
                             ("BALANCE", {"account": "b@BankB"}),
                             ("HISTORY", {"account": "a@BankA"}),
                             ("STATUS", {"id": rig.payments[0].id}),
                             ("PING", {})):
            reply = rig.client.call(verb, fields)
            if reply.word != "OK":
                rig.bad("%s on a full disk: %s" % (verb, reply.text))

    def case(self, victim, kill):
        rig = self.rig
        self.fresh()
        rig.allowed = lambda name, status, text: False
        rig.start_all()
        rig.wait_up()
        pids = {n: d.pid for n, d in rig.daemons.items()}
        self.disks[victim].fill()
        payment = self.until_refused(victim)
        if payment is not None:
            self.reads(payment)
            self.banks(victim)
        if kill:
            rig.crash(victim)
            rig.spawn(victim)
            if not rig.daemons[victim].wait_for(r"^ready "):
                status = rig.daemons[victim].wait()
                if status != 78:
                    rig.bad("on a full disk %s starts with %s: %s" % (
                        victim, status, rig.daemons[victim].stderr()))
            self.disks[victim].make_room()
            rig.up(victim)
        else:
            self.disks[victim].make_room()
        rig.started = time.monotonic()
        rig.pay([p for p in rig.payments if p.state is None])
        if not kill and any(rig.daemons[n].pid != p for n, p in pids.items()):
            rig.bad("somebody was restarted")
        rig.finish()

    def banks(self, victim):
        """A full bank's teller says so, too."""
        rig = self.rig
        if victim == "gateway":
            return
        _, reply = rig.ask_control(victim, "DEPOSIT", dict(
            id=strife.new_id(), name="ab"[victim == "BankB"], amount=1,
            currency=rigs.CUR))
        if reply.code != "READ_ONLY":
            rig.bad("DEPOSIT on a full disk: %s" % reply.text)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--keep")
    args = p.parse_args()
    why = why_not()
    if why is not None:
        print("skipped: %s" % why)
        sys.exit(0)
    start = time.monotonic()
    cases = 0
    with strife.Place() as place:
        d = DiskFull(place)
        for n in range(args.rounds):
            for victim in ("gateway", "BankA", "BankB"):
                try:
                    d.case(victim, n % 2 == 1)
                except (rigs.Hung, rigs.Lost) as e:
                    d.rig.bad("%s: %s" % (type(e).__name__, e))
                cases += 1
                print("%s, %s: %d payments, violations %d" % (
                    victim, "killed while full" if n % 2 else "room returns",
                    len(d.rig.payments), len(d.rig.violations)))
                sys.stdout.flush()
                if d.rig.violations:
                    print(d.rig.why()[:12000])
                    if args.keep:
                        d.rig.keep(args.keep)
                    sys.exit(1)
    print("%d full disks, %d refused READ_ONLY, violations 0, %.0f s" % (
        cases, d.refused, time.monotonic() - start))


if __name__ == "__main__":
    main()

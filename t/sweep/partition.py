#!/usr/bin/python3
"""Parts a bank from the gateway, in every way, under load; then checks it all.

    partition.py [--rounds N] [--way WAY]... [--seconds S] [--keep DIR]

Ways: both (nothing passes), to-gateway and to-bank (one direction is lost),
reset (every packet is answered with RST), loss (a third of all packets), stop
and stop-gateway (SIGSTOP past every timeout, then SIGCONT). Each bank lives in
a network namespace of its own; ours is one, too, so that nothing stays behind.
"""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load
import rig as rigs
import strife

NETWORK = ("both", "to-gateway", "to-bank", "reset", "loss")
STOPS = ("stop", "stop-gateway")
NEW_NET, NEW_USER = 0x40000000, 0x10000000


def run(*command, **options):
    return subprocess.run(list(command), check=True, **options)


def unshare_network():
    """A network namespace of our own; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0:
        return libc.unshare(NEW_NET) == 0
    uid, gid = os.geteuid(), os.getegid()
    if libc.unshare(NEW_USER | NEW_NET) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", "0 %d 1" % uid),
                       ("gid_map", "0 %d 1" % gid)):
        with open("/proc/self/" + name, "w") as f:
            f.write(text)
    return True


def why_not():
    """Why the network cannot be parted here, or None."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("ip", "nft", "nsenter", "unshare"):
        if shutil.which(tool) is None:
            return "there is no %s" % tool
    try:
        if not unshare_network():
            return "no network namespace can be made"
        run("ip", "link", "set", "lo", "up")
        run("nft", "add table inet probe", stderr=subprocess.DEVNULL)
        run("nft", "delete table inet probe")
        run("ip", "link", "add", "probe", "type", "veth",
            stderr=subprocess.DEVNULL)
        run("ip", "link", "del", "probe")
    except (OSError, subprocess.CalledProcessError) as e:
        return "no network can be made: %s" % e
    return None


class Wires:
    """A namespace for each bank, with a cable to ours."""

    def __init__(self, banks):
        self.holders = {}
        self.host = {"listen": "0.0.0.0"}
        self.wrap = {}
        for n, bank in enumerate(banks):
            holder = subprocess.Popen(["unshare", "-n", "sleep", "1000000"])
            self.holders[bank] = holder
            ours = os.readlink("/proc/self/ns/net")
            while os.readlink("/proc/%d/ns/net" % holder.pid) == ours:
                time.sleep(0.005)
            pid = str(holder.pid)
            near, far = self.near(bank), "far"
            run("ip", "link", "add", near, "type", "veth", "peer", "name",
                far, "netns", pid)
            self.host[bank] = "10.77.%d.1" % n
            run("ip", "addr", "add", "10.77.%d.1/30" % n, "dev", near)
            run("ip", "link", "set", near, "up")
            self.wrap[bank] = [shutil.which("nsenter"), "-t", pid, "-n"]
            for command in (("link", "set", "lo", "up"),
                            ("addr", "add", "10.77.%d.2/30" % n, "dev", far),
                            ("link", "set", far, "up")):
                run(*self.wrap[bank], "ip", *command)

    def near(self, bank):
        return "v" + bank

    def part(self, way, bank):
        """nftables rules of our side of the cable."""
        to_us = {"both": "drop", "to-gateway": "drop",
                 "reset": "meta l4proto tcp reject with tcp reset",
                 "loss": "numgen random mod 100 < 33 drop"}.get(way)
        from_us = {"both": "drop", "to-bank": "drop",
                   "loss": "numgen random mod 100 < 33 drop"}.get(way)
        text = "table inet cut {\n"
        if to_us:
            text += ("chain in { type filter hook input priority 0;\n"
                     "iifname %s %s\n}\n" % (self.near(bank), to_us))
        if from_us:
            text += ("chain out { type filter hook output priority 0;\n"
                     "oifname %s %s\n}\n" % (self.near(bank), from_us))
        run("nft", "-f", "-", input=(text + "}\n").encode())

    def heal(self):
        subprocess.run(["nft", "delete", "table", "inet", "cut"],
                       stderr=subprocess.DEVNULL)

    def close(self):
        for holder in self.holders.values():
            holder.kill()
            holder.wait()


class Partitions:
    def __init__(self, place, wires):
        self.wires = wires
        self.rig = rigs.Rig(
            place, accounts={b: {"a%d" % n: "5000.00" for n in range(8)}
                             for b in ("BankA", "BankB")},
            bank_host=wires.host if wires else None,
            wrap=wires.wrap if wires else None,
            bank={"limits": {"accounts": 1024, "handshake": "1s"}})
        self.cases = 0
        self.held = self.acknowledged = 0

    def case(self, way, bank, seconds):
        """Parted for so long, under load; True where it was noticed."""
        rig = self.rig
        rig.started = time.monotonic()
        rig.start_all()
        rig.wait_up()
        names = ["%s@%s" % (a, b) for b in rig.banks for a in rig.accounts[b]]
        loads = [load.Load(rig, names, self.cases * 100 + n, 8, pause_s=0.01)
                 for n in range(2)]
        time.sleep(0.2)
        if way == "stop":
            rig.stop(bank)
        elif way == "stop-gateway":
            rig.stop("gateway")
        else:
            self.wires.part(way, bank)
        time.sleep(seconds)
        # Sooner or later: how soon is no question here.
        noticed = way in ("loss", "stop-gateway") or rig.wait_for(
            lambda: self._is_down(bank), rigs.SETTLE_S)
        if way in STOPS:
            rig.go_on(bank)
            rig.go_on("gateway")
        else:
            self.wires.heal()
        start = time.monotonic()
        try:
            rig.started = start
            rig.wait_up(dead_will_do=False)
        except rigs.Hung as e:
            rig.bad("%s of %s: %s" % (way, bank, e))
        self.back_s = time.monotonic() - start
        for one in loads:
            one.end()
        self.cases += 1
        self.acknowledged += sum(l.acknowledged for l in loads)
        self.held += sum(1 for l in loads for p in l.mine if p.held)
        rig.started = time.monotonic()
        rig.revive()
        rig.pay([p for p in rig.payments if p.state is None])
        rig.settle()
        rig.check_books()
        return noticed

    def _is_down(self, bank):
        rows, _ = self.rig.ask_control("gateway", "BANKS")
        return [r["state"] for r in rows if r["bank"] == bank] == ["down"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--way", action="append", choices=NETWORK + STOPS)
    p.add_argument("--seconds", type=float, default=2.0)
    p.add_argument("--keep")
    args = p.parse_args()
    ways = args.way or NETWORK + STOPS
    why = why_not()
    if why is not None:
        print("skipped: %s" % why)
        ways = [w for w in ways if w in STOPS]
    start = time.monotonic()
    with strife.Place() as place:
        wires = None if why else place.keep(Wires(("BankA", "BankB")))
        c = Partitions(place, wires)
        for n in range(args.rounds):
            for way in ways:
                bank = ("BankA", "BankB")[(n + ways.index(way)) % 2]
                if not c.case(way, bank, args.seconds):
                    c.rig.bad("%s of %s is not noticed" % (way, bank))
                print("%s of %s: back after %.1f s; held %d, acknowledged %d, "
                      "violations %d" % (way, bank, c.back_s, c.held,
                                         c.acknowledged,
                                         len(c.rig.violations)))
                sys.stdout.flush()
        c.rig.finish()
        if c.rig.violations:
            print(c.rig.why()[:20000])
            if args.keep:
                c.rig.keep(args.keep)
        print("%d partitions, %d payments, %d of them held, ended %s, "
              "violations %d, %.0f s" % (
                  c.cases, len(c.rig.payments), c.held,
                  load.unique(c.rig.payments), len(c.rig.violations),
                  time.monotonic() - start))
        sys.exit(1 if c.rig.violations else 0)


if __name__ == "__main__":
    main()

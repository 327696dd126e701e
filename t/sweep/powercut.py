#!/usr/bin/python3
"""Cuts the power of one machine after the other, under load; checks it all.

    powercut.py [--fs ext4|xfs] [--cuts N] [--check-every N] [--seed N]
                [--lie] [--keep DIR]

Each daemon's journal lies on a file system of its own, on a loop device. A cut
is the GOINGDOWN ioctl without a flush of the log: what was not flushed is gone,
as is a name whose directory was not. The daemon on it dies, the file system is
mounted again, the daemon starts. Every third cut takes all machines at once.
With --lie the gateway's flushes do nothing: then something must be found, or
this test could not find anything. Needs root; runs in a mount namespace of its
own, so that nothing stays behind.
"""

import argparse
import ctypes
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import load
import rig as rigs
import strife

GOING_DOWN = 0x8004587D     # _IOR('X', 125, uint32_t)
NO_LOG_FLUSH = 2
MIB = 1 << 20
# The smallest that mkfs.xfs makes is 300 MiB: the files are sparse.
SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB}


def unshare_mounts():
    """A mount namespace of our own; False where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(0x00020000) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"],
                          stderr=subprocess.DEVNULL).returncode == 0


class Disk:
    """A file system that can lose its power."""

    def __init__(self, place, name, fs):
        self.image = place.path("disk-" + name)
        self.at = place.path("mnt-" + name)
        os.makedirs(self.at)
        with open(self.image, "wb") as f:
            f.truncate(SIZES[fs])
        quiet = ["-q"] if fs == "xfs" else ["-q", "-F"]
        subprocess.run(["mkfs." + fs] + quiet + [self.image], check=True)
        # One loop device for all: making and removing them is slow.
        self.loop = subprocess.run(
            ["losetup", "-f", "--show", self.image], check=True,
            stdout=subprocess.PIPE).stdout.decode().strip()
        self.mounted = False
        self.mount()

    def mount(self):
        subprocess.run(["mount", self.loop, self.at], check=True)
        self.mounted = True

    def cut(self):
        fd = os.open(self.at, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, GOING_DOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def umount(self):
        """Waits for whoever still has a file open there to be gone."""
        for _ in range(500):
            done = subprocess.run(["umount", self.at],
                                  stderr=subprocess.PIPE)
            if done.returncode == 0:
                self.mounted = False
                return
            time.sleep(0.01)
        raise RuntimeError("umount: %s" % done.stderr)

    def close(self):
        if self.mounted:
            subprocess.run(["umount", "-l", self.at],
                           stderr=subprocess.DEVNULL)
        subprocess.run(["losetup", "-d", self.loop],
                       stderr=subprocess.DEVNULL)


def why_not(fs):
    """Why power cannot be cut here, or None."""
    if os.geteuid() != 0:
        return "only root can mount"
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for tool in ("mkfs." + fs, "losetup", "mount"):
        if shutil.which(tool) is None:
            return "there is no %s" % tool
    with open("/proc/filesystems") as f:
        if fs not in f.read().split():
            return "the kernel has no %s" % fs
    if subprocess.run(["losetup", "-f"], stdout=subprocess.DEVNULL,
                      stderr=subprocess.DEVNULL).returncode != 0:
        return "there is no loop device"
    if not unshare_mounts():
        return "no mount namespace can be made"
    return None


class Cuts:
    """A deployment whose machines lose power again and again."""

    def __init__(self, place, fs, seed, lie=False):
        self.lie = lie
        self.dice = random.Random(seed)
        self.disks = {}
        for name in ("gateway", "BankA", "BankB"):
            self.disks[name] = place.keep(Disk(place, name, fs))
        self.rig = rigs.Rig(
            place, accounts={b: {"a%d" % n: "5000.00" for n in range(8)}
                             for b in ("BankA", "BankB")},
            dirs={n: os.path.join(d.at, "journal")
                  for n, d in self.disks.items()})
        if lie:
            self.rig.shim = rigs.build_shim(place.dir)
        # A daemon may see its disk fail before it is gone.
        self.rig.allowed = lambda name, status, text: status in (-6, -9, 78)
        self.cuts = {name: 0 for name in self.disks}
        self.payments = self.acknowledged = 0

    def spawn(self, name):
        rig = self.rig
        if self.lie and name == "gateway":
            rig.faults[name] = rigs.Fault(rig, name, at=1, do="lie", **{
                "for": 0})
        rig.spawn(name)

    def cut(self, names):
        rig = self.rig
        for name in names:
            self.disks[name].cut()
            self.cuts[name] += 1
        for name in names:
            rig.wanted.discard(name)
            rig.daemons[name].process.kill()
        for name in names:
            rig.daemons[name].wait()
            self.disks[name].umount()
            self.disks[name].mount()
        for name in names:
            self.spawn(name)
        for name in names:
            if not rig.ready(name):
                raise rigs.Hung("%s does not start after a power cut: %s" % (
                    name, rig.daemons[name].stderr()))

    def round(self, count, first):
        """So many cuts, then everything is checked and goes on."""
        rig = self.rig
        rig.started = time.monotonic()
        rig.restarts = 0
        rig.start_all()
        rig.wait_up()
        names = ["%s@%s" % (a, b) for b in rig.banks for a in rig.accounts[b]]
        loads = [load.Load(rig, names, self.dice.randrange(1 << 30), 8)
                 for _ in range(2)]
        for n in range(first, first + count):
            time.sleep(self.dice.uniform(0.002, 0.12))
            rig.revive()
            self.cut(list(self.disks) if n % 3 == 2 else
                     [list(self.disks)[self.dice.randrange(3)]])
        for one in loads:
            one.end()
        self.acknowledged += sum(l.acknowledged for l in loads)
        self.payments = len(rig.payments)
        rig.finish()


def run(place, fs, cuts, check_every, seed, tell, lie=False):
    c = Cuts(place, fs, seed, lie)
    for first in range(0, cuts, check_every):
        try:
            c.round(min(check_every, cuts - first), first)
        except rigs.Hung as e:
            c.rig.bad(str(e))
        if c.rig.violations:
            tell(c.rig.why()[:20000])
            break
        tell("%s: %d cuts, torn tails %d, payments %d, acknowledged %d, "
             "violations 0" % (fs, sum(c.cuts.values()), c.rig.torn, c.payments,
                               c.acknowledged))
    return c


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--fs", choices=("ext4", "xfs"), default="ext4")
    p.add_argument("--cuts", type=int, default=1000)
    p.add_argument("--check-every", type=int, default=50)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--lie", action="store_true")
    p.add_argument("--keep")
    args = p.parse_args()
    why = why_not(args.fs)
    if why is not None:
        print("skipped: %s" % why)
        sys.exit(0)
    start = time.monotonic()
    with strife.Place() as place:
        c = run(place, args.fs, args.cuts, args.check_every, args.seed, print,
                args.lie)
        if c.rig.violations and args.keep:
            c.rig.keep(args.keep)
        print("%s: %d times a machine lost power %s, %d torn tails, %d "
              "payments, violations %d, %.0f s" % (
                  args.fs, sum(c.cuts.values()), c.cuts, c.rig.torn, c.payments,
                  len(c.rig.violations), time.monotonic() - start))
        sys.exit(1 if c.rig.violations else 0)


if __name__ == "__main__":
    main()

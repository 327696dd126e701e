"""A machine of its own for a test: systemd as process 1 in namespaces, with
what `make install` installs. See t/systemd/boot.sh.

    with strife.Place() as place:
        try:
            machine = Machine(place)
        except CannotBoot as why:
            ...
        machine.run("systemctl", "start", "strife-gatewayd")

The machine sees this one's files, changes a copy of them in memory, and is gone
with the place, or with the test, however that ends.
"""

import os
import shutil
import signal
import subprocess
import time

import strife

HERE = os.path.join(strife.TOP, "t", "systemd")
PREFIX = "/usr/local"


class CannotBoot(Exception):
    """This is not to be had here, and why."""


def why_not():
    """What is missing to boot a machine, in one line; None: try it."""
    if os.geteuid() != 0:
        return "only root can boot a machine"
    if not os.access("/lib/systemd/systemd", os.X_OK):
        return "systemd is not installed"
    for program in ("unshare", "nsenter", "pivot_root", "setpriv"):
        if shutil.which(program) is None:
            return "%s is not installed" % program
    return None


def install(root):
    """make install below root, of what was built; nothing is built here."""
    subprocess.run(
        ["make", "-C", strife.TOP, "-s", "-o", "all", "out=" + strife.BIN,
         "DESTDIR=" + root, "PREFIX=" + PREFIX, "sysconfdir=/etc", "install"],
        check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


class Machine:
    """A machine that runs; with the place it ends."""

    def __init__(self, place):
        why = why_not()
        if why is not None:
            raise CannotBoot(why)
        self.dir = place.path("machine")
        os.makedirs(self.dir)
        install(os.path.join(self.dir, "files"))
        shutil.copytree(os.path.join(HERE, "units"),
                        os.path.join(self.dir, "units"))
        self.log = os.path.join(self.dir, "log")
        with open(self.log, "wb") as log:
            # Whatever ends the test, SIGKILL as well, ends the machine.
            self.outer = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM",
                 os.path.join(HERE, "boot.sh"), self.dir],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True)
        place.keep(self)
        self.init = self._await_init()

    def _await_init(self):
        """The process 1 of the machine, as this one numbers it, once booted."""
        deadline = time.monotonic() + strife.WAIT_S
        while time.monotonic() < deadline:
            if self.outer.poll() is not None:
                raise CannotBoot(self.said().strip() or "boot.sh: exit %d"
                                 % self.outer.returncode)
            init = self._find_init()
            if init is not None and self._is_booted(init):
                return init
            time.sleep(0.05)
        raise strife.Timeout("the machine does not boot:\n" + self.said())

    def _find_init(self):
        try:
            with open(os.path.join(self.dir, "unshare")) as f:
                unshare = int(f.read())
            with open("/proc/%d/task/%d/children" % (unshare, unshare)) as f:
                children = f.read().split()
            if not children:
                return None
            with open("/proc/%s/comm" % children[0]) as f:
                return int(children[0]) if f.read() == "systemd\n" else None
        except (OSError, ValueError):
            return None

    def _is_booted(self, init):
        done = subprocess.run(
            self._inside(init, ["systemctl", "is-active", "machine.target"]),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, check=False)
        return done.stdout == b"active\n"

    def _inside(self, init, command):
        return ["nsenter", "-t", str(init), "-m", "-p", "-i", "-n", "-u", "-C",
                "--", "env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:"
                "/usr/sbin:/usr/bin:/sbin:/bin"] + list(command)

    def start(self, *command):
        """A command in the machine, as a Popen with text."""
        return subprocess.Popen(
            self._inside(self.init, command), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *command, wanted=0):
        """Runs a command in the machine; its stdout. Notes another exit."""
        process = self.start(*command)
        out, err = process.communicate(timeout=strife.WAIT_S)
        if wanted is not None and process.returncode != wanted:
            strife.note("%s: exit %d\n%s%s" % (
                " ".join(command), process.returncode, out, err))
        self.status, self.err = process.returncode, err
        return out

    def show(self, unit, name):
        """A property of a unit, as systemctl show has it."""
        return self.run("systemctl", "show", "--value", "-p", name,
                        unit).strip()

    def await_that(self, condition, what):
        """Waits until condition() holds; False, with a note, if it does not."""
        deadline = time.monotonic() + strife.WAIT_S
        while time.monotonic() < deadline:
            if condition():
                return True
            time.sleep(0.05)
        strife.note("never: " + what)
        return False

    def write(self, path, text, mode=0o644):
        """A file in the machine."""
        inside = "/proc/%d/root%s" % (self.init, path)
        os.makedirs(os.path.dirname(inside), exist_ok=True)
        with open(inside, "w") as f:
            f.write(text)
        os.chmod(inside, mode)

    def read(self, path):
        with open("/proc/%d/root%s" % (self.init, path)) as f:
            return f.read()

    def said(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def close(self):
        if self.outer.poll() is None:
            self.outer.send_signal(signal.SIGTERM)
        self.outer.wait(strife.WAIT_S)

"""What the tests of bin/demo share: running a script, and what it left."""

import os
import signal
import subprocess
import time

from strife import BIN, TOP, WAIT_S

LONG_S = 10 * WAIT_S


def environment(place, **more):
    """Nothing of ours is written outside the test's own directory."""
    env = dict(os.environ, STRIFE_BIN=BIN, XDG_STATE_HOME=place.path("state"),
               XDG_CONFIG_HOME=place.path("config"), **more)
    for name in ("STRIFE_PAY_CONFIG", "OPENING", "ORDERS"):
        if name not in more:
            env.pop(name, None)
    return env


def left_running(directory):
    """[pid] of processes that know of this directory, but for ourselves."""
    pids = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        for file in ("cmdline", "environ"):
            try:
                with open("/proc/%s/%s" % (name, file), "rb") as text:
                    if directory.encode() in text.read():
                        pids.append(int(name))
                        break
            except OSError:
                break
    return pids


def gone(directory, wait_s=WAIT_S):
    """True once nothing is left that knows of this directory."""
    deadline = time.monotonic() + wait_s
    while left_running(directory):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def end(directory):
    """Whatever a failed test left, and only that, goes."""
    for pid in left_running(directory):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


class Script:
    """A script of bin/demo in a session of its own, its output in a file."""

    def __init__(self, place, name, env):
        self.path = place.path(name + ".%d.out" % time.monotonic_ns())
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(
                ["/bin/sh", os.path.join(TOP, "bin", "demo", name)],
                stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, env=env, cwd=TOP,
                start_new_session=True)

    def output(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def wait(self):
        try:
            return self.process.wait(LONG_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait()

    def wait_for(self, text):
        """Until this was printed; False where the script ended without it."""
        deadline = time.monotonic() + LONG_S
        while text not in self.output():
            if self.process.poll() is not None or \
                    time.monotonic() > deadline:
                return text in self.output()
            time.sleep(0.01)
        return True

    def interrupt(self):
        """As Ctrl-C on a terminal does: the whole process group."""
        os.killpg(self.process.pid, signal.SIGINT)

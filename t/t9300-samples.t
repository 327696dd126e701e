#!/usr/bin/python3
"""Each sample in etc/strife is what its own program takes.

The samples name certificates and journals relative to themselves, so a copy of
etc/strife beside a `certs` made by strife-ca needs no change at all. Each is
checked as it stands, and again with every line switched on that stands behind
a `#`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import TOP, equal, like, note, ok

SECRET = {"users.yaml", "customers.yaml"}


def run(name, *arguments, cwd=None, env=None):
    return subprocess.run(
        [strife.program(name), *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, cwd=cwd,
        env=env, encoding="utf-8", check=False)


def deployment(place, name):
    """A copy of the samples, with the certificates that they name."""
    top = place.path(name)
    samples = os.path.join(top, "etc", "strife")
    shutil.copytree(os.path.join(TOP, "etc", "strife"), samples)
    os.mkdir(os.path.join(top, "var"))
    for file in SECRET:
        if os.path.exists(os.path.join(samples, file)):
            os.chmod(os.path.join(samples, file), 0o600)
    certificates = os.path.join(top, "certs")
    for words in (["init"], ["issue", "gateway", "gw1"],
                  ["issue", "bank", "BankA"], ["issue", "client", "client"]):
        done = run("strife-ca", "-d", certificates, *words)
        if done.returncode != 0:
            note(done.stderr)
            return None
    return samples


def switch_on(path):
    """Every key behind a # counts; True where there was one."""
    with open(path, encoding="utf-8") as file:
        old = file.read()
    new = re.sub(r"^( *)# ?( *[a-z_]+:(?:\s.*)?)$", r"\1\2", old, flags=re.M)
    with open(path, "w", encoding="utf-8") as file:
        file.write(new)
    return new != old


def change(path, pattern, to):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    text, count = re.subn(pattern, to, text, flags=re.M)
    assert count == 1, (path, pattern)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def accepts(what, *arguments):
    done = run(*arguments)
    if not ok(done.returncode == 0 and done.stdout.endswith(": ok\n"), what):
        note("exit %d\n%s%s" % (done.returncode, done.stdout, done.stderr))
    return done


def check_daemons(samples, how):
    for program, sample in (("strife-gatewayd", "gatewayd.yaml"),
                            ("strife-bankd", "bankd.yaml")):
        accepts("%s -t takes %s, %s" % (program, sample, how), program, "-t",
                "-c", os.path.join(samples, sample))
    for sample, more in (("users.yaml", []), ("customers.yaml", ["--local"])):
        done = accepts("strife-authd -t takes %s, %s" % (sample, how),
                       "strife-authd", "-t", *more, "-u",
                       os.path.join(samples, sample))
        equal(done.stderr, "", "without a warning")


def check_pay(samples, how):
    """strife-pay has no -t: that it comes to dial says that it took the file."""
    path = os.path.join(samples, "pay.yaml")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        change(path, r"127\.0\.0\.1:7440",
               "127.0.0.1:%d" % nobody.getsockname()[1])
        change(path, r"^#?retries: \d+", "retries: 0")
        done = run("strife-pay", "-c", path, "accounts")
    if not equal(done.returncode, 69, "strife-pay takes pay.yaml, %s" % how):
        note(done.stderr)


def main():
    with strife.Place() as place:
        samples = deployment(place, "plain")
        if not ok(samples is not None, "strife-ca makes what the samples name"):
            strife.done()
        check_daemons(samples, "as it is")
        check_pay(samples, "as it is")
        left = [os.path.join(directory, file) for directory, _, files
                in os.walk(os.path.join(os.path.dirname(samples), "..", "var"))
                for file in files]
        equal(left, [], "checking writes nothing")

        users = os.path.join(samples, "users.yaml")
        os.chmod(users, 0o644)
        done = run("strife-authd", "-t", "-u", users)
        equal(done.returncode, 0, "a users file that others may read is taken")
        like(done.stderr, "users.yaml", "with a warning")

        samples = deployment(place, "full")
        password = os.path.join(samples, "password")
        with open(password, "w", encoding="utf-8") as file:
            file.write("alice-demo\n")
        os.chmod(password, 0o600)
        for sample in sorted(os.listdir(samples)):
            path = os.path.join(samples, sample)
            if sample.endswith(".yaml") and switch_on(path):
                note("%s: with what is behind a #" % sample)
        check_daemons(samples, "everything switched on")
        check_pay(samples, "everything switched on")
    strife.done()


main()

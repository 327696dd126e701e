#!/usr/bin/python3
"""make up leaves a deployment that its own instructions work on; make down
ends it."""

import os
import re
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import demos
import strife
from strife import TOP, equal, like, note, ok


def instructions(text):
    """The commands that up.sh prints: lines that are set in."""
    return [line.strip() for line in text.splitlines()
            if re.match(r"  \S", line)]


def script(place, name, env):
    one = demos.Script(place, name, env)
    if not equal(one.wait(), 0, name):
        note(one.output())
    return one.output()


def main():
    with strife.Place() as place:
        directory = place.path("up")
        env = demos.environment(place, UP_DIR=directory)
        try:
            commands = instructions(script(place, "up.sh", env))
            run_all(place, env, commands)
            gateway_away(place, env, directory)
            first = set(demos.left_running(directory))
            script(place, "up.sh", env)
            ok(not first & set(demos.left_running(directory)),
               "up again starts afresh")
            done = subprocess.run(
                [strife.program("strife-pay"), "-c",
                 os.path.join(directory, "bob.pay.yaml"), "balance"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=env,
                encoding="utf-8", check=False)
            like(done.stdout, r"^bob@BankB\tCZK\t200\.00\t",
                 "with the balances of the start")
            script(place, "down.sh", env)
            ok(demos.gone(directory), "down leaves no process")
            script(place, "down.sh", env)
            ok(os.path.exists(os.path.join(directory, "gatewayd")),
               "files stay for a look")
        finally:
            demos.end(directory)
    strife.done()


def wait_until(condition):
    deadline = time.monotonic() + strife.WAIT_S
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def gateway_away(place, env, directory):
    """README.md, "When a gateway is away", line by line."""
    with open(os.path.join(TOP, "README.md"), encoding="utf-8") as page:
        text = page.read().split("## When a gateway is away")[1]
    lines = re.findall(r"^    \$ (.*)$", text.split("\n## ")[0], re.M)
    stop, pay, waiting, start, flush, results = [
        line.replace("var/up", directory).replace(
            "bin/strife", strife.BIN + "/strife") for line in lines]

    def run(line):
        env_up = dict(env, STRIFE_PAY_CONFIG=os.path.join(
            directory, "alice.pay.yaml"))
        with open(place.path("said"), "w+", encoding="utf-8") as said:
            code = subprocess.run(
                ["/bin/sh", "-c", line], cwd=TOP, env=env_up, stdout=said,
                stdin=subprocess.DEVNULL, stderr=said, check=False).returncode
            said.seek(0)
            return code, said.read()

    with open(os.path.join(directory, "run", "gatewayd.pid"),
              encoding="ascii") as file:
        old = int(file.read())
    equal(run(stop)[0], 0, "the gateway is stopped")
    ok(wait_until(lambda: not os.path.exists("/proc/%d" % old)),
       "and ends")
    code, said = run(pay)
    if not ok(code == 75 and "it is queued" in said, "pay: queued"):
        note(said)
    like(run(waiting)[1], r"\tnew\t.*\t95\.00\tCZK\t", "list: it waits")
    equal(run(start)[0], 0, "the gateway is started again, at its ports")
    ok(wait_until(lambda: run(flush)[0] == 0), "flush delivers it")
    like(run(results)[1], r"\tcommitted\t", "results: it is paid")


def run_all(place, env, commands):
    """Each command as printed, in one shell after another; what matters of it
    is looked for."""
    wanted = {
        "strife-pay balance": r"^alice@BankA\tCZK\t1000\.00\t",
        "strife-pay pay": r"\bcommitted\b",
        "strife-pay history": r"\t-12\.50\t.*\tbob@BankB\tlunch$",
        "bob.pay.yaml balance": r"^bob@BankB\tCZK\t212\.50\t",
        "strife-ctl": r"\bBankA\b|\bcommitted\b",
        "accounts": r"^alice\tCZK\t987\.50\t",
        "strife-journal": r" COMMITTED .* amount=1250 ",
    }
    seen = set()
    exports = ""
    for command in commands:
        if command.startswith("export "):
            exports += command + "\n"
            continue
        done = subprocess.run(
            ["/bin/sh", "-c", exports + command], cwd=TOP, env=env,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, encoding="utf-8", check=False)
        what = command.replace(place.dir, "")
        if not equal(done.returncode, 0, what):
            note(done.stdout + done.stderr)
        for part, pattern in wanted.items():
            if part in command:
                seen.add(part)
                like(done.stdout, pattern, "its output")
    equal(seen, set(wanted), "every program was tried")


main()

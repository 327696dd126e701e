#!/usr/bin/python3
# The services under a systemd that really runs, installed as strife(7) says,
# RUNNING: they start, pay, are started again when they crash or hang, reload,
# finish what is under way when they are stopped, and deliver the queue.
import os
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from machine import CannotBoot, Machine, PREFIX, why_not
from strife import equal, like, note, ok

GATEWAY = "strife-gatewayd.service"
BANKS = ["BankA", "BankB"]
UNITS = PREFIX + "/lib/systemd/system"
EXPOSURE_MAX = 1.5
CA = ("strife-ca", "-d", "/etc/strife/ca")


def bank(name):
    return "strife-bankd@%s.service" % name


def sanitized():
    """Were the programs built with AddressSanitizer?"""
    with open(strife.program("strife-gatewayd"), "rb") as f:
        return b"__asan_init" in f.read()


# ---- Installing, step by step ----

def set_up(machine):
    """The steps of strife(7), RUNNING, for a gateway and two banks."""
    machine.run("systemd-sysusers")
    machine.run("systemd-tmpfiles", "--create", "strife.conf")
    machine.run(*CA, "init")
    machine.run(*CA, "issue", "gateway", "gw1")
    for name in BANKS:
        machine.run(*CA, "issue", "bank", name)
    machine.run(*CA, "issue", "client", "billing-host")

    def put(owner, mode, *names):
        machine.run("install", "-o", owner, "-m", mode, *names,
                    "/etc/strife/tls/")

    pairs = ["gw1", "billing-host"] + BANKS
    put("root", "644", *["/etc/strife/ca/%s.crt" % name
                         for name in ["ca"] + pairs])
    put("strife-gateway", "600", "/etc/strife/ca/gw1.key",
        "/etc/strife/ca/token.key")
    put("strife-queue", "600", "/etc/strife/ca/billing-host.key")
    put("strife-bank", "600",
        *["/etc/strife/ca/%s.key" % name for name in BANKS])
    for name in BANKS:
        machine.run("install", "-d", "-m", "700", "-o", "strife-bank", "-g",
                    "strife-bank", "/var/lib/strife/bankd-" + name)
    configure(machine)
    if sanitized():
        # Looking for leaks takes system calls that the sandbox has not.
        machine.write("/etc/systemd/system/service.d/leaks.conf",
                      "[Service]\nEnvironment=ASAN_OPTIONS=detect_leaks=0\n")
    machine.run("systemctl", "daemon-reload")


def configure(machine):
    def sample(name):
        return machine.read("/etc/strife/%s.yaml.sample" % name)

    machine.write("/etc/strife/gatewayd.yaml", sample("gatewayd"))
    machine.run("install", "-o", "strife-gateway", "-m", "600",
                "/etc/strife/users.yaml.sample", "/etc/strife/users.yaml")
    for name in BANKS:
        machine.write(
            "/etc/strife/bankd/%s.yaml" % name,
            sample("bankd").replace("BankA", name).replace(
                "accounts: accounts.yaml", "accounts: %s.accounts.yaml" % name))
        machine.write("/etc/strife/bankd/%s.accounts.yaml" % name,
                      sample("accounts"))
    # The queue pays for the shop, which its certificate may without a password.
    machine.write("/etc/strife/pay.yaml", sample("pay").replace(
        "client.", "billing-host.").replace("user: alice", "user: cron").replace(
            "#retry_delay: 3s", "retry_delay: 200ms"))
    # A shop has nothing at the start.
    machine.write("/etc/strife/bankd/BankA.accounts.yaml", sample(
        "accounts").replace("shop:  {currency: CZK}",
                            'shop: {currency: CZK, balance: "1000.00"}'))


# ---- What a test asks the machine ----

def drop_in(machine, unit, text):
    machine.write("/etc/systemd/system/%s.d/test.conf" % unit, text)
    machine.run("systemctl", "daemon-reload")


def active(machine, unit):
    return machine.show(unit, "ActiveState") == "active"


def main_pid(machine, unit):
    return int(machine.show(unit, "MainPID"))


def log_of(machine, unit):
    return machine.run("journalctl", "-q", "-o", "cat", "-u", unit)


def registered(machine):
    """All banks are there."""
    return machine.await_that(
        lambda: re.search(r"\b%d of %d banks" % (len(BANKS), len(BANKS)),
                          machine.show(GATEWAY, "StatusText")),
        "every bank is registered")


def payment(*options):
    return ("strife-pay", "-c", "/etc/strife/pay.yaml", "pay", "--from",
            "shop@BankA", "--to", "bob@BankB", "1.00", "CZK") + options


def pays(machine, what):
    out = machine.run(*payment("--no-queue"), wanted=None)
    ok(machine.status == 0, what) or note(
        "exit %d\n%s%s" % (machine.status, out, machine.err))


def posted(machine):
    """What bob has, by his bank's own books."""
    out = machine.run("strife-teller", "-c", "/etc/strife/bankd/BankB.yaml",
                      "balance", "bob")
    found = re.search(r"\b[0-9]+\.[0-9]{2}\b", out)
    return found[0] if found else out


# ---- The tests ----

def scores(machine):
    """systemd's own opinion of each sandbox: 10 is none, 0 is no service."""
    if not os.access("/usr/bin/systemd-analyze", os.X_OK):
        ok(True, "how exposed services are # SKIP no systemd-analyze")
        return
    for unit in sorted(os.listdir(machine.dir + "/files" + UNITS)):
        if not unit.endswith(".service"):
            continue
        out = machine.run("systemd-analyze", "security", "--offline=true",
                          "--no-pager", UNITS + "/" + unit, wanted=None)
        score = re.search(r"Overall exposure level .*: ([0-9.]+)", out)
        ok(score and float(score[1]) <= EXPOSURE_MAX,
           "%s: exposure %s, at most %s" % (
               unit, score[1] if score else out, EXPOSURE_MAX))


def checks(machine):
    """-t, as the users that the services run as."""
    out = machine.run("runuser", "-u", "strife-gateway", "--",
                      "strife-gatewayd", "-t", "-c",
                      "/etc/strife/gatewayd.yaml")
    equal(out, "/etc/strife/gatewayd.yaml: ok\n", "the gateway's files")
    for name in BANKS:
        path = "/etc/strife/bankd/%s.yaml" % name
        equal(machine.run("runuser", "-u", "strife-bank", "--",
                          "strife-bankd", "-t", "-c", path),
              path + ": ok\n", "%s's files" % name)


def starts(machine):
    machine.run("systemctl", "enable", "--now", "strife.target", GATEWAY,
                *map(bank, BANKS))
    for unit in [GATEWAY] + list(map(bank, BANKS)):
        if not ok(active(machine, unit), unit + " is active"):
            note(log_of(machine, unit))
            strife.done()
    like(machine.show(GATEWAY, "StatusText"), r"^serving: [0-9]+ clients",
         "its status is figures")
    ok(registered(machine), "the banks registered")
    pays(machine, "a payment goes through")
    equal(posted(machine), "251.50", "... and is in the books")
    like(machine.run("journalctl", "-q", "-o", "json",
                     "--output-fields=PRIORITY,MESSAGE", "-u", GATEWAY),
         r'"PRIORITY":"6"', "the log's levels are journald's")


def logs_in(machine):
    """A password is checked by strife-authd, in its daemon's sandbox."""
    pay = machine.read("/etc/strife/pay.yaml")
    machine.write("/etc/strife/alice.password", "alice-demo\n", 0o600)
    machine.write("/etc/strife/alice.yaml", pay.replace(
        "user: cron", "user: alice\npassword_file: alice.password"))
    out = machine.run("strife-pay", "-c", "/etc/strife/alice.yaml", "balance",
                      "alice@BankA")
    like(out, r"\b1000\.00\b", "a password is checked")


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def processes_of(machine, unit):
    """The processes of a unit: {name: what /proc says of it}."""
    group = machine.show(unit, "ControlGroup")
    # Numbered as this machine does, for it is this one that reads it.
    pids = machine.read("/sys/fs/cgroup%s/cgroup.procs" % group).split()
    found = [status_of(int(pid)) for pid in pids]
    return {status["Name"]: status for status in found}


def privileges(machine):
    for unit, user in (GATEWAY, "strife-gateway"), (bank("BankA"),
                                                    "strife-bank"):
        uid = machine.run("id", "-u", user).strip()
        processes = processes_of(machine, unit)
        ok(processes, "%s has processes: %s" % (unit, sorted(processes)))
        for name, status in sorted(processes.items()):
            equal(set(status["Uid"].split()), {uid}, "%s runs as %s" % (
                name, user))
            equal({status[kind].strip("0") for kind in (
                "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}, {""},
                "... without capabilities")
            equal((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"),
                  "... none to be had, system calls filtered")
    ok("strife-authd" in processes_of(machine, GATEWAY),
       "strife-authd is there, too")


def restarted(machine, unit, times):
    """It is active again, after so many restarts."""
    return machine.await_that(
        lambda: active(machine, unit) and int(
            machine.show(unit, "NRestarts")) == times,
        "%s was started again" % unit)


def crashes(machine):
    for unit in GATEWAY, bank("BankB"):
        old = main_pid(machine, unit)
        machine.run("systemctl", "kill", "-s", "KILL", "--kill-whom=main",
                    unit)
        ok(restarted(machine, unit, 1), "%s: kill -9, and it is there again"
           % unit)
        ok(main_pid(machine, unit) != old, "... as another process")
    ok(registered(machine), "the banks are registered again")
    equal(posted(machine), "251.50", "what was paid stays paid")
    pays(machine, "and payments go on")


def hangs(machine):
    drop_in(machine, GATEWAY, "[Service]\nWatchdogSec=3s\n")
    machine.run("systemctl", "restart", GATEWAY)
    signs = set()

    def signs_of_life():
        signs.add(machine.show(GATEWAY, "WatchdogTimestampMonotonic"))
        return len(signs) > 2

    ok(machine.await_that(signs_of_life, "a sign of life"),
       "a gateway that runs gives signs of life")
    equal(machine.show(GATEWAY, "NRestarts"), "0", "... and is left alone")
    machine.run("systemctl", "kill", "-s", "STOP", "--kill-whom=main",
                GATEWAY)
    ok(restarted(machine, GATEWAY, 1),
       "a gateway that hangs is ended and started again")
    like(machine.run("journalctl", "-q", "-o", "cat", "_PID=1"),
         r"strife-gatewayd.service: Watchdog timeout", "... by the watchdog")
    drop_in(machine, GATEWAY, "")
    ok(registered(machine), "the banks are registered again")


def reloads(machine):
    for unit in GATEWAY, bank("BankA"):
        old = main_pid(machine, unit)
        machine.run("systemctl", "reload", unit)
        ok(machine.await_that(
            lambda: re.search(r"\bmsg=reloaded", log_of(machine, unit)),
            "reloaded"), "%s: systemctl reload" % unit)
        ok(machine.await_that(
            lambda: machine.show(unit, "SubState") == "running", "running"),
           "... and it runs on")
        equal(main_pid(machine, unit), old, "... as the same process")
    users = machine.read("/etc/strife/users.yaml")
    machine.write("/etc/strife/users.yaml", "users: [\n", 0o600)
    machine.run("systemctl", "reload", GATEWAY, wanted=None)
    ok(machine.status != 0, "reload refuses what is wrong")
    ok(active(machine, GATEWAY), "... and the gateway runs on")
    machine.write("/etc/strife/users.yaml", users, 0o600)
    pays(machine, "... and pays")


def stops(machine):
    """A payment that waits for its bank is finished by a gateway that stops."""
    machine.run("systemctl", "kill", "-s", "STOP", "--kill-whom=main",
                bank("BankB"))
    client = machine.start(*payment("--no-queue"))
    ok(machine.await_that(
        lambda: re.search(r"\b1 in flight", machine.show(
            GATEWAY, "StatusText")), "a payment is under way"),
       "a payment waits for its bank")
    machine.run("systemctl", "stop", "--no-block", GATEWAY)
    ok(machine.await_that(
        lambda: machine.show(GATEWAY, "StatusText").startswith("stopping"),
        "it stops"), "the gateway stops, and says so")
    machine.run("systemctl", "kill", "-s", "CONT", "--kill-whom=main",
                bank("BankB"))
    out, err = client.communicate(timeout=strife.WAIT_S)
    equal(client.returncode, 0, "... once the payment is made") or note(
        out + err)
    ok(machine.await_that(lambda: machine.show(
        GATEWAY, "ActiveState") == "inactive", "it is stopped"),
       "it is stopped")
    equal(machine.show(GATEWAY, "Result"), "success", "... in good order")
    machine.run("systemctl", "start", GATEWAY)
    ok(registered(machine), "and starts again")
    equal(posted(machine), "254.50", "every payment is in the books once")


def queue(machine):
    """What is queued while the gateway is away is delivered when it is back."""
    service, timer = "strife-queue.service", "strife-queue.timer"
    machine.run("systemctl", "stop", GATEWAY)
    machine.run("runuser", "-u", "strife-queue", "--", "env",
                "HOME=/var/lib/strife/queue", "strife-queue", "-c",
                "/etc/strife/pay.yaml", "add", "--from", "shop@BankA", "--to",
                "bob@BankB", "5.00", "CZK")
    drop_in(machine, timer, "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/3\n"
            "AccuracySec=100ms\nRandomizedDelaySec=0\n")
    machine.run("systemctl", "enable", "--now", timer)
    ok(machine.await_that(
        lambda: machine.show(service, "ExecMainStatus") == "75",
        "strife-queue has tried"), "the timer tries: some remain, exit 75")
    ok(machine.show(service, "Result") == "success",
       "... which is no failure of the service")
    machine.run("systemctl", "start", GATEWAY)
    if not ok(machine.await_that(lambda: posted(machine) == "259.50",
                                 "what was queued is in the books"),
              "the timer delivers what was queued"):
        note(log_of(machine, service))
    machine.run("systemctl", "stop", timer)


def no_loop(machine):
    good = machine.read("/etc/strife/gatewayd.yaml")
    machine.run("systemctl", "stop", GATEWAY)
    machine.write("/etc/strife/gatewayd.yaml", good + "nonsense: 1\n")
    machine.run("systemctl", "start", GATEWAY, wanted=1)
    equal(machine.show(GATEWAY, "ExecMainStatus"), "78",
          "a bad configuration: exit 78")
    equal((machine.show(GATEWAY, "ActiveState"),
           machine.show(GATEWAY, "NRestarts")), ("failed", "0"),
          "... and no more tries")
    machine.write("/etc/strife/gatewayd.yaml", good)
    machine.run("systemctl", "reset-failed", GATEWAY)
    machine.run("systemctl", "start", GATEWAY)
    ok(registered(machine), "repaired, it starts")


def goes(machine):
    machine.run("systemctl", "stop", "strife.target")
    for unit in [GATEWAY] + list(map(bank, BANKS)):
        ok(machine.await_that(lambda: machine.show(
            unit, "ActiveState") == "inactive", "stopped"),
           "%s stops with strife.target" % unit)
        equal(machine.show(unit, "Result"), "success", "... in good order")


def main():
    with strife.Place() as place:
        try:
            machine = Machine(place)
        except CannotBoot as why:
            strife.skip_all("no machine can be booted here: %s" % why)
        scores(machine)
        set_up(machine)
        for test in (checks, starts, logs_in, privileges, crashes, hangs,
                     reloads, stops, queue, no_loop, goes):
            begun = time.monotonic()
            test(machine)
            note("%s: %.1f s" % (test.__name__, time.monotonic() - begun))
    strife.done()


main()

#!/usr/bin/python3
# What the daemons give up: root, capabilities, core dumps. And what they refuse
# to use: keys that others can read. strife-gatewayd(8), PRIVILEGES.
import os
import pwd
import resource
import signal
import socket
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import Gatewayd, user
from strife import equal, like, ok

# Somebody every system has, who owns nothing here and is not this test's user.
NOBODY = next(name for name in ("nobody", "daemon")
              if pwd.getpwnam(name).pw_uid != os.geteuid())


def can_become_another():
    """Root can, but not the one of every container."""
    return subprocess.run(
        ["setpriv", "--reuid=" + NOBODY, "--regid=%d" % pwd.getpwnam(
            NOBODY).pw_gid, "--clear-groups", "true"], check=False,
        stderr=subprocess.DEVNULL).returncode == 0


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f
                    if ":\t" in line)


def children(pid):
    with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
        return [int(child) for child in f.read().split()]


def no_cores(place):
    """SIGABRT, as of a failed flush, is 134 to a shell; nothing is dumped."""
    resource.setrlimit(resource.RLIMIT_CORE, (
        resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    gateway = Gatewayd(place, node="core")
    gateway.start()
    bank = strife.Bank(place, "Core")
    bank.start()
    for daemon in gateway.daemon, bank.daemon:
        name = os.path.basename(daemon.arguments[0])
        with open("/proc/%d/limits" % daemon.pid) as f:
            like(f.read(), r"^Max core file size +0 +0 ", name +
                 " may not dump core")
        # What is not dumpable belongs to root, whoever runs it.
        equal(os.stat("/proc/%d/mem" % daemon.pid).st_uid, 0,
              "... and is not dumpable")
        equal(status_of(daemon.pid)["NoNewPrivs"], "1",
              "... and can get no new privileges")
        for child in children(daemon.pid):
            equal(os.stat("/proc/%d/mem" % child).st_uid, 0,
                  "... nor is its " + status_of(child)["Name"])
        pid = daemon.pid
        daemon.signal(signal.SIGABRT)
        found, status = os.waitpid(pid, 0)
        daemon.process.returncode = -os.WTERMSIG(status)
        equal((found, os.WTERMSIG(status), os.WCOREDUMP(status)),
              (pid, signal.SIGABRT, False), "SIGABRT ends it without a core")


def no_cores_of_clients(place):
    """A client waits for somebody who does not answer, and is looked at."""
    def looked_at(listener, *arguments):
        daemon = place.start(*arguments)
        listener.settimeout(strife.WAIT_S)
        peer, _ = listener.accept()
        with open("/proc/%d/limits" % daemon.pid) as f:
            like(f.read(), r"^Max core file size +0 +0 ", arguments[0] +
                 " may not dump core")
        equal(os.stat("/proc/%d/mem" % daemon.pid).st_uid, 0,
              "... and is not dumpable")
        daemon.kill()
        peer.close()

    gateway = Gatewayd(place, node="mute")
    bank = strife.Bank(place, "Mute")
    for name, one in ("strife-ctl", gateway), ("strife-teller", bank):
        path = one.settings["control"]
        os.makedirs(os.path.dirname(path))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            looked_at(listener, name, "-c", one.config, "stats")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        cert, key = place.certificates.issue("client", "mute")
        config = place.write("pay.yaml", strife.yaml({
            "gateways": ["127.0.0.1:%d" % listener.getsockname()[1]],
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "user": "alice", "spool": place.path("spool")}))
        looked_at(listener, "strife-pay", "-c", config, "balance")


def exposed_keys(place):
    """A key of either daemon that group or others can read is refused."""
    gateway = Gatewayd(place, node="open")
    bank = strife.Bank(place, "Open")
    for name, one in ("strife-gatewayd", gateway), ("strife-bankd", bank):
        for mode in 0o640, 0o604:
            os.chmod(one.settings["tls"]["key"], mode)
            run = place.run(name, "-t", "-c", one.config)
            equal(run.status, 78, "%s: a key with mode %o: exit 78" % (
                name, mode))
            like(run.stderr(), r"\.key: .*chmod 600", "... and says so")
        os.chmod(one.settings["tls"]["key"], 0o600)
        equal(place.run(name, "-t", "-c", one.config).status, 0,
              "%s: with mode 600 it is content" % name)


def refused_users(place):
    gateway = Gatewayd(place, node="user", user="nobody-of-this-name")

    def refused(name, pattern, what):
        gateway.settings["user"] = name
        gateway.configure()
        for options in ("-t", "-c"), ("-c",):
            run = place.run("strife-gatewayd", *options, gateway.config)
            equal(run.status, 78, what + ": exit 78")
            like(run.stderr(), pattern, "... and says so")
        ok(not os.path.exists(gateway.journal), "... nothing was written")

    refused("nobody-of-this-name", r"gatewayd-user\.yaml: user: .*no such user",
            "a user that is not there")
    refused("root", r"user: user root is root", "root as the user")
    if os.geteuid() != 0:
        refused(NOBODY, r"user: .*only root can", "another user, not as root")


def give(path, uid, gid):
    """All of it becomes that user's, and he can get there."""
    for directory, _, files in os.walk(path):
        for name in [directory] + [os.path.join(directory, f) for f in files]:
            os.chown(name, uid, gid)


def drops(place):
    entry = pwd.getpwnam(NOBODY)
    gateway = Gatewayd(place, user=NOBODY, users={
        "alice": user(["alice@BankA"])})
    bank = strife.Bank(place, "BankA", user=NOBODY, customers=place.write(
        "customers.yaml", "users: {}\n"))
    for name, one in ("strife-gatewayd", gateway), ("strife-bankd", bank):
        run = place.run(name, "-c", one.config)
        equal(run.status, 78, "%s: files that %s cannot read: exit 78" % (
            name, NOBODY))
        like(run.stderr(), r"user %s cannot read .*: Permission denied" % NOBODY,
             "... and says whose")
    give(place.dir, entry.pw_uid, entry.pw_gid)
    for one in gateway, bank:
        one.start()
        ok("running as root" not in one.daemon.stderr(), "no warning")
        for pid in [one.daemon.pid] + children(one.daemon.pid):
            status = status_of(pid)
            name = status["Name"]
            equal((set(status["Uid"].split()), set(status["Gid"].split())),
                  ({str(entry.pw_uid)}, {str(entry.pw_gid)}),
                  "%s is %s, all of it" % (name, NOBODY))
            equal(status["Groups"].split(), [str(entry.pw_gid)],
                  "... in no other group")
            equal([kind for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd",
                                     "CapAmb") if status[kind].strip("0")],
                  [], "... without a capability, none to be had")
        mark = one.daemon.mark()
        one.daemon.signal(signal.SIGHUP)
        ok(one.daemon.wait_for(r"msg=reloaded", mark),
           "... and reads its files again")
        equal(one.stop(), 0, "... and stops in good order")


def stays_root(place):
    gateway = Gatewayd(place, node="root")
    gateway.start()
    ok(gateway.daemon.wait_for(r"level=warn .*running as root.*user:"),
       "root without a user is told so")


with strife.Place() as here:
    no_cores(here)
    no_cores_of_clients(here)
    exposed_keys(here)
    refused_users(here)
    if can_become_another():
        drops(here)
        stays_root(here)
    else:
        ok(True, "becoming another user # SKIP only root can")
strife.done()

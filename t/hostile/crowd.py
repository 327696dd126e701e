#!/usr/bin/python3
"""Payments beside a crowd of hostile peers: strife-gatewayd.yaml(5), limits.

    crowd.py [--short] [--idle N] [--drip N] [--login N] [--knock N]
             [--rate R] [--seconds S]

A gateway and two banks, and payments at a steady rate: first alone, then
beside idle TLS connections, senders of one octet a second a flood of wrong
passwords, and clients that only shake hands, all at once. Prints what a payment takes in both cases, their
ratio, and how much memory an idle connection costs. The ratio is to be at most
2 in the long form; the short one only looks whether everything works.
Needs a built `crowd` (make hostile) in STRIFE_BUILD.
"""

import argparse
import os
import resource
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "lib"))
import strife
from gatewaytest import Gatewayd, ROLES, user
from strife import Bank, equal, ok

CROWD = os.path.join(os.path.abspath(os.environ.get(
    "STRIFE_BUILD", os.path.join(strife.TOP, ".build/gcc"))), "crowd")
# Descriptors of each of our processes beside its connections.
SPARE = 100


def options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--idle", type=int)
    parser.add_argument("--drip", type=int)
    parser.add_argument("--login", type=int)
    parser.add_argument("--knock", type=int)
    parser.add_argument("--rate", type=int)
    parser.add_argument("--seconds", type=int)
    o = parser.parse_args()
    defaults = (100, 20, 8, 2, 50, 1) if o.short else \
        (8000, 500, 50, 0, 200, 20)
    for name, value in zip(("idle", "drip", "login", "knock", "rate",
                            "seconds"), defaults):
        if getattr(o, name) is None:
            setattr(o, name, value)
    return o


def rss_kib(pid):
    with open("/proc/%d/status" % pid) as f:
        for text in f:
            if text.startswith("VmRSS:"):
                return int(text.split()[1])
    return 0


class Crowd:
    """A running `crowd`; its one line of output when it is ready."""

    def __init__(self, gateway, certificate, *what):
        self.process = subprocess.Popen(
            [CROWD, "127.0.0.1:%d" % gateway.clients_port,
             gateway.settings["tls"]["ca"],
             *gateway.pair("client", certificate), *map(str, what)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        gateway.place.keep(self)

    def line(self):
        return self.process.stdout.readline().strip()

    def end(self):
        self.process.stdin.close()
        self.process.stdin = None
        last = self.line()
        self.process.wait()
        return last

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def pay(gateway, o):
    """A run of payments: what `crowd pay` says, as numbers."""
    said = Crowd(gateway, "payer", "pay", o.rate, o.seconds, "alice",
                 "alice@BankA", "bob@BankB").line()
    strife.note(said)
    return {k: int(v) for k, v in (p.split("=") for p in said.split())}


def main():
    o = options()
    wanted = o.idle + o.drip + o.login + o.knock + SPARE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < wanted:
        strife.skip_all("%d descriptors are needed, %d allowed" %
                        (wanted, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not os.path.exists(CROWD):
        strife.skip_all("%s is not built" % CROWD)
    users = {"alice": {"certificates": ["payer"], "roles": ROLES,
                       "accounts": ["alice@BankA"]},
             "mallory": user(["mallory@BankA"])}
    with strife.Place() as place:
        gateway = Gatewayd(
            place, users=users, log={"level": "error"},
            sessions={"login_burst": 1000},
            limits={"connections": 10000, "handshakes": 64, "window": 1024},
            payments={"in_flight": 1024, "per_user": 1024, "per_bank": 1024,
                      "remembered": 1048576},
            journal={"segment": "64MiB"})
        gateway.start()
        for name, who in (("BankA", "alice"), ("BankB", "bob")):
            bank = Bank(place, name, log={"level": "error"},
                        gateways=["127.0.0.1:%d" % gateway.banks_port],
                        payments={"in_flight": 1024, "remembered": 1048576},
                        journal={"segment": "64MiB"}, accounts={
                            who: {"currency": "CZK",
                                  "balance": "1000000.00"}})
            bank.start()
            bank.daemon.wait_for(r"^registered gateway=gw1")
        pay(gateway, argparse.Namespace(rate=o.rate, seconds=1))
        alone = pay(gateway, o)
        before = rss_kib(gateway.daemon.pid)
        idle = Crowd(gateway, "idle", "idle", o.idle)
        equal(idle.line(), "ready %d" % o.idle,
              "%d connections are open" % o.idle)
        each = (rss_kib(gateway.daemon.pid) - before) / o.idle
        strife.note("memory per idle connection: %.1f KiB" % each)
        drip = Crowd(gateway, "drip", "drip", o.drip)
        equal(drip.line(), "ready %d" % o.drip,
              "%d send an octet a second" % o.drip)
        flood = Crowd(gateway, "flood", "login", o.login)
        equal(flood.line(), "ready %d" % o.login,
              "%d try passwords without end" % o.login)
        if o.knock:
            knock = Crowd(gateway, "knock", "knock", o.knock)
            equal(knock.line(), "ready %d" % o.knock,
                  "%d shake hands without end" % o.knock)
        crowded = pay(gateway, o)
        for which, run in (("alone", alone), ("in the crowd", crowded)):
            equal((run["committed"], run["failed"]), (o.rate * o.seconds, 0),
                  "each payment is committed, %s" % which)
        ratio = crowded["p99_us"] / alone["p99_us"]
        strife.note("p99 alone %d us, in the crowd %d us: ratio %.2f" %
                    (alone["p99_us"], crowded["p99_us"], ratio))
        if not o.short:
            ok(ratio <= 2, "p99 stays within twice that of the same load "
               "alone")
        equal(idle.end(), "lost 0 answered 0", "no idle one was lost")
        strife.note("drip: " + drip.end())
        strife.note("flood: " + flood.end())
        if o.knock:
            strife.note("knock: " + knock.end())
        equal(gateway.stop(), 0, "the gateway stops well")
    strife.done()


main()

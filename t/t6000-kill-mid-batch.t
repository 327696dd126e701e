#!/usr/bin/python3
"""kill -9 of any one daemon in the middle of a batch, then the batch again: every
row ends as if nothing had happened, and moved its money once.

The orders are made up from a fixed seed so that many payers cannot pay all of
theirs: which rows are declined depends on the order within a payer, so equal
outcomes also show that the order was kept.
"""

import os
import random
import re
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import strife

BANKS = ("CZ", "AB", "YZ")
PAYERS = 1200
ROWS = 3000
OPENING = 250_00


def orders(seed):
    """Rows (id, payer, bank, payee, minor units), and what becomes of them."""
    dice = random.Random(seed)
    left = {n: OPENING for n in range(PAYERS)}
    rows = []
    for n in range(ROWS):
        payer = dice.randrange(PAYERS)
        amount = dice.randrange(1_00, 200_00)
        good = amount <= left[payer]
        if good:
            left[payer] -= amount
        rows.append(("key:order-%d-%d" % (seed, n), "p%d" % payer,
                     BANKS[1 + dice.randrange(len(BANKS) - 1)],
                     "q%d" % dice.randrange(20), amount, good))
    return rows


class Deployment:
    """A gateway, three banks and a client's configuration, all restartable."""

    def __init__(self, place):
        self.place = place
        self.settings = self._gateway_settings("127.0.0.1:0", "127.0.0.1:0")
        self.daemons = {}
        self.banks = {}
        self._write_gateway()
        self.start("gatewayd")
        ready = re.search(r"ready clients=(\S+) banks=(\S+)",
                          self.daemons["gatewayd"].stderr())
        self.clients, self.links = ready.group(1), ready.group(2)
        # The same ports again after a restart.
        self.settings = self._gateway_settings(self.clients, self.links)
        self._write_gateway()
        for name in BANKS:
            accounts = (
                {"p%d" % n: {"currency": "CZK", "balance": "%d.00" % (OPENING // 100)}
                 for n in range(PAYERS)} if name == "CZ" else
                {"q%d" % n: {"currency": "CZK", "balance": "0.00"}
                 for n in range(20)})
            self.banks[name] = strife.Bank(
                place, name, [self.links], accounts,
                journal={"segment": "4MiB"}, payments={"in_flight": 2048},
                limits={"accounts": 4096}, log={"level": "info"})
            self.start(name)
        cert, key = place.certificates.issue("client", "desk")
        self.pay = place.write("pay.yaml", strife.yaml({
            "gateways": [self.clients],
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "user": "desk", "retries": 100, "retry_delay": "100ms",
            "spool": place.path("spool")}))

    def _gateway_settings(self, clients, banks):
        place = self.place
        cert, key = place.certificates.issue("gateway", "gw1")
        users = place.write(
            "users.yaml", "users:\n  desk: {certificates: [desk], "
            "roles: [balance, pay, history], acts_for: [\"*@CZ\"]}\n")
        return {
            "node": "gw1",
            "listen": {"clients": clients, "banks": banks},
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "journal": {"dir": place.path("gatewayd"), "segment": "4MiB"},
            "payments": {"in_flight": 1024, "held_max": 1024,
                         "remembered": 65536},
            "sessions": {"users": users},
            "control": place.path("control"),
        }

    def _write_gateway(self):
        self.config = self.place.write("gatewayd.yaml",
                                       strife.yaml(self.settings))

    def start(self, name):
        if name == "gatewayd":
            daemon = self.place.start("strife-gatewayd", "-c", self.config)
            assert daemon.wait_for(r"^ready "), daemon.stderr()
        else:
            daemon = self.banks[name].start()
            assert daemon.wait_for(r"^registered "), daemon.stderr()
        self.daemons[name] = daemon

    def batch(self, path):
        """Starts the batch; its output goes to a file that grows meanwhile."""
        return self.place.start(
            "/bin/sh", "-c", "exec \"$@\" >%s" % self.place.path("results"),
            "batch", strife.program("strife-pay"), "-c", self.pay, "batch",
            "--window", "256", path,
            env=dict(os.environ, HOME=self.place.dir,
                     XDG_STATE_HOME=self.place.path("state")))

    def results(self):
        try:
            return self.place.read("results").decode().splitlines()
        except FileNotFoundError:
            return []

    def wait_for_results(self, count, run):
        """Until the batch has written that many rows; false if it ended."""
        deadline = time.monotonic() + strife.WAIT_S
        while time.monotonic() < deadline:
            if len(self.results()) >= count:
                return run.running
            time.sleep(0.001)
        return False

    def balances(self, bank):
        peer = self.banks[bank].teller()
        rows, before = [], None
        while True:
            fields = {"limit": 500}
            if before is not None:
                fields["before"] = before
            more, reply = peer.rows("ACCOUNTS", fields)
            rows += more
            before = reply.get("next")
            if before is None:
                return {row["name"]: int(row["posted"]) for row in rows}


def finish(deployment, path):
    """Runs the batch until it has an end for every row."""
    for _ in range(20):
        run = deployment.batch(path)
        if run.wait() != 75:
            break
    rows = [line.split("\t") for line in deployment.results()]
    return run, {row[0]: row for row in rows if row[0] != "id"}


def check(deployment, victim, seed, totals):
    rows = orders(seed)
    path = deployment.place.write("batch-%s.tsv" % victim, "".join(
        "%s\t%s@CZ\t%s@%s\t%d.%02d\tCZK\t\n" % (
            name, payer, payee, bank, amount // 100, amount % 100)
        for name, payer, bank, payee, amount, _ in rows))
    run = deployment.batch(path)
    strife.ok(deployment.wait_for_results(ROWS // 10, run),
              "%s: the batch is under way" % victim)
    deployment.daemons[victim].kill()
    deployment.start(victim)
    strife.note("the first run ended with %s, %d rows of %d were known" %
                (run.wait(), len(deployment.results()), ROWS))
    run, ended = finish(deployment, path)
    strife.equal(run.process.returncode, 1,
                 "%s: the batch again ends, some rows declined" % victim)
    wrong = [name for name, _, _, _, _, good in rows
             if ended[name][6] != ("committed" if good else "aborted")]
    strife.equal(wrong, [], "%s: every row ended as it would have without" %
                 victim)
    for name, payer, bank, payee, amount, good in rows:
        if good:
            totals["CZ"][payer] -= amount
            totals[bank][payee] += amount
    for bank in BANKS:
        got = deployment.balances(bank)
        strife.equal(sum(got.values()), 0, "%s: the books of %s sum to zero" %
                     (victim, bank))
        strife.equal({n: v for n, v in got.items() if n in totals[bank]},
                     totals[bank],
                     "%s: each order moved money once at %s" % (victim, bank))


for victim, seed in (("gatewayd", 1), ("CZ", 2), ("YZ", 3)):
    with strife.Place() as place:
        deployment = Deployment(place)
        totals = {"CZ": {"p%d" % n: OPENING for n in range(PAYERS)}}
        for bank in BANKS[1:]:
            totals[bank] = {"q%d" % n: 0 for n in range(20)}
        check(deployment, victim, seed, totals)
strife.done()

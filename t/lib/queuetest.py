"""A gateway, two banks, and a client with a spool: for tests of the queue."""
import os
import subprocess
import time

import strife
from gatewaytest import Gatewayd, token_key, user
from strife import note, ok

QUEUE = strife.program("strife-queue")
PAY = strife.program("strife-pay")
PAYERS = 20
DONE = (0, 1)


class Deployment:
    """A gateway, two banks, and a client with a spool."""

    def __init__(self, place, opening=10 ** 6, lifetime="5m", **keys):
        self.place = place
        self.lifetime = lifetime
        accounts = ["p%d@BankA" % n for n in range(PAYERS)]
        self.gateway = Gatewayd(
            place, users={
                "cron": {"certificates": ["cron"], "roles": ["pay"],
                         "acts_for": ["*@BankA"]},
                "desk": user(acts_for=["*@BankA"]),
            },
            sessions={"token_keys": [token_key(place)],
                      "token_lifetime": lifetime},
            payments={"in_flight": 1024, "held_max": 1024, "per_bank": 1024,
                      "per_user": 1024, "remembered": 65536},
            journal={"segment": "4MiB"},
            limits={"window": 64, "heartbeat": "5s"}, log={"level": "info"})
        self.gateway.start()
        # The same ports again after a restart.
        self.clients = "127.0.0.1:%d" % self.gateway.clients_port
        self.gateway.settings["listen"] = {
            "clients": self.clients,
            "banks": "127.0.0.1:%d" % self.gateway.banks_port}
        self.gateway.configure()
        self.banks = {}
        for name, entries in (
                ("BankA", {"p%d" % n: {"currency": "CZK", "balance":
                                       "%d.00" % (opening // 100)}
                           for n in range(PAYERS)}),
                ("BankB", {"shop": {"currency": "CZK", "balance": "0.00"}})):
            bank = strife.Bank(
                place, name, [self.gateway.settings["listen"]["banks"]],
                entries, journal={"segment": "4MiB"},
                payments={"in_flight": 2048, "remembered": 65536},
                limits={"accounts": 64}, log={"level": "info"})
            bank.start()
            self.banks[name] = bank
        self.wait_for_banks()
        self.spool = place.path("spool")
        self.configure(**keys)

    def wait_for_banks(self):
        for bank in self.banks.values():
            assert bank.daemon.wait_for(r"^registered "), \
                bank.daemon.stderr()

    def configure(self, **keys):
        cert, key = self.gateway.pair("client", "cron")
        settings = {
            "gateways": [self.clients],
            "tls": {"ca": self.place.certificates.ca, "cert": cert,
                    "key": key},
            "user": "cron", "retries": 0, "retry_delay": "50ms",
            "spool": self.spool,
            "queue": {"poll": "200ms", "min_delay": "1ms",
                      "max_delay": "50ms"}}
        settings.update(keys)
        self.config = self.place.write("pay.yaml", strife.yaml(settings))

    def environment(self):
        return {"HOME": self.place.dir, "PATH": os.environ["PATH"],
                "XDG_STATE_HOME": self.place.path("state")}

    def popen(self, program, *words, env=None, **options):
        return subprocess.Popen(
            (program, "-c", self.config) + words, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self.environment() if env is None else env, **options)

    def run(self, program, *words, env=None):
        process = self.popen(program, *words, env=env)
        process.out, process.err = process.communicate(timeout=300)
        return process

    # -- the gateway --

    def stop_gateway(self):
        self.gateway.stop()

    def kill_gateway(self):
        self.gateway.crash()

    def start_gateway(self):
        marks = {bank: bank.daemon.mark() for bank in self.banks.values()}
        self.gateway.start()
        for bank, mark in marks.items():
            assert bank.daemon.wait_for(r"^registered ", mark), \
                bank.daemon.stderr()

    # -- what there is --

    def names(self, place):
        path = os.path.join(self.spool, place)
        return os.listdir(path) if os.path.isdir(path) else []

    def places(self):
        """{id: [places]}"""
        found = {}
        for place in ("new", "hold", "done", "failed"):
            for name in self.names(place):
                found.setdefault(name, []).append(place)
        return found

    def booked(self):
        """{id: how often} of what the payee's bank has booked."""
        peer = self.banks["BankB"].teller()
        times, before = {}, None
        while True:
            fields = {"name": "shop", "limit": 500}
            if before is not None:
                fields["before"] = before
            rows, reply = peer.rows("HISTORY", fields)
            for row in rows:
                if row["kind"] == "payment":
                    times[row["id"]] = times.get(row["id"], 0) + 1
            before = reply.get("next")
            if before is None:
                peer.close()
                return times

    def sums(self):
        """(what the payers lack, what the shop has)"""
        found = []
        for bank in ("BankA", "BankB"):
            peer = self.banks[bank].teller()
            rows, _ = peer.rows("ACCOUNTS", limit=500)
            peer.close()
            found.append(sum(int(row["posted"]) for row in rows
                             if not row["name"].startswith(":")))
        return found

    # -- payments --

    def add(self, count, dice):
        """Queues so many; their ids."""
        ids = []
        for n in range(count):
            r = self.run(QUEUE, "add", "--from",
                         "p%d@BankA" % dice.randrange(PAYERS), "--to",
                         "shop@BankB", "1.00", "CZK")
            assert r.returncode == 0, r.err
            ids.append(r.out.split("\t")[0])
        return ids

    def flush_all(self, wait_s=strife.WAIT_S):
        """Flushes until nothing is left; the last exit code."""
        deadline = time.monotonic() + wait_s
        while True:
            r = self.run(QUEUE, "flush")
            if r.returncode in DONE or time.monotonic() > deadline:
                if r.returncode not in DONE:
                    note(r.err)
                return r.returncode
            time.sleep(0.01)

    def settle(self, ids):
        """Waits until the banks have booked what was committed."""
        deadline = time.monotonic() + strife.WAIT_S
        while time.monotonic() < deadline:
            booked = self.booked()
            if all(one in booked for one in ids):
                break
            time.sleep(0.01)

    def check(self, paid, what):
        """Exactly these were paid, each once."""
        self.settle(paid)
        booked = self.booked()
        wrong = [one for one in paid if booked.get(one) != 1]
        more = sorted(set(booked) - set(paid))
        ok(not wrong and not more,
           "%s: %d payments are booked once each, and no other" % (
               what, len(paid)))
        for one in wrong[:5]:
            note("booked %d times: %s" % (booked.get(one, 0), one))
        for one in more[:5]:
            note("booked, but should not be: %s" % one)
        twice = [one for one, places in self.places().items()
                 if len(places) > 1]
        ok(not twice, "%s: none is in two places of the spool" % what)

#!/usr/bin/python3
"""strife-bench against a real gateway and two banks: what it counts is what the
gateway counts, what stands in the journals, and what has moved."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import Gatewayd, user
from strife import equal, like, ok

PAYERS = 8
MANY = 4096


def start(place):
    gateway = Gatewayd(
        place, users={"shop": user(
            password=None, certificates=["shop"], roles=["pay"],
            acts_for=["*@BankA"])},
        payments={"in_flight": MANY, "per_user": MANY, "per_bank": MANY,
                  "remembered": 1 << 20},
        journal={"dir": place.path("gatewayd-gw1"), "segment": "16MiB"},
        limits={"window": 64}, log={"level": "warn"})
    gateway.start()
    banks = []
    for name, balance in (("BankA", "1000000.00"), ("BankB", "0.00")):
        bank = strife.Bank(
            place, name, ["127.0.0.1:%d" % gateway.banks_port],
            {"acct%d" % i: {"currency": "CZK", "balance": balance}
             for i in range(PAYERS)},
            journal={"dir": place.path("bankd-" + name), "segment": "16MiB"},
            payments={"in_flight": MANY, "remembered": 1 << 20},
            log={"level": "warn"})
        bank.start()
        bank.daemon.wait_for(r"^registered gateway=gw1")
        banks.append(bank)
    cert, key = gateway.pair("client", "shop")
    place.write("pay.yaml", strife.yaml({
        "gateways": ["127.0.0.1:%d" % gateway.clients_port],
        "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
        "user": "shop"}))
    return gateway, banks


def bench(place, *args):
    run = place.run("strife-bench", "-c", place.path("pay.yaml"), "--json",
                    "--pairs", place.path("pairs"), "--seconds", "1", *args,
                    env=dict(os.environ, XDG_STATE_HOME=place.path("state")))
    return run, json.loads(run.stdout)


def stats(gateway):
    return {row["name"]: int(row["value"])
            for row in gateway.control().rows("STATS")[0]}


def main():
    with strife.Place() as place:
        gateway, banks = start(place)
        place.write("pairs", "".join(
            "acct%d@BankA\tacct%d@BankB\tCZK\n" % (i, i)
            for i in range(PAYERS)))
        run, closed = bench(place, "--connections", "4", "--window", "16")
        equal((run.status, closed["failed"]), (0, 0), "as fast as it goes")
        ok(closed["committed"] > 0, "payments are committed")
        equal(stats(gateway)["committed"], closed["committed"],
              "as many as the gateway counts")
        run, paced = bench(place, "--rate", "20", "--connections", "2")
        equal((run.status, paced["committed"], paced["failed"]), (0, 20, 0),
              "at a rate of 20 a second")
        committed = closed["committed"] + paced["committed"]

        place.write("pairs", "acct0@BankA\tacct0@BankB\tEUR\n"
                    "acct1@BankA\tnobody@BankB\tCZK\n")
        run, wrong = bench(place, "--rate", "30", "--window", "4")
        equal((run.status, wrong["committed"], wrong["failed"]), (1, 0, 30),
              "what the banks refuse has failed: exit 1")
        like(run.stderr(), r"payments? failed: CURRENCY_MISMATCH: ",
             "another currency than the accounts'")
        like(run.stderr(), r"payments? failed: NO_SUCH_ACCOUNT: ",
             "an account that is not there")
        equal(stats(gateway)["committed"], committed,
              "none of which the gateway committed")

        for daemon in [gateway] + banks:
            daemon.stop()
        equal(len(gateway.records("COMMIT")), committed,
              "as many as stand in the gateway's journal")
        moved = [sum(int(record["amount"]) for record in
                     bank.records("COMMITTED")) for bank in banks]
        equal(moved, [committed, committed],
              "and the smallest unit of each moved, at both banks")
        audit = place.run("strife-journal", "audit", "--stopped",
                          gateway.journal, *[bank.journal for bank in banks])
        equal(audit.status, 0, "the books are right")
    strife.done()


main()

#!/usr/bin/python3
"""What a bank's operator commits against a gateway that aborts it comes to
light: the gateway hears of it although it has restarted, has it on record once,
and tells no client that a payment is committed of which one bank moved nothing.
"""

import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import strife
from gatewaytest import Gatewayd, payment, user
from strife import equal, like, ok


def until(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def world(place):
    gateway = Gatewayd(place, users={"alice": user(["alice@BankA"])})
    gateway.start()
    # Where the banks will look for it again.
    gateway.settings["listen"]["banks"] = "127.0.0.1:%d" % gateway.banks_port
    gateway.configure()
    banks = []
    for name, owner in (("BankA", "alice"), ("BankB", "bob")):
        bank = strife.Bank(place, name, [gateway.settings["listen"]["banks"]],
                           {owner: {"currency": "CZK", "balance": "1000.00"}})
        assert bank.start().wait_for(r"^registered ")
        banks.append(bank)
    return gateway, banks[0], banks[1]


def decided(gateway, a, b):
    """BankA's operator commits while BankB says nothing; the gateway dies."""
    client = gateway.login()
    fields = payment(hold="no")
    b.daemon.signal(signal.SIGSTOP)
    client.ask("PAY", fields)
    teller = a.teller()
    ok(until(lambda: len(teller.rows("INDOUBT")[0]) == 1),
       "BankA has voted, BankB is silent")
    equal(teller.call("DECIDE", id=fields["id"], outcome="commit",
                      why="the gateway is lost").word, "OK",
          "BankA's operator commits")
    gateway.crash()
    b.daemon.signal(signal.SIGCONT)
    gateway.start()
    return fields


with strife.Place() as place:
    gateway, a, b = world(place)
    fields = decided(gateway, a, b)
    ok(until(lambda: a.records("SETTLED")), "BankA hears from its gateway")
    equal([(r["id"], r["outcome"]) for r in a.records("SETTLED")],
          [(fields["id"], "abort")], "that it had aborted it")
    equal([(r["id"], r["bank"], r["outcome"])
           for r in gateway.records("HEURISTIC")],
          [(fields["id"], "BankA", "committed")], "and has that on record")
    like(gateway.daemon.stderr(), "HEURISTIC: an operator of bank BankA "
         "committed what was aborted here", "and in the log")
    teller = b.teller()
    ok(until(lambda: not teller.rows("INDOUBT")[0]),
       "BankB's branch is aborted")

    client = gateway.login()
    # BankB may still be on its way back.
    control = gateway.control()
    ok(until(lambda: all(row["state"] == "up"
                         for row in control.rows("BANKS")[0])),
       "all are there again")
    answer = client.call("PAY", fields)
    equal((answer.word, answer["code"], answer["retry"], answer["state"]),
          ("ERR", "HEURISTIC", "never", "aborted"),
          "the same PAY: not committed, and nothing to be repeated")
    answer = client.call("STATUS", id=fields["id"])
    equal((answer["state"], answer["reason"]), ("aborted", "HEURISTIC"),
          "STATUS")
    for bank in (a, b):
        bank.stop()
        assert bank.start().wait_for(r"^registered ")
    equal((len(gateway.records("HEURISTIC")), len(a.records("SETTLED"))),
          (1, 1), "a restart of the bank tells it no second time")
    rows, _ = control.rows("EXPLAIN", id=fields["id"])
    equal(rows[-1]["event"], "HEURISTIC", "EXPLAIN tells of it")
    run = place.run("strife-journal", "audit", gateway.journal, a.journal,
                    b.journal)
    like(run.stdout.decode(), "heuristic\t.*" + fields["id"],
         "the audit lists it")
    equal((run.status, run.stderr()), (0, ""), "and finds nothing wrong")
strife.done()

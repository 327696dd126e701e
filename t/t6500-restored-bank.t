#!/usr/bin/python3
"""A bank whose journal was restored from an old copy ends with exit code 65 when
it meets its gateway, before it can do anything that the right journal would
undo; with the right journal it goes on as if nothing had happened.
"""

import os
import shutil
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
import strife
from gatewaytest import Gatewayd, payment, user

with strife.Place() as place:
    gateway = Gatewayd(place, users={"alice": user(["alice@BankA"])})
    gateway.start()
    address = "127.0.0.1:%d" % gateway.banks_port
    banks = {}
    for name, owner in (("BankA", "alice"), ("BankB", "bob")):
        banks[name] = strife.Bank(place, name, [address], {
            owner: {"currency": "CZK", "balance": "1000.00"}})
        assert banks[name].start().wait_for(r"^registered ")
    client = gateway.login()

    def pay():
        return client.call("PAY", payment())["state"]

    bank = banks["BankA"]
    strife.equal(pay(), "committed", "a payment before the copy is made")
    bank.stop()
    shutil.copytree(bank.journal, place.path("old"))
    assert bank.start().wait_for(r"^registered ")
    strife.equal([pay() for _ in range(3)], ["committed"] * 3,
                 "payments after it")
    bank.stop()
    os.rename(bank.journal, place.path("right"))
    shutil.copytree(place.path("old"), bank.journal)
    daemon = bank.start(ready=False)
    strife.equal(daemon.wait(), 65, "the restored copy ends with 65")
    strife.like(daemon.stderr(), r"FENCED.*journal",
                "and says whose journal is at fault, and what to do")
    shutil.rmtree(bank.journal)
    os.rename(place.path("right"), bank.journal)
    strife.ok(bank.start().wait_for(r"^registered "),
              "the right journal is welcome")
    strife.equal(pay(), "committed", "and payments go on")
strife.done()

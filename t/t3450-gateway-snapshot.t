#!/usr/bin/python3
# Snapshots of a gateway: a start from one goes on with every payment as a start
# from all records does.
import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import (FakeBank, Gatewayd, PASSWORD, commit, payment,
                         token_key, user)
from strife import equal

USERS = {"alice": user(["alice@BankA"]), "eve": user(["eve@BankA"])}


def replayed(gateway):
    found = re.search(r'msg="the journal is replayed".* snapshot=(\d+) '
                      r'records=(\d+)', gateway.daemon.stderr())
    return tuple(map(int, found.groups()))


def snapshot(gateway):
    with gateway.control() as c:
        reply = c.call("SNAPSHOT")
    return int(reply["seq"]) if reply.code == "OK" else reply


def status(client, fields):
    reply = client.call("STATUS", id=fields["id"])
    return reply.code, reply.get("state"), reply.get("reason"), \
        reply.get("seq"), reply.get("attempts"), reply.get("time")


class Setting:
    """Two banks, and a payment in each of the states that last."""

    def __init__(self, place):
        self.gateway = Gatewayd(place, users=USERS, sessions={
            "token_keys": [token_key(place)]})
        self.gateway.start()
        self.meet()
        a, b, client = self.a, self.b, self.client
        self.done = payment(amount=1)
        commit(client, self.done, a, b)
        self.refused = payment(amount=2)
        tag = client.ask("PAY", self.refused)
        a.refuse(a.next_request("PREPARE"), "INSUFFICIENT_FUNDS")
        prepare = b.next_request("PREPARE")
        b.vote(prepare)
        b.aborted(b.next_request("ABORT"))
        client.reply(tag)
        self.failed = payment(amount=3, hold="no")
        tag = client.ask("PAY", self.failed)
        a.refuse(a.next_request("PREPARE"), "OVERLOADED")
        b.vote(b.next_request("PREPARE"))
        b.aborted(b.next_request("ABORT"))
        client.reply(tag)
        # Committed, and one bank does not say so.
        self.owed = payment(amount=4)
        tag = client.ask("PAY", self.owed)
        a.commit_one()
        b.commit_one()
        client.reply(tag)
        a.acknowledge(a.next_request("COMMIT"))
        b.next_request("COMMIT")
        # The payee's bank goes: held, held, given up.
        b.close()
        self.held = [payment(amount=5 + n) for n in range(3)]
        for fields in self.held:
            while client.call("PAY", fields).code == "IN_PROGRESS":
                pass
        self.cancelled = self.held.pop()
        client.call("CANCEL", id=self.cancelled["id"])
        self.unknown = payment(amount=9)
        client.call("CANCEL", id=self.unknown["id"])
        # Asked, and nobody has voted.
        self.undecided = payment(target="carol@BankA", amount=10)
        client.ask("PAY", self.undecided)
        a.next_request("PREPARE")
        eve = self.gateway.client()
        reply = eve.call("LOGIN", user="eve", password=PASSWORD)
        self.token = reply.get("token")
        with self.gateway.control() as c:
            c.call("REVOKE", user="eve")

    def meet(self):
        self.a = FakeBank(self.gateway, "BankA").register()
        self.b = FakeBank(self.gateway, "BankB").register()
        self.client = self.gateway.login()

    def all(self):
        return [self.done, self.refused, self.failed, self.owed,
                self.cancelled, self.unknown, self.undecided] + self.held

    def statuses(self):
        return [status(self.client, f) for f in self.all()]


def from_snapshot(place):
    s = Setting(place)
    gateway = s.gateway
    seq = snapshot(gateway)
    equal(seq, int(gateway.records()[-1].tag), "SNAPSHOT: the newest record")
    run = place.run("strife-ctl", "-c", gateway.config, "snapshot")
    equal((run.status, run.stdout.decode().split()[-1:]), (0, [str(seq)]),
          "strife-ctl snapshot shows it")
    gateway.crash()
    gateway.start()
    equal(replayed(gateway), (seq, 0), "the next start reads nothing else")
    s.client = gateway.login()
    with_snapshot = s.statuses()
    gateway.crash()
    for name in os.listdir(gateway.journal):
        if name.endswith(".snapshot"):
            os.unlink(os.path.join(gateway.journal, name))
    gateway.start()
    equal(replayed(gateway)[0], 0, "one without")
    s.client = gateway.login()
    equal(s.statuses(), with_snapshot, "tells the same of every payment")
    equal([x[1:3] for x in with_snapshot], [
        ("committed", None), ("aborted", "INSUFFICIENT_FUNDS"),
        ("aborted", "OVERLOADED"), ("committed", None),
        ("aborted", "CANCELLED"), ("aborted", "CANCELLED"),
        ("aborted", "GATEWAY_RESTART"), ("held", "BANK_UNAVAILABLE"),
        ("held", "BANK_UNAVAILABLE")], "as it must be")
    gateway.stop()


def goes_on(place):
    s = Setting(place)
    gateway = s.gateway
    seq = snapshot(gateway)
    # What comes after it is replayed into what it holds.
    later = s.held.pop(0)
    equal(s.client.call("CANCEL", id=later["id"]).code, "OK", "CANCEL after it")
    gateway.crash()
    gateway.start()
    equal(replayed(gateway)[0], seq, "a start from it")
    s.meet()
    request = s.b.next_request()
    equal((request.word, request["id"]), ("COMMIT", s.owed["id"]),
          "what a bank has not acknowledged goes out again")
    s.b.acknowledge(request)
    tried = s.held[0]
    for bank in (s.a, s.b):
        prepare = bank.next_request("PREPARE")
        equal(prepare["id"], tried["id"], "what is held is tried again")
        bank.vote(prepare)
    for bank in (s.a, s.b):
        bank.acknowledge(bank.next_request("COMMIT"))
    reply = s.client.call("PAY", tried)
    while reply.code == "IN_PROGRESS":
        reply = s.client.call("PAY", tried)
    equal((reply.code, reply.get("state")), ("ALREADY_EXISTS", "committed"),
          "and committed")
    for fields, state in ((s.done, "committed"), (s.refused, "aborted"),
                          (s.cancelled, "aborted"), (s.unknown, "aborted"),
                          (later, "aborted"), (s.owed, "committed")):
        reply = s.client.call("PAY", fields)
        equal((reply.code, reply.get("state")), ("ALREADY_EXISTS", state),
              "a known id stays what it was")
    reply = commit(s.client, s.failed, s.a, s.b)
    equal(reply.code, "OK", "one that failed in passing may run again")
    reply = s.client.call("PAY", dict(s.done, amount=2))
    equal(reply.code, "ID_REUSED", "and another payload is refused")
    peer = gateway.client()
    equal(peer.call("AUTH", token=s.token).code, "TOKEN_REVOKED",
          "a revoked token stays so")
    equal(gateway.stop(), 0, "SIGTERM")
    run = place.run("strife-journal", "verify", gateway.journal)
    equal(run.status, 0, "the journal is whole")


for test in (from_snapshot, goes_on):
    with strife.Place() as place:
        test(place)
strife.done()

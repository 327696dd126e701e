#!/usr/bin/python3
# LOGIN bank=: a real bank decides about its customers, by its customers file
# and its strife-authd; strife-protocol(7), strife-bankd(8).
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import Gatewayd, PASSWORD, payment, user
from strife import equal, like, ok

CUSTOMERS = {
    "al": user(["alice"]),
    "reader": user(["alice"], ["balance"]),
    "frozen": user(["dora"]),
    "leaver": user(["bob"]),
}
ACCOUNTS = {name: {"currency": "CZK", "balance": "100.00"}
            for name in ("alice", "bob", "dora")}


class Deployment:
    """A gateway, BankA with customers, and BankB without."""

    def __init__(self, place):
        self.place = place
        self.gateway = Gatewayd(
            place, users={"gus": user(["bob@BankA"])},
            sessions={"login_burst": 3})
        self.gateway.start()
        link = ["127.0.0.1:%d" % self.gateway.banks_port]
        self.customers = place.write(
            "customers.yaml", strife.yaml({"users": CUSTOMERS}))
        self.bank = strife.Bank(place, "BankA", link, ACCOUNTS,
                                customers=self.customers,
                                limits={"logins": 2})
        self.other = strife.Bank(place, "BankB", link, ACCOUNTS)
        for bank in (self.bank, self.other):
            bank.start()
            if not bank.daemon.wait_for("^registered gateway="):
                raise RuntimeError("%s is not registered" % bank.name)

    def login(self, name, password=PASSWORD, bank="BankA", peer=None):
        return (peer or self.gateway.client()).call(
            "LOGIN", user=name, password=password, bank=bank)


def customers(d):
    peer = d.gateway.client()
    reply = d.login("al", peer=peer)
    equal((reply.code, reply.get("user"), reply.get("roles")),
          ("OK", "al@BankA", "balance,pay,history"),
          "a customer of the bank: USER@BANK, with the roles of its file")
    rows, _ = peer.rows("ACCOUNTS")
    equal([(r["account"], r["currency"]) for r in rows],
          [("alice@BankA", "CZK")], "with the account of its file, no other")
    equal(peer.call("BALANCE", account="alice@BankA").get("posted"), "10000",
          "which can be asked about")
    equal(peer.call("BALANCE", account="bob@BankA").code, "FORBIDDEN",
          "another customer's cannot")
    equal(peer.call("BALANCE", account="alice@BankB").code, "FORBIDDEN",
          "nor the same name at another bank")
    equal(peer.call("PAY", payment("alice@BankA", "bob@BankA")).get("state"),
          "committed", "and paid from")
    d.login("reader", peer=peer)
    equal(peer.call("BALANCE", account="alice@BankA").code, "OK",
          "roles: balance")
    equal(peer.call("PAY", payment("alice@BankA", "bob@BankA")).code,
          "FORBIDDEN", "and no other")


def refused(d):
    for name, password, bank, what in (
            ("al", "wrong", "BankA", "a wrong password"),
            ("nobody", PASSWORD, "BankA", "an unknown customer"),
            ("gus", PASSWORD, "BankA", "a user of the gateway alone"),
            ("al", PASSWORD, "BankB", "a bank without customers"),
            ("al", PASSWORD, "BankZ", "a bank that nobody knows")):
        reply = d.login(name, password, bank)
        equal((reply.code, reply.get("retry")), ("BAD_CREDENTIALS", "login"),
              what + ": BAD_CREDENTIALS, no more than that")
    equal(d.gateway.client().call("LOGIN", user="al", password=PASSWORD).code,
          "BAD_CREDENTIALS", "a customer of a bank, without bank=")
    ok(d.bank.daemon.wait_for('msg="login refused" user=al gateway=gw1'),
       "the bank's log tells of a refused login, and by which gateway")
    ok(d.bank.daemon.wait_for("msg=login user=reader gateway=gw1"),
       "and of a good one")


def locked(d):
    peer = d.gateway.client("guesser")
    codes = [d.login("al", "guess", peer=peer).code for _ in range(3)]
    equal(codes, ["BAD_CREDENTIALS"] * 3, "as many failures as login_burst")
    reply = d.login("al", peer=peer)
    equal((reply.code, reply.get("after")), ("LOCKED_OUT", "1"),
          "then the right password is not looked at either")
    like(reply.get("text"), "1 second", "the text says for how long")
    equal(d.login("frozen", peer=peer).code, "OK",
          "another customer is not locked out")
    equal(d.login("al").code, "OK", "nor he by another certificate")


def overloaded(d):
    """A gateway cannot make the bank check more passwords than it likes."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(d.bank.daemon.pid)],
        stdout=subprocess.PIPE, check=True).stdout.split()
    equal(len(children), 1, "the bank has one strife-authd")
    authd = int(children[0])
    os.kill(authd, signal.SIGSTOP)
    try:
        peers = [d.gateway.client() for _ in range(4)]
        tags = [p.ask("LOGIN", user="leaver", password=PASSWORD, bank="BankA")
                for p in peers[:2]]
        teller = d.bank.teller()
        while ("logins_waiting", "2") not in [
                (r["name"], r["value"]) for r in teller.rows("STATS")[0]]:
            continue
        equal([d.login("leaver", peer=peers[2]).code for _ in range(2)],
              ["OVERLOADED"] * 2, "more than limits.logins: OVERLOADED")
        equal(peers[3].call("LOGIN", user="gus", password=PASSWORD).code, "OK",
              "the gateway's own users do not mind")
        equal([p.has_reply(t) for p, t in zip(peers, tags)], [False] * 2,
              "those that wait go on waiting")
    finally:
        os.kill(authd, signal.SIGCONT)
    equal([p.reply(t).code for p, t in zip(peers, tags)], ["OK"] * 2,
          "and are answered in the end")


def reloaded(d):
    del CUSTOMERS["leaver"]
    d.place.write("customers.yaml", strife.yaml({"users": CUSTOMERS}))
    mark = d.bank.daemon.mark()
    d.bank.daemon.signal(signal.SIGHUP)
    ok(d.bank.daemon.wait_for("users file read again", mark),
       "SIGHUP: the customers are read again")
    equal(d.login("leaver").code, "BAD_CREDENTIALS",
          "who is no longer there cannot log in")
    equal(d.login("frozen").code, "OK", "who is, can")


def away(d):
    equal(d.bank.stop(), 0, "the bank stops")
    ok(d.gateway.daemon.wait_for("link down.*BankA"), "the gateway sees it")
    equal(d.login("al").code, "BANK_UNAVAILABLE", "BANK_UNAVAILABLE")
    equal(d.login("gus", bank=None).code, "OK",
          "the gateway's own users do not mind")
    for name, daemon in (("gateway", d.gateway.daemon),
                         ("bank", d.bank.daemon)):
        ok(PASSWORD not in daemon.stderr() and
           strife.encode(PASSWORD) not in daemon.stderr(),
           "no password is in the log of the " + name)


with strife.Place() as place:
    d = Deployment(place)
    for test in (customers, refused, locked, overloaded, reloaded, away):
        strife.note(test.__name__)
        test(d)
    equal(d.gateway.stop(), 0, "the gateway ends")
    equal(d.other.stop(), 0, "and so does the other bank")
strife.done()

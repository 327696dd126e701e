#!/usr/bin/python3
# strife-journal audit and explain on journals that the daemons wrote: payments,
# declines, cancels, held ones, kill -9 of each daemon, an operator's decision,
# and audits while it all runs. The figures are those of a naive count.
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import Gatewayd, user
from strife import equal, like


class Deployment:
    """A gateway and three banks; alice has accounts at two, bob at BankB."""

    def __init__(self, place):
        self.place = place
        self.gateway = Gatewayd(place, users={
            "alice": user(["alice@BankA", "alice@BankC"])},
            payments={"in_flight": 256, "per_user": 256, "per_bank": 256},
            limits={"window": 256})
        self.gateway.start()
        # The same ports again after a restart.
        self.gateway.settings["listen"] = {
            "clients": "127.0.0.1:%d" % self.gateway.clients_port,
            "banks": "127.0.0.1:%d" % self.gateway.banks_port}
        self.gateway.configure()
        link = ["127.0.0.1:%d" % self.gateway.banks_port]
        accounts = {
            "BankA": {"alice": ("CZK", "1000.00"), "carol": ("CZK", "0.00")},
            "BankB": {"bob": ("CZK", "10.00"), "eva": ("EUR", "0.00")},
            "BankC": {"alice": ("EUR", "300.00")}}
        self.banks = {
            name: strife.Bank(place, name, link, {
                n: {"currency": c, "balance": b}
                for n, (c, b) in of_bank.items()})
            for name, of_bank in accounts.items()}
        for bank in self.banks.values():
            bank.start()
            registered(bank)
        self.asked = {}

    def client(self):
        return self.gateway.login("alice")

    def fields(self, target="bob@BankB", amount=100, source="alice@BankA",
               currency="CZK", **more):
        fields = {"id": strife.new_id(), "from": source, "to": target,
                  "amount": amount, "currency": currency}
        fields.update(more)
        self.asked[fields["id"]] = fields
        return fields

    def dirs(self):
        return [self.gateway.journal] + [b.journal
                                         for b in self.banks.values()]

    def restart(self, bank):
        bank.start()
        registered(bank)

    def restart_gateway(self):
        marks = {n: b.daemon.mark() for n, b in self.banks.items()
                 if b.daemon.running}
        self.gateway.start()
        for name, mark in marks.items():
            self.banks[name].daemon.wait_for("^registered ", mark)


def registered(bank):
    if not bank.daemon.wait_for("^registered "):
        raise RuntimeError("%s is not registered" % bank.name)


def audit(d, *options):
    run = d.place.run("strife-journal", "audit", *options, *d.dirs())
    rows = [r.split("\t") for r in run.stdout.decode().splitlines()]
    return run, {kind: [r[1:] for r in rows if r[0] == kind]
                 for kind in {r[0] for r in rows}}


def naive(gateway):
    """What became of each id, by its last record; and the money moved."""
    last, payload, moved = {}, {}, {}
    for r in gateway.records():
        if r.word == "BOOT":
            last.update({i: "ABORT" for i, s in last.items()
                         if s == "RECEIVED"})
        elif r.word in ("RECEIVED", "HELD", "COMMIT", "ABORT"):
            last[r["id"]] = r.word
        if r.word == "RECEIVED":
            payload[r["id"]] = (r["currency"], int(r["amount"]))
    for i, state in last.items():
        if state == "COMMIT":
            currency, amount = payload[i]
            count, total = moved.get(currency, (0, 0))
            moved[currency] = (count + 1, total + amount)
    return last, moved


def agree(d, what, *options, **more):
    """The audit says 0, and its figures are those of the naive count."""
    run, rows = audit(d, *options)
    if not equal(run.status, 0, what + ": the audit says 0"):
        strife.note(run.stderr())
        return rows
    last, moved = naive(d.gateway)
    states = list(last.values())
    got = {r[0]: int(r[1]) for r in rows["payments"]}
    want = {"committed": states.count("COMMIT"),
            "aborted": states.count("ABORT"),
            "undecided": states.count("RECEIVED"),
            "held": states.count("HELD")}
    want.update(more)
    equal({k: got[k] for k in want}, want, what + ": its figures")
    equal({r[3]: (int(r[1]), r[2]) for r in rows.get("moved", [])},
          {c: (n, "%d.%02d" % divmod(total, 100))
           for c, (n, total) in moved.items()}, what + ": the money moved")
    return rows


def ordinary(d):
    client = d.client()
    for n in range(20):
        client.call("PAY", d.fields(amount=100 + n, memo="n %d" % n))
    client.call("PAY", d.fields("carol@BankA", 50))
    client.call("PAY", d.fields("eva@BankB", 700, "alice@BankC", "EUR"))
    for fields, code in ((d.fields(amount=10 ** 9), "INSUFFICIENT_FUNDS"),
                         (d.fields("nobody@BankB"), "NO_SUCH_ACCOUNT"),
                         (d.fields("eva@BankB"), "CURRENCY_MISMATCH"),
                         (d.fields("alice@BankA"), "SAME_ACCOUNT")):
        equal(client.call("PAY", fields).code, code, "declined: " + code)
    equal(client.call("CANCEL", id=strife.new_id()).code, "OK", "a tombstone")
    agree(d, "payments, declines and a cancel", held=0)
    client.close()


def held(d):
    d.banks["BankB"].stop()
    client = d.client()
    waiting, given_up = d.fields(amount=7), d.fields(amount=8)
    for fields in (waiting, given_up):
        equal(client.call("PAY", fields).get("state"), "held", "held")
    client.call("CANCEL", id=given_up["id"])
    rows = agree(d, "held, and one given up", held=1)
    equal([(r[0], r[2], r[3]) for r in rows["held"]],
          [(waiting["id"], "BankB", "0.07")], "the held one is listed")
    story = explain(d, waiting["id"])
    equal([r[3] for r in story], ["RECEIVED", "HELD", "held"],
          "its story so far")
    like(story[-1][4], "held until BankB is back", "and why it waits")
    d.restart(d.banks["BankB"])
    while client.call("STATUS", id=waiting["id"])["state"] != "committed":
        time.sleep(0.01)
    agree(d, "when the bank is back", held=0)
    equal(explain(d, given_up["id"])[-1][3:],
          ["aborted", "0.08 CZK from alice@BankA to bob@BankB; aborted for "
           "good: CANCELLED"], "the story of the one given up")
    client.close()


def finish(d, client, many):
    """The same requests again until each has its end."""
    for fields in many:
        while True:
            answer = client.call("PAY", fields)
            if answer.code in ("OK", "ALREADY_EXISTS") and \
                    answer["state"] != "held":
                break


def killed(d, name):
    """kill -9 in the middle of payments; the same ids again afterwards."""
    client = d.client()
    many = [d.fields(amount=1 + n) for n in range(100)]
    for fields in many:
        client.ask("PAY", fields)
    client.read_line()
    if name == "gatewayd":
        d.gateway.crash()
        agree(d, "%s killed, and still down" % name)
        d.restart_gateway()
        client = d.client()
    else:
        d.banks[name].crash()
        agree_live(d, "%s killed, and still down" % name)
        d.restart(d.banks[name])
    agree_live(d, "%s is back" % name)
    finish(d, client, many)
    client.close()


def agree_live(d, what):
    """Nothing is wrong, whatever is written meanwhile."""
    run, _ = audit(d)
    if not equal((run.status, run.stderr()), (0, ""),
                 what + ": the audit says 0 meanwhile"):
        strife.note(run.stdout.decode())


def meanwhile(d):
    client = d.client()
    bad = []
    for n in range(10):
        tags = [client.ask("PAY", d.fields(amount=1)) for _ in range(100)]
        run, rows = audit(d)
        if run.status != 0 or run.stderr():
            bad.append((run.status, run.stderr()))
        for tag in tags:
            client.reply(tag)
    equal(bad, [], "audits while payments run: nothing is wrong")
    client.close()


def in_doubt(d):
    """A branch in doubt, and an operator who guesses, wrongly."""
    client = d.client()
    d.banks["BankB"].daemon.signal(signal.SIGSTOP)
    guess = d.fields(amount=5, hold="no")
    client.ask("PAY", guess)
    teller = d.banks["BankA"].teller()
    while not teller.rows("INDOUBT")[0]:
        time.sleep(0.01)
    d.gateway.crash()
    rows = agree(d, "a branch in doubt, the gateway killed")
    equal([(r[0], r[2]) for r in rows["in-doubt"]], [(guess["id"], "BankA")],
          "it is listed")
    reply = teller.call("DECIDE", id=guess["id"], outcome="commit",
                        why="the customer waits")
    equal(reply.code, "OK", "an operator decides")
    d.banks["BankB"].daemon.signal(signal.SIGCONT)
    d.restart_gateway()
    # BankB asks what became of its branch, if it has one, and is told.
    other = d.banks["BankB"].teller()
    while other.rows("INDOUBT")[0]:
        time.sleep(0.01)
    # BankA tells what its operator did; the gateway has it on record then.
    while not d.banks["BankA"].records("SETTLED"):
        time.sleep(0.01)
    rows = agree(d, "the operator's commit, aborted by the gateway",
                 heuristic=1)
    equal([(r[0], r[2]) for r in rows["heuristic"]],
          [(guess["id"], "BankA")], "it is listed")
    like(rows["heuristic"][0][5], "^committed by .*: the customer waits; gw1 "
         "(aborted it|never received it)$", "with who, why and the gateway's")
    # Whether RECEIVED had reached the disk before the kill is left open.
    like(explain(d, guess["id"])[-1][4],
         "(; but|has received it;) posted at BankA by an operator",
         "and its story ends so")
    teller.close()
    other.close()


def explain(d, *arguments):
    run = d.place.run("strife-journal", "explain", *arguments, *d.dirs())
    if run.status != 0:
        strife.note(run.stderr())
    return [r.split("\t") for r in run.stdout.decode().splitlines()]


def settled(d):
    """Everything done and stopped: then nothing may be missing anywhere."""
    deadline = time.monotonic() + strife.WAIT_S
    while time.monotonic() < deadline and audit(d)[1].get("pending"):
        time.sleep(0.01)
    for bank in d.banks.values():
        equal(bank.stop(), 0, "%s stops" % bank.name)
    equal(d.gateway.stop(), 0, "the gateway stops")
    rows = agree(d, "all stopped", "--stopped", held=0, pending=0)
    records = len(d.gateway.records()) + sum(
        len(b.records()) for b in d.banks.values())
    equal(int(rows["proven"][0][1]), records, "every record was looked at")
    equal([str(r) for journal in [d.gateway] + list(d.banks.values())
           for r in journal.records() if "memo" not in r and r.word in
           ("RECEIVED", "ENTRY", "PREPARED", "COMMITTED")], [],
          "each has its memo, an empty one too")
    for bank in d.banks.values():
        committed = bank.records("COMMITTED")
        equal(len({r["id"] for r in committed}), len(committed),
              "each id moved money once at %s" % bank.name)


with strife.Place() as place:
    d = Deployment(place)
    ordinary(d)
    held(d)
    for name in ("gatewayd", "BankA", "BankB"):
        killed(d, name)
    meanwhile(d)
    in_doubt(d)
    settled(d)
strife.done()

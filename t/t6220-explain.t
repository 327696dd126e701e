#!/usr/bin/python3
# strife-journal explain on journals written by hand: every kind of record has
# its sentence, in the order of time, and the last row says where it stands.
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from journalwriter import BankJournal, GatewayJournal, Payment
from strife import equal, like

# The id of `strife-pay --key rent` of the user alice.
RENT = "02b90acb-273b-5e73-9d72-59386c0a0e40"


class World:
    """A gateway and two banks whose records are one second apart."""

    made = 0

    def __init__(self, place):
        World.made += 1
        root = place.path("w%d" % World.made)
        self.place = place
        self.a = BankJournal(os.path.join(root, "a"), "BankA",
                             {"alice": 10000})
        self.b = BankJournal(os.path.join(root, "b"), "BankB", {"bob": 0})
        self.g = GatewayJournal(os.path.join(root, "g"),
                                banks=(self.a, self.b))
        # One clock for all three.
        self.clock = 0
        for journal in (self.g, self.a, self.b):
            journal.time = self.tick

    def tick(self):
        self.clock += 1
        return "2026-02-01T00:%02d:%02d.000000Z" % divmod(self.clock, 60)

    def dirs(self):
        return [self.b.dir, self.g.dir, self.a.dir]

    def received(self, **more):
        one = Payment(self.g, **more)
        self.g.received(one)
        return one

    def prepared(self, **more):
        one = self.received(**more)
        self.a.prepare(one)
        self.b.prepare(one)
        return one

    def explain(self, *arguments, dirs=None):
        run = self.place.run("strife-journal", "explain", *arguments,
                             *(self.dirs() if dirs is None else dirs))
        self.status, self.stderr = run.status, run.stderr()
        return [r.split("\t") for r in run.stdout.decode().splitlines()]

    def stands(self, one, state, pattern, what, dirs=None):
        rows = self.explain(one.id, dirs=dirs)
        equal((self.status, rows[-1][3]), (0, state), what)
        like(rows[-1][4], pattern, "  " + pattern)
        return rows


def paid(w):
    one = w.prepared(memo="rent")
    w.g.commit(one)
    w.b.post(one)
    w.a.post(one)
    w.g.end(one)
    rows = w.stands(one, "committed",
                    "^10.00 CZK from alice@BankA to bob@BankB; committed by "
                    "gw1; posted at BankA, posted at BankB$", "a payment")
    want = [
        ("gw1", "RECEIVED", '10.00 CZK from alice@BankA to bob@BankB, memo '
         '"rent", asked for by alice'),
        ("BankA", "PREPARED", "votes yes: it holds 10.00 CZK from alice to "
         ":clearing.BankB.CZK, branch gw1.1.1"),
        ("BankB", "PREPARED", "votes yes: it holds 10.00 CZK from "
         ":clearing.BankA.CZK to bob, branch gw1.1.2"),
        ("gw1", "COMMIT", "decided: it is committed, for all voted yes "
         "(BankA's record %d, BankB's record %d)" % (
             one.votes["BankA"][0], one.votes["BankB"][0])),
        ("BankB", "COMMITTED", "10.00 CZK moves from :clearing.BankA.CZK (now "
         "-10.00 CZK) to bob (now 10.00 CZK), as gw1's record %d decided" %
         one.decided[0]),
        ("BankA", "COMMITTED", "10.00 CZK moves from alice (now 90.00 CZK) to "
         ":clearing.BankB.CZK (now 10.00 CZK), as gw1's record %d decided" %
         one.decided[0]),
        ("gw1", "END", "done: the banks have acknowledged it (BankB's record "
         "%d, BankA's record %d)" % (one.acks["BankB"][0],
                                     one.acks["BankA"][0])),
    ]
    equal([(r[1], r[3], r[4]) for r in rows[:-1]], want,
          "a sentence for each record, in the order of time")
    equal([r[0] for r in rows[:-1]], sorted(r[0] for r in rows[:-1]),
          "with its time")
    equal(rows[4][2], str(one.acks["BankB"][0]), "and its seq")
    w.stands(one, "committed", "posted at BankA, acknowledged at BankB "
             r"\(its journal was not given\)$", "without a bank's journal",
             [w.g.dir, w.a.dir])
    w.stands(one, "committed", "^no gateway's journal here has received it; posted "
             "at BankB, posted at BankA$", "without the gateway's",
             [w.b.dir, w.a.dir])
    run = w.place.run("strife-journal", "explain", "--json", one.id.upper(),
                      *w.dirs())
    last = [json.loads(r) for r in run.stdout.decode().splitlines()][-1]
    equal(last["kind"], "committed", "--json; an id in capitals")


def on_its_way(w):
    one = w.received(amount=5)
    w.stands(one, "undecided", "gw1 has not decided it$", "just received")
    w.g.held(one)
    rows = w.stands(one, "held", "; held until BankB is back "
                    r"\(BANK_UNAVAILABLE\) at gw1$", "held")
    equal(rows[1][3], "HELD", "with its record")
    w.g.held(one, reason="INSUFFICIENT_FUNDS", bank=None, attempts=3)
    like(w.explain(one.id)[2][4], "held, to be tried again .*after attempt 3",
         "held for another reason")
    w.g.abort(one, "HOLD_EXPIRED", bank="BankB")
    w.stands(one, "aborted", "; aborted for good: HOLD_EXPIRED at BankB$",
             "expired")
    one = w.prepared(amount=6)
    w.stands(one, "undecided", "gw1 has not decided it; still prepared at "
             "BankB, still prepared at BankA$", "prepared")
    w.stands(one, "in-doubt", "has received it; still prepared at BankA$",
             "in doubt", [w.a.dir])
    w.g.commit(one)
    w.stands(one, "committed", "not posted at BankA yet, not posted at BankB "
             "yet$", "decided")
    w.g.abort(Payment(w.g, id="11111111-1111-4111-8111-111111111111"),
              "CANCELLED")
    rows = w.explain("11111111-1111-4111-8111-111111111111")
    equal([(r[3], r[4]) for r in rows], [
        ("ABORT", "aborted for good: CANCELLED, by alice, before it was "
         "received"),
        ("aborted", "aborted for good: CANCELLED, by alice, before it was "
         "received")], "given up before it was received")


def tried_again(w):
    one = w.prepared(amount=7)
    w.g.boot()
    w.a.drop(one)
    rows = w.stands(one, "aborted", "aborted, and may be tried again: the "
                    "gateway was started anew; but still prepared at BankB$",
                    "a restart")
    equal([(r[1], r[3]) for r in rows[3:5]],
          [("gw1", "BOOT"), ("BankA", "ABORTED")], "BOOT is part of its story")
    one.new_branches(w.g)
    w.g.received(one, attempts=2, hold="no")
    like(w.explain(one.id)[5][4], ", not to be held, attempt 2$",
         "its second attempt")
    w.g.boot()
    equal(len([r for r in w.explain(one.id) if r[3] == "BOOT"]), 2,
          "and a second restart")


def overruled(w):
    one = w.prepared(amount=8)
    w.a.decide(one, "abort")
    w.a.drop(one)
    w.g.commit(one)
    w.b.post(one)
    w.g.heuristic(one, "BankA", "aborted")
    rows = w.stands(one, "committed", "aborted at BankA by an operator: see "
                    "strife-teller post-late, posted at BankB$",
                    "an operator's abort")
    like("\n".join(r[4] for r in rows), "an operator, root, decided to abort: "
         "he called", "who and why")
    like("\n".join(r[4] for r in rows), "BankA has done "
         "otherwise: it is aborted there", "and the gateway's record")
    decided, one.decided = one.decided, None
    w.a.decide(one, "commit")
    w.a.post(one)
    w.stands(one, "committed", "posted at BankA by an operator, posted at "
             "BankB$", "posted late")

    one = w.prepared(amount=9)
    w.a.decide(one, "commit")
    w.a.post(one)
    w.b.drop(one)
    w.g.abort(one, "BANK_TIMEOUT", final=False)
    w.g.heuristic(one, "BankA", "committed")
    w.a.settle(one, "abort")
    rows = w.stands(one, "aborted", "but posted at BankA by an operator$",
                    "an operator's commit")
    like("\n".join(r[4] for r in rows), "gw1 had aborted it, and has on record "
         "what the operator did", "and that its gateway knows")
    one = w.prepared(amount=10)
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.commit(one)
    w.a.settle(one, "commit")
    w.b.post(one)
    rows = w.stands(one, "committed", "posted at BankA, posted at BankB$",
                    "an operator who was right")
    like("\n".join(r[4] for r in rows), "gw1's record %d decided the same" %
         one.decided[0], "as the gateway's record says")


def elsewhere(w):
    """A gateway that never had it knows what an operator of a bank did."""
    one = Payment(w.g)
    w.g.heuristic(one, "BankA", "committed")
    rows = w.stands(one, "aborted", "^no gateway's journal here has received "
                    "it$", "a bank's operator alone", [w.g.dir])
    like(rows[0][4], "BankA has done otherwise: it is committed there",
         "with its record")


def others(w):
    one = Payment(w.g)
    w.a.entry("alice", 100, id=one.id, memo="cash")
    rows = w.stands(one, "entry", r"^a bank's own entry \(deposit\) at BankA$",
                    "a deposit")
    like(rows[0][4], '^deposit by root: 1.00 CZK moves from :equity.CZK .*, '
         'memo "cash"$', "with its record")
    nobody = "22222222-2222-4222-8222-222222222222"
    equal((w.explain(nobody), w.status), ([], 1), "nobody knows it: exit 1")
    like(w.stderr, nobody + ": no journal here knows this id", "and a message")
    for arguments in ((), ("nonsense",), ("--key", "rent"), ("-x",),
                      ("--user", "alice")):
        w.explain(*arguments, dirs=["d"])
        equal(w.status, 64, "usage: explain " + " ".join(arguments))
    w.explain(nobody, dirs=[])
    equal(w.status, 64, "usage: no directory")
    w.b.save(w.b.octets[:300] + b"x" + w.b.octets[301:])
    rows = w.explain(one.id)
    equal((w.status, rows[-1][3]), (65, "entry"),
          "a damaged journal: exit 65, and what the others say")


def by_key(w):
    """strife-pay --key and explain --key agree on the id, for ever."""
    w.received(id=RENT)
    rows = w.explain("--key", "rent", "--user", "alice")
    equal((w.status, rows[-1][3]), (0, "undecided"), "--key and --user")
    w.explain("--key", "rent", "--user", "bob")
    equal(w.status, 1, "another user's key is another id")


with strife.Place() as place:
    for story in (paid, on_its_way, tried_again, overruled, elsewhere,
                  others, by_key):
        story(World(place))
strife.done()

#!/usr/bin/python3
# strife-journal audit on journals written by hand: honest ones, also cut short
# anywhere, are right; each that breaks one rule, with a valid chain, is found,
# and the fault says which rule and where.
import json
import os
import random
import re
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from journalwriter import BankJournal, GatewayJournal, Payment, proof
from strife import equal, like, ok


class World:
    """A gateway and two banks: 100.00 for alice, 50.00 for carol, bob, dan."""

    made = 0

    def __init__(self, place, opening=10000, **changes):
        World.made += 1
        self.place = place
        self.root = place.path("w%d" % World.made)
        self.a = BankJournal(self.path("a"), "BankA",
                             {"alice": opening, "carol": 5000})
        self.b = BankJournal(self.path("b"), "BankB", {"bob": 0, "dan": 0})
        self.g = GatewayJournal(self.path("g"), banks=(self.a, self.b),
                                **changes)
        self.a.gateway()
        self.b.gateway()

    def path(self, name):
        return os.path.join(self.root, name)

    def dirs(self):
        return [self.g.dir, self.a.dir, self.b.dir]

    def banks(self, one):
        names = {"BankA": self.a, "BankB": self.b}
        return [names[n] for n in one.branches]

    def payment(self, *arguments, **more):
        return Payment(self.g, *arguments, **more)

    def prepared(self, *arguments, **more):
        one = self.payment(*arguments, **more)
        self.g.received(one)
        for bank in self.banks(one):
            bank.prepare(one)
        return one

    def committed(self, *arguments, **more):
        one = self.prepared(*arguments, **more)
        self.g.commit(one)
        return one

    def posted(self, *arguments, **more):
        one = self.committed(*arguments, **more)
        for bank in self.banks(one):
            bank.post(one)
        return one

    def paid(self, *arguments, **more):
        one = self.posted(*arguments, **more)
        self.g.end(one)
        return one

    def aborted(self, reason="INSUFFICIENT_FUNDS", final=True):
        one = self.payment()
        self.g.received(one)
        self.g.abort(one, reason, final)
        return one


class Audit:
    """A run of the audit: its exit code, messages and rows by their kind."""

    def __init__(self, place, *arguments):
        run = place.run("strife-journal", "audit", *arguments)
        self.status, self.stderr = run.status, run.stderr()
        self.rows = [r.split("\t") for r in run.stdout.decode().splitlines()]

    def of(self, kind):
        return [r[1:] for r in self.rows if r[0] == kind]

    def figures(self):
        return {r[0]: int(r[1]) for r in self.of("payments")}

    def moved(self):
        return {r[3]: (int(r[1]), r[2]) for r in self.of("moved")}

    def proven(self):
        return {r[0]: int(r[1]) for r in self.of("proven")}


# ---- What is right ----

def everything(place):
    """A world in which everything happens that may happen."""
    w = World(place)
    w.paid(amount=1000, memo="rent")
    w.paid("alice@BankA", "carol@BankA", 500)
    w.paid("bob@BankB", "alice@BankA", 300)
    w.aborted()
    one = w.aborted("BANK_TIMEOUT", False)      # and tried again
    one.new_branches(w.g)
    w.g.received(one, attempts=2)
    w.a.prepare(one)
    w.a.drop(one)                               # by its gateway's ABORT
    w.g.abort(one, "BANK_UNAVAILABLE", False)
    w.g.abort(w.payment(), "CANCELLED", attempts=0)     # a tombstone
    held = w.payment(amount=77)
    w.g.received(held)
    w.g.held(held)
    w.a.entry("alice", 2000)
    w.a.entry("carol", 100, "withdraw")
    w.a.set("carol", state="frozen")
    bound = w.prepared("alice@BankA", "bob@BankB", 700)
    w.a.set("alice", overdraft=100)
    w.a.set("alice", state="frozen")            # a vote binds all the same
    w.g.commit(bound)
    for bank in (w.b, w.a):
        bank.post(bound)
    w.g.end(bound)
    w.a.set("alice", state="open")
    lost = w.prepared(amount=11)                # undecided at the restart
    w.g.boot()
    w.a.gateway(epoch=2, told=bound.decided)
    w.b.gateway(epoch=2, told=bound.decided)
    w.a.drop(lost)
    w.b.drop(lost)
    lost.new_branches(w.g)
    w.g.received(lost, attempts=2)
    for bank in (w.a, w.b):
        bank.prepare(lost)
    w.g.commit(lost)
    w.a.post(lost)                              # not at BankB yet
    doubt = w.prepared(amount=12)
    w.a.boot()
    w.g.bank(w.a, proven_seq=bound.acks["BankA"][0],
             proven_check=bound.acks["BankA"][1])
    stray = w.prepared(amount=13)               # operators decide
    w.a.decide(stray, "commit")
    w.a.post(stray)
    w.g.abort(stray, "BANK_TIMEOUT", False)
    w.g.heuristic(stray, "BankA", "committed")
    w.b.drop(stray)
    wrong = w.prepared(amount=14)
    w.b.decide(wrong, "abort")
    w.b.drop(wrong)
    w.g.commit(wrong)
    w.a.post(wrong)
    w.g.heuristic(wrong, "BankB", "aborted")
    w.g.end(wrong)
    late = w.prepared(amount=15)
    w.a.decide(late, "abort")
    w.a.drop(late)
    w.g.commit(late)
    w.b.post(late)
    w.g.heuristic(late, "BankA", "aborted")
    w.g.end(late, proofs=proof("BankB", late.acks["BankB"]))
    w.a.decide(late, "commit")
    decided, late.decided = late.decided, None
    w.a.post(late, from_=":suspense.CZK")
    late.decided = decided
    return w, dict(held=held, lost=lost, doubt=doubt, stray=stray,
                   wrong=wrong, late=late)


def honest(place):
    w, ones = everything(place)
    once = Audit(place, *w.dirs())
    equal((once.status, once.stderr), (0, ""), "all that may happen is right")
    equal(once.figures(), {
        "committed": 7, "aborted": 4, "undecided": 1, "held": 1,
        "in-doubt": 2, "heuristic": 4, "pending": 1}, "the figures")
    equal(once.moved(), {"CZK": (7, "25.40")}, "the money")
    journals = once.of("journal")
    equal([j[:5] + j[6:] for j in journals], [
        [j.dir, j.component, j.name, j.journal, str(j.seq), str(j.seq),
         j.check, "ok"] for j in (w.g, w.a, w.b)], "a row for each journal")
    proven = once.proven()
    equal(proven["records"], w.g.seq + w.a.seq + w.b.seq, "every record")
    equal(proven["books"], 2, "the books of two banks")
    equal(proven["mirrors"], 1, "one pair of clearing accounts")
    equal(once.of("unproven"), [], "nothing is left unproven")
    equal([(r[0], r[2], r[3]) for r in once.of("held")],
          [(ones["held"].id, "BankB", "0.77")], "the held one is listed")
    equal([(r[0], r[2]) for r in once.of("in-doubt")],
          [(ones["doubt"].id, "BankA"), (ones["doubt"].id, "BankB")],
          "what is in doubt is listed, at each bank")
    equal([(r[0], r[2], r[5]) for r in once.of("pending")], [
        (ones["lost"].id, "BankB",
         "gw1 committed it (record %d), BankB not yet" %
         ones["lost"].decided[0])], "what is pending is listed")
    equal([(r[0], r[2], r[5]) for r in once.of("heuristic")], [
        (ones["stray"].id, "BankA",
         "committed by root: he called; gw1 aborted it"),
        (ones["late"].id, "BankA",
         "aborted by root: he called; gw1 committed it"),
        (ones["late"].id, "BankA",
         "posted late by root: he called; gw1 committed it"),
        (ones["wrong"].id, "BankB",
         "aborted by root: he called; gw1 committed it")],
        "operators' decisions are listed, with what the gateway decided")
    equal(Audit(place, "--stopped", *w.dirs()).status, 0,
          "the same, when all were stopped")
    equal(Audit(place, *reversed(w.dirs())).of("moved"), once.of("moved"),
          "the order of the directories does not matter")
    run = place.run("strife-journal", "audit", "--json", *w.dirs())
    rows = [json.loads(r) for r in run.stdout.decode().splitlines()]
    equal([(r["amount"], r["count"]) for r in rows if r["row"] == "moved"],
          [("25.40", 7)], "--json prints one object a line")
    return w


def cut_short(place, w):
    """Copies that were taken at any moments are right, whatever they lack."""
    dice = random.Random(7)
    wrong = []
    cuts = [(n, w.a.seq, w.b.seq) for n in range(4, w.g.seq)] + \
        [(w.g.seq, n, w.b.seq) for n in range(1, w.a.seq)] + \
        [(w.g.seq, w.a.seq, n) for n in range(1, w.b.seq)] + \
        [tuple(dice.randint(1, j.seq) for j in (w.g, w.a, w.b))
         for _ in range(60)]
    for n, counts in enumerate(cuts):
        copies = [j.cut(place.path("cut%d-%d" % (n, i)), count)
                  for i, (j, count) in enumerate(zip((w.g, w.a, w.b),
                                                     counts))]
        once = Audit(place, *[j.dir for j in copies])
        if once.status != 0 or once.stderr:
            wrong.append("%r: %s" % (counts, once.stderr))
    equal(wrong, [], "%d sets of copies that end anywhere: none is wrong" %
          len(cuts))


def unfinished(place):
    w = World(place)
    w.paid()
    w.g.save(w.g.octets + b"99 RECEIVED time=2026")
    once = Audit(place, *w.dirs())
    equal(once.status, 0, "an unfinished tail is no fault")
    equal(once.of("journal")[0][-1], "unfinished", "its row says so")


def subsets(place):
    w = World(place)
    w.paid()
    w.posted("bob@BankB", "alice@BankA", 10)
    once = Audit(place, w.a.dir, w.b.dir)
    equal(once.status, 0, "without the gateway")
    equal((once.figures()["committed"], once.moved()),
          (2, {"CZK": (2, "10.10")}), "its banks tell what was paid")
    equal([r[:2] for r in once.of("unproven")],
          [["decisions", "2"], ["decisions", "2"]],
          "and what is not proven")
    equal(once.proven()["mirrors"], 1, "clearing accounts are compared")
    once = Audit(place, w.g.dir, w.a.dir)
    equal((once.status, [r[:2] for r in once.of("unproven")]),
          (0, [["commits", "2"], ["mirrors", "1"]]), "without a bank")
    like("\n".join(" ".join(r) for r in once.of("unproven")),
         "BankB, whose journal %s is missing" % w.b.journal,
         "which is named")
    equal([r[2] for r in once.of("pending")], ["BankB"],
          "what it has not acknowledged is pending")
    equal(Audit(place, w.g.dir).status, 0, "the gateway alone")
    once = Audit(place, w.b.dir)
    equal((once.status, once.figures()["committed"]), (0, 2), "a bank alone")
    w.a.post(w.prepared(), gateway_seq=8, gateway_check="ab" * 16)
    once = Audit(place, w.a.dir, w.b.dir)
    equal((once.status, [r[2] for r in once.of("pending")]), (0, ["BankB"]),
          "without the gateway, half a payment is pending")


def short_name(place):
    """A bank's name may be one letter long."""
    w = World(place)
    w.b = BankJournal(w.path("c"), "C", {"bob": 0})
    w.g.bank(w.b)
    w.b.gateway()
    one = w.payment("alice@BankA", "bob@C", 30)
    w.g.received(one)
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.commit(one)
    for bank in (w.a, w.b):
        bank.post(one)
    w.g.end(one)
    once = Audit(place, *w.dirs())
    equal((once.status, once.stderr), (0, ""), "a bank of one letter")
    equal(once.proven().get("mirrors"), 1, "and its clearing account")


def settled_ahead(place):
    """SETTLED has no amount: none is told, least of all another record's."""
    w = World(place)
    one = w.prepared()
    before = w.g.seq
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.commit(one)
    w.a.entry("alice", 77)
    w.a.settle(one, "commit")
    gateway = w.g.cut(w.path("early"), before)
    once = Audit(place, gateway.dir, w.a.dir, w.b.dir)
    equal((once.status, [r[2:5] for r in once.of("pending")]),
          (0, [["BankA", "", ""]]), "SETTLED before its COMMIT is here")


def ahead(w, place, what, journal):
    """Alone it is pending, when all were stopped it is wrong."""
    once = Audit(place, *w.dirs())
    equal((once.status, len(once.of("pending"))), (0, 1),
          what + ": pending")
    found(w, place, what, journal, "records are lost there", "--stopped")


# ---- What is wrong ----

def found(w, place, what, journal, pattern, *options, seq=None, id=None,
          dirs=None):
    """The fault is found, named, and placed in this journal."""
    dirs = dirs or w.dirs()
    verified = place.run("strife-journal", "verify", *dirs).status
    once = Audit(place, *options, *dirs)
    row = (once.of("fault") or [["", "", "0", "", ""]])[0]
    good = ok(verified == 0 and once.status == 1 and
              len(once.of("fault")) == 1 and row[0] == journal.dir and
              int(row[2]) == (journal.seq if seq is None else seq) and
              (id is None or row[3] == id), what)
    if not good:
        strife.note("verify %s, audit %s, %r\n%s" % (
            verified, once.status, once.of("fault"), once.stderr))
    like(row[4], pattern, "  " + pattern)


def case(number_of):
    """Marks a case: it breaks a world, and returns what is to be found."""
    CASES.append(number_of)
    return number_of


CASES = []


@case
def boots(w):
    w.g.boot(epoch=1)
    return "a gateway's epoch again", w.g, "epoch 1 does not come after epoch 1"


@case
def bank_boots(w):
    w.a.boot(boot=1)
    return "a bank's boot again", w.a, "boot 1 does not come after boot 1"


@case
def times(w):
    w.a.entry("alice", 5, time="2026-01-31T11:00:00.000000Z")
    return "a time that goes back", w.a, "its time is before"


@case
def bound(w):
    w.g.bank(w.b, journal=w.a.journal)
    return "a bank bound to another's journal", w.g, \
        "BankB is bound to the journal of BankA"


@case
def received_twice(w):
    w.g.received(w.prepared())
    return "RECEIVED twice", w.g, "received again, though it is not decided"


@case
def received_after_commit(w):
    w.g.received(w.paid())
    return "RECEIVED after COMMIT", w.g, "again, though it is committed"


@case
def received_after_abort(w):
    w.g.received(w.aborted())
    return "RECEIVED after a final ABORT", w.g, "though it was aborted for good"


@case
def two_payloads(w):
    w.g.received(w.aborted("BANK_TIMEOUT", False), amount=1001)
    return "one id with two payloads", w.g, "the id is used for two payments"


@case
def two_users(w):
    w.g.received(w.aborted("BANK_TIMEOUT", False), user="mallory")
    return "one id of two users", w.g, "two users: mallory, and alice before"


@case
def strange_bank(w):
    w.g.received(w.payment("alice@BankA", "bob@BankC"))
    return "RECEIVED for an unknown bank", w.g, "a bank that never registered"


@case
def held_after_commit(w):
    w.g.held(w.posted())
    return "HELD after COMMIT", w.g, "it is held, though it is committed"


@case
def commit_unknown(w):
    one = w.payment()
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.commit(one)
    return "COMMIT without RECEIVED", w.g, "though it was never received"


@case
def commit_aborted(w):
    one = w.prepared()
    w.g.abort(one)
    w.g.commit(one)
    return "COMMIT after ABORT", w.g, \
        "it is committed, though it was aborted for good"


@case
def commit_lost(w):
    one = w.prepared()
    w.g.boot()
    w.g.commit(one)
    return "COMMIT of what a restart aborted", w.g, \
        "it is committed, though it was aborted"


@case
def old_votes(w):
    one = w.prepared()
    w.g.held(one)
    w.g.boot()
    w.g.commit(one)
    return "votes of an older epoch", w.g, \
        "a branch that is not of epoch 2 of gw1: gw1.1.3"


@case
def received_where(w):
    w.g.commit(w.prepared(), received="1:0")
    return "received= elsewhere", w.g, "not where its RECEIVED lies"


@case
def branch_missing(w):
    one = w.prepared()
    w.g.commit(one, branches="BankA:" + one.branches["BankA"],
               proofs=proof("BankA", one.votes["BankA"]))
    return "a bank without a branch", w.g, "not one at each of its banks"


@case
def branch_shared(w):
    one = w.payment()
    one.branches["BankB"] = one.branches["BankA"]
    w.g.received(one)
    w.a.prepare(one)
    w.b.prepare(one)
    w.g.commit(one)
    return "one branch at two banks", w.g, "one branch is used at two banks"


@case
def vote_missing(w):
    one = w.prepared()
    del one.votes["BankB"]
    w.g.commit(one)
    return "COMMIT without a vote", w.g, "committed without BankB's vote"


@case
def vote_strange(w):
    one = w.prepared("alice@BankA", "carol@BankA")
    one.votes["BankB"] = (3, "ab" * 16)
    w.g.commit(one)
    return "a vote of a bank that has no part", w.g, \
        "a proof of BankB, where it has no branch"


@case
def abort_committed(w):
    w.g.abort(w.committed())
    return "ABORT after COMMIT", w.g, "it is aborted, though it is committed"


@case
def abort_final(w):
    one = w.payment()
    w.g.received(one)
    w.g.abort(one, "INSUFFICIENT_FUNDS", final=False)
    return "a final reason that is not final", w.g, \
        "INSUFFICIENT_FUNDS is a final reason"


@case
def end_twice(w):
    w.g.end(w.paid())
    return "END twice", w.g, "it is ended, though it was ended before"


@case
def end_undecided(w):
    w.g.end(w.prepared())
    return "END without COMMIT", w.g, "it is ended, though it is not decided"


@case
def end_early(w):
    one = w.committed()
    w.a.post(one)
    w.g.end(one)
    return "END without an acknowledgement", w.g, \
        "without the acknowledgement of BankB"


@case
def end_of_vote(w):
    one = w.posted()
    one.acks["BankB"] = one.votes["BankB"]
    w.g.end(one)
    return "a vote as the acknowledgement", w.g, "is no later than its vote"


@case
def not_heuristic(w):
    one = w.posted()
    w.g.heuristic(one, "BankA", "committed")
    return "HEURISTIC for what agrees", w.g, "does not deviate"


@case
def unopened(w):
    w.b.prepare(w.payment(target="nobody@BankB"))
    return "an account that was never opened", w.b, \
        "the account nobody was never opened"


@case
def currency(w):
    w.b.prepare(w.payment(), currency="EUR", from_=":clearing.BankA.EUR")
    return "another currency than the account's", w.b, "bob is not in EUR"


@case
def itself(w):
    w.a.prepare(w.payment("alice@BankA", "alice@BankA"))
    return "from an account to itself", w.a, "from an account to itself"


@case
def opened_twice(w):
    w.a.open("alice")
    return "OPEN twice", w.a, "the account alice is opened twice"


@case
def set_unknown(w):
    w.a.set("nobody", state="frozen")
    return "SET of an unknown account", w.a, "nobody was never opened"


@case
def closed_rich(w):
    w.a.set("alice", state="closed")
    return "closed with money on it", w.a, "alice is closed with 100.00 CZK"


@case
def closed_reopened(w):
    w.b.set("bob", state="closed")
    w.b.set("bob", state="open")
    return "a closed account opened again", w.b, "bob was closed"


@case
def entry_twice(w):
    same = str(uuid.uuid4())
    w.a.entry("alice", 5, id=same)
    w.a.entry("alice", 5, id=same)
    return "a deposit twice", w.a, "the id is used twice"


@case
def entry_of_payment(w):
    w.a.entry("alice", 5, id=w.paid().id)
    return "a deposit with a payment's id", w.a, "the id is used twice"


@case
def entry_between(w):
    w.a.entry("alice", 5, from_="carol")
    return "a deposit out of another customer's account", w.a, \
        "between a customer and the bank's equity"


@case
def entry_clearing(w):
    w.a.entry(":clearing.BankB.CZK", 5)
    return "a deposit to a clearing account", w.a, \
        "between a customer and the bank's equity"


@case
def opening_late(w):
    w.b.entry("bob", 5, "open")
    return "an opening balance after LOADED", w.b, \
        "after the opening accounts were complete"


@case
def withdraw_more(w):
    w.a.entry("alice", 10001, "withdraw")
    return "a withdrawal below the limit", w.a, "alice has too little"


@case
def withdraw_held(w):
    w.prepared(amount=6000)
    w.a.entry("alice", 5000, "withdraw")
    return "a withdrawal of what is held", w.a, \
        "100.00 CZK posted, 60.00 CZK held"


@case
def deposit_frozen(w):
    w.a.set("alice", state="frozen")
    w.a.entry("alice", 5)
    return "a deposit to a frozen account", w.a, "the account alice is frozen"


@case
def prepare_more(w):
    w.a.prepare(w.payment(amount=10001))
    return "a vote beyond the limit", w.a, "alice has too little"


@case
def prepare_held(w):
    w.prepared(amount=6000)
    w.a.prepare(w.payment(amount=4001))
    return "a vote for what is held", w.a, \
        "60.00 CZK held, limit -0.00 CZK, and 40.01 CZK more is promised"


@case
def prepare_lowered(w):
    w.a.set("alice", overdraft=500)
    w.prepared(amount=10400)
    w.a.set("alice", overdraft=0)
    w.a.prepare(w.payment(amount=1))
    return "a vote beyond a limit that was lowered", w.a, "limit -0.00 CZK"


@case
def prepare_frozen(w):
    w.b.set("bob", state="frozen")
    w.b.prepare(w.payment())
    return "a vote for a frozen account", w.b, "the account bob is frozen"


@case
def prepare_closed(w):
    w.b.set("bob", state="closed")
    w.b.prepare(w.payment())
    return "a vote for a closed account", w.b, "the account bob is closed"


@case
def prepare_equity(w):
    w.a.prepare(w.payment(), to=":equity.CZK")
    return "a vote for the bank's equity", w.a, \
        "not the clearing account of the peer's bank"


@case
def prepare_other_clearing(w):
    w.a.prepare(w.payment(), to=":clearing.BankC.CZK")
    return "a vote for a third bank's clearing account", w.a, \
        "BankC.CZK is not the clearing account of the peer's bank"


@case
def prepare_bound(w):
    w.b.prepare(w.payment(amount=10 ** 15), to=":clearing.BankC.CZK")
    return "no end is a customer's", w.b, "no end of it is a customer's"


@case
def prepare_twice(w):
    one = w.prepared()
    one.new_branches(w.g)
    w.a.prepare(one)
    return "prepared twice", w.a, "the branch before is not ended"


@case
def prepare_older(w):
    one = w.payment()
    old = dict(one.branches)
    one.new_branches(w.g)
    w.a.prepare(one)
    w.a.drop(one)
    one.branches = old
    w.a.prepare(one)
    return "an older branch", w.a, "a newer branch of it was seen before"


@case
def prepare_used(w):
    one, other = w.prepared(), w.payment()
    w.a.drop(one)
    other.branches = one.branches
    w.a.prepare(other)
    return "a branch for two ids", w.a, "its branch was used before"


@case
def prepare_again(w):
    one = w.prepared()
    w.a.drop(one)
    w.a.prepare(one)
    return "a branch that has ended", w.a, "its branch was used before"


@case
def prepare_committed(w):
    one = w.paid()
    one.new_branches(w.g)
    w.a.prepare(one)
    return "prepared after it was committed", w.a, \
        "prepared again, though it is committed"


@case
def prepare_entry(w):
    one = w.payment()
    w.a.entry("alice", 5, id=one.id)
    w.a.prepare(one)
    return "prepared with a deposit's id", w.a, \
        "the id belongs to an entry of the bank's own"


@case
def prepare_epoch(w):
    w.a.gateway(epoch=2)
    w.a.prepare(w.payment())
    return "a vote in an epoch that is over", w.a, \
        "prepared for epoch 1 of gw1, which was at 2"


@case
def gateway_epoch(w):
    w.a.gateway("gw9", epoch=3)
    w.a.gateway("gw9", epoch=2)
    return "a gateway's epoch goes back", w.a, \
        "epoch 2 of gw9 comes after its epoch 3"


@case
def post_unprepared(w):
    one = w.payment()
    w.g.received(one)
    w.b.prepare(one)
    one.votes["BankA"] = (w.a.seq, w.a.check)
    w.g.commit(one)
    w.a.post(one)
    return "COMMITTED without PREPARED", w.a, "that was never prepared"


@case
def post_other(w):
    one, other = w.committed(), w.committed()
    one.branches["BankA"] = other.branches["BankA"]
    w.a.post(one)
    return "COMMITTED of another id's branch", w.a, "belongs to another id"


@case
def post_dropped(w):
    one = w.committed()
    w.a.drop(one)
    w.a.post(one)
    return "a branch aborted, then committed", w.a, \
        "ended twice: it was aborted by record"


@case
def drop_posted(w):
    one = w.posted()
    w.a.drop(one)
    return "a branch committed, then aborted", w.a, \
        "ended twice: it was committed by record"


@case
def drop_twice(w):
    one = w.prepared()
    w.a.drop(one)
    w.a.drop(one)
    return "a branch aborted twice", w.a, "ended twice: it was aborted by"


@case
def drop_where(w):
    w.a.drop(w.prepared(), prepared="1:0")
    return "prepared= elsewhere", w.a, "not where its PREPARED lies"


@case
def post_twice(w):
    w.a.post(w.posted())
    return "money moved twice", w.a, "it moves money twice"


@case
def post_twice_retried(w):
    one = w.posted()
    first = one.branches["BankB"]
    one.branches["BankB"] = w.g.branch()
    w.b.post(one)
    one.branches["BankB"] = first
    return "money moved twice, by another branch", w.b, "it moves money twice"


@case
def post_more(w):
    w.a.post(w.committed(), amount=999)
    return "another amount than was prepared", w.a, "not what was prepared"


@case
def post_to_other(w):
    w.b.open("mallory")
    w.b.post(w.committed(), to="mallory")
    return "another payee than was prepared", w.b, "not what was prepared"


@case
def post_suspense(w):
    w.a.post(w.committed(), from_=":suspense.CZK")
    return "suspense without an operator", w.a, "not what was prepared"


@case
def post_undecided(w):
    w.a.post(w.prepared())
    return "COMMITTED by nobody's decision", w.a, \
        "without a decision of the gateway or of an operator"


@case
def decided_abort(w):
    one = w.committed()
    w.a.decide(one, "abort")
    w.a.post(one)
    return "DECIDED abort, then COMMITTED", w.a, \
        "though an operator decided to abort it"


@case
def decided_commit(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.drop(one)
    return "DECIDED commit, then ABORTED", w.a, \
        "though an operator decided to commit it"


@case
def settled_undecided(w):
    w.a.settle(w.committed(), "commit")
    return "SETTLED of what is prepared", w.a, \
        "it is settled, though no operator has committed it"


@case
def settled_by_nobody(w):
    w.a.settle(w.posted(), "commit")
    return "SETTLED of what no operator decided", w.a, \
        "it is settled, though no operator has committed it"


@case
def settled_twice(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.commit(one)
    w.b.post(one)
    w.a.settle(one, "commit")
    w.a.settle(one, "commit")
    return "SETTLED twice", w.a, "it is settled twice"


@case
def settled_by_another_record(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.commit(one)
    w.b.post(one)
    one.decided = (one.decided[0], "ab" * 16)
    w.a.settle(one, "commit")
    return "SETTLED by a decision that is none", w.a, \
        "the decision that it names is not in the journal of gw1"


@case
def settled_by_nothing(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.post(one)
    w.a.settle(one, "commit")
    return "SETTLED as committed, by no decision", w.a, \
        "it is settled by no decision"


@case
def settled_by_another_decision(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.abort(one)
    one.decided = w.paid().decided
    w.a.settle(one, "commit")
    return "SETTLED by another payment's decision", w.a, \
        "it is settled as committed, and gw1 did not commit it"


@case
def settled_as_aborted(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.post(one)
    w.g.commit(one)
    w.b.post(one)
    one.decided = None
    w.a.settle(one, "abort")
    return "SETTLED as aborted, and it was committed", w.a, \
        "it is settled as aborted, and gw1 committed it"


@case
def decided_twice(w):
    one = w.prepared()
    w.a.decide(one, "commit")
    w.a.decide(one, "abort")
    return "DECIDED twice", w.a, "an operator decides on it twice"


def overruled(name, received, source="alice@BankA", target="bob@BankB"):
    """An operator commits, and the gateway received another payment."""
    def run(w):
        one = w.payment(source, target)
        w.g.received(one, **received)
        bank = w.banks(one)[0]
        bank.prepare(one)
        w.g.abort(one)
        bank.decide(one, "commit")
        bank.post(one)
        return "an operator commits " + name, bank, \
            "it is another payment than gw1 received"
    case(run)


overruled("another amount", dict(amount=999))
overruled("for another payer", {"from": "carol@BankA"})
overruled("to another payee", dict(to="dan@BankB"))
overruled("with another memo", dict(memo="not this"))
overruled("within the bank", dict(to="bob@BankB"), target="carol@BankA")
overruled("at a bank that has no part in it", {"from": "bob@BankB",
                                               "to": "dan@BankB"},
          target="carol@BankA")


@case
def overruled_at_both(w):
    """Two operators agree, on an amount that nobody asked for."""
    one = w.payment(amount=900)
    w.g.received(one, amount=9)
    for bank in w.banks(one):
        bank.prepare(one)
    w.g.abort(one)
    for bank in w.banks(one):
        bank.decide(one, "commit")
        bank.post(one)
    return "operators of both banks commit another amount", w.a, \
        r"received \(0.09 CZK from alice@BankA to bob@BankB\)", \
        dict(seq=w.a.seq, id=one.id)


@case
def moved_elsewhere(w):
    """By a gateway whose journal is missing, so only the banks can tell."""
    one = w.paid("alice@BankA", "carol@BankA", 50)
    other = GatewayJournal(w.path("gw9"), "gw9", banks=(w.a, w.b))
    again = Payment(other, "dan@BankB", "bob@BankB", 1, id=one.id)
    w.b.prepare(again)
    again.decided = (9, "ab" * 16)
    w.b.post(again)
    return "an id that moves money within two banks", w.b, \
        "it moves money twice: BankA committed it as another payment", \
        dict(id=one.id)


@case
def moved_in_two_journals(w):
    """A lost journal of a bank, and the one that took its place."""
    one = w.payment("alice@BankA", "carol@BankA", 50)
    old = BankJournal(w.path("old"), "BankA", {"alice": 10000, "carol": 0})
    for bank in (w.a, old):
        bank.prepare(one)
        bank.decide(one, "commit")
        bank.post(one)
    return "an id that moves money in two journals of a bank", old, \
        "it moves money twice: BankA committed it", \
        dict(id=one.id, dirs=w.dirs() + [old.dir])


@case
def deviates_elsewhere(w):
    one = w.aborted()
    w.g.heuristic(one, "BankC", "committed")
    return "HEURISTIC of a bank that has no part", w.g, \
        "BankC is said to deviate, and has no part in it"


@case
def decided_ended(w):
    w.a.decide(w.posted(), "abort")
    return "DECIDED after the end", w.a, "on a branch that has ended"


@case
def late_poor(w):
    one = w.prepared(amount=9000)
    w.a.decide(one, "abort")
    w.a.drop(one)
    w.a.entry("alice", 5000, "withdraw")
    w.g.commit(one)
    w.a.decide(one, "commit")
    one.decided = None
    w.a.post(one)
    return "posted late where the money is gone", w.a, "alice has too little"


for _side in ("from", "to"):
    def balance(w, side=_side):
        one = w.committed()
        w.a.post(one, **{side + "_balance": 1})
        return "a wrong %s_balance" % side, w.a, "%s_balance of .* is 0.01" % \
            side

    def chain(w, side=_side):
        one = w.paid()
        one = w.committed()
        w.a.post(one, **{side + "_prev": "1:0"})
        return "a wrong %s_prev" % side, w.a, "%s_prev is not where" % side

    case(balance)
    case(chain)


@case
def shifted(w):
    one = w.committed()
    w.a.post(one, from_balance=9001, to_balance=999)
    return "both balances wrong, with the same sum", w.a, \
        "from_balance of alice is 90.01 CZK, and 90.00 CZK follows"


# -- one journal against another --

@case
def vote_forged(w):
    one = w.prepared()
    one.votes["BankB"] = (one.votes["BankB"][0], "ab" * 16)
    w.g.commit(one)
    return "a vote with another check", w.g, \
        "the vote of BankB is not record [0-9]+ of its journal, or"


@case
def vote_elsewhere(w):
    one = w.prepared()
    one.votes["BankB"] = (w.b.seq - 1, w.b.check)
    w.g.commit(one)
    return "a vote that is another record", w.g, "the vote of BankB is not"


@case
def vote_made_up(w):
    one = w.payment()
    w.g.received(one)
    w.a.prepare(one)
    one.votes["BankB"] = (w.b.seq, w.b.check)
    w.g.commit(one)
    return "a vote that was never given", w.g, \
        "of BankB is no PREPARED of it"


@case
def ack_forged(w):
    one = w.posted()
    one.acks["BankB"] = (one.acks["BankB"][0], "ab" * 16)
    w.g.end(one)
    return "an acknowledgement with another check", w.g, \
        "the acknowledgement of BankB is not record"


@case
def ack_made_up(w):
    one = w.committed()
    w.a.post(one)
    one.acks["BankB"] = w.b.entry("bob", 5)
    w.g.end(one)
    return "an acknowledgement that is another record", w.g, \
        "of BankB is no COMMITTED of it"


@case
def proven_forged(w):
    w.g.bank(w.b, proven_seq=2, proven_check="ab" * 16)
    return "BANK's proof with another check", w.g, \
        "the proof of BankB is not record 2"


@case
def decision_forged(w):
    w.a.post(w.committed(), gateway_check="ab" * 16)
    return "a decision with another check", w.a, \
        "the decision that it names is not that of gw1"


@case
def decision_elsewhere(w):
    other = w.paid()
    one = w.committed()
    one.decided = other.decided
    w.a.post(one)
    return "another payment's decision", w.a, \
        "the decision that it names is not that of gw1"


@case
def gateway_forged(w):
    one = w.paid()
    w.a.gateway(told=(one.decided[0], "ab" * 16))
    return "GATEWAY with another check", w.a, \
        "is no COMMIT, or has another check"


@case
def gateway_no_commit(w):
    w.paid()
    w.a.gateway(told=(2, "ab" * 16))
    return "GATEWAY tells of what is no decision", w.a, \
        "record 2 is no COMMIT"


def undecided(name, words, prepare):
    def run(w):
        one = prepare(w)
        one.decided = (w.g.seq, w.g.check)
        w.a.post(one)
        return "money moved for what was " + name, w.a, \
            "it moves money, and gw1 " + words
    case(run)


def tombstone(w):
    one = w.payment()
    w.a.prepare(one)
    w.g.abort(one, "CANCELLED")
    return one


def after(what):
    def prepare(w):
        one = w.prepared()
        what(w, one)
        return one
    return prepare


undecided("aborted for good", "aborted it for good",
          after(lambda w, one: w.g.abort(one)))
undecided("aborted for a while", "aborted it$",
          after(lambda w, one: w.g.abort(one, "BANK_TIMEOUT", False)))
undecided("aborted by a restart", "aborted it$",
          after(lambda w, one: w.g.boot()))
undecided("held", "holds it", after(lambda w, one: w.g.held(one)))
undecided("undecided", "has not decided it", after(lambda w, one: None))
undecided("given up", "aborted it for good", tombstone)
undecided("never received", "does not know it",
          lambda w: (lambda one: (w.a.prepare(one), one)[1])(w.payment()))


@case
def restored(w):
    """A gateway that lost a COMMIT, and wrote down that it had."""
    one = w.payment()
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.boot(restored="yes")
    w.g.bank(w.a, journal=str(uuid.uuid4()), restored="yes")
    one.decided = (w.g.seq, "ab" * 16)
    w.a.post(one)
    return "a gateway that was restored", w.a, \
        "gw1 does not know it; it says itself that its journal lost records"


@case
def other_branch(w):
    one = w.payment()
    w.g.received(one)
    w.b.prepare(one)
    other = w.payment(id=one.id)
    w.a.prepare(other)
    w.a.drop(other)
    one.branches["BankA"] = w.g.branch()
    w.a.prepare(one)
    one.votes["BankA"] = other.votes["BankA"]
    w.g.commit(one, branches="BankA:%s,BankB:%s" % (
        other.branches["BankA"], one.branches["BankB"]))
    w.a.post(one)
    return "another branch than was decided", w.a, \
        "gw1 committed another branch of it"


@case
def other_payment(w):
    one = w.payment()
    w.g.received(one, amount=900)
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.commit(one)
    w.a.post(one)
    return "another amount than was decided", w.a, \
        r"another payment than gw1 committed \(9.00 CZK from alice@BankA"


@case
def other_memo(w):
    one = w.payment(memo="x")
    w.g.received(one, memo="y")
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.commit(one)
    w.a.post(one)
    return "another memo than was decided", w.a, "it is another payment than"


@case
def other_payee(w):
    one = w.payment()
    w.g.received(one, to="eve@BankB")
    for bank in (w.a, w.b):
        bank.prepare(one)
    w.g.commit(one)
    w.b.post(one)
    return "another payee than was decided", w.b, "it is another payment than"


@case
def dropped(w):
    w.b.drop(w.committed())
    return "aborted at a bank, committed by the gateway", w.b, \
        "it is aborted, though gw1 committed it"


@case
def no_operator(w):
    one = w.committed()
    w.a.post(one)
    w.g.heuristic(one, "BankB", "aborted")
    w.g.end(one)
    seq = w.g.seq - 1
    w.b.gateway(told=w.committed().decided)
    return "HEURISTIC that no operator decided", w.g, \
        "no operator of BankB decided so", dict(seq=seq, id=one.id)


@case
def lost_by_gateway(w):
    """A restored gateway: a bank was told of a COMMIT, and tells it so."""
    one = w.committed()
    lost = w.payment()
    w.a.prepare(lost)
    lost.decided = (w.g.seq + 50, "ab" * 16)
    w.a.post(lost)
    later = w.payment(amount=5)
    w.g.received(later)
    for bank in (w.a, w.b):
        bank.prepare(later)
    w.g.commit(later)
    return "a gateway that lost its newest records", w.a, \
        "it tells of record [0-9]+ of gw1, whose journal ends at record", \
        dict(seq=w.a.seq - 1, id=lost.id) if one else None


@case
def lost_by_bank(w):
    """A restored bank: the gateway has a vote of it that it does not have."""
    one = w.payment()
    w.g.received(one)
    w.b.prepare(one)
    one.votes["BankA"] = (w.a.seq + 50, "ab" * 16)
    w.g.commit(one)
    seq, later = w.g.seq, w.prepared(amount=5)
    w.g.commit(later)
    w.a.post(later)
    return "a bank that lost its newest records", w.g, \
        "it tells of record [0-9]+ of BankA, whose journal ends at record", \
        dict(seq=seq, id=one.id)


@case
def other_journal(w):
    one = w.posted()
    w.g.end(one)
    w.a.cut(w.path("again"), w.a.seq)
    # The same records in a journal that the gateway never bound.
    forged = BankJournal(w.path("forged"), "BankA",
                         {"alice": 10000, "carol": 5000})
    forged.gateway()
    forged.prepare(one)
    forged.post(one)
    return "a bank's journal written anew", forged, \
        "gw1 decided it with another journal of BankA than this one", \
        dict(seq=forged.seq - 1, dirs=[w.g.dir, forged.dir, w.b.dir])


@case
def two_gateways(w):
    one = w.paid()
    other = GatewayJournal(w.path("gw2"), "gw2", banks=(w.a, w.b))
    w.a.gateway("gw2")
    again = Payment(other, one.source, one.target, one.amount, id=one.id)
    other.received(again)
    again.votes = dict(one.votes)
    other.commit(again)
    return "an id committed by two gateways", other, \
        "committed by two gateways: gw1 too", \
        dict(id=one.id, dirs=w.dirs() + [other.dir])


@case
def two_journals(w):
    other = GatewayJournal(w.path("gw1-again"), "gw1", banks=(w.a, w.b))
    return "two journals of one gateway", other, \
        "another journal of gateway gw1", \
        dict(seq=1, dirs=w.dirs() + [other.dir])


@case
def mirror_amount(w):
    one = w.payment(amount=1000)
    w.a.prepare(one)
    one.decided = (9, "ab" * 16)
    w.a.post(one)
    one.amount = 900
    w.b.prepare(one)
    w.b.post(one)
    return "clearing accounts that do not mirror", w.b, \
        "do not mirror: it is 9.00 CZK to bob here, and 10.00 CZK to bob", \
        dict(id=one.id, dirs=[w.a.dir, w.b.dir])


@case
def mirror_payee(w):
    w.b.open("eve")
    one = w.payment()
    w.a.prepare(one)
    one.decided = (9, "ab" * 16)
    w.a.post(one)
    one.target = "eve@BankB"
    w.b.prepare(one)
    w.b.post(one)
    return "payees that do not mirror", w.b, "10.00 CZK to eve here", \
        dict(dirs=[w.a.dir, w.b.dir])


@case
def mirror_decision(w):
    one = w.payment()
    for bank in (w.a, w.b):
        bank.prepare(one)
        one.decided = (9 + bank.seq, "ab" * 16)
        bank.post(one)
    return "two decisions about one payment", w.b, "told of two decisions", \
        dict(dirs=[w.a.dir, w.b.dir])


def faults(place):
    for run in CASES:
        w = World(place)
        w.paid("carol@BankA", "dan@BankB", 1, memo="before")
        what, journal, pattern, *more = run(w)
        found(w, place, what, journal, pattern, **(more[0] if more else {}))


def beyond_the_end(place):
    w = World(place)
    one = w.prepared()
    one.decided = (w.g.seq + 50, "ab" * 16)
    w.a.post(one)
    ahead(w, place, "a decision that the gateway does not have", w.a)
    w = World(place)
    w.a.gateway(epoch=2)
    ahead(w, place, "an epoch that the gateway does not have", w.a)
    w = World(place)
    w.g.bank(w.a, proven_seq=1000, proven_check="ab" * 16)
    ahead(w, place, "a record that the bank does not have", w.g)
    w = World(place)
    one = w.posted()
    one.acks["BankB"] = (1000, "ab" * 16)
    w.g.end(one)
    once = Audit(place, *w.dirs())
    like(once.stderr, "acknowledgement of BankB is not record 1000",
         "an acknowledgement is where the COMMITTED lies, or nowhere")
    w = World(place)
    one = w.committed()
    w.a.post(one)
    one.acks["BankB"] = (1000, "ab" * 16)
    w.g.end(one)
    ahead(w, place, "an acknowledgement that the bank does not have", w.g)
    w = World(place)
    one = w.committed()
    w.a.post(one)
    w.g.heuristic(one, "BankB", "aborted")
    once = Audit(place, *w.dirs())
    equal((once.status, len(once.of("pending"))), (0, 1),
          "a HEURISTIC that the bank does not have: pending")
    equal(Audit(place, "-s", *w.dirs()).status, 1, "or wrong, when stopped")


def all_faults(place):
    """-v goes on: what one mistake leads to is told too."""
    w = World(place)
    one = w.committed(amount=10001)
    w.a.post(one, to_balance=5)
    w.b.post(one)
    once = Audit(place, "-v", *w.dirs())
    equal(once.status, 1, "-v exits 1")
    texts = "\n".join(r[4] for r in once.of("fault"))
    for pattern in ("alice has too little",
                    "to_balance of :clearing.BankB.CZK is 0.05",
                    "alice is at -0.01 CZK, below the limit that it had",
                    "the books of BankA do not sum to zero but to -99.96 CZK"):
        like(texts, pattern, "-v: " + pattern)
    equal(once.of("proven"), [], "nothing is proven then")
    equal(once.moved(), {"CZK": (1, "100.01")}, "but figures are told")
    equal(len(once.stderr.splitlines()), 1,
          "the first fault is on standard error")
    like(once.stderr, "^strife-journal: %s/00000001.journal: record %d: %s: "
         "alice has" % (w.a.dir, w.a.seq - 1, one.id), "with its place")
    w = World(place)
    w.paid()
    w.a.entry(":clearing.BankB.CZK", 5)
    texts = "\n".join(r[4] for r in Audit(place, "-v", *w.dirs()).of("fault"))
    like(texts, "clearing accounts of BankA and BankB do not mirror: 10.05 "
         "CZK here, -10.00 CZK there, 0.00 CZK of it pending",
         "-v: clearing accounts do not mirror")


def independent():
    """It shares no state machine with the daemons that it judges."""
    folder = os.path.join(strife.TOP, "bin", "journal")
    wrong = []
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), encoding="utf-8") as f:
            wrong += re.findall(r'#include "(?:ledger|coord|turn)/.*', f.read())
    equal(wrong, [], "strife-journal includes nothing of lib/ledger, lib/coord")


def usage(place):
    w = World(place)
    for arguments in ((), ("-x", w.g.dir), ("-s",)):
        equal(Audit(place, *arguments).status, 64,
              "usage: audit " + " ".join(arguments))
    once = Audit(place, w.g.dir, w.g.dir)
    equal(once.status, 64, "one directory twice is a mistake")
    like(once.stderr, "are the same journal", "and named")
    w.paid()
    octets = w.b.octets
    w.b.save(octets[:300] + b"x" + octets[301:])
    once = Audit(place, *w.dirs())
    equal(once.status, 65, "a damaged journal: exit 65")
    like(once.stderr, r"00000001\.journal: offset [0-9]+: record [0-9]+: ",
         "and where")
    equal(once.rows, [], "nothing is said of the others")
    equal(Audit(place, w.g.dir, w.path("nowhere")).status, 65,
          "a missing one: exit 65")


independent()
with strife.Place() as place:
    usage(place)
    cut_short(place, honest(place))
    unfinished(place)
    subsets(place)
    short_name(place)
    settled_ahead(place)
    faults(place)
    beyond_the_end(place)
    all_faults(place)
strife.done()

#!/usr/bin/python3
# strife-bankd killed between any two steps: what the next start makes of its
# journal, and what it asks the gateway.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import Bank, equal, new_id, ok

ACCOUNTS = {"alice": {"currency": "CZK", "balance": "1000.00"},
            "bob": {"currency": "CZK", "balance": "0.00"}}


def fields(gw, id=None, **changes):
    f = {"id": id or new_id(), "branch": gw.branch(), "from": "alice",
         "to": ":clearing.BankB.CZK", "amount": 100, "currency": "CZK",
         "peer": "bob@BankB"}
    f.update(changes)
    return f


class Setting:
    def __init__(self, place):
        self.place = place
        self.gw = place.gateway("gw1")
        self.bank = Bank(place, gateways=[self.gw.address],
                         payments={"in_flight": 512}, accounts=ACCOUNTS)
        self.bank.start()
        self.peer = place.keep(self.gw.meet())

    def crash(self):
        """kill -9, and the next start's registered link."""
        self.bank.crash()
        self.peer.close()
        self.bank.start()
        self.peer = self.place.keep(self.gw.meet())
        return self.peer

    def balance(self, name="alice"):
        reply = self.peer.call("BALANCE", account=name)
        return tuple(int(reply[k]) for k in ("posted", "held", "available"))


def ids(f):
    return {"id": f["id"], "branch": f["branch"]}


def before_vote(place):
    s = Setting(place)
    f = fields(s.gw)
    s.peer.send(strife.line("X", "PREPARE", f))
    peer = s.crash()
    # The kill may have come before or after the hold was on disk: then it is
    # asked for.
    if s.bank.records("PREPARED"):
        request = peer.next_request("RESOLVE")
        equal(request["id"], f["id"], "a hold on disk is asked for")
        peer.answer(request, "OK", ids(f), outcome="abort")
    else:
        ok(True, "a hold that is not on disk is forgotten")
    equal(peer.call("ABORT", ids(f)).code, "OK", "ABORT is OK either way")
    equal(s.balance(), (100000, 0, 100000), "nothing has moved, nothing held")


def after_vote(place):
    s = Setting(place)
    f = fields(s.gw)
    first = s.peer.call("PREPARE", f)
    peer = s.crash()
    equal(s.gw.register["boot"], "2", "the next start is another boot")
    request = peer.next_request("RESOLVE")
    equal((request["id"], request["branch"], request["peer"]),
          (f["id"], f["branch"], "bob@BankB"),
          "a hold that survived kill -9 is asked for")
    equal(s.balance(), (100000, 100, 99900), "and still holds")
    again = peer.call("PREPARE", f)
    equal((again.code, again.get("seq"), again.get("check")),
          ("OK", first["seq"], first["check"]),
          "the same PREPARE repeats the same vote")
    decision = s.gw.decision()
    peer.answer(request, "OK", ids(f), outcome="commit", **decision)
    reply = peer.call("COMMIT", dict(ids(f), **decision))
    equal(reply.code, "OK", "COMMIT after RESOLVE said commit: OK")
    equal(s.balance(), (99900, 0, 99900), "it was committed once")
    equal(len(s.bank.records("COMMITTED")), 1, "with one record")


def after_commit(place):
    s = Setting(place)
    f = fields(s.gw)
    s.peer.call("PREPARE", f)
    decision = s.gw.decision()
    first = s.peer.call("COMMIT", dict(ids(f), **decision))
    s.gw.proven = (first["seq"], first["check"])
    peer = s.crash()
    equal((s.gw.register.get("gateway_seq"),
           s.gw.register.get("gateway_check")),
          (str(decision["seq"]), decision["check"]),
          "it remembers what record of the gateway it was told of")
    equal(s.balance(), (99900, 0, 99900), "a COMMIT acknowledged is kept")
    again = peer.call("COMMIT", dict(ids(f), **decision))
    equal((again.code, again.get("seq"), again.get("check")),
          ("OK", first["seq"], first["check"]),
          "COMMIT again: the same acknowledgement")
    equal(peer.call("PREPARE", fields(s.gw, f["id"])).code, "ALREADY_EXISTS",
          "its id is remembered as committed")
    equal(peer.pending_requests("RESOLVE"), [], "nothing is asked for")


def after_abort(place):
    s = Setting(place)
    f = fields(s.gw)
    s.peer.call("PREPARE", f)
    s.peer.call("ABORT", ids(f))
    # An ABORT need not be durable; a later flush makes it so.
    g = fields(s.gw)
    s.peer.call("PREPARE", g)
    s.peer.call("ABORT", ids(g))
    s.peer.call("PREPARE", fields(s.gw, amount=1))
    peer = s.crash()
    equal(s.balance(), (100000, 1, 99999), "what was aborted is free")
    equal(peer.call("PREPARE", f).code, "NOT_FOUND",
          "an aborted branch cannot be prepared again")
    reply = peer.call("PREPARE", fields(s.gw, f["id"]))
    equal(reply.code, "OK", "a newer branch of its id can")


def opening_entries(place):
    s = Setting(place)
    teller = s.bank.teller()
    id = new_id()
    first = teller.call("DEPOSIT", id=id, name="bob", amount=500,
                        currency="CZK")
    teller.call("OPEN", name="carol", currency="CZK", overdraft=30)
    teller.call("FREEZE", name="carol")
    s.crash()
    equal(s.balance("bob"), (500, 0, 500), "a deposit survives")
    again = s.bank.teller().call("DEPOSIT", id=id, name="bob", amount=500,
                                 currency="CZK")
    equal((again.code, again.get("seq")), ("OK", first["seq"]),
          "its repeat is the same entry")
    row = s.bank.teller().call("BALANCE", name="carol")
    equal((row["state"], row["overdraft"]), ("frozen", "30"),
          "an account opened and frozen is so after a crash")
    equal(s.balance("alice"), (100000, 0, 100000),
          "opening balances are not loaded again")


def decided(place):
    s = Setting(place)
    f = fields(s.gw)
    s.peer.call("PREPARE", f)
    s.bank.teller().call("DECIDE", id=f["id"], outcome="abort", why="lost")
    peer = s.crash()
    reply = peer.call("COMMIT", dict(ids(f), **s.gw.decision()))
    equal((reply.code, reply.get("outcome")), ("HEURISTIC", "aborted"),
          "an operator's decision survives")
    equal(s.balance(), (100000, 0, 100000), "and its effect")


def fenced(place):
    """An epoch that was seen before the crash still counts."""
    s = Setting(place)
    s.peer.close()
    s.gw.epoch = 9
    s.place.keep(s.gw.meet()).close()
    s.bank.crash()
    s.gw.epoch = 8
    s.bank.start()
    peer = s.place.keep(s.gw.accept())
    s.gw.answer_hello(peer)
    ok(peer.closes(), "a lower epoch than one seen before a crash is closed")
    ok(s.bank.daemon.wait_for(r"FENCED"), "with FENCED on stderr")


def repeatedly(place):
    """Killed again and again in the middle of traffic: nothing is lost."""
    s = Setting(place)
    acknowledged, voted = {}, {}
    for round in range(5):
        sent = [fields(s.gw, amount=1 + round) for _ in range(40)]
        s.peer.send_octets("".join(
            strife.line("p%d" % i, "PREPARE", f) + "\n"
            for i, f in enumerate(sent)).encode())
        # Half of the votes are read, and half of those committed.
        for i, f in enumerate(sent[:20]):
            if s.peer.reply("p%d" % i).code == "OK":
                voted[f["id"]] = f
        for f in sent[:10]:
            reply = s.peer.call("COMMIT", dict(ids(f), **s.gw.decision()))
            acknowledged[f["id"]] = f
            s.gw.proven = (reply["seq"], reply["check"])
        s.crash()
    posted, held, _ = s.balance()
    on_disk = {r["id"] for r in s.bank.records("PREPARED")}
    equal(len(voted), 100, "every PREPARE was voted yes on")
    ok(set(voted) <= on_disk, "every vote that was told is on disk")
    equal(100000 - posted, sum(f["amount"] for f in acknowledged.values()),
          "exactly what was acknowledged is gone")
    ended = {r["id"] for r in s.bank.records("COMMITTED")}
    equal(ended, set(acknowledged), "and has a record")
    want = {r["id"] for r in s.bank.records("PREPARED")} - ended
    asked = set()
    while asked != want:
        request = s.peer.next_request("RESOLVE")
        asked.add(request["id"])
        s.peer.answer(request, "OK", id=request["id"],
                      branch=request["branch"], outcome="abort")
    ok(held > 0 and asked == want, "every hold is asked for")
    equal(s.balance()[1], 0, "and free once aborted")
    equal(s.bank.stop(), 0, "it stops")


for test in (before_vote, after_vote, after_commit, after_abort,
             opening_entries, decided, fenced, repeatedly):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

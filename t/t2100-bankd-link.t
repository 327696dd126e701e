#!/usr/bin/python3
# strife-bankd against a fake gateway: strife-protocol(7), bank listener. Each
# rule of the bank is named by the test that holds it.
import os
import re
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import Bank, equal, like, new_id, ok

ACCOUNTS = {
    "alice": {"currency": "CZK", "balance": "1000.00"},
    "bob": {"currency": "CZK", "balance": "0.00"},
    "carl": {"currency": "EUR", "balance": "5.00"},
    "deb": {"currency": "CZK", "balance": "10.00", "overdraft": "20.00"},
}


def fields(branch, id=None, frm="alice", to=":clearing.BankB.CZK",
           amount=100, currency="CZK", peer="bob@BankB", memo=None):
    return {"id": id or new_id(), "branch": branch, "from": frm, "to": to,
            "amount": amount, "currency": currency, "peer": peer,
            "memo": memo}


def vote(link, gateway, **how):
    """A fresh branch that is voted yes on: (id, branch, reply)."""
    f = fields(gateway.branch(), **how)
    reply = link.call("PREPARE", f)
    if reply.code != "OK":
        strife.note("unexpected: %r" % reply)
    return f["id"], f["branch"], reply


def commit(peer, gateway, id, branch):
    return peer.call("COMMIT", dict(id=id, branch=branch,
                                    **gateway.decision()))


def abort(peer, id, branch):
    return peer.call("ABORT", id=id, branch=branch)


def balance(peer, name):
    """(posted, held, available) as numbers."""
    reply = peer.call("BALANCE", account=name)
    return tuple(int(reply[k]) for k in ("posted", "held", "available"))


def accept_soon(gateway, bank):
    """As gateway.accept(), but the bank does not wait long to dial again."""
    while True:
        bank.daemon.signal(signal.SIGHUP)
        try:
            return gateway.accept(0.2)
        except strife.Timeout:
            if not bank.daemon.running:
                raise


class Setting:
    """A running bank registered with a fake gateway."""

    def __init__(self, place, **settings):
        self.place = place
        self.gw = place.gateway("gw1")
        settings.setdefault("gateways", [self.gw.address])
        self.bank = Bank(place, accounts=ACCOUNTS, **settings)
        self.bank.start()
        self.peer = place.keep(self.gw.meet())

    def again(self):
        """After the bank closed the link: its next connection."""
        self.peer = self.place.keep(self.gw.meet())
        return self.peer


# ---- Meeting ----

def greeting(place):
    gw = place.gateway("gw1", epoch=7)
    bank = Bank(place, gateways=[gw.address], accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.accept())
    hello = gw.answer_hello(peer)
    equal(hello.word, "HELLO", "HELLO is the first line of a connection")
    equal(hello.get("proto"), "1", "it speaks protocol 1")
    like(hello.get("agent"), r"^strife-bankd/[0-9]", "it says who it is")
    equal(hello.get("window"), "1024", "it tells its window")
    register = gw.answer_register(peer)
    equal(register.word, "REGISTER", "REGISTER follows")
    equal(register.get("bank"), "BankA", "for its bank")
    equal(register.get("boot"), "1", "at its first boot")
    like(register.get("journal"), r"^[0-9a-f-]{36}$", "with its journal")
    ok(int(register["seq"]) >= len(bank.records("OPEN")),
       "and its durable seq")
    ok("gateway_seq" not in register, "no COMMIT was heard of yet")
    ok(bank.daemon.wait_for(r"^registered gateway=gw1$"),
       "it says registered gateway=gw1")
    equal([(r["node"], r["epoch"]) for r in bank.records("GATEWAY")],
          [("gw1", "7")], "the gateway's epoch is recorded")
    reply = peer.call("PING")
    like(reply.get("time"), r"^2[0-9]{3}-.*Z$", "PING is answered")
    peer.close()
    peer = place.keep(gw.meet())
    ok(peer.call("PING"), "a broken link is dialled again")
    equal(bank.stop(), 0, "the bank stops")
    ok(peer.closes(), "and closes its link")


def before_register(place):
    gw = place.gateway("gw1")
    bank = Bank(place, gateways=[gw.address], accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.accept())
    gw.answer_hello(peer)
    reply = peer.call("BALANCE", account="alice")
    equal(reply.code, "BAD_REQUEST",
          "a request before REGISTER is answered changes nothing")
    gw.answer_register(peer)
    equal(balance(peer, "alice"), (100000, 0, 100000),
          "and after it is answered")


def refusals(place):
    gw = place.gateway("gw1")
    bank = Bank(place, gateways=[gw.address], accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.accept())
    peer.answer(peer.next_request(), "ERR", code="UNSUPPORTED_PROTO",
                retry="never", text="speak protocol 9 here")
    ok(peer.closes(), "a refused HELLO closes the link")
    ok(bank.daemon.wait_for(r"speak protocol 9 here"),
       "and its text is logged")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer)
    peer.answer(peer.next_request(), "ERR", code="FENCED", retry="never",
                text="another journal is bound")
    ok(peer.closes(), "a refused REGISTER closes the link")
    ok(bank.daemon.wait_for(r"another journal is bound"),
       "and its text is logged")
    like(bank.daemon.stderr(), r"FENCED", "with its code")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer, node="gw2")
    ok(peer.closes(), "a gateway that is not its certificate's node is closed")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer, proto=2)
    ok(peer.closes(), "so is one that answers with another protocol")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer, epoch="many")
    ok(peer.closes(), "and one whose answer cannot be read")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer)
    gw.answer_register(peer, proven_seq=1)
    ok(peer.closes(), "and one with half a proof")
    ok(not re.search(r"^registered", bank.daemon.stderr(), re.M),
       "none of them was registered with")
    peer = place.keep(accept_soon(gw, bank))
    gw.answer_hello(peer)
    gw.answer_register(peer)
    ok(bank.daemon.wait_for(r"^registered gateway=gw1$"),
       "the next one is, when it behaves")


def certificates(place):
    client = strife.Listener(
        place.certificates,
        place.certificates.issue("client", "gw1", file="impostor"))
    place.keep(client)
    host = strife.Listener(
        place.certificates,
        place.certificates.issue("gateway", "gw1", hosts=["elsewhere.example"],
                                 file="elsewhere"))
    place.keep(host)
    for listener in client, host:
        listener.accept_in_background()
    bank = Bank(place, gateways=[client.address, host.address])
    bank.start()
    for listener, what in ((client, "a client's certificate"),
                           (host, "a certificate for another host")):
        ok(bank.daemon.wait_for(r"gateway=\"?%s.*(TLS|certificate)" %
                                re.escape(listener.address)),
           "a gateway with %s is refused in the handshake" % what)
    ok(not re.search(r"^registered", bank.daemon.stderr(), re.M),
       "nobody was registered with")


# ---- PREPARE ----

def prepare(place):
    s = Setting(place)
    id, branch, reply = vote(s.peer, s.gw)
    equal((reply.code, reply.get("id"), reply.get("branch"),
           reply.get("vote")), ("OK", id, branch, "yes"),
          "a vote is yes, with id and branch")
    record = s.bank.records("PREPARED")[-1]
    equal((record.tag, record["check"]), (reply["seq"], reply["check"]),
          "a yes carries seq and check of the hold, which is on disk")
    equal(balance(s.peer, "alice"), (100000, 100, 99900),
          "what is held is not available")
    again = s.peer.call("PREPARE", fields(branch, id))
    equal((again.get("vote"), again.get("seq"), again.get("check")),
          ("yes", reply["seq"], reply["check"]),
          "the same PREPARE again repeats the vote")
    equal(len(s.bank.records("PREPARED")), 1, "and records nothing")
    s.peer.send(strife.line("X1", "PREPARE", fields(branch, id, amount=101)))
    ok(s.peer.closes(),
       "the same branch with other fields closes the connection")
    ok(s.bank.daemon.wait_for(r"level=crit.*%s|%s.*level=crit" % (id, id)),
       "and is logged at crit")
    peer = s.again()
    equal(balance(peer, "alice"), (100000, 100, 99900), "the hold stays")
    equal(abort(peer, id, branch).code, "OK", "ABORT of a prepared branch")
    equal(balance(peer, "alice"), (100000, 0, 100000), "frees what was held")
    equal(peer.call("PREPARE", fields(branch, id)).code, "NOT_FOUND",
          "PREPARE of an aborted branch: NOT_FOUND")
    f = fields(s.gw.branch(), id, memo="ž% x")
    equal(peer.call("PREPARE", f).code, "OK",
          "a new branch of the id may be prepared")
    equal(s.bank.records("PREPARED")[-1].get("memo"), "ž% x",
          "the memo is kept as it was sent")


def older_and_newer(place):
    s = Setting(place)
    first, second, third = (s.gw.branch() for _ in range(3))
    id = new_id()
    equal(s.peer.call("PREPARE", fields(second, id)).code, "OK",
          "a branch is prepared")
    equal(s.peer.call("PREPARE", fields(first, id)).code, "NOT_FOUND",
          "a branch older than one seen for its id and node: NOT_FOUND")
    equal(s.peer.call("PREPARE", fields(third, id, amount=70)).code, "OK",
          "a newer branch of the same node and id is prepared")
    equal(balance(s.peer, "alice"), (100000, 70, 99930),
          "the older one was aborted first: one hold, not two")
    equal([r["branch"] for r in s.bank.records("ABORTED")], [second],
          "and that is recorded")
    equal(commit(s.peer, s.gw, id, second).code, "NOT_FOUND",
          "COMMIT of the older one: NOT_FOUND")
    equal(commit(s.peer, s.gw, id, third).code, "OK",
          "COMMIT of the newer one")
    equal(balance(s.peer, "alice"), (99930, 0, 99930), "moves its amount once")


def two_gateways(place):
    gw1, gw2 = place.gateway("gw1"), place.gateway("gw2")
    bank = Bank(place, gateways=[gw1.address, gw2.address],
                accounts=ACCOUNTS)
    bank.start()
    one, two = place.keep(gw1.meet()), place.keep(gw2.meet())
    id, branch, _ = vote(one, gw1)
    equal(two.call("PREPARE", fields(gw2.branch(), id)).code, "IN_PROGRESS",
          "an id prepared by another node: IN_PROGRESS")
    equal(two.call("PREPARE", fields(gw1.branch())).code, "FORBIDDEN",
          "PREPARE of another node's branch: FORBIDDEN")
    equal(commit(two, gw2, id, branch).code, "FORBIDDEN",
          "COMMIT of another node's branch: FORBIDDEN")
    equal(abort(two, id, branch).code, "FORBIDDEN",
          "ABORT of another node's branch: FORBIDDEN")
    equal(abort(one, new_id(), branch).code, "FORBIDDEN",
          "ABORT with an id that is not the branch's: FORBIDDEN")
    equal(commit(one, gw1, new_id(), branch).code, "FORBIDDEN",
          "COMMIT with an id that is not the branch's: FORBIDDEN")
    equal(one.call("PREPARE", fields(branch)).code, "FORBIDDEN",
          "PREPARE with another id than the branch's: FORBIDDEN")
    equal(balance(one, "alice"), (100000, 100, 99900), "the hold is as it was")
    equal(commit(one, gw1, id, branch).code, "OK", "its own node commits it")
    again = two.call("PREPARE", fields(gw2.branch(), id))
    equal((again.code, again.get("branch")), ("ALREADY_EXISTS", branch),
          "an id committed by another node: ALREADY_EXISTS with the branch")


def remembered(place):
    s = Setting(place)
    id, branch, _ = vote(s.peer, s.gw)
    commit(s.peer, s.gw, id, branch)
    reply = s.peer.call("PREPARE", fields(s.gw.branch(), id))
    equal((reply.code, reply.get("branch")), ("ALREADY_EXISTS", branch),
          "an id already committed, same payload: ALREADY_EXISTS, its branch")
    for what, other in (("amount", {"amount": 5}), ("payer", {"frm": "bob"}),
                        ("payee", {"peer": "eve@BankB"}),
                        ("memo", {"memo": "new"})):
        reply = s.peer.call("PREPARE", fields(s.gw.branch(), id, **other))
        equal(reply.code, "ID_REUSED",
              "an id already committed, another %s: ID_REUSED" % what)
    equal(balance(s.peer, "alice"), (99900, 0, 99900), "it was paid once")


def refused_votes(place):
    s = Setting(place)
    teller = s.bank.teller()
    teller.call("OPEN", name="ice", currency="CZK")
    teller.call("FREEZE", name="ice")
    teller.call("OPEN", name="gone", currency="CZK")
    teller.call("CLOSE", name="gone")
    before = len(s.bank.records())
    for how, code in (
            ({"amount": 100001}, "INSUFFICIENT_FUNDS"),
            ({"frm": "nobody"}, "NO_SUCH_ACCOUNT"),
            ({"frm": ":clearing.BankB.CZK", "to": "nobody"},
             "NO_SUCH_ACCOUNT"),
            ({"to": "ice", "peer": "ice@BankA"}, "ACCOUNT_FROZEN"),
            ({"to": "gone", "peer": "gone@BankA"}, "ACCOUNT_CLOSED"),
            ({"to": "carl", "peer": "carl@BankA"}, "CURRENCY_MISMATCH"),
            ({"to": "alice", "peer": "alice@BankA"}, "SAME_ACCOUNT"),
            ({"to": ":equity.CZK", "peer": "x@BankB"}, "BAD_REQUEST"),
            ({"frm": ":clearing.BankB.CZK"}, "BAD_REQUEST"),
            ({"amount": 0}, "BAD_REQUEST"),
            ({"amount": 10**15 + 1}, "BAD_REQUEST"),
            ({"currency": "XYZ"}, "BAD_REQUEST")):
        reply = s.peer.call("PREPARE", fields(s.gw.branch(), **how))
        equal(reply.code, code, "a no: %s" % code)
    equal(len(s.bank.records()), before, "a no needs no record")
    id, branch, reply = vote(s.peer, s.gw, frm="deb", amount=3000)
    equal(reply.code, "OK", "an overdraft may be used to the full")
    reply = s.peer.call("PREPARE", fields(s.gw.branch(), frm="deb", amount=1))
    equal(reply.code, "INSUFFICIENT_FUNDS", "and no further, holds counted")


def full(place):
    s = Setting(place, payments={"in_flight": 2})
    one = vote(s.peer, s.gw)
    vote(s.peer, s.gw)
    reply = s.peer.call("PREPARE", fields(s.gw.branch()))
    equal((reply.code, reply.get("retry")), ("OVERLOADED", "same-id"),
          "payments.in_flight prepared: OVERLOADED")
    abort(s.peer, one[0], one[1])
    equal(s.peer.call("PREPARE", fields(s.gw.branch())).code, "OK",
          "and when one has ended there is room again")


# ---- COMMIT and ABORT ----

def commits(place):
    s = Setting(place)
    id, branch, _ = vote(s.peer, s.gw)
    decision = s.gw.decision()
    first = s.peer.call("COMMIT", dict(id=id, branch=branch, **decision))
    equal((first.code, first.get("id"), first.get("branch")),
          ("OK", id, branch), "COMMIT is acknowledged")
    record = s.bank.records("COMMITTED")[-1]
    equal((record.tag, record["check"]), (first["seq"], first["check"]),
          "with seq and check of its record, which is on disk")
    equal((record["gateway_seq"], record["gateway_check"]),
          (str(decision["seq"]), decision["check"]),
          "the gateway's record of the decision is kept")
    equal((record["from_balance"], record["to_balance"]), ("99900", "100"),
          "and the balances after it")
    again = s.peer.call("COMMIT", dict(id=id, branch=branch, **decision))
    equal((again.code, again.get("seq"), again.get("check")),
          ("OK", first["seq"], first["check"]), "COMMIT repeated is OK again")
    equal(len(s.bank.records("COMMITTED")), 1, "and moves nothing")
    equal(balance(s.peer, "alice"), (99900, 0, 99900), "the amount is gone")
    equal(abort(s.peer, id, branch).code, "NOT_FOUND",
          "ABORT of a committed branch: NOT_FOUND")
    equal(commit(s.peer, s.gw, new_id(), s.gw.branch()).code, "NOT_FOUND",
          "COMMIT of a branch never prepared: NOT_FOUND")
    equal(abort(s.peer, new_id(), s.gw.branch()).code, "OK",
          "ABORT of an unknown branch: OK")
    id, branch, _ = vote(s.peer, s.gw)
    equal(abort(s.peer, id, branch).code, "OK", "ABORT")
    equal(abort(s.peer, id, branch).code, "OK", "ABORT again: OK")
    equal(commit(s.peer, s.gw, id, branch).code, "NOT_FOUND",
          "COMMIT of an aborted branch: NOT_FOUND")
    id, branch, _ = vote(s.peer, s.gw, frm=":clearing.BankB.CZK", to="bob",
                         amount=40, peer="eve@BankB")
    equal(balance(s.peer, "bob"), (0, 0, 0),
          "what is to come is not there before COMMIT")
    equal(commit(s.peer, s.gw, id, branch).code, "OK", "money comes in")
    equal(balance(s.peer, "bob"), (40, 0, 40), "to the payee")
    id, branch, _ = vote(s.peer, s.gw, to="bob", peer="bob@BankA", amount=7)
    commit(s.peer, s.gw, id, branch)
    equal((balance(s.peer, "alice"), balance(s.peer, "bob")),
          ((99893, 0, 99893), (47, 0, 47)),
          "a payment within the bank is one branch")
    teller = s.bank.teller()
    sums = {}
    for row in teller.rows("ACCOUNTS")[0]:
        currency = row["currency"]
        sums[currency] = sums.get(currency, 0) + int(row["posted"])
    equal(sums, {"CZK": 0, "EUR": 0}, "every currency adds up to zero")
    equal(teller.call("BALANCE", name=":clearing.BankB.CZK").get("posted"),
          "60", "the clearing account has the difference with BankB")


def binding(place):
    """A yes vote binds, whatever an operator does to the account later."""
    s = Setting(place)
    teller = s.bank.teller()
    frozen = vote(s.peer, s.gw, amount=60)
    equal(teller.call("FREEZE", name="alice").code, "OK", "frozen after a yes")
    equal(commit(s.peer, s.gw, frozen[0], frozen[1]).code, "OK",
          "a yes binds: COMMIT goes through")
    equal(s.peer.call("PREPARE", fields(s.gw.branch())).code,
          "ACCOUNT_FROZEN", "a new PREPARE does not")
    limit = vote(s.peer, s.gw, frm="deb", amount=3000)
    equal(teller.call("SET", name="deb", overdraft=0).code, "OK",
          "the overdraft is lowered after a yes")
    equal(commit(s.peer, s.gw, limit[0], limit[1]).code, "OK",
          "a yes binds: COMMIT goes through")
    equal(balance(s.peer, "deb"), (-2000, 0, -2000), "below the new limit")


def heuristics(place):
    s = Setting(place)
    teller = s.bank.teller()
    id, branch, _ = vote(s.peer, s.gw)
    reply = teller.call("DECIDE", id=id, outcome="abort", why="it hangs")
    equal(reply.code, "OK", "an operator aborts a prepared branch")
    record = s.bank.records("DECIDED")[-1]
    equal((record["id"], record["outcome"], record["why"], record["who"]),
          (id, "abort", "it hangs", "uid=%d" % os.getuid()),
          "with who and why")
    reply = commit(s.peer, s.gw, id, branch)
    equal((reply.code, reply.get("outcome")), ("HEURISTIC", "aborted"),
          "COMMIT of one that an operator aborted: HEURISTIC aborted")
    id, branch, _ = vote(s.peer, s.gw)
    teller.call("DECIDE", id=id, outcome="commit", why="the paper says so")
    reply = abort(s.peer, id, branch)
    equal((reply.code, reply.get("outcome")), ("HEURISTIC", "committed"),
          "ABORT of one that an operator committed: HEURISTIC committed")
    equal(balance(s.peer, "alice"), (99900, 0, 99900),
          "the books are as the operator decided")


# ---- RESOLVE ----

def resolve(place):
    s = Setting(place)
    waits, commits_, aborts = (vote(s.peer, s.gw, amount=a)
                               for a in (1, 2, 4))
    s.peer.close()
    peer = s.again()
    asked = {}
    while len(asked) < 3:
        request = peer.next_request("RESOLVE")
        asked[request["id"]] = request
    equal(set(asked), {waits[0], commits_[0], aborts[0]},
          "after REGISTER it asks RESOLVE for every prepared branch")
    request = asked[waits[0]]
    equal((request["branch"], request["peer"]), (waits[1], "bob@BankB"),
          "with branch and peer")
    decision = s.gw.decision()
    peer.answer(asked[commits_[0]], "OK",
                dict(id=commits_[0], branch=commits_[1], outcome="commit",
                     **decision))
    peer.answer(asked[aborts[0]], "OK", id=aborts[0], branch=aborts[1],
                outcome="abort")
    peer.answer(asked[waits[0]], "OK", id=waits[0], branch=waits[1],
                outcome="wait")
    request = peer.next_request("RESOLVE")
    equal(request["id"], waits[0], "an undecided one is asked for again")
    equal(balance(peer, "alice"), (99998, 1, 99997),
          "what was committed is gone, what was aborted is free")
    record = s.bank.records("COMMITTED")[-1]
    equal((record["id"], record["gateway_seq"]),
          (commits_[0], str(decision["seq"])),
          "with the gateway's record of the decision")
    reply = peer.call("COMMIT", dict(id=commits_[0], branch=commits_[1],
                                     **decision))
    equal(reply.code, "OK", "its COMMIT is acknowledged all the same")
    peer.answer(request, "ERR", code="OVERLOADED", retry="same-id",
                text="later")
    request = peer.next_request("RESOLVE")
    equal(request["id"], waits[0], "an ERR decides nothing: asked again")
    peer.answer(request, "OK", id=new_id(), branch=waits[1],
                outcome="commit", **s.gw.decision())
    ok(peer.closes(), "a commit of another id closes the connection")
    equal(s.again().call("PING").code, "OK", "which is dialled again")
    equal(balance(s.peer, "alice"), (99998, 1, 99997), "nothing has moved")


def paced(place):
    s = Setting(place)
    for _ in range(10):
        vote(s.peer, s.gw, amount=1)
    s.peer.close()
    s.gw.window = 3
    peer = s.again()
    asked = [peer.next_request("RESOLVE") for _ in range(3)]
    # PING is exempt, and answered after all that was sent before it.
    peer.call("PING")
    peer.call("PING")
    equal(len(peer.pending_requests("RESOLVE")), 0,
          "no more RESOLVEs are unanswered than the gateway's window")
    for one in asked:
        peer.answer(one, "OK", id=one["id"], branch=one["branch"],
                    outcome="abort")
    for _ in range(7):
        one = peer.next_request("RESOLVE")
        peer.answer(one, "OK", id=one["id"], branch=one["branch"],
                    outcome="abort")
    equal(balance(peer, "alice"), (100000, 0, 100000),
          "all are asked for in the end")


# ---- Fencing ----

def fencing(place):
    gw1, gw2 = place.gateway("gw1", epoch=5), place.gateway("gw2")
    bank = Bank(place, gateways=[gw1.address, gw2.address],
                accounts=ACCOUNTS)
    bank.start()
    two = place.keep(gw2.meet())
    peer = place.keep(gw1.meet())
    id, branch, prepared = vote(peer, gw1)
    decision = gw1.decision()
    acknowledged = peer.call("COMMIT", dict(id=id, branch=branch, **decision))
    peer.close()
    gw1.proven = (acknowledged["seq"], acknowledged["check"])
    peer = place.keep(gw1.meet())
    equal((gw1.register.get("gateway_seq"),
           gw1.register.get("gateway_check")),
          (str(decision["seq"]), decision["check"]),
          "REGISTER shows the newest record that a COMMIT told of")
    equal(peer.call("PING").code, "OK", "a proof that is right is accepted")
    gw1.epoch = 4
    peer.close()
    peer = place.keep(gw1.accept())
    gw1.answer_hello(peer)
    ok(peer.closes(), "a gateway with a lower epoch than seen is closed")
    equal(peer.pending_requests("REGISTER"), [], "nothing was registered")
    ok(bank.daemon.wait_for(r"FENCED.*gw1"), "it says FENCED on stderr")
    equal(two.call("PING").code, "OK", "to other gateways it goes on")
    gw1.epoch = 6
    peer = place.keep(accept_soon(gw1, bank))
    gw1.answer_hello(peer)
    gw1.answer_register(peer)
    equal(peer.call("PING").code, "OK",
          "the gateway is spoken to when it has a higher epoch")
    peer.close()
    gw1.proven = (prepared["seq"], "0" * 32)
    mark = bank.daemon.mark()
    peer = place.keep(gw1.meet())
    equal(bank.daemon.wait(), 65,
          "a proof that its own journal does not have: exit 65")
    ok(bank.daemon.wait_for(r"FENCED", mark), "and FENCED on stderr")


# ---- The link itself ----

def heartbeat(place):
    gw = place.gateway("gw1")
    gw.heartbeat = "0.2"
    bank = Bank(place, gateways=[gw.address], accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.meet())
    peer.answer_pings = False
    peer.next_request("PING")
    ok(True, "with nothing to say for one heartbeat it sends PING")
    ok(peer.closes(), "hearing nothing for two it closes")
    ok(bank.daemon.wait_for(r"nothing heard for two heartbeats"),
       "and says why")
    peer = place.keep(gw.meet())
    peer.wait_pings(5)
    ok(True, "a gateway that answers PING is kept")

    silent = place.gateway("gw2")
    bank = Bank(place, name="BankS", gateways=[silent.address],
                limits={"heartbeat": "500ms"})
    bank.start()
    peer = place.keep(silent.accept())
    equal(peer.next_request().word, "HELLO", "a gateway that is silent")
    before = bank.daemon.cpu_s()
    ok(peer.closes(), "from the start is closed too")
    ok(bank.daemon.cpu_s() - before < 0.3, "waiting for it costs no work")


def window(place):
    s = Setting(place, limits={"window": 4})
    equal(s.gw.hello["window"], "4", "its window is told in HELLO")
    codes = {s.peer.call("BALANCE", account="alice").code for _ in range(10)}
    equal(codes, {"OK"}, "what was answered no longer counts")
    pings = [s.peer.new_tag() for _ in range(50)]
    s.peer.send_octets("".join(strife.line(t, "PING") + "\n"
                               for t in pings).encode())
    equal([s.peer.reply(t).code for t in pings], ["OK"] * 50,
          "PING is exempt from the window")
    lines = [strife.line("W%d" % i, "PREPARE",
                         fields(s.gw.branch(), amount=1)) for i in range(5)]
    s.peer.send_octets(("\n".join(lines) + "\n").encode())
    ok(s.peer.closes(), "more requests than the window closes the connection")
    ok(s.bank.daemon.wait_for(r"window"), "and says why")


def does_not_read(place):
    """What a gateway leaves unread is bounded, and so is our memory."""
    s = Setting(place, limits={"output": "1MiB"})
    teller = s.bank.teller()
    tags = [teller.ask("DEPOSIT", id=new_id(), name="alice", amount=1,
                       currency="CZK", memo="x" * 140) for _ in range(500)]
    for tag in tags:
        teller.reply(tag)
    for _ in range(200):
        s.peer.ask("HISTORY", account="alice", limit=500)
    mark = s.bank.daemon.wait_for(r"does not read what we send")
    ok(mark, "a gateway that reads nothing is closed at limits.output")
    ok(s.peer.closes(), "and sees it")
    equal(s.again().call("PING").code, "OK", "the link is dialled again")
    rows = {r["name"]: int(r["value"]) for r in teller.rows("STATS")[0]}
    ok(rows["memory_peak_kib"] < 256 * 1024, "little memory was used")


def grammar(place):
    s = Setting(place)
    peer = s.peer
    reply = peer.call("TRANSFER", id=new_id())
    equal((reply.code, reply.get("retry")), ("UNKNOWN_VERB", "never"),
          "an unknown verb: UNKNOWN_VERB")
    equal(peer.call("HELLO", proto=1, agent="x", window=1).code,
          "UNKNOWN_VERB", "HELLO is not the gateway's to send")
    reply = peer.call("BALANCE", account="alice", colour="red")
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "colour"),
          "an unknown field: BAD_REQUEST with its name")
    ok(reply.get("text"), "and a text")
    reply = peer.call("BALANCE")
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "account"),
          "a missing field: BAD_REQUEST with its name")
    reply = peer.call("BALANCE", account=":equity.CZK")
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "account"),
          "no client can name a system account")
    peer.send("T9 BALANCE account=alice account=bob")
    equal(peer.reply("T9").code, "BAD_REQUEST", "a repeated field")
    peer.send("nonsense")
    reply = peer.read_line()
    equal((reply.tag in ("0", "nonsense"), reply.code), (True, "BAD_REQUEST"),
          "a line without a word")
    peer.send("!! BALANCE account=alice")
    equal((lambda r: (r.tag, r.code))(peer.read_line()),
          ("0", "BAD_REQUEST"), "an unreadable tag is answered with 0")
    peer.send("L1 BALANCE account=" + "a" * 5000)
    equal(peer.reply("L1").code, "LINE_TOO_LONG", "a line too long")
    equal(peer.call("PING").code, "OK", "the connection goes on")
    peer.send("r1 OK id=%s branch=gw1.1.1 outcome=commit seq=1 check=%s" %
              (new_id(), "0" * 32))
    peer.send("r2 ERR code=NOT_FOUND retry=never text=x")
    peer.send("r3 OK outcome=perhaps")
    peer.send("j9 OK proven_seq=x")
    peer.send("i9 ERR")
    peer.send("zz OK")
    peer.send("* EVENT")
    equal(peer.call("PING").code, "OK", "a reply to no request is ignored")
    equal(balance(peer, "alice"), (100000, 0, 100000), "nothing has changed")
    # Three lines were broken so far.
    for _ in range(12):
        peer.send("B1 BALANCE  account=alice")
        peer.reply("B1")
    equal(peer.call("PING").code, "OK", "15 broken lines are forgiven")
    peer.send("B2 BALANCE account=%zz")
    equal(peer.reply("B2").code, "BAD_REQUEST", "the 16th is answered")
    ok(peer.closes(), "and closes the connection")
    equal(s.again().call("PING").code, "OK", "which is dialled again")


def pipelined(place):
    """Many at once, and each tag answered once."""
    s = Setting(place, limits={"window": 2000}, payments={"in_flight": 600})
    branches = [fields(s.gw.branch(), amount=1) for _ in range(500)]
    s.peer.send_octets("".join(
        strife.line("P%d" % i, "PREPARE", f) + "\n"
        for i, f in enumerate(branches)).encode())
    codes = {s.peer.reply("P%d" % i).code for i in range(500)}
    equal(codes, {"OK"}, "500 PREPAREs in one write are all voted yes on")
    s.peer.send_octets("".join(
        strife.line("C%d" % i, "COMMIT", dict(id=f["id"], branch=f["branch"],
                                              **s.gw.decision())) + "\n"
        for i, f in enumerate(branches)).encode())
    codes = {s.peer.reply("C%d" % i).code for i in range(500)}
    equal(codes, {"OK"}, "and committed")
    equal(balance(s.peer, "alice"), (99500, 0, 99500), "each of them once")


def history(place):
    s = Setting(place)
    made = []
    for amount in range(1, 8):
        id, branch, _ = vote(s.peer, s.gw, amount=amount, memo="m%d" % amount)
        commit(s.peer, s.gw, id, branch)
        made.insert(0, (id, str(-amount), "m%d" % amount))
    rows, final = s.peer.rows("HISTORY", account="alice")
    equal([(r["id"], r["amount"], r["memo"]) for r in rows[:7]], made,
          "HISTORY is newest first, signed, with memo")
    equal((rows[-1]["kind"], rows[-1]["amount"], rows[0]["kind"],
           rows[0]["peer"]), ("open", "100000", "payment", "bob@BankB"),
          "from the opening balance to the last payment")
    balances = [int(r["balance"]) for r in rows]
    ok(all(a == b + int(r["amount"]) for a, b, r in
           zip(balances, balances[1:], rows)), "the balances add up")
    ok("next" not in final, "no next on the last page")
    first, final = s.peer.rows("HISTORY", account="alice", limit=3)
    equal(len(first), 3, "limit limits")
    rest, last = s.peer.rows("HISTORY", account="alice",
                             before=final["next"])
    equal([r["seq"] for r in first + rest], [r["seq"] for r in rows],
          "next goes on where the page ended")
    # Two rows may share a microsecond: both belong.
    since, until = rows[4]["time"], rows[2]["time"]
    want = [r["seq"] for r in rows if since <= r["time"] <= until]
    some, final = s.peer.rows("HISTORY", account="alice", since=since,
                              until=until)
    equal([r["seq"] for r in some], want, "since and until, both included")
    some, final = s.peer.rows("HISTORY", account="alice", since=since,
                              until=until, limit=2)
    some += s.peer.rows("HISTORY", account="alice", since=since, until=until,
                        before=final["next"])[0]
    equal([r["seq"] for r in some], want, "page by page, too")
    equal(s.peer.call("HISTORY", account="alice", before="x").code,
          "BAD_REQUEST", "a bad cursor: BAD_REQUEST")
    equal(s.peer.call("HISTORY", account="zoe").code, "NO_SUCH_ACCOUNT",
          "HISTORY of no account")
    equal(s.peer.call("BALANCE", account="zoe").code, "NO_SUCH_ACCOUNT",
          "BALANCE of no account")


def passwords(place):
    hash = place.run("strife-authd", "hash", stdin=open(
        place.write("password", "s3cret\n")))
    if hash.status != 0:
        hash = place.run("openssl", "passwd", "-6", "s3cret")
    customers = place.write(
        "customers.yaml",
        'users:\n  al: {password: "%s", roles: [balance, pay], '
        'accounts: [alice]}\n' % hash.stdout.decode().strip())
    s = Setting(place, customers=customers)
    reply = s.peer.call("AUTHENTICATE", user="al", password="s3cret")
    equal((reply.code, reply.get("account"), reply.get("roles")),
          ("OK", "alice", "balance,pay"),
          "AUTHENTICATE answers the customer's account and roles")
    equal(s.peer.call("AUTHENTICATE", user="al", password="wrong").code,
          "BAD_CREDENTIALS", "a wrong password: BAD_CREDENTIALS")
    equal(s.peer.call("AUTHENTICATE", user="zoe", password="s3cret").code,
          "BAD_CREDENTIALS", "an unknown user: BAD_CREDENTIALS")
    tags = [s.peer.ask("AUTHENTICATE", user="al", password="s3cret")
            for _ in range(5)]
    equal([s.peer.reply(t).code for t in tags], ["OK"] * 5,
          "several at once are all answered")
    s.peer.ask("AUTHENTICATE", user="al", password="s3cret")
    s.peer.close()
    equal(s.again().call("PING").code, "OK",
          "an answer to a link that is gone is dropped")
    ok("s3cret" not in s.bank.daemon.stderr(), "no password is logged")
    equal(s.bank.stop(), 0, "it stops")


def no_customers(place):
    s = Setting(place)
    equal(s.peer.call("AUTHENTICATE", user="al", password="x").code,
          "BAD_CREDENTIALS", "without customers nobody logs in")


def same_gateway_twice(place):
    gw = place.gateway("gw1")
    other = strife.Gateway.__new__(strife.Gateway)
    other.__dict__.update(gw.__dict__)
    strife.Listener.__init__(
        other, place.certificates,
        (place.path("certs", "gw1.crt"), place.path("certs", "gw1.key")))
    place.keep(other)
    bank = Bank(place, gateways=[gw.address, other.address],
                accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.meet())
    twin = place.keep(other.accept())
    other.answer_hello(twin)
    ok(twin.closes(), "a second address of one gateway is not used")
    equal(peer.call("PING").code, "OK", "the first one stays")


for test in (greeting, before_register, refusals, certificates, prepare,
             older_and_newer, two_gateways, remembered, refused_votes, full,
             commits, binding, heuristics, resolve, paced, fencing, heartbeat,
             window, does_not_read, grammar, pipelined, history, passwords, no_customers,
             same_gateway_twice):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

#!/usr/bin/python3
# What becomes of a PAY: strife-protocol(7), "Payment states", row by row, with
# banks that are driven line by line.
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, commit, payment, user
from strife import equal, ok

USERS = {"alice": user(["alice@BankA", "alice@BankB"]),
         "bob": user(["bob@BankB", "bob@BankA"])}


def both(gateway):
    return (FakeBank(gateway, "BankA").register(),
            FakeBank(gateway, "BankB").register())


def fields_of(reply, *keys):
    return (reply.code,) + tuple(reply.get(k) for k in keys)


def status(client, fields):
    return client.call("STATUS", id=fields["id"])


def is_gone(gateway, name):
    """Waits until the gateway knows that the bank's link broke."""
    while True:
        rows, _ = gateway.control().rows("BANKS")
        if [r["state"] for r in rows if r["bank"] == name] != ["up"]:
            return


def leave(gateway, bank):
    bank.close()
    is_gone(gateway, bank.bank)


def settled(client, fields):
    while status(client, fields).get("pending"):
        pass


def refuse_payment(client, fields, a, b, code, **more):
    """PAY that bank A refuses and B accepts; the answer."""
    tag = client.ask("PAY", fields)
    b.vote(b.next_request("PREPARE"))
    a.refuse(a.next_request("PREPARE"), code, **more)
    b.aborted(b.next_request("ABORT"))
    return client.reply(tag)


# ---- Rows ----

def all_yes(gateway):
    client = gateway.login()
    a, b = both(gateway)
    fields = payment(memo="rent")
    tag = client.ask("PAY", fields)
    pa, pb = a.next_request("PREPARE"), b.next_request("PREPARE")
    equal([pa[k] for k in ("id", "from", "to", "amount", "currency", "peer",
                           "memo")],
          [fields["id"], "alice", ":clearing.BankB.CZK", "1000", "CZK",
           "bob@BankB", "rent"],
          "the payer's bank is asked for payer to clearing account")
    equal([pb[k] for k in ("id", "from", "to", "amount", "currency", "peer",
                           "memo")],
          [fields["id"], ":clearing.BankA.CZK", "bob", "1000", "CZK",
           "alice@BankA", "rent"],
          "the payee's for clearing account to payee, both at once")
    ok(pa["branch"] != pb["branch"], "each with a branch of its own")
    a.vote(pa)
    equal(status(client, fields)["state"], "preparing",
          "one vote decides nothing")
    b.vote(pb)
    reply = client.reply(tag)
    equal(fields_of(reply, "id", "state", "pending", "reason"),
          ("OK", fields["id"], "committed", None, None),
          "all votes yes: committed, without waiting for acknowledgements")
    record = gateway.records("COMMIT")[-1]
    equal((reply["seq"], reply["time"]), (record.tag, record["time"]),
          "with seq and time of the decision, which is in the journal")
    for bank in (a, b):
        bank.acknowledge(bank.next_request("COMMIT"))

    fields = payment("alice@BankA", "bob@BankA")
    tag = client.ask("PAY", fields)
    prepare = a.next_request("PREPARE")
    equal([prepare[k] for k in ("from", "to", "peer")],
          ["alice", "bob", "bob@BankA"],
          "within one bank it is one branch, payer to payee")
    a.vote(prepare)
    equal(client.reply(tag).get("state"), "committed", "one vote commits it")
    a.acknowledge(a.next_request("COMMIT"))
    equal(b.pending_requests("PREPARE"), [], "no other bank hears of it")
    a.close()
    b.close()


def held(gateway):
    client = gateway.login()
    a, b = both(gateway)
    leave(gateway, b)
    first, second = payment(), payment()
    reply = client.call("PAY", first)
    equal(fields_of(reply, "id", "state", "reason", "bank"),
          ("OK", first["id"], "held", "BANK_UNAVAILABLE", "BankB"),
          "a bank is registered but not connected: held")
    equal([r["id"] for r in gateway.records("HELD")], [first["id"]],
          "durable when it is answered")
    client.call("PAY", second)
    leave(gateway, a)
    third = payment()
    equal(client.call("PAY", third).get("bank"), "BankA",
          "two banks away: the payer's is named")
    for fields in (first, second, third):
        equal(fields_of(status(client, fields), "state", "reason"),
              ("OK", "held", "BANK_UNAVAILABLE"), "STATUS says held")
    equal(fields_of(client.call("PAY", first), "state"),
          ("IN_PROGRESS", "held"), "PAY again: IN_PROGRESS held")

    gateway.crash()
    gateway.start()
    client = gateway.login()
    for fields in (first, second, third):
        equal(fields_of(status(client, fields), "state", "reason"),
              ("OK", "held", "BANK_UNAVAILABLE"),
              "a restart finds it held again")
    a = FakeBank(gateway, "BankA").register()
    a.call("PING")
    equal(a.pending_requests("PREPARE"), [],
          "one bank's return is not enough")
    b = FakeBank(gateway, "BankB").register()
    wanted = [f["id"] for f in (first, second, third)]
    prepares = [a.next_request("PREPARE") for _ in wanted]
    equal([p["id"] for p in prepares][:2], wanted[:2],
          "when the bank returns they are tried again, in order")
    equal(sorted(p["id"] for p in prepares), sorted(wanted), "all of them")
    for prepare in prepares:
        a.vote(prepare)
        b.commit_one()
    for _ in wanted:
        a.acknowledge(a.next_request("COMMIT"))
        b.acknowledge(b.next_request("COMMIT"))
    for fields in (first, second, third):
        settled(client, fields)
        equal(fields_of(status(client, fields), "state", "attempts"),
              ("OK", "committed", "2"), "and paid, at the second attempt")
    equal({r["attempts"] for r in gateway.records("COMMIT")
           if r["id"] in wanted}, {"2"}, "which COMMIT remembers")

    # A link that breaks while it is voted on.
    fields = payment()
    tag = client.ask("PAY", fields)
    a.commit_one()
    b.next_request("PREPARE")
    b.close()
    equal(fields_of(client.reply(tag), "state", "reason", "bank"),
          ("OK", "held", "BANK_UNAVAILABLE", "BankB"),
          "its connection breaks before the decision: held")
    a.aborted(a.next_request("ABORT"))
    b = FakeBank(gateway, "BankB").register()
    # A passing reason: held on, and tried again later.
    a.commit_one()
    b.refuse(b.next_request("PREPARE"), "READ_ONLY")
    while status(client, fields).get("reason") != "READ_ONLY":
        pass
    equal(fields_of(status(client, fields), "state", "reason"),
          ("OK", "held", "READ_ONLY"),
          "it failed for another passing reason: held, with the last reason")
    a.aborted(a.next_request("ABORT"))
    a.commit_one()
    b.commit_one()
    ok(True, "and is tried again after a delay")
    for bank in (a, b):
        bank.next_request("COMMIT")
    equal(fields_of(status(client, fields), "state", "attempts"),
          ("OK", "committed", "3"), "until it is paid")

    leave(gateway, b)
    fields = payment()
    client.call("PAY", fields)
    b = FakeBank(gateway, "BankB").register()
    a.commit_one()
    b.refuse(b.next_request("PREPARE"), "NO_SUCH_ACCOUNT")
    a.aborted(a.next_request("ABORT"))
    while status(client, fields)["state"] != "aborted":
        pass
    equal(fields_of(status(client, fields), "reason"),
          ("OK", "NO_SUCH_ACCOUNT"),
          "a final reason ends a held payment for good")
    a.close()
    b.close()


def expiry(place):
    gateway = Gatewayd(place, users=USERS, payments={"held_expiry": "1s"})
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    leave(gateway, b)
    fields = payment()
    equal(client.call("PAY", fields).get("state"), "held", "held")
    # "preparing" is on its way to the disk.
    while status(client, fields)["state"] != "aborted":
        time.sleep(0.05)
    equal(fields_of(status(client, fields), "state", "reason"),
          ("OK", "aborted", "HOLD_EXPIRED"),
          "held_expiry after it was held: aborted with HOLD_EXPIRED")
    equal(fields_of(client.call("PAY", fields), "state", "reason"),
          ("ALREADY_EXISTS", "aborted", "HOLD_EXPIRED"), "for good")
    FakeBank(gateway, "BankB").register()
    a.call("PING")
    equal(a.pending_requests("PREPARE"), [], "nobody is asked any more")


def unavailable(gateway):
    client = gateway.login()
    a, b = both(gateway)
    leave(gateway, b)
    fields = payment(hold="no")
    reply = client.call("PAY", fields)
    equal(fields_of(reply, "state", "retry", "bank"),
          ("BANK_UNAVAILABLE", "aborted", "same-id", "BankB"),
          "hold=no: BANK_UNAVAILABLE, aborted")
    equal(fields_of(status(client, fields), "state", "reason"),
          ("OK", "aborted", "BANK_UNAVAILABLE"), "STATUS says so")
    b = FakeBank(gateway, "BankB").register()
    tag = client.ask("PAY", fields)
    a.next_request("PREPARE")
    b.next_request("PREPARE")
    b.close()
    equal(fields_of(client.reply(tag), "state"),
          ("BANK_UNAVAILABLE", "aborted"),
          "its connection breaks, hold=no: likewise")
    a.close()


def no_such_bank(gateway):
    client = gateway.login()
    a, b = both(gateway)
    for fields in (payment(target="x@BankX"),):
        equal(client.call("PAY", fields).code, "NO_SUCH_BANK",
              "a bank that never registered: NO_SUCH_BANK")
        equal(status(client, fields).code, "NOT_FOUND", "no trace")
        fields["to"] = "bob@BankB"
        equal(commit(client, fields, a, b).get("state"), "committed",
              "the id is still free")
    a.close()
    b.close()


def refusals(gateway):
    client = gateway.login()
    a, b = both(gateway)
    for code, retry in (("INSUFFICIENT_FUNDS", "new-id"),
                        ("NO_SUCH_ACCOUNT", "new-id"),
                        ("ACCOUNT_CLOSED", "new-id"),
                        ("ACCOUNT_FROZEN", "new-id"),
                        ("CURRENCY_MISMATCH", "new-id"),
                        ("LIMIT_EXCEEDED", "new-id"),
                        ("OVERLOADED", "same-id"),
                        ("READ_ONLY", "same-id")):
        fields = payment()
        reply = refuse_payment(client, fields, a, b, code)
        equal(fields_of(reply, "state", "retry", "bank"),
              (code, "aborted", retry, "BankA"),
              "a bank voted no: %s" % code)
        equal(fields_of(status(client, fields), "state", "reason"),
              ("OK", "aborted", code), "STATUS says so")
        if retry != "new-id":
            continue
        equal(fields_of(client.call("PAY", fields), "state", "reason"),
              ("ALREADY_EXISTS", "aborted", code),
              "a final reason: the same answer for ever")
    fields = payment()
    equal(refuse_payment(client, fields, a, b, "FENCED").code, "INTERNAL",
          "a refusal that makes no sense is INTERNAL")

    for first in (0, 1):
        fields = payment()
        tag = client.ask("PAY", fields)
        pa, pb = a.next_request("PREPARE"), b.next_request("PREPARE")
        if first == 0:
            a.refuse(pa, "OVERLOADED")
            a.call("PING")
        b.refuse(pb, "ACCOUNT_CLOSED")
        if first == 1:
            b.call("PING")
            a.refuse(pa, "OVERLOADED")
        reply = client.reply(tag)
        equal(fields_of(reply, "bank"), ("ACCOUNT_CLOSED", "BankB"),
              "of two refusals the final reason wins, come first or second")
        while a.pending_requests("ABORT") or b.pending_requests("ABORT"):
            for bank in (a, b):
                for request in bank.pending_requests("ABORT"):
                    bank.aborted(bank.next_request("ABORT"))
    a.close()
    b.close()


def restarts(gateway):
    client = gateway.login()
    a, b = both(gateway)
    early, late = payment(), payment()
    client.ask("PAY", early)
    a.commit_one()
    b.next_request("PREPARE")
    # Something that is flushed behind it makes its RECEIVED durable.
    client.call("CANCEL", id=strife.new_id())
    gateway.crash()
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    equal(fields_of(status(client, early), "state", "reason", "amount"),
          ("OK", "aborted", "GATEWAY_RESTART", "1000"),
          "the gateway restarted before the decision: GATEWAY_RESTART")
    equal(status(gateway.login("bob"), early).code, "NOT_FOUND",
          "to its owner")
    equal(client.call("PAY", dict(early, amount=1)).code, "ID_REUSED",
          "the id is still that payment's")
    equal(fields_of(commit(client, early, a, b), "state"),
          ("OK", "committed"), "the same PAY runs afresh")
    settled(client, early)
    equal(status(client, early)["attempts"], "2", "as a second attempt")

    tag = client.ask("PAY", late)
    a.commit_one()
    b.commit_one()
    seq = client.reply(tag)["seq"]
    gateway.crash()
    gateway.start()
    client = gateway.login()
    reply = status(client, late)
    equal(fields_of(reply, "state", "seq", "pending"),
          ("OK", "committed", seq, "BankA,BankB"),
          "after the decision: committed stays committed")
    a, b = both(gateway)
    for bank in (a, b):
        bank.acknowledge(bank.next_request("COMMIT"))
    settled(client, late)
    ok(True, "and is rolled forward")
    a.close()
    b.close()


def timeouts(place):
    gateway = Gatewayd(place, users=USERS,
                       payments={"prepare_timeout": "300ms"})
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    a.commit_one()
    slow = b.next_request("PREPARE")
    reply = client.reply(tag)
    equal(fields_of(reply, "state", "bank", "retry"),
          ("BANK_TIMEOUT", "aborted", "BankB", "same-id"),
          "a vote did not come within prepare_timeout: BANK_TIMEOUT")
    equal(fields_of(status(client, fields), "state", "reason"),
          ("OK", "aborted", "BANK_TIMEOUT"), "STATUS says so")
    a.aborted(a.next_request("ABORT"))
    b.aborted(b.next_request("ABORT"))
    b.vote(slow)
    equal(b.next_request("ABORT")["branch"], slow["branch"],
          "the late vote changes nothing")
    tag = client.ask("PAY", fields)
    fresh = a.commit_one()
    b.commit_one()
    equal(client.reply(tag).get("state"), "committed",
          "the same PAY may run again")
    ok(fresh["branch"] != slow["branch"], "with new branches")


def reused(gateway):
    client, other = gateway.login("alice"), gateway.login("bob")
    a, b = both(gateway)
    done, refused, running, waiting, passing = (
        payment(memo="m") for _ in range(5))
    commit(client, done, a, b)
    settled(client, done)
    refuse_payment(client, refused, a, b, "INSUFFICIENT_FUNDS")
    refuse_payment(client, passing, a, b, "OVERLOADED")
    client.ask("PAY", running)
    prepares = a.next_request("PREPARE"), b.next_request("PREPARE")
    for name, fields in (("committed", done), ("aborted", refused),
                         ("passing", passing), ("preparing", running)):
        for key, value in (("from", "alice@BankB"), ("to", "eve@BankB"),
                           ("amount", 1001), ("currency", "EUR"),
                           ("memo", "n"), ("memo", None)):
            reply = client.call("PAY", dict(fields, **{key: value}))
            equal((reply.code, set(reply.fields)),
                  ("ID_REUSED", {"code", "retry", "text"}),
                  "%s, another %s: ID_REUSED and nothing else" % (name, key))
        reply = other.call("PAY", dict(fields, **{"from": "bob@BankA"}))
        equal(reply.code, "ID_REUSED", "%s, another user: ID_REUSED" % name)
        equal(other.call("PAY", fields).code, "ID_REUSED",
              "%s, another user and the same payload: ID_REUSED" % name)
    equal(fields_of(client.call("PAY", running), "state"),
          ("IN_PROGRESS", "preparing"),
          "known and undecided: IN_PROGRESS with its state")
    reply = client.call("PAY", done)
    paid = status(client, done)
    equal(fields_of(reply, "state", "seq", "time"),
          ("ALREADY_EXISTS", "committed", paid["seq"], paid["time"]),
          "known and committed: ALREADY_EXISTS with seq and time")
    reply = client.call("PAY", refused)
    equal(fields_of(reply, "state", "reason"),
          ("ALREADY_EXISTS", "aborted", "INSUFFICIENT_FUNDS"),
          "known and aborted for a final reason: ALREADY_EXISTS")
    equal(client.call("PAY", dict(done, hold="no")).code, "ALREADY_EXISTS",
          "hold is no part of the payload")
    tag = client.ask("PAY", passing)
    again = a.next_request("PREPARE")
    equal(again["id"], passing["id"],
          "known and aborted for a passing reason: a fresh attempt")
    a.vote(again)
    b.commit_one()
    equal(client.reply(tag).get("state"), "committed", "under the same id")
    a.vote(prepares[0])
    b.vote(prepares[1])

    # The same after a restart.
    gateway.crash()
    gateway.start()
    client, other = gateway.login("alice"), gateway.login("bob")
    equal([client.call("PAY", f).code for f in (done, refused)],
          ["ALREADY_EXISTS"] * 2, "a restart forgets nothing")
    equal([client.call("PAY", dict(f, amount=1)).code
           for f in (done, refused)], ["ID_REUSED"] * 2, "and compares")
    equal(other.call("PAY", done).code, "ID_REUSED", "owner and payload")


def elsewhere(gateway):
    """What another gateway has done, as a bank tells."""
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    reply = refuse_payment(client, fields, a, b, "ALREADY_EXISTS",
                           branch="gw2.1.1")
    equal(fields_of(reply, "state"), ("ALREADY_EXISTS", "committed"),
          "committed by another gateway: ALREADY_EXISTS committed")
    bank = reply["bank"]
    for restarted in (False, True):
        if restarted:
            # It waits for a flush that others need, for the bank knows better.
            while fields["id"] not in [r["id"]
                                       for r in gateway.records("ABORT")]:
                pass
            gateway.crash()
            gateway.start()
            client = gateway.login()
            a, b = both(gateway)
        for verb, more in (("PAY", fields), ("CANCEL", fields["id"])):
            again = client.call(
                verb, more if verb == "PAY" else {"id": more})
            equal(fields_of(again, "state", "bank", "seq"),
                  ("ALREADY_EXISTS", "committed", bank, None),
                  verb + " again: the bank, and no record of ours")
        status = client.call("STATUS", id=fields["id"])
        equal(fields_of(status, "state", "bank", "seq", "reason"),
              ("OK", "committed", bank, None, None), "STATUS likewise")
    fields = payment()
    equal(refuse_payment(client, fields, a, b, "ID_REUSED").code,
          "ID_REUSED", "used by another gateway for another payment")
    fields = payment()
    equal(refuse_payment(client, fields, a, b, "IN_PROGRESS").code,
          "IN_PROGRESS", "being prepared by another gateway")
    a.close()
    b.close()


def same_account(gateway):
    client = gateway.login()
    a = FakeBank(gateway, "BankA").register()
    fields = payment("alice@BankA", "alice@BankA")
    reply = client.call("PAY", fields)
    equal(fields_of(reply, "state", "retry"),
          ("SAME_ACCOUNT", "aborted", "new-id"),
          "payer and payee are one account: SAME_ACCOUNT")
    equal(a.pending_requests("PREPARE"), [], "before any vote")
    equal(fields_of(status(client, fields), "state", "reason"),
          ("OK", "aborted", "SAME_ACCOUNT"), "with a trace")
    a.close()


def order(gateway):
    """syntax; session and role; the id; rights; NO_SUCH_BANK; draining."""
    client, other = gateway.login("alice"), gateway.login("bob")
    a, b = both(gateway)
    done = payment()
    commit(client, done, a, b)
    settled(client, done)
    control = gateway.control()
    equal(control.call("DRAIN").code, "OK", "the gateway is drained")
    equal(gateway.client().call("PAY", payment(amount=0)).code,
          "BAD_REQUEST", "syntax comes before the session")
    equal(gateway.client().call("PAY", done).code, "UNAUTHENTICATED",
          "the session before the id")
    equal(client.call("PAY", dict(done, **{"from": "eve@BankA"})).code,
          "ID_REUSED", "the id before the rights")
    reply = client.call("PAY", payment("eve@BankX"))
    equal(reply.code, "FORBIDDEN", "the rights before the bank")
    reply = client.call("PAY", payment(target="eve@BankX"))
    equal(reply.code, "NO_SUCH_BANK", "the bank before draining")
    fields = payment()
    reply = client.call("PAY", fields)
    equal(fields_of(reply, "retry"), ("DRAINING", "same-id"),
          "draining: DRAINING")
    equal(status(client, fields).code, "NOT_FOUND", "without a trace")
    equal(client.call("PAY", payment("alice@BankA", "alice@BankA")).code,
          "DRAINING", "SAME_ACCOUNT comes last")
    equal(client.call("PAY", done).code, "ALREADY_EXISTS",
          "what is known is answered while draining")
    equal(control.call("RESUME").code, "OK", "the gateway is resumed")
    equal(commit(client, fields, a, b).get("state"), "committed",
          "and pays again")
    equal(other.call("PAY", payment("bob@BankX")).code, "FORBIDDEN",
          "no rights, and no such bank: FORBIDDEN, whether it exists or not")
    a.close()
    b.close()


def draining(gateway):
    """DRAIN changes nothing for what is being voted on."""
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    pa, pb = a.next_request("PREPARE"), b.next_request("PREPARE")
    control = gateway.control()
    control.call("DRAIN")
    a.vote(pa)
    b.vote(pb)
    equal(client.reply(tag).get("state"), "committed",
          "what was in flight when DRAIN came is finished")
    equal(client.call("PAY", payment()).code, "DRAINING", "no new ones")
    equal(client.call("CANCEL", id=strife.new_id()).code, "OK",
          "CANCEL goes on working")
    control.call("RESUME")
    a.close()
    b.close()


def limits(place):
    gateway = Gatewayd(place, users=USERS,
                       payments={"in_flight": 6, "per_bank": 5,
                                 "per_user": 3, "held_max": 2})
    gateway.start()
    alice, bob = gateway.login("alice"), gateway.login("bob")
    a, b = both(gateway)
    c = FakeBank(gateway, "BankC").register()
    tags = [alice.ask("PAY", payment()) for _ in range(3)]
    fields = payment()
    equal(fields_of(alice.call("PAY", fields), "retry"),
          ("OVERLOADED", "same-id"), "per_user reached: OVERLOADED")
    equal(status(alice, fields).code, "NOT_FOUND", "without a trace")
    tags += [bob.ask("PAY", payment("bob@BankB", "x@BankA"))
             for _ in range(2)]
    equal(bob.call("PAY", payment("bob@BankA", "x@BankC")).code,
          "OVERLOADED", "per_bank reached: OVERLOADED")
    for _ in tags:
        a.commit_one()
        b.commit_one()
    for _ in tags:
        a.next_request("COMMIT")
        b.next_request("COMMIT")
    equal(alice.call("PAY", fields).code, "OVERLOADED",
          "until they are acknowledged")
    for peer, some in ((alice, tags[:3]), (bob, tags[3:])):
        equal([peer.reply(t).get("state") for t in some],
              ["committed"] * len(some), "those in flight are finished")
    c.close()


for test in (all_yes, held, unavailable, no_such_bank, refusals, restarts,
             reused, elsewhere, same_account, order, draining):
    with strife.Place() as place:
        strife.note(test.__name__)
        gateway = Gatewayd(place, users=USERS)
        gateway.start()
        test(gateway)
        equal(gateway.stop(), 0, "it stops well")
for test in (expiry, timeouts, limits):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

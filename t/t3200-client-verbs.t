#!/usr/bin/python3
# The verbs of the client listener: strife-protocol(7), row by row.
import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, PASSWORD, payment, user
from strife import equal, ok

USERS = {
    "alice": user(["alice@BankA", "a.smith@BankB", "al@BankC"]),
    "bob": user(["bob@BankB"]),
    "cron": user(["shop@BankA"], roles=["pay"], password=None,
                 certificates=["billing-host"]),
    "both": user(["both@BankA"], certificates=["billing-host"]),
    "reader": user(["reader@BankA"], roles=["balance"]),
    "writer": user(["writer@BankA"], roles=["history"]),
    "nobody": user(["nobody@BankA"], roles=[]),
    "desk": user(acts_for=["*@BankA", "shop@BankB", "c.*@BankB"]),
}


def login(peer, name, password=PASSWORD, **more):
    return peer.call("LOGIN", user=name, password=password, **more)


# ---- Sessions ----

def logins(gateway):
    peer = gateway.client()
    reply = login(peer, "alice")
    equal((reply.code, reply.get("user"), reply.get("roles")),
          ("OK", "alice", "balance,pay,history"),
          "LOGIN with the right password tells user and roles")
    equal(login(peer, "alice", "wrong").code, "BAD_CREDENTIALS",
          "with a wrong one: BAD_CREDENTIALS")
    equal(peer.call("STATUS", id=strife.new_id()).code, "NOT_FOUND",
          "which leaves the session that there was")
    equal(login(peer, "mallory").code, "BAD_CREDENTIALS",
          "an unknown user: BAD_CREDENTIALS")
    equal(login(peer, "cron").code, "BAD_CREDENTIALS",
          "a user without a password: BAD_CREDENTIALS")
    reply = login(peer, "bob")
    equal(reply.get("user"), "bob", "a second LOGIN replaces the session")
    equal(peer.call("BALANCE", account="alice@BankA").code, "FORBIDDEN",
          "with its rights")

    equal(peer.call("LOGIN", user="cron").code, "BAD_CREDENTIALS",
          "without a password, another certificate: BAD_CREDENTIALS")
    host = gateway.client("billing-host")
    reply = host.call("LOGIN", user="cron")
    equal((reply.code, reply.get("user"), reply.get("roles")),
          ("OK", "cron", "pay"),
          "without a password, the certificate that the entry lists: OK")
    equal(host.call("LOGIN", user="alice").code, "BAD_CREDENTIALS",
          "and for another user: BAD_CREDENTIALS")
    equal(host.call("LOGIN", user="both").code, "OK",
          "an entry with both: by the certificate")
    equal(login(host, "both").code, "OK", "and by the password")

    equal(peer.call("LOGOUT").code, "OK", "LOGOUT is OK")
    equal(peer.call("LOGOUT").code, "UNAUTHENTICATED",
          "and then there is no session")
    equal(peer.call("AUTH", token="a.b.c").code, "TOKEN_INVALID",
          "a token that was never given: TOKEN_INVALID")
    equal(peer.call("AUTH", token="t" * 3500).code, "TOKEN_INVALID",
          "one that is too long: TOKEN_INVALID")
    other = gateway.client()
    equal(other.call("ACCOUNTS").code, "UNAUTHENTICATED",
          "a session belongs to its connection")


def roles(gateway):
    asked = (("ACCOUNTS", {}, None),
             ("BALANCE", {"account": "x@BankA"}, "balance"),
             ("HISTORY", {"account": "x@BankA"}, "history"),
             ("PAY", payment("x@BankA"), "pay"),
             ("CANCEL", {"id": strife.new_id()}, "pay"),
             ("STATUS", {"id": strife.new_id()}, None))
    peer = gateway.client()
    for verb, fields, _ in asked:
        equal(peer.call(verb, fields).code, "UNAUTHENTICATED",
              "%s without a session: UNAUTHENTICATED" % verb)
    for name, held in (("reader", "balance"), ("writer", "history"),
                       ("nobody", "")):
        equal(login(peer, name).code, "OK", "login of %s" % name)
        for verb, fields, role in asked:
            if role is None or role == held:
                continue
            reply = peer.call(verb, fields)
            equal(reply.code, "FORBIDDEN", "%s without the role %s: "
                  "FORBIDDEN" % (verb, role))
    equal(peer.call("STATUS", id=strife.new_id()).code, "NOT_FOUND",
          "STATUS needs a session only")
    equal(peer.call("PING").code, "OK", "PING needs nothing")
    login(peer, "nobody")
    rows, reply = peer.rows("ACCOUNTS")
    equal((reply.code, [r["account"] for r in rows]),
          ("OK", ["nobody@BankA"]), "ACCOUNTS needs a session only")


def rights(gateway):
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    peer = gateway.client()

    def asks(name, account, bank):
        """BALANCE, HISTORY and PAY from the account: allowed or not."""
        login(peer, name)
        tags = [peer.ask("BALANCE", account=account),
                peer.ask("HISTORY", account=account),
                peer.ask("PAY", payment(account, "x@BankB", hold="no"))]
        if bank is None:
            equal([peer.reply(t).code for t in tags], ["FORBIDDEN"] * 3,
                  "%s has no rights to %s" % (name, account))
            return
        bank.refuse(bank.next_request("BALANCE"), "NO_SUCH_ACCOUNT")
        bank.refuse(bank.next_request("HISTORY"), "NO_SUCH_ACCOUNT")
        bank.refuse(bank.next_request("PREPARE"), "NO_SUCH_ACCOUNT")
        if bank is not b:
            b.vote(b.next_request("PREPARE"))
            b.aborted(b.next_request("ABORT"))
        equal([peer.reply(t).code for t in tags], ["NO_SUCH_ACCOUNT"] * 3,
              "%s has rights to %s" % (name, account))

    asks("alice", "alice@BankA", a)
    asks("alice", "a.smith@BankB", b)
    asks("alice", "alice@BankB", None)
    asks("alice", "bob@BankB", None)
    asks("alice", "Alice@BankA", None)
    asks("alice", "none@Nowhere", None)
    asks("desk", "anybody@BankA", a)
    asks("desk", "shop@BankB", b)
    asks("desk", "c.jones@BankB", b)
    asks("desk", "c@BankB", None)
    asks("desk", "shopper@BankB", None)
    asks("desk", "anybody@BankC", None)
    a.close()
    b.close()


def accounts(gateway):
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    peer = gateway.client()
    login(peer, "alice")
    tag = peer.ask("ACCOUNTS")
    later = peer.ask("PING")
    a.answer(a.next_request("BALANCE"), account="alice", currency="CZK",
             posted=1, held=0, available=1, seq=1)
    b.refuse(b.next_request("BALANCE"), "NO_SUCH_ACCOUNT")
    rows, reply = peer.rows_and_reply(tag)
    equal(reply.code, "OK", "ACCOUNTS is answered once")
    equal([(r["account"], r["currency"]) for r in rows],
          [("alice@BankA", "CZK"), ("a.smith@BankB", ""), ("al@BankC", "")],
          "with a row for each linked account; no currency where the bank "
          "does not know it, or has never registered")
    equal(peer.reply(later).code, "OK", "what came behind it is answered")
    b.close()
    b = None
    for _ in range(2):
        tag = peer.ask("ACCOUNTS")
        a.answer(a.next_request("BALANCE"), account="alice", currency="EUR",
                 posted=1, held=0, available=1, seq=1)
        rows, reply = peer.rows_and_reply(tag)
    equal([(r["account"], r["currency"]) for r in rows][:2],
          [("alice@BankA", "EUR"), ("a.smith@BankB", "")],
          "the currency is empty while a bank is away")
    login(peer, "desk")
    equal(peer.rows("ACCOUNTS")[0], [],
          "patterns are no linked accounts")
    # Gone while its bank is asked.
    peer = gateway.login()
    peer.ask("ACCOUNTS")
    question = a.next_request("BALANCE")
    peer.close()
    a.answer(question, account="alice", currency="EUR", posted=1, held=0,
             available=1, seq=1)
    equal(gateway.client().call("PING").code, "OK",
          "a client that leaves meanwhile hurts nobody")
    a.close()


def slow_bank(place):
    gateway = Gatewayd(place, users=USERS,
                       payments={"prepare_timeout": "300ms"})
    gateway.start()
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    peer = gateway.login()
    rows, reply = peer.rows("ACCOUNTS")
    equal((reply.code, [r["currency"] for r in rows]), ("OK", ["", "", ""]),
          "a bank that does not answer in time counts as away")
    a.answer(a.next_request("BALANCE"), account="alice", currency="EUR",
             posted=1, held=0, available=1, seq=1)
    equal(peer.call("PING").code, "OK", "and its late answer goes nowhere")
    peer = gateway.client()
    equal(login(peer, "carol", bank="BankB").code, "BANK_TIMEOUT",
          "likewise a login")
    equal(login(peer, "alice").code, "OK", "another is possible then")
    b.close()


# ---- Customers of a bank ----

def bank_logins(gateway):
    bank = FakeBank(gateway, "BankA").register()
    peer = gateway.client("bank-shop")
    tag = peer.ask("LOGIN", user="carol", password="her secret",
                   bank="BankA")
    question = bank.next_request("AUTHENTICATE")
    equal((question["user"], question["password"]), ("carol", "her secret"),
          "LOGIN with bank= is asked of that bank")
    bank.answer(question, account="carol.1", roles="history,balance")
    reply = peer.reply(tag)
    equal((reply.code, reply.get("user"), reply.get("roles")),
          ("OK", "carol@BankA", "balance,history"),
          "the session is USER@BANK, with the roles that the bank gave")
    rows, _ = [], peer.ask("ACCOUNTS")
    bank.answer(bank.next_request("BALANCE"), account="carol.1",
                currency="CZK", posted=1, held=0, available=1, seq=1)
    rows, _ = peer.rows_and_reply(_)
    equal([r["account"] for r in rows], ["carol.1@BankA"],
          "and holds that bank's account only")
    equal(peer.call("BALANCE", account="carol@BankA").code, "FORBIDDEN",
          "not another one")
    equal(peer.call("PAY", payment("carol.1@BankA")).code, "FORBIDDEN",
          "and no role that the bank did not give")

    tag = peer.ask("LOGIN", user="carol", password="wrong", bank="BankA")
    bank.refuse(bank.next_request("AUTHENTICATE"), "BAD_CREDENTIALS")
    equal(peer.reply(tag).code, "BAD_CREDENTIALS",
          "the bank refuses: BAD_CREDENTIALS")
    tag = peer.ask("LOGIN", user="carol", password="x", bank="BankA")
    bank.refuse(bank.next_request("AUTHENTICATE"), "OVERLOADED")
    equal(peer.reply(tag).code, "OVERLOADED", "the bank is overloaded")
    tag = peer.ask("LOGIN", user="carol", password="x", bank="BankA")
    bank.refuse(bank.next_request("AUTHENTICATE"), "HEURISTIC")
    equal(peer.reply(tag).code, "INTERNAL",
          "what makes no sense is INTERNAL to the client")
    for code in ("TOKEN_EXPIRED", "LOCKED_OUT", "NO_SUCH_BANK",
                 "BANK_UNAVAILABLE", "NO_SUCH_ACCOUNT"):
        mark = gateway.daemon.mark()
        tag = peer.ask("LOGIN", user="carol", password="x", bank="BankA")
        bank.refuse(bank.next_request("AUTHENTICATE"), code)
        equal(peer.reply(tag).code, "INTERNAL", "nor is %s a bank's" % code)
        ok(gateway.daemon.wait_for("bank BankA answered " + code, mark),
           "the log names the bank")
    mark = gateway.daemon.mark()
    tag = peer.ask("LOGIN", user="carol", password="x", bank="BankA")
    bank.answer(bank.next_request("AUTHENTICATE"), account="carol",
                roles="balance,admin")
    equal(peer.reply(tag).code, "INTERNAL", "a role that there is not")
    ok(gateway.daemon.wait_for(r"roles.*bank=BankA.*balance,admin", mark),
       "the log names the bank")
    equal(login(peer, "carol", bank="Nowhere").code, "BAD_CREDENTIALS",
          "an unknown bank: BAD_CREDENTIALS")
    equal(peer.call("LOGIN", user="carol", bank="BankA").code,
          "BAD_CREDENTIALS", "without a password: BAD_CREDENTIALS")
    equal(bank.pending_requests(), [], "which the bank is not asked for")

    tag = peer.ask("LOGIN", user="dave", password="x", bank="BankA")
    bank.next_request("AUTHENTICATE")
    bank.close()
    equal(peer.reply(tag).code, "BANK_UNAVAILABLE",
          "the bank's connection breaks meanwhile: BANK_UNAVAILABLE")
    equal(login(peer, "dave", bank="BankA").code, "BANK_UNAVAILABLE",
          "a bank that is away: BANK_UNAVAILABLE")

    # The session that asked is gone when the bank answers.
    bank = FakeBank(gateway, "BankA").register()
    gone = gateway.client("bank-shop")
    gone.ask("LOGIN", user="erin", password="x", bank="BankA")
    question = bank.next_request("AUTHENTICATE")
    gone.close()
    bank.answer(question, account="erin", roles="pay")
    equal(gateway.client().call("PING").code, "OK",
          "a client that leaves meanwhile hurts nobody")
    bank.close()


# ---- Lockout ----

def lockouts(place):
    gateway = Gatewayd(place, users=USERS, sessions={"login_burst": 3})
    gateway.start()
    peer = gateway.client("c1")

    def fail(name, count, certificate=peer):
        return [login(certificate, name, "wrong").code for _ in range(count)]

    equal(fail("alice", 3), ["BAD_CREDENTIALS"] * 3,
          "login_burst failures are BAD_CREDENTIALS")
    reply = login(peer, "alice")
    equal(reply.code, "LOCKED_OUT", "then LOCKED_OUT, whatever the password")
    equal((reply.get("after"), reply.get("retry")), ("1", "login"),
          "for a second")
    equal(login(peer, "bob").code, "OK", "another user is not locked out")
    other = gateway.client("c2")
    equal(login(other, "alice").code, "OK",
          "nor the same one with another certificate")
    equal(fail("mallory", 3), ["BAD_CREDENTIALS"] * 3,
          "unknown users fail likewise")
    equal(login(peer, "mallory").code, "LOCKED_OUT",
          "and are locked out likewise")

    def wait_out(name, password):
        while True:
            reply = login(peer, name, password)
            if reply.code != "LOCKED_OUT":
                return reply
            time.sleep(0.1)

    equal(wait_out("alice", "wrong").code, "BAD_CREDENTIALS",
          "after the wait it may try again")
    reply = login(peer, "alice")
    ok(reply.code == "LOCKED_OUT" and reply["after"] == "2",
       "one more failure doubles the wait")
    equal(wait_out("alice", PASSWORD).code, "OK",
          "a good login after it is OK")
    equal(fail("alice", 2) + [login(peer, "alice").code],
          ["BAD_CREDENTIALS"] * 2 + ["OK"], "and resets the pair")
    equal(fail("alice", 2) + [login(peer, "alice").code],
          ["BAD_CREDENTIALS"] * 2 + ["OK"], "each time")

    # Customers of banks are counted by USER@BANK.
    equal([login(peer, "bob", "x", bank="Nowhere").code for _ in range(4)],
          ["BAD_CREDENTIALS"] * 3 + ["LOCKED_OUT"],
          "logins with bank= are counted, too")
    equal(login(peer, "bob").code, "OK", "and are another pair")

    # What guesses no password locks out nobody who knows it.
    def without(count):
        return [peer.call("LOGIN", user="alice").code for _ in range(count)]

    equal(without(4), ["BAD_CREDENTIALS"] * 3 + ["LOCKED_OUT"],
          "logins without a password are counted, too")
    equal(login(peer, "alice").code, "OK",
          "and do not lock out one with the password")
    equal(without(1), ["LOCKED_OUT"], "which does not reset them")
    begun = time.monotonic()
    tags = [peer.ask("LOGIN", user="alice") for _ in range(5)]
    equal([peer.reply(tag).code for tag in tags], ["LOCKED_OUT"] * 5,
          "a flood of them is answered")
    ok(time.monotonic() - begun >= 0.4, "one in a tenth of a second")

    # Guesses side by side are all asked before the first has failed.
    crowd = [gateway.client("c4") for _ in range(12)]
    tags = [one.ask("LOGIN", user="alice", password="wrong") for one in crowd]
    last = gateway.client("c4")
    tag = last.ask("LOGIN", user="alice", password=PASSWORD)
    codes = [one.reply(t).code for one, t in zip(crowd, tags)]
    equal((codes.count("BAD_CREDENTIALS"), codes.count("LOCKED_OUT")), (3, 9),
          "of many guesses at once only login_burst learn anything")
    equal(last.reply(tag).code, "LOCKED_OUT",
          "and the right one among them is not let in")

    # A certificate: ten times as many, over all users.
    thief = gateway.client("c3")
    codes = [login(thief, "user%d" % (i % 15), "wrong").code
             for i in range(30)]
    equal(codes, ["BAD_CREDENTIALS"] * 30,
          "ten times login_burst failures on one certificate")
    equal(login(thief, "alice").code, "LOCKED_OUT",
          "then the certificate is locked out")
    equal(login(gateway.client("c3"), "alice").code, "LOCKED_OUT",
          "on any connection")
    equal(login(peer, "alice").code, "OK", "others are not")
    gateway.stop()
    gateway.start()
    equal(login(gateway.client("c3"), "alice").code, "OK",
          "a restart forgets")


# ---- CANCEL, STATUS ----

def status(gateway):
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    alice, bob = gateway.login("alice"), gateway.login("bob")
    fields = payment(memo="for \u010d, 100 %")
    equal(alice.call("STATUS", id=fields["id"]).code, "NOT_FOUND",
          "an unknown id: NOT_FOUND")
    tag = alice.ask("PAY", fields)
    prepare = a.next_request("PREPARE")
    equal(prepare.get("memo"), "for \u010d, 100 %", "the memo comes along")
    reply = alice.call("STATUS", id=fields["id"])
    equal((reply.code, reply.get("state"), reply.get("attempts")),
          ("OK", "preparing", "1"), "while it is voted on: preparing")
    equal(bob.call("STATUS", id=fields["id"]).code, "NOT_FOUND",
          "another's payment: NOT_FOUND")
    equal(bob.call("CANCEL", id=fields["id"]).code, "NOT_FOUND",
          "CANCEL of another's: NOT_FOUND")
    a.vote(prepare)
    b.commit_one()
    paid = alice.reply(tag)
    reply = alice.call("STATUS", id=fields["id"])
    equal([reply.get(k) for k in ("id", "state", "from", "to", "amount",
                                  "currency", "seq", "time", "reason")],
          [fields["id"], "committed", "alice@BankA", "bob@BankB", "1000",
           "CZK", paid["seq"], paid["time"], None],
          "committed: all of it, with the decision's seq and time")
    equal(reply.get("pending"), "BankA,BankB",
          "and who has not yet acknowledged")
    a.acknowledge(a.next_request("COMMIT"))
    while alice.call("STATUS", id=fields["id"]).get("pending") != "BankB":
        pass
    b.acknowledge(b.next_request("COMMIT"))
    while alice.call("STATUS", id=fields["id"]).get("pending"):
        pass
    ok(True, "until all have")

    fields = payment()
    tag = alice.ask("PAY", fields)
    a.refuse(a.next_request("PREPARE"), "INSUFFICIENT_FUNDS")
    alice.reply(tag)
    reply = alice.call("STATUS", id=fields["id"])
    equal((reply["state"], reply.get("reason")),
          ("aborted", "INSUFFICIENT_FUNDS"), "aborted: with its reason")
    equal(bob.call("STATUS", id=fields["id"]).code, "NOT_FOUND",
          "an ended payment of another's: NOT_FOUND")
    a.close()
    b.close()


def cancels(gateway):
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    alice, bob = gateway.login("alice"), gateway.login("bob")

    def cancelled(reply, what):
        equal((reply.code, reply.get("state"), reply.get("reason")),
              ("OK", "aborted", "CANCELLED"), what)

    fields = payment()
    cancelled(alice.call("CANCEL", id=fields["id"]),
              "an unknown id becomes aborted for good")
    cancelled(alice.call("CANCEL", id=fields["id"]), "again: OK again")
    equal([(r["reason"], r["final"], r["user"])
           for r in gateway.records("ABORT") if r["id"] == fields["id"]],
          [("CANCELLED", "yes", "alice")], "a record says so, once")
    reply = alice.call("PAY", fields)
    equal((reply.code, reply.get("state"), reply.get("reason")),
          ("ALREADY_EXISTS", "aborted", "CANCELLED"),
          "PAY on one's own tombstone: ALREADY_EXISTS")
    equal(alice.call("PAY", dict(fields, amount=1)).get("reason"),
          "CANCELLED", "whatever the payload")
    equal(bob.call("PAY", dict(payment("bob@BankB", "x@BankA"),
                               id=fields["id"])).code, "ID_REUSED",
          "PAY on another's: ID_REUSED")
    equal(bob.call("CANCEL", id=fields["id"]).code, "NOT_FOUND",
          "CANCEL of another's tombstone: NOT_FOUND")
    equal(bob.call("STATUS", id=fields["id"]).code, "NOT_FOUND",
          "STATUS of another's tombstone: NOT_FOUND")
    reply = alice.call("STATUS", id=fields["id"])
    equal((reply["state"], reply["reason"], reply.get("from"),
           reply.get("to"), reply.get("amount"), reply.get("currency")),
          ("aborted", "CANCELLED", None, None, None, None),
          "STATUS of a tombstone omits what it never had")

    fields = payment()
    tag = alice.ask("PAY", fields)
    prepares = a.next_request("PREPARE"), b.next_request("PREPARE")
    reply = alice.call("CANCEL", id=fields["id"])
    equal((reply.code, reply.get("state")), ("IN_PROGRESS", "preparing"),
          "one being prepared: IN_PROGRESS")
    a.vote(prepares[0])
    b.vote(prepares[1])
    paid = alice.reply(tag)
    equal(paid.get("state"), "committed", "which goes on")
    for when in ("unacknowledged", "ended"):
        reply = alice.call("CANCEL", id=fields["id"])
        equal((reply.code, reply.get("state"), reply.get("seq")),
              ("ALREADY_EXISTS", "committed", paid["seq"]),
              "committed, %s: ALREADY_EXISTS with its state" % when)
        if when == "ended":
            break
        a.acknowledge(a.next_request("COMMIT"))
        b.acknowledge(b.next_request("COMMIT"))
        while alice.call("STATUS", id=fields["id"]).get("pending"):
            pass

    fields = payment()
    tag = alice.ask("PAY", fields)
    a.refuse(a.next_request("PREPARE"), "ACCOUNT_CLOSED")
    b.commit_one()
    b.aborted(b.next_request("ABORT"))
    equal(alice.reply(tag).code, "ACCOUNT_CLOSED", "aborted for good")
    reply = alice.call("CANCEL", id=fields["id"])
    equal((reply.code, reply.get("state"), reply.get("reason")),
          ("ALREADY_EXISTS", "aborted", "ACCOUNT_CLOSED"),
          "CANCEL of it: ALREADY_EXISTS with its reason")

    fields = payment(hold="no")
    tag = alice.ask("PAY", fields)
    a.refuse(a.next_request("PREPARE"), "OVERLOADED")
    b.vote(b.next_request("PREPARE"))
    equal(alice.reply(tag).code, "OVERLOADED",
          "aborted for a passing reason")
    cancelled(alice.call("CANCEL", id=fields["id"]),
              "CANCEL of it: aborted for good")
    reply = alice.call("PAY", fields)
    equal((reply.code, reply.get("reason")), ("ALREADY_EXISTS", "CANCELLED"),
          "and not to be tried again")
    reply = alice.call("STATUS", id=fields["id"])
    equal((reply.get("state"), reply.get("amount")), ("aborted", "1000"),
          "STATUS still knows its payload")

    b.close()
    fields = payment()
    while True:
        reply = alice.call("PAY", fields)
        if reply.get("state") == "held":
            break
        fields = payment()
    equal(reply.get("bank"), "BankB", "a held payment")
    cancelled(alice.call("CANCEL", id=fields["id"]),
              "CANCEL of it: aborted for good")
    b = FakeBank(gateway, "BankB").register()
    equal(alice.call("STATUS", id=fields["id"])["reason"], "CANCELLED",
          "and it stays so when the bank is back")
    gateway.crash()
    gateway.start()
    alice = gateway.login("alice")
    equal(alice.call("STATUS", id=fields["id"])["reason"], "CANCELLED",
          "and after a crash")


# ---- HISTORY ----

def history(gateway):
    bank = FakeBank(gateway, "BankA").register()
    peer = gateway.login()
    entry = strife.new_id()
    row = dict(seq=9, time="2026-01-02T03:04:05.000006Z", id=entry,
               kind="payment", amount=-1000, currency="CZK", balance=5,
               peer="bob@BankB", memo="t\u00e9 & =")
    opening = dict(seq=2, time="2026-01-02T03:04:05.000006Z", id="",
                   kind="open", amount=1005, currency="CZK", balance=1005,
                   peer="", memo="")
    tag = peer.ask("HISTORY", account="alice@BankA", limit=2,
                   since="2026-01-01T00:00:00.000000Z", before="7:8",
                   until="2026-01-02T00:00:00.000000Z")
    question = bank.next_request("HISTORY")
    equal([question.get(k) for k in ("account", "limit", "since", "until",
                                     "before")],
          ["alice", "2", "2026-01-01T00:00:00.000000Z",
           "2026-01-02T00:00:00.000000Z", "7:8"],
          "HISTORY is asked of the account's bank, with limit and cursors")
    bank.send(strife.line(question.tag, "ROW", row))
    bank.send(strife.line(question.tag, "ROW", opening))
    bank.answer(question, next="5:6")
    rows, reply = peer.rows_and_reply(tag)
    equal([r.fields for r in rows],
          [{k: str(v) for k, v in r.items()} for r in (row, opening)],
          "its rows come through as they are")
    equal((reply.code, reply.get("next")), ("OK", "5:6"),
          "and the cursor of the next page")
    tag = peer.ask("HISTORY", account="alice@BankA")
    question = bank.next_request("HISTORY")
    bank.answer(question)
    rows, reply = peer.rows_and_reply(tag)
    equal((rows, reply.get("next")), ([], None),
          "the last page has no cursor")
    tag = peer.ask("HISTORY", account="alice@BankA", before="nonsense")
    bank.refuse(bank.next_request("HISTORY"), "BAD_REQUEST", field="before")
    reply = peer.reply(tag)
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "before"),
          "a bad cursor is BAD_REQUEST")
    for verb in ("HISTORY", "BALANCE"):
        for code in ("TOKEN_EXPIRED", "BAD_CREDENTIALS", "FENCED",
                     "INSUFFICIENT_FUNDS", "BANK_TIMEOUT"):
            mark = gateway.daemon.mark()
            tag = peer.ask(verb, account="alice@BankA")
            bank.refuse(bank.next_request(verb), code)
            equal(peer.reply(tag).code, "INTERNAL",
                  "%s cannot be answered with %s" % (verb, code))
            ok(gateway.daemon.wait_for("bank BankA answered " + code, mark),
               "the log names the bank")
    mark = gateway.daemon.mark()
    tag = peer.ask("BALANCE", account="alice@BankA")
    bank.answer(bank.next_request("BALANCE"), account="bob", currency="CZK",
                posted=1, held=0, available=1, seq=1)
    equal(peer.reply(tag).code, "INTERNAL",
          "nor with another account's balance")
    ok(gateway.daemon.wait_for("bank BankA .*alice.*bob", mark),
       "the log tells whose")
    tags = [peer.ask("HISTORY", account="alice@BankA") for _ in range(12)]
    for _ in tags:
        question = bank.next_request("HISTORY")
        for _ in range(50):
            bank.send(strife.line(question.tag, "ROW", row))
        bank.answer(question)
    equal([len(peer.rows_and_reply(t)[0]) for t in tags], [50] * 12,
          "many histories can be asked for in one go")
    tag = peer.ask("HISTORY", account="alice@BankA")
    bank.send(strife.line(bank.next_request("HISTORY").tag, "ROW", row))
    bank.close()
    equal(peer.reply(tag).code, "BANK_UNAVAILABLE",
          "the connection breaks in the middle: BANK_UNAVAILABLE")
    equal(peer.call("HISTORY", account="alice@BankA").code,
          "BANK_UNAVAILABLE", "a bank that is away: BANK_UNAVAILABLE")
    equal(peer.call("BALANCE", account="al@BankC").code, "NO_SUCH_BANK",
          "one that never registered: NO_SUCH_BANK")


for test in (logins, roles, rights, accounts, bank_logins, status, cancels,
             history):
    with strife.Place() as place:
        strife.note(test.__name__)
        gateway = Gatewayd(place, users=USERS, sessions={"login_burst": 100})
        gateway.start()
        test(gateway)
        equal(gateway.stop(), 0, "it stops well")
for test in (slow_bank, lockouts):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

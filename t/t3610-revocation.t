#!/usr/bin/python3
# LOGOUT and REVOKE: tokens and sessions that end, durably, and what goes on.
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
import tokens
from gatewaytest import (FakeBank, Gatewayd, PASSWORD, payment, token_key,
                         user)
from strife import equal, like, ok

USERS = {
    "alice": user(["alice@BankA"]),
    "bob": user(["bob@BankA"]),
    "cron": {"certificates": ["billing-host"], "roles": ["pay"],
             "accounts": ["shop@BankA"]},
}


def login(gateway, name="alice"):
    """(connection, token)"""
    peer = gateway.client()
    reply = peer.call("LOGIN", user=name, password=PASSWORD)
    if reply.code != "OK":
        raise RuntimeError("LOGIN: %r" % reply)
    return peer, reply.get("token")


def jti_of(token):
    return tokens.parts(token)[1]["jti"]


def number(jti):
    return tuple(map(int, jti.split(".")))


def code_of(peer):
    """What a request that needs a session is answered."""
    return peer.call("STATUS", id=strife.new_id()).code


def auth(gateway, token):
    peer = gateway.client()
    return peer, peer.call("AUTH", token=token).code


def revoke(gateway, name):
    run = gateway.place.run("strife-ctl", "-c", gateway.config, "revoke", name)
    equal((run.status, run.stdout, run.stderr()), (0, b"", ""),
          "strife-ctl revoke %s" % name)


def logout(gateway):
    peer, token = login(gateway)
    same, code = auth(gateway, token)
    equal(code, "OK", "two connections, one token")
    other, kept = login(gateway)
    equal(peer.call("LOGOUT").code, "OK", "LOGOUT")
    equal(code_of(peer), "UNAUTHENTICATED", "ends the session")
    equal([r["jti"] for r in gateway.records("REVOKE")], [jti_of(token)],
          "a record is there when it is answered")
    equal(code_of(same), "TOKEN_REVOKED",
          "the other connection is told: TOKEN_REVOKED")
    equal(code_of(same), "UNAUTHENTICATED", "once")
    equal(auth(gateway, token)[1], "TOKEN_REVOKED", "the token is refused")
    equal(code_of(other), "NOT_FOUND", "another one of that user is not")
    equal(peer.call("LOGIN", user="alice", password=PASSWORD).code, "OK",
          "nor a new LOGIN")
    gateway.crash()
    gateway.start()
    equal(auth(gateway, token)[1], "TOKEN_REVOKED",
          "revoked then gateway restarted: TOKEN_REVOKED")
    equal(auth(gateway, kept)[1], "OK", "the other one is good still")
    gateway.stop()
    gateway.start()
    equal(auth(gateway, token)[1], "TOKEN_REVOKED", "for good")
    peer, token = login(gateway)
    peer.send("a LOGOUT\nb STATUS id=%s\nc LOGOUT" % strife.new_id())
    equal([peer.reply(tag).code for tag in "abc"],
          ["OK", "UNAUTHENTICATED", "UNAUTHENTICATED"],
          "requests behind a LOGOUT find no session")


def revoked(gateway):
    bank = FakeBank(gateway, "BankA").register()
    _, old = login(gateway)
    peer, token = login(gateway)
    same, _ = auth(gateway, token)
    bob, _ = login(gateway, "bob")
    fields = payment(target="bob@BankA")
    tag = peer.ask("PAY", fields)
    prepare = bank.next_request("PREPARE")
    revoke(gateway, "alice")
    equal([code_of(peer), code_of(same)], ["TOKEN_REVOKED"] * 2,
          "while other connections are in session: both are told")
    equal([code_of(peer), code_of(same)], ["UNAUTHENTICATED"] * 2, "once")
    equal([auth(gateway, t)[1] for t in (old, token)], ["TOKEN_REVOKED"] * 2,
          "none of that user's tokens is good")
    equal(code_of(bob), "NOT_FOUND", "somebody else's session goes on")
    bank.vote(prepare)
    bank.acknowledge(bank.next_request("COMMIT"))
    equal(peer.reply(tag).get("state"), "committed",
          "and so does a payment that was accepted before")
    peer, fresh = login(gateway)
    equal(peer.call("STATUS", id=fields["id"]).get("state"), "committed",
          "a new login is good")
    equal(auth(gateway, fresh)[1], "OK", "and so is its token")
    record = gateway.records("REVOKE")[-1]
    equal((record["user"], number(record["upto"]) >= number(jti_of(token)),
           record["who"]), ("alice", True, "uid=%d" % os.getuid()),
          "the record says whose, up to where, and who did it")
    ok(gateway.daemon.wait_for("tokens of alice up to [0-9.]+ are revoked by "
                               "uid="), "it is logged")
    gateway.crash()
    gateway.start()
    equal([auth(gateway, t)[1] for t in (old, token, fresh)],
          ["TOKEN_REVOKED"] * 2 + ["OK"], "a restart changes nothing")


def certificate(gateway):
    host = gateway.client("billing-host")
    reply = host.call("LOGIN", user="cron")
    revoke(gateway, "cron")
    equal(code_of(host), "TOKEN_REVOKED", "a login by certificate ends too")
    equal(host.call("AUTH", token=reply["token"]).code, "TOKEN_REVOKED",
          "with its token")
    equal(host.call("LOGIN", user="cron").code, "OK",
          "who may still log in does")


def customer(gateway):
    """A login at a bank: NAME@BANK."""
    bank = FakeBank(gateway, "BankA").register()
    own, _ = login(gateway)
    peer = gateway.client()
    tag = peer.ask("LOGIN", user="alice", password=PASSWORD, bank="BankA")
    asked = bank.next_request("AUTHENTICATE")
    bank.answer(asked, "OK", account="alice.1", roles="balance,pay")
    reply = peer.reply(tag)
    claims = tokens.parts(reply["token"])[1]
    equal((reply.get("user"), claims["sub"], claims["accounts"],
           claims["roles"]),
          ("alice@BankA", "alice@BankA", ["alice.1@BankA"],
           ["balance", "pay"]), "a bank's customer has a token")
    equal(auth(gateway, reply["token"])[1], "OK", "that is taken")
    revoke(gateway, "alice@BankA")
    equal(code_of(peer), "TOKEN_REVOKED", "REVOKE of NAME@BANK ends it")
    equal(code_of(own), "NOT_FOUND", "and not the gateway's own NAME")
    equal(auth(gateway, reply["token"])[1], "TOKEN_REVOKED",
          "nor is the token good")


def command_line(gateway):
    for name in ("", "a b", "alice@", "alice@1", "@BankA"):
        run = gateway.place.run("strife-ctl", "-c", gateway.config, "revoke",
                                name)
        equal(run.status, 64, "strife-ctl revoke %r: exit 64" % name)
    like(run.stderr(), "is not a user", "and says why")
    control = gateway.control()
    rows, _ = control.rows("STATS")
    count = [int(r["value"]) for r in rows if r["name"] == "revocations"]
    ok(count and count[0] > 2, "STATS tells how many are remembered")


def bounded(place, key):
    gateway = Gatewayd(place, node="gw2", users=USERS, sessions={
        "token_keys": [key], "revoked": 2})
    gateway.start()
    for _ in range(2):
        equal(login(gateway)[0].call("LOGOUT").code, "OK",
              "LOGOUT while there is room")
    peer, token = login(gateway)
    equal(peer.call("LOGOUT").code, "OVERLOADED",
          "sessions.revoked of them: OVERLOADED")
    equal(code_of(peer), "NOT_FOUND", "and the session goes on")
    revoke(gateway, "alice")
    equal(code_of(peer), "TOKEN_REVOKED", "which an operator can end")
    gateway.settings["sessions"]["revoked"] = 1
    gateway.configure()
    gateway.crash()
    run = place.run("strife-gatewayd", "-c", gateway.config)
    equal(run.status, 78, "fewer than the journal has: no start")
    like(run.stderr(), "raise sessions.revoked", "and says what to do")


def without(place):
    """Sessions without tokens."""
    gateway = Gatewayd(place, node="gw3", users=USERS)
    gateway.start()
    peer, _ = login(gateway)
    bob, _ = login(gateway, "bob")
    host = gateway.client("billing-host")
    host.call("LOGIN", user="cron")
    revoke(gateway, "alice")
    equal((code_of(peer), code_of(peer)),
          ("TOKEN_REVOKED", "UNAUTHENTICATED"),
          "without a key REVOKE ends a session, too")
    equal((code_of(bob), code_of(host)), ("NOT_FOUND", "NOT_FOUND"),
          "and no other")
    revoke(gateway, "cron")
    equal(code_of(host), "TOKEN_REVOKED", "nor a login by certificate")
    peer, _ = login(gateway)
    equal(code_of(peer), "NOT_FOUND", "a new login is good")
    gateway.stop()


with strife.Place() as place:
    key = token_key(place)
    gateway = Gatewayd(place, users=USERS, sessions={"token_keys": [key]})
    gateway.start()
    logout(gateway)
    revoked(gateway)
    certificate(gateway)
    customer(gateway)
    command_line(gateway)
    like(gateway.daemon.stderr(), "ready", "it ran to the end")
    gateway.stop()
    run = place.run("strife-journal", "verify", gateway.journal)
    equal(run.status, 0, "strife-journal verify of a journal with REVOKE")
    bounded(place, key)
    without(place)
strife.done()

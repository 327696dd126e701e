#!/usr/bin/python3
# The gateway's log: one line for each request of a client, for each outcome of
# a payment and for each registration; strife-gatewayd(8), LOGGING.
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, PASSWORD, commit, payment, user
from strife import equal, ok

WRONG = "not-the-password"


def fields(text):
    """logfmt as a dict; values in quotes lose them."""
    return {key: value.strip('"') for key, value in
            re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)', text)}


def lines(gateway, **wanted):
    """The log's lines with these fields."""
    return [f for f in map(fields, gateway.daemon.stderr().splitlines())
            if all(f.get(k) == v for k, v in wanted.items())]


def told(gateway, what, wait, **wanted):
    """Waits for the line that `wait` describes, then looks it up."""
    ok(gateway.daemon.wait_for(wait), what + ": a line")
    found = lines(gateway, **wanted)
    equal(len(found), 1, what + ": one line")
    return found[0] if found else {}


def shows(got, what, **want):
    equal({k: got.get(k) for k in want}, want, what)


def sessions(gateway):
    peer = gateway.client()
    address = "127.0.0.1:%d" % peer.sock.getsockname()[1]
    equal(peer.call("LOGIN", user="alice", password=WRONG).code,
          "BAD_CREDENTIALS", "a wrong password")
    got = told(gateway, "a login that fails", "result=BAD_CREDENTIALS",
               msg="request", result="BAD_CREDENTIALS")
    shows(got, "who, from where, by which certificate", verb="LOGIN",
          user="alice", peer=address, certificate="shop", level="warn")
    ok(got.get("duration_us", "").isdigit(), "and how long it took")
    peer.call("LOGIN", user="alice", password=PASSWORD)
    got = told(gateway, "a login", "verb=LOGIN result=OK", msg="request",
               verb="LOGIN", result="OK")
    shows(got, "at level info", level="info", user="alice")
    return peer


def payments(gateway, peer, banks):
    fields_ = payment(amount=1250, memo="secret memo")
    equal(commit(peer, fields_, *banks)["state"], "committed", "a payment")
    got = told(gateway, "it", "verb=PAY id=%s" % fields_["id"],
               msg="request", id=fields_["id"])
    shows(got, "all of it but the memo", level="info", user="alice",
          certificate="shop", verb="PAY", **{"from": "alice@BankA"},
          to="bob@BankB", amount="12.50", currency="CZK", result="OK",
          state="committed", attempts="1")
    got = told(gateway, "its outcome", "msg=committed id=" + fields_["id"],
               msg="committed", id=fields_["id"])
    shows(got, "by its id", level="info", attempts="1")

    refused = payment()
    tag = peer.ask("PAY", refused)
    banks[0].refuse(banks[0].next_request("PREPARE"), "INSUFFICIENT_FUNDS")
    banks[1].vote(banks[1].next_request("PREPARE"))
    equal(peer.reply(tag).code, "INSUFFICIENT_FUNDS", "one that is refused")
    got = told(gateway, "it", "verb=PAY id=" + refused["id"], msg="request",
               id=refused["id"])
    shows(got, "the code, the state and the bank",
          result="INSUFFICIENT_FUNDS", state="aborted", bank="BankA")
    got = told(gateway, "its outcome", "msg=aborted id=" + refused["id"],
               msg="aborted", id=refused["id"])
    shows(got, "why, and that it is final", reason="INSUFFICIENT_FUNDS",
          bank="BankA", final="yes", attempts="1")


def held(gateway, peer, banks):
    """Held, tried again, committed: one line of each."""
    banks[1].close()
    ok(gateway.daemon.wait_for("link down.*BankB"), "a bank goes away")
    fields_ = payment()
    equal(peer.call("PAY", fields_)["state"], "held", "a payment is held")
    got = told(gateway, "it", "msg=held id=" + fields_["id"], msg="held",
               id=fields_["id"])
    shows(got, "why", reason="BANK_UNAVAILABLE", bank="BankB", attempts="1")
    mark = gateway.daemon.mark()
    banks[1] = FakeBank(gateway, "BankB").register()
    ok(gateway.daemon.wait_for("bank registered.*bank=BankB", mark),
       "its return has a line")
    for bank in banks:
        bank.commit_one()
    for bank in banks:
        bank.acknowledge(bank.next_request("COMMIT"))
    ok(gateway.daemon.wait_for(
        "tried again, attempt 2.* id=" + fields_["id"], mark),
       "a line when it is tried again")
    got = told(gateway, "its outcome", "msg=committed id=" + fields_["id"],
               msg="committed", id=fields_["id"])
    shows(got, "of the second attempt", attempts="2")

    cancelled = strife.new_id()
    equal(peer.call("CANCEL", id=cancelled).code, "OK", "CANCEL")
    got = told(gateway, "it", "verb=CANCEL", msg="request", verb="CANCEL")
    shows(got, "its id and end", level="info", id=cancelled,
          state="aborted", reason="CANCELLED", result="OK")


def forbidden(gateway, peer):
    equal(peer.call("BALANCE", account="carol@BankA").code, "FORBIDDEN",
          "another's balance")
    got = told(gateway, "it", "result=FORBIDDEN", msg="request",
               result="FORBIDDEN")
    shows(got, "at level info, with the account", level="info",
          verb="BALANCE", account="carol@BankA", user="alice")
    stranger = gateway.client("kiosk")
    equal(stranger.call("STATUS", id=strife.new_id()).code,
          "UNAUTHENTICATED", "a question without a session")
    got = told(gateway, "it", "result=UNAUTHENTICATED", msg="request",
               result="UNAUTHENTICATED")
    shows(got, "without a user", certificate="kiosk", verb="STATUS",
          user=None)


def unanswered(gateway, banks):
    """Who leaves before the answer has a line as well."""
    peer = gateway.login()
    fields_ = payment(target="dora@BankA")
    peer.ask("PAY", fields_)
    prepare = banks[0].next_request("PREPARE")
    peer.close()
    got = told(gateway, "a client that leaves", "result=unanswered",
               msg="request", result="unanswered")
    shows(got, "by its id", id=fields_["id"], verb="PAY")
    banks[0].vote(prepare)
    banks[0].acknowledge(banks[0].next_request("COMMIT"))
    ok(gateway.daemon.wait_for("msg=committed id=" + fields_["id"]),
       "its payment goes on")


def questions(gateway, peer, level):
    """At debug alone: what changes nothing."""
    mark = gateway.daemon.mark()
    peer.call("PING")
    peer.call("NONSENSE")
    peer.call("STATUS", id="x")
    peer.call("LOGOUT")
    ok(gateway.daemon.wait_for("verb=LOGOUT result=OK", mark),
       "LOGOUT has a line at " + level)
    after = gateway.daemon.stderr().splitlines()[mark:]
    seen = [f["verb"] for f in map(fields, after) if f.get("msg") == "request"]
    equal(seen, ["PING", "NONSENSE", "STATUS", "LOGOUT"]
          if level == "debug" else ["LOGOUT"],
          "questions, and what is no request, have one at debug only")


def unread(gateway):
    """A log that nobody reads holds nobody up."""
    process = subprocess.Popen(
        [strife.program("strife-gatewayd"), "-c", gateway.config],
        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        ready = None
        while not ready:
            ready = re.match(rb"ready clients=\S+:([0-9]+) ",
                             process.stderr.readline())
        gateway.clients_port = int(ready[1])
        peer = gateway.client()
        for _ in range(100):
            tags = [peer.ask("PING") for _ in range(30)]
            if [peer.reply(t).code for t in tags] != ["OK"] * 30:
                break
        else:
            ok(True, "3,000 requests are answered, with a line each that "
               "finds no room in the pipe")
        process.terminate()
        rest = process.stderr.read()
        equal(process.wait(strife.WAIT_S), 0, "and the gateway ends")
        ok(rest.endswith(b"\n") and len(rest) > 100000,
           "whoever reads it then finds whole lines")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


with strife.Place() as place:
    gateway = Gatewayd(place, log={"level": "info"})
    gateway.start()
    banks = [FakeBank(gateway, name).register() for name in
             ("BankA", "BankB")]
    for name in ("BankA", "BankB"):
        ok(gateway.daemon.wait_for('msg="bank registered" bank=%s ' % name),
           name + "'s registration has a line")
    alice = sessions(gateway)
    payments(gateway, alice, banks)
    held(gateway, alice, banks)
    forbidden(gateway, alice)
    unanswered(gateway, banks)
    questions(gateway, alice, "info")
    log = gateway.daemon.stderr()
    for secret, what in ((PASSWORD, "a password"), (WRONG, "a wrong one"),
                         ("secret memo", "a memo")):
        ok(secret not in log and strife.encode(secret) not in log,
           what + " is nowhere in the log")
    equal(gateway.stop(), 0, "the gateway ends")
    gateway.settings["log"] = {"level": "debug"}
    gateway.configure()
    gateway.start()
    alice = gateway.login()
    ok(gateway.daemon.wait_for("verb=LOGIN result=OK"), "at debug")
    questions(gateway, alice, "debug")
    equal(gateway.stop(), 0, "the gateway ends")
    unread(gateway)
strife.done()

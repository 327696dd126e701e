#!/usr/bin/python3
# The bank listener: the gateway's rules in strife-protocol(7), with banks that
# are driven line by line.
import os
import sys
import time
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, commit, payment, user
from strife import equal, like, ok

USERS = {"alice": user(["alice@BankA"]), "bob": user(["bob@BankB"])}
CHECK = "%032x" % 0xabc


def both(gateway):
    return (FakeBank(gateway, "BankA").register(),
            FakeBank(gateway, "BankB").register())


def bank_row(gateway, name):
    rows, _ = gateway.control().rows("BANKS")
    return [r for r in rows if r["bank"] == name][0]


def await_records(gateway, kind, count):
    """The records of a kind, once there are so many: some wait a little for a
    flush that others need."""
    while len(gateway.records(kind)) < count:
        pass
    return gateway.records(kind)


def settled(client, fields):
    """Waits until every bank has acknowledged."""
    while client.call("STATUS", id=fields["id"]).get("pending"):
        pass


# ---- HELLO, REGISTER ----

def greeting(gateway):
    bank = FakeBank(gateway, "BankA")
    equal(bank.call("PING").code, "BAD_REQUEST",
          "PING before HELLO is BAD_REQUEST")
    equal(bank.say_register().code, "BAD_REQUEST",
          "REGISTER before HELLO is BAD_REQUEST")
    equal(bank.call("LOGIN", user="alice").code, "BAD_REQUEST",
          "and so is what is no verb of theirs")
    equal(bank.hello(proto=2).code, "UNSUPPORTED_PROTO",
          "another version is UNSUPPORTED_PROTO")
    reply = bank.hello(window=0)
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "window"),
          "a window of 0 is BAD_REQUEST")
    reply = bank.hello()
    equal([reply.get(k) for k in ("proto", "node", "window", "epoch",
                                  "heartbeat")],
          ["1", "gw1", "32", "1", "60"],
          "HELLO tells proto, node, window, epoch and heartbeat")
    equal(bank.hello().code, "BAD_REQUEST", "a second HELLO is BAD_REQUEST")
    equal(bank.call("LOGIN", user="alice").code, "UNKNOWN_VERB",
          "a client's verb is unknown to banks")
    equal(bank.call("PING").code, "OK", "PING is answered")
    equal(bank.call("RESOLVE", id=strife.new_id(), branch="gw1.1.1",
                    peer="x@BankB").code, "BAD_REQUEST",
          "RESOLVE before REGISTER is BAD_REQUEST")
    equal(bank.say_register(bank="BankB").code, "FORBIDDEN",
          "REGISTER as another bank is FORBIDDEN")
    reply = bank.say_register(gateway_seq=1)
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "gateway_check"),
          "half a proof is BAD_REQUEST")
    reply = bank.say_register()
    equal((reply.code, reply.get("proven_seq")), ("OK", None),
          "REGISTER is OK; nothing is proven yet")
    equal(bank.say_register().code, "BAD_REQUEST",
          "a second one on the same connection is BAD_REQUEST")
    equal([(r["bank"], r["journal"]) for r in gateway.records("BANK")],
          [("BankA", bank.journal)], "the bank's journal is recorded")
    equal(bank_row(gateway, "BankA")["state"], "up", "and the bank is up")
    bank.close()
    while bank_row(gateway, "BankA")["state"] == "up":
        pass
    ok(True, "until its connection breaks")


def proofs(gateway):
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    commit(client, fields, a, b)
    settled(client, fields)
    a.close()
    record = gateway.records("COMMIT")[0]
    end = await_records(gateway, "END", 1)
    a = FakeBank(gateway, "BankA")
    a.hello()
    reply = a.say_register()
    equal((reply.get("proven_seq"), reply.get("proven_check")),
          ("2", "%032x" % 0xb002),
          "REGISTER is answered with the newest proof: an acknowledgement")
    like(record["proofs"], r"^BankA:1:%032x,BankB:1:%032x$" % (0xb001, 0xb001),
         "COMMIT records the votes' proofs")
    like(end[0]["proofs"], r"^BankA:2:%032x,BankB:2:%032x$" % (0xb002, 0xb002),
         "END those of the acknowledgements")
    gateway.crash()
    gateway.start()
    for name in ("BankA", "BankB"):
        bank = FakeBank(gateway, name)
        bank.hello()
        reply = bank.say_register()
        equal((reply.code, reply.get("proven_seq")), ("OK", "2"),
              "%s: so it is after a crash" % name)
    ok(a.closes(), "a crash ends the links")


def fencing(place):
    gateway = Gatewayd(place, users=USERS)
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    commit(client, fields, a, b)
    settled(client, fields)
    a.close()
    b.close()
    told = a.state["told"]

    def fenced(what, order, **changes):
        mark = gateway.daemon.mark()
        bank = FakeBank(gateway, "BankA")
        bank.hello()
        reply = bank.say_register(**changes)
        equal((reply.code, reply.get("retry")), ("FENCED", "never"),
              what + ": FENCED")
        ok(bank.closes(), what + ": and closed")
        ok(gateway.daemon.wait_for(
            r"level=crit .*FENCED.*BankA.*strife-ctl " + order, mark),
           what + ": the log says so, and what can be done")
        equal(bank_row(gateway, "BankA")["state"], "fenced",
              what + ": BANKS shows it")

    fenced("a lower seq than it has proven", "rebind", seq=1)
    fenced("another journal", "rebind", journal=str(uuid.uuid4()))
    stats = {r["name"]: r["value"]
             for r in gateway.control().rows("STATS")[0]}
    equal(stats["truncated"], "0", "the gateway trusts its own journal")
    equal(client.call("PAY", payment()).get("state"), "held",
          "a fenced bank is away: payments are held")
    good = FakeBank(gateway, "BankA").register()
    equal(bank_row(gateway, "BankA")["state"], "up",
          "with the right journal it is welcome again")
    copy = FakeBank(gateway, "BankA")
    copy.hello()
    equal(copy.say_register(journal=str(uuid.uuid4())).code, "FENCED",
          "a second one beside it is fenced")
    equal(bank_row(gateway, "BankA")["state"], "up",
          "and does not harm the one that is connected")
    good.close()
    while bank_row(gateway, "BankA")["state"] == "up":
        pass
    fenced("a record of ours with another check", "waive",
           gateway_seq=told[0], gateway_check=CHECK)
    fenced("a record of ours that we do not have", "waive",
           gateway_seq=10 ** 6, gateway_check=CHECK)
    stats = {r["name"]: r["value"]
             for r in gateway.control().rows("STATS")[0]}
    equal(stats["truncated"], "1",
          "then this start is treated as truncated")
    FakeBank(gateway, "BankA").register(gateway_seq=told[0],
                                        gateway_check=told[1])
    ok(True, "a bank that shows a good record is welcome")

    fresh = str(uuid.uuid4())
    control = gateway.control()
    equal(control.call("REBIND", bank="BankX", journal=fresh).code,
          "NOT_FOUND", "REBIND of an unknown bank: NOT_FOUND")
    for peer in (client,):
        peer.close()
    while bank_row(gateway, "BankA")["state"] == "up":
        gateway.crash()
        gateway.start()
        control = gateway.control()
    equal(control.call("REBIND", bank="BankA", journal=fresh).code, "OK",
          "REBIND is OK")
    equal(FakeBank(gateway, "BankA", journal=fresh).register(seq=1).bank,
          "BankA", "then the bank may come with its new journal")
    bank = FakeBank(gateway, "BankA")
    bank.hello()
    equal(bank.say_register().code, "FENCED", "and no longer with the old")


def waiving(place):
    gateway = Gatewayd(place, users=USERS)
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    commit(client, fields, a, b)
    settled(client, fields)
    a.close()
    lost = dict(gateway_seq=10 ** 6, gateway_check=CHECK)

    def register(**changes):
        bank = FakeBank(gateway, "BankA")
        bank.hello()
        code = bank.say_register(**changes).code
        bank.close()
        while bank_row(gateway, "BankA")["state"] == "up":
            pass
        return code

    def waive():
        equal(gateway.control().call("WAIVE", bank="BankA").code, "OK",
              "WAIVE")

    equal(register(), "OK", "nothing is wrong")
    waive()
    equal(register(**lost), "FENCED", "so nothing was waived")
    waive()
    equal(register(gateway_seq=10 ** 6 + 1, gateway_check=CHECK), "FENCED",
          "what was found is waived, and no other record")
    equal(register(gateway_seq=10 ** 6, gateway_check="%032x" % 7),
          "FENCED", "nor the same with another check")
    equal(register(seq=1, **lost), "FENCED", "nor a shorter journal")
    gateway.crash()
    gateway.start()
    equal(register(**lost), "OK", "after a restart it may register, too")
    equal(register(**lost), "OK", "each time that it shows it")
    gateway.control().call("SNAPSHOT")
    gateway.crash()
    gateway.start()
    equal(register(**lost), "OK", "a snapshot knows of what is waived")


def closed_at_once(gateway):
    """Who is closed is away, whether he closes his own end or not."""
    client = gateway.login()
    a, b = both(gateway)
    tags = [client.ask("PAY", payment(), hold="no"),
            client.ask("BALANCE", account="alice@BankA")]
    prepare = a.next_request("PREPARE")
    b.next_request("PREPARE")
    a.vote(prepare, branch="gw1.1.999")
    try:
        while True:
            a.read_line()
    except strife.Closed:
        pass
    equal(bank_row(gateway, "BankA")["state"], "down",
          "a bank whose link the gateway closes is down then")
    equal([client.reply(tag).code for tag in tags],
          ["BANK_UNAVAILABLE"] * 2, "and whoever waits for it is told")
    a.close()


def replaced(gateway):
    client = gateway.login()
    old, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    prepare = old.next_request("PREPARE")
    b.commit_one()
    new = FakeBank(gateway, "BankA").register()
    ok(old.closes(), "a second REGISTER closes the first connection")
    try:
        old.vote(prepare)
    except (strife.Closed, OSError):
        pass
    reply = client.reply(tag)
    equal((reply.get("state"), reply.get("bank")), ("held", "BankA"),
          "an attempt on the old one breaks: held")
    again = new.next_request("PREPARE")
    equal(again["id"], fields["id"], "and is tried again on the new one")
    ok(again["branch"] != prepare["branch"], "with another branch")
    aborted = b.next_request("ABORT")
    b.aborted(aborted)
    b.commit_one()
    equal(client.call("STATUS", id=fields["id"])["state"], "preparing",
          "a vote on the old connection counted for nothing")
    new.vote(again)
    for bank in (new, b):
        bank.acknowledge(bank.next_request("COMMIT"))
    settled(client, fields)
    equal(client.call("STATUS", id=fields["id"])["state"], "committed",
          "the new one's votes do")

    # A peer with the same certificate and another journal replaces nobody.
    other = FakeBank(gateway, "BankA", journal=str(uuid.uuid4()))
    other.hello()
    equal(other.say_register().code, "FENCED",
          "another journal is fenced")
    equal(new.call("PING").code, "OK",
          "and the bank that is registered stays")

    # Connections that never register do not take every place.
    many = []
    for _ in range(6):
        many.append(FakeBank(gateway, "BankA"))
        many[-1].hello()
    ok(many[0].closes(), "of many that do not register the oldest goes")
    equal(many[-1].call("PING").code, "OK", "the newest stays")
    equal(new.call("PING").code, "OK", "and so does the registered one")
    fresh = FakeBank(gateway, "BankB")
    fresh.hello()
    clients = [FakeBank(gateway, "BankB", role="client") for _ in range(6)]
    equal(clients[-1].call("PING").code, "FORBIDDEN",
          "a client of the bank's name is not welcome")
    equal(fresh.call("PING").code, "OK", "and takes no bank's place")


# ---- Votes ----

def votes(gateway):
    client = gateway.login()

    def broken(what, answer, hold="yes"):
        """A vote that closes the connection; the payment is held."""
        a, b = both(gateway)
        fields = payment(hold=hold)
        tag = client.ask("PAY", fields)
        b.commit_one()
        mark = gateway.daemon.mark()
        prepare = a.next_request("PREPARE")
        answer(a, prepare)
        ok(a.closes(), what + ": closes the connection")
        ok(gateway.daemon.wait_for(r"level=warn .*closing.*bank=BankA", mark),
           what + ": the log says so")
        reply = client.reply(tag)
        equal(reply.get("state"), "held", what + ": is no vote")
        equal(client.call("CANCEL", id=fields["id"]).code, "OK",
              what + ": the payment can be cancelled")
        b.close()
        while bank_row(gateway, "BankB")["state"] == "up":
            pass

    broken("a vote with another id",
           lambda bank, p: bank.vote(p, id=strife.new_id()))
    broken("a vote for another branch",
           lambda bank, p: bank.vote(p, branch="gw1.1.999999"))
    broken("a vote for another node's branch",
           lambda bank, p: bank.vote(p, branch="gw2.1.1"))
    broken("a vote that is not yes",
           lambda bank, p: bank.vote(p, vote="maybe"))
    broken("a vote without seq and check",
           lambda bank, p: bank.answer(p, id=p["id"], branch=p["branch"],
                                       vote="yes"))
    broken("a vote with a check that is none",
           lambda bank, p: bank.vote(p, check="xyz"))
    broken("a refusal without a code",
           lambda bank, p: bank.answer(p, "ERR", retry="never", text="x"))
    broken("rows in answer to PREPARE",
           lambda bank, p: bank.answer(p, "ROW", id=p["id"]))

    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    prepares = a.next_request("PREPARE"), b.next_request("PREPARE")
    for wrong in ("x1", "nonsense", "0", prepares[0].tag[0],
                  prepares[0].tag + "7"):
        a.send(strife.line(wrong, "OK", id=fields["id"],
                           branch=prepares[0]["branch"], vote="yes",
                           **a.proof()))
        a.send(strife.line(wrong, "OK", vote="perhaps"))
        a.send(strife.line(wrong, "ROW"))
    a.send("* EVENT x=y")
    equal(a.call("PING").code, "OK",
          "a reply to no request is ignored, whatever is in it")
    a.refuse(prepares[0], "INSUFFICIENT_FUNDS")
    reply = client.reply(tag)
    equal(reply.code, "INSUFFICIENT_FUNDS", "one says no")
    early = b.next_request("ABORT")
    equal((early["id"], early["branch"]),
          (prepares[1]["id"], prepares[1]["branch"]),
          "the other, not having voted, gets ABORT")
    b.vote(prepares[1])
    late = b.next_request("ABORT")
    equal(late["branch"], prepares[1]["branch"],
          "and a late yes for a branch no longer awaited gets ABORT")
    b.aborted(early)
    b.aborted(late)
    equal(a.pending_requests("ABORT"), [],
          "the one that said no needs none")
    b.aborted(late)
    equal(b.call("PING").code, "OK", "a second answer is ignored")

    fields = payment(hold="no")
    tag = client.ask("PAY", fields)
    b.commit_one()
    a.answer(a.next_request("PREPARE"), "ERR", code="NEWER_THAN_WE",
             retry="new-id", text="because")
    b.aborted(b.next_request("ABORT"))
    reply = client.reply(tag)
    equal((reply.code, reply.get("retry")), ("INTERNAL", "same-id"),
          "a code that this version does not know is a no, and passes")
    equal(a.call("PING").code, "OK", "and no reason to close")


def windows(gateway):
    client = gateway.login()
    a = FakeBank(gateway, "BankA")
    a.hello(window=3)
    a.say_register()
    b = FakeBank(gateway, "BankB").register()
    fields = [payment() for _ in range(6)]
    tags = [client.ask("PAY", f) for f in fields]
    first = [a.next_request("PREPARE") for _ in range(3)]
    try:
        extra = a.next_request("PREPARE", 0.2)
    except strife.Timeout:
        extra = None
    equal(extra, None, "no more requests than the bank's window")
    equal(a.call("PING").code, "OK", "PING is exempt")
    for _ in fields:
        b.commit_one()
    a.vote(first.pop(0))
    fourth = a.next_request()
    ok(fourth, "an answer makes room for the next request")
    while len([t for t in tags if client.has_reply(t)]) < len(tags):
        if fourth.word == "PREPARE":
            a.vote(fourth)
        else:
            a.acknowledge(fourth)
        if first:
            a.vote(first.pop(0))
        client.call("PING")
        if len([t for t in tags if client.has_reply(t)]) < len(tags):
            fourth = a.next_request()
    equal([client.reply(t).get("state") for t in tags], ["committed"] * 6,
          "so all of them are paid in the end")

    # The bank's own requests against our window: RESOLVE is answered at once,
    # so only lines that come together can exceed it.
    mark = gateway.daemon.mark()
    branch = "gw1.%s.900000" % gateway.records("BOOT")[-1]["epoch"]
    a.send("\n".join("r%d RESOLVE id=%s branch=%s peer=x@BankB" %
                     (i, strife.new_id(), branch) for i in range(200)))
    answered = 0
    try:
        for i in range(200):
            if a.reply("r%d" % i).get("outcome") == "abort":
                answered += 1
    except strife.Closed:
        pass
    ok(answered == 200 or
       gateway.daemon.wait_for(r"more requests than our window", mark),
       "past our window a bank is closed, else answered")
    b.close()
    a.close()


def heartbeats(place):
    gateway = Gatewayd(place, users=USERS, limits={"heartbeat": "200ms"})
    gateway.start()
    bank = FakeBank(gateway, "BankA")
    equal(bank.hello()["heartbeat"], "0.2", "HELLO tells the heartbeat")
    bank.say_register()
    bank.answer_pings = False
    ping = bank.next_request("PING")
    bank.answer(ping, time=strife.now())
    ok(ping, "a silent link gets a PING")
    mark = gateway.daemon.mark()
    ok(bank.closes(), "one that is not heard of is closed")
    ok(gateway.daemon.wait_for(r"two heartbeats.*", mark), "with a warning")
    bank = FakeBank(gateway, "BankA").register()
    bank.answer_pings = False
    for _ in range(6):
        bank.answer(bank.next_request("PING"), time=strife.now())
    ok(bank.pings >= 6, "one that answers stays")
    bank.answer_pings = True
    for _ in range(8):
        bank.call("PING")
        time.sleep(0.1)
    ok(True, "and one that asks")
    silent = FakeBank(gateway, "BankB")
    ok(silent.closes(), "so is one that never says HELLO")
    equal(silent.pings, 0, "to which nothing was sent")


# ---- COMMIT ----

def commits(gateway):
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    prepares = a.commit_one(), b.commit_one()
    equal(client.reply(tag).get("state"), "committed",
          "the client is answered before COMMIT is acknowledged")
    first = a.next_request("COMMIT")
    record = gateway.records("COMMIT")[-1]
    equal((first["id"], first["branch"], first["seq"], first["check"]),
          (fields["id"], prepares[0]["branch"], record.tag, record["check"]),
          "COMMIT carries the branch, and seq and check of the decision")
    b.acknowledge(b.next_request("COMMIT"))
    equal(a.call("PING").code, "OK", "once per connection")
    equal(a.pending_requests("COMMIT"), [], "it is not repeated")
    a.close()
    a = FakeBank(gateway, "BankA").register()
    again = a.next_request("COMMIT")
    equal((again["branch"], again["seq"]), (first["branch"], first["seq"]),
          "and again after a reconnect")
    gateway.crash()
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    again = a.next_request("COMMIT")
    equal((again["branch"], again["seq"], again["check"]),
          (first["branch"], first["seq"], first["check"]),
          "and after a crash of the gateway, the same")
    b.acknowledge(b.next_request("COMMIT"))
    mark = gateway.daemon.mark()
    a.refuse(again, "INTERNAL")
    ok(a.closes(), "an ERR to COMMIT closes the connection")
    ok(gateway.daemon.wait_for(r"COMMIT", mark), "and is logged")
    a = FakeBank(gateway, "BankA").register()
    commit_line = a.next_request("COMMIT")
    a.answer(commit_line, id=strife.new_id(), branch=commit_line["branch"],
             **a.proof())
    ok(a.closes(), "so does an acknowledgement of another id")
    a = FakeBank(gateway, "BankA").register()
    a.acknowledge(a.next_request("COMMIT"))
    settled(client, fields)
    ok(True, "until it is acknowledged")
    equal([r["id"] for r in await_records(gateway, "END", 1)], [fields["id"]],
          "then END is written")
    a.close()
    a = FakeBank(gateway, "BankA").register()
    a.call("PING")
    equal(a.pending_requests("COMMIT"), [], "and COMMIT is not sent again")


def forgetful(gateway):
    """A bank that does not know what it voted for is not used any more."""
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    a.commit_one()
    b.commit_one()
    client.reply(tag)
    mark = gateway.daemon.mark()
    a.refuse(a.next_request("COMMIT"), "NOT_FOUND")
    b.acknowledge(b.next_request("COMMIT"))
    ok(gateway.daemon.wait_for(r"level=crit .*FENCED.*BankA", mark),
       "NOT_FOUND to COMMIT is logged at crit")
    equal(bank_row(gateway, "BankA")["state"], "fenced", "the bank is fenced")
    reply = client.call("PAY", payment(hold="no"))
    equal(reply.code, "BANK_UNAVAILABLE", "and not used")
    equal(client.call("STATUS", id=fields["id"])["pending"], "BankA",
          "the payment still waits for it")
    control = gateway.control()
    equal(control.call("WAIVE", bank="BankX").code, "NOT_FOUND",
          "WAIVE of an unknown bank: NOT_FOUND")
    equal(control.call("WAIVE", bank="BankA").code, "OK",
          "until an operator's WAIVE")
    equal([r["who"] for r in gateway.records("WAIVE")],
          ["uid=%d" % os.getuid()], "which is recorded with who")
    tag = client.ask("PAY", payment())
    a.commit_one()
    b.commit_one()
    equal(client.reply(tag).get("state"), "committed",
          "then it is used again")


def heuristics(gateway):
    client = gateway.login()
    a, b = both(gateway)
    fields = payment()
    tag = client.ask("PAY", fields)
    a.commit_one()
    b.commit_one()
    client.reply(tag)
    mark = gateway.daemon.mark()
    a.answer(a.next_request("COMMIT"), "ERR", code="HEURISTIC",
             retry="never", text="overruled", outcome="aborted")
    b.acknowledge(b.next_request("COMMIT"))
    ok(gateway.daemon.wait_for(r"level=crit .*HEURISTIC.*BankA", mark),
       "HEURISTIC to COMMIT is logged at crit")
    settled(client, fields)
    equal([(r["id"], r["bank"], r["outcome"])
           for r in await_records(gateway, "HEURISTIC", 1)],
          [(fields["id"], "BankA", "aborted")], "and recorded")
    equal(client.call("STATUS", id=fields["id"])["state"], "committed",
          "the payment stays committed")
    fields = payment(hold="no")
    tag = client.ask("PAY", fields)
    a.commit_one()
    b.refuse(b.next_request("PREPARE"), "ACCOUNT_FROZEN")
    client.reply(tag)
    a.answer(a.next_request("ABORT"), "ERR", code="HEURISTIC",
             retry="never", text="overruled", outcome="committed")
    record = await_records(gateway, "HEURISTIC", 2)[1]
    equal((record["id"], record["outcome"]), (fields["id"], "committed"),
          "HEURISTIC to ABORT is recorded, too")
    rows, _ = gateway.control().rows("PAYMENTS", state="heuristic")
    equal(sorted(r["id"] for r in rows),
          sorted(r["id"] for r in gateway.records("HEURISTIC")),
          "and listed for the operator")


# ---- RESOLVE ----

def resolves(gateway):
    client = gateway.login()
    a, b = both(gateway)
    epoch = gateway.records("BOOT")[-1]["epoch"]

    def resolve(bank, prepare, **changes):
        fields = dict(id=prepare["id"], branch=prepare["branch"],
                      peer=prepare["peer"])
        fields.update(changes)
        return bank.call("RESOLVE", fields)

    fields = payment()
    tag = client.ask("PAY", fields)
    prepare, other = a.next_request("PREPARE"), b.next_request("PREPARE")
    reply = resolve(a, prepare)
    equal((reply.code, reply["id"], reply["branch"], reply["outcome"]),
          ("OK", fields["id"], prepare["branch"], "wait"),
          "while it is voted on: wait")
    equal(resolve(a, prepare, branch="gw1.%s.999999" % epoch)["outcome"],
          "abort", "a branch of this epoch that it does not know: abort")
    equal(resolve(a, prepare, id=strife.new_id()).code, "FORBIDDEN",
          "with an id that is not the branch's: FORBIDDEN")
    equal(resolve(a, prepare, id=strife.new_id(),
                  branch="gw1.%s.999998" % epoch)["outcome"], "abort",
          "an id that it does not know: abort")
    equal(resolve(b, prepare).code, "FORBIDDEN",
          "another bank's branch: FORBIDDEN")
    equal(resolve(a, prepare, branch="gw2.1.1").code, "FORBIDDEN",
          "another gateway's branch: FORBIDDEN")
    a.vote(prepare)
    b.vote(other)
    client.reply(tag)
    record = gateway.records("COMMIT")[-1]
    for when in ("not acknowledged", "ended"):
        reply = resolve(a, prepare)
        equal((reply["outcome"], reply.get("seq"), reply.get("check")),
              ("commit", record.tag, record["check"]),
              "committed, %s: commit, with the decision's seq and check" %
              when)
        if when == "ended":
            break
        for bank in (a, b):
            bank.acknowledge(bank.next_request("COMMIT"))
        settled(client, fields)
    equal(resolve(b, other)["outcome"], "commit", "to either bank")
    equal(resolve(b, prepare)["outcome"], "abort",
          "but only for its own branch")

    fields = payment()
    tag = client.ask("PAY", fields)
    doomed = a.commit_one()
    b.refuse(b.next_request("PREPARE"), "NO_SUCH_ACCOUNT")
    client.reply(tag)
    equal(resolve(a, doomed)["outcome"], "abort", "aborted: abort")
    a.aborted(a.next_request("ABORT"))

    fields = payment()
    client.ask("PAY", fields)
    orphan = a.commit_one()
    gateway.crash()
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    equal(resolve(a, orphan)["outcome"], "abort",
          "of an older epoch without a COMMIT: abort")
    reply = resolve(a, prepare)
    equal((reply["outcome"], reply.get("seq"), reply.get("check")),
          ("commit", record.tag, record["check"]),
          "of an older epoch with one: commit")
    mark = gateway.daemon.mark()
    equal(resolve(a, orphan, branch="gw1.99.1")["outcome"], "wait",
          "of an epoch that is still to come: wait")
    ok(gateway.daemon.wait_for(r"level=crit .*FENCED", mark),
       "which is logged at crit")


def restored(place):
    gateway = Gatewayd(place, users=USERS)
    gateway.start()
    client = gateway.login()
    a, b = both(gateway)
    client.ask("PAY", payment())
    orphan = a.commit_one()
    b.next_request("PREPARE")
    gateway.crash()

    def resolve(bank):
        return bank.call("RESOLVE", id=orphan["id"], branch=orphan["branch"],
                         peer=orphan["peer"])["outcome"]

    gateway.start("--restored")
    a = FakeBank(gateway, "BankA").register()
    equal(resolve(a), "wait",
          "--restored: wait, for a branch of an older epoch")
    FakeBank(gateway, "BankB").register()
    equal(resolve(a), "abort", "until the other bank has registered")
    gateway.crash()
    gateway.start("--restored")
    a = FakeBank(gateway, "BankA").register()
    equal(resolve(a), "wait", "each time")
    equal(gateway.control().call("WAIVE", bank="BankB").code, "OK",
          "an operator waives it")
    equal(resolve(a), "abort", "and then: abort")
    gateway.crash()
    gateway.start()
    a = FakeBank(gateway, "BankA").register()
    equal(resolve(a), "abort", "without --restored: abort")

    # A torn tail is a restored copy of our own making.
    client = gateway.login()
    b = FakeBank(gateway, "BankB").register()
    client.ask("PAY", payment())
    orphan = a.commit_one()
    b.next_request("PREPARE")
    gateway.crash()
    path = os.path.join(gateway.journal, "00000001.journal")
    with open(path, "r+b") as f:
        end = len(f.read().rstrip(b"\0"))
        f.seek(end)
        f.write(b"99 BOOT time=\0\0")
    gateway.start()
    a = FakeBank(gateway, "BankA").register()
    equal(resolve(a), "wait", "a start that cut a torn tail: wait")
    FakeBank(gateway, "BankB").register()
    equal(resolve(a), "abort", "until the other bank has registered")


# ---- Bounds ----

def bounds(place):
    gateway = Gatewayd(place, users=USERS, limits={"banks": 2})
    gateway.start()
    a, b = both(gateway)
    third = FakeBank(gateway, "BankC")
    third.hello()
    equal(third.say_register().code, "OVERLOADED",
          "one bank more than limits.banks: OVERLOADED")
    ok(third.closes(), "and closed")
    client = gateway.login()
    # What a bank says at length is still an answer, and kills nobody.
    tag = client.ask("BALANCE", account="alice@BankA")
    question = a.next_request("BALANCE")
    a.send("%s ERR code=NO_SUCH_ACCOUNT retry=new-id text=%s field=%s" %
           (question.tag, "%C3%A9" * 500, "f" * 24))
    equal(client.reply(tag).code, "NO_SUCH_ACCOUNT",
          "a long refusal is passed on")
    tag = client.ask("HISTORY", account="alice@BankA")
    question = a.next_request("HISTORY")
    a.send("%s OK next=%s" % (question.tag, "%C3%A9" * 500))
    equal(client.reply(tag).code, "OK", "a long cursor, too")
    tag = client.ask("BALANCE", account="alice@BankA")
    question = a.next_request("BALANCE")
    a.send("%s ROW account=alice" % question.tag)
    ok(a.closes(), "rows where there are none close the connection")
    equal(client.reply(tag).code, "BANK_UNAVAILABLE",
          "and whoever asked is told")
    a = FakeBank(gateway, "BankA").register()
    for what, text in (("broken lines", "t ping\n" * 20),
                       ("a line without end", "x" * 100000)):
        bank = FakeBank(gateway, "BankA")
        bank.hello()
        bank.send(text)
        try:
            bank.call("PING")
        except strife.Closed:
            pass
        equal(gateway.login().call("PING").code, "OK",
              what + ": others are served")
    equal(gateway.stop(), 0, "and the gateway stops well")


for test in (greeting, proofs, replaced, closed_at_once, votes, windows, commits, forgetful,
             heuristics, resolves):
    with strife.Place() as place:
        strife.note(test.__name__)
        gateway = Gatewayd(place, users=USERS)
        gateway.start()
        test(gateway)
        equal(gateway.stop(), 0, "it stops well")
for test in (fencing, waiving, heartbeats, restored, bounds):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

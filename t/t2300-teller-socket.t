#!/usr/bin/python3
# strife-bankd's control socket: the teller verbs of strife-protocol(7).
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import Bank, equal, like, new_id, ok

ACCOUNTS = {"alice": {"currency": "CZK", "balance": "1000.00"}}


def state(teller, name):
    reply = teller.call("BALANCE", name=name)
    return reply.get("state") if reply.code == "OK" else reply.code


def accounts(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    t = bank.teller()
    equal(t.call("OPEN", name="bob", currency="CZK", overdraft=500).code,
          "OK", "OPEN")
    record = bank.records("OPEN")[-1]
    equal((record["account"], record["currency"], record["overdraft"],
           record["who"]), ("bob", "CZK", "500", "uid=%d" % os.getuid()),
          "is recorded with who, by SO_PEERCRED, before it is answered")
    equal(t.call("OPEN", name="bob", currency="CZK", overdraft=500).code,
          "OK", "opening again with the same currency is no error")
    ok(t.call("OPEN", name="bob", currency="EUR").code not in ("OK", None),
       "with another currency it is one")
    equal(t.call("OPEN", name=":equity.CZK", currency="CZK").code,
          "BAD_REQUEST", "a system account cannot be opened")
    equal(t.call("OPEN", name="x", currency="ABC").code, "BAD_REQUEST",
          "nor one in no currency")
    row = t.call("BALANCE", name="bob")
    equal((row["posted"], row["held"], row["available"], row["overdraft"],
           row["state"], row["currency"]),
          ("0", "0", "500", "500", "open", "CZK"), "BALANCE tells all of it")
    equal(t.call("SET", name="bob", overdraft=700).code, "OK", "SET")
    equal(t.call("BALANCE", name="bob")["available"], "700",
          "changes the overdraft")
    equal(t.call("FREEZE", name="bob").code, "OK", "FREEZE")
    equal(state(t, "bob"), "frozen", "freezes")
    equal(t.call("THAW", name="bob").code, "OK", "THAW")
    equal(state(t, "bob"), "open", "thaws")
    ok(t.call("CLOSE", name="alice").code not in ("OK", None),
       "an account with money cannot be closed")
    equal(t.call("CLOSE", name="bob").code, "OK", "an empty one can")
    equal(state(t, "bob"), "closed", "and is closed")
    for verb in ("CLOSE", "FREEZE", "THAW", "BALANCE", "HISTORY"):
        equal(t.call(verb, name="nobody").code, "NO_SUCH_ACCOUNT",
              "%s of no account" % verb)
    rows, final = t.rows("ACCOUNTS")
    equal(({r["name"] for r in rows}, final.code),
          ({"alice", "bob", ":equity.CZK"}, "OK"),
          "ACCOUNTS lists all, the system's too")
    equal(sum(int(r["posted"]) for r in rows), 0, "which add up to zero")
    page, final = t.rows("ACCOUNTS", limit=2)
    rest, last = t.rows("ACCOUNTS", limit=2, before=final["next"])
    equal([r["name"] for r in page + rest], [r["name"] for r in rows],
          "page by page, too")


def money(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    t = bank.teller()
    id = new_id()
    one = t.call("DEPOSIT", id=id, name="alice", amount=250, currency="CZK",
                 memo="counter 3")
    equal((one.code, one.get("balance"), one.get("name")),
          ("OK", "100250", "alice"), "DEPOSIT tells the balance")
    record = bank.records("ENTRY")[-1]
    equal((record.tag, record["kind"], record["memo"], record["who"]),
          (one["seq"], "deposit", "counter 3", "uid=%d" % os.getuid()),
          "and is recorded before it is answered")
    again = t.call("DEPOSIT", id=id, name="alice", amount=250,
                   currency="CZK", memo="counter 3")
    equal((again.code, again.get("seq")), ("OK", one["seq"]),
          "a repeat is the same entry")
    equal(t.call("DEPOSIT", id=id, name="alice", amount=251,
                 currency="CZK").code, "ID_REUSED",
          "the id with another amount: ID_REUSED")
    two = t.call("WITHDRAW", id=new_id(), name="alice", amount=250,
                 currency="CZK")
    equal((two.code, two.get("balance")), ("OK", "100000"), "WITHDRAW")
    reply = t.call("WITHDRAW", id=new_id(), name="alice", amount=100001,
                   currency="CZK")
    equal((reply.code, reply.get("text")),
          ("INSUFFICIENT_FUNDS", "the account has too little available"),
          "not more than there is, and in words")
    equal(t.call("DEPOSIT", id=new_id(), name="alice", amount=1,
                 currency="EUR").code, "CURRENCY_MISMATCH",
          "not in another currency")
    equal(t.call("DEPOSIT", id=new_id(), name="nobody", amount=1,
                 currency="CZK").code, "NO_SUCH_ACCOUNT",
          "not to nobody")
    rows, final = t.rows("HISTORY", name="alice")
    equal([(r["kind"], r["amount"], r["balance"]) for r in rows],
          [("withdraw", "-250", "100000"), ("deposit", "250", "100250"),
           ("open", "100000", "100000")], "HISTORY, newest first")
    rows, final = t.rows("HISTORY", name=":equity.CZK")
    equal([r["amount"] for r in rows], ["250", "-250", "-100000"],
          "and of the system's accounts")
    equal(t.call("BALANCE", name=":equity.CZK")["posted"], "-100000",
          "the equity account mirrors what came in")


def doubt(place):
    gw = place.gateway("gw1")
    bank = Bank(place, gateways=[gw.address], accounts=ACCOUNTS)
    bank.start()
    peer = place.keep(gw.meet())
    t = bank.teller()
    f = {"id": new_id(), "branch": gw.branch(), "from": "alice",
         "to": ":clearing.BankB.CZK", "amount": 30, "currency": "CZK",
         "peer": "bob@BankB"}
    peer.call("PREPARE", f)
    rows, final = t.rows("INDOUBT")
    equal([(r["id"], r["branch"], r["from"], r["to"], r["amount"],
            r["currency"], r["peer"]) for r in rows],
          [(f["id"], f["branch"], "alice", ":clearing.BankB.CZK", "30",
            "CZK", "bob@BankB")], "INDOUBT lists what is prepared")
    equal(t.call("DECIDE", id=new_id(), outcome="abort", why="x").code,
          "NOT_FOUND", "DECIDE of an unknown id")
    equal(t.call("DECIDE", id=f["id"], outcome="maybe", why="x").code,
          "BAD_REQUEST", "DECIDE of no outcome")
    equal(t.call("DECIDE", id=f["id"], outcome="abort").code, "BAD_REQUEST",
          "DECIDE without why")
    reply = t.call("DECIDE", id=f["id"], outcome="abort", why="no paper")
    equal((reply.code, reply.get("outcome")), ("OK", "abort"), "DECIDE")
    equal(t.rows("INDOUBT")[0], [], "INDOUBT is empty again")
    equal(t.call("BALANCE", name="alice")["held"], "0", "nothing is held")
    decision = gw.decision()
    reply = peer.call("COMMIT", dict(id=f["id"], branch=f["branch"],
                                     **decision))
    equal(reply.code, "HEURISTIC", "the gateway commits: HEURISTIC")
    reply = t.call("POST_LATE", id=f["id"], why="it was committed")
    equal((reply.code, reply.get("name")), ("OK", "alice"),
          "POST_LATE posts it after all")
    equal(t.call("BALANCE", name="alice")["posted"], "99970",
          "against the account")
    reply = t.call("POST_LATE", id=f["id"], why="again")
    equal(t.call("BALANCE", name="alice")["posted"], "99970",
          "and only once")
    equal(t.call("POST_LATE", id=new_id(), why="x").code, "NOT_FOUND",
          "POST_LATE of an unknown id")


def numbers(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    t = bank.teller()
    rows, final = t.rows("STATS")
    stats = {r["name"]: r["value"] for r in rows}
    equal(final.code, "OK", "STATS")
    equal(len(stats), len(rows), "no number twice")
    equal((stats.get("pid"), stats.get("tellers"), stats.get("links"),
           stats.get("links_registered")),
          (str(bank.daemon.pid), "1", "1", "0"), "the process's own numbers")
    ok(int(stats["journal_durable_seq"]) == len(bank.records()),
       "among them the journal's")


def tellers(place):
    bank = Bank(place, accounts=ACCOUNTS, limits={"connections": 3})
    bank.start()
    three = [bank.teller() for _ in range(3)]
    equal([t.call("BALANCE", name="alice").code for t in three], ["OK"] * 3,
          "several tellers at once")
    extra = bank.teller()
    ok(extra.closes(), "limits.connections are served, not more")
    three[0].close()
    # Its slot is free once the bank has seen it go.
    for _ in range(1000):
        t = bank.teller()
        try:
            if t.call("BALANCE", name="alice").code == "OK":
                break
        except strife.Closed:
            continue
    ok(t.call("BALANCE", name="alice").code == "OK",
       "when one leaves another may come")
    t = three[1]
    reply = t.call("BALANCE", name="alice", colour="red")
    equal((reply.code, reply.get("field")), ("BAD_REQUEST", "colour"),
          "an unknown field: BAD_REQUEST")
    equal(t.call("PAY", id=new_id()).code, "UNKNOWN_VERB",
          "a client's verb: UNKNOWN_VERB")
    for i in range(16):
        t.send("B BALANCE  name=alice")
        t.reply("B")
    ok(t.closes(), "the 16th broken line closes the connection")
    t = three[2]
    tags = [t.new_tag() for _ in range(3000)]
    sent = "".join(strife.line(tag, "DEPOSIT", id=new_id(), name="alice",
                               amount=1, currency="CZK") + "\n"
                   for tag in tags).encode()
    # Written in pieces while replies are read, as a careful client does.
    done = 0
    while done < len(sent):
        t.send_octets(sent[done:done + 32768])
        done += 32768
    codes = {t.reply(tag).code for tag in tags}
    equal(codes, {"OK"}, "3000 deposits at once are all answered")
    equal(t.call("BALANCE", name="alice")["posted"], "103000",
          "and booked once each")
    like(bank.daemon.stderr(), r"tellers", "who was turned away is logged")
    bank.daemon.signal(15)
    ok(t.closes(), "SIGTERM closes the tellers' connections")
    equal(bank.daemon.wait(), 0, "and ends the bank")


def finished(place):
    """A teller that sends no more still gets its answers."""
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    for verb, fields in (
            ("DEPOSIT", dict(id=strife.new_id(), name="alice", amount=1,
                             currency="CZK")),
            ("HISTORY", dict(name="alice")), ("ACCOUNTS", {}), ("STATS", {}),
            ("SNAPSHOT", {})):
        t = bank.teller()
        tag = t.ask(verb, fields)
        t.finish()
        try:
            code = t.reply(tag).code
        except strife.Closed:
            code = "closed"
        equal(code, "OK", "%s is answered to one that sends no more" % verb)
        ok(t.closes(), "which is closed then")


def idle(place):
    bank = Bank(place, accounts=ACCOUNTS, limits={"idle": "1s"})
    bank.start()
    t = bank.teller()
    equal(t.call("BALANCE", name="alice").code, "OK", "a teller")
    ok(t.closes(), "that stays silent for limits.idle is closed")


def stale(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    bank.crash()
    ok(os.path.exists(bank.settings["control"]),
       "a crash leaves the socket's file")
    bank.start()
    equal(bank.teller().call("BALANCE", name="alice").code, "OK",
          "the next start takes its place")
    other = Bank(place, name="BankB", control=bank.settings["control"])
    run = place.run("strife-bankd", "-c", other.config)
    equal(run.status, 78, "a socket that another bank listens on: exit 78")
    like(run.stderr(), r"control", "and which key it is")
    equal(bank.teller().call("BALANCE", name="alice").code, "OK",
          "the other bank is not disturbed")


for test in (accounts, money, doubt, numbers, tellers, finished, idle,
             stale):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

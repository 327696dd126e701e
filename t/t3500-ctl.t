#!/usr/bin/python3
# strife-ctl: its command line, what it sends and shows, its exit codes.
import json
import os
import sys
import uuid

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from fake_control import Console, error
from gatewaytest import FakeBank, Gatewayd, commit, payment
from strife import equal, like, new_id, ok

ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
TIME = "2026-01-31T12:00:00.000000Z"
BANK = {"bank": "BankA", "state": "up", "since": TIME, "in_doubt": 2,
        "rtt_us": 310, "journal": ID}
PAYMENT = {"id": ID, "state": "committed", "from": "alice@BankA",
           "to": "bob@BankB", "amount": 1250, "currency": "CZK",
           "time": TIME, "pending": "BankB", "user": "alice"}
EVENT = {"time": TIME, "where": "gateway", "seq": 5, "event": "RECEIVED",
         "text": "attempt 1 of alice"}


def ctl(place, **options):
    return Console(place, "strife-ctl", "node", "gw1", **options)


def usage(place):
    c = ctl(place)
    run = c.run("-h", config=False)
    ok(run.code == 0 and run.err == "" and len(run.out.splitlines()) <= 24 and
       max(map(len, run.out.splitlines())) <= 80, "-h fits on a screen")
    like(c.run("-V", config=False).out, r"^strife-ctl [0-9.]+$", "-V")
    like(c.run("payments", "-h", config=False).out, r"-n N",
         "help of one command")
    for words, pattern in (
            ([], "which command"),
            (["bank"], "nearest is banks"),
            (["banks", "BankA"], "usage: strife-ctl banks"),
            (["payments", "commited"], "nearest is committed"),
            (["payments", "held", "-n", "x"], "-n x: 1 to"),
            (["payments", "held", "--limti", "1"], "nearest is --limit"),
            (["status"], "usage"),
            (["status", "x"], "not an id"),
            (["explain", ID[:-1]], "not an id"),
            (["waive", "1bank"], "not a bank"),
            (["rebind", "BankA"], "usage"),
            (["rebind", "BankA", "x"], "not an id"),
            (["drain", "-n", "1"], "unknown option: -n")):
        run = c.run(*words)
        ok(run.code == 64 and run.out == "", "%s: exit 64" % " ".join(words))
        like(run.err, pattern, "and says why")
    run = c.run("-c", place.write("x.yaml", "bank: BankA\ncontrol: c\n"),
                "banks")
    equal(run.code, 78, "a bank's configuration: exit 78")
    like(run.err, r"x.yaml:1:1: key \"node\" is missing", "and says why")
    run = c.run("banks")
    equal((run.code, run.out), (69, ""), "no gateway: exit 69")
    like(run.err, r"%s.*strife-gatewayd running with" % c.control,
         "and says where it was looked for")


def requests(place):
    c = ctl(place)
    done = [("OK", {})]
    script = {"BANKS": done, "PAYMENTS": done, "EXPLAIN": done, "STATS": done,
              "STATUS": [("OK", PAYMENT)], "DRAIN": done, "RESUME": done,
              "WAIVE": done, "REBIND": done}
    for words, want in (
            (["banks"], ("BANKS", {})),
            (["payments"], ("PAYMENTS", {"limit": "50"})),
            (["payments", "-n", "1000", "pending"],
             ("PAYMENTS", {"limit": "500", "state": "pending"})),
            (["status", ID.upper()], ("STATUS", {"id": ID})),
            (["explain", ID], ("EXPLAIN", {"id": ID})),
            (["stats"], ("STATS", {})),
            (["drain"], ("DRAIN", {})),
            (["resume"], ("RESUME", {})),
            (["waive", "BankA"], ("WAIVE", {"bank": "BankA"})),
            (["rebind", "BankA", ID],
             ("REBIND", {"bank": "BankA", "journal": ID}))):
        with c.daemon(script) as fake:
            run = c.run(*words)
        equal((run.code, run.err), (0, ""), " ".join(words))
        equal([(r.word, r.fields) for r in fake.requests], [want],
              "is what is asked for, once")
        if words[0] in ("drain", "resume", "waive", "rebind"):
            equal(run.out, "", "and nothing is said when it is done")


def shown(place):
    c = ctl(place)
    tombstone = {"id": ID, "state": "aborted", "reason": "CANCELLED",
                 "time": TIME, "user": "alice"}
    script = {"BANKS": [("ROW", BANK), ("OK", {})],
              "PAYMENTS": [("ROW", PAYMENT), ("ROW", tombstone), ("OK", {})],
              "STATUS": [("OK", dict(PAYMENT, seq=8, attempts=1))],
              "EXPLAIN": [("ROW", EVENT), ("OK", {})]}
    with c.daemon(script):
        equal(c.run("banks").out,
              "BankA\tup\t%s\t2\t310\t%s\n" % (TIME, ID), "banks, TSV")
        like(c.terminal("banks").out,
             r"^bank   state  since +in_doubt  rtt_us  journal\n"
             r"BankA  up     %s         2     310  %s$" % (TIME, ID),
             "banks, on a terminal")
        equal(c.run("payments").out,
              "%s\tcommitted\talice@BankA\tbob@BankB\t12.50\tCZK\t%s\t\t"
              "BankB\talice\n%s\taborted\t\t\t\t\t%s\tCANCELLED\t\talice\n"
              % (ID, TIME, ID, TIME),
              "payments: amounts in currency units, what is absent is empty")
        equal(json.loads(c.run("status", ID, "--json").out),
              dict(PAYMENT, amount="12.50", seq=8, attempts=1),
              "status as JSON")
        equal(c.run("explain", ID).rows[0],
              {k: str(v) for k, v in EVENT.items()}, "explain")


def refusals(place):
    c = ctl(place)
    for words, verb, code, retry, want, pattern in (
            (["status", ID], "STATUS", "NOT_FOUND", "never", 1,
             "another gateway"),
            (["waive", "BankX"], "WAIVE", "NOT_FOUND", "never", 1,
             "strife-ctl banks"),
            (["rebind", "BankA", ID], "REBIND", "BAD_REQUEST", "never", 1,
             "stop that bank"),
            (["waive", "BankA"], "WAIVE", "READ_ONLY", "same-id", 75, "disk"),
            (["payments"], "PAYMENTS", "OVERLOADED", "same-id", 75, "again"),
            (["drain"], "DRAIN", "UNKNOWN_VERB", "never", 76, "version")):
        with c.daemon({verb: error(code, retry, "some words")}):
            run = c.run(*words)
        equal(run.code, want, "%s, %s: exit %d" % (words[0], code, want))
        like(run.err, r"%s.*: some words \(%s\); .*%s"
             % (words[0], code, pattern), "and a sentence of what to do")
    with c.daemon(lambda peer, _: peer.send("1 ROW bank=1")):
        equal(c.run("banks").code, 76, "a row that cannot be read: exit 76")


def gateway(place):
    g = Gatewayd(place)
    g.start()
    c = Console(place, "strife-ctl", "node", "gw1", config=g.config)
    a, b = FakeBank(g, "BankA").register(), FakeBank(g, "BankB").register()
    client = g.login()
    equal([(r["bank"], r["state"], r["journal"]) for r in c.run("banks").rows],
          [("BankA", "up", a.journal), ("BankB", "up", b.journal)], "banks")
    paid = payment(amount=1250)
    equal(commit(client, paid, a, b).code, "OK", "a payment")
    lost = payment(amount=1)
    tag = client.ask("PAY", lost)
    a.refuse(a.next_request("PREPARE"), "INSUFFICIENT_FUNDS")
    abort = b.next_request("PREPARE")
    b.vote(abort)
    equal(client.reply(tag).code, "INSUFFICIENT_FUNDS", "and one refused")
    b.aborted(b.next_request("ABORT"))
    run = c.run("payments")
    equal([(r["id"], r["state"], r["amount"], r["reason"]) for r in run.rows],
          [(lost["id"], "aborted", "0.01", "INSUFFICIENT_FUNDS"),
           (paid["id"], "committed", "12.50", "")], "payments, newest first")
    equal([r["id"] for r in c.run("payments", "committed").rows],
          [paid["id"]], "of one state")
    equal(len(c.run("payments", "-n", "1").rows), 1, "or only so many")
    row = c.run("status", paid["id"]).rows[0]
    equal((row["state"], row["from"], row["to"], row["user"]),
          ("committed", "alice@BankA", "bob@BankB", "alice"), "status")
    run = c.run("status", new_id())
    equal(run.code, 1, "of an unknown id: exit 1")
    like(run.err, r": no payment has this id \(NOT_FOUND\)",
         "an operator is not told of his own payments")
    equal(client.call("STATUS", id=new_id())["text"],
          "no payment of yours has this id", "a client is")
    events = [r["event"] for r in c.run("explain", paid["id"]).rows]
    ok(events[:1] == ["RECEIVED"] and "COMMIT" in events, "explain")
    stats = {r["name"]: r["value"] for r in c.run("stats").rows}
    equal((stats["banks_up"], stats["draining"]), ("2", "0"), "stats")
    equal(c.run("drain").code, 0, "drain")
    equal(client.call("PAY", payment()).code, "DRAINING",
          "new payments are refused")
    equal(c.run("resume").code, 0, "resume")
    equal(commit(client, payment(), a, b).code, "OK", "they are taken again")
    equal(c.run("waive", "BankX").code, 1, "waive of no bank: exit 1")
    equal(c.run("waive", "BankA").code, 0, "waive")
    journal = str(uuid.uuid4())
    equal(c.run("rebind", "BankB", journal).code, 1,
          "rebind of a connected bank: exit 1")
    b.close()
    for _ in range(1000):
        if c.run("banks").rows[1]["state"] == "down":
            break
    equal(c.run("rebind", "BankB", journal).code, 0, "rebind")
    equal(c.run("banks").rows[1]["journal"], journal, "takes the new journal")
    g.stop()
    equal(c.run("banks").code, 69, "a gateway that was stopped: exit 69")


for test in (usage, requests, shown, refusals, gateway):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

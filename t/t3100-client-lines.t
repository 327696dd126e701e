#!/usr/bin/python3
# Lines on the client listener: strife-protocol(7), "Lines", row by row.
import os
import ssl
import socket
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import (FakeBank, Gatewayd, PASSWORD, payment, user)
from strife import equal, like, line, ok

LINE_MAX = 4096


def said(peer, text, tag="t"):
    """Sends a line as it is and returns the answer with this tag."""
    peer.send(text)
    return peer.reply(tag)


def goes_on(peer, what):
    equal(peer.call("PING").code, "OK", what + ": the connection goes on")


# ---- The grammar ----

def shapes(gateway):
    """Each breaks the grammar: BAD_REQUEST, and the connection goes on."""
    for text, tag, what in (
            ("", "0", "an empty line"),
            ("t", "t", "a tag alone"),
            ("t ", "t", "nothing behind the space"),
            (" PING", "0", "a space in front"),
            ("t PING ", "t", "a space at the end"),
            ("t  PING", "t", "two spaces before the verb"),
            ("t LOGIN  user=a", "t", "two spaces before a field"),
            ("t PING\r", "t", "a CR"),
            ("t ping", "t", "a verb in lower case"),
            ("t P1NG", "t", "a verb with a digit"),
            ("t " + "A" * 25, "t", "a verb of 25 letters"),
            ("t LOGIN user", "t", "a field without ="),
            ("t LOGIN =a", "t", "a field without a key"),
            ("t LOGIN User=a", "t", "a key in upper case"),
            ("t LOGIN %s=a" % ("k" * 25), "t", "a key of 25 letters"),
            ("t LOGIN user=a%4", "t", "half an escape"),
            ("t LOGIN user=a%4g", "t", "an escape of other digits"),
            ("t LOGIN user=a%c3%a9", "t", "an escape in lower case"),
            ("t LOGIN user=\xe9", "t", "an octet that is not ASCII"),
            ("t LOGIN user=a\tb", "t", "a tab"),
            ("t LOGIN user=a%0Ab", "t", "an escaped LF"),
            ("t LOGIN user=a%00b", "t", "an escaped NUL"),
            ("t LOGIN user=a%7F", "t", "an escaped DEL"),
            ("t LOGIN user=a%C2%85", "t", "an escaped NEL, U+0085"),
            ("t LOGIN user=a%FF", "t", "what is not UTF-8"),
            ("t LOGIN user=a%C0%AF", "t", "overlong UTF-8"),
            ("t LOGIN user=a%ED%A0%80", "t", "a surrogate"),
            ("t LOGIN user=a%C3", "t", "half a character"),
            ("?t PING", "0", "a tag of other characters"),
            ("T" * 17 + " PING", "0", "a tag of 17 characters"),
            ("* PING", "0", "an event's tag on a request"),
    ):
        peer = gateway.client()
        reply = said(peer, text, tag)
        equal(reply.code, "BAD_REQUEST", what + " is BAD_REQUEST")
        ok(reply.get("text"), what + ": the text says why")
        goes_on(peer, what)
        peer.close()


def escapes(gateway):
    peer = gateway.client()
    reply = said(peer, "t LOGIN user=%61lice password=" +
                 "".join("%%%02X" % ord(c) for c in PASSWORD))
    equal(reply.code, "OK", "any octet may come escaped")
    reply = said(peer, "t LOGIN password=%s user=alice" %
                 strife.encode(PASSWORD))
    equal(reply.code, "OK", "fields come in any order")
    reply = said(peer, "t PAY id=1 from=%C3%A9@BankA")
    equal(reply.code, "BAD_REQUEST", "a value is checked once it is decoded")


def requests(gateway):
    peer = gateway.client()
    reply = said(peer, "t NONSENSE")
    equal(reply.code, "UNKNOWN_VERB", "an unknown verb is UNKNOWN_VERB")
    equal(reply["retry"], "never", "with retry=never")
    equal(said(peer, "t RESOLVE id=1").code, "UNKNOWN_VERB",
          "a bank's verb is unknown to clients")
    equal(said(peer, "t STATS").code, "UNKNOWN_VERB",
          "an operator's verb is unknown to clients")
    for text, field, what in (
            ("t LOGIN", "user", "a missing field"),
            ("t LOGIN user=a nonsense=1", "nonsense", "an unknown field"),
            ("t LOGIN user=a amount=1", "amount", "another verb's field"),
            ("t LOGIN user=a user=a", "user", "a repeated field"),
            ("t LOGIN user=", "user", "an empty value"),
            ("t LOGIN user=a@b", "user", "a user with a bank"),
            ("t LOGIN user=" + "a" * 65, "user", "a user of 65 characters"),
            ("t LOGIN user=a password=", "password", "an empty password"),
            ("t LOGIN user=a password=" + "p" * 257, "password",
             "a password of 257 octets"),
            ("t LOGIN user=a bank=1B", "bank",
             "a bank that starts with a digit"),
            ("t LOGIN user=a bank=" + "B" * 33, "bank",
             "a bank of 33 characters"),
            ("t HELLO proto=one agent=x", "proto", "a number that is none"),
            ("t PING x=1", "x", "a field where there is none"),
            ("t PING" + " x=" * 1300, "x", "1300 fields where there are none"),
    ):
        reply = said(peer, text)
        equal((reply.code, reply.get("field")), ("BAD_REQUEST", field),
              what + " is BAD_REQUEST and names the field")
        ok(reply.get("text"), what + ": the text says what is legal")
    goes_on(peer, "after all that")


def values(gateway):
    """Types of fields, through PAY, STATUS and HISTORY."""
    peer = gateway.login()
    good = payment()

    def pay(what, field, **changes):
        fields = dict(good)
        fields.update({k.rstrip("_"): v for k, v in changes.items()})
        reply = peer.call("PAY", fields)
        equal((reply.code, reply.get("field")), ("BAD_REQUEST", field),
              what + " is BAD_REQUEST")

    pay("the nil UUID", "id", id="00000000-0000-0000-0000-000000000000")
    pay("an id in upper case", "id", id=good["id"].upper().replace("1", "A"))
    pay("an id without dashes", "id", id=good["id"].replace("-", ""))
    pay("an id that is short", "id", id=good["id"][:-1])
    pay("an amount of 0", "amount", amount=0)
    pay("an amount with a leading zero", "amount", amount="01")
    pay("an amount with a sign", "amount", amount="+1")
    pay("a negative amount", "amount", amount=-1)
    pay("an amount with decimals", "amount", amount="1.00")
    pay("an amount over 10^15", "amount", amount=10 ** 15 + 1)
    pay("an amount that overflows", "amount", amount=2 ** 64 + 1)
    pay("an empty amount", "amount", amount="")
    pay("a currency of four letters", "currency", currency="CZKK")
    pay("a currency in lower case", "currency", currency="czk")
    pay("a currency that there is not", "currency", currency="ZZZ")
    pay("an account without a bank", "from", from_="alice")
    pay("an account with two", "from", from_="alice@BankA@BankB")
    pay("an account of 65 characters", "to", to="a" * 65 + "@BankB")
    pay("a system account as payee", "to", to=":equity.CZK@BankB")
    pay("a system account as payer", "from", from_=":equity.CZK@BankA")
    pay("a bank that starts with a dash", "to", to="bob@-B")
    pay("a memo of 141 octets", "memo", memo="m" * 141)
    pay("a memo of 140 characters and 280 octets", "memo", memo="\xe9" * 140)
    pay("hold=maybe", "hold", hold="maybe")
    for field, value in (("limit", "0"), ("limit", "501"), ("limit", "x"),
                         ("since", "2026-01-01"),
                         ("since", "2026-01-01T00:00:00Z"),
                         ("since", "2026-02-30T00:00:00.000000Z"),
                         ("since", "2026-01-01T00:00:00.000000+00:00")):
        reply = peer.call("HISTORY", {"account": "alice@BankA",
                                      field: value})
        equal((reply.code, reply.get("field")), ("BAD_REQUEST", field),
              "HISTORY with %s=%s is BAD_REQUEST" % (field, value))
    reply = peer.call("STATUS", id=good["id"])
    equal(reply.code, "NOT_FOUND", "and none of it left a trace of the id")


def long_lines(gateway):
    peer = gateway.client()
    head = "t LOGIN user="
    text = head + "a" * (LINE_MAX - 1 - len(head))
    equal(said(peer, text).get("field"), "user",
          "4,096 octets with LF are a line")
    equal(said(peer, text + "a").code, "LINE_TOO_LONG",
          "4,097 are LINE_TOO_LONG")
    peer.send("t PING x=" + "a" * 200000 + " PING")
    peer.send("u PING")
    equal(peer.reply("t").code, "LINE_TOO_LONG",
          "so are many more, answered with their tag")
    equal(peer.reply("u").code, "OK", "the rest up to LF is skipped")
    peer.send("a" * 5000)
    equal(peer.reply("0").code, "LINE_TOO_LONG",
          "without a readable tag the answer's tag is 0")
    peer.send_octets(b"t PI")
    time.sleep(0.05)
    peer.send_octets(b"NG\nu PING\nv P")
    equal(peer.reply("t").code, "OK", "a line may come in pieces")
    peer.send_octets(b"ING\n")
    equal(peer.reply("v").code, "OK", "several lines may come at once")


def sixteen(gateway):
    peer = gateway.client()
    for _ in range(15):
        equal(said(peer, "t ping").code, "BAD_REQUEST",
              "a line that breaks the grammar")
    for _ in range(20):
        said(peer, "t NONSENSE")
        said(peer, "t LOGIN user=")
    goes_on(peer, "names and values of fields do not count")
    peer.send("t ping\nu PING")
    equal(peer.reply("t").code, "BAD_REQUEST", "the 16th is answered")
    ok(peer.closes(), "and then the connection is closed")
    ok(not peer.has_reply("u"), "what came behind it is not looked at")

    peer = gateway.client()
    peer.send("\n".join(["x" * 5000] * 16))
    ok(peer.closes(), "lines that are too long count, too")


def replies(gateway):
    peer = gateway.client()
    peer.send("t1 OK\nt2 ERR code=INTERNAL retry=never text=x\nt3 ROW a=b\n"
              "* EVENT a=b\nt4 OK nonsense")
    goes_on(peer, "a reply to no request is ignored")


# ---- Connections ----

def hello(gateway):
    for verb, fields in (("PING", {}), ("QUIT", {}), ("LOGOUT", {}),
                         ("LOGIN", {"user": "alice", "password": PASSWORD}),
                         ("PAY", payment())):
        peer = gateway.connect()
        equal(peer.call(verb, fields).code, "BAD_REQUEST",
              "%s before HELLO is BAD_REQUEST" % verb)
        equal(peer.call("HELLO", proto=1, agent="x").code, "OK",
              "and HELLO is still welcome")
        peer.close()
    peer = gateway.connect()
    equal(said(peer, "t NONSENSE").code, "BAD_REQUEST",
          "what is no verb at all before HELLO is BAD_REQUEST, too")
    equal(peer.call("HELLO", proto=2, agent="x").code, "UNSUPPORTED_PROTO",
          "another version is UNSUPPORTED_PROTO")
    equal(peer.call("PING").code, "BAD_REQUEST", "it is no greeting")
    equal(said(peer, "t NONSENSE").code, "BAD_REQUEST", "for no verb")
    reply = peer.call("HELLO", proto=1, agent="x")
    equal((reply.code, reply["proto"], reply["node"], reply["window"]),
          ("OK", "1", "gw1", "32"), "HELLO tells proto, node and window")
    like(reply["time"], r"^20..-..-..T..:..:..\.......Z$", "and the time")
    like(reply["server"], r"^strife-gatewayd/", "and the server")
    equal(peer.call("HELLO", proto=1, agent="x").code, "BAD_REQUEST",
          "a second HELLO is BAD_REQUEST")
    goes_on(peer, "after it")


def roles(gateway):
    for role, name in (("bank", "BankA"), ("gateway", "gw9")):
        for first in ("t HELLO proto=1 agent=x", "t NONSENSE", "t PING  "):
            peer = gateway.connect(name, role)
            reply = said(peer, first)
            equal(reply.code, "FORBIDDEN",
                  "a %s's certificate: the first line is FORBIDDEN (%s)" %
                  (role, first))
            ok(peer.closes(), "and the connection closes")
    peer = gateway.connect("shop", "client", gateway.banks_port)
    equal(said(peer, "t HELLO proto=1 agent=x window=1").code, "FORBIDDEN",
          "a client's certificate on the bank listener is FORBIDDEN")
    ok(peer.closes(), "and the connection closes")


def handshakes(gateway):
    def refused(what, pair, certificates=None):
        certificates = certificates or gateway.place.certificates
        try:
            peer = strife.connect_tls(certificates, pair,
                                      gateway.clients_port)
            peer.send("t HELLO proto=1 agent=x")
            closed = peer.closes()
            ok(closed and not peer.has_reply("t"), what)
        except (ssl.SSLError, ConnectionError, strife.Closed):
            ok(True, what)

    issue = gateway.place.certificates.issue
    refused("no certificate: refused at the handshake", None)
    refused("no URI SAN: refused at the handshake",
            issue("client", "n1", uris=[]))
    refused("two URI SANs: refused at the handshake",
            issue("client", "n2", uris=["strife://client/a",
                                        "strife://client/b"]))
    refused("an unknown role: refused at the handshake",
            issue("client", "n3", uris=["strife://admin/a"]))
    refused("a name that is none: refused at the handshake",
            issue("client", "n4", uris=["strife://client/a/b"]))
    other = strife.Certificates(gateway.place.path("other-ca"))
    pair = other.issue("client", "shop")
    other.ca = gateway.place.certificates.ca
    refused("another CA's certificate: refused at the handshake", pair, other)
    # What is no TLS at all must not hurt either.
    with socket.create_connection(("127.0.0.1", gateway.clients_port)) as s:
        s.sendall(b"t HELLO proto=1 agent=x\n" * 10)
    ok(gateway.client().call("PING").code == "OK", "others are served")


def leaving(gateway):
    peer = gateway.client()
    tag = peer.ask("QUIT")
    peer.ask("PING")
    equal(peer.reply(tag).code, "OK", "QUIT is answered")
    ok(peer.closes(), "then the server closes")
    a = FakeBank(gateway, "BankA").register()
    peer = gateway.login()
    slow = peer.ask("BALANCE", account="alice@BankA")
    accounts = peer.ask("ACCOUNTS")
    tag = peer.ask("QUIT")
    late = peer.ask("PING")
    question = a.next_request("BALANCE")
    other = a.next_request("BALANCE")
    for one in (other, question):
        a.answer(one, account="alice", currency="CZK", posted=100, held=0,
                 available=100, seq=7)
    lines = []
    while len(lines) < 1 or lines[-1].tag != tag:
        lines.append(peer.read_line())
    equal([(one.tag, one.code) for one in lines if one.code != "ROW"][-1],
          (tag, "OK"), "QUIT is answered last")
    equal({one.tag for one in lines if one.code == "OK"},
          {slow, accounts, tag}, "when all before it is answered")
    ok(late not in [one.tag for one in lines] and peer.closes(),
       "and nothing after it")


# ---- Pipelining ----

def pipelining(gateway):
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    peer = gateway.login()
    tags = [peer.ask("PING") for _ in range(20)]
    equal([peer.reply(t).code for t in reversed(tags)], ["OK"] * 20,
          "requests may be pipelined; each is answered with its tag")
    for _ in range(3):
        equal(said(peer, "same PING", "same").code, "OK",
              "a tag may be used again")

    slow = peer.ask("BALANCE", account="alice@BankA")
    quick = peer.ask("PING")
    equal(peer.reply(quick).code, "OK", "answers may come in any order")
    question = a.next_request("BALANCE")
    equal(question["account"], "alice", "the bank gets the name without @BANK")
    a.answer(question, account="alice", currency="CZK", posted=100,
             held=40, available=60, seq=7)
    reply = peer.reply(slow)
    equal((reply["account"], reply["posted"], reply["held"],
           reply["available"], reply["currency"], reply["seq"]),
          ("alice@BankA", "100", "40", "60", "CZK", "7"),
          "BALANCE is what the bank said, with the bank behind the account")

    fields = [payment() for _ in range(8)]
    tags = [peer.ask("PAY", f) for f in fields]
    equal([a.next_request("PREPARE")["id"] for _ in fields],
          [f["id"] for f in fields],
          "payments of one payer reach his bank in the order they were sent")
    equal([b.next_request("PREPARE")["id"] for _ in fields],
          [f["id"] for f in fields], "and the payee's")
    peer.close()
    a.close()
    b.close()


def barriers(gateway):
    """LOGIN, AUTH and LOGOUT take effect before any later request."""
    peer = gateway.client()
    octets = "".join(t + "\n" for t in (
        line("a", "STATUS", id=strife.new_id()),
        line("b", "LOGIN", user="alice", password=PASSWORD),
        line("c", "STATUS", id=strife.new_id()),
        line("d", "AUTH", token="x"),
        line("e", "LOGOUT"),
        line("f", "STATUS", id=strife.new_id()),
        line("g", "LOGIN", user="alice", password="wrong"),
        line("h", "STATUS", id=strife.new_id())))
    peer.send_octets(octets.encode())
    equal([peer.reply(t).code for t in "abcdefgh"],
          ["UNAUTHENTICATED", "OK", "NOT_FOUND", "TOKEN_INVALID", "OK",
           "UNAUTHENTICATED", "BAD_CREDENTIALS", "UNAUTHENTICATED"],
          "each sees what the ones before it have changed")


def windows(place):
    gateway = Gatewayd(place, limits={"window": 4, "idle": "2s"})
    gateway.start()
    bank = FakeBank(gateway, "BankA").register()
    peer = gateway.login()
    tags = [peer.ask("BALANCE", account="alice@BankA") for _ in range(6)]
    first = [bank.next_request("BALANCE") for _ in range(4)]
    try:
        extra = bank.next_request("BALANCE", 0.2)
    except strife.Timeout:
        extra = None
    equal(extra, None, "past the window the server does not read")
    balance = dict(account="alice", currency="CZK", posted=1, held=0,
                   available=1, seq=1)
    bank.answer(first[0], "OK", balance)
    equal(peer.reply(tags[0]).code, "OK", "an answer makes room")
    fifth = bank.next_request("BALANCE")
    ok(fifth, "and the next request is read")
    for request in first[1:] + [fifth]:
        bank.answer(request, "OK", balance)
    bank.answer(bank.next_request("BALANCE"), "OK", balance)
    equal([peer.reply(t).code for t in tags[1:]], ["OK"] * 5,
          "nothing was dropped")

    # A peer that takes none of its answers.
    peer = gateway.login()
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    row = dict(seq=1, time=strife.now(), kind="payment", amount=-1,
               currency="CZK", balance=1, peer="bob@BankB", memo="m" * 140)
    row["id"] = strife.new_id()
    mark = gateway.daemon.mark()
    for _ in range(30):
        peer.ask("HISTORY", account="alice@BankA", limit=500)
    taken = 0
    while taken < 30:
        try:
            request = bank.next_request("HISTORY", 1)
        except strife.Timeout:
            break
        taken += 1
        bank.send_octets("".join(
            line(request.tag, "ROW", row) + "\n"
            for _ in range(500)).encode())
        bank.answer(request)
    ok(taken < 30, "a peer that takes no answers is not read for ever")
    ok(gateway.daemon.wait_for(r"closing an idle client", mark),
       "and is closed after `idle`")
    equal(gateway.login().call("PING").code, "OK", "others are served")


def finished(place):
    """A client that sends no more still gets its answers."""
    gateway = Gatewayd(place)
    gateway.start()
    bank = FakeBank(gateway, "BankA").register()
    peer = gateway.login()
    tags = [peer.ask("BALANCE", account="alice@BankA"),
            peer.ask("PAY", payment(target="carol@BankA"))]
    peer.finish()
    question = bank.next_request("BALANCE")
    prepare = bank.next_request("PREPARE")
    bank.answer(question, account="alice", currency="CZK", posted=1, held=0,
                available=1, seq=1)
    bank.vote(prepare)
    try:
        codes = [peer.reply(tag).code for tag in tags]
    except strife.Closed:
        codes = "closed"
    equal(codes, ["OK"] * 2, "after the last request all is still answered")
    ok(peer.closes(), "and then it is closed")
    peer = gateway.client()
    peer.finish()
    ok(peer.closes(), "at once where nothing is to be answered")
    peer = gateway.login()
    peer.ask("BALANCE", account="alice@BankA")
    question = bank.next_request("BALANCE")
    mark = gateway.daemon.mark()
    peer.finish()
    peer.close()
    bank.answer(question, account="alice", currency="CZK", posted=1, held=0,
                available=1, seq=1)
    ok(gateway.daemon.wait_for("client gone", mark),
       "one that is gone is forgotten with its last answer")


def idle(place):
    gateway = Gatewayd(place, limits={"idle": "1s"})
    gateway.start()
    peer = gateway.client()
    ok(peer.closes(), "a silent connection is closed after `idle`")
    peer = gateway.connect()
    ok(peer.closes(), "also one that has never said HELLO")
    bank = FakeBank(gateway, "BankA").register()
    peer = gateway.login()
    tag = peer.ask("BALANCE", account="alice@BankA")
    question = bank.next_request("BALANCE")
    time.sleep(2.5)
    bank.answer(question, account="alice", currency="CZK", posted=1, held=0,
                available=1, seq=1)
    equal(peer.reply(tag).code, "OK",
          "one that waits for an answer of ours is not idle")


def crowds(place):
    """Bounds on connections and handshakes."""
    gateway = Gatewayd(place, limits={"connections": 3, "handshakes": 2,
                                      "handshake": "60s"})
    gateway.start()
    slow = [socket.create_connection(("127.0.0.1", gateway.clients_port))
            for _ in range(2)]
    peer = gateway.client()
    ok(peer.call("PING").code == "OK",
       "with all handshakes taken a new connection is served")
    slow[0].settimeout(strife.WAIT_S)
    equal(slow[0].recv(1), b"", "for the oldest unfinished one is closed")
    bank = FakeBank(gateway, "BankA").register()
    ok(bank, "banks have handshakes of their own")
    slow[1].close()
    more = [gateway.client(), gateway.client()]
    mark = gateway.daemon.mark()
    try:
        fourth = gateway.client()
        ok(False, "one over limits.connections is turned away")
        fourth.close()
    except (ssl.SSLError, OSError, strife.Closed):
        ok(True, "one over limits.connections is turned away")
    ok(gateway.daemon.wait_for(r"limits\.connections", mark),
       "and the log says so")
    more.pop().close()
    for _ in range(1000):
        try:
            equal(gateway.client().call("PING").code, "OK",
                  "with one gone there is room again")
            break
        except (ssl.SSLError, OSError, strife.Closed):
            time.sleep(0.01)
    else:
        ok(False, "with one gone there is room again")
    for one in slow:
        one.close()


with strife.Place() as place:
    gateway = Gatewayd(place)
    gateway.start()
    for test in (shapes, escapes, requests, values, long_lines, sixteen,
                 replies, hello, roles, handshakes, leaving, pipelining,
                 barriers):
        strife.note(test.__name__)
        test(gateway)
    equal(gateway.stop(), 0, "after all that it stops well")
for test in (windows, finished, idle, crowds):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

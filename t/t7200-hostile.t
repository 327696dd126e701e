#!/usr/bin/python3
# Peers that mean no good, one bound after the other: strife-gatewayd.yaml(5),
# limits. Small limits, so that each is soon reached; the crowds themselves are
# in t/hostile/.
import os
import socket
import ssl
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, PASSWORD, payment, user
from strife import equal, like, line, ok

USERS = {"alice": user(["alice@BankA"])}


def rss_kib(daemon):
    with open("/proc/%d/status" % daemon.pid) as f:
        for text in f:
            if text.startswith("VmRSS:"):
                return int(text.split()[1])
    return 0


def is_closed(plain):
    """Reads until the other side closes a socket that speaks no TLS yet."""
    plain.settimeout(strife.WAIT_S)
    try:
        while plain.recv(4096):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


def half_open(place):
    """Handshakes that are never finished, on both listeners."""
    gateway = Gatewayd(place, users=USERS, limits={
        "handshakes": 4, "handshake": "60s"})
    gateway.start()
    peer = gateway.login()
    for what, port in (("clients", gateway.clients_port),
                       ("banks", gateway.banks_port)):
        crowd = [socket.create_connection(("127.0.0.1", port))
                 for _ in range(200)]
        # Some say something first: the beginning of a ClientHello.
        for one in crowd[::2]:
            try:
                one.sendall(b"\x16\x03\x01\x02\x00\x01")
            except ConnectionError:
                pass
        equal(peer.call("PING").code, "OK",
              "%s: beside 200 half-open handshakes others are served" % what)
        if what == "clients":
            ok(gateway.login(), "and somebody new can log in")
        else:
            ok(FakeBank(gateway, "BankA").register(),
               "and a bank can register")
        ok(all(is_closed(one) for one in crowd[:190]),
           "the oldest have made room for the others")
        for one in crowd:
            one.close()
    gateway.stop()

    gateway = Gatewayd(place, users=USERS, limits={"handshake": "300ms"})
    gateway.start()
    plain = socket.create_connection(("127.0.0.1", gateway.clients_port))
    ok(is_closed(plain), "a handshake that takes too long is given up")
    plain.close()
    equal(gateway.stop(), 0, "the gateway stops well")


def one_octet_at_a_time(place):
    gateway = Gatewayd(place, users=USERS, limits={"idle": "1s"})
    gateway.start()
    slow = gateway.client()
    stop = threading.Event()

    def drip():
        while not stop.wait(0.05):
            try:
                slow.send_octets(b"x")
            except (strife.Closed, OSError):
                return

    thread = threading.Thread(target=drip)
    thread.start()
    mark = gateway.daemon.mark()
    closed = gateway.daemon.wait_for(r"closing an idle client", mark)
    stop.set()
    thread.join()
    ok(closed, "whoever never ends its line is closed after `idle`")
    # One that ends its lines is slow, but no trouble.
    slow, other = gateway.client(), gateway.client()
    for octet in b"t PING\n":
        slow.send_octets(bytes([octet]))
        other.call("PING")
    equal(slow.reply("t").code, "OK", "a slow line is answered at its end")
    equal(other.call("PING").code, "OK", "others do not wait for it")
    equal(gateway.stop(), 0, "the gateway stops well")


def slow_reader(place):
    """Takes no answers: what waits for it is bounded, and it is closed."""
    gateway = Gatewayd(place, users=USERS, limits={"idle": "2s"},
                       log={"level": "info"})
    gateway.start()
    bank = FakeBank(gateway, "BankA").register()
    row = dict(seq=1, id=strife.new_id(), time=strife.now(), kind="payment",
               amount=-1, currency="CZK", balance=1, peer="bob@BankB",
               memo="m" * 140)
    before = rss_kib(gateway.daemon)
    mark = gateway.daemon.mark()
    readers = []
    for _ in range(4):
        peer = gateway.login()
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(30):
            peer.ask("HISTORY", account="alice@BankA", limit=500)
        readers.append(peer)
    taken = 0
    while True:
        try:
            request = bank.next_request("HISTORY", 0.3)
        except strife.Timeout:
            break
        taken += 1
        bank.send_octets("".join(
            line(request.tag, "ROW", row) + "\n" for _ in range(500)).encode())
        bank.answer(request)
    ok(taken < 4 * 20, "its requests are not read for ever (%d)" % taken)
    equal(gateway.login().call("PING").code, "OK", "others are served")
    grown = rss_kib(gateway.daemon) - before
    # Two histories each, of some 200 KiB, and what the system keeps.
    ok(grown < 4 * 4096, "and the memory is bounded (%d KiB)" % grown)
    for _ in readers:
        found = gateway.daemon.wait_for(r"closing an idle client", mark)
        ok(found, "it is closed after `idle`")
    equal(gateway.stop(), 0, "the gateway stops well")


def lines(place):
    """On the bank listener; t3100 has the client listener's, and t2100 and
    t3300 what exceeds a window."""
    gateway = Gatewayd(place, users=USERS)
    gateway.start()
    bank = FakeBank(gateway, "BankA").register()
    bank.send("t PING x=" + "a" * 200000)
    equal(bank.reply("t").code, "LINE_TOO_LONG", "a bank's long line")
    equal(bank.call("PING").code, "OK", "and the link goes on")
    bank = FakeBank(gateway, "BankA").register()
    bank.send("\n".join(["t ping"] * 16))
    ok(bank.closes(), "sixteen lines that break the grammar end a link")

    client = gateway.client()
    equal(client.call("PING").code, "OK", "others are served")
    equal(gateway.stop(), 0, "the gateway stops well")


def per_certificate(place):
    gateway = Gatewayd(place, users=USERS, limits={
        "connections": 8, "per_certificate": 2, "handshakes": 2,
        "handshake": "60s"})
    gateway.start()
    first, second = gateway.client("greedy"), gateway.client("greedy")
    mark = gateway.daemon.mark()
    third = gateway.connect("greedy")
    reply = third.call("HELLO", proto=1, agent="x")
    equal((reply.code, reply["retry"]), ("OVERLOADED", "same-id"),
          "one certificate has only so many connections")
    ok(third.closes(), "the one too many is closed")
    ok(gateway.daemon.wait_for(
        r"certificate=greedy.*limits\.per_certificate", mark),
       "and the log says whose it was")
    # A renewed certificate of the same name counts with the old one.
    gateway._pairs["client", "greedy"] = place.certificates.issue(
        "client", "greedy", file="renewed")
    third = gateway.connect("greedy")
    equal(third.call("HELLO", proto=1, agent="x").code, "OVERLOADED",
          "another certificate of that name does not help")
    # Those who wait to be refused keep nobody out.
    silent = [gateway.connect("greedy") for _ in range(10)]
    others = [gateway.client("c%d" % i) for i in range(6)]
    equal([one.call("PING").code for one in others], ["OK"] * 6,
          "others have their places")
    equal(first.call("PING").code, "OK", "and it keeps those it has")
    for one in silent:
        one.close()
    second.close()
    for _ in range(1000):
        try:
            one = gateway.connect("greedy")
            if one.call("HELLO", proto=1, agent="x").code == "OK":
                break
            one.close()
        except (OSError, strife.Closed):
            pass
    equal(one.call("PING").code, "OK", "with one gone there is room again")
    equal(gateway.stop(), 0, "the gateway stops well")

    # Whoever is not welcome and says nothing does not stay for long.
    gateway = Gatewayd(place, users=USERS, limits={
        "per_certificate": 1, "handshake": "300ms"})
    gateway.start()
    first, second = gateway.client("greedy"), gateway.connect("greedy")
    ok(second.closes(), "a silent one too many is closed")
    bank = gateway.connect("BankA", "bank")
    ok(bank.closes(), "and so is a silent one of the wrong role")
    equal(first.call("PING").code, "OK", "the first stays")
    equal(gateway.stop(), 0, "the gateway stops well")


def login_flood(place):
    """Wrong passwords without end: bounded, and others log in beside it."""
    gateway = Gatewayd(place, users=dict(USERS, bob=user(["bob@BankB"])),
                       sessions={"login_burst": 1000})
    gateway.start()
    flood = [gateway.client("flood") for _ in range(8)]
    tags = []
    for _ in range(32):
        for one in flood:
            tags.append((one, one.ask("LOGIN", user="bob", password="no")))
    peer = gateway.client("shop")
    code = peer.call("LOGIN", user="alice", password=PASSWORD).code
    equal(code, "OK", "somebody else logs in beside the flood")
    codes = {one.reply(tag).code for one, tag in tags}
    ok(codes <= {"BAD_CREDENTIALS", "OVERLOADED", "LOCKED_OUT"},
       "the flood is refused: %s" % ", ".join(sorted(codes)))
    equal(gateway.stop(), 0, "the gateway stops well")


for test in (half_open, one_octet_at_a_time, slow_reader, lines,
             per_certificate, login_flood):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

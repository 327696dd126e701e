#!/usr/bin/python3
# SIGHUP: new certificates, keys, CA and revocation list without a connection
# lost. strife-gatewayd(8), strife-bankd(8). An operand: how many times under
# load (5).
import os
import shutil
import signal
import socket
import ssl
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, payment, user
from strife import Bank, equal, like, ok

ROUNDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
USERS = {"alice": user(["alice@BankA"])}


def hangup(one, pattern=r"msg=reloaded"):
    """SIGHUP, and waits for what the log says to it."""
    mark = one.daemon.mark()
    one.daemon.signal(signal.SIGHUP)
    return one.daemon.wait_for(pattern, mark)


def serial(port):
    """Which certificate is presented there? Its DER."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain) as tls:
            return tls.getpeercert(True)


def renew(place, one, role, name):
    """Another certificate and key in the place of the old ones."""
    cert, key = place.certificates.issue(role, name, file="fresh")
    os.rename(key, one.settings["tls"]["key"])
    os.rename(cert, one.settings["tls"]["cert"])


def under_load(place):
    many = {"remembered": 65536}
    gateway = Gatewayd(place, users=USERS, payments=many)
    gateway.start()
    banks = [Bank(place, name, accounts={
        who: {"currency": "CZK", "balance": "100000.00"}},
        gateways=["127.0.0.1:%d" % gateway.banks_port], payments=many)
        for name, who in (("BankA", "alice"), ("BankB", "bob"))]
    for bank in banks:
        bank.start()
        ok(bank.daemon.wait_for(r"^registered gateway=gw1"),
           "%s is registered" % bank.name)
    client = gateway.login()
    before = serial(gateway.clients_port)
    committed = asked = 0
    for _ in range(ROUNDS):
        tags = []
        renew(place, gateway, "gateway", "gw1")
        for bank in banks:
            renew(place, bank, "bank", bank.name)
        for i in range(60):
            tags.append(client.ask("PAY", payment()))
            if i == 20:
                gateway.daemon.signal(signal.SIGHUP)
            if i == 30:
                for bank in banks:
                    bank.daemon.signal(signal.SIGHUP)
            if i % 20 == 19:
                replies = [client.reply(tag) for tag in tags]
                for reply in replies:
                    if reply.get("state") != "committed":
                        strife.note(reply)
                    else:
                        committed += 1
                asked += len(tags)
                tags = []
    equal(committed, asked, "%d reloads under load: each payment committed" %
          ROUNDS)
    for one in [gateway] + banks:
        mark = 0
        for _ in range(ROUNDS):
            if not one.daemon.wait_for(r"msg=reloaded", mark):
                break
            mark += 1
        ok(not [t for t in one.daemon.lines if "link down" in t],
           "no link was lost")
    ok(serial(gateway.clients_port) != before,
       "and the certificate is another")
    equal(client.call("PING").code, "OK", "the client is still connected")
    ok(gateway.login("alice"), "and others can come")
    for one in [gateway] + banks:
        equal(one.stop(), 0, "it stops well")


def bad_sets(place):
    gateway = Gatewayd(place, users=USERS)
    gateway.settings["tls"]["ca"] = shutil.copy(
        place.certificates.ca, place.path("gateways-ca.crt"))
    crl = gateway.settings["tls"]["crl"] = place.certificates.crl()
    gateway.configure()
    gateway.start()
    client = gateway.login()
    before = serial(gateway.clients_port)
    tls = gateway.settings["tls"]

    def refused(what, path, change, pattern):
        shutil.copy2(path, path + ".good")
        change(path)
        run = place.run("strife-gatewayd", "-t", "-c", gateway.config)
        equal(run.status, 78, what + ": -t exits 78")
        like(run.stderr(), pattern, what + ": it says what and where")
        found = hangup(gateway, r"level=error .*not reloaded.*" + pattern)
        ok(found, what + ": SIGHUP says the same")
        ok(serial(gateway.clients_port) == before and
           gateway.login("alice"), what + ": the old set stays in use")
        os.rename(path + ".good", path)

    def rubbish(path):
        with open(path, "w") as f:
            f.write("rubbish\n")

    refused("a certificate that is none", tls["cert"], rubbish,
            r"gw1\.crt: is not a PEM certificate")
    refused("a key of another certificate", tls["key"],
            lambda path: os.rename(
                place.certificates.issue("gateway", "gw1", file="o")[1],
                path), r"gw1\.key: is not the key of the certificate")
    refused("a key that others can read", tls["key"],
            lambda path: os.chmod(path, 0o640), r"gw1\.key: .*others")
    def other_node(path):
        cert, key = place.certificates.issue("gateway", "gw2")
        os.rename(cert, path)
        os.rename(key, tls["key"])

    shutil.copy2(tls["key"], tls["key"] + ".kept")
    refused("another node's certificate", tls["cert"], other_node,
            r"gw1\.crt: .*strife://gateway/gw1")
    os.rename(tls["key"] + ".kept", tls["key"])
    refused("an expired certificate", tls["cert"],
            lambda path: os.rename(place.certificates.issue(
                "gateway", "gw1", file="o", days=0)[0], path),
            r"gw1\.crt: certificate has expired")
    refused("a CA file that is gone", tls["ca"], os.unlink, r"gateways-ca\.crt: ")
    refused("a revocation list that is none", crl, rubbish,
            r"ca\.crl: is not a PEM file of CRLs")
    refused("a stale revocation list", crl,
            lambda path: os.rename(place.certificates.crl(
                file="stale", lasts_s=0), path),
            r"ca\.crl: CRL has expired")
    ok(hangup(gateway), "with good files again SIGHUP reloads")
    equal(client.call("PING").code, "OK",
          "and the client was there all the time")
    equal(gateway.stop(), 0, "it stops well")


def revoked(place):
    gateway = Gatewayd(place, users=USERS)
    gateway.settings["tls"]["crl"] = place.certificates.crl()
    gateway.configure()
    gateway.start()
    # Half a handshake: it is to be judged by what is known at its end.
    half = Half(place, gateway, "thief")
    thief, honest = gateway.client("thief"), gateway.login()
    a, b = FakeBank(gateway, "BankA").register(), \
        FakeBank(gateway, "BankB").register()
    place.certificates.crl(gateway.pair("client", "thief"),
                           gateway.pair("bank", "BankB"))
    mark = gateway.daemon.mark()
    ok(hangup(gateway), "a new revocation list is read")
    ok(thief.closes(), "a client whose certificate is revoked is closed")
    ok(b.closes(), "and so is a bank")
    ok(gateway.daemon.wait_for(
        r"msg=closing certificate=thief .*certificate revoked", mark),
       "the log names the client")
    ok(gateway.daemon.wait_for(
        r"msg=closing bank=BankB .*certificate revoked", mark), "and the bank")
    ok(half.is_refused(), "a handshake that had begun before is too late")
    equal(honest.call("PING").code, "OK", "other clients stay")
    equal(a.call("PING").code, "OK", "and other banks")
    try:
        again = gateway.connect("thief")
        again.send("t HELLO proto=1 agent=x")
        ok(again.closes() and not again.has_reply("t"),
           "the thief cannot come back")
    except (OSError, strife.Closed):
        ok(True, "the thief cannot come back")

    # Another CA takes over.
    other = strife.Certificates(place.path("other-ca"))
    pair = other.issue("gateway", "gw1")
    tls = gateway.settings["tls"]
    os.rename(pair[1], tls["key"])
    os.rename(pair[0], tls["cert"])
    shutil.copy(other.ca, tls["ca"])
    shutil.copy(other.crl(), tls["crl"])
    mark = gateway.daemon.mark()
    ok(hangup(gateway), "another CA is read")
    ok(honest.closes() and a.closes(), "those of the old CA are closed")
    ok(gateway.daemon.wait_for(
        r"msg=closing certificate=shop .*no longer good", mark),
       "and the log tells why")
    equal(gateway.stop(), 0, "it stops well")


class Half:
    """A client that waits with the last step of its handshake."""

    def __init__(self, place, gateway, name):
        context = place.certificates.context(
            gateway.pair("client", name), server=False)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing,
                                    server_hostname="127.0.0.1")
        self.plain = place.keep(socket.create_connection(
            ("127.0.0.1", gateway.clients_port), strife.WAIT_S))
        while True:
            try:
                self.tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                self.plain.sendall(self.outgoing.read())
                self.incoming.write(self.plain.recv(65536))

    def is_refused(self):
        self.tls.write(b"t HELLO proto=1 agent=x\n")
        self.plain.sendall(self.outgoing.read())
        answer = b""
        try:
            while True:
                octets = self.plain.recv(65536)
                if not octets:
                    return b"OK" not in answer
                self.incoming.write(octets)
                answer += self.tls.read(65536)
        except (ssl.SSLError, ConnectionError):
            return b"OK" not in answer


def bank_side(place):
    """A bank looks at its gateway's certificate again, too."""
    gw = place.gateway("gw1")
    bank = Bank(place, gateways=[gw.address])
    bank.settings["tls"]["crl"] = place.certificates.crl()
    bank.configure()
    bank.start()
    peer = place.keep(gw.meet())
    ok(bank.daemon.wait_for(r"^registered gateway=gw1"), "registered")
    ok(hangup(bank), "SIGHUP reloads")
    equal(peer.call("PING").code, "OK", "and the link stays")
    with open(bank.settings["tls"]["cert"], "a") as f:
        f.write("-----BEGIN CERTIFICATE-----\nrubbish\n")
    ok(hangup(bank, r"level=error .*not reloaded.*BankA\.crt"),
       "a bad set is refused")
    equal(peer.call("PING").code, "OK", "and the link stays")
    renew(place, bank, "bank", "BankA")
    ours = strife.os.path.join(place.certificates.dir, "gw1.crt")
    place.certificates.crl((ours, None))
    mark = bank.daemon.mark()
    ok(hangup(bank), "a list that revokes the gateway is read")
    ok(peer.closes(), "the link is closed")
    ok(bank.daemon.wait_for(
        r"msg=closing .*no longer good.*certificate revoked", mark),
       "and the log tells why")
    gw.accept_in_background()
    equal(bank.stop(), 0, "it stops well")


def stale(place):
    """A revocation list that ends while it is in use."""
    gateway = Gatewayd(place, users=USERS)
    gateway.settings["tls"]["crl"] = place.certificates.crl(lasts_s=0)
    gateway.configure()
    run = place.run("strife-gatewayd", "-c", gateway.config)
    equal(run.status, 78, "a stale list at the start: exit 78")
    like(run.stderr(), r"ca\.crl: CRL has expired", "and it is named")
    place.certificates.crl(lasts_s=3)
    gateway.start()
    client = gateway.login()
    ok(gateway.daemon.wait_for(
        r"level=error .*SIGHUP.*ca\.crl: CRL has expired"),
       "when the list in use has ended, the log says so")
    refusals = 0
    try:
        gateway.client()
    except (OSError, strife.Closed):
        refusals += 1
    equal(refusals, 1, "nobody can connect any more")
    equal(client.call("PING").code, "OK", "who is connected stays")
    place.certificates.crl()
    ok(hangup(gateway), "a new list is read")
    ok(gateway.client(), "and others can connect again")
    equal(gateway.stop(), 0, "it stops well")


def manager(place):
    """What systemd is told: sd_notify(3)."""
    path = place.path("notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(strife.WAIT_S)
        gateway = Gatewayd(place, users=USERS)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            gateway.start()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        said = []

        def wait(text):
            while not said or text not in said[-1]:
                said.append(manager.recv(4096).decode())
            return said[-1]

        wait("READY=1")
        gateway.daemon.signal(signal.SIGHUP)
        like(wait("RELOADING=1"), r"MONOTONIC_USEC=[0-9]+",
             "a reload is announced, with the time")
        ok(wait("READY=1"), "and its end")
        equal(gateway.stop(), 0, "it stops well")


for test in (under_load, bad_sets, revoked, bank_side, stale, manager):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

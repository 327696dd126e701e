#!/usr/bin/python3
# Who gets past TLS, and who does not: strife-protocol(7), "Transport". Each
# kind of peer against each listener, and each kind of gateway against a bank.
import os
import signal
import socket
import ssl
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd
from strife import Bank, equal, like, ok

HELLO = {"proto": 1, "agent": "x"}


def greet(gateway, pair, port, change=None, certificates=None):
    """The code of the first answer, or None: refused before there is one."""
    certificates = certificates or gateway.place.certificates
    context = certificates.context(pair, server=False)
    if change:
        change(context)
    try:
        plain = socket.create_connection(("127.0.0.1", port), strife.WAIT_S)
        peer = strife.Peer(context.wrap_socket(
            plain, server_hostname="127.0.0.1"))
        fields = dict(HELLO)
        if port == gateway.banks_port:
            fields["window"] = 1
        code = peer.call("HELLO", fields).code
        if code == "FORBIDDEN":
            ok(peer.closes(), "FORBIDDEN, and then it is closed")
        peer.close()
        return code
    except (ssl.SSLError, ConnectionError, strife.Closed) as e:
        strife.note(e)
        return None


def tls12(context):
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2


def groups(name):
    return lambda context: context.set_ecdh_curve(name)


def listeners(place):
    gateway = Gatewayd(place)
    issue = place.certificates.issue
    revoked = issue("client", "gone"), issue("bank", "GoneBank")
    gateway.settings["tls"]["crl"] = place.certificates.crl(*revoked)
    gateway.configure()
    gateway.start()
    other = strife.Certificates(place.path("other-ca"))
    strange = other.issue("client", "shop"), other.issue("bank", "BankA")
    other.ca = place.certificates.ca
    good = issue("client", "shop"), issue("bank", "BankA")
    two = ["strife://client/a", "strife://client/b"], \
        ["strife://bank/A", "strife://bank/B"]
    for i, (what, role, port) in enumerate((
            ("clients", "client", gateway.clients_port),
            ("banks", "bank", gateway.banks_port))):
        def refused(why, pair, **how):
            equal(greet(gateway, pair, port, **how), None,
                  "%s: %s is refused at the handshake" % (what, why))
        equal(greet(gateway, good[i], port), "OK",
              "%s: a good certificate is welcome" % what)
        refused("TLS 1.2", good[i], change=tls12)
        refused("a group that is none of ours", good[i],
                change=groups("secp521r1"))
        refused("no certificate", None)
        refused("another CA's certificate", strange[i], certificates=other)
        refused("an expired certificate",
                issue(role, "Late", days=0, file="late-" + role))
        refused("a revoked certificate", revoked[i])
        refused("two URI names",
                issue(role, "x", uris=two[i], file="two-" + role))
        refused("a name in the CN only",
                issue(role, "strife://%s/shop" % role, uris=[], hosts=(),
                      file="cn-" + role))
        refused("a URI of another scheme",
                issue(role, "x", uris=["https://%s/shop" % role],
                      file="scheme-" + role))
        refused("an empty name",
                issue(role, "x", uris=["strife://%s/" % role],
                      file="empty-" + role))
        wrong = ("bank", "client")[i]
        equal(greet(gateway, good[1 - i], port), "FORBIDDEN",
              "%s: a %s's certificate is FORBIDDEN" % (what, wrong))
        equal(greet(gateway, issue("gateway", "gw9", file="gw9-%d" % i),
                    port), "FORBIDDEN",
              "%s: a gateway's certificate is FORBIDDEN" % what)
        # What is no TLS at all is no trouble either.
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"t HELLO proto=1 agent=x\n")
            plain.settimeout(strife.WAIT_S)
            try:
                got = plain.recv(100)
            except ConnectionError:
                got = b""
            ok(b"HELLO" not in got and b"OK" not in got,
               "%s: plain text is not answered" % what)
        equal(greet(gateway, good[i], port), "OK",
              "%s: others are welcome after all that" % what)
    ok(gateway.daemon.wait_for(r"error=.*certificate revoked"),
       "the log tells why")
    equal(gateway.stop(), 0, "and the gateway stops well")


def resumption(place):
    """Every connection proves its certificate anew: no tickets, no early
    data."""
    gateway = Gatewayd(place)
    gateway.start()
    peer = gateway.client()
    session = peer.sock.session
    ok(session is None or not session.has_ticket,
       "no session ticket is given out")
    equal(peer.sock.version(), "TLSv1.3", "the version is 1.3")
    ok(peer.sock.cipher()[2] >= 128, "of at least 128 bits")


def gateways(place):
    """What a bank makes of those who answer where its gateway should be."""
    certificates = place.certificates
    good = certificates.issue("gateway", "gw1")
    revoked = certificates.issue("gateway", "gw1", file="revoked")
    other = strife.Certificates(place.path("other-ca"))
    strange = other.issue("gateway", "gw1")
    other.ca = certificates.ca
    crl = certificates.crl(revoked)
    listener = place.keep(strife.Listener(certificates, good))
    bank = Bank(place, gateways=[listener.address],
                tls={"crl": crl})
    bank.start()
    for what, pair, why in (
            ("another CA's gateway", strange, "unable to get local issuer"),
            ("a bank", certificates.issue("bank", "gw1", file="b"),
             "not that of a gateway"),
            ("a client", certificates.issue("client", "gw1", file="c"),
             "not that of a gateway"),
            ("an expired gateway",
             certificates.issue("gateway", "gw1", file="e", days=0),
             "expired"),
            ("a revoked gateway", revoked, "certificate revoked"),
            ("a gateway of another host",
             certificates.issue("gateway", "gw1", file="h",
                                hosts=["192.0.2.1", "example.org"]),
             "IP address mismatch"),
            ("a gateway of the host in its CN only",
             certificates.issue("gateway", "127.0.0.1", file="n", hosts=(),
                                uris=["strife://gateway/gw1"]),
             "IP address mismatch"),
            ("TLS 1.2", None, "refused by the peer.*protocol version")):
        context = certificates.context(pair or good, server=True)
        context.verify_mode = ssl.CERT_NONE
        if pair is None:
            tls12(context)
        listener.context = context
        mark = bank.daemon.mark()
        bank.daemon.signal(signal.SIGHUP)
        said = []
        deadline = time.monotonic() + strife.WAIT_S
        while time.monotonic() < deadline and not said and \
                not bank.daemon.wait_for("link down.*" + why, mark, 0.05):
            try:
                # In TLS 1.3 a server may think that all is well.
                peer = listener.accept(0.2)
                peer.closes(0.2)
                said = peer.pending_requests()
                peer.close()
            except (strife.Timeout, OSError):
                pass
            bank.daemon.signal(signal.SIGHUP)
        equal(said, [], "%s: nothing is said to it" % what)
        ok(bank.daemon.wait_for("link down.*" + why, mark),
           "%s: refused, and the log tells why" % what)
    listener.context = certificates.context(good, server=True)
    peer = None
    while peer is None:
        bank.daemon.signal(signal.SIGHUP)
        try:
            peer = listener.accept(0.2)
        except strife.Timeout:
            pass
    equal(peer.next_request().word, "HELLO",
          "the right one is greeted when it comes")
    peer.close()
    listener.close()
    equal(bank.stop(), 0, "and the bank stops well")


for test in (listeners, resumption, gateways):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

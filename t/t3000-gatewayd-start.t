#!/usr/bin/python3
# How strife-gatewayd starts and refuses to: strife-gatewayd(8), EXIT STATUS.
import os
import re
import signal
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, PASSWORD, payment, token_key, user
from journalwriter import GatewayJournal, Payment
from strife import equal, like, ok


def options(place):
    run = place.run("strife-gatewayd", "-V")
    equal(run.status, 0, "-V exits 0")
    like(run.stdout.decode(), r"^strife-gatewayd [0-9]+\.",
         "-V says who it is")
    run = place.run("strife-gatewayd", "-h")
    equal(run.status, 0, "-h exits 0")
    like(run.stdout.decode(), r"--restored", "-h lists the options")
    equal(place.run("strife-gatewayd").status, 64, "no -c: exit 64")
    equal(place.run("strife-gatewayd", "-c", "x", "y").status, 64,
          "an operand: exit 64")
    equal(place.run("strife-gatewayd", "--nonsense").status, 64,
          "an unknown option: exit 64")


def refused(place, gateway, pattern, what):
    """Both a check and a start refuse it, and nothing is written."""
    run = place.run("strife-gatewayd", "-t", "-c", gateway.config)
    equal(run.status, 78, what + ": -t exits 78")
    like(run.stderr(), pattern, what + ": -t says what and where")
    run = place.run("strife-gatewayd", "-c", gateway.config)
    equal(run.status, 78, what + ": a start exits 78")
    like(run.stderr(), pattern, what + ": a start says the same")
    ok(not os.path.exists(gateway.journal), what + ": nothing was written")


def bad_configuration(place):
    run = place.run("strife-gatewayd", "-c", place.path("none.yaml"))
    equal(run.status, 78, "a configuration that is not there: exit 78")
    like(run.stderr(), r"none\.yaml", "it is named")

    gateway = Gatewayd(place)
    good = open(gateway.config).read()

    def changed(old, new):
        assert old in good, old
        place.write("gatewayd-gw1.yaml", good.replace(old, new))
        return gateway

    file = r"gatewayd-gw1\.yaml:[0-9]+:[0-9]+: "
    refused(place, changed("control:", "contrl: x\ncontrol:"),
            file + ".*contrl.*control", "an unknown key")
    refused(place, changed("node: gw1", "node: \"gw 1\""), file + ".*node",
            "a name that is no node's")
    refused(place, changed("node: gw1\n", ""), file + ".*node",
            "a missing key")
    refused(place, changed("node: gw1", "node: gw1\nnode: gw1"), file,
            "a repeated key")
    refused(place, changed('clients: "127.0.0.1:0"', "clients: 127.0.0.1"),
            file + ".*HOST:PORT", "an address without a port")
    refused(place, changed("in_flight: 64", "in_flight: 0"),
            file + ".*in_flight", "a number below its minimum")
    refused(place, changed("in_flight: 64", "in_flight: many"),
            file + ".*in_flight", "a number that is none")
    refused(place, changed("prepare_timeout: 30s", "prepare_timeout: 30"),
            file + ".*prepare_timeout", "a duration without a unit")
    refused(place, changed("level: debug", "level: loud"),
            file + ".*error, warn, info, debug", "an unknown log level")
    refused(place, changed("in_flight: 64", "in_flight: 20000"),
            file + r".*20000 payments in flight.*64 held ones.*"
            r"journal\.segment", "a reserve that does not fit in a segment")
    refused(place, changed("segment: 1MiB", "segment: 1KiB"),
            file + ".*segment", "a segment that is too small")
    refused(place, changed("control: ", "control: /" + "x" * 120),
            file + ".*control.* 107 octets",
            "a control socket with too long a path")
    refused(place, changed("  users:", "  token_keys: [a.key]\n"
                           "  token_secret: b\n  users:"),
            file + ".*token_secret.*token_keys",
            "keys and a secret for tokens")
    refused(place, changed("  users:", "  token_lifetime: 0s\n  users:"),
            file + ".*token_lifetime", "tokens that live no time")


def bad_files(place):
    gateway = Gatewayd(place)
    gateway.settings["tls"]["key"] = place.path("none.key")
    gateway.configure()
    refused(place, gateway, r"none\.key", "a key that is not there")

    gateway = Gatewayd(place)
    os.chmod(gateway.settings["tls"]["key"], 0o644)
    refused(place, gateway, r"gw1\.key", "a key that others can read")

    gateway = Gatewayd(place)
    other = place.certificates.issue("gateway", "gw2")
    gateway.settings["tls"]["cert"], gateway.settings["tls"]["key"] = other
    gateway.configure()
    refused(place, gateway, r"gw2\.crt: .*strife://gateway/gw1",
            "another node's certificate")
    bank = place.certificates.issue("bank", "gw1", file="bank")
    gateway.settings["tls"]["cert"], gateway.settings["tls"]["key"] = bank
    gateway.configure()
    refused(place, gateway, r"bank\.crt: .*strife://gateway/gw1",
            "a bank's certificate")

    gateway = Gatewayd(place)
    place.write("file", "")
    gateway.settings["journal"]["dir"] = place.path("file", "journal")
    gateway.configure()
    refused(place, gateway, r"file", "a journal below what is no directory")

    gateway = Gatewayd(place)
    gateway.settings["sessions"]["users"] = place.path("none.yaml")
    gateway.configure()
    refused(place, gateway, r"none\.yaml", "a users file that is not there")

    gateway = Gatewayd(place, users={"alice": user(["alice@BankA"],
                                                   roles=["payy"])})
    refused(place, gateway,
            r"(?m)^strife-gatewayd: \S*gw1-users\.yaml:[0-9]+:[0-9]+: .*roles",
            "a user with a role that there is not")


def check_only(place):
    gateway = Gatewayd(place, sessions={"token_keys": [token_key(place)]})
    run = place.run("strife-gatewayd", "-t", "-c", gateway.config)
    equal(run.status, 0, "-t of a good configuration exits 0")
    equal(run.stdout.decode(), "%s: ok\n" % gateway.config, "-t says ok")
    ok(not os.path.exists(gateway.journal), "-t makes no journal")
    ok(not os.path.exists(gateway.settings["control"]), "-t makes no socket")


def defaults(place):
    """Only what is required: the defaults themselves must be legal."""
    gateway = Gatewayd(place, limits=None, payments=None, log=None,
                       listen=None)
    del gateway.settings["journal"]["segment"]
    gateway.configure()
    run = place.run("strife-gatewayd", "-t", "-c", gateway.config)
    equal(run.status, 0, "a configuration of required keys passes")
    note = run.stderr()
    if note:
        strife.note(note)


def sample(place):
    """etc/strife/gatewayd.yaml, with every default written out."""
    with open(os.path.join(strife.TOP, "etc/strife/gatewayd.yaml")) as f:
        lines = f.read().splitlines()
    gateway = Gatewayd(place)
    keys = [re.sub(r"^( *)# ", r"\1", one) for one in lines[1:]]
    keys = [one for one in keys if "token_keys" not in one]
    text = "\n".join(keys) + "\n"
    for name, path in (("ca.crt", gateway.settings["tls"]["ca"]),
                       ("gw1.crt", gateway.settings["tls"]["cert"]),
                       ("gw1.key", gateway.settings["tls"]["key"])):
        text = text.replace("../../certs/" + name, path)
    text = text.replace("  crl: ../../certs/ca.crl\n", "")
    text = text.replace("../../var", place.path("var"))
    text = text.replace("users.yaml ", gateway.settings["sessions"]["users"]
                        + " ")
    ok("prepare_timeout: 5s" in text and "idle: 10m" in text,
       "the sample names the defaults")
    config = place.write("sample.yaml", text)
    run = place.run("strife-gatewayd", "-t", "-c", config)
    equal(run.status, 0, "and with them written out it passes -t")
    if run.stderr():
        strife.note(run.stderr())


def good_start(place):
    gateway = Gatewayd(place)
    gateway.start()
    ok(gateway.clients_port and gateway.banks_port,
       "the ready line tells both ports")
    mode = os.stat(gateway.settings["control"]).st_mode
    equal(mode & 0o7777, 0o600, "the control socket is mode 0600")
    equal(os.stat(gateway.journal).st_mode & 0o7777, 0o750,
          "the journal's directory is mode 0750")
    equal([r["epoch"] for r in gateway.records("BOOT")], ["1"],
          "the epoch is in the journal when it is ready")

    second = place.run("strife-gatewayd", "-c", gateway.config)
    equal(second.status, 75, "a second one on the same journal exits 75")
    ok(gateway.daemon.running, "the first one goes on")
    equal(place.run("strife-gatewayd", "-t", "-c", gateway.config).status, 0,
          "-t works beside a running gateway")

    client = gateway.login()
    ok(client, "a client can log in")
    equal(gateway.stop(), 0, "SIGTERM: exit 0")
    ok(client.closes(), "its clients are closed")
    ok(not os.path.exists(gateway.settings["control"]),
       "the control socket is gone")
    gateway.start()
    gateway.daemon.signal(signal.SIGINT)
    equal(gateway.daemon.wait(), 0, "SIGINT: exit 0")
    equal([r["epoch"] for r in gateway.records("BOOT")], ["1", "2"],
          "each start is a new epoch")


def taken_port(place):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for which in ("clients", "banks"):
            gateway = Gatewayd(place, listen={which: "127.0.0.1:%d" % port})
            run = place.run("strife-gatewayd", "-c", gateway.config)
            equal(run.status, 78, "a taken port for %s: exit 78" % which)
            like(run.stderr(), r"listen\.%s: 127\.0\.0\.1:%d" % (which, port),
                 "and it is named")


def corrupt(place):
    gateway = Gatewayd(place)
    gateway.start()
    gateway.stop()
    path = os.path.join(gateway.journal, "00000001.journal")
    with open(path, "r+b") as f:
        octets = f.read()
        f.seek(octets.index(b"strife-gatewayd"))
        f.write(b"x")
    run = place.run("strife-gatewayd", "-c", gateway.config)
    equal(run.status, 65, "a journal with a changed octet: exit 65")
    like(run.stderr(), r"00000001\.journal", "the file is named")
    with open(path, "rb") as f:
        ok(f.read() != octets, "and nothing was repaired behind our back")

    gateway = Gatewayd(place, node="gw4")
    journal = GatewayJournal(gateway.journal, "gw4")
    journal.abort(Payment(journal), "CANCELLED", again="1:0")
    run = place.run("strife-gatewayd", "-c", gateway.config)
    equal(run.status, 65, "a record of the same id is not there: exit 65")
    like(run.stderr(), "record 3 of the journal contradicts an earlier one",
         "and named")

    gateway = Gatewayd(place, node="gw2")
    gateway.start()
    gateway.stop()
    journal = gateway.journal
    gateway = Gatewayd(place, node="gw3", journal={"dir": journal})
    equal(place.run("strife-gatewayd", "-c", gateway.config).status, 78,
          "another gateway's journal: exit 78")


def reloading(place):
    gateway = Gatewayd(place, log={"level": "info"})
    gateway.start()
    client = gateway.client()
    equal(client.call("LOGIN", user="bob", password=PASSWORD).code,
          "BAD_CREDENTIALS", "bob is not a user yet")
    alice = gateway.login("alice")
    place.write("gw1-users.yaml", strife.yaml({"users": {
        "bob": user(["bob@BankA"])}}))
    gateway.settings["log"]["level"] = "debug"
    gateway.configure()
    mark = gateway.daemon.mark()
    gateway.daemon.signal(signal.SIGHUP)
    ok(gateway.daemon.wait_for(r"msg=reloaded", mark), "SIGHUP reloads")
    while client.call("LOGIN", user="bob", password=PASSWORD).code != "OK":
        client.call("PING")
    ok(True, "and bob is a user now")
    equal(alice.call("ACCOUNTS").code, "OK",
          "who is no user any more keeps his session")
    gateway.control().call("REVOKE", user="alice")
    equal(alice.call("ACCOUNTS").code, "TOKEN_REVOKED", "until REVOKE")
    mark = gateway.daemon.mark()
    gateway.connect()
    ok(gateway.daemon.wait_for(r"level=debug .*client connected", mark),
       "and the log's level is the new one")
    with open(gateway.config, "a") as f:
        f.write("nonsense: 1\n")
    mark = gateway.daemon.mark()
    gateway.daemon.signal(signal.SIGHUP)
    ok(gateway.daemon.wait_for(r"not reloaded", mark),
       "SIGHUP with a broken file is refused")
    ok(gateway.daemon.running, "and the gateway goes on")


def stopping(place):
    """SIGTERM finishes what is in flight before it closes."""
    gateway = Gatewayd(place)
    gateway.start()
    a = FakeBank(gateway, "BankA").register()
    b = FakeBank(gateway, "BankB").register()
    client = gateway.login()
    tag = client.ask("PAY", payment())
    prepares = [a.next_request("PREPARE"), b.next_request("PREPARE")]
    mark = gateway.daemon.mark()
    gateway.daemon.signal(signal.SIGTERM)
    ok(gateway.daemon.wait_for(r"msg=stopping", mark), "it is told to stop")
    try:
        gateway.connect()
        ok(False, "nobody new can connect")
    except (ConnectionError, strife.Closed, OSError):
        ok(True, "nobody new can connect")
    a.vote(prepares[0])
    b.vote(prepares[1])
    equal(client.reply(tag).get("state"), "committed",
          "the payment in flight is finished and answered")
    ok(client.closes(), "then the client is closed")
    equal(gateway.daemon.wait(), 0, "and the daemon exits 0")
    equal(len(gateway.records("COMMIT")), 1, "its COMMIT is in the journal")


def impatient(place):
    """Signals that go on end every wait, and it still ends in good order:
    with the sanitizers, nothing is left either."""
    gateway = Gatewayd(place)
    gateway.start()
    banks = [FakeBank(gateway, name).register()
             for name in ("BankA", "BankB")]
    client = gateway.login()
    client.ask("PAY", payment())
    client.ask("ACCOUNTS")
    guest = gateway.client()
    guest.ask("LOGIN", user="carol", password="x", bank="BankA")
    for request in ("PREPARE", "BALANCE", "AUTHENTICATE"):
        banks[0].next_request(request)
    operator = gateway.control()
    while gateway.daemon.running:
        gateway.daemon.signal(signal.SIGTERM)
        gateway.daemon.wait(0.05)
    equal(gateway.daemon.wait(), 0, "SIGTERM upon SIGTERM: it exits 0")
    ok(operator.closes(), "and everybody is closed")
    ok("result=unanswered" in gateway.daemon.stderr(),
       "the log tells who was not answered")


def secrets(place):
    gateway = Gatewayd(place)
    gateway.start()
    client = gateway.client()
    client.call("LOGIN", user="alice", password=PASSWORD)
    client.call("LOGIN", user="alice", password="zebra-and-okapi")
    client.call("LOGIN", user="alice", password="zebra-and-okapi", bank="B")
    client.call("AUTH", token="okapi-and-zebra")
    client.send("a LOGIN user=alice password=zebra-and-okapi password=x")
    client.send("b LOGIN user=alice  password=zebra-and-okapi")
    client.call("PING")
    gateway.stop()
    ok(not re.search("okapi|zebra|horse", gateway.daemon.stderr()),
       "no password and no token is in the log")


for test in (options, bad_configuration, bad_files, check_only, defaults,
             sample, good_start, taken_port, corrupt, reloading, stopping,
             impatient, secrets):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

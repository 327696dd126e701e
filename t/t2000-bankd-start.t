#!/usr/bin/python3
# How strife-bankd starts and refuses to: strife-bankd(8), EXIT STATUS.
import os
import re
import signal
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import Bank, equal, like, ok

ALICE = {"alice": {"currency": "CZK", "balance": "1000.00"}}


def options(place):
    run = place.run("strife-bankd", "-V")
    equal(run.status, 0, "-V exits 0")
    like(run.stdout.decode(), r"^strife-bankd [0-9]+\.", "-V says who it is")
    run = place.run("strife-bankd", "-h")
    equal(run.status, 0, "-h exits 0")
    like(run.stdout.decode(), r"--config FILE", "-h lists the options")
    equal(place.run("strife-bankd").status, 64, "no -c: exit 64")
    equal(place.run("strife-bankd", "-c", "x", "y").status, 64,
          "an operand: exit 64")
    equal(place.run("strife-bankd", "--nonsense").status, 64,
          "an unknown option: exit 64")


def refused(place, bank, pattern, what):
    """Both a check and a start refuse it, and nothing is written."""
    run = place.run("strife-bankd", "-t", "-c", bank.config)
    equal(run.status, 78, what + ": -t exits 78")
    like(run.stderr(), pattern, what + ": -t says what and where")
    run = place.run("strife-bankd", "-c", bank.config)
    equal(run.status, 78, what + ": a start exits 78")
    like(run.stderr(), pattern, what + ": a start says the same")
    ok(not os.path.exists(bank.journal), what + ": nothing was written")


def bad_configuration(place):
    run = place.run("strife-bankd", "-c", place.path("none.yaml"))
    equal(run.status, 78, "a configuration that is not there: exit 78")
    like(run.stderr(), r"none\.yaml", "it is named")

    bank = Bank(place, accounts=ALICE)
    good = open(bank.config).read()

    def with_text(text):
        place.write("BankA.yaml", text)
        return bank

    refused(place, with_text(good + "contrl: x\n"),
            r"BankA\.yaml:[0-9]+:1: .*contrl.*control",
            "an unknown key")
    refused(place, with_text(good.replace("bank: BankA", "bank: 1Bank")),
            r"BankA\.yaml:1:7: ", "a name that is no bank's")
    refused(place, with_text(good.replace("127.0.0.1:1", "127.0.0.1")),
            r"BankA\.yaml:2:[0-9]+: .*HOST:PORT", "an address without a port")
    refused(place, with_text(good.replace("127.0.0.1:1", "127.0.0.1:0")),
            r"BankA\.yaml:2:[0-9]+: .*65535", "port 0")
    refused(place, with_text(good.replace("in_flight: 64", "in_flight: 0")),
            r"BankA\.yaml:[0-9]+:[0-9]+: .*in_flight",
            "a number below its minimum")
    refused(place, with_text(good.replace("level: debug", "level: loud")),
            r"BankA\.yaml:[0-9]+:[0-9]+: .*error, warn, info, debug",
            "an unknown log level")
    refused(place,
            with_text(good.replace("in_flight: 64", "in_flight: 30000")),
            r"BankA\.yaml:[0-9]+:[0-9]+: .*journal\.segment",
            "a reserve that does not fit in a segment")
    refused(place, with_text(good.replace("control: ", "control: /" +
                                          "x" * 120 + "/")),
            r"BankA\.yaml:[0-9]+:[0-9]+: .*control.* 107 octets",
            "a control socket with too long a path")
    refused(place, with_text(good + "bank: BankB\n"),
            r"BankA\.yaml:[0-9]+:1: ", "a repeated key")
    refused(place, with_text(good.replace("bank: BankA\n", "")),
            r"BankA\.yaml:[0-9]+:[0-9]+: .*bank", "a missing key")


def bad_files(place):
    certificates = place.certificates
    bank = Bank(place, accounts=ALICE)

    bank.settings["tls"]["key"] = place.path("none.key")
    bank.configure()
    refused(place, bank, r"none\.key", "a key that is not there")

    bank = Bank(place, accounts=ALICE)
    os.chmod(bank.settings["tls"]["key"], 0o644)
    refused(place, bank, r"BankA\.key", "a key that others can read")

    bank = Bank(place, accounts=ALICE)
    other = certificates.issue("bank", "BankB")
    bank.settings["tls"]["key"] = other[1]
    bank.configure()
    refused(place, bank, r"Bank[AB]\.(key|crt)",
            "the key of another certificate")

    bank.settings["tls"]["cert"], bank.settings["tls"]["key"] = other
    bank.configure()
    refused(place, bank, r"BankB\.crt: .*strife://bank/BankA",
            "another bank's certificate")

    client = certificates.issue("client", "BankA", file="client")
    bank.settings["tls"]["cert"], bank.settings["tls"]["key"] = client
    bank.configure()
    refused(place, bank, r"client\.crt: .*strife://bank/BankA",
            "a client's certificate of the bank's name")

    bank = Bank(place, accounts=ALICE)
    place.write("file", "")
    bank.settings["journal"]["dir"] = place.path("file", "journal")
    bank.configure()
    refused(place, bank, r"file", "a journal below what is no directory")

    # For root every directory is writable.
    if os.geteuid() != 0:
        bank = Bank(place, accounts=ALICE)
        os.mkdir(place.path("closed"), 0o500)
        bank.settings["journal"]["dir"] = place.path("closed", "journal")
        bank.configure()
        refused(place, bank, r"closed", "a directory that is not writable")


def bad_accounts(place):
    def refuse(text, pattern, what):
        bank = Bank(place)
        bank.settings["accounts"] = place.write("accounts.yaml", text)
        bank.configure()
        refused(place, bank, pattern, what)

    head = "accounts:\n  alice: {currency: CZK, balance: \"1.00\"}\n"
    refuse(head + "  bob: {currency: CZX}\n", r"accounts\.yaml:3:19: ",
           "an unknown currency")
    refuse(head + "  bob: {currency: CZK, balance: \"1.005\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*2 decimals", "too many decimals")
    refuse(head + "  bob: {currency: JPY, balance: \"1.0\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*0 decimals",
           "decimals where the currency has none")
    refuse(head + "  bob: {currency: CZK, balance: \"1e3\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*1e3", "an amount that is none")
    refuse(head + "  bob: {currency: CZK, overdraft: \"-1.00\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*negative", "a negative overdraft")
    refuse(head + "  bob: {currency: CZK, balance: \"-1.00\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*overdraft",
           "an opening balance below the overdraft")
    refuse(head + "  bob: {currency: CZK, balance: \"10000000000000.01\"}\n",
           r"accounts\.yaml:3:[0-9]+: .*10\^15", "too large an amount")
    refuse(head + "  bob: {curency: CZK}\n",
           r"accounts\.yaml:3:9: .*curency.*currency", "an unknown key")
    refuse(head + "  \"b b\": {currency: CZK}\n", r"accounts\.yaml:3:",
           "a name that is no account's")
    refuse(head + "  alice: {currency: CZK}\n", r"accounts\.yaml:3:3: ",
           "an account twice")
    refuse("accounts: [alice]\n", r"accounts\.yaml:1:", "a list of accounts")

    bank = Bank(place, limits={"accounts": 16}, accounts={
        "a%d" % i: {"currency": "CZK" if i % 2 else "EUR"}
        for i in range(15)})
    refused(place, bank, r"accounts\.yaml:2:3: .*limits\.accounts",
            "more accounts, the system's counted, than the limit")

    bank = Bank(place)
    bank.settings["accounts"] = place.path("none.yaml")
    bank.configure()
    refused(place, bank, r"none\.yaml", "an accounts file that is not there")


def check_only(place):
    bank = Bank(place, name="BankT", accounts=ALICE)
    run = place.run("strife-bankd", "-t", "-c", bank.config)
    equal(run.status, 0, "-t of a good configuration exits 0")
    equal(run.stdout.decode(), "%s: ok\n" % bank.config, "-t says ok")
    ok(not os.path.exists(bank.journal), "-t makes no journal")


def as_advised(place):
    """What is said of a reserve that does not fit is what would fit."""
    bank = Bank(place, name="BankR", accounts=ALICE,
                payments={"in_flight": 30000})
    run = place.run("strife-bankd", "-t", "-c", bank.config)
    found = re.search(r"lower payments\.in_flight to ([0-9]+)", run.stderr())
    most = int(found.group(1)) if found else 1
    bank.settings["payments"]["in_flight"] = most + 1
    bank.configure()
    refused(place, bank, r"lower payments\.in_flight to %d" % most,
            "one payment more than is advised")
    bank.settings["payments"]["in_flight"] = most
    bank.configure()
    run = place.run("strife-bankd", "-t", "-c", bank.config)
    equal(run.status, 0, "as many as are advised: -t exits 0")
    ok(bank.start(ready=False).wait_for(r"^ready bank=BankR$"),
       "and the bank starts") or strife.note(bank.daemon.stderr())
    bank.stop()


def sample(place):
    """The sample configuration is one that works."""
    for name in ("bankd.yaml", "accounts.yaml"):
        with open(os.path.join(strife.TOP, "etc", "strife", name)) as f:
            place.write("etc/strife/" + name, f.read())
    place.certificates.issue("bank", "BankA")
    config = place.path("etc", "strife", "bankd.yaml")
    run = place.run("strife-bankd", "-t", "-c", config)
    equal(run.status, 0, "the samples in etc/strife pass -t") or \
        strife.note(run.stderr())
    daemon = place.start("strife-bankd", "-c", config)
    ok(daemon.wait_for(r"^ready bank=BankA$"), "and a bank starts with them")
    equal(sorted(os.listdir(place.path("var"))), ["bankd-BankA"],
          "with its journal below var, beside etc")
    equal(daemon.stop(), 0, "and stops")


def good_start(place):
    bank = Bank(place, accounts=ALICE)
    bank.start()
    ok(True, "it says ready without any gateway to talk to")
    like(bank.daemon.stderr(), r"^ready bank=BankA$", "and for which bank")
    mode = os.stat(bank.settings["control"]).st_mode
    equal(mode & 0o7777, 0o600, "the control socket is mode 0600")
    second = place.run("strife-bankd", "-c", bank.config)
    equal(second.status, 75, "a second one on the same journal exits 75")
    ok(bank.daemon.running, "the first one goes on")
    equal(place.run("strife-bankd", "-t", "-c", bank.config).status, 0,
          "-t works beside a running bank")

    mark = bank.daemon.mark()
    bank.daemon.signal(signal.SIGHUP)
    ok(bank.daemon.wait_for(r"reloaded", mark), "SIGHUP reloads")
    with open(bank.config, "a") as f:
        f.write("nonsense: 1\n")
    mark = bank.daemon.mark()
    bank.daemon.signal(signal.SIGHUP)
    ok(bank.daemon.wait_for(r"not reloaded", mark),
       "SIGHUP with a broken file is refused")
    ok(bank.daemon.running, "and the bank goes on")
    bank.settings["log"]["level"] = "error"
    bank.configure()
    bank.daemon.signal(signal.SIGHUP)
    bank.teller().call("OPEN", name="quiet", currency="CZK")
    bank.settings["log"]["level"] = "debug"
    bank.configure()
    mark = bank.daemon.mark()
    bank.daemon.signal(signal.SIGHUP)
    ok(bank.daemon.wait_for(r"reloaded", mark),
       "SIGHUP takes the level of the log from the file")

    equal(bank.stop(), 0, "SIGTERM: exit 0")
    ok(not os.path.exists(bank.settings["control"]),
       "the control socket is gone")
    equal([r["accounts"] for r in bank.records("LOADED")], ["1"],
          "the opening accounts are recorded as loaded, once")

    os.unlink(bank.settings["accounts"])
    equal(place.run("strife-bankd", "-t", "-c", bank.config).status, 0,
          "-t needs no accounts file once they are loaded")
    bank.start()
    bank.daemon.signal(signal.SIGINT)
    equal(bank.daemon.wait(), 0, "SIGINT: exit 0")
    equal(len(bank.records("LOADED")), 1, "they are not loaded again")
    equal([r["boot"] for r in bank.records("BOOT")], ["1", "2"],
          "each start is a BOOT record")


def many_accounts(place):
    accounts = {"a%d" % i: {"currency": "CZK" if i % 2 else "KWD",
                            "balance": "%d.5" % i, "overdraft": "2"}
                for i in range(500)}
    bank = Bank(place, name="Many", accounts=accounts)
    bank.start()
    teller = bank.teller()
    row = teller.call("BALANCE", name="a499")
    equal((row.code, row.get("posted"), row.get("currency")),
          ("OK", "49950", "CZK"), "an opening balance in CZK")
    row = teller.call("BALANCE", name="a498")
    equal(row.get("posted"), "498500", "in KWD, with its three decimals")
    equal(row.get("overdraft"), "2000", "and its overdraft")
    row = teller.call("BALANCE", name=":equity.CZK")
    equal(row.get("posted"), str(-sum(i * 100 + 50 for i in range(500)
                                      if i % 2)),
          "the equity account mirrors them")
    equal(bank.stop(), 0, "it stops")
    equal([r["accounts"] for r in bank.records("LOADED")], ["500"],
          "LOADED counts them")


def half_loaded(place):
    """Killed before LOADED, it loads the rest, and nothing twice."""
    accounts = {"a%d" % i: {"currency": "CZK", "balance": "1.00"}
                for i in range(20)}
    bank = Bank(place, name="Half", accounts=accounts)
    bank.start()
    bank.crash()
    path = os.path.join(bank.journal, "00000001.journal")
    with open(path, "rb") as f:
        octets = f.read()
    cut = octets.index(b" LOADED ")
    cut = octets.rindex(b"\n", 0, cut) + 1
    # The last three records before LOADED go too, as if never flushed.
    for _ in range(3):
        cut = octets.rindex(b"\n", 0, cut - 1) + 1
    with open(path, "r+b") as f:
        f.seek(cut)
        f.write(b"\0" * (len(octets) - cut))
    bank.start()
    teller = bank.teller()
    row = teller.call("BALANCE", name=":equity.CZK")
    equal(row.get("posted"), "-2000", "every balance came in once")
    bank.stop()
    equal(len(bank.records("OPEN")), 20, "every account was opened once")
    equal(len(bank.records("LOADED")), 1, "and LOADED ends them")


def changed_accounts(place):
    """Half loaded, and then the file says something else."""
    bank = Bank(place, name="Changed", accounts=ALICE)
    bank.start()
    bank.crash()
    path = os.path.join(bank.journal, "00000001.journal")
    with open(path, "rb") as f:
        octets = f.read()
    cut = octets.rindex(b"\n", 0, octets.index(b" LOADED ")) + 1
    with open(path, "r+b") as f:
        f.seek(cut)
        f.write(b"\0" * (len(octets) - cut))
    place.write("Changed-accounts.yaml",
                "accounts:\n  alice: {currency: EUR, balance: \"5\"}\n")
    run = place.run("strife-bankd", "-c", bank.config)
    equal(run.status, 78, "an account loaded with another currency: exit 78")
    like(run.stderr(), r"accounts\.yaml:2:[0-9]+: .*alice",
         "and the line is named")


def corrupt(place):
    bank = Bank(place, name="Rot", accounts=ALICE)
    bank.start()
    bank.stop()
    path = os.path.join(bank.journal, "00000001.journal")
    with open(path, "r+b") as f:
        octets = f.read()
        at = octets.index(b"alice")
        f.seek(at)
        f.write(b"alicf")
    run = place.run("strife-bankd", "-c", bank.config)
    equal(run.status, 65, "a journal with a flipped bit: exit 65")
    like(run.stderr(), r"00000001\.journal", "the file is named")
    bank2 = Bank(place, name="Rot2", accounts=ALICE)
    bank2.start()
    bank2.stop()
    bank2.settings["bank"] = "Rot3"
    cert, key = place.certificates.issue("bank", "Rot3")
    bank2.settings["tls"].update(cert=cert, key=key)
    bank2.configure()
    run = place.run("strife-bankd", "-c", bank2.config)
    equal(run.status, 78, "another bank's journal: exit 78")


def torn(place):
    """What is cut off is kept beside, with the mode of a journal's files."""
    bank = Bank(place, name="Torn", accounts=ALICE)
    bank.start()
    bank.stop()
    path = os.path.join(bank.journal, "00000001.journal")
    with open(path, "r+b") as f:
        f.seek(len(f.read().rstrip(b"\0")))
        f.write(b"7 SET time=2026")
    bank.start()
    bank.stop()
    copies = [n for n in os.listdir(bank.journal) if ".torn-" in n]
    equal(len(copies), 1, "a torn tail is kept beside the segment")
    equal({os.stat(os.path.join(bank.journal, n)).st_mode & 0o777
           for n in os.listdir(bank.journal)}, {0o640},
          "all files of a journal are mode 0640")


def strange_files(place):
    """What looks like a part of a journal, and is none."""
    bank = Bank(place, name="Strange", accounts=ALICE)
    bank.start()
    bank.stop()
    for name in ("00000000.journal", "1.journal", "000000009.journal",
                 "00000009.journal~", "README"):
        with open(os.path.join(bank.journal, name), "w") as f:
            f.write("strange\n")
    equal(place.run("strife-journal", "verify", bank.journal).status, 0,
          "strange files are no part of a journal")
    bank.start()
    equal(bank.stop(), 0, "a bank starts beside them")
    other = place.write("precious", "precious\n", 0o600)
    lock = os.path.join(bank.journal, "lock")
    os.unlink(lock)
    os.symlink(other, lock)
    run = place.run("strife-bankd", "-c", bank.config)
    equal(run.status, 78, "a lock that is a symbolic link: exit 78")
    like(run.stderr(), "lock: Too many levels of symbolic links", "named")
    equal((place.read("precious"), os.stat(other).st_mode & 0o777),
          (b"precious\n", 0o600), "and the file behind it is left alone")


for test in (options, bad_configuration, bad_files, bad_accounts, check_only,
             as_advised, sample, good_start, many_accounts, half_loaded,
             changed_accounts, corrupt, torn, strange_files):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

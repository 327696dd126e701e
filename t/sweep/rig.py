"""A gateway and its banks that can be broken at will, and an outside judge.

A Rig runs the real daemons, remembers everything that a client was told, and
at the end says what is wrong: `violations` stays empty where all invariants of
strife-protocol(7) hold. The judge knows only what it asked and was answered; it
reads balances and histories through the banks' control sockets.
"""

import copy
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "lib"))
import strife
from gatewaytest import PASSWORD, user

CUR = "CZK"
# No hold may be left so long after everything was healed.
SETTLE_S = 15.0
# A client gives up on an answer, and asks again on a new connection.
PATIENCE_S = 8.0
# What a whole scenario may take, repeats included, before it counts as hung.
HANG_S = float(os.environ.get("STRIFE_SWEEP_HANG", "40"))
RESTARTS_MAX = 30

ACCOUNTS = {
    "BankA": {"alice": "1000.00", "carol": "200.00", "poor": "1.00"},
    "BankB": {"bob": "0.00", "dave": "500.00"},
}


class Hung(Exception):
    """Nothing more came of it in time."""


class Lost(Exception):
    """The connection broke, or nobody answered."""


def build_shim(directory):
    """fault.so from fault.c, in a directory; returns its path."""
    path = os.path.join(directory, "fault.so")
    subprocess.run(
        [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1",
         "-fPIC", "-shared", "-o", path, os.path.join(HERE, "fault.c"),
         "-ldl"], check=True)
    return path


def merge(settings, more):
    """Settings of a configuration, a level deep, into others."""
    for key, value in more.items():
        if isinstance(value, dict):
            settings.setdefault(key, {}).update(value)
        else:
            settings[key] = value


_sanitizers = None


def sanitizers():
    """Libraries that must be loaded before any other, as their programs say."""
    global _sanitizers
    if _sanitizers is None:
        done = subprocess.run(["ldd", strife.program("strife-bankd")],
                              stdout=subprocess.PIPE)
        _sanitizers = re.findall(r"=> (\S*/libasan\S*)",
                                 done.stdout.decode())
    return _sanitizers


class Fault:
    """What the shim is told, and what it tells: see fault.c."""

    def __init__(self, rig, name, **settings):
        self.path = rig.place.path("count-%s-%d" % (name, rig.serial()))
        self.env = {"LD_PRELOAD": " ".join(sanitizers() + [rig.shim]),
                    "FAULT_COUNT": self.path,
                    "FAULT_DIR": rig.journal(name)}
        self.settings = settings
        for key, value in settings.items():
            if value is not None:
                self.env["FAULT_" + key.upper()] = str(value)

    def _counts(self):
        try:
            with open(self.path, "rb") as f:
                return struct.unpack("4Q", f.read(32).ljust(32, b"\0"))
        except FileNotFoundError:
            return 0, 0, 0, 0

    @property
    def calls(self):
        return self._counts()[0]

    @property
    def fired(self):
        """Which call it was; 0: it did not come so far."""
        counts = self._counts()
        return counts[1] or counts[3]

    @property
    def mallocs(self):
        return self._counts()[2]

    @property
    def kills(self):
        return str(self.settings.get("do", "")).startswith(("kill", "tear")) \
            or "match" in self.settings

    def __str__(self):
        return " ".join("%s=%s" % pair for pair in self.settings.items()
                        if pair[1] is not None)


class Payment:
    """One payment, and everything that was ever said about its id."""

    def __init__(self, payer, payee, amount, memo=None, hold=None,
                 ident=None):
        self.id = ident or strife.new_id()
        self.payer, self.payee, self.amount = payer, payee, amount
        self.memo, self.hold = memo, hold
        self.state = self.reason = self.seq = None
        self.told = []
        self.held = 0

    def fields(self):
        return dict({"id": self.id, "from": self.payer, "to": self.payee,
                     "amount": self.amount, "currency": CUR},
                    memo=self.memo, hold=self.hold)

    def __repr__(self):
        return "%s %s -> %s %d" % (self.id, self.payer, self.payee,
                                   self.amount)


class Client:
    """A connection that is made again whenever it is lost."""

    def __init__(self, rig, name="desk"):
        self.rig, self.name, self.peer = rig, name, None

    def connect(self):
        if self.peer is not None:
            return self.peer
        rig = self.rig
        try:
            peer = strife.connect_tls(
                rig.place.certificates, rig.client_pair, rig.clients_port,
                host=rig.address, name=self.name)
        except (OSError, ValueError) as e:
            raise Lost("connect: %s" % e)
        self.peer = peer
        self.call("HELLO", proto=1, agent="sweep/1")
        reply = self.call("LOGIN", user=self.name, password=PASSWORD)
        if reply.word != "OK":
            self.drop()
            raise Lost("LOGIN: %r" % reply)
        return peer

    def drop(self):
        if self.peer is not None:
            try:
                self.peer.close()
            except OSError:
                pass
        self.peer = None

    def call(self, verb, fields=(), **more):
        """The final answer, or Lost."""
        try:
            peer = self.connect()
            return peer.reply(peer.ask(verb, fields, **more), PATIENCE_S)
        except (strife.Closed, strife.Timeout, OSError, ValueError) as e:
            self.drop()
            raise Lost("%s: %s" % (verb, e))


class Rig:
    """The daemons of one deployment, by name: "gateway" and each bank's."""

    def __init__(self, place, accounts=None, shim=None, address=None,
                 bank_host=None, dirs=None, wrap=None, **settings):
        self.place = place
        self.accounts = accounts or ACCOUNTS
        self.banks = sorted(self.accounts)
        self.names = ["gateway"] + self.banks
        self.shim = shim
        self.address = address or "127.%d.%d.%d" % (
            64 + os.getpid() % 61, os.urandom(1)[0], 2 + os.urandom(1)[0] % 250)
        self.bank_host = bank_host or {}
        self.dirs = dirs or {}
        self.wrap = wrap or {}
        self._serial = 0
        self.clients_port = self.banks_port = 0
        self.daemons = {}
        self.client_pair = place.certificates.issue("client", "sweep")
        self.templates = {}
        self.torn = 0
        self._configure(settings)
        self.forget()
        place.keep(self)

    # -- configuration --

    def serial(self):
        self._serial += 1
        return self._serial

    def journal(self, name):
        return self.dirs.get(name) or self.place.path("journal-" + name)

    def control_path(self, name):
        return self.place.path("ctl-%s" % name)

    def _configure(self, settings):
        place = self.place
        hosts = {self.address, "127.0.0.1"} | set(self.bank_host.values())
        self._gateway_pair = place.certificates.issue(
            "gateway", "gw1", hosts=sorted(hosts))
        self._users = place.write("users.yaml", strife.yaml({"users": {
            "desk": user(acts_for=["*@" + b for b in self.banks])}}))
        self._gateway_settings = settings.pop("gateway", {})
        bank_settings = settings.pop("bank", {})
        self.config = {}
        self._bank_settings = {}
        for name in self.banks:
            cert, key = place.certificates.issue("bank", name)
            accounts = place.write(
                name + "-accounts.yaml", strife.yaml({"accounts": {
                    account: {"currency": CUR, "balance": balance}
                    for account, balance in self.accounts[name].items()}}))
            self._bank_settings[name] = {
                "bank": name,
                "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
                "journal": {"dir": self.journal(name), "segment": "1MiB"},
                "payments": {"in_flight": 128, "remembered": 65536},
                "limits": {"accounts": 1024},
                "accounts": accounts,
                "control": self.control_path(name),
                "resolve": "100ms", "log": {"level": "info"},
            }
            merge(self._bank_settings[name], bank_settings)
        self._write_configurations()

    def _write_configurations(self):
        place = self.place
        listen = self.bank_host.get("listen", self.address)
        cert, key = self._gateway_pair
        settings = {
            "node": "gw1",
            "listen": {"clients": "%s:%d" % (self.address, self.clients_port),
                       "banks": "%s:%d" % (listen, self.banks_port)},
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "journal": {"dir": self.journal("gateway"), "segment": "1MiB"},
            "payments": {"in_flight": 128, "held_max": 128, "per_bank": 128,
                         "per_user": 128, "remembered": 65536,
                         "prepare_timeout": "1500ms"},
            "sessions": {"users": self._users},
            "limits": {"connections": 100, "window": 64, "handshakes": 32,
                       "banks": 32, "heartbeat": "400ms"},
            "control": self.control_path("gateway"),
            "log": {"level": "info"},
        }
        merge(settings, self._gateway_settings)
        self.config["gateway"] = place.write("gateway.yaml",
                                             strife.yaml(settings))
        for name, bank in self._bank_settings.items():
            bank["gateways"] = ["%s:%d" % (
                self.bank_host.get(name, listen), self.banks_port)]
            self.config[name] = place.write(name + ".yaml", strife.yaml(bank))

    # -- one case after the other --

    def forget(self):
        """Everything about the last case but the processes."""
        self.violations = []
        self.payments = []
        self.entries = {}       # id -> (bank, account, signed amount)
        self.opened = set()     # (bank, account)
        self.deaths = []
        self.wanted = set()
        self.faults = {}        # name -> Fault for its starts
        self.next_faults = {}   # name -> Fault for the starts after that
        self.stopped = set()
        self.restarts = 0
        self.allowed = lambda name, status, text: False
        self.started = time.monotonic()
        self.client = Client(self)

    def make_template(self, key="plain", work=None):
        """Journals of banks that have met the gateway, to start cases from;
        and have done some work there."""
        self.kill_all()
        self.forget()
        self._empty()
        self.start_all()
        self.wait_up()
        if work:
            work(self)
            self.settle()
        self.end()
        self.templates[key] = (self.place.path("template-" + key),
                               self.payments)
        for name in self.names:
            shutil.copytree(self.journal(name), os.path.join(
                self.templates[key][0], name))
        if self.violations:
            raise RuntimeError("no template: %s" % self.violations)

    def _empty(self):
        for name in self.names:
            shutil.rmtree(self.journal(name), ignore_errors=True)

    def reset(self, key="plain"):
        """A new case, from a template; from nothing at all where it is None."""
        self.kill_all()
        self.forget()
        self._empty()
        if key is None:
            return
        path, payments = self.templates[key]
        for name in self.names:
            shutil.copytree(os.path.join(path, name), self.journal(name))
        self.payments = [copy.copy(p) for p in payments]

    def written(self, name):
        """How many octets of its newest segment are in use."""
        sizes = [0]
        for file in sorted(os.listdir(self.journal(name))):
            if file.endswith(".journal"):
                with open(os.path.join(self.journal(name), file), "rb") as f:
                    sizes.append(len(f.read().rstrip(b"\0")) or sizes[-1])
        return sizes[-1]

    def bad(self, what):
        self.violations.append(what)

    def late(self):
        return time.monotonic() - self.started > HANG_S

    def hung(self, what):
        raise Hung(what)

    # -- processes --

    def spawn(self, name):
        program = "strife-gatewayd" if name == "gateway" else "strife-bankd"
        fault = self.faults.get(name)
        arguments = list(self.wrap.get(name, [])) + [
            strife.program(program), "-c", self.config[name]]
        daemon = self.place.start(*arguments, env=fault.env if fault else None)
        daemon.fault = fault
        self.place._daemons.remove(daemon)
        self.daemons[name] = daemon
        self.wanted.add(name)
        return daemon

    def ready(self, name):
        """Waits until it is; False where it ended before."""
        daemon = self.daemons[name]
        match = daemon.wait_for(r"^ready ")
        if match is None:
            # Its stderr may be closed a moment before it is gone.
            if daemon.wait(5) is None:
                self.hung("%s is not ready" % name)
            return False
        self.torn += "a torn tail was cut" in daemon.stderr()
        if name == "gateway" and not self.clients_port:
            found = re.search(r"ready clients=\S+:(\d+) banks=\S+:(\d+)",
                              daemon.stderr())
            self.clients_port, self.banks_port = map(int, found.groups())
            self._write_configurations()
        return True

    def start_all(self):
        if not self.clients_port:
            self.spawn("gateway")
            self.ready("gateway")
        for name in self.names:
            if name not in self.daemons or not self.daemons[name].running:
                self.spawn(name)
        for name in self.names:
            if not self.ready(name):
                self.revive()

    def died(self, name):
        """Takes note of an end that nobody asked for; was it allowed?"""
        daemon = self.daemons[name]
        status = daemon.wait()
        text = daemon.stderr()
        self.deaths.append((name, status))
        fault = daemon.fault
        by_fault = fault is not None and fault.kills and status == -9
        if not by_fault and not self.allowed(name, status, text):
            self.bad("%s ended with status %s: %s" % (
                name, status, text[-600:]))
        if fault is not None and (fault.fired or by_fault):
            self.faults[name] = self.next_faults.pop(name, None)

    def revive(self):
        """Starts again what has ended; True where something had."""
        any_dead = False
        for name in sorted(self.wanted):
            while not self.daemons[name].running:
                any_dead = True
                self.died(name)
                self.restarts += 1
                if self.restarts > RESTARTS_MAX:
                    self.hung("%s does not stay up" % name)
                self.spawn(name)
                self.ready(name)
        return any_dead

    def down(self, name, asked=False):
        """SIGTERM, and waits for its end. (A second one would cut it short.)"""
        self.wanted.discard(name)
        daemon = self.daemons[name]
        if name == "gateway":
            self.client.drop()
        if daemon.running and not asked:
            daemon.signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        while daemon.running and time.monotonic() < deadline:
            time.sleep(0.003)
        status = daemon.wait(0.1)
        if status is None:
            daemon.kill()
            self.bad("%s does not end after SIGTERM: %s" % (
                name, daemon.stderr()[-400:]))
        elif status != 0:
            self.died(name)

    def _judge(self):
        """All checks; once more where a fault comes as late as now."""
        while True:
            self.settle()
            known = len(self.violations)
            try:
                self.check_answers(max(1, len(self.payments) // 100))
                self.check_books()
                return
            except Lost:
                time.sleep(0.05)
                if not self.revive():
                    raise
                del self.violations[known:]

    def end(self):
        """SIGTERM to all at once."""
        self.client.drop()
        for daemon in self.daemons.values():
            if daemon.running:
                daemon.signal(signal.SIGTERM)
        for name in self.names:
            self.down(name, asked=True)

    def crash(self, name):
        """SIGKILL."""
        self.wanted.discard(name)
        self.daemons[name].kill()

    def up(self, name):
        if not self.daemons[name].running:
            self.spawn(name)
            if not self.ready(name):
                self.revive()
        self.wanted.add(name)

    def stop(self, name):
        """SIGSTOP."""
        if self.daemons[name].running:
            self.daemons[name].signal(signal.SIGSTOP)

    def go_on(self, name):
        if self.daemons[name].running:
            self.daemons[name].signal(signal.SIGCONT)

    def kill_all(self):
        for daemon in self.daemons.values():
            if daemon.running:
                daemon.process.kill()
        for daemon in self.daemons.values():
            daemon.wait()
        self.wanted.clear()

    def close(self):
        """With the place: whatever happened, nothing is left running."""
        self.client.drop()
        self.kill_all()

    # -- questions to operators' sockets --

    def ask_control(self, name, verb, fields=(), **more):
        """(rows, final answer), or Lost."""
        try:
            with strife.connect_unix(self.control_path(name)) as peer:
                tag = peer.ask(verb, dict(fields, **more))
                return peer.rows_and_reply(tag, PATIENCE_S)
        except (strife.Closed, strife.Timeout, OSError) as e:
            raise Lost("%s of %s: %s" % (verb, name, e))

    def stats(self):
        rows, _ = self.ask_control("gateway", "STATS")
        return {row["name"]: int(row["value"]) for row in rows
                if re.match(r"^[0-9]+$", row["value"])}

    def wait_up(self, dead_will_do=True):
        """Until all wanted banks are registered, or somebody has died."""
        count = len([n for n in self.wanted if n != "gateway"])
        while True:
            if any(not self.daemons[n].running for n in self.wanted):
                if dead_will_do:
                    return False
                self.revive()
            try:
                if self.stats()["banks_up"] >= count:
                    return True
            except Lost:
                pass
            if self.late():
                self.hung("the banks do not register")
            time.sleep(0.01)

    def wait_for(self, condition, limit_s=2.0):
        """Until a condition holds, or a daemon has died meanwhile, or never."""
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            try:
                if condition():
                    return True
            except Lost:
                pass
            if any(not self.daemons[n].running for n in self.wanted):
                return False
            time.sleep(0.005)
        return False

    # -- payments --

    def take(self, payment, reply):
        """Judges an answer to PAY; True where it is the last word."""
        payment.told = payment.told[-3:] + [reply.text]
        state, code = reply.get("state"), reply.get("code")
        if reply.word == "OK" and state == "committed" or \
                code == "ALREADY_EXISTS" and state == "committed":
            return self._final(payment, "committed", None, reply.get("seq"))
        if code == "ALREADY_EXISTS" and state == "aborted":
            return self._final(payment, "aborted", reply.get("reason"), None)
        if reply.get("retry") == "new-id" and state == "aborted":
            return self._final(payment, "aborted", code, None)
        if payment.state is not None and code not in ("OVERLOADED", "DRAINING",
                                                      "INTERNAL"):
            self.bad("%r was %s, now %s" % (payment, payment.state,
                                            reply.text))
            return True
        if reply.word == "OK" and state == "held":
            payment.held += 1
            return False
        if reply.get("retry") == "same-id":
            return False
        if reply.get("retry") == "login":
            self.client.drop()
            return False
        self.bad("%r answered %s" % (payment, reply.text))
        return True

    def _final(self, payment, state, reason, seq):
        before = (payment.state, payment.reason, payment.seq)
        if payment.state is None:
            payment.state, payment.reason, payment.seq = state, reason, seq
        elif before != (state, reason, seq):
            self.bad("%r changed from %s to %s" % (
                payment, before, (state, reason, seq)))
        return True

    def pay(self, payments, window=32, client=None):
        """Asks until each is answered finally, whatever dies meanwhile."""
        client = client or self.client
        for payment in payments:
            if payment not in self.payments:
                self.payments.append(payment)
        todo = list(payments)
        while todo:
            again = []
            while todo:
                batch, todo = todo[:window], todo[window:]
                again += self._pay_once(batch, client)
            todo = again
            self.revive()
            if todo:
                if self.late():
                    self.hung("no final answer for %r: %s" % (
                        todo[0], todo[0].told[-3:]))
                time.sleep(0.02)

    def _pay_once(self, batch, client):
        """One PAY each, pipelined; those that are still open."""
        done = set()
        try:
            peer = client.connect()
            tags = [(p, peer.ask("PAY", p.fields())) for p in batch]
            for payment, tag in tags:
                if self.take(payment, peer.reply(tag, PATIENCE_S)):
                    done.add(payment)
        except (Lost, strife.Closed, strife.Timeout, OSError):
            client.drop()
        return [p for p in batch if p not in done]

    def first_answer(self, payment):
        """PAY once; the answer, or None where the connection broke."""
        if payment not in self.payments:
            self.payments.append(payment)
        try:
            reply = self.client.call("PAY", payment.fields())
        except Lost:
            self.revive()
            return None
        self.take(payment, reply)
        return reply

    def ask(self, verb, fields=(), **more):
        """Asks the gateway until the answer is not passing."""
        while True:
            try:
                reply = self.client.call(verb, dict(fields, **more))
                if reply.get("retry") not in ("same-id", "login"):
                    return reply
                if reply.get("retry") == "login":
                    self.client.drop()
            except Lost:
                pass
            self.revive()
            if self.late():
                self.hung("no final answer to %s" % verb)
            time.sleep(0.02)

    def teller(self, bank, verb, fields=(), **more):
        """Asks a bank's teller until the answer is not passing."""
        while True:
            try:
                _, reply = self.ask_control(bank, verb, dict(fields, **more))
                if reply.get("retry") != "same-id":
                    return reply
            except Lost:
                pass
            self.revive()
            if self.late():
                self.hung("no answer to %s" % verb)
            time.sleep(0.02)

    def entry(self, verb, bank, account, amount, ident=None):
        """DEPOSIT or WITHDRAW, until answered; the answer."""
        ident = ident or strife.new_id()
        reply = self.teller(bank, verb, id=ident, name=account, amount=amount,
                            currency=CUR)
        if reply.word == "OK":
            signed = amount if verb == "DEPOSIT" else -amount
            known = self.entries.get(ident)
            if known is not None and known[3] != reply["seq"]:
                self.bad("%s %s repeated: seq %s, now %s" % (
                    verb, ident, known[3], reply["seq"]))
            self.entries[ident] = (bank, account, signed, reply["seq"])
        return reply

    # -- the judge --

    def heal(self):
        """No more faults; everything runs and goes on."""
        self.faults.clear()
        self.next_faults.clear()
        for name in self.names:
            if self.daemons[name].running:
                self.daemons[name].signal(signal.SIGCONT)
            self.wanted.add(name)
        self.revive()

    def _settled(self):
        stats = self.stats()
        if stats["banks_up"] != len(self.banks):
            return "only %d banks are up" % stats["banks_up"]
        for key in ("in_flight", "unacknowledged", "held"):
            if stats[key] != 0:
                return "%d payments are %s" % (stats[key], key)
        for bank in self.banks:
            rows, _ = self.ask_control(bank, "INDOUBT")
            if rows:
                return "%s has %d in doubt: %s" % (bank, len(rows),
                                                  rows[0].text)
        return None

    def settle(self):
        """Nothing in flight, held or in doubt any more; soon."""
        deadline = time.monotonic() + SETTLE_S
        why = "?"
        while time.monotonic() < deadline:
            try:
                why = self._settled()
                if why is None:
                    return True
            except Lost as e:
                why = str(e)
            if self.revive():
                deadline = time.monotonic() + SETTLE_S
            time.sleep(0.01)
        self.bad("not settled after %d s: %s" % (SETTLE_S, why))
        return False

    def book(self, bank):
        """account -> its row, of all pages."""
        return {row["name"]: row for row in self.pages(bank, "ACCOUNTS")}

    def pages(self, bank, verb, **fields):
        rows, before = [], None
        while True:
            more, reply = self.ask_control(bank, verb, dict(
                fields, limit=500, before=before))
            if reply.word != "OK":
                raise Lost("%s of %s: %s" % (verb, bank, reply.text))
            rows += more
            before = reply.get("next")
            if before is None:
                return rows

    def _expected(self):
        """(balances, moves): what the answers add up to."""
        balances, moves = {}, {}
        for bank, accounts in self.accounts.items():
            for name, text in accounts.items():
                balances[bank, name] = int(text.replace(".", ""))
        for key in self.opened:
            balances.setdefault(key, 0)

        def move(bank, name, ident, amount):
            balances[bank, name] += amount
            moves.setdefault((bank, name), []).append((ident, amount))
        for p in self.payments:
            if p.state == "committed":
                for account, sign in ((p.payer, -1), (p.payee, 1)):
                    name, bank = account.split("@")
                    move(bank, name, p.id, sign * p.amount)
        for ident, (bank, name, amount, _) in self.entries.items():
            move(bank, name, ident, amount)
        return balances, moves

    def check_books(self):
        """Balances and histories against what the clients were told."""
        balances, moves = self._expected()
        clearing = {}
        for bank in self.banks:
            book = self.book(bank)
            total = sum(int(row["posted"]) for row in book.values())
            if total != 0:
                self.bad("%s adds up to %d" % (bank, total))
            for name, row in book.items():
                posted = int(row["posted"])
                if int(row["held"]) != 0:
                    self.bad("%s@%s has %s held" % (name, bank, row["held"]))
                if name.startswith(":clearing."):
                    clearing[bank, name.split(".")[1]] = posted
                if name.startswith(":"):
                    continue
                if posted < -int(row["overdraft"]):
                    self.bad("%s@%s is at %d" % (name, bank, posted))
                want = balances.pop((bank, name), None)
                if posted != want:
                    self.bad("%s@%s is at %d, not %s" % (name, bank, posted,
                                                        want))
                self._check_history(bank, name, moves.get((bank, name), []))
        for key, want in balances.items():
            self.bad("there is no %s@%s (%d)" % (key[1], key[0], want))
        for (bank, other), posted in clearing.items():
            if clearing.get((other, bank), 0) != -posted:
                self.bad("clearing of %s at %s is %d, of %s at %s %d" % (
                    other, bank, posted, bank, other,
                    clearing.get((other, bank), 0)))

    def _check_history(self, bank, name, want):
        rows = self.pages(bank, "HISTORY", name=name)
        got = sorted((row["id"], int(row["amount"])) for row in rows
                     if row["kind"] != "open")
        want = sorted(want)
        if got != want:
            twice = [g for g, after in zip(got, got[1:]) if g == after]
            self.bad("history of %s@%s: too many %s, missing %s" % (
                name, bank, sorted(set(got) - set(want))[:3] or twice[:3],
                sorted(set(want) - set(got))[:3]))

    def check_answers(self, every=1):
        """The same id again: the same answer; other payload: refused."""
        for n, p in enumerate(self.payments):
            if p.state is None:
                self.bad("%r has no final answer" % p)
            elif n % every == 0:
                self.pay([p])
        for p in self.payments[:2]:
            if p.state == "committed":
                reply = self.ask("PAY", dict(p.fields(), amount=p.amount + 1))
                if reply.code != "ID_REUSED":
                    self.bad("%r with another amount: %s" % (p, reply.text))

    def check_journals(self):
        """strife-journal verify, and audit, of all journals as they lie."""
        dirs = [self.journal(n) for n in self.names]
        for command in ("verify",) + (("audit",) if has_audit() else ()):
            done = subprocess.run(
                [strife.program("strife-journal"), command] + dirs,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode != 0:
                self.bad("strife-journal %s: status %d: %s" % (
                    command, done.returncode,
                    done.stdout.decode("utf-8", "replace")[-600:]))

    def finish(self):
        """Heals, settles, checks everything, ends all daemons."""
        try:
            self.heal()
            unfinished = [p for p in self.payments if p.state is None]
            self.started = time.monotonic()
            self.pay(unfinished)
            self._judge()
            self.end()
            self.check_journals()
        except (Hung, Lost) as e:
            self.bad("%s: %s" % (type(e).__name__, e))
        self.client.drop()
        self.kill_all()

    def why(self):
        """What is known of a case that went wrong, for people."""
        text = "\n".join("violation: " + v for v in self.violations)
        for p in self.payments[:8]:
            text += "\n%r: %s %s; told %s" % (p, p.state, p.reason,
                                              p.told[-4:])
        text += "\ndeaths: %s" % self.deaths
        for name, daemon in self.daemons.items():
            text += "\nstderr of %s:\n%s" % (name, daemon.stderr()[-1500:])
        return text

    def keep(self, into):
        """Copies journals aside for somebody to look at."""
        for name in self.names:
            shutil.copytree(self.journal(name), os.path.join(into, name),
                            dirs_exist_ok=True)


_audit = None


def has_audit():
    """Does this strife-journal know `audit`?"""
    global _audit
    if _audit is None:
        done = subprocess.run([strife.program("strife-journal"), "--help"],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        _audit = b"audit" in done.stdout
    return _audit

"""A strife-gatewayd under test, and the banks and clients around it.

Used beside strife.py:

    with strife.Place() as place:
        gateway = Gatewayd(place, users={"alice": {...}})
        gateway.start()
        bank = FakeBank(gateway, "BankA").register()
        client = gateway.login("alice", "secret")
        tag = client.ask("PAY", ...)
        bank.vote(bank.next_request("PREPARE"))
        bank.acknowledge(bank.next_request("COMMIT"))
        answer = client.reply(tag)
"""

import os
import re
import subprocess
import uuid
import warnings

import strife

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import crypt

PASSWORD = "correct horse"
ROLES = ["balance", "pay", "history"]


def hashed(password=PASSWORD):
    """A crypt(3) string that is quick to check."""
    return crypt.crypt(password, "$5$rounds=1000$%s$" % uuid.uuid4().hex[:12])


def user(accounts=(), roles=ROLES, **more):
    """An entry of users.yaml, with PASSWORD."""
    entry = {"password": hashed(), "roles": list(roles)}
    if accounts:
        entry["accounts"] = list(accounts)
    entry.update(more)
    return {k: v for k, v in entry.items() if v is not None}


def token_key(place, name="token.key"):
    """A new key for tokens; returns its path."""
    path = place.path(name)
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out",
                    path], check=True, stderr=subprocess.DEVNULL)
    os.chmod(path, 0o600)
    return path


class Gatewayd:
    """A gateway in a place: its configuration, and the daemon when it runs."""

    def __init__(self, place, node="gw1", users=None, **settings):
        self.place = place
        self.node = node
        cert, key = place.certificates.issue("gateway", node)
        if users is None:
            users = {"alice": user(["alice@BankA"])}
        self.settings = {
            "node": node,
            "listen": {"clients": "127.0.0.1:0", "banks": "127.0.0.1:0"},
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "journal": {"dir": place.path("gatewayd-" + node),
                        "segment": "1MiB"},
            "payments": {"in_flight": 64, "held_max": 64, "per_bank": 64,
                         "per_user": 64, "remembered": 4096,
                         "prepare_timeout": "30s"},
            "sessions": {"users": place.write(node + "-users.yaml",
                                              strife.yaml({"users": users}))},
            "limits": {"connections": 100, "window": 32, "handshakes": 16,
                       "banks": 8, "heartbeat": "60s"},
            "control": place.path("gatewayd-" + node, "control"),
            "log": {"level": "debug"},
        }
        for key, value in settings.items():
            if isinstance(value, dict):
                self.settings.setdefault(key, {}).update(value)
            elif value is None:
                self.settings.pop(key, None)
            else:
                self.settings[key] = value
        self.daemon = None
        self.clients_port = self.banks_port = None
        self._pairs = {}
        self.configure()

    @property
    def journal(self):
        return self.settings["journal"]["dir"]

    def configure(self):
        """Writes the configuration as it is in `settings`."""
        self.config = self.place.write("gatewayd-%s.yaml" % self.node,
                                       strife.yaml(self.settings))

    def start(self, *options):
        """Starts the daemon and waits until it is ready."""
        self.daemon = self.place.start("strife-gatewayd", "-c", self.config,
                                       *options)
        ready = self.daemon.wait_for(
            r"^ready clients=127\.0\.0\.1:([0-9]+) banks=127\.0\.0\.1:([0-9]+)$")
        if not ready:
            strife.note(self.daemon.stderr())
            raise RuntimeError("%s is not ready" % self.node)
        self.clients_port, self.banks_port = map(int, ready.groups())
        return self.daemon

    def stop(self):
        return self.daemon.stop()

    def crash(self):
        return self.daemon.kill()

    def pair(self, role, name):
        """(cert, key) of that role and name, issued when first asked for."""
        if (role, name) not in self._pairs:
            self._pairs[role, name] = self.place.certificates.issue(
                role, name, file="%s-%s" % (role, name))
        return self._pairs[role, name]

    def connect(self, name="shop", role="client", port=None):
        """A connection to the client listener, nothing said yet."""
        return self.place.keep(strife.connect_tls(
            self.place.certificates, self.pair(role, name),
            port or self.clients_port))

    def client(self, name="shop"):
        """As connect, and greeted."""
        peer = self.connect(name)
        hello = peer.call("HELLO", proto=1, agent="test/1")
        if hello.code != "OK":
            raise RuntimeError("HELLO: %r" % hello)
        return peer

    def login(self, name="alice", password=PASSWORD, certificate="shop",
              **more):
        """As client, and logged in."""
        peer = self.client(certificate)
        reply = peer.call("LOGIN", user=name, password=password, **more)
        if reply.code != "OK":
            raise RuntimeError("LOGIN: %r" % reply)
        return peer

    def control(self):
        """A connection to the control socket."""
        return self.place.control(self.settings["control"])

    def records(self, kind=None):
        """The journal's records as Lines (tag: seq, word: kind)."""
        found = []
        for name in sorted(os.listdir(self.journal)):
            if not re.match(r"^[0-9]+\.journal$", name):
                continue
            with open(os.path.join(self.journal, name), "rb") as f:
                octets = f.read().rstrip(b"\0")
            for text in octets.decode("ascii").splitlines():
                record = strife.Line(text)
                if kind is None or record.word == kind:
                    found.append(record)
        return found


class FakeBank(strife.Peer):
    """A bank's end of a link, driven by the test line by line."""

    def __init__(self, gateway, name="BankA", certificate=None, journal=None,
                 role="bank"):
        peer = strife.connect_tls(
            gateway.place.certificates,
            gateway.pair(role, certificate or name), gateway.banks_port,
            name=name)
        super().__init__(peer.sock, name)
        gateway.place.keep(self)
        self.gateway = gateway
        self.bank = name
        # The same bank keeps its journal, and its place in it.
        state = gateway.place.__dict__.setdefault("bank_states", {})
        self.state = state.setdefault(
            name, {"journal": str(uuid.uuid4()), "seq": 0, "told": None})
        self.journal = journal or self.state["journal"]

    def hello(self, **more):
        fields = dict(proto=1, agent="fake/1", window=64)
        fields.update(more)
        return self.call("HELLO", fields)

    def say_register(self, **more):
        """REGISTER as an honest bank would say it."""
        fields = dict(bank=self.bank, boot=1, seq=self.state["seq"],
                      journal=self.journal)
        if self.state["told"]:
            fields["gateway_seq"], fields["gateway_check"] = \
                self.state["told"]
        fields.update(more)
        return self.call("REGISTER", fields)

    def register(self, **more):
        """HELLO and REGISTER; returns itself, ready for PREPARE."""
        reply = self.hello()
        if reply.code != "OK":
            raise RuntimeError("HELLO: %r" % reply)
        reply = self.say_register(**more)
        if reply.code != "OK":
            raise RuntimeError("REGISTER: %r" % reply)
        return self

    def proof(self):
        """seq and check of a new record of this bank's journal."""
        self.state["seq"] += 1
        return dict(seq=self.state["seq"],
                    check="%032x" % (0xb000 + self.state["seq"]))

    def vote(self, prepare, **more):
        fields = dict(id=prepare["id"], branch=prepare["branch"], vote="yes",
                      **self.proof())
        fields.update(more)
        self.answer(prepare, "OK", fields)
        return prepare

    def refuse(self, request, code, **more):
        self.answer(request, "ERR", code=code, retry="never", text="no",
                    **more)
        return request

    def acknowledge(self, commit):
        """Answers COMMIT, and remembers what it told."""
        self.state["told"] = (commit["seq"], commit["check"])
        self.answer(commit, "OK", id=commit["id"], branch=commit["branch"],
                    **self.proof())
        return commit

    def aborted(self, abort):
        self.answer(abort, "OK", id=abort["id"], branch=abort["branch"])
        return abort

    def commit_one(self):
        """Votes yes on the next PREPARE."""
        return self.vote(self.next_request("PREPARE"))


def payment(source="alice@BankA", target="bob@BankB", amount=1000,
            currency="CZK", **more):
    """The fields of a PAY with a fresh id."""
    fields = {"id": strife.new_id(), "from": source, "to": target,
              "amount": amount, "currency": currency}
    fields.update(more)
    return fields


def commit(client, fields, *banks):
    """PAY, with yes from every bank; returns the final answer. The banks
    acknowledge COMMIT."""
    tag = client.ask("PAY", fields)
    for bank in banks:
        bank.commit_one()
    for bank in banks:
        bank.acknowledge(bank.next_request("COMMIT"))
    return client.reply(tag)

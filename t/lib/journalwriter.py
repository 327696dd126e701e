"""Journals written by hand, by strife-journal(5) alone.

Writer is any journal. GatewayJournal and BankJournal know what honest daemons
write: balances, positions and checks follow, unless a field is said otherwise,
so that a test can break one rule and keep every other, and the chain.
"""

import hashlib
import os
import uuid

import strife

UUID = "0f9a3a52-4c4e-4a61-9b3c-2f6f6d1c7a10"
ZERO = "0" * 32


class Writer:
    """A journal, as the manual says it is."""

    def __init__(self, directory, component="bankd", name="BankA",
                 journal=UUID, size=8192):
        self.dir = directory
        self.component, self.name = component, name
        self.journal, self.size = journal, size
        self.seq, self.segment, self.check = 0, 0, ZERO
        self.starts = []            # (segment, offset, seq) of each record
        os.makedirs(directory)
        self.new_segment()

    def path(self, segment=None):
        return os.path.join(self.dir,
                            "%08d.journal" % (segment or self.segment))

    def new_segment(self):
        self.segment += 1
        self.octets = b""
        self.add("SEGMENT version=1 journal=%s component=%s name=%s "
                 "segment=%d prev=%s" % (self.journal, self.component,
                                         self.name, self.segment, self.check))

    def time(self):
        """Of the next record: a second after the one before."""
        return "2026-01-31T%02d:%02d:%02d.000000Z" % (
            12 + self.seq // 3600, self.seq // 60 % 60, self.seq % 60)

    def add(self, text, flushed=None, time=None):
        kind, _, fields = text.partition(" ")
        time = time or self.time()
        self.seq += 1
        bare = "%d %s time=%s flushed=%d %s" % (
            self.seq, kind, time,
            self.seq - 1 if flushed is None else flushed, fields)
        self.check = hashlib.sha256(
            (self.check + bare).encode()).hexdigest()[:32]
        self.starts.append((self.segment, len(self.octets), self.seq))
        self.octets += ("%s check=%s\n" % (bare, self.check)).encode()
        self.save(self.octets)

    def save(self, octets, segment=None):
        with open(self.path(segment), "wb") as f:
            f.write(octets + bytes(self.size - len(octets)))

    def record(self, kind, fields, **changes):
        """add() by fields; a field of None is left out. Its (seq, check)."""
        time = changes.pop("time", None)
        for key, value in changes.items():
            fields["from" if key == "from_" else key] = value
        text = strife.line("0", kind, fields)[2:]
        self.add(text, time=time)
        return self.seq, self.check

    def at(self):
        """SEGMENT:OFFSET of the newest record."""
        return "%d:%d" % self.starts[-1][:2]

    def cut(self, directory, count):
        """A copy of the first records, as if it had been taken then."""
        other = Writer.__new__(Writer)
        other.__dict__.update(self.__dict__)
        other.dir = directory
        os.makedirs(directory)
        end = self.starts[count][1] if count < self.seq else len(self.octets)
        other.octets = self.octets[:end]
        other.save(other.octets)
        return other


def proof(bank, told):
    return "%s:%d:%s" % (bank, told[0], told[1])


class GatewayJournal(Writer):
    """What a gateway would write; one segment."""

    def __init__(self, directory, node="gw1", epoch=1, banks=()):
        super().__init__(directory, "gatewayd", node, str(uuid.uuid4()),
                         1 << 18)
        self.epoch, self.counter = epoch - 1, 0
        self.payments = {}          # id: (from, to), where it was received
        self.boot()
        for bank in banks:
            self.bank(bank)

    def boot(self, **changes):
        self.epoch += 1
        return self.record("BOOT", dict(epoch=self.epoch, agent="test"),
                           **changes)

    def bank(self, bank, **changes):
        return self.record("BANK", dict(bank=bank.name, journal=bank.journal),
                           **changes)

    def branch(self):
        self.counter += 1
        return "%s.%d.%d" % (self.name, self.epoch, self.counter)

    def received(self, one, **changes):
        told = self.record("RECEIVED", {
            "id": one.id, "from": one.source, "to": one.target,
            "amount": one.amount, "currency": "CZK", "memo": one.memo,
            "user": "alice", "hold": "yes", "attempts": 1, "prior": ""},
            **changes)
        self.payments[one.id] = self.at()
        return told

    def held(self, one, bank="BankB", **changes):
        return self.record("HELD", dict(
            id=one.id, reason="BANK_UNAVAILABLE", bank=bank,
            first=self.time(), attempts=1), **changes)

    def commit(self, one, **changes):
        one.decided = self.record("COMMIT", dict(
            id=one.id,
            branches=",".join("%s:%s" % b for b in one.branches.items()),
            proofs=",".join(proof(*v) for v in one.votes.items()),
            received=self.payments.get(one.id, "1:0")), **changes)
        return one.decided

    def abort(self, one, reason="INSUFFICIENT_FUNDS", final=True, **changes):
        return self.record("ABORT", dict(
            id=one.id, reason=reason, final="yes" if final else "no",
            user="alice", attempts=1), **changes)

    def end(self, one, **changes):
        return self.record("END", dict(
            id=one.id,
            proofs=",".join(proof(*a) for a in one.acks.items())), **changes)

    def heuristic(self, one, bank, outcome):
        return self.record("HEURISTIC", dict(id=one.id, bank=bank,
                                             outcome=outcome))


class BankJournal(Writer):
    """What a bank would write; one segment."""

    def __init__(self, directory, name, accounts=(), journal=None):
        super().__init__(directory, "bankd", name,
                         journal or str(uuid.uuid4()), 1 << 18)
        self.balances, self.heads, self.prepared_at = {}, {}, {}
        self.boots = 0
        self.boot()
        for account, balance in dict(accounts).items():
            self.open(account)
            if balance:
                self.entry(account, balance, "open")
        self.record("LOADED", dict(accounts=len(dict(accounts))))

    def boot(self, **changes):
        self.boots += 1
        return self.record("BOOT", dict(boot=self.boots, agent="test"),
                           **changes)

    def open(self, account, overdraft=0, **changes):
        return self.record("OPEN", dict(
            account=account, currency="CZK", overdraft=overdraft, who="root"),
            **changes)

    def set(self, account, **changes):
        return self.record("SET", dict(dict(account=account), **changes),
                           who="root")

    def _move(self, kind, fields, changes):
        """A record that moves money: balances and positions follow."""
        merged = dict(fields, **{"from" if k == "from_" else k: v
                                 for k, v in changes.items()})
        source, target = merged["from"], merged["to"]
        amount = int(merged["amount"])
        self.balances[source] = self.balances.get(source, 0) - amount
        self.balances[target] = self.balances.get(target, 0) + amount
        fields.update(from_balance=self.balances[source],
                      to_balance=self.balances[target],
                      from_prev=self.heads.get(source, ""),
                      to_prev=self.heads.get(target, ""))
        told = self.record(kind, fields, **changes)
        self.heads[source] = self.heads[target] = self.at()
        return told

    def entry(self, account, amount, kind="deposit", **changes):
        source, target = ":equity.CZK", account
        if kind == "withdraw":
            source, target = target, source
        return self._move("ENTRY", {
            "id": str(uuid.uuid4()), "kind": kind, "from": source,
            "to": target, "amount": amount, "currency": "CZK", "who": "root",
            }, changes)

    def gateway(self, node="gw1", epoch=1, told=None, **changes):
        return self.record("GATEWAY", dict(
            node=node, epoch=epoch, gateway_seq=told and told[0],
            gateway_check=told and told[1]), **changes)

    def side(self, one):
        """from, to and peer of this bank's branch."""
        payer, payer_bank = one.source.split("@")
        payee, payee_bank = one.target.split("@")
        if payer_bank != self.name:
            return ":clearing.%s.CZK" % payer_bank, payee, one.source
        if payee_bank != self.name:
            return payer, ":clearing.%s.CZK" % payee_bank, one.target
        return payer, payee, one.target

    def _fields(self, one):
        source, target, peer = self.side(one)
        return {"id": one.id, "branch": one.branches[self.name],
                "from": source, "to": target, "amount": one.amount,
                "currency": "CZK", "peer": peer, "memo": one.memo}

    def prepare(self, one, **changes):
        one.votes[self.name] = self.record("PREPARED", self._fields(one),
                                           **changes)
        self.prepared_at[one.branches[self.name]] = self.at()
        return one.votes[self.name]

    def post(self, one, **changes):
        fields = self._fields(one)
        if one.decided:
            fields.update(gateway_seq=one.decided[0],
                          gateway_check=one.decided[1])
        one.acks[self.name] = self._move("COMMITTED", fields, changes)
        return one.acks[self.name]

    def drop(self, one, **changes):
        branch = one.branches[self.name]
        return self.record("ABORTED", dict(
            id=one.id, branch=branch,
            prepared=self.prepared_at.get(branch)), **changes)

    def decide(self, one, outcome, **changes):
        return self.record("DECIDED", dict(
            id=one.id, branch=one.branches[self.name], outcome=outcome,
            who="root", why="he called"), **changes)

    def settle(self, one, outcome, **changes):
        fields = dict(id=one.id, branch=one.branches[self.name],
                      outcome=outcome)
        if one.decided:
            fields.update(gateway_seq=one.decided[0],
                          gateway_check=one.decided[1])
        return self.record("SETTLED", fields, **changes)


class Payment:
    """One payment on its way: what was told so far."""

    def __init__(self, gateway, source="alice@BankA", target="bob@BankB",
                 amount=1000, memo=None, id=None):
        self.id = id or str(uuid.uuid4())
        self.source, self.target = source, target
        self.amount, self.memo = amount, memo
        self.branches, self.votes, self.acks = {}, {}, {}
        self.decided = None
        self.new_branches(gateway)

    def new_branches(self, gateway):
        """Of a new attempt."""
        self.votes, self.acks, self.decided = {}, {}, None
        for account in (self.source, self.target):
            bank = account.split("@")[1]
            self.branches[bank] = None
        for bank in self.branches:
            self.branches[bank] = gateway.branch()

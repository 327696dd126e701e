#!/usr/bin/python3
# Who may do what: every verb of the client listener for every set of roles,
# with every kind of account and id, for every way to log in. What is expected
# stands in the tables here, which were written from strife-protocol(7).
import itertools
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import FakeBank, Gatewayd, PASSWORD, payment, user
from strife import equal, ok

ROLES = ("balance", "pay", "history")
ROLE_SETS = [c for n in range(4) for c in itertools.combinations(ROLES, n)]

# The role that a verb needs: None: no session, "": a session only.
NEEDS = {"PING": None, "ACCOUNTS": "", "STATUS": "", "BALANCE": "balance",
         "HISTORY": "history", "PAY": "pay", "CANCEL": "pay", "LOGOUT": ""}

# What a bank here says to whatever reaches it.
PASSED = "NO_SUCH_ACCOUNT"

# Accounts, and what becomes of a request about each where the role is there.
USER_ACCOUNTS = ["own@BankA", "second@BankB"]
USER_ACTS_FOR = ["shop.*@BankB", "till@BankA", "*@BankC", "*@Nowhere"]
USER_CELLS = {
    "own@BankA": PASSED,           # linked
    "second@BankB": PASSED,        # linked
    "till@BankA": PASSED,          # acts_for, by name
    "shop.1@BankB": PASSED,        # acts_for, by prefix
    "shop.@BankB": PASSED,         # the prefix itself
    "anyone@BankC": PASSED,        # acts_for, a whole bank
    "x@Nowhere": "NO_SUCH_BANK",   # acts_for, at a bank that nobody knows
    "own@BankB": "FORBIDDEN",      # the same name elsewhere
    "Own@BankA": "FORBIDDEN",      # in another case
    "own.@BankA": "FORBIDDEN",
    "shop@BankB": "FORBIDDEN",     # shorter than the prefix
    "Shop.1@BankB": "FORBIDDEN",
    "shop.1@BankA": "FORBIDDEN",   # the prefix at another bank
    "tills@BankA": "FORBIDDEN",
    "theirs@BankA": "FORBIDDEN",   # somebody else's
    "none@BankA": "FORBIDDEN",     # nobody's
    "x@Elsewhere": "FORBIDDEN",    # nobody's, at a bank that nobody knows
}
CUSTOMER_CELLS = {
    "carol.1@BankB": PASSED,       # what the bank said
    "carol@BankB": "FORBIDDEN",    # the user's name is no account
    "carol.1@BankA": "FORBIDDEN",
    "carol.1@Nowhere": "FORBIDDEN",
    "second@BankB": "FORBIDDEN",
    "none@BankB": "FORBIDDEN",
}
# Ids: what STATUS and CANCEL say of them, and PAY from an account of one's
# own and from another's; the id is looked at before the account.
ID_CELLS = {
    "own": {"STATUS": "OK", "CANCEL": "ALREADY_EXISTS"},
    "theirs": {"STATUS": "NOT_FOUND", "CANCEL": "NOT_FOUND",
               "PAY": "ID_REUSED", "PAY from theirs": "ID_REUSED"},
    "cancelled by them": {"STATUS": "NOT_FOUND", "CANCEL": "NOT_FOUND",
                          "PAY": "ID_REUSED", "PAY from theirs": "ID_REUSED"},
    "unknown": {"STATUS": "NOT_FOUND", "CANCEL": "OK"},
}


class Bank(threading.Thread):
    """A bank that answers everything; `seen` is what reached it."""

    def __init__(self, gateway, name):
        super().__init__(daemon=True)
        self.peer = FakeBank(gateway, name).register()
        self.seen = []
        self.start()

    def run(self):
        try:
            while True:
                self.take(self.peer.next_request())
        except (OSError, strife.Closed, strife.Timeout, ValueError):
            pass

    def take(self, request):
        if request.word == "AUTHENTICATE":
            # The password of a customer here is the roles that he has.
            self.peer.answer(request, "OK", account="carol.1",
                             roles=request["password"].replace("-", ""))
        elif request.word == "ABORT":
            self.peer.aborted(request)
        else:
            self.seen.append((request.word, "%s@%s" % (
                request.get("account") or request["from"], self.peer.bank)))
            self.peer.refuse(request, PASSED)


def granted(verb, roles):
    """NEEDS as a code: "OK", or what is said without the role."""
    if NEEDS[verb] is None:
        return "OK"
    if roles is None:
        return "UNAUTHENTICATED"
    return "OK" if NEEDS[verb] in roles + ("",) else "FORBIDDEN"


def ask(peer, verb, account=None, id=None):
    if verb == "PAY":
        fields = payment(account, "payee@BankC", id=id or strife.new_id(),
                         hold="no")
        return peer.call("PAY", fields).code
    if account is not None:
        return peer.call(verb, account=account).code
    if id is not None:
        return peer.call(verb, id=id).code
    if verb == "ACCOUNTS":
        return peer.rows(verb)[1].code
    return peer.call(verb).code


def about_accounts(peer, who, roles, cells):
    for verb in ("BALANCE", "HISTORY", "PAY"):
        right = granted(verb, roles)
        want = {account: code if right == "OK" else right
                for account, code in cells.items()}
        got = {account: ask(peer, verb, account) for account in cells}
        equal(got, want, "%s: %s" % (who, verb))


def own_id(peer, cells):
    """A payment of this session's user, aborted: PAY's role is needed."""
    fields = payment(next(iter(cells)), "payee@BankC", hold="no")
    return fields["id"] if peer.call("PAY", fields).code == PASSED else None


def about_ids(peer, who, roles, cells, ids):
    """One's own needs the role to make it; the other ids do not."""
    mine = next(iter(cells))
    others = next(a for a in cells if cells[a] == "FORBIDDEN")
    ids = dict(ids, unknown=strife.new_id())
    if roles is not None and "pay" in roles:
        ids["own"] = own_id(peer, cells)
    for verb in ("STATUS", "CANCEL", "PAY", "PAY from theirs"):
        word = verb.split()[0]
        right = granted(word, roles)
        want = {name: ID_CELLS[name][verb] if right == "OK" else right
                for name in ids if verb in ID_CELLS[name]}
        account = {"PAY": mine, "PAY from theirs": others}.get(verb)
        got = {name: ask(peer, word, account, ids[name]) for name in want}
        equal(got, want, "%s: %s, by id" % (who, verb))


def session(peer, who, roles, cells, ids):
    """All of a session's cells; its LOGOUT comes last."""
    about_accounts(peer, who, roles, cells)
    about_ids(peer, who, roles, cells, ids)
    for verb in ("PING", "ACCOUNTS", "LOGOUT"):
        equal(ask(peer, verb), granted(verb, roles), "%s: %s" % (who, verb))
    equal(ask(peer, "ACCOUNTS"), "UNAUTHENTICATED", who + ": out again")


def before_hello(gateway):
    for verb in sorted(NEEDS) + ["LOGIN", "AUTH", "QUIT"]:
        fields = {"LOGIN": {"user": "u", "password": "p"},
                  "AUTH": {"token": "t"},
                  "BALANCE": {"account": "own@BankA"},
                  "HISTORY": {"account": "own@BankA"},
                  "PAY": payment("own@BankA"),
                  "STATUS": {"id": strife.new_id()},
                  "CANCEL": {"id": strife.new_id()}}.get(verb, {})
        peer = gateway.connect()
        equal(peer.call(verb, fields).code, "BAD_REQUEST",
              "%s before HELLO is BAD_REQUEST" % verb)
        peer.close()


def wrong_listeners(gateway):
    """The right CA, the wrong role: one answer, and the end."""
    for role, name, port, what in (
            ("bank", "BankA", gateway.clients_port, "clients"),
            ("gateway", "gw9", gateway.clients_port, "clients"),
            ("client", "shop", gateway.banks_port, "banks"),
            ("gateway", "gw9", gateway.banks_port, "banks")):
        peer = gateway.connect(name, role, port)
        equal(peer.call("HELLO", proto=1, agent="t/1", window=1
                        if what == "banks" else None).code, "FORBIDDEN",
              "the certificate of a %s on the listener of %s" % (role, what))
        ok(peer.closes(), "and the connection ends")


def seen_only_what_passed(banks):
    """A refused request never reaches a bank."""
    allowed = {a for cells in (USER_CELLS, CUSTOMER_CELLS)
               for a, code in cells.items() if code == PASSED}
    for bank in banks:
        strangers = {a for word, a in bank.seen
                     if a not in allowed and not a.startswith(":clearing.")}
        equal(strangers, set(), bank.peer.bank + " was asked for no account "
              "that nobody had a right to")
        ok(bank.seen, "and was asked")


with strife.Place() as place:
    users = {"theirs": user(["theirs@BankA"])}
    for roles in ROLE_SETS:
        name = "-".join(("u",) + roles)
        users[name] = user(USER_ACCOUNTS, roles, acts_for=USER_ACTS_FOR)
        users["cert." + name] = user(
            USER_ACCOUNTS, roles, acts_for=USER_ACTS_FOR,
            certificates=["host"], password=None)
    gateway = Gatewayd(place, users=users, limits={"window": 64})
    gateway.start()
    banks = [Bank(gateway, name) for name in ("BankA", "BankB", "BankC")]

    them = gateway.login("theirs")
    paid, cancelled = payment("theirs@BankA", "payee@BankC"), strife.new_id()
    equal(them.call("PAY", paid).code, PASSED, "somebody else pays")
    equal(them.call("CANCEL", id=cancelled).code, "OK", "and cancels")
    ids = {"theirs": paid["id"], "cancelled by them": cancelled}
    banks[0].seen.clear()

    before_hello(gateway)
    wrong_listeners(gateway)
    session(gateway.client(), "nobody", None, USER_CELLS, ids)
    for roles in ROLE_SETS:
        name, said = "-".join(("u",) + roles), "+".join(roles) or "no role"
        session(gateway.login(name), "password, " + said, roles, USER_CELLS,
                ids)
        peer = gateway.client("host")
        equal(peer.call("LOGIN", user="cert." + name).code, "OK",
              "a login by certificate")
        session(peer, "certificate, " + said, roles, USER_CELLS, ids)
        peer = gateway.client()
        equal(peer.call("LOGIN", user="carol", bank="BankB",
                        password=",".join(roles) or "-").code, "OK",
              "a login at a bank")
        session(peer, "customer, " + said, roles, CUSTOMER_CELLS, ids)
    equal(them.call("STATUS", id=paid["id"]).get("state"), "aborted",
          "nobody has changed another's payment")
    equal(them.call("STATUS", id=cancelled).get("reason"), "CANCELLED",
          "nor another's tombstone")
    seen_only_what_passed(banks)
    equal(gateway.stop(), 0, "the gateway ends")
strife.done()

#!/usr/bin/python3
"""strife-pay pay: every answer, every way to get none."""
import os
import re
import shlex
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import Place, done, is_, ok, unused_address  # noqa: E402

PAYMENT = ("--from", "alice@BankA", "--to", "bob@BankB", "12.50", "CZK")
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
COMMITTED = "OK id={id} state=committed seq={n} time={time}"
p = Place()


def answered(answer, code, what, state, *wanted):
    gateway = p.gateway("PAY => " + answer)
    p.config(gateway)
    r = p.pay("pay", *PAYMENT)
    is_(r.returncode, code, "%s: exit %d" % (what, code))
    is_(r.stdout.split("\t")[1:2], [state], "%s: %s" % (what, state))
    ok(all(word in r.stdout + r.stderr for word in wanted),
       what + ": says so", r.stdout, r.stderr)
    return gateway, r


def error(code, retry, more=""):
    return "ERR code=%s retry=%s text=because%%20so id={id} %s" % (
        code, retry, more) if more else (
            "ERR code=%s retry=%s text=because%%20so id={id}" % (code, retry))


# ---- Answers ----
gateway, r = answered(COMMITTED, 0, "committed", "committed")
ok(re.fullmatch("id (%s)\n" % UUID, r.stderr), "the id is shown", r.stderr)
shown = r.stderr.split()[1]
is_(gateway.lines("PAY"),
    ["PAY id=%s from=alice@BankA to=bob@BankB amount=1250 currency=CZK" %
     shown], "what is sent: that id, minor units, no more than given")
is_(gateway.verbs(), ["HELLO", "LOGIN", "PAY"], "in its order")
is_(gateway.lines("LOGIN"), ["LOGIN user=alice password=secret"],
    "the password is the file's without its newline")
answered(error("ALREADY_EXISTS", "never", "state=committed seq=7 time={time}"),
         0, "a repeat of a committed one", "committed", "\t7\t")
answered(error("ALREADY_EXISTS", "never",
               "state=aborted reason=INSUFFICIENT_FUNDS"),
         1, "a repeat of a declined one", "aborted", "INSUFFICIENT_FUNDS")
answered(error("INSUFFICIENT_FUNDS", "new-id", "state=aborted"), 1,
         "a final reason", "aborted", "declined", "because so")
answered(error("SAME_ACCOUNT", "new-id"), 1, "a final reason without state",
         "refused", "SAME_ACCOUNT")
for code in ("FORBIDDEN", "NO_SUCH_BANK", "ID_REUSED", "BAD_REQUEST"):
    answered(error(code, "never"), 1, code, "refused", code, "because so")
answered(error("NEWER_THAN_WE", "never"), 1, "an unknown code, never",
         "refused", "because so")
answered(error("NEWER_THAN_WE", "new-id", "state=aborted"), 1,
         "an unknown code, new-id", "aborted", "because so")
answered(error("NEWER_THAN_WE", "same-id", "state=aborted"), 75,
         "an unknown code, same-id", "aborted", "because so")
answered("OK id={id} state=held seq=3 time={time} reason=NEWER_THAN_WE", 75,
         "held for an unknown reason", "held")
gateway, r = answered("OK id={id} state=held seq=3 time={time} "
                      "reason=BANK_UNAVAILABLE bank=BankB", 75, "held", "held",
                      "BANK_UNAVAILABLE", "at BankB", "run again: strife-pay")
is_(len(gateway.lines("PAY")), 1, "held: not asked again")
for code in ("BANK_TIMEOUT", "DRAINING", "READ_ONLY", "INTERNAL"):
    answered(error(code, "same-id", "state=aborted"), 75, code, "aborted",
             code, "run again")
gateway, r = answered(error("IN_PROGRESS", "same-id", "state=held"), 75,
                      "in progress because held", "held", "IN_PROGRESS")
is_(len(gateway.lines("PAY")), 1, "held already: not asked again")

gateway = p.gateway("PAY x2 => " + error("OVERLOADED", "same-id") +
                    "\nPAY x1 => " +
                    error("IN_PROGRESS", "same-id", "state=preparing") +
                    "\nPAY => " + COMMITTED)
p.config(gateway)
r = p.pay("pay", *PAYMENT)
is_(r.returncode, 0, "not just now, then committed: exit 0")
is_(len(set(gateway.lines("PAY"))), 1, "the same request each time")
is_(len(gateway.lines("PAY")), 4, "as often as needed")

# ---- Options ----
gateway = p.gateway()
p.config(gateway)
r = p.pay("pay", "--key", "rent", "--memo", "for číslo 5", "--no-hold",
          "--no-queue", *PAYMENT)
is_(r.returncode, 0, "all options: exit 0")
ok(gateway.lines("PAY")[0].endswith(
    "amount=1250 currency=CZK memo=for%20%C4%8D%C3%ADslo%205 hold=no"),
    "the memo is escaped; hold=no", gateway.lines("PAY"))
first = r.stdout.split("\t")[0]
is_(first[14], "5", "--key makes a UUIDv5")
r = p.pay("pay", "--key", "rent", "--memo", "for číslo 5", "--no-hold",
          *PAYMENT)
is_((r.returncode, r.stdout.split("\t")[0]), (0, first),
    "the same key: the same payment")
r = p.pay("pay", "--key", "rent2", *PAYMENT)
ok(r.stdout.split("\t")[0] != first, "another key: another id")
p.config(gateway, user="bob")
r = p.pay("pay", "--key", "rent", *PAYMENT)
ok(r.stdout.split("\t")[0] != first, "another user: another id")
p.config(gateway)
given = "0B7C6DE2-1111-4222-8333-444455556666"
r = p.pay("pay", "--id", given, *PAYMENT)
is_(r.stdout.split("\t")[0], given.lower(), "--id, in either case of letters")
r = p.pay("--json", "pay", "--id", given, *PAYMENT)
is_(r.stdout, '{"id":"%s","state":"committed","seq":4,'
    '"time":"2026-01-31T12:00:00.000000Z"}\n' % given.lower(), "--json")

# ---- No answer ----
gateway = p.gateway("PAY x2 => close\nPAY => " + COMMITTED)
p.config(gateway)
r = p.pay("pay", *PAYMENT)
is_(r.returncode, 0, "the connection breaks twice after PAY: exit 0 at last")
is_((len(gateway.lines("PAY")), len(set(gateway.lines("PAY")))), (3, 1),
    "the same payment was sent again")
is_(gateway.verbs().count("LOGIN"), 3, "on connections of their own")
ok("trying again" in r.stderr, "it says what it waits for", r.stderr)
is_(len(r.stdout.splitlines()), 1, "one result")

first, second = p.gateway("PAY => close"), p.gateway()
p.config(first, second)
r = p.pay("pay", "--memo", "it's", *PAYMENT)
is_(r.returncode, 75, "it stays unknown: exit 75")
is_(r.stdout.split("\t")[1], "unknown", "unknown, not declined")
is_(len(first.lines("PAY")), 4, "sent 1 + retries times")
is_(second.connections, 0, "and to the first gateway only")
again = [line for line in r.stderr.splitlines() if "run again: " in line]
words = shlex.split(again[0].partition("run again: ")[2])
is_(words[0], "strife-pay", "the command to run again is shown")
p.config(p.gateway("PAY => " + COMMITTED))
is_(p.pay(*words[1:]).returncode, 0, "it works as shown")
is_(p.gateways[-1].lines("PAY"), first.lines("PAY")[:1],
    "and is the same payment")

gateway = p.gateway("PAY x1 => nothing\nPAY => " + COMMITTED)
p.config(gateway, reply_timeout="100ms")
r = p.pay("pay", *PAYMENT)
is_((r.returncode, len(gateway.lines("PAY"))), (0, 2),
    "no answer in time: sent again")

p.config(unused_address(), unused_address(), retries="1")
r = p.pay("pay", "--no-queue", *PAYMENT)
is_(r.returncode, 69, "no gateway reachable, --no-queue: exit 69")
ok("not sent" in r.stderr and re.search(UUID, r.stderr),
   "it says that nothing was sent, under which id", r.stderr)
is_(r.stdout, "", "no result")
is_(r.stderr.count("trying again"), 1, "retries apply")
gateway = p.gateway()
p.config(unused_address(), gateway)
r = p.pay("pay", *PAYMENT)
is_((r.returncode, gateway.connections), (0, 1), "the second address is tried")
p.config("no-such-host.invalid:1", gateway)
is_(p.pay("pay", *PAYMENT).returncode, 0, "also when a name does not resolve")

# ---- A broken protocol ----
for raw, what in (
        ("raw {tag} OK id=nonsense", "a value that is not legal"),
        ("raw {tag} OK  id={id}", "a line that breaks the grammar"),
        ("raw {tag} PING", "a request from the gateway"),
        ("raw " + "x" * 5000, "a line too long"),
        ("raw 0 ERR code=BAD_REQUEST retry=never text=x", "tag 0"),
        ("OK id=00000000-0000-4000-8000-000000000000 state=committed seq=1 "
         "time={time}", "the answer to another payment"),
        ("ROW id={id}", "a row where there is none"),
        ("OK state=committed", "an answer without its fields")):
    gateway = p.gateway("PAY => " + raw)
    p.config(gateway)
    r = p.pay("pay", *PAYMENT)
    is_(r.returncode, 76, what + ": exit 76")
    ok("run again" in r.stderr, what + ": the payment may have been made",
       r.stderr)
p.config(p.gateway("HELLO => OK proto=2 node=n server=s window=1 time={time}"))
is_(p.pay("pay", *PAYMENT).returncode, 76, "another protocol: exit 76")
p.config(p.gateway("HELLO => ERR code=UNSUPPORTED_PROTO retry=never text=x"))
is_(p.pay("pay", *PAYMENT).returncode, 76, "UNSUPPORTED_PROTO: exit 76")
p.config(p.gateway(window=0))
is_(p.pay("pay", *PAYMENT).returncode, 76, "a window of nothing: exit 76")
p.config(p.gateway("PAY => raw zz OK id=x | raw * EVENT x=y | " + COMMITTED))
is_(p.pay("pay", *PAYMENT).returncode, 0,
    "replies to no request, and events, are ignored")

# ---- Who is who ----
p.make_ca("ca2")
p.issue("gateway2", "strife://gateway/fake", "ca2")
p.issue("bank", "strife://bank/BankA")
gateway = p.gateway(cert="gateway2")
p.config(gateway)
r = p.pay("pay", *PAYMENT)
is_((r.returncode, gateway.requests), (76, []),
    "a gateway of another CA: exit 76, nothing sent")
gateway = p.gateway(cert="bank")
p.config(gateway)
is_((p.pay("pay", *PAYMENT).returncode, gateway.requests), (76, []),
    "a bank in the gateway's place: exit 76, nothing sent")
gateway = p.gateway(ca="ca2")
p.config(gateway)
r = p.pay("pay", *PAYMENT)
is_((r.returncode, gateway.requests), (77, []),
    "a gateway that refuses our certificate: exit 77")
p.config(p.gateway("HELLO => ERR code=FORBIDDEN retry=never text=x | close"))
is_(p.pay("pay", *PAYMENT).returncode, 77, "FORBIDDEN to HELLO: exit 77")

# ---- Login ----
for code in ("BAD_CREDENTIALS", "LOCKED_OUT"):
    gateway = p.gateway("LOGIN => ERR code=%s retry=login text=no" % code)
    p.config(gateway)
    r = p.pay("pay", *PAYMENT)
    is_((r.returncode, gateway.verbs()), (77, ["HELLO", "LOGIN"]),
        code + ": exit 77, asked once")
    ok("secret" not in r.stderr + r.stdout, "no password is shown")
gateway = p.gateway("LOGIN x1 => ERR code=OVERLOADED retry=same-id text=no")
p.config(gateway)
is_(p.pay("pay", *PAYMENT).returncode, 0, "LOGIN overloaded: tried again")
gateway = p.gateway(
    "PAY x1 => ERR code=TOKEN_EXPIRED retry=login text=old")
p.config(gateway)
r = p.pay("pay", *PAYMENT)
is_((r.returncode, gateway.verbs().count("LOGIN")), (0, 2),
    "the session expired: logged in again, sent again")
gateway = p.gateway()
p.config(gateway, password_file="~")
is_(p.pay("pay", *PAYMENT).returncode, 0, "no password file: by certificate")
is_(gateway.lines("LOGIN"), ["LOGIN user=alice"], "LOGIN without password")
rules = ("LOGIN password=geheim => OK expires={time} user=alice roles=pay\n"
         "LOGIN => ERR code=BAD_CREDENTIALS retry=login text=no")
gateway = p.gateway(rules)
p.config(gateway, password_file="~")
is_(p.pay("pay", *PAYMENT).returncode, 77,
    "certificate refused, no terminal: exit 77")
code, shown, _ = p.terminal("pay", *PAYMENT, typed="geheim\n")
is_(code, 0, "certificate refused: the password is asked for")
ok("Password for alice: " in shown and "geheim" not in shown,
   "without echo", shown)
code, shown, _ = p.terminal("pay", *PAYMENT, typed="wrong\n")
is_(code, 77, "a wrong password: exit 77")
gateway = p.gateway(rules + "\nPAY x1 => close\nPAY => " + COMMITTED)
p.config(gateway, password_file="~")
code, shown, _ = p.terminal("pay", *PAYMENT, typed="geheim\n")
is_((code, shown.count("Password")), (0, 1),
    "after a broken connection it is not asked for again")
done()

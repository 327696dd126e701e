#!/usr/bin/python3
"""strife-pay login and logout, and the ways in which every command logs in."""
import json
import os
import stat
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import PAY, Place, done, is_, ok, unused_address  # noqa: E402

EXPIRES = "2099-01-31T12:00:00.000000Z"
ACCOUNTS = "ACCOUNTS => ROW account=alice@BankA currency=CZK | OK\n"
NO = "ERR code=BAD_CREDENTIALS retry=login text=no"
GOOD = ("OK token=header.claims-%s.sig_nature expires=" + EXPIRES +
        " user=%s roles=balance,pay")
LOGINS = ("LOGIN bank=BankA password=geheim user=alice => " +
          GOOD % (1, "alice@BankA") +
          "\nLOGIN user=alice password=secret => " + GOOD % (2, "alice") +
          "\nLOGIN user=bob password=secret => " + GOOD % (3, "bob") +
          "\nLOGIN => " + NO + "\n")
AUTHS = ("AUTH token=header.claims-1.sig_nature => OK expires=" + EXPIRES +
         " user=alice@BankA roles=balance\n"
         "AUTH token=header.claims-2.sig_nature => OK expires=" + EXPIRES +
         " user=alice roles=balance\n"
         "AUTH => ERR code=TOKEN_INVALID retry=login text=bad\n"
         "LOGOUT => OK\n")
p = Place()
token = p.path("state/strife/token")


def given(rules=LOGINS + AUTHS, **keys):
    gateway = p.gateway(rules + "\n" + ACCOUNTS)
    p.config(gateway, **dict({"password_file": "~"}, **keys))
    return gateway


def pay_fd(text, *args):
    """Runs it with the password in an open file, beyond standard input."""
    ours, theirs = os.pipe()
    os.write(theirs, text.encode())
    os.close(theirs)
    try:
        return subprocess.run(
            (PAY,) + args + ("--password-fd", str(ours)),
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            env=p.environment(), cwd=p.dir, timeout=120, pass_fds=(ours,),
            start_new_session=True)
    finally:
        os.close(ours)


# ---- login ----
gateway = given()
r = pay_fd("secret\n", "login")
is_((r.returncode, r.stdout, r.stderr),
    (0, "alice\tfake\t%s\tbalance,pay\n" % EXPIRES, ""),
    "login: who, where, until when, which roles")
is_(gateway.lines("LOGIN"), ["LOGIN user=alice password=secret"],
    "the configured user, with the password from the open file")
is_(stat.S_IMODE(os.stat(token).st_mode), 0o600, "the token's mode is 0600")
is_(stat.S_IMODE(os.stat(os.path.dirname(token)).st_mode), 0o700,
    "its directory's is 0700")
is_(sorted(os.listdir(os.path.dirname(token))), ["token"],
    "nothing else is left there")
text = p.read("state/strife/token")
ok("secret" not in text, "the password is not kept")
is_([line.partition(": ")[0] for line in text.splitlines()],
    ["user", "node", "gateway", "expires", "certificate", "token"],
    "what is in the file")
ok('node: "fake"' in text and 'user: "alice"' in text and EXPIRES in text and
   gateway.address in text, "whose it is, of which gateway, until when", text)
r = p.pay("accounts")
is_((r.returncode, gateway.verbs()[-3:]), (0, ["HELLO", "AUTH", "ACCOUNTS"]),
    "a later command shows the token")
is_(gateway.verbs().count("LOGIN"), 1, "and nothing else")
r = pay_fd("secret\n", "login", "bob", "--json")
is_(json.loads(r.stdout), {"user": "bob", "node": "fake", "expires": EXPIRES,
                           "roles": "balance,pay"}, "login USER --json")
r = pay_fd("geheim", "login", "alice", "--bank", "BankA")
is_((r.returncode, r.stdout.split("\t")[0]), (0, "alice@BankA"),
    "login --bank: the user is USER@BANK")
is_(p.pay("accounts").returncode, 0, "its token is used")
r = pay_fd("geheim", "login", "alice@BankA")
is_(r.returncode, 0, "USER@BANK is USER --bank BANK")
for words, what in ((("login", "a", "b"), "two users"),
                    (("login", "a b"), "no user"),
                    (("login", "a@B", "--bank", "B"), "two banks"),
                    (("login", "--bank", "1x"), "no bank"),
                    (("login", "--password-fd", "x"), "no open file"),
                    (("logout", "x"), "logout of somebody")):
    is_(p.pay(*words).returncode, 64, what + ": exit 64")
for text, what in (("", "no password"), ("x" * 257, "one too long"),
                   ("a\x01b\n", "one with a control character")):
    is_(pay_fd(text, "login").returncode, 65, what + ": exit 65")
is_(p.pay("login", "--password-fd", "977").returncode, 65,
    "a file that is not open: exit 65")
before = p.read("state/strife/token")
r = pay_fd("wrong", "login")
is_(r.returncode, 77, "a wrong password: exit 77")
ok("BAD_CREDENTIALS" in r.stderr and "wrong" not in r.stderr,
   "it says what the gateway said, not the password", r.stderr)
is_(p.read("state/strife/token"), before, "the token from before is kept")
r = p.pay("login")
is_(r.returncode, 77, "no terminal, no certificate: exit 77")
ok("--password-fd" in r.stderr, "it says what to do", r.stderr)
p.config(unused_address(), password_file="~", retries="0")
is_(pay_fd("secret", "login").returncode, 69, "no gateway: exit 69")

gateway = given()
code, shown, _ = p.terminal("login", typed="secret\n")
is_(code, 0, "login on a terminal")
ok("Password for alice: " in shown and "secret" not in shown,
   "asks without echo", shown)
gateway = given("LOGIN => OK user=alice roles=pay\n")
r = pay_fd("secret", "login")
is_(r.returncode, 77, "a gateway that gives no tokens: exit 77")
ok("gives no tokens" in r.stderr, "it says so", r.stderr)
gateway = given("LOGIN => " + GOOD % (2, "alice"))
is_((p.pay("login").returncode, gateway.lines("LOGIN")),
    (0, ["LOGIN user=alice"]), "without a terminal: the certificate's token")
gateway = given(password_file="password")
for words in (("login",), ("login", "alice")):
    r = p.pay(*words)
    is_((r.returncode, gateway.lines("LOGIN")[-1:]),
        (0, ["LOGIN user=alice password=secret"]),
        "%s without a terminal: with the password file" % " ".join(words))
for words in (("login", "bob"), ("login", "--bank", "BankA")):
    r = p.pay(*words)
    is_((r.returncode, gateway.lines("LOGIN")[-1:]), (77, ["LOGIN user=bob"]),
        "%s: not with another's password" % " ".join(words))
os.chmod(p.path("password"), 0o644)
is_(p.pay("login").returncode, 78,
    "a password file that others can read: exit 78")
os.chmod(p.path("password"), 0o600)
r = pay_fd("secret", "login")
ok(r.returncode == 0 and "every command logs in by itself" in r.stderr,
   "a password file makes the token useless: it says so", r.stderr)
gateway = given("LOGIN => ERR code=LOCKED_OUT retry=login after=16 text=wait")
r = pay_fd("secret", "login")
ok(r.returncode == 77 and "try again in 16 s" in r.stderr,
   "LOCKED_OUT: how long to wait", r.stderr)
ok("refused: LOCKED_OUT: too many logins have failed; try" in r.stderr,
   "once: the gateway's own words say it too", r.stderr)
env = dict(p.environment(), XDG_STATE_HOME="/proc/none")
given()
r = p.pay("login", "--password-fd", "0", stdin="secret\n", env=env)
is_((r.returncode, r.stdout), (73, ""), "a token that cannot be kept: exit 73")
ok("state directory" in r.stderr, "it says where", r.stderr)

# ---- The order of the ways ----
gateway = given()
pay_fd("secret", "login")
p.config(gateway)
is_((p.pay("accounts").returncode, gateway.verbs()[-2:]),
    (0, ["LOGIN", "ACCOUNTS"]), "the password file comes before the token")
gateway = given("AUTH => ERR code=TOKEN_EXPIRED retry=login text=old\n"
                "LOGIN => " + GOOD % (2, "alice"))
is_((p.pay("accounts").returncode, gateway.verbs()),
    (0, ["HELLO", "AUTH", "LOGIN", "ACCOUNTS"]),
    "an expired token: the certificate renews it")
gateway = given("AUTH => ERR code=TOKEN_EXPIRED retry=login text=old\n" +
                LOGINS)
r = p.pay("accounts")
is_(r.returncode, 77, "an expired token and nothing else: exit 77")
ok("TOKEN_EXPIRED" in r.stderr and "strife-pay login alice" in r.stderr,
   "it says what to do", r.stderr)
code, shown, _ = p.terminal("accounts", typed="secret\n")
is_(code, 0, "on a terminal the password is asked for")
gateway = given("AUTH x1 => OK expires=%s user=alice roles=pay\n"
                "AUTH => ERR code=TOKEN_EXPIRED retry=login text=old\n"
                "LOGIN => %s\n"
                "ACCOUNTS x1 => ERR code=TOKEN_EXPIRED retry=login text=old\n"
                % (EXPIRES, GOOD % (2, "alice")))
r = p.pay("accounts")
is_((r.returncode, r.stderr, gateway.verbs().count("ACCOUNTS")), (0, "", 2),
    "it expires under way: logged in again, in silence")
gateway = given()
pay_fd("geheim", "login", "alice@BankA")
gateway = given("AUTH => ERR code=TOKEN_REVOKED retry=login text=gone\n" +
                LOGINS)
r = p.pay("accounts")
is_((r.returncode, gateway.verbs()), (77, ["HELLO", "AUTH"]),
    "a bank's customer: no certificate stands in for the token")
ok("strife-pay login alice --bank BankA" in r.stderr, "how to renew it",
   r.stderr)
code, shown, _ = p.terminal("accounts", typed="geheim\n")
is_((code, gateway.lines("LOGIN")),
    (0, ["LOGIN user=alice password=geheim bank=BankA"]),
    "on a terminal: that bank's password")
ok("Password for alice@BankA: " in shown, "of whom is said", shown)
gateway = given("AUTH => ERR code=UNKNOWN_VERB retry=never text=no\n"
                "LOGIN => " + GOOD % (2, "alice"))
os.unlink(token)
is_((p.pay("accounts").returncode, gateway.verbs()),
    (0, ["HELLO", "LOGIN", "ACCOUNTS"]), "no token: the certificate")
pay_fd("x", "login")
is_(p.pay("accounts").returncode, 0,
    "a gateway that knows no tokens: the certificate")
gateway = given("AUTH => ERR code=OVERLOADED retry=same-id text=no\n" +
                LOGINS, retries="1")
is_((p.pay("accounts").returncode, gateway.verbs().count("AUTH")), (75, 2),
    "AUTH answered not now: tried again, then exit 75")
gateway = given()
pay_fd("secret", "login")
os.rename(p.path("client.crt"), p.path("old.crt"))
os.rename(p.path("client.key"), p.path("old.key"))
p.issue("client", "strife://client/alice-host")
r = p.pay("accounts")
is_((r.returncode, gateway.verbs()[-2:]), (77, ["HELLO", "LOGIN"]),
    "another certificate: the token is not shown")
ok("another certificate" in r.stderr, "and that is said", r.stderr)
os.rename(p.path("old.crt"), p.path("client.crt"))
os.rename(p.path("old.key"), p.path("client.key"))

# ---- A token file that is not to be used ----
for mode in (0o640, 0o604):
    os.chmod(token, mode)
    r = p.pay("accounts")
    is_(r.returncode, 78, "a token file of mode %o: exit 78" % mode)
    ok("others than its owner" in r.stderr, "it says why", r.stderr)
os.chmod(token, 0o600)
good = p.read("state/strife/token")
for old, new, what in (('user: "alice"', 'user: "al ice"', "a user"),
                       ("node:", "nodes:", "an unknown key"),
                       ("2099", "20", "a time"),
                       ("header", "he ader", "a token"),
                       ('certificate: "', 'certificate: "0', "a thumbprint")):
    p.write("state/strife/token", good.replace(old, new), 0o600)
    r = p.pay("accounts")
    is_(r.returncode, 78, "%s that is wrong: exit 78" % what)
    ok("strife/token:" in r.stderr and "claims" not in r.stderr,
       "file, line and column, not the token", r.stderr)
p.write("state/strife/token", good, 0o600)
home = dict(p.environment(), HOME=p.dir)
del home["XDG_STATE_HOME"]
os.makedirs(p.path(".local/state"))
os.rename(p.path("state/strife"), p.path(".local/state/strife"))
is_((p.pay("accounts", env=home).returncode, gateway.verbs()[-2]),
    (0, "AUTH"), "without XDG_STATE_HOME: ~/.local/state/strife/token")
os.rename(p.path(".local/state/strife"), p.path("state/strife"))

# ---- logout ----
gateway = given()
pay_fd("secret", "login")
r = p.pay("logout")
is_((r.returncode, gateway.verbs()[2:]), (0, ["HELLO", "AUTH", "LOGOUT"]),
    "logout: the gateway is told")
ok(not os.path.exists(token), "the token is removed")
r = p.pay("logout")
is_((r.returncode, len(gateway.verbs())), (0, 5), "logout again: nothing to do")
pay_fd("secret", "login")
gateway.close()
p.config(unused_address(), password_file="~", retries="0")
r = p.pay("logout")
is_(r.returncode, 69, "logout with the gateway away: exit 69")
ok(not os.path.exists(token) and EXPIRES in r.stderr,
   "the token is removed, and holds until it expires", r.stderr)
first, second = given(), p.gateway(LOGINS + AUTHS)
pay_fd("secret", "login")
p.config(second, first, password_file="~")
is_((p.pay("logout").returncode, first.verbs()[-1], second.verbs()),
    (0, "LOGOUT", []), "it is the gateway that gave the token that is told")
gateway = given("LOGIN => " + GOOD % (2, "alice") +
                "\nAUTH => ERR code=TOKEN_EXPIRED retry=login text=old")
pay_fd("secret", "login")
is_((p.pay("logout").returncode, os.path.exists(token)), (0, False),
    "logout with an expired token")
gateway = given()
pay_fd("secret", "login")
os.chmod(token, 0o644)
is_((p.pay("logout").returncode, gateway.verbs()[-1], os.path.exists(token)),
    (0, "LOGOUT", False), "a token that others could read is revoked as well")
p.write("state/strife/token", "x: y\n", 0o600)
is_((p.pay("logout").returncode, os.path.exists(token)), (0, False),
    "what is no token is removed")
done()

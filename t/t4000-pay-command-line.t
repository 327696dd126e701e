#!/usr/bin/python3
"""strife-pay: usage, help, and where its configuration comes from."""
import os
import re
import signal
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import BIN, Place, done, is_, ok  # noqa: E402

COMMANDS = ("login", "logout", "accounts", "balance", "pay", "batch", "status",
            "cancel", "history", "menu")
PAYMENT = ("--from", "alice@BankA", "--to", "bob@BankB")
p = Place()
gateway = p.gateway("ACCOUNTS => ROW account=alice@BankA currency=CZK | OK")
p.config(gateway)


def usage(args, wanted, what):
    r = p.pay(*args)
    is_(r.returncode, 64, what + ": exit 64")
    ok(wanted in r.stderr and r.stdout == "", what + ": says so",
       r.stdout, r.stderr)


# ---- Help ----
r = p.pay("-h")
is_(r.returncode, 0, "-h exits 0")
ok(all(" %s " % name in r.stdout for name in COMMANDS),
   "-h lists every command", r.stdout)
ok(len(r.stdout.splitlines()) <= 24, "-h fits a screen")
for name in COMMANDS:
    r = p.pay(name, "-h")
    ok(r.returncode == 0 and r.stdout.startswith("usage: strife-pay " + name),
       name + " -h tells its usage", r.stdout, r.stderr)
    ok(len(r.stdout.splitlines()) <= 24 and
       all(len(line) <= 80 for line in r.stdout.splitlines()),
       name + " -h fits a screen", r.stdout)
r = p.pay("-V")
ok(r.returncode == 0 and r.stdout.startswith("strife-pay "), "-V: version")

# ---- A wrong command line ----
usage((), "which command?", "no command")
usage(("balanc",), "balance", "a misspelt command: the nearest is named")
usage(("--jsn", "accounts"), "--json", "a misspelt option of all")
usage(("pay", "--form", "x"), "--from", "a misspelt option of a command")
usage(("pay", "--from"), "--from needs a value", "an option without value")
usage(("pay", "--no-hold=yes"), "takes no value", "a value too many")
usage(("pay", "--no-"), "ambiguous option: --no- (--no-hold, --no-queue)",
      "the beginning of two options: both are named")
usage(("history", "-5"), "unknown option: -5\n", "a digit where no amount is")
usage(("accounts", "x"), "no operand", "an operand too many")
usage(("balance", "alice"), "NAME@BANK", "an account without a bank")
usage(("pay",) + PAYMENT, "AMOUNT and CURRENCY", "no amount")
usage(("pay", "1", "CZK"), "--from and --to", "no accounts")
usage(("pay",) + PAYMENT + ("1.234", "CZK"), "CZK has 2 decimals",
      "too many decimals")
usage(("pay",) + PAYMENT + ("1.0", "JPY"), "JPY has 0 decimals",
      "decimals of a currency that has none")
usage(("pay",) + PAYMENT + ("1.00", "CZQ"), "not a currency", "no currency")
usage(("pay",) + PAYMENT + ("0", "CZK"), "1 to 10^15", "an amount of nothing")
usage(("pay",) + PAYMENT + ("-1", "CZK"), "an amount is positive",
      "an amount below nothing")
usage(("pay",) + PAYMENT + ("1e3", "CZK"), "not an amount", "no amount at all")
usage(("pay",) + PAYMENT + ("10000000000000.01", "CZK"), "1 to 10^15",
      "more than 10^15")
usage(("pay",) + PAYMENT + ("--memo", "x" * 141, "1", "CZK"), "140 octets",
      "a memo too long")
usage(("pay",) + PAYMENT + ("--memo", "a\nb", "1", "CZK"), "control",
      "a memo of two lines")
usage(("pay",) + PAYMENT + ("--id", "7", "1", "CZK"), "not an id",
      "an id that is none")
usage(("pay",) + PAYMENT + ("--key", "", "1", "CZK"), "--key", "an empty key")
usage(("pay",) + PAYMENT + ("--key", "a", "--id", "b", "1", "CZK"), "either",
      "both --id and --key")
usage(("status",), "either ID or --key", "status of nothing")
usage(("status", "x"), "not an id", "status of no id")
usage(("cancel", "--key", "a", "b"), "either ID or --key", "cancel of both")
usage(("history", "-n", "0"), "-n 0", "no entries")
usage(("history", "--since", "yesterday"), "2026-01-31", "no date")
usage(("history", "--since", "2026-02-30"), "2026-01-31", "no such day")
usage(("batch", "--window", "5000"), "1 to 1024", "a window too large")
usage(("batch", "a", "b"), "one file", "two batches at once")
is_(gateway.connections, 0, "none of these reached the gateway")

# ---- Where the configuration is ----
env = p.environment()
home = dict(env)
del home["STRIFE_PAY_CONFIG"]
r = p.pay("-c", p.path("none.yaml"), "accounts")
ok(r.returncode == 78 and "none.yaml" in r.stderr, "-c: a missing file is 78",
   r.stderr)
is_(p.pay("accounts", "-c", p.path("none.yaml")).returncode, 78,
    "-c is understood after the command too")
is_(p.pay("accounts").returncode, 0, "STRIFE_PAY_CONFIG is used")
other = dict(env, STRIFE_PAY_CONFIG=p.path("none.yaml"))
is_(p.pay("-c", p.path("pay.yaml"), "accounts", env=other).returncode, 0,
    "-c comes before STRIFE_PAY_CONFIG")
text = p.read("pay.yaml")
for name in ("ca.crt", "client.crt", "client.key", "password"):
    text = text.replace(" " + name, " ../../" + name)
os.makedirs(p.path("config/strife"))
p.write("config/strife/pay.yaml", text)
xdg = dict(home, XDG_CONFIG_HOME=p.path("config"))
r = p.pay("accounts", env=xdg)
is_(r.returncode, 0, "XDG_CONFIG_HOME is used; paths are relative to the file")
is_(p.pay("accounts", env=dict(xdg, STRIFE_PAY_CONFIG=p.path("none.yaml")))
    .returncode, 78, "STRIFE_PAY_CONFIG comes before it")
os.makedirs(p.path(".config"))
os.rename(p.path("config/strife"), p.path(".config/strife"))
is_(p.pay("accounts", env=home).returncode, 0, "~/.config by default")


# ---- A wrong configuration ----
def config(wanted, what, **keys):
    p.config(gateway, **keys)
    r = p.pay("accounts")
    is_(r.returncode, 78, what + ": exit 78")
    ok(wanted in r.stderr, what + ": says so", r.stderr)


config("retries", "an unknown key: the nearest is named", retrys="3")
config("pay.yaml:", "an unknown key: file and line", retrys="3")
config("user", "no user", user=None)
config("user", "a user that cannot be", user="al/ice")
config("retries", "retries out of range", retries="-1")
config("HOST:PORT", "a gateway without port", gateways='["localhost"]')
config("pay.yaml:1:", "a gateway at port 0", gateways='["127.0.0.1:0"]')
config("a gateway's port is from 1 to 65535", "port 0, in other words",
       gateways='["[::1]:00"]')
config("poll", "queue: an unknown key", queue="{pol: 30s}")
config("min_delay", "queue: delays the wrong way round",
       queue="{min_delay: 20m, max_delay: 10m}")
config("200ms", "queue: polling too often", queue="{poll: 100ms}")
config("nothing.crt", "a certificate that is missing",
       tls="{ca: ca.crt, cert: nothing.crt, key: client.key}")
p.config(gateway, spool="somewhere",
         queue="{poll: 1s, min_delay: 1s, max_delay: 1m}")
is_(p.pay("accounts").returncode, 0, "spool and queue are accepted")

os.chmod(p.path("password"), 0o644)
config("chmod 600", "a password file that others can read")
os.chmod(p.path("password"), 0o600)
config("missing", "a password file that is missing", password_file="missing")
p.write("long", "x" * 257 + "\n", 0o600)
config("256", "a password too long", password_file="long")
p.write("empty", "\n", 0o600)
config("empty", "an empty password", password_file="empty")
os.chmod(p.path("client.key"), 0o644)
config("client.key", "a key that others can read")
os.chmod(p.path("client.key"), 0o600)

# ---- -v ----
gateway = p.gateway("PAY => OK id={id} state=committed seq=7 time={time}")
p.config(gateway)
r = p.pay("-v", "pay", *PAYMENT, "1.00", "CZK")
is_((r.returncode, r.stderr.count("connected to "), gateway.connections),
    (0, 1, 1), "-v: one connection is told once")
gateway = p.gateway("PAY x2 => close\n"
                    "PAY => OK id={id} state=committed seq=7 time={time}")
p.config(gateway)
r = p.pay("-v", "pay", *PAYMENT, "1.00", "CZK")
is_((r.returncode, r.stderr.count("connected to "), gateway.connections),
    (0, 3, 3), "-v: each of three connections is told")

# ---- --no-hold in words ----
r = p.pay("pay", "-h")
ok("it is queued here and tried again, unless --no-queue" in
   re.sub(r"\s+", " ", r.stdout), "-h: what --no-hold does", r.stdout)

# ---- Standard output ----
for program in ("strife-pay", "strife-queue", "strife-bench", "strife-ctl",
                "strife-teller"):
    for said in ("-h", "-V"):
        read, write = os.pipe()
        os.close(read)
        r = subprocess.run([os.path.join(BIN, program), said], stdout=write,
                           stderr=subprocess.PIPE, text=True, check=False)
        os.close(write)
        is_((r.returncode, r.stderr), (-signal.SIGPIPE, ""),
            "%s %s: nobody reads it: SIGPIPE, in silence" % (program, said))
        with open("/dev/full", "wb") as full:
            r = subprocess.run([os.path.join(BIN, program), said],
                               stdout=full, stderr=subprocess.PIPE, text=True,
                               check=False)
        is_((r.returncode, r.stderr), (73, program + ": standard output: No "
                                       "space left on device\n"),
            "%s %s: a full disk: exit 73, said once" % (program, said))
        r = subprocess.run(
            ["/bin/sh", "-c", 'exec "$0" "$1" >&-', os.path.join(BIN, program),
             said], stderr=subprocess.PIPE, text=True, check=False)
        is_((r.returncode, r.stderr), (73, program + ": standard output: Bad "
                                       "file descriptor\n"),
            "%s %s: a closed one: exit 73, said once" % (program, said))

# Nothing that is opened later may take the place of what is closed: it would
# be written to.
gateway = p.gateway("ACCOUNTS => ROW account=alice@BankA currency=CZK | OK")
p.config(gateway)
r = subprocess.run(["/bin/sh", "-c", 'exec "$0" accounts <&- >&-',
                    os.path.join(BIN, "strife-pay")], stderr=subprocess.PIPE,
                   text=True, check=False, env=p.environment(), timeout=120)
is_((r.returncode, r.stderr), (73, "strife-pay: standard output: Bad file "
                               "descriptor\n"),
    "accounts, with standard output closed: exit 73, and says what it is")
r = subprocess.run(["/bin/sh", "-c", 'exec "$0" accounts 2>&-',
                    os.path.join(BIN, "strife-pay")], stdout=subprocess.PIPE,
                   text=True, check=False, env=p.environment(), timeout=120)
is_((r.returncode, r.stdout), (0, "alice@BankA\tCZK\n"),
    "with standard error closed: as ever")
r = subprocess.run(["/bin/sh", "-c", 'exec "$0" batch - <&-',
                    os.path.join(BIN, "strife-pay")], stdout=subprocess.PIPE,
                   stderr=subprocess.PIPE, text=True, check=False,
                   env=p.environment(), timeout=120)
ok(r.returncode == 65 and "Bad file descriptor" in r.stderr,
   "batch from a closed standard input: exit 65, and says so",
   r.returncode, r.stderr)
done()

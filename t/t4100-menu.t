#!/usr/bin/python3
"""strife-pay menu, driven by keystrokes in a terminal (tmux), and by a pipe."""
import atexit
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import PAY, Place, done, is_, ok  # noqa: E402

if shutil.which("tmux") is None:
    print("1..0 # SKIP tmux is not installed")
    sys.exit(0)

# Ended from outside, the terminal is still to be closed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
WAIT_S = float(os.environ.get("STRIFE_TEST_WAIT", "60"))
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
RULES = """
ACCOUNTS => ROW account=alice@BankA currency=CZK | ROW account=a.smith@BankB \
currency=EUR | OK
BALANCE account=alice@BankA => OK account=alice@BankA currency=CZK \
posted=123456 held=50 available=123406 seq=9
BALANCE => OK account=a.smith@BankB currency=EUR posted=700 held=0 \
available=700 seq=3
HISTORY => ROW seq=9 time={time} id=0190aaaa-bbbb-4ccc-8ddd-eeeeffff0001 \
kind=payment amount=-100 currency=CZK balance=5000 peer=bob@BankB memo=tea | OK
LOGIN user=alice bank=BankA password=geheim => OK token=a.b.c \
expires=2099-01-31T12:00:00.000000Z user=alice@BankA roles=pay
LOGIN user=alice password=wrong => ERR code=BAD_CREDENTIALS retry=login text=no
LOGOUT => OK
"""
HELD = ("PAY x%d => OK id={id} state=held seq=3 time={time} "
        "reason=BANK_UNAVAILABLE bank=BankB\n")
p = Place()


class Terminal:
    """A shell in a terminal of its own."""

    count = 0

    def __init__(self, term="screen"):
        Terminal.count += 1
        self.socket = "strife-%d-%d" % (os.getpid(), Terminal.count)
        environment = dict(p.environment(), TMUX_TMPDIR=p.dir, PS1="$ ",
                           TERM="xterm")
        environment.pop("TMUX", None)
        self.environment = environment
        atexit.register(self.kill)
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y",
                  "50", "env", "TERM=" + term, "PS1=$ ", "sh", "-i")
        self.wait("$")

    def tmux(self, *words):
        return subprocess.run(
            ("tmux", "-u", "-L", self.socket) + words, cwd=p.dir,
            env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            check=False).stdout

    def kill(self):
        self.tmux("kill-server")

    def type(self, text):
        self.tmux("send-keys", "-l", "--", text)

    def keys(self, *names):
        self.tmux("send-keys", "--", *names)

    def enter(self, text):
        self.type(text)
        self.keys("Enter")

    def screen(self):
        return self.tmux("capture-pane", "-p").rstrip("\n")

    def last(self):
        return (self.screen().splitlines() or [""])[-1]

    def wait(self, pattern, last=False):
        """Waits until it is on the screen (or in its last line)."""
        end = time.monotonic() + WAIT_S
        while time.monotonic() < end:
            text = self.last() if last else self.screen()
            if isinstance(pattern, str) and (
                    text.endswith(pattern.rstrip()) if last
                    else pattern in text):
                return True
            if not isinstance(pattern, str) and pattern.search(text):
                return True
            time.sleep(0.02)
        return False

    def clear(self):
        self.keys("C-l")
        self.wait(re.compile(r"\A[^\n]*\Z"))

    def sees(self, pattern, what, last=False):
        return ok(self.wait(pattern, last), what, self.screen())

    def answer(self, prompt, text, what=None):
        """Waits for the prompt in the last line, and answers it."""
        ok(self.wait(re.compile("^%s.*:$" % re.escape(prompt.rstrip(": "))),
                     True), what or "asks: " + prompt, self.screen())
        self.enter(text)


def given(rules="", **keys):
    gateway = p.gateway(rules + RULES)
    p.config(gateway, **dict(
        {"queue": "{min_delay: 20ms, poll: 200ms}", "retries": "0",
         "spool": "spool%d" % len(p.gateways)}, **keys))
    return gateway


def spool(place):
    directory = p.path("spool%d/%s" % (len(p.gateways), place))
    return os.listdir(directory) if os.path.isdir(directory) else []


def wait_until(what, condition):
    end = time.monotonic() + WAIT_S
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    ok(condition(), what)


def pay(t, amount="12.50", memo="rent", to="bob@BankB"):
    t.enter("pay")
    t.answer("From", "alice@BankA")
    t.answer("To", to)
    t.answer("Amount", amount)
    t.answer("Memo", memo)
    t.answer("Send it?", "y")


menu = shlex.quote(PAY) + " menu"

# ---- Every entry ----
gateway = given()
t = Terminal()
t.enter("stty -a >before")
t.enter(menu)
t.sees("alice> ", "the prompt says who", last=True)
t.sees("1 log in   2 balance   3 pay   4 retry pending   5 history   "
       "6 log out   7 quit", "the entries, numbered")
t.enter("histroy")
t.sees("the nearest is history", "an unknown entry: the nearest")
t.clear()
t.enter("2")
t.sees("alice@BankA    CZK       1234.56  0.50    1234.06    9",
       "balance, by number: a table")
t.sees("alice> ", "then the prompt again", last=True)
t.clear()
t.enter("History")
t.answer("Account: ", "alice@Bank")
t.sees("none of yours", "an account that is not the user's is told at once")
t.sees("nearest is alice@BankA", "with the nearest that is")
t.answer("Account: ", "alice@BankA")
t.answer("Entries [20]: ", "many")
t.sees("A number from 1", "how many: a number")
t.answer("Entries [20]: ", "")
t.sees("tea", "history: the entries")
is_(gateway.lines("HISTORY"), ["HISTORY account=alice@BankA limit=20"],
    "as many as asked for")
t.clear()

# ---- pay ----
t.enter("pa")
t.answer("From: ", "alcie@BankA", "pay, by the beginning of its name: from")
t.sees("none of yours; the nearest is alice@BankA", "a payer that is near")
t.answer("From: ", "")
t.sees("This is needed", "a payer is needed")
t.answer("From: ", " alice@BankA ")
t.answer("To: ", "bob")
t.sees("bob is not an account, NAME@BANK", "a payee without a bank")
t.answer("To: ", "alice@BankA")
t.sees("the payer's own account", "a payee who is the payer")
t.answer("To: ", "bob@BankB")
t.answer("Amount, in CZK: ", "12.505")
t.sees("has 2 decimals", "an amount with too many decimals")
t.answer("Amount, in CZK: ", "-1")
t.answer("Amount, in CZK: ", "1 XXQ")
t.sees("XXQ is not a currency", "no currency")
t.answer("Amount, in CZK: ", "1234567.50")
t.answer("Memo: ", "x" * 141)
t.sees("At most 140 octets", "a memo too long")
t.answer("Memo: ", "rent")
t.sees(re.compile(r"Pay +1234567\.50 CZK\n +from +alice@BankA\n"
                  r" +to +bob@BankB\n +memo +rent"),
       "the confirmation has the amount in full")
t.answer("Send it?", "maybe")
t.sees("y or n.", "yes or no")
t.answer("Send it?", "")
t.sees("Not sent.", "nothing is sent unless it is confirmed")
is_(gateway.lines("PAY"), [], "nothing came")
t.clear()
pay(t)
t.sees(re.compile("Payment committed: 12.50 CZK from alice@BankA to "
                  "bob@BankB,\\s+id " + UUID), "paid: what came of it")
shown = re.search("^id (%s)$" % UUID, t.screen(), re.M)
is_(gateway.lines("PAY"), [
    "PAY id=%s from=alice@BankA to=bob@BankB amount=1250 currency=CZK "
    "memo=rent" % (shown[1] if shown else "?")],
    "the id that was shown, the payment that was typed")
is_((spool("new"), len(spool("done"))), ([], 1), "it is done in the spool")
t.clear()
t.enter("retry pending")
t.sees("Nothing is pending.", "retry pending, as it is written: nothing is")
t.enter("l")
t.sees("log in or log out?", "l: which?")

# ---- log in, log out ----
t.clear()
t.enter("6")
t.sees("Logged out.", "log out")
t.sees("nobody> ", "the prompt says so", last=True)
is_(gateway.verbs()[-1], "LOGOUT", "the gateway was told")
t.enter("balance")
t.sees("Nobody is logged in", "nothing is asked then")
t.enter("1")
t.answer("User [alice]: ", "a b")
t.sees("A user is", "a user that cannot be")
t.answer("User [alice]: ", "")
t.answer("Bank", "")
t.answer("Password", "wrong")
t.sees("BAD_CREDENTIALS", "a wrong password")
t.sees("nobody> ", "nobody is logged in", last=True)
t.clear()
t.enter("log in")
t.answer("User [alice]: ", "alice")
t.answer("Bank", "BankA")
t.answer("Password", "geheim")
t.sees("Logged in as alice@BankA at fake, roles pay.", "log in at a bank")
t.sees("alice@BankA> ", "the prompt says as whom", last=True)
ok("geheim" not in t.screen() and "wrong" not in t.screen(),
   "no password was shown", t.screen())
ok(os.path.exists(p.path("state/strife/token")), "the token is kept")
os.unlink(p.path("state/strife/token"))
t.enter("quit")
t.wait("$ ", True)
t.enter("stty -a >after")
wait_until("the shell goes on", lambda: os.path.exists(p.path("after")) and
           p.read("after"))
is_(p.read("after"), p.read("before"), "quit: the terminal is as it was")
os.unlink(p.path("after"))


def leaves_it_sane(what):
    t.wait("$ ", True)
    t.enter("stty -a >after")
    wait_until(what + ": the shell goes on", lambda: os.path.exists(
        p.path("after")) and p.read("after").endswith("\n"))
    is_(p.read("after"), p.read("before"), what + ": the terminal is sane")
    os.unlink(p.path("after"))
    t.enter("clear")


# ---- Typing ----
gateway = given()
t.enter(menu)
t.wait("alice> ", True)
t.type("xbalancé")
t.keys("BSpace", "Home", "DC", "End")
t.type("e")
t.sees("alice> balance", "Backspace, Home, Delete, End; characters, not "
       "octets", last=True)
t.keys("C-u")
t.sees(re.compile(r"^alice>$"), "Ctrl-U", last=True)
t.type("history pay")
t.keys("C-w", "C-w", "Left", "Left")
t.type("číslo")
t.keys("C-a", "C-k")
t.sees(re.compile(r"^alice>$"), "Ctrl-W, Ctrl-A, Ctrl-K", last=True)
t.tmux("set-buffer", "?\nnonsense\n")
t.tmux("paste-buffer")
t.sees(re.compile(r"alice> \?\n.*1 log in.*\nalice> nonsense\nThere is no entry",
                  re.S), "what is pasted is shown line by line")
t.clear()
t.type("0123456789" * 12)
t.sees(re.compile("^alice> [0-9]{90,}$"), "a line longer than the screen stays "
       "on one row", last=True)
t.keys("C-u")
t.sees(re.compile(r"^alice>$"), "and is one for Ctrl-U", last=True)
t.keys("C-z")
t.sees("topped", "Ctrl-Z stops it")
t.enter("stty -a >after")
wait_until("Ctrl-Z: the shell goes on", lambda: os.path.exists(
    p.path("after")) and p.read("after").endswith("\n"))
is_(p.read("after"), p.read("before"), "Ctrl-Z: the terminal is sane")
os.unlink(p.path("after"))
t.enter("clear; fg")
t.sees("alice> ", "fg: it goes on where it was", last=True)
t.enter("balance")
t.sees("1234.56", "and works")

# ---- Ctrl-C ----
t.clear()
t.enter("pay")
t.answer("From", "alice@BankA")
t.wait("To", True)
t.type("bob@Ba")
t.keys("C-c")
t.sees("Given up.", "Ctrl-C at a field gives the entry up")
t.sees("alice> ", "and is back at the main prompt", last=True)
t.keys("C-c")
leaves_it_sane("Ctrl-C twice")
t.enter(menu)
t.wait("alice> ", True)
t.keys("C-d")
leaves_it_sane("Ctrl-D")

# ---- Pending payments ----
gateway = given("PAY x1 => nothing\n" + HELD % 2, reply_timeout="300ms")
t.enter(menu)
t.wait("alice> ", True)
pay(t)
t.sees("it is pending", "no answer: it is pending")
t.wait("alice> ", True)
t.type("balan")
t.sees(re.compile("Pending payment committed: 12.50 CZK"),
       "the background has it in the end, and says so")
t.sees(re.compile(r"^alice> balan$"), "what is being typed is as it was",
       last=True)
t.enter("ce")
t.sees("1234.56", "and goes on")
is_(len(set(gateway.lines("PAY"))), 1, "every attempt was the same payment")
t.clear()
gateway.close()
t.enter("balance")
t.sees("alice> ", "the gateway is gone: an error, and the prompt", last=True)
pay(t)
t.sees("It is pending, not sent", "pay: it is pending")
is_(len(spool("new")), 1, "and in the spool")
t.sees("Payments are pending:", "the background says why")
t.enter("quit")
t.sees("Pending: 1; strife-queue flush", "quit tells what is pending")
leaves_it_sane("a lost connection")
again = p.gateway(RULES + HELD % 1)
p.config(again, queue="{min_delay: 20ms, poll: 200ms}", retries="0",
         spool="spool%d" % (len(p.gateways) - 1))
t.enter("cp -r spool%d spool%d" % (len(p.gateways) - 1, len(p.gateways)))
t.enter(menu)
t.sees(re.compile("Pending payment committed: 12.50 CZK"),
       "a later menu delivers it")
is_(len(set(again.lines("PAY"))), 1, "under its id")
t.keys("C-c")

# ---- Refusals ----
t.enter("clear")
given("ACCOUNTS => ROW account=alice@BankA currency= | OK\n"
      "PAY => ERR code=FORBIDDEN retry=never text=no\n")
t.enter(menu)
t.wait("alice> ", True)
t.enter("pay")
t.answer("From", "alice@BankA")
t.answer("To", "bob@BankB")
t.answer("Amount and currency: ", "12.50 CZK",
         "asks for the currency where it is not known")
t.answer("Memo", "rent")
t.answer("Send it?", "y")
t.sees("strife-pay: declined: refused, FORBIDDEN: no",
       "a payment that is refused: what strife-pay pay says")
is_((spool("new"), spool("hold"), spool("failed")), ([], [], []),
    "and it is not kept either")
t.enter("quit")
t.wait("$ ", True)
t.enter("clear")
given("PAY x1 => nothing\nPAY => ERR code=FORBIDDEN retry=never text=no\n",
      reply_timeout="300ms")
t.enter(menu)
t.wait("alice> ", True)
pay(t)
t.sees("it is on hold now: strife-queue release",
       "one that is refused later is on hold, and that is said")
is_(len(spool("hold")), 1, "in the spool, too")
t.enter("quit")
t.wait("$ ", True)
t.enter("clear")
given("LOGIN x1 => ERR code=BAD_CREDENTIALS retry=login text=no\n",
      password_file=None)
t.enter(menu)
t.wait("alice> ", True)
t.enter("balance")
t.sees("login as alice refused: BAD_CREDENTIALS: no; 1 logs in",
       "a refused login: what to do about it here")
t.enter("quit")
t.wait("$ ", True)
t.enter("clear")

# ---- Signals ----
gateway = given("BALANCE => nothing\n")
for name in ("TERM", "HUP", "ABRT"):
    t.wait("$ ", True)
    t.enter("(echo $$ >pid; exec sh -c 'echo $$ >pid; exec %s')" % menu)
    t.wait("alice> ", True)
    t.type("half a line")
    t.wait("half a line", True)
    os.kill(int(p.read("pid")), getattr(signal, "SIG" + name))
    leaves_it_sane("SIG" + name)
t.enter(menu)
t.wait("alice> ", True)
t.enter("balance")
wait_until("a question is on its way",
           lambda: gateway.lines("BALANCE") != [])
t.keys("C-c")
t.sees("alice> ", "Ctrl-C gives up a question that is not answered",
       last=True)
t.enter("quit")
leaves_it_sane("after that")
t.kill()

# ---- A terminal that edits by itself ----
gateway = given("PAY x1 => nothing\n", reply_timeout="300ms")
t = Terminal("dumb")
t.enter(menu)
t.wait("alice> ", True)
pay(t)
t.sees("it is pending", "TERM=dumb: it works")
wait_until("the background delivers", lambda: len(spool("done")) == 1)
t.enter("?")
t.sees("Pending payment committed",
       "what happened meanwhile is told with the next prompt")
t.enter("quit")
t.kill()

if shutil.which("rlwrap"):
    gateway = given()
    t = Terminal()
    t.enter("rlwrap %s --plain" % menu)
    t.wait("alice> ", True)
    t.type("balanxx")
    t.keys("BSpace", "BSpace")
    t.enter("ce")
    t.sees("1234.56", "--plain: another program edits the line")
    t.wait("alice> ", True)
    t.clear()
    t.keys("Up", "Enter")
    t.sees("1234.56", "and remembers the one before")
    t.enter("log in")
    t.answer("User", "alice")
    t.answer("Bank", "BankA")
    t.answer("Password", "geheim")
    t.sees("Logged in as alice@BankA", "log in")
    ok("geheim" not in t.screen(), "no password is shown", t.screen())
    t.enter("quit")
    t.kill()

# ---- A pipe ----
gateway = given()
text = "\n".join(["balance", "pay", "alice@BankA", "bob@BankB", "1.00", "",
                  "y", "nonsense", "quit", "balance"])
r = p.pay("menu", stdin=text)
is_((r.returncode, len(gateway.lines("PAY")), len(gateway.lines("BALANCE"))),
    (0, 1, 2), "a pipe: each line answers one prompt, to quit")
ok("\033" not in r.stdout, "nothing but text is written", repr(r.stdout))
r = p.pay("menu", stdin="pay\nalice@BankA\n")
is_((r.returncode, len(gateway.lines("PAY"))), (0, 1),
    "a pipe that ends: nothing is paid")
p.write("keys", "balance\n")
with open(p.path("keys"), "rb") as file:
    r = subprocess.run((PAY, "menu"), stdin=file, capture_output=True,
                       env=p.environment(), cwd=p.dir, timeout=120,
                       check=False)
is_((r.returncode, len(gateway.lines("BALANCE"))), (0, 4), "a file, too")
is_(p.pay("menu", "x").returncode, 64, "menu takes no operand")
done()

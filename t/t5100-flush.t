#!/usr/bin/python3
"""strife-queue flush and watch: order, gateways, delays, sessions that break,
one flusher at a time."""
import fcntl
import os
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import QUEUE, Place, done, is_, ok, unused_address  # noqa: E402

ID = "0190aaaa-bbbb-4ccc-8ddd-eeeeffff%04d"
HELD = "OK id={id} state=held seq=3 time={time} reason=BANK_UNAVAILABLE"
DECLINED = ("ERR code=INSUFFICIENT_FUNDS retry=new-id text=no id={id} "
            "state=aborted")
REFUSED = "ERR code=FORBIDDEN retry=never text=no"
SHORT = "{poll: 200ms, min_delay: 1ms, max_delay: 2ms}"
LONG = "{poll: 1h, min_delay: 1h, max_delay: 2h}"
p = Place()
numbers = iter(range(1, 9999))


def spool(place):
    return p.path("spool-%d/%s" % (p.spools, place))


def names(place):
    return sorted(os.listdir(spool(place)))


def entry(payer="alice", added=None, **fields):
    """Puts an entry into new, as any program may; its id."""
    number = next(numbers)
    words = {"id": ID % number, "user": "alice", "from": payer + "@BankA",
             "to": "bob@BankB", "amount": 100, "currency": "CZK",
             "added": "2026-01-01T00:00:00.%06dZ" % (added or number),
             "gateway": None, "attempts": 0}
    words.update(fields)
    line = "1 PAY " + " ".join("%s=%s" % (key, value)
                               for key, value in words.items()
                               if value is not None)
    path = os.path.join(spool("new"), words["id"])
    with open(path, "w", encoding="ascii") as file:
        file.write(line + "\n")
    os.chmod(path, 0o600)
    return words["id"]


def config(*gateways, **keys):
    p.config(*gateways, **{"queue": SHORT, "retries": "0", **keys})
    p.queue("list")  # makes the spool


def sent(gateway):
    return [line.split()[1][3:] for line in gateway.lines("PAY")]


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


# ---- An empty environment ----
gateway = p.gateway()
config(gateway)
entry()
r = p.queue("-c", p.path("pay.yaml"), "flush", env={})
is_((r.returncode, r.stdout + r.stderr, len(names("done"))), (0, "", 1),
    "flush works without an environment")

# ---- Order ----
gateway = p.gateway("PAY id=%s => %s" % (ID % 3, DECLINED))
config(gateway)
ids = [entry(added=n) for n in (500, 400, 300, 200, 100)]
r = p.queue("flush")
is_(sent(gateway), ids[::-1], "one payer's go in the order of added")
is_(r.returncode, 1, "a declined one does not stop those behind it")
gateway = p.gateway("PAY x1 => %s\nPAY x1 => %s" % (REFUSED, DECLINED))
config(gateway)
ids = [entry() for _ in range(3)]
p.queue("flush")
is_((sent(gateway), names("hold"), names("failed"), names("done")),
    (ids, ids[:1], ids[1:2], ids[2:]), "nor does one that is set aside")
gateway = p.gateway("PAY x1 => " + REFUSED)
config(gateway)
entry()
r = p.queue("flush")
ok(r.returncode == 75 and "now on hold" in r.stderr,
   "the run that puts one on hold: exit 75, and says so", r.stderr)
r = p.queue("flush")
is_((r.returncode, r.stderr), (0, ""), "what is on hold does not count later")
gateway = p.gateway("PAY => ERR code=ALREADY_EXISTS retry=never id={id} "
                    "state=committed seq=4 time={time} "
                    "text=%22this%20payment%20has%20ended%20already%22")
config(gateway)
entry()
r = p.queue("flush")
is_((r.returncode, r.stderr, "ended" in p.queue("results").stdout),
    (0, "", False), "paid before: it is paid, without a word")

# ---- strife-pay cancel ----
CANCELLED = "CANCEL => OK id={id} state=aborted reason=CANCELLED time={time}"
for place in ("new", "hold"):
    gateway = p.gateway(CANCELLED)
    config(unused_address(), gateway)
    one = entry(gateway=gateway.address)
    if place == "hold":
        p.queue("hold", one)
    r = p.pay("cancel", one)
    is_((r.returncode, gateway.lines("CANCEL"), names(place), names("failed")),
        (0, ["CANCEL id=" + one], [], [one]),
        "cancel of one in %s: where it was sent, then it has failed" % place)
    ok("CANCELLED" in p.queue("results").stdout, "with the reason")
    r = p.queue("flush")
    is_((r.returncode, r.stdout + r.stderr, sent(gateway)), (0, "", []),
        "a later flush has nothing to do or say")
first, second = p.gateway(CANCELLED), p.gateway(CANCELLED)
config(first, second)
ids = [entry(), entry(gateway=second.address), entry(user="eve")]
is_((p.pay("cancel", ids[0]).returncode, names("failed")), (0, ids[:1]),
    "cancel of one that was never sent")
is_((p.pay("cancel", ids[1]).returncode, second.lines("CANCEL")),
    (0, ["CANCEL id=" + ids[1]]), "of one that keeps to the second gateway")
p.pay("cancel", ids[2])
is_(names("new"), ids[2:], "another user's stays")
gateway = p.gateway("CANCEL => ERR code=IN_PROGRESS retry=same-id text=no "
                    "id={id} state=held")
config(gateway)
one = entry()
p.pay("cancel", one)
is_(names("new"), [one], "what is not given up stays")
gateway.close()
is_((p.pay("cancel", one).returncode, names("new")), (69, [one]),
    "and so it does where nobody can be asked")
os.chmod(p.path("spool-%d" % p.spools), 0o777)
r = p.pay("cancel", one)
ok(r.returncode == 73 and "spool" in r.stderr, "a spool of no use: exit 73",
   r.stderr)
p.config(p.gateway(CANCELLED))
is_((p.pay("cancel", one).returncode,
     os.path.exists(p.path("spool-%d" % p.spools))), (0, False),
    "cancel makes no spool")

gateway = p.gateway("PAY x1 => " + HELD)
config(gateway, queue=LONG)
ids = [entry(), entry(), entry("carol"), entry()]
is_(p.queue("flush").returncode, 75, "one that is held: exit 75")
is_((sent(gateway), names("new")), ([ids[0], ids[2]],
                                    [ids[0], ids[1], ids[3]]),
    "those behind it wait, other payers' do not")
p.queue("flush")
is_(sent(gateway), [ids[0], ids[2]], "while it is not due they wait too")
is_((p.queue("flush", "-i", ids[1]).returncode, sent(gateway)[2:]),
    (0, ids[1:2]), "flush -i takes no notice of what is before it")
gateway = p.gateway(window=3)
config(gateway)
ids = [entry("p%d" % n) for n in range(200)]
is_((p.queue("flush").returncode, sorted(sent(gateway)), len(names("done"))),
    (0, ids, 200), "200 payers through a window of 3: each is sent once")

# ---- Delays ----
gateway = p.gateway("PAY => ERR code=BANK_TIMEOUT retry=same-id text=late "
                    "id={id} state=aborted")
config(gateway, queue="{poll: 1h, min_delay: 1h, max_delay: 3h}")
one = entry()
delays = []
for attempt in range(4):
    before = time.time()
    p.queue("flush", "-i", one)
    text = p.read(os.path.join(spool("new"), one))
    at = re.search(r" next=(\S+)\.\d+Z", text)[1]
    seconds = time.mktime(time.strptime(at, "%Y-%m-%dT%H:%M:%S")) - \
        time.timezone - before
    delays.append(round(seconds / 3600))
is_(delays, [1, 2, 3, 3], "each delay is twice the one before, up to the last")
ok(" attempts=4 " in text, "attempts are counted", text)
is_(p.queue("flush").returncode, 75, "not due: exit 75")
is_(len(sent(gateway)), 4, "and not sent")
entry(next="2099-01-01T00:00:00.000000Z")
p.queue("flush")
is_(len(sent(gateway)), 4, "nor one behind it")
entry("carol", next="2099-01-01T00:00:00.000000Z")
p.queue("flush")
is_(len(sent(gateway)), 5,
    "one further away than any delay is: the clock was set back")
gateway = p.gateway("PAY x3 => ERR code=OVERLOADED retry=same-id text=no")
config(gateway)
entry()
is_((p.queue("flush").returncode, len(sent(gateway))), (0, 4),
    "OVERLOADED: asked again in the same flush")

# ---- Gateways ----
first, second = p.gateway(), p.gateway()
config(unused_address(), first, second)
ids = [entry(gateway=second.address), entry("carol"), entry("dan")]
is_(p.queue("flush").returncode, 0, "two gateways: exit 0")
is_((sent(first), sent(second)), (ids[1:], ids[:1]),
    "what was sent to one keeps to it; the rest goes to the first there is")
config(first, second)
ids = [entry(gateway=second.address), entry()]
p.queue("flush")
is_((sent(second)[1:], sent(first)[2:]), (ids[:1], ids[1:]),
    "the same payer's behind it goes to the first, later")
away = unused_address()
config(away, first)
ids = [entry(gateway=away), entry(), entry("carol")]
is_((p.queue("flush").returncode, names("new"), sent(first)[3:]),
    (75, ids[:2], ids[2:]),
    "its gateway is away: it waits, and those behind it, others do not")
breaking = p.gateway("PAY => close")
config(breaking, first, retries="1")
ids = [entry(), entry("carol")]
before = len(sent(first))
p.queue("flush")
is_((sent(first)[before:], set(sent(breaking)) & set(ids[:1])),
    ([], set(ids[:1])), "what a gateway may have seen goes to no other one")
ok(all(" gateway=%s " % breaking.address in
       p.read(os.path.join(spool("new"), one)) for one in ids),
   "it is noted to which one")

first, second = p.gateway("PAY => nothing", window=1), p.gateway()
config(first, second)
ids = [entry(), entry("carol")]
process = p.start("flush", program=QUEUE)
wait_for(lambda: sent(first))
first.close()
process.communicate(timeout=60)
is_((process.returncode, names("new"), sent(second)), (75, ids[:1], ids[1:]),
    "a gateway is lost: what was never sent goes to the next one")

# ---- Sessions that break ----
gateway = p.gateway("PAY x1 => close\nPAY x1 => nothing | close")
config(gateway, retries="3")
one = entry()
is_((p.queue("flush").returncode, sent(gateway)), (0, [one] * 3),
    "the connection breaks: the same payment again")
gateway = p.gateway("\n".join(
    "PAY id=%s x1 => ERR code=TOKEN_EXPIRED retry=login text=old" % (ID % n)
    for n in range(1, 9999, 7)))
config(gateway, retries="1")
ids = [entry("p%d" % n) for n in range(50)]
r = p.queue("flush")
is_((r.returncode, len(names("done")), len(gateway.committed)), (0, 50, 50),
    "the token expires, again and again: it logs in again, none is lost")
is_((r.stdout + r.stderr), "", "without a word")
gateway = p.gateway("LOGIN x1 => OK token=t expires={time} user={user} "
                    "roles=pay\nLOGIN => ERR code=BAD_CREDENTIALS "
                    "retry=login text=no\nPAY id=%s => ERR "
                    "code=TOKEN_EXPIRED retry=login text=old" %
                    (ID % (next(numbers) + 3)))
config(gateway, retries="1")
ids = [entry() for _ in range(5)]
r = p.queue("flush")
is_((r.returncode, names("done"), names("new")), (75, ids[:2], ids[2:]),
    "it cannot log in again: exit 75, all others are still there")
ok("BAD_CREDENTIALS" in r.stderr, "it says why", r.stderr)
gateway.close()
p.gateway(port=int(gateway.address.rpartition(":")[2]))
is_((p.queue("flush").returncode, names("new")), (0, []),
    "later all are delivered")
gateway = p.gateway()
config(gateway)
ids = [entry(user="eve"), entry("carol")]
r = p.queue("flush")
is_((r.returncode, sent(gateway), names("new")), (75, ids[1:], ids[:1]),
    "another user's payments wait for that user")
ok("eve" in r.stderr, "it says so", r.stderr)
for rules, what in (("HELLO => OK proto=2 node=n server=s window=1 "
                     "time={time}", "another protocol"),
                    ("PAY => raw nonsense", "a broken protocol")):
    config(p.gateway(rules))
    entry()
    is_((p.queue("flush").returncode, len(names("new"))), (75, 1),
        what + ": exit 75, it stays")

# ---- What is no entry ----
gateway = p.gateway()
config(gateway)
ids = [entry() for _ in range(4)]
with open(os.path.join(spool("new"), ids[0]), "a", encoding="ascii") as file:
    file.write("x")
os.chmod(os.path.join(spool("new"), ids[1]), 0o644)
os.truncate(os.path.join(spool("new"), ids[2]), 20)
r = p.queue("flush")
is_((r.returncode, sent(gateway)), (75, ids[3:]),
    "damaged, or readable by others: not sent, the rest is; exit 75")
is_(names("hold"), sorted(one + ".bad" for one in ids[:3]), "set aside")
is_(len(re.findall("set aside as", r.stderr)), 3, "with a message each")
is_([row.split("\t")[:2] for row in
     sorted(p.queue("list").stdout.splitlines())],
    [[one + ".bad", "bad"] for one in ids[:3]], "list shows them")
r = p.queue("flush")
is_((r.returncode, r.stderr), (0, ""), "what was set aside does not count later")
with open(os.open(os.path.join(spool("new"), ids[0]),
                  os.O_WRONLY | os.O_CREAT, 0o600), "w",
          encoding="ascii") as file:
    file.write("garbage")
entry()
is_(p.queue("flush", "-i", ids[0]).returncode, 75,
    "flush -i of one that is set aside: exit 75")
is_(p.queue("flush").returncode, 0, "the rest is sent")
ok(ids[0] + ".bad.1\tbad\t" in p.queue("list").stdout,
   "list shows the whole name", p.queue("list").stdout)
with open(os.path.join(spool("tmp"), ID % 0), "w", encoding="ascii") as file:
    file.write("1 PA")
p.queue("flush")
is_(names("tmp"), [], "what a crash left in tmp is removed")

# ---- On a terminal ----
entry(state="held")
entry()
code, shown, _ = p.terminal("list", program=QUEUE)
ok(code == 0 and "\033[33mheld\033[0m" in shown, "a state has its colour",
   repr(shown))
ok("m\033[0m" not in shown, "nothing is coloured where there is no state",
   repr(shown))

# ---- One flusher at a time ----
gateway = p.gateway()
config(gateway)
ids = [entry()]
with open(p.path("spool-%d/flusher" % p.spools), "w",
          encoding="ascii") as lock:
    fcntl.flock(lock, fcntl.LOCK_EX)
    r = p.queue("flush")
    is_((r.returncode, r.stderr, gateway.requests), (75, "", []),
        "another one flushes: exit 75, not a word")
    r = p.queue("flush", "-i", ids[0])
    is_(r.returncode, 75, "flush -i: exit 75")
    ok("another" in r.stderr, "and a word", r.stderr)
    is_(p.queue("hold", ids[0]).returncode, 0, "hold needs no flusher")
    is_(p.queue("flush").returncode, 0, "nothing is to be sent: exit 0")
    p.queue("release", ids[0])
is_(p.queue("flush").returncode, 0, "afterwards it is sent")

# ---- Held back meanwhile ----
gateway = p.gateway("PAY => sleep 300 | OK id={id} state=committed seq={n} "
                    "time={time}", window=1)
config(gateway)
ids = [entry("p%d" % n) for n in range(4)]
process = p.start("flush", program=QUEUE)
wait_for(lambda: sent(gateway))
on_its_way = sent(gateway)[0]
for one in ids:
    p.queue("hold", one)
process.communicate(timeout=60)
done_now, held_now = names("done"), names("hold")
is_((on_its_way in done_now, sorted(done_now + held_now)), (True, ids),
    "what is put on hold during a flush stays, but for what was sent")
is_(sorted(sent(gateway)), done_now, "and is not sent")

# ---- A terminal ----
gateway = p.gateway("PAY => sleep 20 | OK id={id} state=committed seq={n} "
                    "time={time}", window=1)
config(gateway)
for n in range(30):
    entry("p%d" % n)
code, shown, _ = p.terminal("flush", program=QUEUE)
is_(code, 0, "on a terminal: exit 0")
ok(re.search(r"\d+/30 done, \d+/s, \d+ s left", shown),
   "the progress is shown", shown)
ok(shown.endswith("\r\x1b[K"), "and removed", repr(shown))

# ---- watch ----
config(p.gateway())
away = unused_address()
p.config(away, queue=SHORT, retries="0")
p.queue("list")
first = entry()
process = p.start("watch", program=QUEUE)
time.sleep(0.3)
is_(process.poll(), None, "watch: no gateway, it stays")
gateway = p.gateway(port=int(away.rpartition(":")[2]))
ok(wait_for(lambda: names("done") == [first]),
   "a gateway is back: it delivers")
second = entry()
ok(wait_for(lambda: len(names("done")) == 2), "and what comes later")
gateway.close()
gateway = p.gateway("PAY x2 => " + HELD, port=int(away.rpartition(":")[2]))
third = entry()
ok(wait_for(lambda: len(names("done")) == 3),
   "held at first: asked again when it is due")
process.send_signal(signal.SIGTERM)
out, err = process.communicate(timeout=60)
is_((process.returncode, out), (0, ""), "SIGTERM: exit 0")
is_(err.count("Connection refused"), 1, "what is wrong is said once")
gateway = p.gateway("PAY => " + HELD)
config(gateway, queue="{poll: 200ms, min_delay: 1h, max_delay: 1h}")
entry()
p.queue("flush")
p.write("pay.yaml", p.read("pay.yaml").replace("min_delay: 1h",
                                               "min_delay: 10ms"))
process = p.start("watch", program=QUEUE)
gateway.close()
entry("carol")
time.sleep(0.5)
is_(len(names("new")), 2, "one that is not due for an hour, and a new one")
p.gateway(port=int(gateway.address.rpartition(":")[2]))
ok(wait_for(lambda: len(names("done")) == 2),
   "when a gateway is back, all are due")
process.send_signal(signal.SIGTERM)
process.communicate(timeout=60)
gateway = p.gateway("PAY => sleep 60000")
config(gateway)
one = entry()
process = p.start("watch", program=QUEUE)
wait_for(lambda: sent(gateway))
process.send_signal(signal.SIGINT)
process.communicate(timeout=30)
is_((process.returncode, names("new")), (0, [one]),
    "SIGINT while an answer is awaited: exit 0, it stays")
done()

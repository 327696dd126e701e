#!/usr/bin/python3
"""strife-pay: new ids are never used twice, whoever runs beside whom."""
import hashlib
import os
import re
import ssl
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
from paytest import Place, done, is_, ok, unused_address  # noqa: E402

PAYMENT = ("pay", "--from", "alice@BankA", "--to", "bob@BankB", "1", "CZK")
p = Place()
gateway = p.gateway()
p.config(gateway)
ids_file = p.path("state/strife/ids")


def parts(text):
    """Node and counter of an id, as strife-pay(1) lays them out."""
    number = int(text.replace("-", ""), 16)
    node = number >> 80
    counter = ((number >> 64 & 0xfff) << 30) | (number >> 32 & 0x3fffffff)
    return node, counter


r = p.pay(*PAYMENT)
first = r.stdout.split("\t")[0]
ok(re.fullmatch("[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                "[0-9a-f]{12}", first), "a new id is a UUIDv8", first)
der = ssl.PEM_cert_to_DER_cert(p.read("client.crt"))
is_(parts(first)[0], int.from_bytes(hashlib.sha256(der).digest()[:6], "big"),
    "its node is the certificate's thumbprint")
is_(os.stat(ids_file).st_mode & 0o777, 0o600, "the counter is private")
is_(int(p.read("state/strife/ids")), parts(first)[1] + 1,
    "the counter is past what was used")
second = p.pay(*PAYMENT).stdout.split("\t")[0]
is_(parts(second)[1], parts(first)[1] + 1, "the next id has the next number")

p.config(unused_address(), retries="0")
r = p.pay(*PAYMENT, "--no-queue")
third = r.stderr.split()[1]
is_((r.returncode, parts(third)[1]), (69, parts(first)[1] + 2),
    "a payment that was not sent has used its number up")
p.config(gateway)

running = [p.start(*PAYMENT) for _ in range(20)]
outputs = [process.communicate(timeout=120)[0] for process in running]
is_({process.returncode for process in running}, {0}, "20 at once: all pay")
numbers = {parts(output.split("\t")[0])[1] for output in outputs}
is_(numbers, set(range(parts(first)[1] + 3, parts(first)[1] + 23)),
    "20 numbers, none left out")

p.write("state/strife/ids", str(2 ** 42 - 1) + "\n", 0o600)
is_(p.pay(*PAYMENT).returncode, 0, "the last number can be used")
is_(p.pay(*PAYMENT).returncode, 78, "after it there is none")
count = len(gateway.lines("PAY"))
for text in ("", "x\n", "-1\n", "1\n2\n", "9" * 40, str(2 ** 42 + 1) + "\n"):
    p.write("state/strife/ids", text, 0o600)
    r = p.pay(*PAYMENT)
    ok(r.returncode == 78 and "ids" in r.stderr,
       "a counter that is %r is refused" % text[:10], r.stderr)
is_(p.read("state/strife/ids"), str(2 ** 42 + 1) + "\n",
    "and is left as it is")
is_(p.pay("pay", "--key", "k", *PAYMENT[1:]).returncode, 0,
    "--key needs no counter")
is_(len(gateway.lines("PAY")), count + 1, "nothing else was sent")

r = p.pay(*PAYMENT, env=dict(p.environment(), XDG_STATE_HOME="/proc/none"))
ok(r.returncode == 78 and "/proc/none/strife/ids" in r.stderr,
   "one that cannot be written: where it is", r.stderr)

os.remove(ids_file)
starts = set()
for _ in range(4):
    starts.add(parts(p.pay(*PAYMENT).stdout.split("\t")[0])[1])
    os.remove(ids_file)
is_(len(starts), 4, "a new counter starts somewhere else each time")

env = p.environment()
del env["XDG_STATE_HOME"]
is_(p.pay(*PAYMENT, env=env).returncode, 0, "without XDG_STATE_HOME")
ok(os.path.exists(p.path(".local/state/strife/ids")),
   "the counter is in ~/.local/state/strife")
is_(os.stat(p.path(".local/state/strife")).st_mode & 0o777, 0o700,
    "a directory of one's own")
done()

#!/usr/bin/python3
# Snapshots of a bank: when they are taken, that the next start reads no more
# than it must, and what it does with those that are damaged.
import os
import re
import select
import shutil
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import Bank, equal, like, new_id, ok

ACCOUNTS = {"alice": {"currency": "CZK", "balance": "1000.00"},
            "bob": {"currency": "CZK", "balance": "0.00"}}
SEGMENT = 1 << 20


def files(bank, ending):
    return sorted(f for f in os.listdir(bank.journal) if f.endswith(ending))


def path(bank, name):
    return os.path.join(bank.journal, name)


def flip(bank, name, at):
    """One bit of one octet, from the end where `at` is negative."""
    with open(path(bank, name), "r+b") as f:
        f.seek(at, os.SEEK_END if at < 0 else os.SEEK_SET)
        octet = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([octet[0] ^ 1]))


def deposits(bank, count, memo="x" * 140):
    """So many, pipelined; {id: seq}."""
    done = {}
    with bank.teller() as t:
        for start in range(0, count, 50):
            asked = []
            for _ in range(min(50, count - start)):
                ident = new_id()
                asked.append((ident, t.ask("DEPOSIT", id=ident, name="alice",
                                           amount=1, currency="CZK",
                                           memo=memo)))
            for ident, tag in asked:
                done[ident] = t.reply(tag)["seq"]
    return done


def fill(bank, segments):
    """Deposits until so many segments are finished; {id: seq}."""
    done = {}
    while len(files(bank, ".journal")) <= segments or not os.path.exists(
            path(bank, "%08d.journal" % (segments + 1))) or not used(
            bank, segments + 1):
        done.update(deposits(bank, 400))
    return done


def used(bank, segment):
    with open(path(bank, "%08d.journal" % segment), "rb") as f:
        return f.read(1) != b"\0"


def snapshot(bank):
    with bank.teller() as t:
        return t.call("SNAPSHOT")


def replayed(bank):
    """(snapshot, records) of the newest start."""
    found = re.search(r'msg="the journal is replayed".* snapshot=(\d+) '
                      r'records=(\d+)', bank.daemon.stderr())
    return tuple(map(int, found.groups()))


def book(bank):
    with bank.teller() as t:
        rows, _ = t.rows("ACCOUNTS")
        return sorted(r.text.partition(" ")[2] for r in rows)


def verify(place, bank, status=0, says=()):
    """It exits so, and says that of the files beside the segments."""
    run = place.run("strife-journal", "verify", bank.journal)
    said = re.findall(r"[0-9]+\.(?:snapshot|index): .*", run.stderr())
    good = run.wait() == status and len(said) == len(says) and all(
        re.fullmatch(pattern, text) for pattern, text in zip(says, said))
    if not good:
        strife.note("verify %d: %s" % (run.status, run.stderr()))
    return good


def filled(place, segments=1, **settings):
    bank = Bank(place, accounts=ACCOUNTS, payments={"remembered": 65536},
                **settings)
    bank.start()
    done = fill(bank, segments)
    return bank, done


def on_demand(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    done = deposits(bank, 10)
    reply = snapshot(bank)
    last = bank.records()[-1].tag
    equal((reply.code, reply.get("seq")), ("OK", last),
          "SNAPSHOT is OK with the newest record")
    equal(files(bank, ".snapshot"), ["%016d.snapshot" % int(last)],
          "and is in place, under its number")
    name = path(bank, files(bank, ".snapshot")[0])
    equal(os.stat(name).st_mode & 0o777, 0o640, "which others cannot read")
    with open(name) as f:
        lines = f.read().splitlines()
    like(lines[0], r"^1 SNAPSHOT version=1 .*component=bankd name=BankA "
         r"seq=%s " % last, "its first line says whose it is")
    like(lines[-1], r"^%d END count=%d check=[0-9a-f]{32}$" % (
        len(lines), len(lines) - 1), "its last how many there are")
    equal(bank.daemon.wait_for(r'"a snapshot was taken" seq=%s$' % last)
          is not None, True, "the log says so")
    run = place.run("strife-teller", "-c", bank.config, "snapshot")
    equal((run.wait(), run.stdout.decode().split()[-1:]), (0, [last]),
          "strife-teller snapshot shows it")
    done.update(deposits(bank, 3))
    before = book(bank)
    equal(bank.stop(), 0, "SIGTERM")
    bank.start()
    equal(replayed(bank), (int(last), 3), "the next start replays what came "
          "after it")
    equal(book(bank), before, "to the same books")
    with bank.teller() as t:
        equal([t.call("DEPOSIT", id=ident, name="alice", amount=1,
                      currency="CZK", memo="x" * 140).get("seq")
               for ident in done], list(done.values()),
              "and knows every id")
    equal(snapshot(bank).code, "OK", "another one")
    deposits(bank, 1)
    equal(snapshot(bank).code, "OK", "and another")
    equal(len(files(bank, ".snapshot")), 2, "two are kept")
    ok(verify(place, bank), "the journal is as it was")
    bank.stop()


def unread(place):
    bank, done = filled(place, 2)
    seq = int(snapshot(bank)["seq"])
    equal(files(bank, ".index"), ["00000001.index", "00000002.index"],
          "a snapshot leaves an index beside each finished segment")
    before = book(bank)
    bank.crash()
    flip(bank, "00000001.journal", SEGMENT // 2)
    bank.start()
    equal(replayed(bank), (seq, 0), "a start does not read them: one that has "
          "rotted is not seen")
    equal(book(bank), before, "the books are the same")
    first = next(iter(done))
    with bank.teller() as t:
        equal([t.call("DEPOSIT", id=i, name="alice", amount=1, currency="CZK",
                      memo="x" * 140).get("seq") for i in list(done)[:5]],
              list(done.values())[:5], "ids in them are known")
        equal(t.call("DEPOSIT", id=first, name="alice", amount=2,
                     currency="CZK").code, "ID_REUSED", "and what they paid")
    ok(verify(place, bank, 65), "strife-journal verify reads all and sees it")
    bank.stop()
    flip(bank, "00000001.journal", SEGMENT // 2)
    theirs, _ = filled(place, 1, name="BankB")
    snapshot(theirs)
    theirs.stop()
    other = path(theirs, "00000001.index")
    kept = place.path("kept")
    shutil.copytree(bank.journal, kept)
    for what, harm in (
            ("missing", lambda n: os.unlink(path(bank, n))),
            ("cut", lambda n: os.truncate(path(bank, n), 4000)),
            ("damaged", lambda n: flip(bank, n, -7)),
            ("of another segment", lambda n: shutil.copy(
                path(bank, "00000002.index"), path(bank, n))),
            ("of another journal", lambda n: shutil.copy(
                other, path(bank, n)))):
        harm("00000001.index")
        ok(verify(place, bank, 0, [] if what == "missing" else [
            "00000001.index: it is damaged, or of another segment: it is made "
            "again when it is needed"]), "verify tells of one that is " + what)
        bank.start()
        equal((replayed(bank)[0], book(bank)), (seq, before),
              "an index that is %s is made again" % what)
        bank.stop()
        with open(path(bank, "00000001.index"), "rb") as f, \
                open(os.path.join(kept, "00000001.index"), "rb") as g:
            ok(f.read() == g.read(), "the very same")


def damaged(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    deposits(bank, 5)
    older = int(snapshot(bank)["seq"])
    deposits(bank, 5)
    newer = int(snapshot(bank)["seq"])
    deposits(bank, 2)
    before, last = book(bank), len(bank.records())
    bank.stop()
    flip(bank, "%016d.snapshot" % newer, 300)
    ok(verify(place, bank, 0, ["%016d.snapshot: line [0-9]+: .*: starts pass "
                               "over it" % newer]),
       "strife-journal verify tells of a damaged snapshot, and exits 0")
    bank.start()
    ok(bank.daemon.wait_for(r"level=warn .*a snapshot is passed over.*"
                            r"%016d\.snapshot" % newer),
       "a damaged snapshot is passed over, with a warning")
    equal((replayed(bank), book(bank)), ((older, last - older), before),
          "for the one before it")
    last += 1
    bank.stop()
    with open(path(bank, "%016d.snapshot" % older), "r+b") as f:
        f.truncate(f.seek(0, os.SEEK_END) - 60)
    bank.start()
    equal((replayed(bank), book(bank)), ((0, last), before),
          "without a good one, all records are read")
    bank.stop()
    # Whole, but of another journal.
    other = Bank(place, "BankB", accounts=ACCOUNTS)
    other.start()
    theirs = int(snapshot(other)["seq"])
    other.stop()
    shutil.copy(path(other, "%016d.snapshot" % theirs), bank.journal)
    ok(verify(place, bank, 0, [
        "%016d.snapshot: .*" % newer, "%016d.snapshot: .*" % older,
        "%016d.snapshot: it is another journal's: starts pass over it" %
        theirs]), "and of another journal's")
    bank.start()
    ok(bank.daemon.wait_for(r"passed over.*another journal"),
       "nor is another journal's used")
    equal((replayed(bank)[0], book(bank)), (0, before), "for all records")
    bank.stop()
    shutil.move(path(bank, "%016d.snapshot" % theirs),
                path(bank, "%016d.snapshot" % 999999))
    bank.start()
    ours = int(snapshot(bank)["seq"])
    bank.stop()
    bank.start()
    equal(replayed(bank), (ours, 0), "nor does one keep ours from being kept")
    bank.stop()


def contents(bank):
    """Of all files of the journal but the lock."""
    found = {}
    for name in os.listdir(bank.journal):
        if name != "lock":
            with open(path(bank, name), "rb") as f:
                found[name] = f.read()
    return found


def journal_lost(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    deposits(bank, 5)
    bank.stop()
    copy = place.path("copy")
    shutil.copytree(bank.journal, copy)
    bank.start()
    deposits(bank, 5)
    seq = int(snapshot(bank)["seq"])
    bank.stop()
    shutil.copy(os.path.join(copy, "00000001.journal"), bank.journal)
    ok(verify(place, bank, 65, ["%016d.snapshot: it was taken when record %d "
                                "was durable, and the journal ends before it"
                                % (seq, seq)]),
       "strife-journal verify sees what a snapshot proves")
    daemon = bank.start(ready=False)
    equal(daemon.wait(), 65, "a journal without a snapshot's record: exit 65")
    like(daemon.stderr(), r"%016d\.snapshot: it was taken when record %d was "
         r"durable, and the journal ends before it" % (seq, seq),
         "and says what proves it")
    for name in files(bank, ".journal"):
        with open(path(bank, name), "r+b") as f:
            f.write(bytes(os.fstat(f.fileno()).st_size))
    before = contents(bank)
    daemon = bank.start(ready=False)
    equal(daemon.wait(), 65, "nor does an empty journal begin beside one")
    like(daemon.stderr(), r"%016d\.snapshot: .* and the journal is empty" % seq,
         "and what proves it is said")
    equal(contents(bank), before, "nothing was changed")
    ok(verify(place, bank, 65, ["%016d.snapshot: it was taken when record %d "
                                "was durable, and the journal is empty" %
                                (seq, seq)]), "verify sees it too")
    for name in files(bank, ".journal"):
        os.unlink(path(bank, name))
    daemon = bank.start(ready=False)
    equal(daemon.wait(), 65, "nor one without any segment")
    equal(files(bank, ".journal"), [], "and none is made")
    for name in files(bank, ".snapshot"):
        os.unlink(path(bank, name))
    shutil.copy(os.path.join(copy, "00000001.journal"), bank.journal)
    bank.start()
    ok(True, "an older copy starts without it")
    bank.stop()


def by_size(place):
    bank = Bank(place, accounts=ACCOUNTS, payments={"remembered": 65536},
                journal={"snapshot": "1MiB"})
    bank.start()
    taken = None
    while taken is None:
        deposits(bank, 400)
        taken = bank.daemon.wait_for(r'"a snapshot was taken" seq=(\d+)',
                                     wait_s=0)
    octets = sum(len(r.text) + 1 for r in bank.records()
                 if int(r.tag) <= int(taken[1]))
    ok(octets >= 1 << 20, "journal.snapshot octets make one: %d" % octets)
    bank.crash()
    bank.start()
    equal(replayed(bank)[0] > 0, True, "which the next start uses")
    bank.stop()


def failing(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    deposits(bank, 2)
    os.mkdir(path(bank, "%016d.snapshot" % len(bank.records())))
    reply = snapshot(bank)
    equal(reply.code, "INTERNAL", "a snapshot that fails is INTERNAL")
    like(reply.get("text"), r"snapshot of record \d+ failed: Is a directory",
         "and says why")
    deposits(bank, 1)
    equal(snapshot(bank).code, "OK", "the next one may do")
    ok(not [f for f in os.listdir(bank.journal) if ".new." in f and
            "journal" not in f], "nothing is left of it")
    bank.stop()


def child_of(pid):
    try:
        with open("/proc/%d/task/%d/children" % (pid, pid)) as f:
            children = f.read().split()
    except FileNotFoundError:
        return None
    return int(children[-1]) if children else None


def held_by(pid):
    """What its descriptors are; None where it has gone."""
    try:
        return {os.path.basename(os.readlink("/proc/%d/fd/%s" % (pid, fd)))
                for fd in os.listdir("/proc/%d/fd" % pid)}
    except FileNotFoundError:
        return None


def answered(peer):
    return bool(select.select([peer.sock], [], [], 0)[0])


def stop_taker(bank):
    """The child that writes a snapshot, stopped while it does."""
    with bank.teller() as t:
        while True:
            tag, child = t.ask("SNAPSHOT"), None
            while child is None and not answered(t):
                child = child_of(bank.daemon.pid)
            try:
                if child is not None:
                    os.kill(child, signal.SIGSTOP)
                    held = held_by(child) or set()
                    # Until then it still has what it was born with.
                    if any(".snapshot.new." in name for name in held):
                        return child, held
                    os.kill(child, signal.SIGCONT)
            except ProcessLookupError:
                pass
            t.reply(tag)


def has_ended(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def alone(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    deposits(bank, 3)
    child, held = stop_taker(bank)
    equal(sorted(re.sub(r"[0-9]+", "N", name) for name in held),
          ["N.snapshot.new.N", os.path.basename(bank.journal), "pipe:[N]"],
          "who writes a snapshot holds nothing but its output")
    deposits(bank, 3)
    ok(True, "the bank goes on meanwhile")
    bank.crash()
    deadline = time.monotonic() + strife.WAIT_S
    while not has_ended(child) and time.monotonic() < deadline:
        time.sleep(0.005)
    ok(has_ended(child), "and ends with it")
    bank.start()
    bank.stop()


def killed(place):
    bank = Bank(place, accounts=ACCOUNTS)
    bank.start()
    before = None
    for turn in range(6):
        deposits(bank, 3)
        before = book(bank)
        with bank.teller() as t:
            for _ in range(turn + 1):
                t.ask("SNAPSHOT")
            t.call("BALANCE", name="alice")
            bank.crash()
        bank.start()
        equal((book(bank), verify(place, bank)), (before, True),
              "kill -9 while snapshots are taken")
    equal([f for f in os.listdir(bank.journal) if ".snapshot.new." in f], [],
          "unfinished ones are removed")
    bank.stop()


for test in (on_demand, unread, damaged, journal_lost, by_size, failing,
             alone, killed):
    with strife.Place() as place:
        test(place)
strife.done()

#!/usr/bin/python3
# strife-journal(8) on journals written here, by strife-journal(5) alone.
import json
import os
import pty
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from journalwriter import UUID, Writer
from strife import equal, like, ok

def bank(place, name, accounts=6):
    j = Writer(place.path(name))
    j.add("BOOT boot=1 agent=test")
    for i in range(accounts):
        j.add("SET account=acc%d overdraft=%d who=root" % (i, 10 ** i))
        if i == 2:
            j.new_segment()
    j.add("GATEWAY node=gw1 epoch=3 gateway_seq=7 gateway_check=" + "ab" * 16)
    return j


def texts(run):
    return run.stdout.decode().splitlines()


def options(run):
    equal(run("-V").status, 0, "-V exits 0")
    like(run("-V").stdout.decode(), r"^strife-journal [0-9]+\.",
         "-V says who it is")
    equal(run("--help").status, 0, "--help exits 0")
    like(run("-h").stdout.decode(), r"verify .*DIR", "-h lists the commands")
    for arguments in ((), ("nonsense",), ("cat",), ("grep", "x"), ("verify",),
                      ("-x",), ("cat", "-x", "d"), ("grep", "-E", "(", "d")):
        equal(run(*arguments).status, 64,
              "usage: " + (" ".join(arguments) or "nothing"))
    for command in ("cat", "grep", "verify", "audit", "explain"):
        once = run(command, "-h")
        like(once.stdout.decode(), r"^usage: strife-journal %s " % command,
             command + " -h tells its usage")
        equal((once.status, once.stderr()), (0, ""), "and exits 0")
        equal(run(command, "-V").stdout, run("-V").stdout, command + " -V")
    for arguments, said in (
            (("verfy", "d"), r"unknown command: verfy \(the nearest is verify"),
            (("verify", "--jsn", "d"), r"unknown option: --jsn \(the nearest "
             "is --json"),
            (("cat", "d", "-x"), "unknown option: -x$"),
            (("grep", "-5", "d"), "unknown option: -5$"),
            (("grep", "x"), r"needs PATTERN DIR\.\.\."),
            (("cat", "--json", "d"), "unknown option: --json"),
            (("--json", "cat", "d"), "cat has no --json"),
            (("--json", "grep", "x", "d"), "grep has no --json"),
            (("explain", "d", "--key", "k"), "--key and --user go together"),
            (("explain", "d", "--user"), "--user needs a value"),
            (("audit", "--json"), r"needs DIR\.\.\.")):
        once = run(*arguments)
        equal(once.status, 64, "usage: " + " ".join(arguments))
        like(once.stderr(), r"\Astrife-journal: " + said, "it says why")
        like(once.stderr(), r"^try: strife-journal .*-h$", "and what to do")


def options_anywhere(run, place):
    j = bank(place, "anywhere")
    gw = Writer(place.path("anywhere-gw"), "gatewayd", "gw1")
    gw.add("BOOT epoch=1 agent=test")
    plain = run("audit", "--json", gw.dir)
    ok(plain.status == 0 and plain.stdout.startswith(b'{"row":"journal"'),
       "audit --json DIR")
    equal(run("audit", gw.dir, "--json").stdout, plain.stdout,
          "audit DIR --json is the same")
    equal(run("--json", "audit", gw.dir).stdout, plain.stdout,
          "and --json audit DIR")
    equal(run("audit", gw.dir, "-sv").status, 0, "audit DIR -sv")
    found = run("grep", "-E", "acc[0-9] overdraft=10{2,3} ", j.dir).stdout
    equal(len(found.splitlines()), 2, "grep -E PATTERN DIR")
    equal(run("grep", "acc[0-9] overdraft=10{2,3} ", j.dir, "-E").stdout,
          found, "grep PATTERN DIR -E is the same")
    equal(run("grep", "--", "-E", j.dir).status, 1,
          "behind -- nothing is an option: grep -- -E DIR")
    j.add("SET account=x overdraft=1 who=-E")
    equal(len(texts(run("grep", "--", "-E", j.dir))), 1, "and finds it")
    equal(len(texts(run("cat", "--", j.dir))), j.seq, "cat -- DIR")
    once = run("verify", "--", "--json")
    equal((once.status, texts(once)[0].split("\t")[0]), (65, "--json"),
          "verify -- --json: a directory of that name")
    once = run("explain", j.dir, "--key", "k", "--json", "--user", "u")
    equal(once.status, 1, "explain DIR --key TEXT --json --user USER")
    like(once.stderr(), "no journal here knows this id", "is understood")


def cat(run, j):
    whole = b"".join(open(j.path(n), "rb").read().rstrip(b"\0")
                     for n in range(1, j.segment + 1))
    once = run("cat", j.dir)
    equal(once.status, 0, "cat exits 0")
    equal(once.stdout, whole, "cat prints every record as it is")
    equal(run("cat", j.dir, j.dir).stdout, whole * 2, "of each directory")


def grep(run, j, other):
    def found(*arguments):
        return [int(t.split()[0]) for t in texts(run("grep", *arguments))]

    equal(found("SET", j.dir), [3, 4, 5, 7, 8, 9], "a kind")
    equal(found("overdraft=10", j.dir), [4], "a field is matched whole")
    equal(found("draft=10", j.dir), [4, 5, 7, 8, 9],
          "what is no field is matched anywhere")
    equal(found("who=root", j.dir, ), [3, 4, 5, 7, 8, 9], "the last field")
    equal(found("gateway_check=" + "ab" * 16, j.dir), [10],
          "a field with a check of another journal")
    equal(found("check=" + j.check, j.dir), [10], "and the record's check")
    equal(found("-E", "acc[0-9] overdraft=10{2,3} ", j.dir), [5, 7],
          "-E is a regular expression")
    equal(run("grep", "ROOT", j.dir).status, 1, "none: exit 1")
    equal(run("grep", "[", j.dir).status, 1, "a fixed string, else")
    other.add("SET account=x overdraft=1 who=R%C5%AF%C5%BEa%20%25")
    for value in ("R\u016f\u017ea %", "R%C5%AF%C5%BEa%20%25"):
        equal(found("who=" + value, other.dir), [other.seq],
              "a value as it is said, or as it is written: " + value)
    lines = texts(run("grep", "BOOT", j.dir, other.dir))
    equal([t.split(":")[0] for t in lines], [j.dir, other.dir],
          "of several directories, each line says which")


def verify(run, j):
    once = run("verify", j.dir)
    equal(once.status, 0, "verify exits 0")
    equal(texts(once)[0].split("\t"),
          [j.dir, "bankd", "BankA", UUID, str(j.seq), "1", str(j.seq),
           j.check, "ok"], "verify prints TSV in a pipe")
    equal(texts(run("verify", j.dir, j.dir)), texts(once) * 2,
          "a row for each")
    want = {"dir": j.dir, "component": "bankd", "name": "BankA",
            "journal": UUID, "records": j.seq, "first": 1, "last": j.seq,
            "check": j.check, "status": "ok"}
    for arguments in (("verify", j.dir, "--json"), ("--json", "verify", j.dir)):
        equal([json.loads(text) for text in texts(run(*arguments))], [want],
              " ".join(arguments).replace(j.dir, "DIR") + ": an object a line")


def not_there(run, place, j):
    """What can be no journal is told as what it is."""
    os.mkdir(place.path("empty"))
    place.write("file", "")
    os.mkdir(place.path("closed"), 0)
    names = ["nowhere", "empty", "file", "closed"]
    want = ["missing", "empty", "no-directory", "unreadable"]
    paths = [place.path(name) for name in names]
    options = {}
    if os.geteuid() == 0:
        # As somebody whom permissions bind, who can get at all but one.
        options = {"user": 65534, "group": 65534, "extra_groups": []}
        os.chmod(place.dir, 0o755)
        os.chmod(place.path("empty"), 0o755)
        shutil.copy(strife.program("strife-journal"), place.path("program"))
        os.chmod(place.path("program"), 0o755)
    once = subprocess.run(
        [place.path("program") if options else
         strife.program("strife-journal"), "verify", *paths],
        capture_output=True, text=True, check=False, timeout=60, **options)
    equal(once.returncode, 65, "nothing to read: exit 65")
    rows = [text.split("\t") for text in once.stdout.splitlines()]
    for row, path, what in zip(rows, paths, want):
        equal((row[0], row[4], row[8]), (path, "0", what),
              "verify: %s is %s" % (os.path.basename(path), what))
    equal(len(once.stderr.splitlines()), 4, "and each has a message")
    once = run("verify", paths[0], j.dir)
    equal((once.status, [t.split("\t")[8] for t in texts(once)]),
          (65, ["missing", "ok"]), "others are read nevertheless")
    os.chmod(place.path("closed"), 0o700)


def on_terminal(j):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(strife.program("strife-journal"),
                 ["strife-journal", "verify", j.dir])
    octets = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            break
        if not more:
            break
        octets += more
    os.close(terminal)
    os.waitpid(pid, 0)
    lines = octets.decode().split("\r\n")
    equal(lines[0].split(), "dir component name journal records first last "
          "check status".split(), "a terminal gets a head")
    equal(lines[0].index("status"), lines[1].index("ok"),
          "and columns below each other")


def damaged(run, j, segment, offset, seq, what):
    where = r"%08d\.journal: offset %d: record %d: " % (segment, offset, seq)
    for command in (("verify",), ("cat",), ("grep", "SEGMENT")):
        once = run(*command, j.dir)
        equal(once.status, 65, "%s: %s exits 65" % (what, command[0]))
        like(once.stderr(), where, "%s: %s says where" % (what, command[0]))
    row = texts(run("verify", j.dir))[0].split("\t")
    equal((row[4], row[8]), (str(seq - 1), "damaged"),
          what + ": the row says how far it was good")


def damage(run, place):
    j = bank(place, "flip")
    segment, offset, seq = j.starts[3]
    good = open(j.path(segment), "rb").read()
    j.save(good.replace(b"overdraft=10 ", b"overdraft=90 ").rstrip(b"\0"),
           segment)
    damaged(run, j, segment, offset, seq, "an edited record")
    j.save(good.rstrip(b"\0"), segment)
    segment, offset, seq = j.starts[-1]
    j.save(j.octets[:offset + 30] + b"\x7f" + j.octets[offset + 31:])
    damaged(run, j, segment, offset, seq, "the last record rotted")
    j.save(j.octets[:-1] + b" ")
    damaged(run, j, segment, offset, seq, "a lost line feed")
    segment, offset, seq = j.starts[-2]
    j.save(j.octets[:offset + 20] + bytes(9) + j.octets[offset + 29:])
    damaged(run, j, segment, offset, seq,
            "a hole before a record that proves it durable")
    j.save(j.octets)
    equal(run("verify", j.dir).status, 0, "repaired, it verifies")
    os.unlink(j.path(1))
    once = run("verify", j.dir)
    equal(once.status, 65, "a missing segment: exit 65")
    like(once.stderr(), r"00000001\.journal", "and it is named")
    equal(texts(once)[0].split("\t")[8], "damaged", "which is damage")
    equal(run("verify", place.path("nowhere")).status, 65,
          "a missing directory: exit 65")


def foreign(run, place):
    j = bank(place, "foreign")
    other = bank(place, "foreign2", accounts=7)
    segment, offset, seq = j.starts[6 - 1]
    equal((segment, offset), (2, 0), "the second segment starts at record 6")
    text = open(other.path(2), "rb").read().rstrip(b"\0")
    j.save(text.replace(b"name=BankA", b"name=BankB"), 2)
    damaged(run, j, 2, 0, seq, "a segment of another bank")
    j.save(open(j.path(1), "rb").read().rstrip(b"\0"), 2)
    damaged(run, j, 2, 0, seq, "a segment that is there twice")


def unfinished(run, place):
    j = bank(place, "live")
    segment, offset, seq = j.starts[-1]
    j.save(j.octets[:offset + 40])
    once = run("verify", j.dir)
    equal(once.status, 0, "an unfinished tail is no error")
    equal(once.stderr(), "", "nor worth a message")
    row = texts(once)[0].split("\t")
    equal((row[6], row[8]), (str(seq - 1), "unfinished"),
          "the row says that it is there")
    equal(len(texts(run("cat", j.dir))), seq - 1, "cat ends before it")
    before = sorted((n, os.stat(os.path.join(j.dir, n)).st_mtime_ns)
                    for n in os.listdir(j.dir))
    run("verify", j.dir)
    equal(sorted((n, os.stat(os.path.join(j.dir, n)).st_mtime_ns)
                 for n in os.listdir(j.dir)), before, "nothing is written")


def gateway(run, place):
    j = Writer(place.path("gw"), "gatewayd", "gw1")
    j.add("BOOT epoch=1 agent=test")
    equal(texts(run("verify", j.dir))[0].split("\t")[1:3],
          ["gatewayd", "gw1"], "a gateway's journal")
    j.add("PREPARED id=" + UUID)
    once = run("verify", j.dir)
    equal(once.status, 65, "a bank's record in a gateway's journal")
    like(once.stderr(), "record 3: its kind is unknown", "is not understood")


def full(place, j):
    once = place.run("/bin/sh", "-c", 'exec "$0" cat "$1" >/dev/full',
                     strife.program("strife-journal"), j.dir)
    equal(once.status, 73, "output that cannot be written: exit 73")
    for arguments in (("cat", j.dir), ("verify", j.dir), ("cat", "-h"),
                      ("-h",), ("-V",)):
        for to, why in ((">/dev/full", "No space left on device"),
                        (">&-", "Bad file descriptor")):
            once = place.run("/bin/sh", "-c", 'exec "$@" ' + to, "sh",
                             strife.program("strife-journal"), *arguments)
            equal((once.status, once.stderr()),
                  (73, "strife-journal: standard output: " + why),
                  "%s %s: exit 73, said once" % (arguments[0], to))


with strife.Place() as place:
    def run(*arguments):
        return place.run("strife-journal", *arguments)

    options(run)
    options_anywhere(run, place)
    main = bank(place, "bank")
    cat(run, main)
    grep(run, main, bank(place, "other"))
    verify(run, main)
    not_there(run, place, main)
    on_terminal(main)
    damage(run, place)
    foreign(run, place)
    unfinished(run, place)
    gateway(run, place)
    full(place, main)
strife.done()

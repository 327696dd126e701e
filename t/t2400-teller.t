#!/usr/bin/python3
# strife-teller: its command line, what it sends and shows, its exit codes.
import json
import os
import shutil
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from fake_control import Console, error
from strife import Bank, equal, like, new_id, ok

ACCOUNT = {"name": "alice", "currency": "CZK", "posted": -5, "held": 1,
           "available": 12345, "overdraft": 50000, "state": "open"}
ENTRY = {"seq": 7, "time": "2026-01-31T12:00:00.000000Z",
         "id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "kind": "payment",
         "amount": -1250, "currency": "CZK", "balance": 100,
         "peer": "bob@BankB", "memo": "caf\u00e9 \"x\""}
ID = ENTRY["id"]


def teller(place, **options):
    return Console(place, "strife-teller", "bank", "BankA", **options)


def fields(request):
    return (request.word, request.fields)


# ---- The command line ----

def usage(place):
    t = teller(place)
    run = t.run("-h", config=False)
    ok(run.code == 0 and run.err == "" and len(run.out.splitlines()) <= 24 and
       max(map(len, run.out.splitlines())) <= 80, "-h fits on a screen")
    like(t.run("-V", config=False).out, r"^strife-teller [0-9.]+$", "-V")
    like(t.run("deposit", "-h", config=False).out, r"--memo TEXT",
         "help of one command")
    for words, pattern in (
            ([], "which command"),
            (["acounts"], "nearest is accounts"),
            (["balance"], "usage: strife-teller balance NAME"),
            (["balance", "a", "b"], "usage"),
            (["balance", "a@BankA"], "without @BANK"),
            (["freeze", ":equity.CZK"], "not an account"),
            (["balance", "--jsn", "a"], "nearest is --json"),
            (["balance", "-x", "a"], "unknown option: -x"),
            (["balance", "--memo", "x", "a"], "unknown option: --memo"),
            (["deposit", "a", "-1", "CZK", "--key", "k"],
             "-1: amounts are positive"),
            (["balance", "--json=1", "a"], "takes no value"),
            (["statement", "a", "--since"], "needs a value"),
            (["statement", "a", "--since", "yesterday"], "2026-01-31"),
            (["statement", "a", "--until", "2026-02-30"], "2026-01-31"),
            (["statement", "a", "-n", "0"], "-n 0"),
            (["--timeout", "0", "stats"], "--timeout 0"),
            (["set", "a"], "--overdraft"),
            (["open", "a"], "usage"),
            (["open", "a", "czk"], "ISO 4217"),
            (["open", "a", "CZK", "--overdraft", "-1"], "0 to"),
            (["open", "a", "CZK", "--overdraft", ""], "overdraft"),
            (["deposit", "a", "1", "CZK"], "--id UUID or --key"),
            (["deposit", "a", "1", "CZK", "--id", ID, "--key", "x"], "either"),
            (["deposit", "a", "1", "CZK", "--id", "x"], "not an id"),
            (["deposit", "a", "1", "CZK", "--key", ""], "1 to 1024"),
            (["deposit", "a", "1", "CZK", "--key", "a\nb"], "control"),
            (["deposit", "a", "1.005", "CZK", "--id", ID], "has 2 decimals"),
            (["deposit", "a", "1.5", "JPY", "--id", ID], "has 0 decimals"),
            (["deposit", "a", "0", "CZK", "--id", ID], "more than 0"),
            (["deposit", "a", "1,5", "CZK", "--id", ID], "12.50"),
            (["deposit", "a", "1", "CZK", "--id", ID, "--memo", "x" * 141],
             "140 octets"),
            (["deposit", "-", "--id", ID], "column"),
            (["decide", ID, "comit", "--why", "x"], "nearest is commit"),
            (["decide", ID, "commit"], "--why is missing"),
            (["decide", ID, "commit", "--why", "x" * 1025], "1 to 1024"),
            (["post-late", "x", "--why", "x"], "not an id")):
        run = t.run(*words)
        ok(run.code == 64 and run.out == "",
           "%s: exit 64" % " ".join(words).replace("\n", " ")[:60])
        like(run.err, pattern.replace("-n 0", "-n 0: 1 to"), "and says why")


def configuration(place):
    t = teller(place)
    run = t.run("-c", place.path("nothing.yaml"), "stats")
    equal(run.code, 78, "no such file: exit 78")
    for text, pattern in (
            ("bank: BankA\n", r"x.yaml:1:1: key \"control\" is missing"),
            ("control: c\n", r"key \"bank\" is missing"),
            ("bank: 'no bank'\ncontrol: c\n", r"x.yaml:1:7: \"bank\""),
            ("bank: BankA\ncontrol: [c]\n", r"x.yaml:2:10: \"control\""),
            ("bank: BankA\ncontrol: ~\n", r"\"control\""),
            ("bank: BankA\ncontrol: c\nbank: BankB\n", r"x.yaml:3:1"),
            ("bank: BankA\ncontrol: %s\n" % ("d/" * 60), r"107 octets")):
        run = t.run("-c", place.write("x.yaml", text), "stats")
        ok(run.code == 78 and run.out == "", "%r: exit 78" % text[:30])
        like(run.err, pattern, "and says where")
    prefix = place.path("prefix")
    os.makedirs(os.path.join(prefix, "bin"))
    mine = os.path.join(prefix, "bin", "strife-teller")
    shutil.copy(t.program, mine)
    place.write("prefix/etc/strife/bankd.yaml",
                "bank: BankA\ncontrol: ../../control\n")
    t.program, t.control = mine, os.path.join(prefix, "control")
    with t.daemon({"BALANCE": [("OK", dict(ACCOUNT, seq=1))]}):
        run = t.run("balance", "alice", config=False, cwd="/")
    equal(run.code, 0, "without -c: PREFIX/etc/strife/bankd.yaml, and a "
          "relative control starts at the file")


def no_daemon(place):
    t = teller(place)
    run = t.run("accounts")
    equal((run.code, run.out), (69, ""), "no socket: exit 69, no output")
    like(run.err, r"%s.*strife-bankd running with %s" % (t.control, t.config),
         "and says which, and what to look at")
    stale = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stale.bind(t.control)
    equal(t.run("accounts").code, 69, "nobody listens: exit 69")
    run = t.run("deposit", "-", stdin="key:a\talice\t1\tCZK\n")
    equal((run.code, run.out), (69, ""), "rows: exit 69")
    like(run.err, "nothing was sent", "and nothing was sent")
    stale.listen(0)
    waiting = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(t.control)
        except BlockingIOError:
            break
    run = t.run("--timeout", "1", "freeze", "alice")
    equal(run.code, 75, "nobody takes the connection: exit 75")
    ok("nobody took the connection for 1 s" in run.err and
       "not known" not in run.err, "and nothing is in doubt")
    for one in waiting:
        one.close()
    program = place.path("strife-teller")
    shutil.copy(t.program, program)
    os.chmod(t.control, 0)
    options = {}
    if os.geteuid() == 0:
        for path, mode in ((place.dir, 0o755), (t.config, 0o644),
                           (program, 0o755)):
            os.chmod(path, mode)
        options = {"user": 65534, "group": 65534, "extra_groups": []}
    t.program = program
    run = t.run("accounts", **options)
    equal(run.code, 77, "a socket that is another's: exit 77")
    like(run.err, "only the user that strife-bankd runs as", "and says so")
    stale.close()


# ---- What is sent ----

def requests(place):
    t = teller(place)
    named = [("OK", {"name": "alice"})]
    booked = [("OK", {"id": ID, "name": "alice", "balance": 100, "seq": 9})]
    balance = [("OK", dict(ACCOUNT, seq=12))]
    done = [("OK", {})]
    script = {"OPEN": named, "CLOSE": named, "FREEZE": named, "THAW": named,
              "SET": named, "DEPOSIT": booked, "WITHDRAW": booked,
              "BALANCE": balance, "ACCOUNTS": done, "HISTORY": done,
              "INDOUBT": done, "STATS": done,
              "DECIDE": [("OK", {"id": ID, "outcome": "abort"})],
              "POST_LATE": [("OK", {"id": ID, "name": ":suspense.CZK"})]}
    name = {"name": "alice"}
    money = dict(name, id=ID, currency="CZK")
    for words, want in (
            (["open", "alice", "CZK"], ("OPEN", dict(name, currency="CZK"))),
            (["open", "alice", "KWD", "--overdraft", "1.5"],
             ("OPEN", dict(name, currency="KWD", overdraft="1500"))),
            (["close", "alice"], ("CLOSE", name)),
            (["freeze", "alice"], ("FREEZE", name)),
            (["thaw", "alice"], ("THAW", name)),
            (["set", "alice", "--overdraft", "500"],
             ("SET", dict(name, overdraft="50000"))),
            (["deposit", "alice", "12.50", "CZK", "--id", ID.upper(),
              "--memo", "a b%"],
             ("DEPOSIT", dict(money, amount="1250", memo="a b%"))),
            (["withdraw", "--id", ID, "alice", "12", "CZK"],
             ("WITHDRAW", dict(money, amount="1200"))),
            (["accounts"], ("ACCOUNTS", {"limit": "500"})),
            (["balance", ":equity.CZK"],
             ("BALANCE", {"name": ":equity.CZK"})),
            (["statement", "alice", "--since", "2026-01-31",
              "--until", "2026-01-31", "-n", "9"],
             ("HISTORY", dict(name, limit="9",
                              since="2026-01-31T00:00:00.000000Z",
                              until="2026-01-31T23:59:59.999999Z"))),
            (["statement", "alice", "--until", "2026-01-31T12:00:00+02:00"],
             ("HISTORY", dict(name, limit="500",
                              until="2026-01-31T10:00:00.000000Z"))),
            (["indoubt"], ("INDOUBT", {})),
            (["decide", ID, "abort", "--why", "gone"],
             ("DECIDE", {"id": ID, "outcome": "abort", "why": "gone"})),
            (["post-late", ID, "--why", "it was so"],
             ("POST_LATE", {"id": ID, "why": "it was so"})),
            (["stats"], ("STATS", {}))):
        with t.daemon(script) as fake:
            run = t.run(*words)
        equal((run.code, run.err), (0, ""), " ".join(words))
        equal(fields(fake.requests[-1]), want, "is what is asked for")
        if words[0] in ("close", "freeze", "thaw", "set", "decide"):
            equal(run.out, "", "and nothing is said when it is done")
    like(t.run("post-late", ID).err, "--why", "--why is wanted")
    ids = []
    for key, bank in (("k", "BankA"), ("k", "BankA"), ("l", "BankA"),
                      ("k", "BankB")):
        t = Console(place, "strife-teller", "bank", bank)
        with t.daemon(script) as fake:
            run = t.run("deposit", "alice", "1", "CZK", "--key", key)
        ids.append(fake.requests[0]["id"])
        equal(run.rows[0]["id"], ids[-1], "--key: the id is shown")
    ok(ids[0] == ids[1] and len(set(ids)) == 3 and ids[0][14] == "5",
       "--key makes the same id of the same bank and text, and else others")


# ---- What is shown ----

def shown(place):
    t = teller(place)
    script = {"ACCOUNTS": [("ROW", dict(ACCOUNT, extra="x")),
                           ("ROW", dict(ACCOUNT, name=":equity.JPY",
                                        currency="JPY")),
                           ("OK", {})],
              "HISTORY": [("ROW", ENTRY),
                          ("ROW", dict(ENTRY, id="", peer="", memo="")),
                          ("OK", {})],
              "BALANCE": [("OK", dict(ACCOUNT, seq=3))],
              "STATS": [("ROW", {"name": "pid", "value": "1"}), ("OK", {})]}
    with t.daemon(script):
        run = t.run("accounts")
        equal(run.out,
              "alice\tCZK\t-0.05\t0.01\t123.45\t500.00\topen\n"
              ":equity.JPY\tJPY\t-5\t1\t12345\t50000\topen\n",
              "accounts in a pipe: TSV, in currency units")
        run = t.terminal("accounts")
        equal(run.out,
              "name         currency  posted  held  available  overdraft  "
              "state\n"
              "alice        CZK        -0.05  0.01     123.45     500.00  "
              "open\n"
              ":equity.JPY  JPY           -5     1      12345      50000  "
              "open\n", "on a terminal: aligned")
        equal([json.loads(text) for text in
               t.run("accounts", "--json").out.splitlines()][0],
              {"name": "alice", "currency": "CZK", "posted": "-0.05",
               "held": "0.01", "available": "123.45", "overdraft": "500.00",
               "state": "open"}, "--json: one object a line, money exact")
        run = t.run("statement", "alice")
        equal(run.out.splitlines()[:1],
              ["2026-01-31T12:00:00.000000Z\t7\t%s\tpayment\t-12.50\tCZK\t"
               "1.00\tbob@BankB\tcaf\u00e9 \"x\"" % ID], "statement")
        both = [json.loads(text) for text in
                t.run("--json", "statement", "alice").out.splitlines()]
        equal((both[0]["memo"], both[0]["seq"], "id" in both[1]),
              (ENTRY["memo"], 7, False), "its JSON leaves out what is empty")
        equal(t.run("balance", "alice").rows[0]["seq"], "3", "balance")
        equal(t.run("stats").out, "pid\t1\n", "stats")
        with open("/dev/full", "wb") as full:
            run = t.run("accounts", stdout=full)
        equal(run.code, 73, "output that cannot be written: exit 73")


def pages(place):
    t = teller(place)

    def answer(peer, request):
        start = int(request.get("before", "c0")[1:])
        limit = int(request["limit"])
        for i in range(start, min(start + limit, 1100)):
            peer.answer(request, "ROW", dict(ENTRY, seq=i + 1))
        more = "c%d" % (start + limit) if start + limit < 1100 else None
        peer.answer(request, "OK", {"next": more})

    with t.daemon(answer) as fake:
        run = t.run("statement", "alice")
        equal([int(r["seq"]) for r in run.rows], list(range(1, 1101)),
              "statement follows every page")
        equal([(r.get("before"), r["limit"]) for r in fake.requests],
              [(None, "500"), ("c500", "500"), ("c1000", "500")],
              "by the cursor it was given")
        run = t.run("statement", "alice", "-n", "510")
        equal((len(run.rows), fake.requests[-1]["limit"]), (510, "10"),
              "-n asks for no more than that")
        shown = [t.terminal("statement", "alice", "-n", "1000"),
                 t.terminal("statement", "alice")]
        equal(len(shown[1].out.splitlines()), 1101,
              "a terminal shows every row of a long one")

    def grown(peer, request):
        start = int(request.get("before", "c0")[1:])
        for i in range(start, min(start + 500, 1100)):
            late = dict(memo="m", balance="123456789")
            peer.answer(request, "ROW", dict(
                ENTRY, seq=i + 1, **late if i >= 1000 else {"memo": ""}))
        peer.answer(request, "OK", {"next": "c%d" % (start + 500)
                                    if start + 500 < 1100 else None})

    with t.daemon(grown):
        rows = t.terminal("statement", "alice").out.splitlines()
        equal(rows[0].split(), shown[0].out.split("\n")[0].split(),
              "it has all columns, since later rows may need them")
        ok(len(rows[1]) < len(rows[1100]) and rows[1100].endswith("m"),
           "the first thousand rows do not wait for the width of later ones")
    with t.daemon(lambda peer, request: peer.answer(
            request, "OK", {"next": "x"})) as fake:
        equal((t.run("accounts").code, len(fake.requests)), (0, 2),
              "a cursor that stays where it is ends the list")


# ---- What goes wrong ----

def refusals(place):
    t = teller(place)
    for code, retry, want, pattern in (
            ("INSUFFICIENT_FUNDS", "new-id", 1, "strife-teller balance"),
            ("NO_SUCH_ACCOUNT", "new-id", 1, "strife-teller accounts"),
            ("ACCOUNT_FROZEN", "new-id", 1, "thaw"),
            ("ID_REUSED", "never", 1, "the first one stands"),
            ("FORBIDDEN", "never", 1, "FORBIDDEN"),
            ("BAD_REQUEST", "never", 1, "BAD_REQUEST"),
            ("READ_ONLY", "same-id", 75, "disk"),
            ("OVERLOADED", "same-id", 75, "again later"),
            ("INTERNAL", "same-id", 75, "again later"),
            ("UNKNOWN_VERB", "never", 76, "another version")):
        with t.daemon({"DEPOSIT": error(code, retry, "some words")}):
            run = t.run("deposit", "alice", "1", "CZK", "--id", ID)
        equal((run.code, run.out), (want, ""), "%s: exit %d" % (code, want))
        like(run.err, r"deposit alice: some words \(%s\).*%s"
             % (code, "" if code == pattern else pattern),
             "and a sentence with the code and what to do")
    with t.daemon({"BALANCE": error("NO_SUCH_ACCOUNT", "new-id")}) as fake:
        run = t.run("set", "nobody", "--overdraft", "1")
    equal((run.code, len(fake.requests)), (1, 1),
          "set of no account changes nothing")
    with t.daemon({"BALANCE": [("OK", dict(ACCOUNT, seq=1))]}) as fake:
        run = t.run("set", "alice", "--overdraft", "1.001")
    equal((run.code, len(fake.requests)), (64, 1),
          "set with too many decimals for the account's currency: exit 64")
    with t.daemon({"ACCOUNTS": [("ROW", ACCOUNT)] + error("INTERNAL")}):
        run = t.run("accounts")
    equal((run.code, len(run.rows)), (75, 1),
          "a list that ends with an error shows what came, and exits so")

    for retry, code in (("never", 1), ("login", 77), ("new-id", 1),
                        ("same-id", 75)):
        with t.daemon({"ACCOUNTS": error("NEWER_THAN_WE", retry=retry)}):
            run = t.run("accounts")
        equal(run.code, code,
              "a code that is not known, %s: its retry counts" % retry)
        like(run.err, r"accounts: ", "and its text is told")


def broken(place):
    t = teller(place)
    row = strife.line("1", "ROW", ACCOUNT) + "\n"
    for octets, what in (
            (b"1 OK  x=1\n", "two spaces"),
            (b"nonsense\n", "no tag"),
            (b"1 " + b"x" * 5000, "a line too long"),
            (b"0 ERR code=BAD_REQUEST retry=never text=x\n", "tag 0"),
            (b"1 HELLO proto=1\n", "a request"),
            (b"1 ERR code=NEWER retry=rarely text=x\n", "no such retry"),
            (b"1 ERR code=n retry=never text=x\n", "what is no code"),
            (row.replace("=CZK", "=XXX").encode(), "no such currency"),
            (row.replace("=12345", "=1e3").encode(), "a number that is none")):
        with t.daemon(lambda peer, _: peer.send_octets(octets)):
            run = t.run("accounts")
        equal(run.code, 76, "%s: exit 76" % what)
        like(run.err, r"strife-bankd: it", "and says what it sent")
    with t.daemon(lambda peer, _: peer.send_octets(
            b"* EVENT\n9 OK\nT ROW\n01 OK\n1 OK\n1 OK\n")):
        equal(t.run("accounts").code, 0,
              "events and replies to nothing are ignored")

    def close(peer, _):
        peer.sock.shutdown(socket.SHUT_RDWR)
        raise strife.Closed

    with t.daemon(close):
        run = t.run("accounts")
        equal(run.code, 75, "a connection that closes: exit 75")
        like(run.err, "closed the connection before", "and says so")
        for words in (["freeze", "alice"],
                      ["deposit", "alice", "1", "CZK", "--id", ID]):
            like(t.run(*words).err, "whether it was done is not known.*again",
                 "%s: and that it may be done" % words[0])
    with t.daemon(lambda peer, _: None):
        run = t.run("--timeout", "1", "accounts")
        equal(run.code, 75, "a daemon that says nothing: exit 75")
        like(run.err, "silent for 1 s", "and says for how long")


# ---- Rows ----

def rows(place):
    t = teller(place)
    good = "key:%d\talice\t1\tCZK\t\n"
    for verb, text, where in (
            ("deposit", "key:a\talice\t1\tCZK\nkey:b\talice\t1.001\tCZK\n",
             "2:13: amount"),
            ("deposit", "id\tname\tamount\tcurrency\n\tb\t1\tCZK\n",
             "2:1: id"),
            ("deposit", "key:\tb\t1\tCZK\n", "1:1: id"),
            ("deposit", "key:a\tb c\t1\tCZK\n", "1:7: name"),
            ("deposit", "key:a\tb\t0\tCZK\n", "1:9: amount"),
            ("deposit", "key:a\tb\t-1\tCZK\n", "1:9: amount"),
            ("deposit", "key:a\tb\t1000000000000000\tCZK\n", "1:9: amount"),
            ("deposit", "key:a\tb\t1\tCZ\n", "1:11: currency"),
            ("deposit", "key:a\tb\t1\tCZK\ta\x01b\n", "1:15: memo"),
            ("deposit", "key:a\tb\udcc0\udc80\t1\tCZK\n",
             r'1:7: name: "b\\xC0\\x80"'),
            ("deposit", "key:a\tb\t1\tCZK\tx\ty\n", "1:1: too many columns"),
            ("deposit", "key:a\tb\t1\n", "1:1: too few columns"),
            ("deposit", "key:a\tb\t1\tCZK\t%s\n" % ("x" * 4096),
             "1:1: the row is too long"),
            ("withdraw", "key:a\tb\t1\tCZK\n\nkey:a\tb\t2\tCZK\n",
             "3:1: id: line 1 has it with other values"),
            ("open", "b\tCZK\t1.234\n", "1:7: overdraft"),
            ("open", "name\tcurrency\nb\tCZK\nc\tCZK\nb\tEUR\n",
             "4:1: name: line 2 has it with other values"),
            ("open", "b\n", "1:1: too few")):
        with t.daemon({}) as fake:
            run = t.run(verb, "-", stdin=text)
        equal((run.code, run.out, fake.requests), (65, "", []),
              "%s %r: exit 65, nothing is sent" % (verb, text[:24]))
        like(run.err, r"\(stdin\):%s" % where, "and says where")
    run = t.run("open", "-", stdin="x\n" * 30)
    equal((run.err.count("too few"), run.err.count("and 10 more")), (20, 1),
          "of many wrong rows the first 20 are told")
    with t.daemon({}) as fake:
        run = t.run("deposit", "-", stdin="")
    equal((run.code, run.out, fake.requests), (0, "", []),
          "no rows: nothing to do")

    held = []

    def backwards(peer, request):
        held.append(request)
        if len(held) < 64 and len(fake.requests) < 200:
            return
        for one in reversed(held):
            if one["id"] == fake.requests[5]["id"]:
                peer.answer(one, "ERR", code="ACCOUNT_FROZEN",
                            retry="new-id", text="x")
            else:
                peer.answer(one, "OK", id=one["id"], name="alice",
                            balance=len(fake.requests), seq=1)
        held.clear()

    with t.daemon(backwards) as fake:
        run = t.run("deposit", "-", stdin="id\tname\tamount\tcurrency\tmemo\n"
                    + "".join(good % i for i in range(200)))
    equal(len({r["id"] for r in fake.requests}), 200,
          "rows are pipelined, 64 at once, and each sent once")
    equal([r["id"] for r in run.rows], ["key:%d" % i for i in range(200)],
          "answers in any order come out in the order of the input")
    equal((run.rows[5]["state"], run.rows[5]["reason"], run.rows[4]["state"],
           run.rows[4]["balance"], run.code),
          ("refused", "ACCOUNT_FROZEN", "done", "0.64", 1),
          "one refused: exit 1, and the row says why")

    def some(peer, request):
        if len(fake.requests) == 3:
            raise strife.Closed
        peer.answer(request, "OK", id=request["id"], name="alice", balance=1,
                    seq=1)

    with t.daemon(some) as fake:
        run = t.run("deposit", "-",
                    stdin="".join(good % i for i in range(100)))
    states = [r["state"] for r in run.rows]
    ok(run.code == 75 and states[:2] == ["done", "done"] and
       "done" not in states[2:] and states[2] == "unknown" and
       states[-1] == "unsent", "a break half-way: exit 75, and what is known")


# ---- A bank ----

def bank(place):
    gw = place.gateway("gw1")
    b = Bank(place, gateways=[gw.address],
             accounts={"alice": {"currency": "CZK", "balance": "1000.00"}})
    b.start()
    peer = place.keep(gw.meet())
    t = Console(place, "strife-teller", "bank", "BankA", config=b.config)

    def balance(name):
        row = t.run("balance", name).rows[0]
        return row["posted"], row["available"], row["state"]

    text = "name\tcurrency\toverdraft\n" + "".join(
        "c%d\tCZK\t%s\n" % (i, "5.00" if i % 2 else "") for i in range(700))
    run = t.run("open", "-", stdin=text)
    equal((run.code, {r["state"] for r in run.rows}), (0, {"done"}),
          "700 accounts are opened")
    equal(t.run("open", "-", stdin=text).code, 0, "and again is no error")
    run = t.run("open", "c1", "CZK", "--overdraft", "7")
    ok(run.code == 0 and "overdraft of 5.00 CZK was left" in run.err,
       "with another overdraft: a warning that it was left as it is")
    equal(run.rows[0]["overdraft"], "5.00", "which the row has, too")
    run = t.run("open", "-", stdin="c1\tCZK\t\nc2\tCZK\t\nc3\tCZK\t5\n")
    equal([r["overdraft"] for r in run.rows], ["5.00", "", "5"],
          "so do rows; what is right stands as it was given")
    equal(t.run("open", "c1", "CZK", "--overdraft", "5").err, "",
          "with the same: none")
    equal(t.run("open", "-", stdin="\ufeff" + text).code, 0,
          "a byte order mark in front is no content")
    equal(len(t.run("accounts").rows), 702, "accounts lists all")
    equal(balance("c1"), ("0.00", "5.00", "open"), "with their overdraft")
    text = "".join("key:d%d\tc%d\t1.25\tCZK\tsalary\n" % (i, i % 700)
                   for i in range(1500))
    for what in ("1500 deposits", "sent again are the same"):
        run = t.run("deposit", "-", stdin=text)
        equal((run.code, len(run.rows), {r["state"] for r in run.rows}),
              (0, 1500, {"done"}), what)
    equal(balance("c0")[0], "3.75", "and booked once each")
    equal(t.run("withdraw", "c0", "0.75", "CZK", "--key", "w").rows[0]
          ["balance"], "3.00", "withdraw")
    equal(t.run("withdraw", "c0", "3.01", "CZK", "--key", "v").code, 1,
          "not more than there is")
    equal(t.run("set", "c0", "--overdraft", "10").code, 0, "set")
    equal(balance("c0"), ("3.00", "13.00", "open"), "changes the overdraft")
    equal(t.run("freeze", "c0").code, 0, "freeze")
    equal(t.run("deposit", "c0", "1", "CZK", "--key", "u").code, 1,
          "a frozen account takes nothing")
    equal((t.run("thaw", "c0").code, balance("c0")[2]), (0, "open"), "thaw")
    equal(t.run("close", "c0").code, 1, "close, with money: refused")
    equal(t.run("withdraw", "c0", "3", "CZK", "--key", "x").code, 0, "emptied")
    equal((t.run("close", "c0").code, balance("c0")[2]), (0, "closed"),
          "close")
    history = t.run("statement", "c0").rows
    equal([(r["kind"], r["amount"], r["balance"]) for r in history],
          [("withdraw", "-3.00", "0.00"), ("withdraw", "-0.75", "3.00")] +
          [("deposit", "1.25", b) for b in ("3.75", "2.50", "1.25")],
          "statement, newest first")
    moment = history[2]["time"]
    equal([len(t.run("statement", "c0", *words).rows) for words in
           (["--since", moment], ["--until", moment], ["-n", "2"])],
          [3, 3, 2], "since, until and -n choose")
    equal(len(t.run("statement", ":equity.CZK").rows), 1503,
          "a statement of many pages")
    prepare = {"id": new_id(), "branch": gw.branch(), "from": "alice",
               "to": ":clearing.BankB.CZK", "amount": 30, "currency": "CZK",
               "peer": "bob@BankB"}
    peer.call("PREPARE", prepare)
    equal([(r["id"], r["branch"], r["amount"]) for r in
           t.run("indoubt").rows],
          [(prepare["id"], prepare["branch"], "0.30")], "indoubt")
    equal(t.run("decide", prepare["id"], "abort", "--why", "gone").code, 0,
          "decide")
    equal(t.run("indoubt").rows, [], "decides")
    peer.call("COMMIT", dict(id=prepare["id"], branch=prepare["branch"],
                             **gw.decision()))
    run = t.run("post-late", prepare["id"], "--why", "it was committed")
    equal((run.code, run.rows), (0, [{"id": prepare["id"], "name": "alice"}]),
          "post-late tells against which account")
    equal(t.run("decide", new_id(), "abort", "--why", "x").code, 1,
          "decide of an unknown id: exit 1")
    stats = {r["name"]: r["value"] for r in t.run("stats").rows}
    equal(stats["pid"], str(b.daemon.pid), "stats")
    like(t.terminal("accounts").out, r"^alice +CZK +999\.70 ",
         "on a terminal")
    b.stop()
    equal(t.run("stats").code, 69, "a bank that was stopped: exit 69")


for test in (usage, configuration, no_daemon, requests, shown, pages, refusals,
             broken, rows, bank):
    with strife.Place() as place:
        strife.note(test.__name__)
        test(place)
strife.done()

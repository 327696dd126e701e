#!/usr/bin/python3
"""strife-authd: checking a users file, making hashes, serving checks."""

import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
AUTHD = os.path.join(os.environ.get("STRIFE_BIN", os.path.join(TOP, "bin")),
                     "strife-authd")
DIRECTORY = tempfile.mkdtemp(prefix="strife-authd-")
USERS = os.path.join(DIRECTORY, "users.yaml")
LONGEST = 60  # seconds; only a failing test waits for so long

count = 0
failed = 0


def ok(passed, what, note=None):
    global count, failed
    count += 1
    print("%sok %d - %s" % ("" if passed else "not ", count, what))
    if not passed:
        failed += 1
        if note is not None:
            print("# got: %r" % (note,))
    sys.stdout.flush()


def is_(got, want, what):
    ok(got == want, what, got)


def run(*arguments, octets=b""):
    return subprocess.run([AUTHD, *arguments], input=octets,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=LONGEST, check=False)


def make_hash(password):
    return run("hash", "--cost", "1",
               octets=password + b"\n").stdout.decode().strip()


SECRET = make_hash(b"secret")


def write_users(text, mode=0o600):
    with open(USERS, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(USERS, mode)


GOOD = """users:
  alice: {password: "%s", roles: [balance, pay], accounts: [alice@BankA]}
  cron: {certificates: [billing-host], roles: [pay], accounts: [shop@BankA]}
  desk: {password: "%s", acts_for: ["*@CZ", "a*@BankB"]}
""" % (SECRET, SECRET)


class Server:
    """A strife-authd on a socketpair, as a daemon starts it."""

    def __init__(self, *arguments):
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [AUTHD, "-u", USERS, *arguments], stdin=theirs, stdout=theirs,
            stderr=subprocess.PIPE)
        theirs.close()
        self.socket.settimeout(LONGEST)
        self.input = b""

    def send(self, octets):
        self.socket.sendall(octets)

    def line(self):
        while b"\n" not in self.input:
            octets = self.socket.recv(65536)
            if not octets:
                return ""
            self.input += octets
        line, self.input = self.input.split(b"\n", 1)
        return line.decode()

    def ask(self, text):
        self.send(text.encode() + b"\n")
        return self.line()

    def log_line(self):
        return self.process.stderr.readline().decode()

    def end(self):
        """Closes the socket: exit code and the rest of the log."""
        self.socket.close()
        log = self.process.stderr.read().decode()
        return self.process.wait(LONGEST), log


def test_options():
    result = run("-V")
    ok(result.returncode == 0 and
       re.fullmatch(rb"strife-authd \d+\.\d+\.\d+\n", result.stdout),
       "-V prints the version", result.stdout)
    result = run("-h")
    ok(result.returncode == 0 and b"strife-authd hash" in result.stdout,
       "-h prints help")
    for arguments in ((), ("-x",), ("-u",), ("-u", USERS, "more"), ("-t",),
                      ("hash", "more"), ("hash", "--cost", "0"),
                      ("hash", "--cost", "12"), ("hash", "--cost", "x")):
        result = run(*arguments)
        ok(result.returncode == 64 and b"usage:" in result.stderr and
           result.stdout == b"", "usage: %s" % (" ".join(arguments) or "none"),
           result)


def test_check():
    write_users(GOOD)
    result = run("-t", "-u", USERS)
    ok(result.returncode == 0 and result.stderr == b"" and
       result.stdout.decode() == USERS + ": ok\n", "-t: a good file", result)
    write_users("users:\n  alice: {pasword: x}\n")
    result = run("-t", "-u", USERS)
    ok(result.returncode == 78, "-t: a bad file exits 78")
    is_(result.stderr.decode(), USERS + ':2:11: unknown key "pasword"; '
        'did you mean "password"?\n', "and says where and what")
    result = run("-u", USERS)
    ok(result.returncode == 78 and b":2:11: unknown key" in result.stderr,
       "a bad file is not served either", result)
    for mode in (0o640, 0o604):
        write_users(GOOD, mode)
        result = run("-t", "-u", USERS)
        ok(result.returncode == 0 and b"chmod 600" in result.stderr,
           "mode %o is warned of" % mode, result)
    result = run("-t", "-u", os.path.join(DIRECTORY, "none.yaml"))
    ok(result.returncode == 78 and
       b"none.yaml: No such file or directory" in result.stderr,
       "a missing file", result)
    write_users('users:\n  alice: {password: "%s", accounts: [alice]}\n'
                % SECRET)
    ok(run("-t", "-u", USERS).returncode == 78 and
       run("-t", "--local", "-u", USERS).returncode == 0,
       "--local: accounts without a bank")


def test_hash():
    result = run("hash", "--cost", "1", octets=b"pass word\n")
    ok(result.returncode == 0 and
       re.fullmatch(rb"\$y\$j75\$[./0-9A-Za-z]{22}\$[./0-9A-Za-z]{43}\n",
                    result.stdout), "hash prints a yescrypt string", result)
    result = run("hash", octets=b"x")
    ok(result.stdout.startswith(b"$y$j9T$"),
       "of the standard cost; a line feed is not needed", result)
    ok(make_hash(b"x") != make_hash(b"x"), "each with a salt of its own")
    for octets, what in ((b"", "nothing"), (b"\n", "an empty line"),
                         (b"x" * 257 + b"\n", "257 octets"),
                         (b"a\tb\n", "a control character"),
                         (b"a\0b\n", "a NUL"),
                         (b"\xff\n", "what is not UTF-8")):
        result = run("hash", "--cost", "1", octets=octets)
        ok(result.returncode == 65 and result.stdout == b"",
           "hash refuses %s" % what, result)
    ok(run("hash", "--cost", "1", octets=b"x" * 256 + b"\n").returncode == 0,
       "256 octets are taken")


def on_terminal(answers):
    """Runs hash on a terminal: exit code and what the terminal shows."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execv(AUTHD, [AUTHD, "hash", "--cost", "1"])
    shown = b""
    asked = 0
    while True:
        if not select.select([fd], [], [], LONGEST)[0]:
            os.kill(pid, signal.SIGKILL)
        try:
            octets = os.read(fd, 4096)
        except OSError:
            break
        if not octets:
            break
        shown += octets
        if asked < len(answers) and shown.count(b": ") > asked:
            os.write(fd, answers[asked] + b"\n")
            asked += 1
    os.close(fd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown


def test_terminal():
    code, shown = on_terminal([b"open sesame", b"open sesame"])
    ok(code == 0 and b"$y$j75$" in shown, "hash on a terminal", shown)
    ok(b"sesame" not in shown and shown.count(b"assword") == 2,
       "asks twice and shows no password", shown)
    code, shown = on_terminal([b"open sesame", b"open simsim"])
    ok(code == 65 and b"differ" in shown and b"$y$" not in shown,
       "refuses two that differ", shown)


def test_serve():
    write_users(GOOD)
    server = Server()
    is_(server.ask("1 CHECK user=alice password=secret"),
        "1 OK user=alice roles=balance,pay accounts=alice@BankA acts_for=",
        "the right password")
    reply = server.ask("2 CHECK user=alice password=Secret")
    ok(reply.startswith("2 ERR code=BAD_CREDENTIALS retry=login text="),
       "the wrong one", reply)
    unknown = server.ask("3 CHECK user=nobody password=secret")
    is_(unknown, reply.replace("2 ERR", "3 ERR"),
        "an unknown user's answer is the same")
    is_(server.ask("4 CHECK user=cron password=secret")[1:], reply[1:],
        "and that of one without a password")
    is_(server.ask("5 CERTIFICATE user=cron certificate=billing-host"),
        "5 OK user=cron roles=pay accounts=shop@BankA acts_for=",
        "a listed certificate")
    is_(server.ask("6 CERTIFICATE user=cron certificate=other")[1:], reply[1:],
        "another certificate")
    is_(server.ask("7 CERTIFICATE user=alice certificate=billing-host")[1:],
        reply[1:], "another user's certificate")
    is_(server.ask("8 CHECK user=desk password=secret"),
        "8 OK user=desk roles= accounts= acts_for=*@CZ,a*@BankB",
        "acts_for, and no roles unless listed")
    server.send(b"".join(b"p%d CHECK user=alice password=%s\n" %
                         (i, b"secret" if i % 2 else b"no")
                         for i in range(200)))
    replies = [server.line().split()[:2] for _ in range(200)]
    ok(replies == [["p%d" % i, "OK" if i % 2 else "ERR"] for i in range(200)],
       "pipelined requests are answered in order")
    code, log = server.end()
    is_(code, 0, "it ends when its socket closes")
    is_(log, "", "and has logged nothing")


def test_refusals():
    server = Server()
    for text, want in (
            ("a NOSUCH", "a ERR code=UNKNOWN_VERB "),
            ("a LOGIN user=alice password=secret", "a ERR code=UNKNOWN_VERB "),
            ("b CHECK user=alice", "b ERR code=BAD_REQUEST "),
            ("c CHECK user=alice password=", "c ERR code=BAD_REQUEST "),
            ("d CHECK user=al%20ice password=x", "d ERR code=BAD_REQUEST "),
            ("e CHECK user=alice password=x x=y", "e ERR code=BAD_REQUEST "),
            ("f CHECK user=alice user=alice password=x",
             "f ERR code=BAD_REQUEST "),
            ("g CHECK user=alice password=" + "x" * 257,
             "g ERR code=BAD_REQUEST "),
            ("h CHECK user=alice  password=x", "h ERR code=BAD_REQUEST "),
            ("?", "0 ERR code=BAD_REQUEST "),
            ("i CHECK user=alice password=" + "x" * 5000,
             "i ERR code=LINE_TOO_LONG ")):
        reply = server.ask(text)
        ok(reply.startswith(want), "refused: " + text[:40], reply)
    ok(server.ask("z CHECK user=alice password=secret").startswith("z OK"),
       "and it goes on")
    reply = server.ask("k CHECK user=alice password=x nope=1")
    ok(" field=nope" in reply and "text=" in reply, "the field is named",
       reply)
    try:
        for _ in range(20):
            server.send(b"broken\n")
        while server.line():
            pass
    except OSError:
        pass  # it closed before it had read all
    code, log = server.end()
    ok(code == 76 and "broken" in log, "sixteen broken lines end it",
       (code, log))


def test_partial():
    server = Server()
    for octet in b"1 CHECK user=alice password=secret\n":
        server.send(bytes([octet]))
    ok(server.line().startswith("1 OK"), "a line in single octets")
    server.send(b"2 CHECK user=alice pass")
    is_(server.end()[0], 0, "a line cut short is dropped")


def test_reload():
    write_users(GOOD)
    server = Server()
    ok(server.ask("1 CHECK user=alice password=secret").startswith("1 OK"),
       "before SIGHUP")
    write_users("users:\n  bob: {certificates: [b]}\n")
    ok(server.ask("2 CHECK user=alice password=secret").startswith("2 OK"),
       "a new file changes nothing by itself")
    server.process.send_signal(signal.SIGHUP)
    line = server.log_line()
    ok("read again" in line and "users=1" in line, "SIGHUP reads it", line)
    ok("ERR" in server.ask("3 CHECK user=alice password=secret") and
       server.ask("4 CERTIFICATE user=bob certificate=b").startswith("4 OK"),
       "and it counts from then on")
    write_users("users:\n  bob: {certificate: [b]}\n")
    server.process.send_signal(signal.SIGHUP)
    line = server.log_line()
    ok("level=error" in line and ":2:9: unknown key" in line,
       "a bad file is logged with its position", line)
    ok(server.ask("5 CERTIFICATE user=bob certificate=b").startswith("5 OK"),
       "and the one before stays")
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGINT)
    ok(server.ask("6 CERTIFICATE user=bob certificate=b").startswith("6 OK"),
       "SIGTERM and SIGINT do not end it: its daemon does")
    is_(server.end()[0], 0, "by closing the socket")


def test_local():
    write_users('users:\n  alice: {password: "%s", roles: [pay], '
                'accounts: [al]}\n' % SECRET)
    server = Server("--local")
    is_(server.ask("1 CHECK user=alice password=secret"),
        "1 OK user=alice roles=pay accounts=al acts_for=", "--local")
    server.end()


def test_samples():
    """The samples are good, and their documented passwords open them."""
    for name, arguments in (("users.yaml", ()),
                            ("customers.yaml", ("--local",))):
        path = os.path.join(TOP, "etc", "strife", name)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        write_users(text)
        is_(run("-t", "-u", USERS, *arguments).returncode, 0,
            "etc/strife/%s is good" % name)
        server = Server(*arguments)
        found = re.findall(r'Password: "([^"]+)"\n +(\w+):', text)
        ok(len(found) >= 2, "%s documents its passwords" % name, found)
        for password, user in found:
            ok(server.ask("1 CHECK user=%s password=%s" %
                          (user, password)).startswith("1 OK"),
               "%s: password of %s" % (name, user))
        server.end()


def main():
    test_options()
    test_check()
    test_hash()
    test_terminal()
    test_serve()
    test_refusals()
    test_partial()
    test_reload()
    test_local()
    test_samples()
    print("1..%d" % count)
    return 1 if failed else 0


try:
    sys.exit(main())
finally:
    shutil.rmtree(DIRECTORY)

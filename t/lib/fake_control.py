"""strife-teller and strife-ctl under test, and a daemon that is not one.

Used beside strife.py:

    console = Console(place, "strife-teller", "bank", "BankA")
    with console.daemon({"BALANCE": [("ROW", {...}), ("OK", {...})]}) as fake:
        run = console.run("balance", "alice")
    run.code, run.out, run.err, fake.requests
"""

import os
import pty
import socket
import subprocess
import threading

import strife


# The columns of each command's rows in a pipe, as the man pages name them.
ENTRY = "id name amount currency memo state reason balance seq"
PAYMENT = "id state from to amount currency time"
COLUMNS = {
    "accounts": "name currency posted held available overdraft state",
    "balance": "name currency posted held available overdraft state seq",
    "statement": "time seq id kind amount currency balance peer memo",
    "indoubt": "id branch from to amount currency peer time",
    "post-late": "id name",
    "open": "name currency overdraft state reason",
    "deposit": ENTRY,
    "withdraw": ENTRY,
    "stats": "name value",
    "banks": "bank state since in_doubt rtt_us journal",
    "payments": PAYMENT + " reason pending user",
    "status": PAYMENT + " seq reason attempts pending user",
    "explain": "time where seq event text",
}


class Run:
    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    @property
    def rows(self):
        """Rows of TSV as dicts."""
        command = next(word for word in self.words if word in COLUMNS)
        names = COLUMNS[command].split()
        return [dict(zip(names, text.split("\t")))
                for text in self.out.splitlines()]

    def __repr__(self):
        return "exit %d\nout: %s\nerr: %s" % (self.code, self.out, self.err)


class FakeDaemon:
    """Listens on a control socket and answers by a script or a function.

    script: {VERB: [(word, fields), ...]}, or function(peer, request).
    """

    def __init__(self, path, script):
        self.requests = []
        self.script = script
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.bind(path)
        self.socket.listen(8)
        self.path = path
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        while True:
            try:
                plain, _ = self.socket.accept()
            except OSError:
                return
            peer = strife.Peer(plain, "console")
            try:
                while True:
                    request = peer.next_request()
                    self.requests.append(request)
                    self._answer(peer, request)
            except strife.Closed:
                pass
            except Exception as e:  # shown, and the test fails by its answer
                strife.note("fake daemon: %r" % e)
            peer.close()

    def _answer(self, peer, request):
        if callable(self.script):
            self.script(peer, request)
            return
        for word, fields in self.script[request.word]:
            peer.answer(request, word, fields)

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.thread.join(strife.WAIT_S)
        os.unlink(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Console:
    """One of the two programs, with a configuration that names a socket."""

    def __init__(self, place, program, key, name, config=None, control=None):
        self.place = place
        self.program = strife.program(program)
        self.control = control or place.path("control")
        self.config = config or place.write("daemon.yaml", strife.yaml(
            {key: name, "control": "control",
             "log": {"level": "info"}, "journal": {"dir": "somewhere"}}))

    def daemon(self, script):
        return FakeDaemon(self.control, script)

    def run(self, *arguments, stdin="", config=True, **options):
        """Without a terminal; -c goes before, unless config is False."""
        before = ["-c", self.config] if config else []
        stdout = options.pop("stdout", subprocess.PIPE)
        done = subprocess.run(
            [self.program, *before, *arguments],
            input=stdin.encode(errors="surrogateescape"), stdout=stdout, stderr=subprocess.PIPE, timeout=120, **options)
        return Run(arguments, done.returncode, (done.stdout or b"").decode(),
                   done.stderr.decode())

    def terminal(self, *arguments):
        """Standard output is a terminal: what it shows."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [self.program, "-c", self.config, *arguments],
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE,
            env=dict(os.environ, NO_COLOR="1", TERM="xterm"))
        os.close(theirs)
        shown = b""
        while True:
            try:
                octets = os.read(ours, 65536)
            except OSError:
                break
            if not octets:
                break
            shown += octets
        os.close(ours)
        err = process.stderr.read().decode()
        process.stderr.close()
        return Run(arguments, process.wait(strife.WAIT_S),
                   shown.decode().replace("\r\n", "\n"), err)


def error(code, retry="never", text="refused", **more):
    """A script that refuses."""
    return [("ERR", dict(code=code, retry=retry, text=text, **more))]

"""Black-box tests of Strife's daemons: certificates, processes, peers, TAP.

A test is a script:

    import os
    import sys

    sys.dont_write_bytecode = True
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "lib"))
    import strife

    with strife.Place() as place:
        ...                         # files below place.dir, all removed at end
        strife.ok(condition, "what holds, in words")
    strife.done()

Place owns a temporary directory and every process and listener started through
it; leaving the block, an exception or a signal ends and removes them all. Only
/usr/bin/python3 and openssl(1) are needed. Waits are bounded by WAIT_S, which
is far more than anything takes: no test passes or fails by its timing.
"""

import atexit
import os
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid

WAIT_S = float(os.environ.get("STRIFE_TEST_WAIT", "60"))
TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("STRIFE_BIN", os.path.join(TOP, "bin")))


def program(name):
    """The path of a built program, e.g. program("strife-bankd")."""
    return os.path.join(BIN, name)


# ---- TAP ----

_count = 0
_failed = 0


def note(text):
    """Lines for people, as TAP comments."""
    for line in str(text).splitlines():
        print("#", line)
    sys.stdout.flush()


def ok(condition, what):
    """One test. Returns whether it passed."""
    global _count, _failed
    _count += 1
    if not condition:
        _failed += 1
    print("%sok %d - %s" % ("" if condition else "not ", _count, what))
    if not condition:
        caller = traceback.extract_stack(limit=3)
        for frame in reversed(caller):
            if frame.filename != __file__:
                note("failed at %s line %d" % (frame.filename, frame.lineno))
                break
    sys.stdout.flush()
    return bool(condition)


def equal(got, want, what):
    """got == want, shown where it is not."""
    if not ok(got == want, what):
        note(" got: %r\nwant: %r" % (got, want))
        return False
    return True


def like(text, pattern, what):
    """A regular expression is found in the text, shown where it is not."""
    if not ok(re.search(pattern, text or "", re.M), what):
        note("text: %s\nwant: /%s/" % (text, pattern))
        return False
    return True


def skip_all(why):
    """Ends the script: nothing here can be tested on this machine."""
    print("1..0 # SKIP %s" % why)
    sys.exit(0)


def done():
    """Prints the plan and ends the script."""
    print("1..%d" % _count)
    sys.exit(1 if _failed else 0)


# ---- Lines ----

class Line:
    """One line of the grammar: tag, word (a verb, or OK ERR ROW EVENT), fields.

    line["id"] is a field's decoded value, line.get("memo") None where absent.
    """

    def __init__(self, text, record=False):
        self.text = text
        words = text.split(" ")
        if len(words) < 2:
            raise ValueError("no tag and word in %r" % text)
        self.tag, self.word = words[0], words[1]
        self.fields = {}
        for field in words[2:]:
            key, _, value = field.partition("=")
            # A record's own check follows whatever it tells, a check as well.
            if key in self.fields and not (record and key == "check"):
                raise ValueError("repeated field in %r" % text)
            self.fields[key] = decode(value)

    def __getitem__(self, key):
        return self.fields[key]

    def __contains__(self, key):
        return key in self.fields

    def get(self, key, default=None):
        return self.fields.get(key, default)

    @property
    def is_reply(self):
        return self.word in ("OK", "ERR", "ROW", "EVENT")

    @property
    def is_final(self):
        return self.word in ("OK", "ERR")

    @property
    def code(self):
        """An ERR's code, or "OK": short in a test."""
        return self.fields.get("code") if self.word == "ERR" else self.word

    def __repr__(self):
        return "<%s>" % self.text


def encode(value):
    """A field's value with the shortest percent-encoding."""
    out = []
    for octet in str(value).encode("utf-8", "surrogateescape"):
        if 0x21 <= octet <= 0x7E and octet != 0x25:
            out.append(chr(octet))
        else:
            out.append("%%%02X" % octet)
    return "".join(out)


def decode(value):
    def octet(match):
        return bytes([int(match.group(1), 16)])
    raw = re.sub(rb"%([0-9A-F]{2})", octet, value.encode("ascii"))
    return raw.decode("utf-8")


def line(tag, word, fields=(), **more):
    """The text of a line, without LF. A field that is None is left out."""
    pairs = list(dict(fields, **more).items())
    return " ".join([tag, word] + ["%s=%s" % (key, encode(value))
                                   for key, value in pairs
                                   if value is not None])


class Closed(Exception):
    """The peer closed the connection."""


class Timeout(Exception):
    """Nothing came within WAIT_S."""


class Peer:
    """One end of a connection that carries lines, both ways.

    Requests of the other side are kept in order until next_request() asks for
    them; PING is answered by itself unless answer_pings is set to False.
    """

    def __init__(self, sock, name="peer"):
        self.sock = sock
        self.name = name
        self.answer_pings = True
        self.pings = 0
        self._octets = b""
        self._requests = []
        self._replies = {}
        self._tags = 0

    # -- octets --

    def send_octets(self, octets):
        self.sock.settimeout(WAIT_S)
        try:
            self.sock.sendall(octets)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError) as e:
            raise Closed(str(e)) from e

    def _fill(self, deadline):
        left = deadline - time.monotonic()
        if left <= 0:
            raise Timeout("%s: nothing came" % self.name)
        self.sock.settimeout(left)
        try:
            octets = self.sock.recv(65536)
        except (socket.timeout, TimeoutError) as e:
            raise Timeout("%s: nothing came" % self.name) from e
        except (ConnectionResetError, ssl.SSLError) as e:
            raise Closed(str(e)) from e
        if octets == b"":
            raise Closed("%s closed" % self.name)
        self._octets += octets

    def read_line(self, wait_s=None):
        """The next line as it comes, whatever it is."""
        deadline = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
        while b"\n" not in self._octets:
            self._fill(deadline)
        text, _, self._octets = self._octets.partition(b"\n")
        return Line(text.decode("ascii"))

    # -- lines --

    def send(self, text):
        """One line as text, without LF."""
        self.send_octets(text.encode("utf-8", "surrogateescape") + b"\n")

    def new_tag(self):
        self._tags += 1
        return "T%d" % self._tags

    def ask(self, verb, fields=(), **more):
        """Sends a request and returns its tag."""
        tag = self.new_tag()
        self.send(line(tag, verb, fields, **more))
        return tag

    def answer(self, request, word="OK", fields=(), **more):
        """Answers a request of the other side."""
        self.send(line(request.tag, word, fields, **more))

    def _sort(self, one):
        """Puts a line where it belongs: a reply or a request."""
        if one.is_reply:
            self._replies.setdefault(one.tag, []).append(one)
        elif one.word == "PING" and self.answer_pings:
            self.pings += 1
            self.answer(one, time=now())
        else:
            if one.word == "PING":
                self.pings += 1
            self._requests.append(one)

    def rows_and_reply(self, tag, wait_s=None):
        """(ROW lines, the final OK or ERR) of a request sent with this tag."""
        while not any(r.is_final for r in self._replies.get(tag, [])):
            self._sort(self.read_line(wait_s))
        lines = self._replies.pop(tag)
        return lines[:-1], lines[-1]

    def reply(self, tag, wait_s=None):
        """The final OK or ERR of a request sent with this tag."""
        return self.rows_and_reply(tag, wait_s)[1]

    def has_reply(self, tag):
        """Has it been read already? Reads nothing."""
        return any(r.is_final for r in self._replies.get(tag, []))

    def call(self, verb, fields=(), **more):
        """Sends a request and returns its final OK or ERR."""
        return self.reply(self.ask(verb, fields, **more))

    def rows(self, verb, fields=(), **more):
        """Sends a request and returns (ROW lines, final OK or ERR)."""
        return self.rows_and_reply(self.ask(verb, fields, **more))

    def next_request(self, word=None, wait_s=None):
        """The next request of the other side (of that verb: others wait)."""
        while True:
            for i, one in enumerate(self._requests):
                if word is None or one.word == word:
                    return self._requests.pop(i)
            self._sort(self.read_line(wait_s))

    def wait_pings(self, count):
        """Reads on until that many PINGs have come (answered by itself)."""
        while self.pings < count:
            self._sort(self.read_line())

    def pending_requests(self, word=None):
        """Requests read but not yet taken. Reads nothing."""
        return [r for r in self._requests if word is None or r.word == word]

    def closes(self, wait_s=None):
        """Waits until the other side has closed; what comes before is sorted.

        True, and this end is closed too; False: still open after the wait.
        """
        try:
            while True:
                self._sort(self.read_line(wait_s))
        except Closed:
            self.close()
            return True
        except Timeout:
            return False

    def finish(self):
        """Says that it sends no more; what the other side sends later can
        still be read."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(0)
            try:
                self.sock.unwrap()
            except ssl.SSLWantReadError:
                pass    # close_notify has gone out, theirs is not awaited
            with socket.socket(fileno=os.dup(self.sock.fileno())) as plain:
                plain.shutdown(socket.SHUT_WR)
        else:
            self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def now():
    """The time, as a value of the wire."""
    t = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(t)) + \
        ".%06dZ" % (t * 1000000 % 1000000)


def new_id():
    """A fresh payment id."""
    return str(uuid.uuid4())


# ---- Certificates ----

class Certificates:
    """A CA in a directory, and what it signs: NAME.crt and NAME.key there."""

    def __init__(self, directory):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.ca = self.path("ca.crt")
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                  "-days", "30", "-subj", "/CN=Strife test CA",
                  "-addext", "basicConstraints=critical,CA:TRUE",
                  "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                  "-keyout", self.path("ca.key"), "-out", self.ca)

    def path(self, name):
        return os.path.join(self.dir, name)

    def _run(self, *arguments):
        subprocess.run(["openssl"] + list(arguments), check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)

    def issue(self, role, name, hosts=("127.0.0.1", "localhost"), uris=None,
              file=None, days=30):
        """A certificate for strife://ROLE/NAME; returns (cert, key) paths.

        uris, a list, takes the place of that one URI SAN.
        """
        file = file or name
        cert, key = self.path(file + ".crt"), self.path(file + ".key")
        sans = ["URI:" + u for u in (
            ["strife://%s/%s" % (role, name)] if uris is None else uris)]
        for host in hosts:
            is_ip = re.match(r"^[0-9.]+$|:", host)
            sans.append(("IP:" if is_ip else "DNS:") + host)
        extensions = self.path(file + ".ext")
        with open(extensions, "w") as f:
            f.write("basicConstraints=critical,CA:FALSE\n"
                    "keyUsage=critical,digitalSignature\n"
                    "extendedKeyUsage=serverAuth,clientAuth\n")
            if sans:
                f.write("subjectAltName=%s\n" % ",".join(sans))
        self._run("req", "-new", "-newkey", "ec", "-pkeyopt",
                  "ec_paramgen_curve:P-256", "-nodes", "-sha256",
                  "-subj", "/CN=" + name[:60].replace("/", "\\/"),
                  "-keyout", key,
                  "-out", self.path(file + ".csr"))
        os.chmod(key, 0o600)
        self._run("x509", "-req", "-in", self.path(file + ".csr"),
                  "-CA", self.ca, "-CAkey", self.path("ca.key"),
                  "-CAcreateserial", "-days", str(days), "-sha256",
                  "-extfile", extensions, "-out", cert)
        return cert, key

    def crl(self, *revoked, file="ca.crl", lasts_s=3600):
        """Writes a revocation list of these (cert, key) pairs: its path.

        One that lasts for 0 s has ended in 2020.
        """
        config = self.path("crl.cnf")
        index = self.path("crl.index")
        with open(config, "w") as f:
            f.write("[ca]\ndefault_ca=x\n[x]\ndatabase=%s\n"
                    "default_md=sha256\nunique_subject=no\n" % index)
        with open(index, "w"):
            pass
        common = ["ca", "-batch", "-config", config, "-cert", self.ca,
                  "-keyfile", self.path("ca.key")]
        for cert, _ in revoked:
            self._run(*common, "-revoke", cert)
        # Renamed into place, as strife-ca does it.
        fresh, path = self.path(file + ".new"), self.path(file)
        ends = ["-crlsec", str(lasts_s)] if lasts_s else [
            "-crl_lastupdate", "20200101000000Z",
            "-crl_nextupdate", "20200201000000Z"]
        self._run(*common, "-gencrl", *ends, "-out", fresh)
        os.rename(fresh, path)
        return path

    def context(self, pair, server):
        """An ssl context for (cert, key): TLS 1.3, mutual."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if server
                                 else ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(self.ca)
        if pair is not None:
            context.load_cert_chain(*pair)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


# ---- Processes ----

class Daemon:
    """A program under test; its stderr is collected line by line."""

    def __init__(self, arguments, env=None, cwd=None, stdin=None):
        self.arguments = [str(a) for a in arguments]
        self.lines = []
        self._news = threading.Condition()
        self._ended = False
        self.process = subprocess.Popen(
            self.arguments, stdin=stdin or subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=dict(os.environ, **(env or {})), cwd=cwd)
        self.stdout = b""
        self._readers = [
            threading.Thread(target=self._read_stderr, daemon=True),
            threading.Thread(target=self._read_stdout, daemon=True)]
        for reader in self._readers:
            reader.start()

    def _read_stderr(self):
        for octets in self.process.stderr:
            with self._news:
                self.lines.append(
                    octets.decode("utf-8", "replace").rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read_stdout(self):
        self.stdout = self.process.stdout.read()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def stderr(self):
        with self._news:
            return "\n".join(self.lines)

    def wait_for(self, pattern, start=0, wait_s=None):
        """Waits for a line of stderr that matches; returns the match.

        Looks from line number `start` on (see mark). None where the program
        ended, or WAIT_S passed, without one.
        """
        deadline = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
        wanted = re.compile(pattern)
        with self._news:
            while True:
                while start < len(self.lines):
                    match = wanted.search(self.lines[start])
                    if match:
                        return match
                    start += 1
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._news.wait(left)

    def mark(self):
        """How many lines there are so far: a `start` for wait_for."""
        with self._news:
            return len(self.lines)

    def signal(self, number):
        self.process.send_signal(number)

    def cpu_s(self):
        """Seconds of processor time used so far."""
        with open("/proc/%d/stat" % self.pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait(self, wait_s=None):
        """The exit status (negative: the signal), or None: still running."""
        try:
            status = self.process.wait(WAIT_S if wait_s is None else wait_s)
        except subprocess.TimeoutExpired:
            return None
        for reader in self._readers:
            reader.join(WAIT_S)
        return status

    def stop(self):
        """SIGTERM; returns the exit status."""
        if self.running:
            self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        """SIGKILL, as a crash; returns when it is gone."""
        if self.running:
            self.process.kill()
        return self.wait()


# ---- Listeners ----

class Listener:
    """A TLS server on a port that the kernel picked: a gateway's bank side."""

    def __init__(self, certificates, pair, name="gw1"):
        self.name = name
        self._closed = False
        self._thread = None
        self.context = certificates.context(pair, server=True)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.address = "127.0.0.1:%d" % self.port

    def waiting(self):
        """Is somebody connecting right now? Does not wait."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def accept(self, wait_s=None):
        """The next connection whose handshake succeeds, as a Peer."""
        deadline = time.monotonic() + (WAIT_S if wait_s is None else wait_s)
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout("nobody connected to %s" % self.name)
            self.socket.settimeout(left)
            try:
                plain, _ = self.socket.accept()
                plain.settimeout(WAIT_S)
                return Peer(self.context.wrap_socket(plain, server_side=True),
                            self.name)
            except (socket.timeout, TimeoutError) as e:
                raise Timeout("nobody connected to %s" % self.name) from e
            except (ssl.SSLError, ConnectionError) as e:
                note("handshake: %s" % e)

    def accept_in_background(self):
        """Goes through the handshake with whoever comes, until closed."""
        def run():
            peers = []
            while not self._closed:
                try:
                    peers.append(self.accept(0.5))
                except Timeout:
                    continue
                except OSError:
                    break
            for peer in peers:
                peer.close()
        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def close(self):
        self._closed = True
        if self._thread is not None:
            self._thread.join(WAIT_S)
        self.socket.close()


class Gateway(Listener):
    """A fake gateway for a bank under test: answers HELLO and REGISTER, then
    leaves it to the test what to send. `proofs` is what it remembers of the
    bank: the newest seq and check that a vote or acknowledgement told it."""

    def __init__(self, certificates, node="gw1", epoch=1):
        super().__init__(
            certificates, certificates.issue("gateway", node), node)
        self.node = node
        self.epoch = epoch
        self.window = 1024
        self.heartbeat = "60"
        self.counter = 0
        self.proven = None  # (seq, check)
        self.seq = 0        # of the decisions it makes up
        self.hello = self.register = None

    def answer_hello(self, peer, **changes):
        """Reads HELLO and answers it; fields can be changed, or None."""
        self.hello = peer.next_request()
        fields = dict(proto=1, node=self.node, server="fake/1",
                      window=self.window, time=now(), epoch=self.epoch,
                      heartbeat=self.heartbeat)
        fields.update(changes)
        peer.answer(self.hello, "OK", fields)
        return self.hello

    def answer_register(self, peer, **changes):
        """Reads REGISTER and answers it, with the proof if there is one."""
        self.register = peer.next_request()
        fields = {}
        if self.proven:
            fields = dict(proven_seq=self.proven[0],
                          proven_check=self.proven[1])
        fields.update(changes)
        peer.answer(self.register, "OK", fields)
        return self.register

    def meet(self, wait_s=None):
        """Accepts a bank and registers it: the Peer, ready for PREPARE."""
        peer = self.accept(wait_s)
        self.answer_hello(peer)
        self.answer_register(peer)
        return peer

    def branch(self):
        """A branch never used before: NODE.EPOCH.COUNTER."""
        self.counter += 1
        return "%s.%d.%d" % (self.node, self.epoch, self.counter)

    def decision(self):
        """seq and check of a decision, as COMMIT carries them."""
        self.seq += 1
        return dict(seq=self.seq, check="%032x" % (0xabc0000 + self.seq))


def connect_tls(certificates, pair, port, host="127.0.0.1", name="gateway"):
    """A client of a daemon's TLS listener: a Peer."""
    plain = socket.create_connection((host, port), WAIT_S)
    try:
        context = certificates.context(pair, server=False)
        return Peer(context.wrap_socket(plain, server_hostname=host), name)
    except BaseException:
        plain.close()
        raise


class FakeBank:
    """A fake bank for a gateway under test: dials its bank listener with a
    bank's certificate and registers; votes and acknowledges when told to."""

    def __init__(self, place, name="BankA", pair=None):
        self.place = place
        self.name = name
        self.pair = pair or place.certificates.issue("bank", name)
        self.journal = str(uuid.uuid4())
        self.boot = 0
        self.seq = 1
        self.window = 1024
        self.heard = None  # (seq, check) of the gateway's newest record
        self.hello = self.register = self.peer = None

    def dial(self, port):
        """A connection that has said nothing yet."""
        self.peer = self.place.keep(connect_tls(
            self.place.certificates, self.pair, port, name=self.name))
        return self.peer

    def meet(self, port, **changes):
        """Dials and registers; fields of REGISTER can be changed, or None.

        Returns the Peer; .hello and .register are the answers.
        """
        peer = self.dial(port)
        self.boot += 1
        self.hello = peer.call("HELLO", proto=1, agent="fake/1",
                               window=self.window)
        fields = dict(bank=self.name, boot=self.boot, seq=self.seq,
                      journal=self.journal)
        if self.heard:
            fields.update(gateway_seq=self.heard[0],
                          gateway_check=self.heard[1])
        fields.update(changes)
        self.register = peer.call("REGISTER", fields)
        return peer

    def proof(self):
        """seq and check of a new record of a journal that is made up."""
        self.seq += 1
        return dict(seq=self.seq, check="%032x" % (0xb000000 + self.seq))

    def vote_yes(self, request, **changes):
        """Answers a PREPARE."""
        self.peer.answer(request, "OK", dict(
            dict(id=request["id"], branch=request["branch"], vote="yes",
                 **self.proof()), **changes))

    def refuse(self, request, code, retry="new-id", **more):
        """Answers any request with ERR."""
        self.peer.answer(request, "ERR", dict(
            dict(code=code, retry=retry, text="refused by a test"), **more))

    def acknowledge(self, request, **changes):
        """Answers a COMMIT or an ABORT."""
        fields = dict(id=request["id"], branch=request["branch"])
        if request.word == "COMMIT":
            self.heard = (request["seq"], request["check"])
            fields.update(self.proof())
        fields.update(changes)
        self.peer.answer(request, "OK", fields)


def client(place, port, name="client1", pair=None):
    """A client of a gateway under test, with HELLO answered: a Peer."""
    pair = pair or place.certificates.issue("client", name)
    peer = place.keep(connect_tls(place.certificates, pair, port, name=name))
    peer.hello = peer.call("HELLO", proto=1, agent="test/1")
    return peer


def connect_unix(path):
    """A client of a daemon's control socket: a Peer."""
    plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        plain.settimeout(WAIT_S)
        plain.connect(path)
    except BaseException:
        plain.close()
        raise
    return Peer(plain, "control")


# ---- A place for one test ----

class Place:
    """A temporary directory with everything that was started in it."""

    _open = []

    def __init__(self):
        self.dir = tempfile.mkdtemp(
            prefix="strife-", dir=os.environ.get("TMPDIR", "/tmp"))
        self._daemons = []
        self._closables = []
        self._certificates = None
        Place._open.append(self)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None and kind is not SystemExit:
            for daemon in self._daemons:
                note("stderr of %s:" % " ".join(daemon.arguments))
                note(daemon.stderr())
        self.clean()

    def clean(self):
        """Ends and removes everything; legal more than once."""
        for daemon in self._daemons:
            if daemon.running:
                daemon.process.kill()
        for daemon in self._daemons:
            daemon.wait()
        for one in self._closables:
            one.close()
        shutil.rmtree(self.dir, ignore_errors=True)
        if self in Place._open:
            Place._open.remove(self)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text, mode=0o600):
        """A file below the directory; returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def read(self, name):
        with open(self.path(name), "rb") as f:
            return f.read()

    @property
    def certificates(self):
        """This place's CA, made when first asked for."""
        if self._certificates is None:
            self._certificates = Certificates(self.path("certs"))
        return self._certificates

    def start(self, *arguments, **options):
        """Starts a program (a name in BIN, or a path) as a Daemon."""
        arguments = list(arguments)
        if "/" not in str(arguments[0]):
            arguments[0] = program(arguments[0])
        daemon = Daemon(arguments, **options)
        self._daemons.append(daemon)
        return daemon

    def run(self, *arguments, **options):
        """Starts a program, waits for its end; returns the Daemon."""
        daemon = self.start(*arguments, **options)
        daemon.status = daemon.wait()
        return daemon

    def keep(self, closable):
        """Closes it at the end; returns it."""
        self._closables.append(closable)
        return closable

    def gateway(self, node="gw1", **options):
        """A fake gateway for banks."""
        return self.keep(Gateway(self.certificates, node, **options))

    def control(self, path):
        """A connection to a control socket."""
        return self.keep(connect_unix(path))


def yaml(value, indent=""):
    """A dict of dicts, lists and texts as a YAML file's text."""
    if isinstance(value, dict):
        if not value:
            return " {}\n"
        text = "" if indent == "" else "\n"
        for key, inner in value.items():
            text += "%s%s:%s" % (indent, key, yaml(inner, indent + "  "))
        return text
    if isinstance(value, (list, tuple)):
        return " [%s]\n" % ", ".join('"%s"' % v for v in value)
    if value is None:
        return " ~\n"
    if isinstance(value, str) and not re.match(r"^[A-Za-z0-9./][A-Za-z0-9._/-]*$",
                                               value):
        return ' "%s"\n' % value.replace("\\", "\\\\").replace('"', '\\"')
    return " %s\n" % value


class Bank:
    """A bank in a place: its configuration, and the daemon when it runs."""

    def __init__(self, place, name="BankA", gateways=("127.0.0.1:1",),
                 accounts=None, **settings):
        self.place = place
        self.name = name
        cert, key = place.certificates.issue("bank", name)
        self.settings = {
            "bank": name,
            "gateways": list(gateways),
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "journal": {"dir": place.path("bankd-" + name),
                        "segment": "1MiB"},
            "payments": {"in_flight": 64, "remembered": 4096},
            "limits": {"accounts": 1024},
            "control": place.path("bankd-" + name, "control"),
            "resolve": "100ms",
            "log": {"level": "debug"},
        }
        for key, value in settings.items():
            if isinstance(value, dict):
                self.settings.setdefault(key, {}).update(value)
            elif value is None:
                self.settings.pop(key, None)
            else:
                self.settings[key] = value
        if accounts is not None:
            self.settings["accounts"] = place.write(
                name + "-accounts.yaml", yaml({"accounts": accounts}))
        self.daemon = None
        self.configure()

    @property
    def journal(self):
        return self.settings["journal"]["dir"]

    def configure(self):
        """Writes the configuration as it is in `settings`."""
        self.config = self.place.write(self.name + ".yaml",
                                       yaml(self.settings))

    def start(self, *options, ready=True):
        """Starts the daemon and waits until it is ready."""
        self.daemon = self.place.start("strife-bankd", "-c", self.config,
                                       *options)
        if ready and not self.daemon.wait_for(r"^ready bank="):
            raise RuntimeError("%s is not ready" % self.name)
        return self.daemon

    def stop(self):
        return self.daemon.stop()

    def crash(self):
        return self.daemon.kill()

    def records(self, kind=None):
        """The journal's records as Lines (tag: seq, word: kind)."""
        found = []
        for name in sorted(os.listdir(self.journal)):
            if not re.match(r"^[0-9]+\.journal$", name):
                continue
            with open(os.path.join(self.journal, name), "rb") as f:
                octets = f.read().rstrip(b"\0")
            for text in octets.decode("ascii").splitlines():
                record = Line(text, record=True)
                if kind is None or record.word == kind:
                    found.append(record)
        return found

    def teller(self):
        """A connection to the control socket."""
        return self.place.control(self.settings["control"])


def _clean_all():
    for place in list(Place._open):
        place.clean()


def _on_signal(number, _frame):
    sys.exit(128 + number)


atexit.register(_clean_all)
for _number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(_number, _on_signal)

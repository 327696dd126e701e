"""What the tests of strife-pay share: TAP, certificates, running it."""
import atexit
import os
import pty
import select
import shutil
import subprocess
import sys
import tempfile

from fake_gateway import FakeGateway

BIN = os.environ.get("STRIFE_BIN") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "bin")
PAY = os.path.join(BIN, "strife-pay")
QUEUE = os.path.join(BIN, "strife-queue")

_count = 0
_failed = 0


def ok(passed, what, *notes):
    global _count, _failed
    _count += 1
    print("%sok %d - %s" % ("" if passed else "not ", _count, what))
    if not passed:
        _failed += 1
        for note in notes:
            for line in str(note).splitlines():
                print("# " + line)
    sys.stdout.flush()
    return passed


def is_(got, want, what):
    return ok(got == want, what, "got:  %r" % (got,), "want: %r" % (want,))


def done():
    print("1..%d" % _count)
    sys.exit(1 if _failed else 0)


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, stdin=subprocess.DEVNULL,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Place:
    """A directory with a CA, certificates, a configuration and a state."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(
            dir=os.environ.get("TMPDIR") or "/tmp", prefix="strife-pay-test.")
        atexit.register(shutil.rmtree, self.dir, True)
        self.make_ca("ca")
        self.issue("gateway", "strife://gateway/fake")
        self.issue("client", "strife://client/alice-host")
        self.gateways = []
        self.spools = 0
        self.write("password", "secret\n", 0o600)
        os.chmod(self.path("client.key"), 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def make_ca(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", "/CN=" + name, "-keyout", self.path(name + ".key"),
                "-out", self.path(name + ".crt"),
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, uri, ca="ca"):
        extensions = self.write(
            name + ".ext", "subjectAltName=URI:%s,DNS:localhost,"
            "IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            "extendedKeyUsage=serverAuth,clientAuth\n" % uri)
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt",
                "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
                "-keyout", self.path(name + ".key"),
                "-out", self.path(name + ".csr"))
        openssl("x509", "-req", "-in", self.path(name + ".csr"), "-days", "2",
                "-CA", self.path(ca + ".crt"), "-CAkey",
                self.path(ca + ".key"), "-CAcreateserial",
                "-extfile", extensions, "-out", self.path(name + ".crt"))
        os.chmod(self.path(name + ".key"), 0o600)

    def gateway(self, rules="", window=1024, cert="gateway", ca="ca", port=0):
        gateway = FakeGateway(self.path(cert + ".crt"),
                              self.path(cert + ".key"),
                              self.path(ca + ".crt"), rules, window, port)
        self.gateways.append(gateway)
        return gateway

    def config(self, *gateways, **keys):
        """Writes pay.yaml for these gateways (or addresses).

        With a spool of its own, unless one is named: a payment keeps to the
        gateway that it was sent to.
        """
        self.spools += 1
        addresses = [g if isinstance(g, str) else g.address for g in gateways]
        values = {
            "gateways": "[%s]" % ", ".join('"%s"' % a for a in addresses),
            "tls": "{ca: ca.crt, cert: client.crt, key: client.key}",
            "user": "alice",
            "password_file": "password",
            "spool": "spool-%d" % self.spools,
            "retries": "3",
            "retry_delay": "50ms",
            "reply_timeout": "20s",
        }
        values.update(keys)
        return self.write("pay.yaml", "".join(
            "%s: %s\n" % item for item in values.items()
            if item[1] is not None))

    def environment(self):
        environment = dict(os.environ, HOME=self.dir,
                           STRIFE_PAY_CONFIG=self.path("pay.yaml"),
                           XDG_STATE_HOME=self.path("state"))
        for name in ("XDG_CONFIG_HOME", "NO_COLOR"):
            environment.pop(name, None)
        return environment

    def pay(self, *args, stdin="", env=None, cwd=None):
        """Runs strife-pay without a terminal; returns the finished process."""
        return subprocess.run(
            (PAY,) + args, input=stdin, capture_output=True, text=True,
            env=env or self.environment(), cwd=cwd or self.dir, timeout=120,
            start_new_session=True)

    def queue(self, *args, env=None):
        """Runs strife-queue without a terminal."""
        return subprocess.run(
            (QUEUE,) + args, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, env=env or self.environment(), cwd=self.dir,
            timeout=120, start_new_session=True)

    def start(self, *args, program=PAY):
        return subprocess.Popen(
            (program,) + args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=self.environment(),
            cwd=self.dir, start_new_session=True)

    def terminal(self, *args, typed="", env=None, err_only=False,
                 program=PAY):
        """Runs a program on a terminal of its own: exit code, what it shows.

        err_only: only standard error is the terminal; the output is third.
        """
        pid, master, out = self._fork((program,) + args, env,
                                      err_only)
        shown, output, asked = b"", b"", False
        files = [master] + ([out] if err_only else [])
        while files:
            ready, _, _ = select.select(files, [], [], 120)
            if not ready:
                break
            for file in ready:
                try:
                    octets = os.read(file, 65536)
                except OSError:
                    octets = b""
                if not octets:
                    files.remove(file)
                elif file == master:
                    shown += octets
                else:
                    output += octets
            if typed and not asked and shown.endswith(b": "):
                os.write(master, typed.encode())
                asked = True
        _, status = os.waitpid(pid, 0)
        os.close(master)
        if out is not None:
            os.close(out)
        return (os.waitstatus_to_exitcode(status),
                shown.decode().replace("\r\n", "\n"), output.decode())

    def _fork(self, words, env, err_only):
        ours, theirs = os.pipe() if err_only else (None, None)
        pid, master = pty.fork()
        if pid == 0:
            try:
                os.chdir(self.dir)
                if err_only:
                    os.dup2(theirs, 1)
                environment = env or self.environment()
                environment.setdefault("TERM", "xterm")
                os.execve(words[0], words, environment)
            finally:
                os._exit(127)
        if err_only:
            os.close(theirs)
        return pid, master, ours


def unused_address():
    """An address at which nothing listens."""
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return "127.0.0.1:%d" % probe.getsockname()[1]

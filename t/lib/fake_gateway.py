#!/usr/bin/python3
"""A gateway made of canned answers, for tests of its clients.

Speaks TLS 1.3 with client certificates and the line grammar; what it answers is
a list of rules, tried in order for each request:

    VERB [key=value ...] [xN] => ACTION [| ACTION ...]

A rule matches a request of that verb (* is any) with these decoded values, at
most N times. Actions:

    OK ... / ERR ... / ROW ...   a reply with the request's tag
    raw TEXT                     TEXT as it stands, and a newline
    close                        the connection, at once
    sleep MS                     before the next action
    nothing                      no answer

In replies {id} and other keys stand for the request's values as they came, {n}
for a number that grows, {time} for a time, {tag} for the tag. HELLO and LOGIN
are answered well where no rule says otherwise; so are PAY (committed; a repeat
ALREADY_EXISTS) and PING.

As a program: fake_gateway.py CERT KEY CA RULES LOG, says `ready clients=...` on
standard error and serves until it is killed. LOG gets `CONNECTION LINE` for
each request.
"""
import re
import socket
import ssl
import sys
import threading
import time
import urllib.parse

TIME = "2026-01-31T12:00:00.000000Z"

DEFAULTS = """
HELLO => OK proto=1 node=fake server=fake window={window} time={time}
LOGIN => OK token=t expires={time} user={user} roles=balance,pay,history
PING => OK time={time}
QUIT => OK | close
"""


class Rule:
    def __init__(self, text):
        match, _, actions = text.partition("=>")
        words = match.split()
        self.verb = words[0]
        self.values = {}
        self.left = None
        for word in words[1:]:
            if re.fullmatch(r"x\d+", word):
                self.left = int(word[1:])
            else:
                key, _, value = word.partition("=")
                self.values[key] = value
        self.actions = [action.strip() for action in actions.split("|")]

    def matches(self, verb, fields):
        if self.left == 0 or self.verb not in ("*", verb):
            return False
        for key, value in self.values.items():
            if urllib.parse.unquote(fields.get(key, "")) != value:
                return False
        return True


def rules_of(text):
    lines = [line.strip() for line in text.splitlines()]
    return [Rule(line) for line in lines if line and line[0] != "#"]


class FakeGateway:
    def __init__(self, cert, key, ca, rules="", window=1024, port=0):
        self.rules = rules_of(rules)
        self.defaults = rules_of(DEFAULTS)
        self.window = window
        self.requests = []  # (connection, line)
        self.committed = {}
        self.lock = threading.Lock()
        self.count = 0
        self.connections = 0
        self.open = set()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.context.load_cert_chain(cert, key)
        self.context.load_verify_locations(ca)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.closing = False
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def close(self):
        self.closing = True
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections = list(self.open)
        for connection in connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join()

    def verbs(self):
        """The verbs that came, in order."""
        with self.lock:
            return [line.split()[1] for _, line in self.requests]

    def lines(self, verb):
        """The requests of one verb, in order, without their tags."""
        with self.lock:
            found = [line.split(" ", 1)[1] for _, line in self.requests]
        return [line for line in found if line.split(" ")[0] == verb]

    def accept(self):
        while not self.closing:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, daemon=True,
                             args=(connection, self.connections)).start()

    def serve(self, connection, number):
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = self.context.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            return
        with self.lock:
            self.open.add(stream)
        try:
            self.talk(stream, number)
        except (OSError, ValueError):
            pass
        with self.lock:
            self.open.discard(stream)
        stream.close()

    def talk(self, stream, number):
        unread = b""
        while True:
            octets = stream.recv(65536)
            if not octets:
                return
            *lines, unread = (unread + octets).split(b"\n")
            answer = []
            for line in lines:
                text = line.decode("ascii")
                with self.lock:
                    self.requests.append((number, text))
                if not self.act(stream, text, answer):
                    self.write(stream, answer)
                    return
            self.write(stream, answer)

    def write(self, stream, answer):
        if answer:
            stream.sendall("".join(answer).encode("utf-8"))
            answer.clear()

    def act(self, stream, text, answer):
        tag, verb, *words = text.split(" ")
        fields = dict(word.split("=", 1) for word in words)
        rule = self.find(verb, fields)
        if rule is None:
            answer.append(self.builtin(tag, verb, fields))
            return True
        values = dict(fields, tag=tag, time=TIME, window=self.window)
        for action in rule.actions:
            if "{n}" in action:
                with self.lock:
                    self.count += 1
                    values["n"] = self.count
            for key, value in values.items():
                action = action.replace("{%s}" % key, str(value))
            first, _, rest = action.partition(" ")
            if first == "close":
                return False
            if first == "sleep":
                self.write(stream, answer)
                time.sleep(int(rest) / 1000)
            elif first == "raw":
                answer.append(rest + "\n")
            elif first != "nothing":
                answer.append("%s %s\n" % (tag, action))
        return True

    def find(self, verb, fields):
        with self.lock:
            for rule in self.rules + self.defaults:
                if rule.matches(verb, fields):
                    if rule.left is not None:
                        rule.left -= 1
                    return rule
        return None

    def builtin(self, tag, verb, fields):
        if verb != "PAY":
            return "%s ERR code=UNKNOWN_VERB retry=never text=no\n" % tag
        with self.lock:
            known = self.committed.get(fields["id"])
            if known is None:
                self.count += 1
                self.committed[fields["id"]] = self.count
        if known is None:
            return "%s OK id=%s state=committed seq=%d time=%s\n" % (
                tag, fields["id"], self.committed[fields["id"]], TIME)
        return ("%s ERR code=ALREADY_EXISTS retry=never text=known id=%s "
                "state=committed seq=%d time=%s\n") % (
                    tag, fields["id"], known, TIME)


def main():
    cert, key, ca, rules, log = sys.argv[1:]
    with open(rules, encoding="utf-8") as file:
        gateway = FakeGateway(cert, key, ca, file.read())
    print("ready clients=%s" % gateway.address, file=sys.stderr, flush=True)
    written = 0
    with open(log, "w", encoding="utf-8") as file:
        while True:
            time.sleep(0.05)
            with gateway.lock:
                new = gateway.requests[written:]
            for number, line in new:
                print(number, line, file=file, flush=True)
            written += len(new)


if __name__ == "__main__":
    main()

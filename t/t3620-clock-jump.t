#!/usr/bin/python3
# The wall clock jumps ahead: sessions go on for as long as they would have, and
# what was revoked stays so.
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
import tokens
from gatewaytest import Gatewayd, PASSWORD, token_key, user
from strife import equal, ok

USERS = {"alice": user(["alice@BankA"]), "bob": user(["bob@BankA"])}
DAY_S = 25 * 3600


class Clock:
    """The wall clock of the daemons that are started through it."""

    def __init__(self, place):
        self.place = place
        self.shift_s = 0
        self.path = place.write("clock", "0")
        self.shim = place.path("clock_shift.so")
        subprocess.run(
            [os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O1",
             "-fPIC", "-shared", "-o", self.shim,
             os.path.join(strife.TOP, "t", "lib", "clock_shift.c")],
            check=True)
        # A sanitizer's library must be loaded before any other.
        needs = subprocess.run(
            ["ldd", strife.program("strife-gatewayd")],
            stdout=subprocess.PIPE, check=True).stdout.decode()
        self.first = re.findall(r"=> (\S*/libasan\S*)", needs)

    def start(self, gateway):
        os.environ["LD_PRELOAD"] = " ".join(self.first + [self.shim])
        os.environ["CLOCK_SHIFT"] = self.path
        try:
            gateway.start()
        finally:
            del os.environ["LD_PRELOAD"]

    def jump(self, seconds):
        self.shift_s += seconds
        new = self.place.write("clock.new", str(self.shift_s))
        os.rename(new, self.path)


def code_of(peer):
    return peer.call("STATUS", id=strife.new_id()).code


def login(gateway, name="alice"):
    peer = gateway.client()
    return peer, peer.call("LOGIN", user=name, password=PASSWORD).get("token")


def revocations(gateway):
    rows, _ = gateway.control().rows("STATS")
    return [r["value"] for r in rows if r["name"] == "revocations"]


def with_tokens(place, clock):
    gateway = Gatewayd(place, users=USERS,
                       sessions={"token_keys": [token_key(place)]})
    clock.start(gateway)
    peer, token = login(gateway)
    first, shared = login(gateway)
    second = gateway.client()
    equal(second.call("AUTH", token=shared).code, "OK",
          "two connections, one token")
    equal(first.call("LOGOUT").code, "OK", "which is revoked")
    clock.jump(DAY_S)
    equal(gateway.client().call("AUTH", token=token).code, "TOKEN_EXPIRED",
          "after a jump of the wall clock a token has expired")
    equal(code_of(peer), "NOT_FOUND", "yet nobody's session has ended by it")
    other, fresh = login(gateway)
    ok(tokens.parts(fresh)[1]["iat"] - tokens.parts(token)[1]["iat"] >= DAY_S,
       "new tokens are of the new time")
    equal(other.call("LOGOUT").code, "OK", "another one is revoked")
    equal(code_of(second), "TOKEN_REVOKED",
          "and what was revoked before is not forgotten")
    equal(peer.call("LOGOUT").code, "OK", "LOGOUT of the oldest")
    gateway.stop()


def without(place, clock):
    gateway = Gatewayd(place, node="gw2", users=USERS)
    clock.start(gateway)
    peer, _ = login(gateway)
    bob, _ = login(gateway, "bob")
    control = gateway.control()
    equal(control.call("REVOKE", user="alice").code, "OK",
          "REVOKE of a user without a token")
    clock.jump(DAY_S)
    equal(control.call("REVOKE", user="carol").code, "OK",
          "a day later, of another one")
    equal(revocations(gateway), ["1"], "the first is remembered no more")
    equal(code_of(peer), "TOKEN_REVOKED", "but his session was told")
    equal(code_of(bob), "NOT_FOUND", "and nobody else's")
    gateway.stop()


with strife.Place() as place:
    clock = Clock(place)
    with_tokens(place, clock)
    without(place, clock)
strife.done()

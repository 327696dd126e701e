#!/usr/bin/python3
"""strife-pay with the tokens of a real gateway: login, expiry, logout."""
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import PASSWORD, Gatewayd, token_key, user
from strife import equal, like, ok


class Pay:
    """strife-pay as the holder of one client certificate."""

    def __init__(self, place, gateway):
        self.place = place
        cert, key = gateway.pair("client", "shop")
        self.config = place.write("pay.yaml", strife.yaml({
            "gateways": ["127.0.0.1:%d" % gateway.clients_port],
            "tls": {"ca": place.certificates.ca, "cert": cert, "key": key},
            "user": "alice", "retries": 2, "retry_delay": "50ms",
        }))
        self.token = place.path("state", "strife", "token")

    def __call__(self, *words, text=""):
        return subprocess.run(
            [strife.program("strife-pay"), "-c", self.config, *words],
            input=text, capture_output=True, text=True, check=False,
            timeout=strife.WAIT_S, start_new_session=True,
            env=dict(os.environ, XDG_STATE_HOME=self.place.path("state")))

    def login(self, *words):
        return self("login", "--password-fd", "0", *words, text=PASSWORD)


def given(place, lifetime):
    gateway = Gatewayd(
        place, users={"alice": user(["alice@BankA"])},
        sessions={"token_keys": [token_key(place)],
                  "token_lifetime": lifetime})
    gateway.start()
    return gateway, Pay(place, gateway)


with strife.Place() as place:
    gateway, pay = given(place, "5m")
    equal(pay("accounts").returncode, 77, "nothing to log in with: exit 77")
    done = pay.login()
    equal((done.returncode, done.stdout.split("\t")[:2]),
          (0, ["alice", "gw1"]), "login")
    done = pay("accounts")
    equal((done.returncode, done.stdout), (0, "alice@BankA\t\n"),
          "the token is taken")
    kept = open(pay.token, encoding="utf-8").read()
    equal(pay("logout").returncode, 0, "logout")
    ok(not os.path.exists(pay.token), "the token is gone")
    place.write(os.path.join("state", "strife", "token"), kept)
    os.chmod(pay.token, 0o600)
    done = pay("accounts")
    equal(done.returncode, 77, "a copy of it is of no use")
    like(done.stderr, "TOKEN_REVOKED.*strife-pay login alice", "it says why")
    gateway.stop()
    gateway.start()
    pay = Pay(place, gateway)
    like(pay("accounts").stderr, "TOKEN_REVOKED",
         "nor after a restart of the gateway")
    gateway.stop()

with strife.Place() as place:
    gateway, pay = given(place, "1s")
    equal(pay.login().returncode, 0, "login, for a second")
    done = pay("accounts")
    while done.returncode == 0:
        done = pay("accounts")
    equal(done.returncode, 77, "the token has expired: exit 77")
    like(done.stderr, "TOKEN_EXPIRED.*strife-pay login alice", "it says why")
    equal(pay("logout").returncode, 0, "logout with it: nothing to revoke")
    gateway.stop()
strife.done()

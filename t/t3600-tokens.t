#!/usr/bin/python3
# Tokens: what LOGIN gives out, verified by other people's code, and what AUTH
# takes; expiry; keys and their rotation.
import calendar
import hashlib
import hmac
import json
import os
import signal
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import jwt
import strife
import tokens
from gatewaytest import (FakeBank, Gatewayd, PASSWORD, payment, token_key,
                         user)
from strife import equal, like, line, ok

USERS = {
    "alice": user(["alice@BankA", "a.smith@BankB"]),
    "desk": user(roles=["balance"], acts_for=["*@BankA", "shop*@BankB"]),
    "cron": {"certificates": ["billing-host"], "roles": ["pay"],
             "accounts": ["shop@BankA"]},
    # An octet less than there may be.
    "u" * 64: user(["a@B%03d" % i for i in range(199)]),
}


def seconds(text):
    """A time of the wire."""
    whole, _, micros = text.rstrip("Z").partition(".")
    return calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S")) \
        + int(micros) / 1e6


def login(gateway, name="alice", certificate="shop", **more):
    """(connection, answer to LOGIN)"""
    peer = gateway.client(certificate)
    return peer, peer.call("LOGIN", user=name, password=PASSWORD, **more)


def given(gateway, key):
    _, reply = login(gateway)
    equal(reply.code, "OK", "LOGIN is answered")
    token = reply["token"]
    header, claims = tokens.parts(token)
    equal(header, {"alg": "EdDSA", "typ": "JWT", "kid": tokens.kid_of(key)},
          "the header is these three and no more")
    good = jwt.decode(token, tokens.public_pem(key), algorithms=["EdDSA"],
                      audience="strife", issuer="strife",
                      options={"require": ["iss", "aud", "sub", "iat", "nbf",
                                           "exp", "jti"]})
    equal(good, claims, "python3-jwt verifies it with the public key")
    equal(sorted(claims), sorted([
        "iss", "aud", "sub", "iat", "nbf", "exp", "jti", "roles", "accounts",
        "acts_for", "cnf"]), "these claims and no more")
    equal((claims["sub"], claims["roles"], claims["accounts"],
           claims["acts_for"]),
          ("alice", ["balance", "pay", "history"],
           ["alice@BankA", "a.smith@BankB"], []),
          "the rights are those of the users file")
    cert, _ = gateway.pair("client", "shop")
    equal(claims["cnf"], {"x5t#S256": tokens.thumbprint(cert)},
          "it is bound to the certificate")
    ok(claims["iat"] == claims["nbf"] and
       claims["exp"] - claims["iat"] in (300, 301),
       "it lives for token_lifetime, in whole seconds")
    equal(seconds(reply["expires"]), claims["exp"], "expires says when")
    _, reply = login(gateway, "desk")
    equal(tokens.parts(reply["token"])[1]["acts_for"],
          ["*@BankA", "shop*@BankB"], "patterns are in it too")
    numbers = [tuple(map(int, tokens.parts(t)[1]["jti"].split(".")))
               for t in (token, reply["token"])]
    ok(numbers[0] < numbers[1], "each has a larger number")
    try:
        jwt.decode(token, tokens.public_pem(token_key(gateway.place, "x.key")),
                   algorithms=["EdDSA"], audience="strife")
        ok(False, "another key does not verify it")
    except jwt.InvalidSignatureError:
        ok(True, "another key does not verify it")
    _, reply = login(gateway, "u" * 64)
    ok(2800 < len(reply["token"]) <= 3072, "as many accounts as may be fit")
    peer = gateway.client()
    equal(peer.call("AUTH", token=reply["token"]).code, "OK", "and are taken")
    equal(len(peer.rows("ACCOUNTS")[0]), 199, "every one of them")


def taken(gateway, bank):
    _, reply = login(gateway)
    token = reply["token"]
    peer = gateway.client()
    again = peer.call("AUTH", token=token)
    equal((again.code, again.get("user"), again.get("roles"),
           again.get("expires"), again.get("token")),
          ("OK", "alice", "balance,pay,history", reply["expires"], None),
          "AUTH begins the same session on another connection")
    tag = peer.ask("PAY", payment())
    bank.commit_one()
    other = bank.gateway.b.commit_one()
    bank.acknowledge(bank.next_request("COMMIT"))
    bank.gateway.b.acknowledge(bank.gateway.b.next_request("COMMIT"))
    equal(peer.reply(tag).code, "OK", "which can pay")
    equal(other["from"], ":clearing.BankA.CZK", "between two banks")
    equal(peer.call("BALANCE", account="bob@BankA").code, "FORBIDDEN",
          "from what it has rights to")
    _, desk = login(gateway, "desk")
    equal(peer.call("AUTH", token=desk["token"]).get("user"), "desk",
          "a second AUTH replaces it")
    equal(peer.call("PAY", payment()).code, "FORBIDDEN", "with its roles")
    equal(peer.call("AUTH", token=token + "x").code, "TOKEN_INVALID",
          "one that fails")
    equal(peer.call("STATUS", id=strife.new_id()).code, "NOT_FOUND",
          "leaves the session that there was")
    equal(login_on(peer, "alice").get("user"), "alice",
          "a LOGIN replaces it too")
    host = gateway.client("billing-host")
    reply = host.call("LOGIN", user="cron")
    equal(tokens.parts(reply["token"])[1]["sub"], "cron",
          "a login by certificate has a token too")
    peer = gateway.client()
    peer.send("\n".join([line("a", "AUTH", token=token),
                         line("b", "STATUS", id=strife.new_id()),
                         line("c", "AUTH", token=desk["token"]),
                         line("d", "PAY", payment()),
                         line("e", "LOGIN", user="alice", password=PASSWORD),
                         line("f", "STATUS", id=strife.new_id()),
                         line("g", "LOGOUT"),
                         line("h", "STATUS", id=strife.new_id())]))
    equal([peer.reply(tag).code for tag in "abcdefgh"],
          ["OK", "NOT_FOUND", "OK", "FORBIDDEN", "OK", "NOT_FOUND", "OK",
           "UNAUTHENTICATED"],
          "each takes effect before what was sent behind it")


def login_on(peer, name):
    return peer.call("LOGIN", user=name, password=PASSWORD)


def refused(gateway, key):
    peer = gateway.client()
    cert, _ = gateway.pair("client", "shop")
    forger = tokens.Forger(key, cert)
    pem = tokens.public_pem(key)
    now = int(time.time())

    def is_invalid(token, what, code="TOKEN_INVALID"):
        reply = peer.call("AUTH", token=token)
        equal((reply.code, reply.get("retry")), (code, "login"),
              "%s: %s" % (what, code))

    def hs256(secret):
        """The public key as if it were a secret: the oldest trick."""
        text = tokens.encode(json.dumps(
            dict(forger.header, alg="HS256")).encode()) + "." + \
            tokens.encode(json.dumps(forger.claims).encode())
        return text + "." + tokens.encode(
            hmac.new(secret, text.encode(), hashlib.sha256).digest())

    good = forger.token()
    equal(peer.call("AUTH", token=good).code, "OK",
          "what is signed with the key in good form is taken")
    equal(peer.call("AUTH", token=forger.sign(
        json.dumps(forger.header, indent=2),
        json.dumps(dict(reversed(list(forger.claims.items())))))).code,
        "OK", "in any order, with space")
    text = good.rpartition(".")[0]
    is_invalid(jwt.encode(forger.claims, None, algorithm="none",
                          headers={"kid": forger.header["kid"]}),
               "alg none")
    is_invalid(text + ".", "no signature")
    is_invalid(forger.token({"alg": "none"}), "alg none, though signed")
    is_invalid(hs256(pem), "HS256 by the public key")
    is_invalid(hs256(pem.strip()), "or by its text without the line's end")
    is_invalid(forger.token({"alg": "HS256"}), "an alg that is not the key's")
    is_invalid(forger.token({"kid": "0" * 16}), "an unknown kid")
    is_invalid(forger.token({"kid": None}), "no kid")
    is_invalid(forger.token({"typ": "at+jwt"}), "another typ")
    is_invalid(forger.token({"jku": "https://x"}), "an unknown header member")
    header, payload, signature = good.split(".")
    claims = tokens.encode(json.dumps(
        dict(forger.claims, sub="desk")).encode())
    is_invalid(".".join([header, claims, signature]), "changed claims")
    is_invalid(forger.token(admin=True), "an unknown claim")
    is_invalid(forger.token(acts_for=None), "a claim left out")
    plain = json.dumps(forger.claims)
    is_invalid(forger.sign(json.dumps(forger.header),
                           plain[:-1] + ',"sub":"desk"}'),
               "a repeated claim")
    is_invalid(forger.sign(json.dumps(forger.header)[:-1] + ',"alg":"EdDSA"}',
                           plain), "a repeated header member")
    is_invalid(forger.sign(json.dumps(forger.header)[:-1] +
                           ',"\\u0061lg":"EdDSA"}', plain),
               "a repeated member in other letters")
    is_invalid(forger.token(iss="strive"), "another iss")
    is_invalid(forger.token(aud="bank"), "another aud")
    is_invalid(forger.token(aud=["strife", "bank"]), "one aud more")
    is_invalid(forger.token(roles="pay"), "roles that are no array")
    is_invalid(forger.token(exp=str(now + 300)), "exp that is no number")
    is_invalid(forger.token(exp=now - 1), "an expired token", "TOKEN_EXPIRED")
    is_invalid(forger.token(exp=now), "one that expires now: no leeway",
               "TOKEN_EXPIRED")
    is_invalid(forger.token(nbf=now + 200), "one that is not yet good")
    is_invalid(forger.token(exp=now + 86402),
               "one that lives for more than a day")
    is_invalid(forger.token(exp=253402300799), "one for ever")
    is_invalid(good + "=", "padding")
    is_invalid(header + "=." + payload + "." + signature,
               "padding of the header")
    is_invalid(good[:-1] + chr(ord(good[-1]) + 1),
               "a signature in another form")
    is_invalid(good + "." + signature, "a fourth part")
    is_invalid("x" * 3073, "3,073 octets")
    long = forger.token(acts_for=["a%03d@BankA" % i for i in range(140)])
    ok(3072 < len(long) < 3500, "there is a well signed one that is longer")
    is_invalid(long, "which is too long")
    stranger = tokens.Forger(token_key(gateway.place, "stranger.key"), cert)
    is_invalid(stranger.token(), "a stranger's key")
    is_invalid(stranger.token({"kid": forger.header["kid"]}),
               "a stranger's key under our kid")

    other = gateway.client("thief")
    equal(other.call("AUTH", token=good).code, "TOKEN_INVALID",
          "another certificate: TOKEN_INVALID")
    equal(other.call("AUTH", token=forger.token(exp=now - 1)).code,
          "TOKEN_INVALID", "which is not even told that it has expired")
    equal(peer.call("AUTH", token=good).code, "OK", "and its own goes on")


def expiry(gateway, key, bank):
    """In the middle of a session."""
    cert, _ = gateway.pair("client", "shop")
    forger = tokens.Forger(key, cert, accounts=["alice@BankA"])
    peer = gateway.client()
    end = int(time.time()) + 2
    equal(peer.call("AUTH", token=forger.token(exp=end)).code, "OK",
          "a token with a second or two to live")
    fields = payment(target="bob@BankA")
    tag = peer.ask("PAY", fields)
    prepare = bank.next_request("PREPARE")
    reply = peer.call("STATUS", id=fields["id"])
    while reply.code == "OK":
        time.sleep(0.05)
        reply = peer.call("STATUS", id=fields["id"])
    equal((reply.code, reply.get("retry")), ("TOKEN_EXPIRED", "login"),
          "its session ends with it: TOKEN_EXPIRED, once")
    ok(time.time() >= end, "not before")
    equal(peer.call("STATUS", id=fields["id"]).code, "UNAUTHENTICATED",
          "then UNAUTHENTICATED")
    equal(peer.call("PING").code, "OK", "what needs no session goes on")
    bank.vote(prepare)
    bank.acknowledge(bank.next_request("COMMIT"))
    equal(peer.reply(tag).get("state"), "committed",
          "and so does a payment that was accepted before")
    equal(login_on(peer, "alice").code, "OK", "a new LOGIN is good")
    equal(peer.call("STATUS", id=fields["id"]).get("state"), "committed",
          "as it was")


def reload(gateway, **sessions):
    gateway.settings["sessions"].update(sessions)
    gateway.configure()
    mark = gateway.daemon.mark()
    gateway.daemon.signal(signal.SIGHUP)
    return gateway.daemon.wait_for(r"msg=.?reloaded", mark)


def rotation(gateway, old):
    _, reply = login(gateway)
    token = reply["token"]
    new = token_key(gateway.place, "new.key")
    ok(reload(gateway, token_keys=[new, old]), "a new key in front, SIGHUP")
    _, reply = login(gateway)
    equal(tokens.parts(reply["token"])[0]["kid"], tokens.kid_of(new),
          "new tokens are signed by the first key")
    peer = gateway.client()
    equal(peer.call("AUTH", token=token).code, "OK",
          "old ones still verify")
    equal(peer.call("AUTH", token=reply["token"]).code, "OK", "as new ones do")
    os.chmod(old, 0o640)
    mark = gateway.daemon.mark()
    reload(gateway)
    ok(gateway.daemon.wait_for(r"level=error .*old\.key.*chmod 600", mark),
       "a key that others can read is not taken")
    equal(peer.call("AUTH", token=token).code, "OK",
          "and those that were read before stay")
    os.chmod(old, 0o600)
    ok(reload(gateway, token_keys=[new], token_lifetime="1s"),
       "without the old key, SIGHUP")
    equal(peer.call("AUTH", token=token).code, "TOKEN_INVALID",
          "its tokens are good no more")
    _, reply = login(gateway)
    claims = tokens.parts(reply["token"])[1]
    ok(claims["exp"] - claims["iat"] in (1, 2),
       "and the new token_lifetime counts")
    return new


def restart(gateway):
    reload(gateway, token_lifetime="5m")
    _, reply = login(gateway)
    token = reply["token"]
    gateway.crash()
    gateway.start()
    peer = gateway.client()
    equal(peer.call("AUTH", token=token).code, "OK",
          "a token outlives its gateway's crash")
    _, again = login(gateway)
    first, second = (tokens.parts(t)[1]["jti"].split(".")
                     for t in (token, again["token"]))
    ok(int(first[0]) < int(second[0]), "numbers grow over it")


def files(place):
    """What the start says of keys."""
    def start(what, pattern, **sessions):
        gateway = Gatewayd(place, sessions=sessions)
        for options in (["-t"], []):
            run = place.run("strife-gatewayd", "-c", gateway.config, *options)
            equal(run.status, 78, "%s%s: exit 78"
                  % (what, ", -t" if options else ""))
        like(run.stderr(), pattern, "and says so")

    key = token_key(place, "files.key")
    os.chmod(key, 0o644)
    start("a key that others can read", r"files\.key: .*chmod 600",
          token_keys=[key])
    os.chmod(key, 0o600)
    start("a key that is not there", r"none\.key: No such file",
          token_keys=[key, place.path("none.key")])
    start("the same key twice", r"files\.key: is the same key",
          token_keys=[key, key])
    cert, rsa = place.certificates.issue("client", "other")
    start("a key of another kind", r"other\.key: is not an Ed25519 key",
          token_keys=[rsa])
    start("a certificate for a key", r"other\.crt: can be read|not a private",
          token_keys=[cert])
    start("a short secret", r"s1: a secret has at least 32",
          token_secret=place.write("s1", "secret"))
    start("a secret that others can read", r"s2: .*chmod 600",
          token_secret=place.write("s2", "x" * 32, mode=0o640))


def secret(place):
    """HS256."""
    octets = "0123456789abcdef0123456789abcdef\n"
    gateway = Gatewayd(place, users=USERS, sessions={
        "token_secret": place.write("token.secret", octets)})
    gateway.start()
    peer, reply = login(gateway)
    token = reply["token"]
    equal(tokens.parts(token)[0],
          {"alg": "HS256", "typ": "JWT",
           "kid": hashlib.sha256(octets.encode()).hexdigest()[:16]},
          "with a secret the header says HS256")
    equal(jwt.decode(token, octets, algorithms=["HS256"],
                     audience="strife")["sub"], "alice",
          "python3-jwt verifies it with every octet of the file")
    equal(peer.call("AUTH", token=token).code, "OK", "AUTH takes it")
    equal(peer.call("AUTH", token=jwt.encode(
        tokens.parts(token)[1], "another secret of enough octets....",
        headers={"kid": tokens.parts(token)[0]["kid"]})).code,
        "TOKEN_INVALID", "and none of another secret")
    gateway.stop()


def without(place):
    """No key at all."""
    gateway = Gatewayd(place, node="gw2", users=USERS)
    gateway.start()
    peer, reply = login(gateway)
    equal((reply.code, reply.get("user"), reply.get("token"),
           reply.get("expires")), ("OK", "alice", None, None),
          "without a key LOGIN gives no token")
    equal(peer.call("AUTH", token="a.b.c").code, "TOKEN_INVALID",
          "and AUTH takes none")
    equal(peer.call("LOGOUT").code, "OK", "LOGOUT ends the session")
    equal(peer.call("LOGOUT").code, "UNAUTHENTICATED", "as ever")
    equal(gateway.records("REVOKE"), [], "and revokes nothing")
    gateway.stop()


with strife.Place() as place:
    key = token_key(place, "old.key")
    gateway = Gatewayd(place, users=USERS, sessions={"token_keys": [key]})
    gateway.start()
    bank = FakeBank(gateway, "BankA").register()
    gateway.b = FakeBank(gateway, "BankB").register()
    given(gateway, key)
    taken(gateway, bank)
    refused(gateway, key)
    expiry(gateway, key, bank)
    key = rotation(gateway, key)
    restart(gateway)
    ok(not any(word in gateway.daemon.stderr()
               for word in ("eyJ", PASSWORD)),
       "no token and no password is in the log")
    gateway.stop()
    files(place)
    secret(place)
    without(place)
strife.done()

"""Tokens of a gateway under test, taken apart and forged by other people's
code: Debian's python3-jwt and python3-cryptography.
"""

import base64
import hashlib
import json
import ssl
import subprocess
import time

from cryptography.hazmat.primitives import serialization


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def parts(token):
    """(header, claims) of a token, unverified."""
    header, payload, _ = token.split(".")
    return json.loads(decode(header)), json.loads(decode(payload))


def public_pem(key):
    """The public key of a key file."""
    return subprocess.run(["openssl", "pkey", "-in", key, "-pubout"],
                          check=True, stdout=subprocess.PIPE).stdout


def kid_of(key):
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout",
                          "-outform", "DER"],
                         check=True, stdout=subprocess.PIPE).stdout
    return hashlib.sha256(der).hexdigest()[:16]


def thumbprint(cert):
    """x5t#S256 of a certificate file."""
    with open(cert) as f:
        der = ssl.PEM_cert_to_DER_cert(f.read())
    return encode(hashlib.sha256(der).digest())


class Forger:
    """Signs whatever it is told to with a gateway's own key."""

    def __init__(self, key, cert, user="alice", accounts=("alice@BankA",)):
        with open(key, "rb") as f:
            self.private = serialization.load_pem_private_key(f.read(), None)
        self.header = {"alg": "EdDSA", "typ": "JWT", "kid": kid_of(key)}
        now = int(time.time())
        self.claims = {
            "iss": "strife", "aud": "strife", "sub": user, "iat": now,
            "nbf": now, "exp": now + 300, "jti": "1.1000000",
            "roles": ["balance", "pay", "history"],
            "accounts": list(accounts), "acts_for": [],
            "cnf": {"x5t#S256": thumbprint(cert)}}

    def sign(self, header, payload):
        """Of two texts."""
        text = encode(header.encode()) + "." + encode(payload.encode())
        return text + "." + encode(self.private.sign(text.encode()))

    def token(self, header=None, **claims):
        """With these members in another form; None leaves one out."""
        def changed(members, changes):
            merged = dict(members, **changes)
            return json.dumps({k: v for k, v in merged.items()
                               if v is not None})
        return self.sign(changed(self.header, header or {}),
                         changed(self.claims, claims))

#!/usr/bin/python3
# What sslscan(1), which knows nothing of Strife, finds on both listeners: TLS
# 1.3 and nothing else, and no ciphers or groups but the strong ones.
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from gatewaytest import Gatewayd
from strife import equal, ok

if not shutil.which("sslscan"):
    strife.skip_all("sslscan is not installed")


def scan(port, pair):
    run = subprocess.run(
        ["sslscan", "--no-colour", "--xml=-", "--certs=" + pair[0],
         "--pk=" + pair[1], "127.0.0.1:%d" % port],
        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL,
        timeout=strife.WAIT_S)
    return xml.etree.ElementTree.fromstring(run.stdout).find("ssltest")


with strife.Place() as place:
    gateway = Gatewayd(place)
    gateway.start()
    for what, port, pair in (
            ("clients", gateway.clients_port, gateway.pair("client", "shop")),
            ("banks", gateway.banks_port, gateway.pair("bank", "BankA"))):
        found = scan(port, pair)
        equal([p.get("version") for p in found.iter("protocol")
               if p.get("enabled") == "1"], ["1.3"],
              "%s: TLS 1.3 is all that is spoken" % what)
        ciphers = {c.get("cipher") for c in found.iter("cipher")}
        ok(ciphers and ciphers <= {"TLS_AES_128_GCM_SHA256",
                                   "TLS_AES_256_GCM_SHA384",
                                   "TLS_CHACHA20_POLY1305_SHA256"},
           "%s: authenticated encryption only" % what)
        groups = {g.get("name") for g in found.iter("group")}
        equal(groups, {"x25519", "secp256r1 (NIST P-256)",
                       "secp384r1 (NIST P-384)"}, "%s: three groups" % what)
        ok(not [h for h in found.iter("heartbleed")
                if h.get("vulnerable") != "0"] and
           not [r for r in found.iter("renegotiation")
                if r.get("supported") != "0"] and
           not [c for c in found.iter("compression")
                if c.get("supported") != "0"],
           "%s: no renegotiation, no compression, no Heartbleed" % what)
        equal([k.get("type") for k in found.iter("pk")], ["EC"],
              "%s: a key on an elliptic curve" % what)
    equal(gateway.client().call("PING").code, "OK",
          "clients are served after it")
    equal(gateway.stop(), 0, "the gateway stops well")
strife.done()

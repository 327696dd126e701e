"""Clients that pay without pause while something else goes wrong."""

import random
import threading
import time

from rig import Client, Payment


class Load(threading.Thread):
    """One client's endless payments, between random accounts.

    Answers are judged by the rig; what is unfinished at the end is asked about
    again by Rig.finish. `acknowledged` counts final answers.
    """

    def __init__(self, rig, accounts, seed, window=16, pause_s=0.0):
        super().__init__(daemon=True)
        self.rig, self.accounts = rig, accounts
        self.dice = random.Random(seed)
        self.window, self.pause_s = window, pause_s
        self.client = Client(rig)
        self.mine = []
        self.acknowledged = self.held = 0
        self.over = threading.Event()
        self.start()

    def _new(self):
        payer, payee = self.dice.sample(self.accounts, 2)
        # Now and then more than there can be.
        most = 3000 if self.dice.randrange(20) else 3000000
        return Payment(payer, payee, self.dice.randrange(1, most))

    def run(self):
        todo = []
        while not self.over.is_set():
            while len(todo) < self.window:
                payment = self._new()
                todo.append(payment)
                self.mine.append(payment)
            before = len(todo)
            todo = self.rig._pay_once(todo, self.client)
            self.acknowledged += before - len(todo)
            if len(todo) == before:
                time.sleep(0.02)
            if self.pause_s:
                time.sleep(self.pause_s)
        self.client.drop()

    def end(self):
        """Stops it; its payments are the rig's now."""
        self.over.set()
        self.join(30)
        if self.is_alive():
            self.rig.bad("a client hangs")
        self.rig.payments += self.mine


def unique(payments):
    """How many of them ended as what: for a summary."""
    states = {}
    for p in payments:
        key = p.state if p.reason is None else "%s %s" % (p.state, p.reason)
        states[key] = states.get(key, 0) + 1
    return states

#!/usr/bin/python3
"""make demo: what it prints is what a model of a few lines computes.

The model takes the orders one after another in the order of the file, and pays
each that its payer still has the money for. Strife pays them pipelined, through
a gateway and two banks each; that both come to the same, for every single order
and to the last haler, is the point.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import demos
import strife
from strife import BIN, TOP, equal, like, note, ok

ORDERS = 300


def minor(text):
    """ "12.50" in halers, without floating point."""
    units, _, cents = text.partition(".")
    return int(units) * 100 + int((cents + "00")[:2])


class Model:
    def __init__(self, count, opening):
        self.states, self.into, self.balances = [], {}, {}
        self.moved, self.banks = 0, {"CZ"}
        path = os.path.join(TOP, "bin", "demo", "orders.asc")
        with open(path, encoding="ascii") as file:
            lines = file.read().splitlines()[1:]
        for line in lines[:count]:
            _, payer, bank, _, amount, _ = line.replace('"', "").split(";")
            amount = minor(amount)
            left = self.balances.setdefault(payer, opening)
            self.banks.add(bank)
            if left < amount:
                self.states.append("aborted")
                continue
            self.states.append("committed")
            self.balances[payer] = left - amount
            self.moved += amount
            number, sum_in = self.into.get(bank, (0, 0))
            self.into[bank] = (number + 1, sum_in + amount)


def figure(pattern, text):
    match = re.search(pattern, text, re.M)
    return match[1] if match else None


def check_output(text, model):
    committed = model.states.count("committed")
    equal(figure(r"^ *(\d+) orders$", text), str(len(model.states)), "orders")
    equal(figure(r"^ *(\d+) committed, ", text), str(committed), "committed")
    equal(minor(figure(r"^ *\d+ committed, ([\d.]+) CZK moved$", text) or "0"),
          model.moved, "CZK moved")
    equal(figure(r"^ *(\d+) aborted INSUFFICIENT_FUNDS$", text),
          str(len(model.states) - committed), "declined for lack of money")
    rows = re.findall(r"^  (\w+) +(\d+) payments +([\d.]+) CZK$", text, re.M)
    equal({bank: (int(count), minor(sum_in)) for bank, count, sum_in in rows},
          model.into, "money into each bank")
    rows = re.findall(r"^  (\w+) +\d+ accounts +sum (-?\d+)$", text, re.M)
    equal({bank: sum_all for bank, sum_all in rows},
          {bank: "0" for bank in model.banks}, "every bank's books")
    like(text, r"books sum to zero, and clearing accounts mirror each other",
         "clearing accounts")
    verified = text.partition("strife-journal verify:\n")[2]
    equal(len(re.findall(r"^  \S.* ok$", verified, re.M)),
          len(model.banks) + 1, "every journal is verified")


def columns(path):
    with open(path, encoding="utf-8") as file:
        rows = [line.split("\t") for line in file.read().splitlines()]
    return rows


def check_files(directory, model):
    rows = columns(os.path.join(directory, "results.tsv"))
    state = rows[0].index("state")
    equal([row[state] for row in rows[1:]], model.states,
          "the state of every order, in the order of the file")
    rows = columns(os.path.join(directory, "CZ.books"))
    books = {row[0]: minor(row[2]) for row in rows
             if row[0] in model.balances}
    equal(books, model.balances, "what every payer has left")


def run(place, directory, opening):
    env = demos.environment(place, DEMO_DIR=directory, ORDERS=str(ORDERS),
                            OPENING="%d.00" % opening)
    script = demos.Script(place, "demo.sh", env)
    if not equal(script.wait(), 0, "the demonstration ends well"):
        note(script.output())
    ok(not demos.left_running(directory), "nothing is left running")
    model = Model(ORDERS, opening * 100)
    ok(0 < model.states.count("aborted") < ORDERS,
       "some orders are paid and some are not")
    check_output(script.output(), model)
    check_files(directory, model)


def declined(place, directory):
    """Of banks that voted for nothing but declined orders."""
    env = demos.environment(place, DEMO_DIR=directory, ORDERS="3",
                            OPENING="0.01")
    script = demos.Script(place, "demo.sh", env)
    if not equal(script.wait(), 0, "it ends well where no order is paid"):
        note(script.output())
    like(script.output(), r"^ *3 aborted INSUFFICIENT_FUNDS$",
         "each is declined")


def damaged(place, directory, command):
    """Its last words are strife-journal's: they count."""
    programs = place.path("%s-fails" % command)
    os.mkdir(programs)
    for name in os.listdir(BIN):
        if name != "strife-journal":
            os.symlink(os.path.join(BIN, name), os.path.join(programs, name))
    script = os.path.join(programs, "strife-journal")
    with open(script, "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n[ \"$1\" != %s ] || exit 65\n"
                   "exec %s/strife-journal \"$@\"\n" % (command, BIN))
    os.chmod(script, 0o755)
    env = dict(demos.environment(place, DEMO_DIR=directory, ORDERS="3"),
               STRIFE_BIN=programs)
    script = demos.Script(place, "demo.sh", env)
    equal(script.wait(), 1, "a failing %s fails the demonstration" % command)
    like(script.output(), r"^demo.sh: .*%s" % command, "which says so")


def interrupt(place, directory, when, what):
    env = demos.environment(place, DEMO_DIR=directory)
    script = demos.Script(place, "demo.sh", env)
    if not ok(script.wait_for(when), "it comes to: %s" % when):
        note(script.output())
    script.interrupt()
    # A shell that is killed by the signal it passed on is as good.
    if not ok(script.wait() in (130, -2), "Ctrl-C ends it %s" % what):
        note("exit %d\n%s" % (script.process.returncode, script.output()))
    if not ok(demos.gone(directory), "and leaves no process"):
        note(demos.left_running(directory))


def main():
    with strife.Place() as place:
        directory = place.path("demo")
        try:
            run(place, directory, 10000)
            note("again, in the same directory, with less money")
            run(place, directory, 5000)
            declined(place, directory)
            damaged(place, directory, "verify")
            damaged(place, directory, "audit")
            interrupt(place, directory, "standing orders ...", "while it pays")
            interrupt(place, directory, "Making certificates", "at its start")
        finally:
            demos.end(directory)
    strife.done()


main()

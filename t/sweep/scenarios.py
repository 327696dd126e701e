"""What clients and operators do, each of which is interrupted.

Ten things that start with banks which have met the gateway, and three about the
journals themselves: their very first start, the change to a new segment, and
snapshots.
`template` is what a case starts from: see Rig.reset.
"""

from rig import CUR, Payment

ALICE, CAROL, POOR = "alice@BankA", "carol@BankA", "poor@BankA"
BOB, DAVE = "bob@BankB", "dave@BankB"


def across(rig):
    """Payments between the banks, one after the other."""
    for amount in (100, 2500, 17):
        rig.pay([Payment(ALICE, BOB, amount, memo="rent")])


def within(rig):
    """Payments within one bank, at each."""
    rig.pay([Payment(ALICE, CAROL, 1000)])
    rig.pay([Payment(DAVE, BOB, 700)])
    rig.pay([Payment(CAROL, ALICE, 250)])


def declined(rig):
    """Refused for good: by the payer's bank, by the payee's."""
    payments = [Payment(POOR, BOB, 101), Payment(ALICE, "nobody@BankB", 5),
                Payment(POOR, BOB, 100), Payment("ghost@BankA", BOB, 5),
                Payment(POOR, BOB, 1)]
    wanted = ["INSUFFICIENT_FUNDS", "NO_SUCH_ACCOUNT", None,
              "NO_SUCH_ACCOUNT", "INSUFFICIENT_FUNDS"]
    for payment, reason in zip(payments, wanted):
        rig.pay([payment])
        if payment.reason != reason:
            rig.bad("%r: %s, not %s" % (payment, payment.reason, reason))


def held(rig):
    """The payee's bank is away; it returns."""
    rig.down("BankB")
    payments = [Payment(ALICE, BOB, 300 + n) for n in range(3)]
    for payment in payments:
        rig.first_answer(payment)
    rig.up("BankB")
    rig.pay(payments)
    for payment in payments:
        if payment.state != "committed":
            rig.bad("%r is %s" % (payment, payment.state))


def cancelled(rig):
    """CANCEL of a held payment, of a committed one, of an unknown id."""
    rig.down("BankB")
    payments = [Payment(ALICE, BOB, 40 + n) for n in range(3)]
    for payment in payments:
        rig.first_answer(payment)
    cancelled_now = []
    for payment in payments[:2]:
        reply = rig.ask("CANCEL", id=payment.id)
        if reply.word == "OK":
            cancelled_now.append(payment)
        elif reply.get("state") != "committed":
            rig.bad("CANCEL of %r: %s" % (payment, reply.text))
    unknown = Payment(ALICE, BOB, 77)
    if rig.ask("CANCEL", id=unknown.id).word == "OK":
        cancelled_now.append(unknown)
    rig.up("BankB")
    rig.pay(payments + [unknown])
    for payment in cancelled_now:
        if payment.reason != "CANCELLED":
            rig.bad("%r was cancelled, now %s %s" % (
                payment, payment.state, payment.reason))
    reply = rig.ask("CANCEL", id=payments[2].id)
    if reply.code != "ALREADY_EXISTS" or reply.get("state") != "committed":
        rig.bad("CANCEL of a committed one: %s" % reply.text)


def batch(rig):
    """Fifty payments, pipelined, of all kinds."""
    kinds = ((ALICE, BOB, 10), (DAVE, ALICE, 20), (CAROL, BOB, 30),
             (ALICE, CAROL, 5), (POOR, DAVE, 60))
    rig.pay([Payment(*kinds[n % len(kinds)]) for n in range(50)], window=50)


def in_doubt(rig):
    """The gateway ends while a bank is prepared and the other is silent."""
    rig.stop("BankB")
    payment = Payment(ALICE, BOB, 900)
    rig.payments.append(payment)
    try:
        rig.client.connect().ask("PAY", payment.fields())
    except Exception:
        rig.client.drop()
    # On a busy machine it may be over before anybody looks.
    rig.wait_for(lambda: rig.ask_control("BankA", "INDOUBT")[0])
    rig.crash("gateway")
    rig.client.drop()
    rig.go_on("BankB")
    rig.up("gateway")
    rig.pay([payment, Payment(DAVE, ALICE, 11)])


def operator(rig):
    """What tellers do, each with its repeat."""
    for bank, known, new in (("BankA", "alice", "erin"),
                             ("BankB", "dave", "frank")):
        for _ in range(2):
            reply = rig.teller(bank, "OPEN", name=new, currency=CUR)
            if reply.word != "OK":
                rig.bad("OPEN: %s" % reply.text)
        rig.opened.add((bank, new))
        for verb, account, amount in (("DEPOSIT", new, 5000),
                                      ("WITHDRAW", known, 123)):
            entry = rig.entry(verb, bank, account, amount)
            again = rig.entry(verb, bank, account, amount, entry["id"]) \
                if entry.word == "OK" else entry
            if again.word != "OK" or again["seq"] != entry["seq"]:
                rig.bad("%s: %s, again %s" % (verb, entry.text, again.text))
        refused = rig.entry("WITHDRAW", bank, new, 999999)
        if refused.code != "INSUFFICIENT_FUNDS":
            rig.bad("WITHDRAW of too much: %s" % refused.text)
        for verb in ("FREEZE", "THAW", "CLOSE"):
            name = known if verb != "CLOSE" else new
            reply = rig.teller(bank, verb, name=name)
            if verb != "CLOSE" and reply.word != "OK":
                rig.bad("%s: %s" % (verb, reply.text))
        rig.pay([Payment("%s@%s" % (known, bank), BOB, 9)])


def resend(rig):
    """The payee's bank dies with a COMMIT; it comes again after REGISTER."""
    payments = [Payment(ALICE, BOB, 50 + n) for n in range(3)]
    for payment in payments:
        rig.first_answer(payment)
        rig.crash("BankB")
        rig.up("BankB")
        rig.wait_up()
    rig.pay(payments)


def duplicates(rig):
    """PAY of ids that have ended, across a restart of the gateway."""
    good = [Payment(ALICE, BOB, 60 + n) for n in range(2)]
    poor = Payment(POOR, BOB, 5000)
    rig.pay(good + [poor])
    for again in range(2):
        rig.pay(good + [poor])
        reply = rig.ask("PAY", dict(good[0].fields(), memo="other"))
        if reply.code != "ID_REUSED":
            rig.bad("another memo: %s" % reply.text)
        if not again:
            rig.down("gateway")
            rig.up("gateway")


def first(rig):
    """Journals that are still to be made, accounts that are to be loaded."""
    # Until then there is NO_SUCH_BANK, which is never asked again.
    rig.wait_up(dead_will_do=False)
    rig.pay([Payment(ALICE, BOB, 8)])


def fill(name):
    """Work that leaves little room in the newest segment of one daemon."""
    def work(rig):
        while rig.written(name) < (1 << 20) - 24000:
            rig.pay([Payment(ALICE, BOB, 1, memo="x" * 140)
                     for _ in range(12)])
    return work


def rollover(rig):
    """The next segment is taken, and another one made."""
    for _ in range(3):
        rig.pay([Payment(ALICE, BOB, 2, memo="y" * 140) for _ in range(20)])
        # The maker works beside us: some of its calls are to come now.
        rig.pay([Payment(BOB, ALICE, 1)])


def snapshot(rig):
    """The state is written down, and starts go on from it."""
    for amount in (30, 40):
        rig.pay([Payment(ALICE, BOB, amount)])
        for name in rig.names:
            reply = rig.teller(name, "SNAPSHOT")
            if reply.word != "OK":
                rig.bad("SNAPSHOT of %s: %s" % (name, reply.text))
        rig.pay([Payment(DAVE, CAROL, 3)])
        for name in rig.names:
            rig.crash(name)
            rig.up(name)
        rig.wait_up()


TEN = (across, within, declined, held, cancelled, batch, in_doubt, operator,
       resend, duplicates)
ALL = {f.__name__: f for f in TEN + (first, rollover, snapshot)}


def template(rig, scenario, victim):
    """The key of what a case starts from; it is made where it is not there."""
    if scenario == "first":
        return None
    key = "full-" + victim if scenario == "rollover" else "plain"
    if key not in rig.templates:
        rig.make_template(key, fill(victim) if key != "plain" else None)
    return key

#!/usr/bin/python3
"""The documentation says what the programs do, and nothing else.

What this relies on, so keep to it when you write a man page:

strife-protocol(7)  Each side's verbs stand under the heading in SIDES below,
    each as an item `.It Ic VERB`, with `Pq Cm ROLE` where it needs a session,
    followed by a literal block of its lines: VERB, ROW where it has rows, OK;
    `key=` for a field that is always there, `[key=]` for one that may be; a
    line that starts with a space goes on with the one before.
    Error codes are items `.It Dv CODE` under `.Ss Class RETRY`.
    Field names are items `.It Cm key , key` under FIELD NAMES.
    Examples start with `C:`, `G:` or `B:`, which say who sends.
strife-journal(5)   Kinds of records are items `.It Sy KIND`, fields are .Cm.
Every page          A word of capitals in .Ic is a verb (or OK, ERR, ROW,
    EVENT), one in .Dv an error code or a signal.
Configuration       Each key is an item `.It Ic key` or `.It Cm key :`, dotted
    as in the program's table of rows. A sample holds every key; one behind a
    `#` shows the default.
Programs            Flags stand in SYNOPSIS and in items `.It Fl`; a long
    spelling beside a short one need not be in -h. Exit codes are items
    `.It N` under EXIT STATUS; strife(7) has one table of all of them.
"""

import os
import re
import shlex
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import TOP, note, ok

REPLIES = {"OK", "ERR", "ROW", "EVENT"}
SIDES = {
    "CLIENT": "VERBS OF CLIENTS",
    "UP": "VERBS OF BANKS",
    "DOWN": "VERBS TO BANKS",
    "CONTROL": "Verbs of the gateway's operator",
    "TELLER": "Verbs of a bank's operator",
    "AUTH": "Verbs to strife-authd",
}
JOURNALS = {
    "GATEWAY_JOURNAL": "Records of a gateway",
    "BANK_JOURNAL": "Records of a bank",
    "SNAPSHOT": "Lines of a snapshot",
}
# A client's spool has a page of its own.
SPOOL = "SPOOL"
# Source, array, what its keys stand under, page, sample.
TABLES = [
    ("bin/gatewayd/config.c", "rows", "strife-gatewayd.yaml.5",
     ["gatewayd.yaml"]),
    ("bin/bankd/config.c", "rows", "strife-bankd.yaml.5", ["bankd.yaml"]),
    ("lib/turn/settings.c", "rows", "strife-gatewayd.yaml.5",
     ["gatewayd.yaml"]),
    ("lib/turn/settings.c", "rows", "strife-bankd.yaml.5", ["bankd.yaml"]),
    ("bin/bankd/load.c", "entry_rows", "strife-accounts.yaml.5",
     ["accounts.yaml"]),
    ("bin/bankd/load.c", "file_rows", "strife-accounts.yaml.5",
     ["accounts.yaml"]),
    ("lib/client/config.c", "rows", "strife-pay.yaml.5", ["pay.yaml"]),
    ("lib/client/token_file.c", "rows", "strife-pay.1", []),
    ("lib/auth/users.c", "gateway_rows", "strife-users.5", ["users.yaml"]),
    ("lib/auth/users.c", "local_rows", "strife-users.5", ["customers.yaml"]),
    ("lib/auth/users.c", "row", "strife-users.5",
     ["users.yaml", "customers.yaml"]),
]
# Maps whose keys are names, not words of the configuration.
NAMED = {"users": "users", "accounts": "accounts"}
# Keys that a sample need not show: a bank is only ever asked about passwords, and
# the secret takes the place of the keys.
NO_USE = {"customers.yaml": {"certificates"},
          "gatewayd.yaml": {"sessions.token_secret"}}
# What ends a program that a failed flush aborts: 128 and SIGABRT.
ABORTED = 134


def read(*names):
    with open(os.path.join(TOP, *names), encoding="utf-8") as file:
        return file.read()


def same(got, want, what):
    """Two sets are equal; shows what is only in one."""
    got, want = set(got), set(want)
    if not ok(got == want, what):
        if got - want:
            note("only documented: " + " ".join(map(str, sorted(got - want))))
        if want - got:
            note("not documented: " + " ".join(map(str, sorted(want - got))))


def none(wrong, what):
    """A list of complaints is empty."""
    wrong = list(wrong)
    if not ok(not wrong, what):
        for one in wrong:
            note(one)


# ---- The .def files ----

def definitions():
    """verbs.def: {(side, verb): (role, {list: [(key, required)]})}."""
    text = re.sub(r"/\*.*?\*/", "", read("lib", "wire", "verbs.def"),
                  flags=re.S)
    verbs, records = {}, {}

    def fields(body):
        return [(key, kind == "F")
                for kind, key in re.findall(r"\b([FO])\((\w+), \w+\)", body)]

    for one in re.split(r"\n(?=VERB|RECORD)", text):
        match = re.match(r"\s*VERB\((\w+), (\w+), (\w+), (.*)\)\s*$", one, re.S)
        if match:
            side, verb, role, rest = match.groups()
            lists = re.match(r"REQ\((.*)\),\s*OK\((.*)\),\s*ROW\((.*)\)$", rest,
                             re.S)
            verbs[side, verb] = (role, [fields(x) for x in lists.groups()])
            continue
        match = re.match(r"\s*RECORD\((\w+), (\w+), REQ\((.*)\)\)\s*$", one,
                         re.S)
        if match:
            records[match[1], match[2]] = fields(match[3])
        elif one.strip():
            raise ValueError("verbs.def has a line that this test cannot read:"
                             + one)
    return verbs, records


VERBS, RECORDS = definitions()
ERRORS = dict(re.findall(r"^ERROR\((\w+), (\w+), ",
                         read("lib", "wire", "errors.def"), re.M))
KEYS = set(re.findall(r"\bKEY\((\w+)\)", re.sub(
    r"/\*.*?\*/", "", read("lib", "wire", "keys.def"), flags=re.S)))
ERROR_FIELDS = [(key, kind == "F") for kind, key in re.findall(
    r"\b([FO])\((\w+), \w+\)",
    re.search(r"error_fields\[\] = \{(.*?)CLOSE",
              read("lib", "wire", "verbs.c"), re.S)[1])]


# ---- Man pages ----

class Page:
    """A page as lines of (section, subsection, macro, arguments, text)."""

    def __init__(self, name):
        self.name = name
        self.lines = []
        section = subsection = ""
        for text in read("man", name).splitlines():
            macro, arguments = "", []
            if text.startswith(".") and not text.startswith('.\\"'):
                words = split(text[1:])
                macro, arguments = words[0], words[1:]
            if macro == "Sh":
                section, subsection = " ".join(arguments), ""
            elif macro == "Ss":
                subsection = " ".join(arguments)
            self.lines.append((section, subsection, macro, arguments, text))

    def part(self, heading):
        return [line for line in self.lines if heading in line[:2]]

    def marked(self, macro, lines=None):
        """Every word that stands in a macro, called or as a line's own."""
        found = []
        for _, _, first, arguments, _ in lines or self.lines:
            words = [first] + arguments if first else []
            inside = False
            for word in words:
                if word in CALLABLE:
                    inside = word == macro
                elif inside and re.search(r"\w", word):
                    found.append(word.strip("()"))
        return found

    def items(self, heading, *macros):
        """The arguments of each .It in a part whose macro is one of macros."""
        return [arguments for _, _, macro, arguments, _ in self.part(heading)
                if macro == "It" and arguments and arguments[0] in macros]


CALLABLE = {"Ac", "Ao", "Aq", "Ar", "Bc", "Bo", "Bq", "Cm", "Dv", "Em", "Er",
            "Ev", "Fl", "Ic", "It", "Li", "Nm", "No", "Ns", "Oc", "Oo", "Op",
            "Pa", "Pc", "Po", "Pq", "Ql", "Qq", "Sq", "Sx", "Sy", "Ta", "Xr"}


def split(text):
    lexer = shlex.shlex(text, posix=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.quotes = '"'
    lexer.escape = ""
    return list(lexer) or [""]


PAGES = {name: Page(name) for name in sorted(os.listdir(
    os.path.join(TOP, "man"))) if re.search(r"\.[1578]$", name)}


# ---- strife-protocol(7) ----

def synopsis(fields):
    return "".join(" %s=" % key if required else " [%s=]" % key
                   for key, required in fields)


def wanted_lines(verb, lists):
    request, final, row = lists
    lines = [verb + synopsis(request)]
    if row:
        lines.append("ROW" + synopsis(row))
    return lines + ["OK" + synopsis(final)]


def shown_verbs(page, heading):
    """{verb: (role, [lines of its block])} of one side's list."""
    shown, verb, inside = {}, None, False
    for _, _, macro, arguments, text in page.part(heading):
        if macro == "It" and arguments[:1] == ["Ic"]:
            verb = arguments[1]
            role = arguments[-1] if "Cm" in arguments else "none"
            shown[verb] = (role, [])
        elif macro == "Bd":
            inside = "-literal" in arguments
        elif macro == "Ed":
            inside = False
        elif inside and verb is not None and text[:1] == " ":
            shown[verb][1][-1] += " " + text.strip()
        elif inside and verb is not None:
            shown[verb][1].append(text)
    return shown


def test_verbs(page):
    for side, heading in SIDES.items():
        shown = shown_verbs(page, heading)
        defined = {verb: body for (of, verb), body in VERBS.items()
                   if of == side}
        same(shown, defined, "%s: the verbs of %s" % (page.name, side))
        wrong = []
        for verb in sorted(set(shown) & set(defined)):
            role, lists = defined[verb]
            if shown[verb][0] != role.lower():
                wrong.append("%s: role %s, not %s"
                             % (verb, role.lower(), shown[verb][0]))
            want = wanted_lines(verb, lists)
            if shown[verb][1] != want:
                wrong.append("%s: want\n  %s\ngot\n  %s" % (
                    verb, "\n  ".join(want), "\n  ".join(shown[verb][1])))
        none(wrong, "%s: fields and roles of %s" % (page.name, side))


def test_codes(page):
    classes = {}
    for retry in ("never", "login", "new-id", "same-id"):
        for arguments in page.items("Class " + retry, "Dv"):
            classes[arguments[1]] = retry
    same(classes.items(), [(code, retry.lower().replace("_", "-"))
                           for code, retry in ERRORS.items()],
         "%s: error codes and their classes" % page.name)
    said = []
    for section, subsection, _, arguments, text in page.part("ERROR CODES"):
        if not subsection and text.startswith(".Cm field ,"):
            said = [word for word in arguments if word != ","]
        elif not subsection and said and text.startswith(".Cm attempts ,"):
            said += [word for word in arguments if word != ","]
    same(said, [key for key, required in ERROR_FIELDS if not required],
         "%s: the fields that an ERR may have" % page.name)


def test_fields(page):
    on_wire = {key for _, lists in VERBS.values() for fields in lists
               for key, _ in fields} | {key for key, _ in ERROR_FIELDS}
    named = [word for arguments in page.items("FIELD NAMES", "Cm")
             for word in arguments[1:] if word != ","]
    same(named, on_wire, "%s: every field of the wire" % page.name)
    ok(named == sorted(named), "%s: fields in alphabetical order" % page.name)
    in_journals = {key for fields in RECORDS.values() for key, _ in fields}
    same(on_wire | in_journals | {"check"}, KEYS,
         "keys.def: no key that nothing uses")


def examples(page):
    """Each example's lines, joined: (who, line)."""
    joined = ""
    for section, _, macro, _, text in page.part("EXAMPLES"):
        if macro or not (joined or re.match(r"[CGB]: ", text)):
            continue
        joined += re.sub(r"\s*\\e$", " ", text.strip() if joined else text)
        if not text.endswith("\\e"):
            yield joined[0], joined[3:]
            joined = ""


def test_examples(page):
    asked, wrong, count = {}, [], 0
    replies_to = {"C": "G", "B": "G", "G": "B"}
    for who, text in examples(page):
        count += 1
        words = text.split(" ")
        tag, word = words[0], words[1]
        keys = [field.partition("=")[0] for field in words[2:]]
        if word in REPLIES:
            side, verb = asked.get((who, tag), (None, None))
            if side is None:
                wrong.append("a reply to nothing: " + text)
                continue
            at = {"OK": 1, "ROW": 2}.get(word)
            fields = VERBS[side, verb][1][at] if at else ERROR_FIELDS
        else:
            side = {"C": "CLIENT", "B": "UP", "G": "DOWN"}[who]
            if (side, word) not in VERBS:
                wrong.append("no such verb: " + text)
                continue
            asked[replies_to[who], tag] = side, word
            fields = VERBS[side, word][1][0]
        if [key for key, _ in fields if key in keys] != keys:
            wrong.append("other fields, or another order: " + text)
        for key, required in fields:
            if required and key not in keys:
                wrong.append("%s= is missing: %s" % (key, text))
    none(wrong, "%s: examples are what the grammar allows" % page.name)
    ok(count >= 20, "%s: there are examples" % page.name)


# ---- strife-journal(5) ----

def test_journal(page):
    for journal, heading in JOURNALS.items():
        kinds = {kind for of, kind in RECORDS if of == journal}
        named = {arguments[1] for arguments in page.items(heading, "Sy")}
        same(named | {"SEGMENT"} & kinds, kinds,
             "%s: kinds of records, %s" % (page.name, heading.lower()))
    ok("SEGMENT" in page.marked("Sy"), "%s: SEGMENT" % page.name)
    fields = {key for (of, _), body in RECORDS.items() if of in JOURNALS
              for key, _ in body}
    named = set(page.marked("Cm"))
    none(sorted("the field " + key for key in fields - named),
         "%s: every field of a record" % page.name)


# ---- strife-spool(5) ----

def test_spool(page):
    kinds = {kind for of, kind in RECORDS if of == SPOOL}
    same(page.marked("Sy"), kinds, "%s: the word of a line" % page.name)
    named = [word for arguments in page.items("The line", "Cm")
             for word in arguments[1:]]
    same(named, {key for (of, _), body in RECORDS.items() if of == SPOOL
                 for key, _ in body}, "%s: every field" % page.name)


# ---- Every page ----

def test_page(page):
    name, section = page.name.rsplit(".", 1)
    title = [arguments for _, _, macro, arguments, _ in page.lines
             if macro == "Dt"][0]
    ok(title == [name.upper(), section], "%s: .Dt" % page.name)
    verbs = {verb for _, verb in VERBS} | REPLIES
    none(("no such verb: " + word for word in page.marked("Ic")
          if re.fullmatch(r"[A-Z_]{2,}", word) and word not in verbs),
         "%s: verbs in .Ic exist" % page.name)
    none(("no such code: " + word for word in page.marked("Dv")
          if not word.startswith("SIG") and word not in ERRORS),
         "%s: codes in .Dv exist" % page.name)
    wrong = []
    for _, _, macro, arguments, _ in page.lines:
        words = [macro] + arguments
        for i, word in enumerate(words[:-2]):
            if word == "Xr" and words[i + 1].startswith("strife") and \
                    "%s.%s" % tuple(words[i + 1:i + 3]) not in PAGES:
                wrong.append("no such page: %s(%s)"
                             % tuple(words[i + 1:i + 3]))
    none(wrong, "%s: pages of ours that it points to" % page.name)


# ---- Configuration ----

def arrays():
    """{(file, array): {key: default}} of every table of rows."""
    found = {}
    for top in ("bin", "lib"):
        for directory, _, names in os.walk(os.path.join(TOP, top)):
            for name in sorted(names):
                path = os.path.relpath(os.path.join(directory, name), TOP)
                if not name.endswith(".c") or path.startswith("lib/base/"):
                    continue
                for match in re.finditer(
                        r"struct yaml_row (\w+)(?:\[\])? = \{(.*?)\n\s*\};|"
                        r"struct yaml_row (\w+) = \{(.*?)\};",
                        read(path), re.S):
                    array = match[1] or match[3]
                    found[path, array] = dict(
                        (key, default) for key, default in re.findall(
                            r'"([a-z_.]+)",\s*YAML_\w+,'
                            r'[^{}]*?(?:"([^"]*)"|NULL),\s*\w+\}?',
                            (match[2] or match[4]) + "}"))
    return found


def page_keys(page):
    keys = []
    for _, _, macro, arguments, _ in page.lines:
        if macro != "It" or arguments[:1] not in (["Ic"], ["Cm"]):
            continue
        if re.fullmatch(r"[a-z_]+(\.[a-z_]+)*", arguments[1]):
            keys.append(arguments[1])
    return keys


class Sample:
    """A sample's keys, dotted, and those behind a # with their values."""

    def __init__(self, name):
        self.keys, self.commented = set(), {}
        self.stack = []
        for text in read("etc", "strife", name).splitlines():
            match = re.match(r"(\s*)#\s?(\s*[a-z_]+:(?:\s.*)?)$", text)
            hidden = match is not None
            if hidden:
                text = match[1] + match[2]
            text = re.sub(r"(^|\s)#.*", "", text)
            if text.strip():
                self.take(text, hidden)

    def take(self, text, hidden):
        match = re.match(r'( *)("?[\w.-]+"?):\s*(.*)$', text)
        if match is None:
            raise ValueError("a sample holds more than keys: " + text)
        indent = len(match[1])
        while self.stack and self.stack[-1][0] >= indent:
            self.stack.pop()
        self.stack.append((indent, match[2]))
        self.value([key for _, key in self.stack], match[3].strip(), hidden)

    def value(self, path, value, hidden):
        if value.startswith("{"):
            for pair in re.split(r",\s*(?![^\[\]]*\])", value[1:-1]):
                key, _, rest = pair.partition(":")
                self.value(path + [key.strip()], rest.strip(), hidden)
        elif path[0] in NAMED and len(path) > 1:
            self.keys.add(path[0])
            if len(path) > 2:
                self.keys.add(".".join(path[2:]))
        elif value:
            self.keys.add(".".join(path))
            if hidden:
                self.commented[".".join(path)] = value.strip('"')


def test_configuration():
    found = arrays()
    known = {(source, array) for source, array, _, _ in TABLES}
    none(("%s: %s" % one for one in sorted(set(found) - known)),
         "no table of rows that this test does not know")
    pages, samples = {}, {}
    for source, array, page, names in TABLES:
        if not os.path.exists(os.path.join(TOP, source)):
            continue
        rows = found[source, array]
        ok(rows, "%s: %s can be read" % (source, array))
        pages.setdefault(page, {}).update(rows)
        for name in names:
            samples.setdefault(name, {}).update(rows)
    for name, rows in pages.items():
        if ok(name in PAGES, "%s exists" % name):
            # A file's one key at the top may be named in a sentence.
            named = set(PAGES[name].marked("Ic")) & set(rows)
            same(named | set(page_keys(PAGES[name])), rows,
                 "%s: every key" % name)
    for name, rows in samples.items():
        if not ok(os.path.exists(os.path.join(TOP, "etc", "strife", name)),
                  "etc/strife/%s exists" % name):
            continue
        sample = Sample(name)
        same(sample.keys | NO_USE.get(name, set()), rows,
             "etc/strife/%s: every key" % name)
        none(("%s: %s is not the default, %s" % (key, value, rows[key])
              for key, value in sorted(sample.commented.items())
              if rows.get(key) not in (None, "", "~", value)),
             "etc/strife/%s: values behind a # are the defaults" % name)
    same(samples, os.listdir(os.path.join(TOP, "etc", "strife")),
         "etc/strife: no other samples")


# ---- Programs ----

def run(name, *arguments):
    return subprocess.run(
        [strife.program(name), *arguments], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        encoding="utf-8", check=False)


def help_flags(text):
    """-x and --word, also in -dt."""
    flags = set()
    for dashes, word in re.findall(r"(?<![\w$-])(--?)([A-Za-z][\w-]*)", text):
        if dashes == "--":
            flags.add("--" + word)
        else:
            flags.update("-" + letter for letter in word)
    return flags


def line_flags(words):
    """The flags of one line of mdoc: Fl c, Fl dt, Fl -long, Fl Fl long."""
    flags, i = [], 0
    while i < len(words):
        if words[i] != "Fl":
            i += 1
            continue
        i += 1
        double = i < len(words) and words[i] == "Fl"
        i += double
        while i < len(words) and re.fullmatch(r"-?[A-Za-z][\w-]*|\||,",
                                              words[i]) \
                and words[i] not in CALLABLE:
            word = words[i].lstrip("-")
            if word in "|,":
                pass
            elif double or words[i].startswith("-"):
                flags.append("--" + word)
            else:
                flags.extend("-" + letter for letter in word)
            i += 1
            double = False
    return flags


def page_flags(page):
    """(flags, long spellings that stand beside a short one)."""
    flags, spellings = set(), set()
    for section, _, macro, arguments, _ in page.lines:
        if macro == "It" and arguments[:1] == ["Fl"]:
            found = line_flags(arguments)
            short = [flag for flag in found if not flag.startswith("--")]
            for flag in found:
                (spellings if short and flag not in short else flags).add(flag)
        elif section == "SYNOPSIS":
            flags.update(line_flags([macro] + arguments))
    return flags, spellings


def page_commands(page):
    """Words in .Cm that follow .Nm or its options in SYNOPSIS."""
    commands, fresh = [], False
    for _, _, macro, arguments, _ in page.part("SYNOPSIS"):
        if macro == "Nm":
            fresh = True
        if macro == "Cm" and fresh and re.fullmatch(r"[a-z-]+", arguments[0]):
            commands.append(arguments[0])
            fresh = False
    return commands


def exit_codes(page):
    return {int(arguments[0]) for _, _, macro, arguments, _ in
            page.part("EXIT STATUS")
            if macro == "It" and re.fullmatch(r"\d+", arguments[0])}


def source_codes(name):
    """The exit codes that a program's source names, lib/client included."""
    names = {}
    for word, number in re.findall(r"\b(EXIT_\w+) = (\d+)",
                                   read("lib", "base", "exitcode.h")):
        names[word] = int(number)
    paths = [os.path.join("bin", name, file)
             for file in os.listdir(os.path.join(TOP, "bin", name))]
    codes = set()
    for path in paths:  # it grows
        text = read(path)
        codes.update(number for word, number in names.items()
                     if re.search(r"\b%s\b" % word, text))
        if path.endswith(".sh"):
            codes.update(int(number) for number in
                         re.findall(r"^EX_\w+=(\d+)", text, re.M))
        for module in re.findall(r'#include "client/(\w+)\.h"', text):
            paths += {"lib/client/%s.c" % module} - set(paths)
    return codes


def test_flags(name, page, helped):
    in_help = help_flags(helped)
    for command in page_commands(page):
        ok(re.search(r"\b%s\b" % command, helped),
           "%s: -h names %s" % (name, command))
        one = run(name, command, "-h")
        if one.returncode == 0:
            in_help |= help_flags(one.stdout)
    told = re.search(r"^Exit.*", helped, re.S | re.M)
    none(("not in the page: " + code for code in
          re.findall(r"\b\d+\b", told[0] if told else "")
          if int(code) not in exit_codes(page)),
         "%s: the exit codes of -h" % name)
    flags, spellings = page_flags(page)
    same(flags | (spellings & in_help), in_help,
         "%s: the flags of -h and of the page" % name)


def test_program(name):
    page = next((PAGES[one] for one in ("strife-%s.1" % name,
                                        "strife-%s.8" % name)
                 if one in PAGES), None)
    program = "strife-" + name
    ok(page is not None, "%s has a man page" % program)
    codes = {int(number) for number in re.findall(
        r"= (\d+)", read("lib", "base", "exitcode.h"))} | {ABORTED}
    if page is not None:
        named = exit_codes(page)
        none(("not in exitcode.h: %d" % code for code in named - codes),
             "%s: exit codes are common ones" % page.name)
        none(("not in the page: %d" % code
              for code in sorted(source_codes(name) - named)),
             "%s: every exit code of the source" % page.name)
    if not os.path.exists(strife.program(program)):
        print("ok %d # SKIP %s is not built" % (strife._count + 1, program))
        strife._count += 1
        return
    version, helped = run(program, "-V"), run(program, "-h")
    ok(version.stdout == "%s 0.1.0\n" % program and version.returncode == 0,
       "%s -V" % program)
    lines = helped.stdout.splitlines()
    ok(helped.returncode == 0 and 0 < len(lines) <= 50 and
       max(map(len, lines)) <= 80 and not helped.stderr,
       "%s -h fits on a screen" % program)
    for word, short in (("--help", helped), ("--version", version)):
        ok(run(program, word).stdout == short.stdout, "%s %s" % (program, word))
    ok(run(program, "--no-such-flag").returncode == 64,
       "%s exits 64 for an unknown flag" % program)
    if page is not None:
        test_flags(program, page, helped.stdout)


def test_overview(names):
    """strife(7): every program, and one table of every exit code."""
    page = PAGES["strife.7"]
    none(("not there: strife-" + name for name in names
          if "strife-" + name not in page.marked("Xr")),
         "strife.7: every program")
    table = {}
    for _, _, macro, arguments, _ in page.part("EXIT STATUS"):
        if macro == "It" and arguments[0].isdigit():
            table[int(arguments[0])] = " ".join(arguments).split(" Ta ")[2]
    codes = {int(number) for number in re.findall(
        r"= (\d+)", read("lib", "base", "exitcode.h"))} | {ABORTED}
    same(table, codes, "strife.7: every exit code")
    for name in names:
        for one in ("strife-%s.1" % name, "strife-%s.8" % name):
            if one not in PAGES:
                continue
            same({code for code, who in table.items() if who == "all" or
                  name in re.split(r"[ ,]+", who)}, exit_codes(PAGES[one]),
                 "strife.7: the exit codes of strife-%s" % name)


def test_readme(names):
    text = read("README.md")
    none(("not there: strife-" + name for name in names
          if "`strife-%s`" % name not in text), "README.md: every program")
    none(("no such file: " + path for path in
          re.findall(r"\]\(([^):#]+)\)", text + read("CONTRIBUTING.md"))
          if not os.path.exists(os.path.join(TOP, path))),
         "README.md, CONTRIBUTING.md: links lead somewhere")


def main():
    protocol = PAGES["strife-protocol.7"]
    test_verbs(protocol)
    test_codes(protocol)
    test_fields(protocol)
    test_examples(protocol)
    test_journal(PAGES["strife-journal.5"])
    test_spool(PAGES["strife-spool.5"])
    for page in PAGES.values():
        test_page(page)
    test_configuration()
    names = sorted(name for name in os.listdir(os.path.join(TOP, "bin"))
                   if name != "demo" and
                   os.path.isdir(os.path.join(TOP, "bin", name)))
    for name in names:
        test_program(name)
    test_overview(names)
    test_readme(names)
    strife.done()


main()

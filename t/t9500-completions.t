#!/usr/bin/python3
"""What bash and zsh complete, made from what the programs say to -h."""
import os
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import strife
from strife import TOP, equal, ok

PROGRAMS = ["strife-pay", "strife-queue", "strife-ctl", "strife-teller",
            "strife-journal"]
COMPLETE = """
source "$1"
shift
cur=$1
shift
COMP_WORDS=("$@" "$cur")
COMP_CWORD=$#
"_${1//-/_}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def run(*words, cwd=None):
    return subprocess.run(words, stdin=subprocess.DEVNULL, cwd=cwd,
                          capture_output=True, text=True, timeout=60,
                          check=False)


def flags(text):
    """The options that a help names: the usage, and lines of their own."""
    lines = re.split(r"^Exit", text, flags=re.M)[0].splitlines()
    lines = [line for line in lines if re.match(r"usage:| +-", line)]
    return set(re.findall(r"(?<![\w$-])--?[a-z][a-z-]*", "\n".join(
        re.split(r"(?<=\S)  ", line.strip())[0] for line in lines), re.I))


with strife.Place() as place:
    out = place.path("completions")
    made = run(os.path.join(TOP, ".ci", "completions"), strife.BIN, out,
               "strife-bench", *PROGRAMS)
    equal((made.returncode, made.stderr), (0, ""), "they can be made")

    def bash(program, *words):
        """What is offered for the last of the words."""
        done = run("bash", "-c", COMPLETE, "bash",
                   os.path.join(out, "bash", program), words[-1], program,
                   *words[:-1], cwd=place.dir)
        ok(done.stderr == "", "bash: %s %s: no error" % (
            program, " ".join(words)))
        return set(done.stdout.split("\n")) - {""}

    for program in ["strife-bench"] + PROGRAMS:
        equal(run("bash", "-n", os.path.join(out, "bash", program)).stderr,
              "", program + ": bash can read it")
        if shutil.which("zsh"):
            equal(run("zsh", "-n", os.path.join(out, "zsh", "_" + program))
                  .stderr, "", program + ": zsh can read it")
    equal(flags(run(strife.program("strife-bench"), "-h").stdout) -
          bash("strife-bench", "-"), set(),
          "strife-bench, which has no commands: bash completes every option")
    with open(os.path.join(out, "zsh", "_strife-bench"),
              encoding="utf-8") as file:
        text = file.read()
    ok("'--pairs[" in text and "command" not in text,
       "strife-bench: zsh knows its options, and offers no commands")
    equal(bash("strife-pay", "--"),
          {"--config", "--json", "--verbose", "--help", "--version"},
          "before a command: the long options of all")
    place.write("a file", "")
    equal(bash("strife-pay", "--config", "a"), {"a file"}, "and their values")
    for program in PROGRAMS:
        help_text = run(strife.program(program), "-h").stdout
        commands = re.findall(r"^  ([a-z][a-z-]*)  +\S", help_text, re.M)
        ok(commands, program + ": there are commands")
        equal(set(commands) - bash(program, ""), set(),
              program + ": bash completes every command")
        for command in commands:
            one = run(strife.program(program), command, "-h")
            if one.returncode != 0:
                continue
            missing = flags(one.stdout) - bash(program, command, "-")
            equal(missing, set(),
                  "%s %s: bash completes every option" % (program, command))
        with open(os.path.join(out, "zsh", "_" + program),
                  encoding="utf-8") as file:
            text = file.read()
        ok(text.startswith("#compdef %s\n" % program) and
           all("'%s:" % command in text for command in commands),
           program + ": zsh knows every command")
        if shutil.which("shellcheck"):
            equal(run("shellcheck", "-s", "bash",
                      os.path.join(out, "bash", program)).stdout, "",
                  program + ": shellcheck finds nothing")
    equal(bash("strife-pay", "pay", "--f"), {"--from"}, "the beginning counts")
    equal(bash("strife-pay", "-c", "pay", "b"), {"balance", "batch"},
          "the value of an option is no command")
    equal(bash("strife-pay", "pay", "--from", ""), set(),
          "nothing is offered for a value that only its user knows")
    equal(bash("strife-pay", "batch", "--assign", "a"), {"a file"},
          "a file name, with its blank")
    ok("a file" in bash("strife-pay", "batch", ""), "batch takes a file")
    ok("a file" in bash("strife-journal", "cat", ""), "journal, directories")
    ok("a file" not in bash("strife-pay", "status", ""), "status does not")
strife.done()

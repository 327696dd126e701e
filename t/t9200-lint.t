#!/bin/sh
# Every page, script and source passes the tools that look at it, and nothing
# is left over: no trailing blanks, no unfinished business, no path of
# somebody's machine. A tool that is not installed is a skip that says so.
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 1
said=$(mktemp "${TMPDIR:-/tmp}/strife-lint.XXXXXXXX") || exit 1
trap 'rm -f "$said" "$said.all"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

count=0
failed=0

# empty WHAT: passes where nothing was written to $said.
empty() {
	count=$((count + 1))
	if [ -s "$said" ]; then
		failed=$((failed + 1))
		printf 'not ok %d - %s\n' "$count" "$1"
		head -n 40 "$said" | sed 's/^/# /'
	else
		printf 'ok %d - %s\n' "$count" "$1"
	fi
}

# skip WHAT TOOL
skip() {
	count=$((count + 1))
	printf 'ok %d - %s # SKIP %s is not installed\n' "$count" "$1" "$2"
}

has() {
	command -v "$1" >/dev/null 2>&1
}

# Everything that is ours to keep in order: not what was built, nor state, nor
# inputs that are wrong on purpose, nor the demonstration's data, which are
# others' and stay as they were published.
files() {
	find . \( -path ./.git -o -path ./.build -o -path ./var -o \
		-path ./certs -o -path ./t/fuzz/corpus -o \
		-name __pycache__ \) -prune -o \
		-type f ! -path './bin/strife-*' \
		! -path ./bin/demo/orders.asc -print | sort
}

# scripts INTERPRETER EXTENSION: by the first line, or else by the name.
scripts() {
	files | while read -r file; do
		first=$(head -n 1 "$file" | tr -d '\000')
		case $first in
		'#!'*[/\ ]"$1") printf '%s\n' "$file" ;;
		*)
			case $file in
			*"$2") printf '%s\n' "$file" ;;
			esac
			;;
		esac
	done
}

# ---- Man pages ----

# The style note about pages that are not installed is of no use here.
if has mandoc; then
	for page in man/*.[1578]; do
		mandoc -Tlint -Wwarning "$page" 2>&1 |
			grep -v 'STYLE: referenced manual not found' >"$said"
		empty "mandoc: $page"
	done
else
	skip 'mandoc: every page' mandoc
fi
# A quote reaches to the end of its line: the next one would stand inside it.
awk '/^\..*[^A-Za-z]Ql .*[^A-Za-z]Ql / || /^\.(.* )?Ql [^ ]+ , [^ ]/ {
	print FILENAME ":" FNR
}' man/*.[1578] >"$said"
empty 'man pages: one quotation a line'
awk '!/^\./ && length($0) > 80 { print FILENAME ":" FNR }' man/*.[1578] >"$said"
empty 'man pages: lines have at most 80 columns'

# ---- Scripts ----

if has shellcheck; then
	{
		scripts sh .sh
		scripts bash .bash
	} | sort -u | while read -r script; do
		shellcheck -x -f gcc "$script"
	done >"$said" 2>&1
	empty 'shellcheck: every shell script'
else
	skip 'shellcheck: every shell script' shellcheck
fi
if has /usr/bin/python3; then
	scripts python3 .py | while read -r script; do
		/usr/bin/python3 -c 'import ast, sys
with open(sys.argv[1], encoding="utf-8") as file:
    ast.parse(file.read(), sys.argv[1])' "$script"
	done >"$said" 2>&1
	empty 'python3: every Python script can be parsed'
else
	skip 'python3: every Python script can be parsed' /usr/bin/python3
fi

# ---- Tests ----

find t -maxdepth 1 -type f | sed 's,^t/,,' |
	grep -v '^t[0-9]\{4\}-[a-z0-9-]*\.t$' >"$said"
empty 'tests are called tNNNN-words.t'
find t -maxdepth 1 -name '*.t' | sed 's,^t/t\([0-9]*\).*,\1,' | sort |
	uniq -d >"$said"
empty 'no two tests have one number'
find t .ci -maxdepth 1 -type f ! -perm -100 >"$said"
empty 'tests and what is in .ci are executable'

# ---- C ----

if has clang-format; then
	files | grep '\.[ch]$' | while read -r file; do
		clang-format "$file" | cmp -s - "$file" || echo "$file"
	done >"$said"
	empty 'clang-format: every C file'
else
	skip 'clang-format: every C file' clang-format
fi

# ---- Every file ----

files >"$said.all"
every() {
	tr '\n' '\000' <"$said.all" | xargs -0 "$@"
}
# Patterns are spelled so that they do not find themselves.
every grep -nE '[[:blank:]]$' /dev/null >"$said"
empty 'no trailing blanks'
every grep -nE 'TO[D]O|FIX[M]E|HACK[:]' /dev/null >"$said"
empty 'nothing is left to be done'
every grep -nE '(^|[^A-Za-z0-9_.])/(wor[k]|roo[t]|hom[e]/[a-z]+)([^a-z]|$)' \
	/dev/null >"$said"
empty 'no path of one machine'
while read -r file; do
	[ ! -s "$file" ] || [ -z "$(tail -c 1 "$file" | tr -d '\n')" ] ||
		echo "$file"
done <"$said.all" >"$said"
empty 'every file ends with a line feed'

echo "1..$count"
[ "$failed" -eq 0 ]

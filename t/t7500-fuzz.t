#!/bin/sh
# Every parser and both cores under hostile octets, in short: each target of
# t/fuzz reads its corpus and a fixed number of inputs made from it. `make fuzz`
# is the long form. Built by clang, whatever else is being tested.
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 1
said=$(mktemp "${TMPDIR:-/tmp}/strife-fuzz.XXXXXXXX") || exit 1
trap 'rm -f "$said" "$said.out"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

# A program of nothing but libFuzzer.
if ! command -v clang >/dev/null ||
	! echo 'int LLVMFuzzerTestOneInput(const char *at, unsigned long len);
int LLVMFuzzerTestOneInput(const char *at, unsigned long len)
{ return at == 0 && len > 0; }' |
	clang -fsanitize=fuzzer,address -x c - -o "$said.out" 2>/dev/null; then
	echo '1..0 # SKIP clang, or its runtime for libFuzzer, is not installed'
	exit 0
fi

# This is no part of a make that may be running the tests.
unset MAKEFLAGS MFLAGS MAKELEVEL
targets=$(make -s FUZZ=1 fuzz-list)
count=1
if make -s -j2 FUZZ=1 fuzzers >"$said" 2>&1; then
	echo 'ok 1 - the targets are built'
else
	echo 'not ok 1 - the targets are built'
	tail -n 20 "$said" | sed 's/^/# /'
	echo '1..1'
	exit 1
fi
failed=0
for target in $targets; do
	count=$((count + 1))
	if t/fuzz/run -k -r 1000 -s 1 "$target" >"$said" 2>&1; then
		echo "ok $count - $target"
	else
		failed=1
		echo "not ok $count - $target"
		sed 's/^/# /' "$said"
	fi
done
echo "1..$count"
exit $failed

#!/bin/sh
# A short campaign of the simulator, that it always tells the same story about
# a seed, and that every seeded mistake still applies. make sim SEEDS=100000 and
# make mutants are the long forms.
set -u
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/.." || exit 1
sim=${STRIFE_BUILD:-.build/gcc}/sim
said=$(mktemp "${TMPDIR:-/tmp}/strife-sim.XXXXXXXX") || exit 1
trap 'rm -f "$said" "$said.again"' EXIT
trap 'exit 130' INT
trap 'exit 143' HUP TERM

count=0
failed=0

# result STATUS WHAT: what was said is shown where it failed.
result() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$count" "$2"
	else
		failed=$((failed + 1))
		printf 'not ok %d - %s\n' "$count" "$2"
		tail -n 60 "$said" | sed 's/^/# /'
	fi
}

if [ ! -x "$sim" ]; then
	echo '1..0 # SKIP the simulator is not built'
	exit 0
fi

"$sim" -n 3000 -j 2 >"$said" 2>&1
result $? '3,000 schedules without a violation, with all that they should meet'

"$sim" -H -n 60 -s 7000 | grep '^seed' >"$said"
"$sim" -H -n 60 -s 7000 | grep '^seed' >"$said.again"
[ -s "$said" ] && cmp "$said" "$said.again"
result $? 'the same seed gives the same trace'

"$sim" -v -s 11 >"$said" 2>&1
"$sim" -v -s 11 | cmp -s - "$said"
result $? 'also in full, octet by octet'

if [ -x "$(command -v patch)" ]; then
	MUTANTS_APPLY=1 t/mutants/run >"$said" 2>&1
	result $? 'every seeded mistake applies'
else
	count=$((count + 1))
	echo "ok $count - every seeded mistake applies # SKIP no patch(1)"
fi

echo "1..$count"
[ "$failed" -eq 0 ]

#!/bin/sh
# One whole demonstration under valgrind: no invalid access, no use of a value
# that was never set, no leak in any daemon. (Client programs run plain: they are
# covered by the sanitizers.)
set -u

top=$(cd "$(dirname "$0")/.." && pwd)
STRIFE_BIN=${STRIFE_BIN:-$top/bin}
export STRIFE_BIN

if ! command -v valgrind >/dev/null 2>&1; then
	echo "1..0 # SKIP valgrind is not installed"
	exit 0
fi
if nm -D "$STRIFE_BIN/strife-gatewayd" | grep -q __asan_init; then
	echo "1..0 # SKIP built with sanitizers, which valgrind cannot run"
	exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/strife-valgrind.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

echo "1..3"
WRAP="valgrind -q --leak-check=full --errors-for-leak-kinds=definite --child-silent-after-fork=yes --log-file=$work/%p.valgrind"
export WRAP
if DEMO_DIR="$work/demo" ORDERS=40 "$top/bin/demo/demo.sh" >"$work/out" 2>&1; then
	echo "ok 1 - the demonstration runs under valgrind"
else
	echo "not ok 1 - the demonstration runs under valgrind"
	sed 's/^/# /' "$work/out"
fi
if [ "$(find "$work" -name '*.valgrind' | wc -l)" -ge 10 ]; then
	echo "ok 2 - the daemons wrote their reports"
else
	echo "not ok 2 - the daemons wrote their reports"
fi
cat "$work"/*.valgrind >"$work/report"
if [ -s "$work/report" ]; then
	echo "not ok 3 - valgrind found nothing"
	sed 's/^/# /' "$work/report" | head -60
else
	echo "ok 3 - valgrind found nothing"
fi

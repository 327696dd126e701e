#!/bin/sh
# A few configurations of the protocol's model: t/model/README.md. `make model`
# runs them all.
here=$(cd "$(dirname "$0")" && pwd) || exit 1

if ! command -v spin >/dev/null; then
	echo "1..0 # SKIP spin is not installed"
	exit 0
fi
out=$("$here/model/run" -q) || true
echo "$out" | sed 's/^/# /'
n=0
for line in $(echo "$out" | sed -n '2,$s/^\([a-z_]*\)  *\([a-z_]*\)  *\([a-z_]*\) .*/\1:\2:\3/p'); do
	n=$((n + 1))
	rest=${line#*:}
	if [ "${rest%:*}" = "${rest#*:}" ]; then
		echo "ok $n - ${line%%:*}: ${rest%:*}"
	else
		echo "not ok $n - ${line%%:*}: ${rest%:*}, not ${rest#*:}"
	fi
done
n=$((n + 1))
if [ $n -eq 10 ]; then
	echo "ok $n - all nine were run"
else
	echo "not ok $n - all nine were run"
fi
echo "1..$n"

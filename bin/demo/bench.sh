#!/bin/sh
# make bench: strife-bench against the demonstration's gateway and 14 banks, on
# loopback, in several settings; and how often this disk flushes, to judge the
# figures by. SECONDS_EACH is how long each setting is measured; CONNECTIONS,
# WINDOWS and RATES are what to set, a rate in per cent of the most that was
# reached without one. The load shares the machine with what it loads.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${STRIFE_BIN:-$top/bin}
dir=${BENCH_DIR:-$top/var/bench}
each=${SECONDS_EACH:-5}
some_connections=${CONNECTIONS:-1 8 64}
windows=${WINDOWS:-1 16 64}
rates=${RATES:-25 50 75}
opening=1000000.00
orders=0
in_flight=12288
remembered=4194304
# shellcheck source=bin/demo/common.sh
. "$here/common.sh"

finish() {
	status=$?
	trap '' INT TERM HUP PIPE EXIT
	stop_all
	rm -rf "$dir"
	exit "$status"
}

# flush_rate: how many writes of 4 KiB to a file that is laid out are durable
# in a second, one after another.
flush_rate() {
	count=$((each * 50))
	dd if=/dev/zero of="$dir/probe" bs=4k count="$count" conv=fsync 2>/dev/null
	from=$(date +%s%N)
	dd if=/dev/zero of="$dir/probe" bs=4k count="$count" oflag=dsync \
		conv=notrunc 2>/dev/null
	echo $((count * 1000000000 / ($(date +%s%N) - from)))
	rm -f "$dir/probe"
}

# measure CONNECTIONS WINDOW [RATE]: one line of the table, and $figure, the
# payments a second.
measure() {
	status=0
	"$bin/strife-bench" -c "$dir/pay.yaml" --pairs "$dir/pairs.tsv" \
		--connections "$1" --window "$2" ${3:+--rate "$3"} \
		--seconds "$each" >"$dir/figures" || status=$?
	[ "$status" -le 1 ] || die "strife-bench ended with exit code $status"
	awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
	{
		printf "%11d %6d %7s %11.0f %8.2f %8.2f %8.2f %8.2f %8.2f %7d\n",
		    $at["connections"], $at["window"],
		    $at["rate"] == "" ? "-" : $at["rate"],
		    $at["payments_per_s"], $at["p50_ms"], $at["p95_ms"],
		    $at["p99_ms"], $at["p999_ms"], $at["max_ms"], $at["failed"]
	}' "$dir/figures"
	figure=$(awk -F'\t' 'NR == 2 { printf "%d", $1 }' "$dir/figures")
}

mkdir -p "$dir"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM HUP
stop_all
XDG_STATE_HOME=$dir/state
export XDG_STATE_HOME
say "Starting a gateway and the demonstration's banks in $dir ..."
fresh_directory
orders_table
accounts_files
"$bin/strife-ca" -d "$dir/certs" issue client desk >/dev/null
(umask 077 && cat >"$dir/users.yaml" <<EOT
users:
  desk: {certificates: [desk], roles: [pay], acts_for: ["*@CZ"]}
EOT
)
(umask 077 && echo 'users: {}' >"$dir/customers.yaml")
gateway_config
start_gateway
start_banks
cat >"$dir/pay.yaml" <<EOT
gateways: ["$clients"]
tls: {ca: certs/ca.crt, cert: certs/desk.crt, key: certs/desk.key}
user: desk
EOT
awk -F'\t' -v OFS='\t' '{ print $2 "@CZ", $4 "@" $3, "CZK" }' \
	"$dir/orders.tsv" >"$dir/pairs.tsv"

say ""
say "$(nproc) processors, Linux $(uname -r), $(stat -f -c %T "$dir"), $(wc -l <"$dir/pairs.tsv" | tr -d ' ') pairs, $each s each."
say "This disk makes $(flush_rate) writes a second durable, one after another."
say ""
say "connections window    rate  payments/s   p50 ms   p95 ms   p99 ms p99.9 ms   max ms  failed"
best=1
for connections in $some_connections; do
	for window in $windows; do
		measure "$connections" "$window"
		[ "$figure" -le "$best" ] || best=$figure
	done
done
# At a rate, the time of a payment counts from when it was due.
for percent in $rates; do
	measure "$connections" "$window" $((best * percent / 100 + 1))
done

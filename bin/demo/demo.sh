#!/bin/sh
# make demo: pays 6,471 real standing orders between real processes: a gateway
# and 14 banks on loopback. OPENING is each payer's balance at the start.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${STRIFE_BIN:-$top/bin}
dir=${DEMO_DIR:-$top/var/demo}
opening=${OPENING:-10000.00}
orders=${ORDERS:-0}
# shellcheck source=bin/demo/common.sh
. "$here/common.sh"

ended=no
finish() {
	status=$?
	trap '' INT TERM HUP PIPE EXIT
	[ "$ended" = yes ] || say "stopping what was started ..." >&2
	stop_all
	exit "$status"
}

seconds() {
	date +%s.%N
}

# since START: how long ago that was, in seconds.
since() {
	awk -v a="$1" -v b="$(seconds)" 'BEGIN { printf "%.2f", b - a }'
}

print_outcome() {
	awk -F'\t' '
	NR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
	{
		n++
		state = $column["state"]
		split($column["to"], to, "@")
		minor = $column["amount"] * 100
		if (state == "committed") {
			committed++
			moved += minor
			into[to[2]] += minor
			count[to[2]]++
		} else {
			reason[state " " $column["reason"]]++
		}
	}
	END {
		printf "%8d orders\n%8d committed, %.2f CZK moved\n",
		    n, committed, moved / 100
		for (r in reason)
			printf "%8d %s\n", reason[r], r
		print "\nMoney into each bank:"
		for (b in into)
			printf "  %s %6d payments %16.2f CZK\n",
			    b, count[b], into[b] / 100 | "sort"
		close("sort")
	}' "$dir/results.tsv"
}

# books BANK: all of a bank's accounts, system accounts too: name, currency,
# posted, ...
books() {
	"$bin/strife-teller" -c "$dir/$1.yaml" accounts >"$dir/$1.books"
	awk -F'\t' -v bank="$1" '
	{ sum += sprintf("%.0f", $3 * 100) }
	END { printf "%s\t%d\t%.0f\n", bank, NR, sum }
	' "$dir/$1.books"
}

# CZ holds one clearing account for each bank, each bank one for CZ, from the
# first order that it was asked about on: equal and opposite.
mirrors() {
	bad=0
	while read -r bank; do
		[ "$bank" != CZ ] || continue
		a=$(awk -F'\t' -v n=":clearing.$bank.CZK" '$1 == n { print $3 }' "$dir/CZ.books")
		b=$(awk -F'\t' -v n=":clearing.CZ.CZK" '$1 == n { print $3 }' "$dir/$bank.books")
		awk -v a="$a" -v b="$b" 'BEGIN { exit a + b != 0 }' ||
			{ say "  $bank: CZ says ${a:-nothing}, $bank says ${b:-nothing}"; bad=1; }
	done <"$dir/banks"
	return $bad
}

DEMO_STARTED=$(seconds)
mkdir -p "$dir"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 141' PIPE
trap 'exit 143' TERM HUP
stop_all
say "Making certificates and configuration in $dir ..."
fresh_directory
orders_table
accounts_files
hash=$(password_for desk)
(umask 077 && cat >"$dir/users.yaml" <<EOF
users:
  desk: {password: "$hash", roles: [balance, pay, history], acts_for: ["*@CZ"]}
EOF
)
(umask 077 && echo 'users: {}' >"$dir/customers.yaml")
gateway_config
start_gateway
start_banks
client_config desk desk
say "One gateway and $(wc -l <"$dir/banks" | tr -d ' ') banks serve; paying $(wc -l <"$dir/orders.tsv" | tr -d ' ') standing orders ..."

awk -F'\t' -v OFS='\t' '
BEGIN { print "id", "from", "to", "amount", "currency", "memo" }
{ print "key:berka-" $1, $2 "@CZ", $4 "@" $3, $5, "CZK", $6 }
' "$dir/orders.tsv" >"$dir/batch.tsv"
began=$(seconds)
status=0
"$bin/strife-pay" -c "$dir/desk.pay.yaml" batch "$dir/batch.tsv" >"$dir/results.tsv" || status=$?
took=$(since "$began")
[ "$status" -le 1 ] || die "strife-pay batch ended with exit code $status"

say ""
print_outcome
say ""
say "The batch took $took s of wall time, sessions and TLS included."
say ""
say "Books (accounts, sum of all balances in minor units):"
while read -r bank; do
	books "$bank"
done <"$dir/banks" >"$dir/sums"
awk -F'\t' '{ printf "  %s %6d accounts   sum %s\n", $1, $2, $3; if ($3 != 0) bad = 1 } END { exit bad }' "$dir/sums" ||
	die "a bank's books do not sum to zero"
mirrors || die "clearing accounts do not mirror"
say "  every bank's books sum to zero, and clearing accounts mirror each other"

stop_all
say ""
say "strife-journal verify:"
set -- "$dir/gatewayd"
while read -r bank; do
	set -- "$@" "$dir/bankd-$bank"
done <"$dir/banks"
status=0
"$bin/strife-journal" verify "$@" >"$dir/verify.tsv" || status=$?
awk -F'\t' '{ n = split($1, part, "/"); printf "  %-12s", part[n]; for (i = 2; i <= NF; i++) printf " %s", $i; print "" }' "$dir/verify.tsv"
[ "$status" -eq 0 ] || die "strife-journal verify ended with exit code $status"
say ""
say "strife-journal audit:"
"$bin/strife-journal" audit --stopped "$@" >"$dir/audit.tsv" || status=$?
awk -F'\t' '$1 != "journal" { printf "  %-8s %-9s %s %s\n", $1, $2, $3, $4 }' "$dir/audit.tsv"
[ "$status" -eq 0 ] || die "strife-journal audit ended with exit code $status"
ended=yes
say ""
say "All stopped, after $(since "$DEMO_STARTED") s. Journals, logs and results are in $dir."

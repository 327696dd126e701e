# Sourced by the demonstrations: a deployment in one directory on loopback.
# shellcheck shell=sh disable=SC2154
# It sets nothing global but: bin (the programs), dir (the deployment), pids.

say() {
	printf '%s\n' "$*"
}

die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# start NAME COMMAND...: runs a daemon in the background, its log in log/NAME.log;
# WRAP, if set, is a command to run it under, such as valgrind.
start() {
	name=$1
	shift
	# shellcheck disable=SC2086
	${WRAP:-} "$@" </dev/null >"$dir/log/$name.out" 2>"$dir/log/$name.log" &
	echo $! >"$dir/run/$name.pid"
}

# await NAME TEXT: until the log of NAME has a line that starts with TEXT.
await() {
	pid=$(cat "$dir/run/$1.pid")
	tries=0
	until grep -qs "^$2" "$dir/log/$1.log"; do
		kill -0 "$pid" 2>/dev/null ||
			{ cat "$dir/log/$1.log" >&2; die "$1 ended at its start"; }
		tries=$((tries + 1))
		[ "$tries" -lt 600 ] || die "$1 does not say '$2'; see $dir/log/$1.log"
		sleep 0.05
	done
}

# ours PID: is it one of our daemons still? (A pid file may be from another life.)
ours() {
	{ tr '\0' '\n' <"/proc/$1/cmdline"; } 2>/dev/null | grep -q '/strife-'
}

# stop_all: ends every daemon of the deployment and waits until it is gone.
stop_all() {
	for file in "$dir"/run/*.pid; do
		[ -f "$file" ] || continue
		pid=$(cat "$file")
		! ours "$pid" || kill "$pid" 2>/dev/null || :
	done
	for file in "$dir"/run/*.pid; do
		[ -f "$file" ] || continue
		pid=$(cat "$file")
		tries=0
		while ours "$pid"; do
			tries=$((tries + 1))
			[ "$tries" -ne 200 ] || kill -9 "$pid" 2>/dev/null || :
			[ "$tries" -lt 400 ] || break
			sleep 0.05
		done
		rm -f "$file"
	done
}

# fresh_directory: empties the deployment and makes its certificate authority.
fresh_directory() {
	rm -rf "$dir"
	mkdir -p "$dir/log" "$dir/run"
	chmod 700 "$dir"
	"$bin/strife-ca" -d "$dir/certs" init >/dev/null
	"$bin/strife-ca" -d "$dir/certs" issue gateway gw1 >/dev/null
}

# gateway_config: small segments, for fifteen daemons share one small disk.
# $in_flight and $remembered, if set, are the bounds of payments, banks' too.
gateway_config() {
	cat >"$dir/gatewayd.yaml" <<-EOF
	node: gw1
	listen: {clients: "127.0.0.1:0", banks: "127.0.0.1:0"}
	tls: {ca: certs/ca.crt, cert: certs/gw1.crt, key: certs/gw1.key}
	journal: {dir: gatewayd, segment: 16MiB}
	payments: {in_flight: ${in_flight:-4096}, per_bank: ${in_flight:-4096}, per_user: ${in_flight:-4096}, held_max: 4096, remembered: ${remembered:-1048576}}
	sessions: {users: users.yaml, token_keys: [certs/token.key]}
	control: control
	EOF
}

# start_gateway: starts it and learns its ports.
start_gateway() {
	start gatewayd "$bin/strife-gatewayd" -c "$dir/gatewayd.yaml"
	await gatewayd 'ready '
	ready=$(grep '^ready ' "$dir/log/gatewayd.log")
	clients=${ready#*clients=}
	clients=${clients%% *}
	banks=${ready#*banks=}
	banks=${banks%% *}
}

# keep_ports: after a restart the gateway is where its banks and clients know it.
keep_ports() {
	sed -i "s|^listen: .*|listen: {clients: \"$clients\", banks: \"$banks\"}|" \
		"$dir/gatewayd.yaml"
}

# bank_config BANK: expects BANK.accounts.yaml to be there.
bank_config() {
	"$bin/strife-ca" -d "$dir/certs" issue bank "$1" >/dev/null
	cat >"$dir/$1.yaml" <<-EOF
	bank: $1
	gateways: ["$banks"]
	tls: {ca: certs/ca.crt, cert: certs/$1.crt, key: certs/$1.key}
	journal: {dir: bankd-$1, segment: 16MiB}
	payments: {in_flight: ${in_flight:-4096}, remembered: ${remembered:-1048576}}
	accounts: $1.accounts.yaml
	customers: customers.yaml
	control: $1.control
	EOF
}

# client_config NAME USER: how strife-pay reaches this deployment.
client_config() {
	"$bin/strife-ca" -d "$dir/certs" issue client "$1" >/dev/null
	cat >"$dir/$1.pay.yaml" <<-EOF
	gateways: ["$clients"]
	tls: {ca: certs/ca.crt, cert: certs/$1.crt, key: certs/$1.key}
	user: $2
	password_file: $1.password
	spool: spool
	EOF
}

# password_for NAME: makes one up, keeps it in NAME.password, prints its hash.
password_for() {
	(umask 077 && od -An -N15 -tx1 /dev/urandom | tr -d ' \n' >"$dir/$1.password")
	"$bin/strife-authd" hash <"$dir/$1.password"
}

# orders_table: the real orders, the first $orders of them (0: all), as order,
# payer, bank, payee, amount, purpose.
orders_table() {
	awk -F';' -v OFS='\t' -v limit="$orders" '
	NR > 1 && (limit == 0 || NR <= limit + 1) {
		gsub(/"/, "")
		sub(/\r$/, "")
		gsub(/^ +| +$/, "", $6)
		print $1, $2, $3, $4, $5, $6
	}' "$here/orders.asc" >"$dir/orders.tsv"
}

# accounts_files: $opening for each payer, nothing for the payees; the names of
# the banks are then in the file `banks`.
accounts_files() {
	awk -F'\t' -v dir="$dir" -v opening="$opening" '
	function open_file(bank) {
		if (bank in file)
			return
		file[bank] = dir "/" bank ".accounts.yaml"
		print "accounts:" > file[bank]
		print bank
	}
	function account(bank, name, balance) {
		open_file(bank)
		if ((bank, name) in seen)
			return
		seen[bank, name] = 1
		printf "  \"%s\": {currency: CZK, balance: \"%s\"}\n",
		    name, balance > file[bank]
	}
	{
		account("CZ", $2, opening)
		account($3, $4, "0.00")
	}' "$dir/orders.tsv" >"$dir/banks"
}

# start_banks: all that accounts_files found, until each is registered.
start_banks() {
	while read -r bank; do
		bank_config "$bank"
		start "$bank" "$bin/strife-bankd" -c "$dir/$bank.yaml"
	done <"$dir/banks"
	while read -r bank; do
		await "$bank" 'registered '
	done <"$dir/banks"
}

#!/bin/sh
# make up: a small deployment to try by hand, left running: a gateway, BankA with
# alice, BankB with bob. make down ends it.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
bin=${STRIFE_BIN:-$top/bin}
dir=${UP_DIR:-$top/var/up}
# shellcheck source=bin/demo/common.sh
. "$here/common.sh"

finish() {
	status=$?
	[ "$status" -eq 0 ] || stop_all
	exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkdir -p "$dir"
stop_all
fresh_directory
alice=$(password_for alice)
bob=$(password_for bob)
(umask 077 && cat >"$dir/users.yaml" <<EOF
users:
  alice: {password: "$alice", roles: [balance, pay, history], accounts: [alice@BankA]}
  bob: {password: "$bob", roles: [balance, pay, history], accounts: [bob@BankB]}
EOF
)
(umask 077 && echo 'users: {}' >"$dir/customers.yaml")
cat >"$dir/BankA.accounts.yaml" <<EOF
accounts:
  alice: {currency: CZK, balance: "1000.00"}
EOF
cat >"$dir/BankB.accounts.yaml" <<EOF
accounts:
  bob: {currency: CZK, balance: "200.00"}
EOF
gateway_config
start_gateway
keep_ports
for bank in BankA BankB; do
	bank_config "$bank"
	start "$bank" "$bin/strife-bankd" -c "$dir/$bank.yaml"
done
await BankA 'registered '
await BankB 'registered '
client_config alice alice
client_config bob bob

relative=${dir#"$top"/}
programs=${bin#"$top"/}
cat <<EOF
A gateway and two banks are running. Try, from $top:

  export STRIFE_PAY_CONFIG=$relative/alice.pay.yaml
  $programs/strife-pay balance
  $programs/strife-pay pay --from alice@BankA --to bob@BankB 12.50 CZK --memo lunch
  $programs/strife-pay history
  $programs/strife-pay -c $relative/bob.pay.yaml balance
  $programs/strife-ctl -c $relative/gatewayd.yaml banks
  $programs/strife-ctl -c $relative/gatewayd.yaml payments
  $programs/strife-teller -c $relative/BankA.yaml accounts
  $programs/strife-journal cat $relative/bankd-BankA

make down ends it.
EOF

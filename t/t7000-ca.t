#!/bin/sh
# strife-ca(8): issuing, renewing, revoking and checking certificates.
set -u
LC_ALL=C
export LC_ALL

root=$(cd "$(dirname "$0")/.." && pwd)
bin=${STRIFE_BIN:-$root/bin}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/strife-XXXXXX") || exit 1
trap 'rm -rf -- "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
cd "$tmp" || exit 1

count=0

# ok STATUS WORDS: one test, passed if STATUS is 0.
ok() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		echo "not ok $count - $2"
		sed 's/^/# /' "$tmp/out" "$tmp/err"
	fi
}

ca() {
	"$bin/strife-ca" -d "$tmp/ca" "$@" >"$tmp/out" 2>"$tmp/err"
}

# exits CODE WORDS ARGUMENT...: strife-ca exits so.
exits() {
	want=$1 what=$2
	shift 2
	ca "$@"
	got=$?
	[ "$got" -eq "$want" ]
	ok $? "$what: exit $want (got $got)"
}

# says PATTERN WORDS: the last run's standard error holds it.
says() {
	grep -q -e "$1" "$tmp/err"
	ok $? "$2"
}

# All files and what is in them, but for the lock.
state() {
	find ca -type f ! -name lock -exec cksum {} + | sort
}

extensions() {
	openssl x509 -in "$1" -noout -ext \
		subjectAltName,extendedKeyUsage,keyUsage,basicConstraints
}

mode() {
	find "$1" -prune -type f -perm "$2" | grep -q .
}

echo '# the command line'
exits 0 '-V' -V
grep -Eqx 'strife-ca [0-9]+\.[0-9]+\.[0-9]+' out
ok $? '-V prints the version'
want=$(sed -n 's/.*STRIFE_VERSION "\(.*\)"/\1/p' "$root/lib/base/version.h")
[ "$(cat out)" = "strife-ca $want" ]
ok $? 'it is the version of everything else'
exits 0 '-h' -h
grep -q '^usage: strife-ca' out
ok $? '-h prints the usage on standard output'
for words in 'init -h' 'issue -h' 'issue client a --help' 'renew -h' \
	'renew --if-due -h' 'revoke -h' 'crl --help' 'check -h'; do
	# shellcheck disable=SC2086
	exits 0 "$words" $words
	grep -q '^usage: strife-ca' out
	ok $? 'the usage'
done
exits 0 'issue -V' issue -V
grep -q '^strife-ca ' out
ok $? 'the version'
exits 64 'no command'
exits 64 'an unknown command' frob
exits 64 'an unknown option' -x init
exits 64 'init with an operand' init here
says 'try: strife-ca -h' 'what to do'
[ "$(wc -l <err)" -eq 2 ]
ok $? 'in two lines'
exits 78 'no CA yet: issue' issue client alice
says 'strife-ca init' 'it says what to do'
exits 78 'no CA yet: check' check
[ ! -e ca ]
ok $? 'and nothing was made'

echo '# init'
exits 0 'init' init
openssl verify -CAfile ca/ca.crt ca/ca.crt >out 2>err
ok $? 'the CA verifies'
openssl x509 -in ca/ca.crt -noout -text >out 2>err
grep -q 'prime256v1' out && grep -q 'ecdsa-with-SHA256' out
ok $? 'P-256 and ECDSA with SHA-256'
grep -q 'CA:TRUE, pathlen:0' out
ok $? 'a CA, and for leaves only'
mode ca/ca.key 600
ok $? 'the key has mode 0600'
openssl crl -in ca/ca.crl -CAfile ca/ca.crt -noout >out 2>err
ok $? 'there is a revocation list'
openssl pkey -in ca/token.key -noout -text 2>err | grep -qi '^ed25519' &&
	mode ca/token.key 600
ok $? 'and an Ed25519 key for tokens, mode 0600'
before=$(state)
exits 73 'init again' init
[ "$(state)" = "$before" ]
ok $? 'it changed nothing'

echo '# issue'
exits 0 'a gateway' issue gateway gw1 --host pay.example.org \
	--host=192.0.2.7 --host 2001:db8::1
openssl verify -purpose sslserver -CAfile ca/ca.crt ca/gw1.crt >out 2>err
ok $? 'it verifies as a server'
extensions ca/gw1.crt >out 2>err
grep -q 'URI:strife://gateway/gw1, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:pay.example.org, IP Address:192.0.2.7, IP Address:2001:DB8:0:0:0:0:0:1$' out
ok $? 'with its identity, localhost and the hosts given'
grep -q 'TLS Web Server Auth.*, TLS Web Client Auth' out
ok $? 'for servers and clients'
grep -q 'CA:FALSE' out
ok $? 'and is no CA'
for spec in 'bank BankA' 'client alice'; do
	role=${spec% *} name=${spec#* }
	# shellcheck disable=SC2086
	exits 0 "a $role" issue $spec
	openssl verify -purpose sslclient -CAfile ca/ca.crt \
		"ca/$name.crt" >out 2>err
	ok $? 'it verifies as a client'
	! openssl verify -purpose sslserver -CAfile ca/ca.crt \
		"ca/$name.crt" >out 2>err
	ok $? 'and not as a server'
	extensions "ca/$name.crt" >out 2>err
	grep -qx " *URI:strife://$role/$name" out
	ok $? 'its identity is its only name'
	mode "ca/$name.key" 600 && mode "ca/$name.crt" 644
	ok $? 'modes 0600 and 0644'
	openssl pkey -in "ca/$name.key" -pubout >key.pub 2>err
	openssl x509 -in "ca/$name.crt" -noout -pubkey >crt.pub 2>err
	cmp -s key.pub crt.pub
	ok $? 'key and certificate belong together'
done
exits 0 'another, for 10 days' issue --days 10 client shorty
openssl x509 -in ca/shorty.crt -noout -checkend $((10 * 86400 - 600)) \
	>out 2>err
ok $? 'it is valid for 10 days'
! openssl x509 -in ca/shorty.crt -noout -checkend $((10 * 86400 + 600)) \
	>out 2>err
ok $? 'and no longer'
exits 0 'one that is fresh is not due, however short its life' renew --if-due
[ ! -s out ]
ok $? 'nothing was renewed'
exits 0 'all is well' check
# Ten days, of which three are left: made by the CA's own openssl.
age() {
	cat >age.cnf <<-CNF
		[ca]
		default_ca = x
		[x]
		database = .ca/index.txt
		new_certs_dir = .ca/issued
		rand_serial = yes
		unique_subject = no
		default_md = sha256
		policy = p
		[p]
		organizationName = supplied
		organizationalUnitName = supplied
		commonName = supplied
		[e]
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = clientAuth
		subjectAltName = URI:strife://client/$1
	CNF
	(cd ca && openssl req -new -key "$1.key" -subj "/O=Strife/OU=client/CN=$1" \
		-out ../age.csr && openssl ca -batch -notext -config ../age.cnf \
		-cert ca.crt -keyfile ca.key -extensions e -in ../age.csr \
		-out ../age.crt -startdate "$(date -u -d "$2" +%Y%m%d%H%M%SZ)" \
		-enddate "$(date -u -d "$3" +%Y%m%d%H%M%SZ)" &&
		cat ../age.crt >"$1.crt") >out 2>err
}
age shorty '-7 days' '+3 days -1 hour'
ok $? 'when it has aged'

echo '# what issue refuses'
exits 0 'hosts that it has anyhow, and one twice' issue gateway gw2 \
	--host ::1 --host 0:0::0001 --host 127.0.0.1 --host LOCALHOST \
	--host a.example.org --host A.example.org \
	--host 2001:db8::ab --host=2001:DB8:0:0:0:0:0:00AB --host fe80::
extensions ca/gw2.crt >out 2>err
grep -qx ' *URI:strife://gateway/gw2, DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:a.example.org, IP Address:2001:DB8:0:0:0:0:0:AB, IP Address:FE80:0:0:0:0:0:0:0' out
ok $? 'each stands there once'
exits 0 'operands behind --' issue client -- behind
[ -s ca/behind.crt ]
ok $? 'are operands'
exits 64 'and so are options there' issue -- client --days
says "the name '--days' cannot be used for files" 'a name is wrong'
rm -f ca/gw2.crt ca/gw2.key ca/behind.crt ca/behind.key
before=$(state)
exits 73 'one that exists' issue client alice
says 'revoke' 'it says how to replace it'
exits 73 'the name of another role' issue client BankA
exits 64 'no role' issue
exits 64 'an unknown role' issue operator olga
exits 64 'no name' issue client
exits 64 'two names' issue client a b
exits 64 'an unknown option' issue client a --hosts x
exits 64 'an option without its value' issue client a --days
exits 64 'a host for a client' issue client a --host a.example.org
for days in '' 0 -1 07 1.5 3651 99999 18446744073709551617 x; do
	exits 64 "--days '$days'" issue client a --days "$days"
done
for host in '' '*' '*.example.org' 'a b' 'a,DNS:b' 1.2.3 1.2.3.256 \
	'[::1]' ::g 10.0.0.1/8 -x 'a:80' 1::2::3 1:2:3:4:5:6:7 \
	1:2:3:4:5:6:7:8:9 :::1 :1:2:3:4:5:6:7 12345::; do
	exits 64 "--host '$host'" issue gateway g --host "$host"
done
long=$(printf '%065d' 7)
for name in '' ca .hidden -x a/b ../a 'a b' a%41 "$long" 'é'; do
	exits 64 "client '$name'" issue client "$name"
done
exits 64 'a line feed in the name' issue client "a
b"
for name in 1Bank Bank.A Bank_A -Bank "B$(printf '%032d' 7)"; do
	exits 64 "bank '$name'" issue bank "$name"
done
[ "$(state)" = "$before" ]
ok $? 'none of these changed anything'
! find ca/.ca -name 'work*' | grep -q .
ok $? 'or left anything behind'
exits 0 'the longest name' issue client "${long#?}"

echo '# an issue that fails half-way'
mkdir fake
real=$(command -v openssl)
cat >fake/openssl <<FAKE
#!/bin/sh
# Fails at the signature, after it has written some of it.
if [ "\$1" = ca ]; then
	while [ \$# -gt 0 ] && [ "\$1" != -out ]; do shift; done
	echo half >"\$2"
	exit 1
fi
exec "$real" "\$@"
FAKE
chmod 755 fake/openssl
before=$(state)
PATH=$tmp/fake:$PATH "$bin/strife-ca" -d "$tmp/ca" issue client half \
	>out 2>err
[ $? -eq 71 ]
ok $? 'openssl fails: exit 71'
[ "$(state)" = "$before" ]
ok $? 'no half file is left'
mkdir empty
PATH=$tmp/fake:$PATH "$bin/strife-ca" -d "$tmp/empty" init >out 2>err
[ $? -eq 71 ] && [ -z "$(ls -A empty)" ]
ok $? 'nor of a failed init'
"$bin/strife-ca" -d "$tmp/empty" init >out 2>err
ok $? 'which can be run again'

echo '# check'
exits 1 'something is due' check
tab=$(printf '\t')
grep -Eq "^ca${tab}ca${tab}[0-9]{4}-[0-9]{2}-[0-9]{2}${tab}3[0-9]{3}${tab}ok\$" out
ok $? 'the CA, in tab-separated columns'
grep -Eq "^gw1${tab}gateway${tab}.*${tab}36[45]${tab}ok\$" out
ok $? 'the gateway'
grep -Eq "^BankA${tab}bank${tab}.*${tab}ok\$" out
ok $? 'the bank'
grep -Eq "^shorty${tab}client${tab}.*${tab}2${tab}due\$" out
ok $? 'the client, due: less than a third of its life is left'
grep -Eq "^ca.crl${tab}crl${tab}.*${tab}ok\$" out
ok $? 'the revocation list'
exits 64 'check takes no operands' check alice
exits 0 'with it renewed' renew --if-due
exits 0 'all is well' check
chmod 644 ca/alice.key
exits 1 'a key that others can read' check
says 'alice.key: mode is not 600 (chmod 600' 'is named, and what to do'
chmod 666 ca/ca.crt
exits 1 'a certificate that others can write' check
says 'ca.crt: mode is not 644' 'is named, too'
chmod 600 ca/alice.key && chmod 644 ca/ca.crt
cp -p ca/alice.key alice.key && cat ca/BankA.key >ca/alice.key
exits 1 'a key of another certificate' check
says 'alice.key: is not the key of alice.crt' 'is named'
rm ca/alice.key
exits 1 'a key that is not there' check
says 'alice.key: is missing' 'is named'
cp -p alice.key ca/alice.key
mv ca/ca.crl crl.kept
exits 1 'no revocation list' check
says 'ca.crl: not a revocation list' 'is named'
mv crl.kept ca/ca.crl
age shorty '-9 days' '-1 hour'
exits 1 'an expired one' check
grep -Eq "^shorty${tab}client${tab}.*${tab}-1${tab}expired\$" out
ok $? 'is expired'
age shorty '-7 days' '+3 days -1 hour'
exits 1 'what was replaced by hand' check

echo '# renew'
exits 64 'neither --if-due nor names' renew
exits 64 'both --if-due and names' renew --if-due gw1
says 'takes --if-due or names, not both' 'it says so'
exits 64 'in the other order, too' renew gw1 --if-due
says 'takes --if-due or names, not both' 'it says so'
exits 64 'an unknown option' renew --if-du
says "unknown option '--if-du'" 'it says so'
exits 64 'behind -- a name' renew -- --if-due
says "the name '--if-due' cannot be used for files" 'which is wrong'
cp ca/gw1.crt gw1.before
cp ca/shorty.crt shorty.before
cp ca/shorty.key shorty.key.before
exits 0 'what is due' renew --if-due
[ "$(wc -l <out)" -eq 1 ] && grep -q '^renewed shorty ' out
ok $? 'it names what it renewed'
[ ! -s err ]
ok $? 'and says nothing else'
cmp -s gw1.before ca/gw1.crt
ok $? 'what is not due is left alone'
cmp -s shorty.key.before ca/shorty.key
ok $? 'the key stays'
cmp -s shorty.before ca/shorty.crt
[ $? -eq 1 ]
ok $? 'the certificate is new'
openssl verify -CAfile ca/ca.crt ca/shorty.crt >out 2>err
ok $? 'and verifies'
exits 0 'one by its name' renew gw1
extensions gw1.before >want 2>err
extensions ca/gw1.crt >out 2>err
cmp -s want out
ok $? 'it has the same names and purposes'
exits 65 'one that is not there' renew nobody

echo '# revoke and crl'
verify_crl() {
	openssl verify -crl_check -CRLfile ca/ca.crl -CAfile ca/ca.crt "$1" \
		>"$tmp/out" 2>"$tmp/err"
}
verify_crl ca/shorty.crt
ok $? 'not revoked yet'
exits 0 'revoke' revoke shorty
! verify_crl ca/shorty.crt && grep -q 'certificate revoked' err
ok $? 'the new list refuses it'
! verify_crl shorty.before && grep -q 'certificate revoked' err
ok $? 'the one that was renewed before, too'
verify_crl ca/alice.crt
ok $? 'others are still good'
exits 1 'check tells it' check
grep -Eq "^shorty${tab}client${tab}.*${tab}revoked\$" out
ok $? 'as revoked'
exits 0 'again: nothing to do' revoke shorty
exits 65 'one that is not there' revoke nobody
exits 64 'no name' revoke
before=$(cksum ca/shorty.crt)
exits 0 'a revoked one is not renewed' renew --if-due
[ "$(cksum ca/shorty.crt)" = "$before" ]
ok $? 'it is left alone'
exits 65 'not by its name either' renew shorty
exits 0 'but may be issued anew' issue client shorty
cmp -s shorty.key.before ca/shorty.key
[ $? -eq 1 ]
ok $? 'with a new key'
verify_crl ca/shorty.crt
ok $? 'which is good'
exits 0 'all is well' check
before=$(openssl crl -in ca/ca.crl -noout -crlnumber)
exits 0 'crl' crl
[ "$(openssl crl -in ca/ca.crl -noout -crlnumber)" != "$before" ]
ok $? 'a new list'

"$bin/strife-ca" -d ca check >/dev/full 2>err
[ $? -eq 73 ] && [ "$(wc -l <err)" -eq 1 ]
ok $? 'a list that cannot be written: exit 73, said once'

echo '# what others put there'
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	-keyout ca/foreign.key -out ca/foreign.crt -days 1 -subj /CN=foreign \
	-addext 'subjectAltName=URI:strife://gateway/gw1' >out 2>err
before=$(cksum ca/foreign.crt)
exits 1 'a certificate of another CA' check
grep -Eq "^foreign${tab}gateway${tab}.*${tab}foreign\$" out
ok $? 'is foreign'
exits 0 'a stranger is not renewed' renew --if-due
[ "$(cksum ca/foreign.crt)" = "$before" ]
ok $? 'our CA does not sign its name'
echo rubbish >ca/rubbish.crt
exits 1 'check goes on after a file that is no certificate' check
says 'rubbish.crt: not a certificate' 'and names it'
grep -q '^shorty' out
ok $? 'the rest is printed'
rm -f ca/foreign.* ca/rubbish.crt

echo '# several at once, and where the default is'
pids=
for i in 1 2 3 4; do
	"$bin/strife-ca" -d "$tmp/ca" issue client "many$i" >>out 2>>err &
	pids="$pids $!"
done
failed=0
for pid in $pids; do
	wait "$pid" || failed=1
done
ok $failed 'four at once all succeed'
[ "$(find ca -name 'many*.crt' | wc -l)" -eq 4 ] &&
	[ "$(cut -f 4 ca/.ca/index.txt | sort | uniq -d | wc -l)" -eq 0 ]
ok $? 'each with a serial number of its own'
mkdir -p tree/bin tree/certs else
cp "$bin/strife-ca" tree/bin/
(cd else && ../tree/bin/strife-ca init) >out 2>err && [ -e tree/certs/ca.crt ]
ok $? 'the default is ../certs beside the script'
rm -rf tree/certs
(cd else && ../tree/bin/strife-ca init) >out 2>err && [ -e else/certs/ca.crt ]
ok $? 'or else ./certs'
mkdir -p "with space \$x" && "$bin/strife-ca" -d "with space \$x" init \
	>out 2>err && "$bin/strife-ca" -d "with space \$x" check >out 2>err
ok $? 'any name of a directory will do'

echo '# what cannot be read'
# as_nobody ARGUMENT...: strife-ca as a user whom permissions bind.
as_nobody() {
	if [ "$(id -u)" -eq 0 ]; then
		set -- setpriv --reuid 65534 --regid 65534 --clear-groups \
			"$tmp/tree/bin/strife-ca" "$@"
	else
		set -- "$tmp/tree/bin/strife-ca" "$@"
	fi
	"$@" >"$tmp/out" 2>"$tmp/err"
}
chmod 755 "$tmp" tree tree/bin tree/bin/strife-ca
mkdir shut shut/ca open && mkdir -m 755 open/.ca && : >open/ca.crt
chmod 0 shut open/.ca && chmod 755 open && : >file
for dir in shut shut/ca open; do
	as_nobody -d "$dir" check
	[ $? -eq 78 ] && grep -Eq "^strife-ca: $dir(/.ca)?: Permission denied" err
	ok $? "$dir: exit 78, it says why"
done
chmod 700 shut open/.ca
for dir in file file/ca; do
	"$bin/strife-ca" -d "$dir" check >out 2>err
	[ $? -eq 78 ] && grep -q "^strife-ca: $dir: Not a directory" err
	ok $? "$dir: exit 78, it says what it is"
done
"$bin/strife-ca" -d nowhere check >out 2>err
[ $? -eq 78 ] && grep -q "^strife-ca: nowhere: no such directory" err
ok $? 'none: exit 78, it says so'

echo "1..$count"

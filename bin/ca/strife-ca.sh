#!/bin/sh
# The certificates of a Strife deployment: a small CA around openssl(1).
# See strife-ca(8). One fresh process of openssl a step, all state in DIR.
set -u
LC_ALL=C
export LC_ALL
unset CDPATH
umask 077

version=0.1.0
ca_days=3650
leaf_days=365
crl_days=365
crl_due_days=30
# Peers whose clocks are a little behind accept a new certificate at once.
backdate_s=300

EX_USAGE=64
EX_DATA=65
EX_UNAVAILABLE=69
EX_OSERR=71
EX_CANTCREATE=73
EX_TEMPFAIL=75
EX_CONFIG=78

usage_text='usage: strife-ca [-d DIR] init
       strife-ca [-d DIR] issue gateway|bank|client NAME [--host HOST]...
                 [--days N]
       strife-ca [-d DIR] renew --if-due | NAME...
       strife-ca [-d DIR] revoke NAME
       strife-ca [-d DIR] crl
       strife-ca [-d DIR] check
       strife-ca -h | -V'

work=
unfinished=

cleanup() {
	[ -z "$unfinished" ] || rm -f -- "$unfinished"
	[ -z "$work" ] || rm -rf -- "$work"
	unfinished=
	work=
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

die() {
	code=$1
	shift
	printf 'strife-ca: %s\n' "$*" >&2
	exit "$code"
}

usage() {
	printf 'strife-ca: %s\ntry: strife-ca -h\n' "$*" >&2
	exit "$EX_USAGE"
}

# say FORMAT ARGUMENT...: printf, where what cannot be written is an error.
say() {
	# shellcheck disable=SC2059
	printf "$@" 2>/dev/null ||
		die "$EX_CANTCREATE" 'standard output cannot be written'
}

# tell -h|-V: prints what is asked for, and that is all.
tell() {
	case $1 in
	-h | --help) say '%s\n' "$usage_text" ;;
	*) say 'strife-ca %s\n' "$version" ;;
	esac
	exit 0
}

# What openssl says is shown only when it fails.
run() {
	openssl "$@" >"$work/said" 2>&1 </dev/null && return 0
	cat -- "$work/said" >&2
	return 1
}

# ---- Dates: seconds since 1970, without GNU date ----

date_functions='
function from_civil(y, m, d, h, mi, s) {
	if (m <= 2) { y--; m += 12 }
	return (365 * y + int(y / 4) - int(y / 100) + int(y / 400) + \
	    int((153 * (m - 3) + 2) / 5) + d - 719469) * 86400 + \
	    h * 3600 + mi * 60 + s
}
function to_asn1(t,    z, era, doe, yoe, y, doy, mp, d, m, s) {
	z = int(t / 86400) + 719468; s = t % 86400
	era = int(z / 146097); doe = z - era * 146097
	yoe = int((doe - int(doe / 1460) + int(doe / 36524) - \
	    int(doe / 146096)) / 365)
	y = yoe + era * 400
	doy = doe - (365 * yoe + int(yoe / 4) - int(yoe / 100))
	mp = int((5 * doy + 2) / 153)
	d = doy - int((153 * mp + 2) / 5) + 1
	m = mp < 10 ? mp + 3 : mp - 9
	if (m <= 2) y++
	return sprintf("%04d%02d%02d%02d%02d%02dZ", y, m, d, int(s / 3600), \
	    int(s % 3600 / 60), s % 60)
}'

asn1_time() {
	awk -v t="$1" "$date_functions"' BEGIN { print to_asn1(t) }'
}

# ---- Names ----

is_name() {
	case $1 in
	'' | *[!A-Za-z0-9._-]*) return 1 ;;
	esac
	[ "${#1}" -le 64 ]
}

# A file name may not look like an option or be hidden, nor be the CA's own.
check_name() {
	case $2 in
	-* | .* | ca | token) usage "the name '$2' cannot be used for files" ;;
	esac
	case $1 in
	bank)
		case $2 in
		[!A-Za-z]* | *[!A-Za-z0-9-]*)
			usage "bad bank name '$2': a letter, then letters," \
				"digits and '-'"
			;;
		esac
		[ "${#2}" -le 32 ] ||
			usage "bad bank name '$2': 1 to 32 characters"
		;;
	*)
		is_name "$2" ||
			usage "bad name '$2': 1 to 64 letters, digits," \
				"'.', '_' and '-'"
		;;
	esac
}

is_ipv4() {
	printf '%s\n' "$1" | awk -F. '
		NF != 4 { exit 1 }
		{ for (i = 1; i <= 4; i++)
			if ($i !~ /^(0|[1-9][0-9]?[0-9]?)$/ || $i > 255)
				exit 1 }'
}

is_ipv6() {
	printf '%s\n' "$1" | awk -F: '
		/[^0-9A-Fa-f:]/ || /:::/ || /::.*::/ { exit 1 }
		/^:[^:]/ || /[^:]:$/ { exit 1 }
		{
			for (i = 1; i <= NF; i++) {
				if (length($i) > 4)
					exit 1
				if ($i != "")
					groups++
			}
			exit /::/ ? groups > 7 : groups != 8
		}'
}

# Prints an address that is_ipv6 takes as openssl(1) does: each has one form.
whole_ipv6() {
	printf '%s\n' "$1" | awk '
		function add(groups,    n, i, part, group) {
			n = split(groups, part, ":")
			for (i = 1; i <= n; i++) {
				group = toupper(part[i])
				sub(/^0+/, "", group)
				text = text ":" (group == "" ? "0" : group)
			}
			return n
		}
		{
			halves = split($0, half, "::")
			left = 8 - add(half[1])
			if (halves > 1)
				left -= split(half[2], ignored, ":")
			while (left-- > 0)
				text = text ":0"
			if (halves > 1)
				add(half[2])
			print substr(text, 2)
		}'
}

# Prints a host as a subject alternative name; fails where it cannot be one.
host_san() {
	case $1 in
	'' | -* | .* | *[!A-Za-z0-9.:_-]*) return 1 ;;
	*:*) is_ipv6 "$1" && printf 'IP:%s' "$(whole_ipv6 "$1")" ;;
	*[!0-9.]*)
		[ "${#1}" -le 253 ] && printf 'DNS:%s' "$1"
		;;
	*)
		is_ipv4 "$1" && printf 'IP:%s' "$1"
		;;
	esac
}

# ---- The CA's directory ----

need_openssl() {
	command -v openssl >/dev/null ||
		die "$EX_UNAVAILABLE" "openssl(1) is needed and not installed"
}

# Everything happens inside DIR, so that its path never needs quoting.
enter() {
	if [ ! -d "$dir" ] || ! cd -- "$dir" 2>/dev/null; then
		# Only another program says why.
		why=$(ls -d -- "$dir/." 2>&1 >/dev/null)
		case $why in
		*': No such file or directory')
			die "$EX_CONFIG" "$dir: no such directory" \
				"(strife-ca init)"
			;;
		esac
		die "$EX_CONFIG" "$dir: ${why##*: }"
	fi
	[ -r . ] || die "$EX_CONFIG" "$dir: Permission denied"
	if [ -d .ca ] && [ ! -x .ca ]; then
		die "$EX_CONFIG" "$dir/.ca: Permission denied"
	fi
	if [ ! -f ca.crt ] || [ ! -f .ca/index.txt ]; then
		die "$EX_CONFIG" "$dir: no CA here: run strife-ca init first"
	fi
}

begin() {
	need_openssl
	enter
	[ -r ca.key ] || die "$EX_CONFIG" "$dir/ca.key: cannot be read"
	lock
	make_work
}

lock() {
	command -v flock >/dev/null ||
		die "$EX_UNAVAILABLE" "flock(1) is needed and not installed"
	{ exec 9>.ca/lock; } 2>/dev/null ||
		die "$EX_CANTCREATE" "$dir/.ca: cannot be written"
	flock -w 30 9 ||
		die "$EX_TEMPFAIL" "$dir: another strife-ca is at work"
}

make_work() {
	work=$(mktemp -d .ca/work.XXXXXX 2>/dev/null) ||
		die "$EX_CANTCREATE" "$dir/.ca: cannot be written"
	cat >"$work/ca.cnf" <<-CNF
		[req]
		distinguished_name = name
		[name]
		[ca]
		default_ca = strife
		[strife]
		database = .ca/index.txt
		new_certs_dir = .ca/issued
		certificate = ca.crt
		private_key = ca.key
		crlnumber = .ca/crlnumber
		rand_serial = yes
		unique_subject = no
		default_md = sha256
		default_crl_days = $crl_days
		crl_extensions = crl
		copy_extensions = none
		policy = subject
		[subject]
		organizationName = supplied
		organizationalUnitName = supplied
		commonName = supplied
		[crl]
		authorityKeyIdentifier = keyid
	CNF
}

# Reads a certificate into serial starts ends days_left due role who shown san.
# It is due when less than a third of its life is left.
describe() {
	described=$(openssl x509 -in "$1" -noout -serial -startdate -enddate \
		-dateopt iso_8601 -ext subjectAltName 2>/dev/null |
		awk -F= -v now="$(date +%s)" "$date_functions"'
		function seconds(text,    p) {
			split(text, p, /[-: Z]/)
			return from_civil(p[1], p[2], p[3], p[4], p[5], p[6])
		}
		$1 == "serial" { serial = $2 }
		$1 == "notBefore" { starts = seconds($2) }
		$1 == "notAfter" { ends = seconds($2); shown = substr($2, 1, 10) }
		/^ / {
			san = $0
			gsub(/IP Address:/, "IP:", san)
			gsub(/ /, "", san)
		}
		END {
			if (serial == "" || ends == "")
				exit 1
			left = ends < now ? -1 : int((ends - now) / 86400)
			due = (ends - now) * 3 < ends - starts ? "yes" : "no"
			role = who = "-"
			n = split(san, name, ",")
			for (i = 1; i <= n; i++)
				if (name[i] ~ /^URI:strife:\/\//) {
					split(name[i], p, "/")
					role = p[3]
					who = p[4]
				}
			if (san == "")
				san = "-"
			printf "%s %.0f %.0f %d %s %s %s %s %s\n", serial, \
			    starts, ends, left, due, role, who, shown, san
		}') || return 1
	read -r serial starts ends days_left due role who shown san <<-FIELDS
		$described
	FIELDS
}

# has_state V|R SERIAL: issued by this CA, and still valid, or revoked.
has_state() {
	awk -F '\t' -v state="$1" -v serial="$2" '
		$1 == state && $4 == serial { found = 1 }
		END { exit !found }' .ca/index.txt
}

# ---- Signing ----

# request ROLE NAME [KEY]: makes $work/csr, and $work/key where KEY is not given.
request() {
	if [ $# -eq 3 ]; then
		run req -new -sha256 -config "$work/ca.cnf" -key "$3" \
			-out "$work/csr" -subj "/O=Strife/OU=$1/CN=$2"
	else
		run req -new -sha256 -config "$work/ca.cnf" -newkey ec \
			-pkeyopt ec_paramgen_curve:P-256 -nodes \
			-keyout "$work/key" -out "$work/csr" \
			-subj "/O=Strife/OU=$1/CN=$2"
	fi
}

# sign DAYS SAN EKU: makes $work/crt of $work/csr.
sign() {
	now=$(date +%s)
	end=$((now + $1 * 86400))
	describe ca.crt || die "$EX_DATA" "$dir/ca.crt: cannot be read"
	[ "$ends" -gt "$now" ] ||
		die "$EX_CONFIG" "$dir/ca.crt: the CA's certificate has expired"
	# One that outlived its CA would only seem to be good.
	if [ "$end" -gt "$ends" ]; then
		end=$ends
		printf 'strife-ca: shortened to the end of the CA, %s\n' \
			"$shown" >&2
	fi
	cat >"$work/ext.cnf" <<-CNF
		basicConstraints = critical, CA:FALSE
		keyUsage = critical, digitalSignature
		extendedKeyUsage = $3
		subjectKeyIdentifier = hash
		authorityKeyIdentifier = keyid
		subjectAltName = $2
	CNF
	run ca -batch -notext -config "$work/ca.cnf" -in "$work/csr" \
		-out "$work/crt" -extfile "$work/ext.cnf" \
		-startdate "$(asn1_time $((now - backdate_s)))" \
		-enddate "$(asn1_time "$end")" && [ -s "$work/crt" ] &&
		chmod 644 "$work/crt"
}

eku_of() {
	case $1 in
	gateway) echo serverAuth,clientAuth ;;
	*) echo clientAuth ;;
	esac
}

make_crl() {
	run ca -gencrl -config "$work/ca.cnf" -out "$work/crl" &&
		[ -s "$work/crl" ] && chmod 644 "$work/crl" &&
		mv -f -- "$work/crl" ca.crl
}

# ---- Commands ----

refuse_second_init() {
	for file in ca.crt ca.key ca.crl .ca; do
		if [ -e "$file" ] || [ -h "$file" ]; then
			die "$EX_CANTCREATE" "$dir/$file exists: there is a" \
				"CA already, nothing was changed"
		fi
	done
}

cmd_init() {
	[ $# -eq 0 ] || usage "init takes no operands"
	need_openssl
	{ mkdir -p -- "$dir" && cd -- "$dir"; } 2>/dev/null ||
		die "$EX_CANTCREATE" "$dir: cannot be made"
	refuse_second_init
	# mkdir is the lock: of two at once, one goes on.
	mkdir .ca 2>/dev/null ||
		die "$EX_CANTCREATE" "$dir/.ca: cannot be made"
	unfinished_init=1
	trap 'undo_init; cleanup' EXIT
	{ mkdir .ca/issued && : >.ca/index.txt && echo 01 >.ca/crlnumber; } ||
		die "$EX_OSERR" "$dir/.ca: cannot be written"
	make_work
	cat >>"$work/ca.cnf" <<-CNF
		[root]
		basicConstraints = critical, CA:TRUE, pathlen:0
		keyUsage = critical, keyCertSign, cRLSign
		subjectKeyIdentifier = hash
	CNF
	now=$(date +%s)
	request ca "Strife CA" ||
		die "$EX_OSERR" "the CA's key could not be made"
	run ca -batch -notext -selfsign -config "$work/ca.cnf" \
		-keyfile "$work/key" -in "$work/csr" -out "$work/crt" \
		-extensions root \
		-startdate "$(asn1_time $((now - backdate_s)))" \
		-enddate "$(asn1_time $((now + ca_days * 86400)))" ||
		die "$EX_OSERR" "the CA's certificate could not be made"
	# Not a certificate's: a gateway signs its tokens with it.
	[ -e token.key ] ||
		run genpkey -algorithm ed25519 -out "$work/token" ||
		die "$EX_OSERR" "the key for tokens could not be made"
	{ chmod 644 "$work/crt" && mv -- "$work/key" ca.key &&
		mv -- "$work/crt" ca.crt && make_crl &&
		{ [ -e token.key ] || mv -- "$work/token" token.key; }; } ||
		die "$EX_OSERR" "$dir: cannot be written"
	unfinished_init=
}

undo_init() {
	[ -n "$unfinished_init" ] || return 0
	rm -rf -- .ca
	rm -f -- ca.crt ca.key ca.crl
}

check_days() {
	case $1 in
	'' | 0* | *[!0-9]* | ?????*) usage "--days takes 1 to 3650" ;;
	esac
	[ "$1" -le 3650 ] || usage "--days takes 1 to 3650"
}

# One that exists is left alone, unless it was revoked.
refuse_existing() {
	[ -e "$2.crt" ] || return 0
	describe "$2.crt" || die "$EX_DATA" "$dir/$2.crt: not a certificate"
	[ "$role" = "$1" ] ||
		die "$EX_CANTCREATE" "$dir/$2.crt exists, for a $role:" \
			"choose another name"
	has_state R "$serial" ||
		die "$EX_CANTCREATE" "$dir/$2.crt exists: renew it, or revoke" \
			"it first to issue it with a new key"
}

# Sets issue_role, issue_name, issue_days and issue_san.
issue_parse() {
	issue_role=
	issue_name=
	issue_days=$leaf_days
	hosts=DNS:localhost,IP:127.0.0.1,IP:0:0:0:0:0:0:0:1
	host_given=
	while [ $# -gt 0 ]; do
		case $1 in
		--host | --days)
			[ $# -ge 2 ] || usage "$1 needs a value"
			issue_option "$1" "$2"
			shift
			;;
		--host=* | --days=*) issue_option "${1%%=*}" "${1#*=}" ;;
		-h | --help | -V | --version) tell "$1" ;;
		--)
			shift
			for operand; do
				issue_operand "$operand"
			done
			break
			;;
		-*) usage "unknown option '$1'" ;;
		*) issue_operand "$1" ;;
		esac
		shift
	done
	[ -n "$issue_name" ] || usage "issue needs a role and a name"
	check_name "$issue_role" "$issue_name"
	issue_san=URI:strife://$issue_role/$issue_name
	if [ "$issue_role" = gateway ]; then
		issue_san=$issue_san,$hosts
	elif [ -n "$host_given" ]; then
		usage "--host is for a gateway's certificate"
	fi
}

issue_operand() {
	if [ -z "$issue_role" ]; then
		case $1 in
		gateway | bank | client) issue_role=$1 ;;
		*) usage "unknown role '$1': gateway, bank or client" ;;
		esac
		return
	fi
	[ -z "$issue_name" ] || usage "one name at a time"
	[ -n "$1" ] || usage "the name is empty"
	issue_name=$1
}

issue_option() {
	if [ "$1" = --days ]; then
		check_days "$2"
		issue_days=$2
		return
	fi
	host=$(host_san "$2") || usage "bad host '$2': a name or an address"
	host_given=1
	# Once each, in whichever case a name is written.
	printf '%s\n' "$hosts" | tr , '\n' | grep -Fqix -e "$host" ||
		hosts=$hosts,$host
}

cmd_issue() {
	issue_parse "$@"
	begin
	refuse_existing "$issue_role" "$issue_name"
	{ request "$issue_role" "$issue_name" &&
		sign "$issue_days" "$issue_san" "$(eku_of "$issue_role")"; } ||
		die "$EX_OSERR" "no certificate was issued for $issue_name"
	# The key first: a certificate without its key is of no use to anybody.
	[ -e "$issue_name.crt" ] || unfinished=$issue_name.key
	{ mv -f -- "$work/key" "$issue_name.key" &&
		mv -f -- "$work/crt" "$issue_name.crt"; } ||
		die "$EX_CANTCREATE" "$dir/$issue_name.crt: cannot be written"
	unfinished=
}

# The key stays, so that the change is one rename(2).
renew_one() {
	days=$(((ends - starts + 43200) / 86400))
	[ "$days" -ge 1 ] || days=1
	[ -r "$1.key" ] || die "$EX_CONFIG" "$dir/$1.key: cannot be read"
	{ request "$role" "$who" "$1.key" &&
		sign "$days" "$san" "$(eku_of "$role")" &&
		mv -f -- "$work/crt" "$1.crt"; } ||
		die "$EX_OSERR" "$1 could not be renewed"
	describe "$1.crt"
	printf 'renewed %s until %s\n' "$1" "$shown"
}

load_for_renewal() {
	describe "$1.crt" || die "$EX_DATA" "$dir/$1.crt: not a certificate"
	case $role in
	gateway | bank | client) ;;
	*) return 1 ;;
	esac
	# Never the names of a certificate that somebody else has signed.
	has_state V "$serial"
}

crl_days_left() {
	openssl crl -in ca.crl -noout -nextupdate -dateopt iso_8601 \
		2>/dev/null | awk -F= -v now="$(date +%s)" "$date_functions"'
		$1 == "nextUpdate" {
			split($2, p, /[-: Z]/)
			t = from_civil(p[1], p[2], p[3], p[4], p[5], p[6])
			printf "%d %s\n", t < now ? -1 : int((t - now) / 86400), \
			    substr($2, 1, 10)
			found = 1
		}
		END { exit !found }'
}

renew_due() {
	for file in *.crt; do
		if [ "$file" = ca.crt ] || ! load_for_renewal "${file%.crt}"; then
			continue
		fi
		[ "$due" = no ] || renew_one "${file%.crt}"
	done
	left=$(crl_days_left) || left='-1 never'
	if [ "${left%% *}" -lt "$crl_due_days" ]; then
		make_crl || die "$EX_OSERR" "$dir/ca.crl: could not be renewed"
		echo 'renewed ca.crl'
	fi
	describe ca.crt
	if [ "$days_left" -lt "$leaf_days" ]; then
		printf 'strife-ca: the CA itself ends on %s: plan its successor\n' \
			"$shown" >&2
	fi
}

cmd_renew() {
	if [ -n "$if_due" ]; then
		[ $# -eq 0 ] || usage "renew takes --if-due or names, not both"
		begin
		renew_due
		return
	fi
	[ $# -gt 0 ] || usage "renew takes --if-due or names"
	for name; do
		check_name client "$name"
	done
	begin
	for name; do
		[ -e "$name.crt" ] ||
			die "$EX_DATA" "$dir/$name.crt: no such certificate"
		load_for_renewal "$name" ||
			die "$EX_DATA" "$name was revoked, or is not ours"
		renew_one "$name"
	done
}

# Renewal leaves the older certificates of a key behind: all of them go.
cmd_revoke() {
	[ $# -eq 1 ] || usage "revoke takes one name"
	check_name client "$1"
	begin
	serials=$(awk -F '\t' -v name="$1" '
		$1 == "V" {
			n = split($6, part, "/")
			if (n == 4 && part[4] == "CN=" name)
				print $4
		}' .ca/index.txt)
	if [ -z "$serials" ]; then
		{ [ -e "$1.crt" ] && describe "$1.crt" &&
			has_state R "$serial"; } ||
			die "$EX_DATA" "$1: no certificate of that name"
	fi
	for serial in $serials; do
		run ca -config "$work/ca.cnf" \
			-revoke ".ca/issued/$serial.pem" ||
			die "$EX_OSERR" "$1 could not be revoked"
	done
	# Also when it was revoked before: this run may be the repair of one
	# that was cut short here.
	make_crl || die "$EX_OSERR" "$dir/ca.crl: could not be written"
}

cmd_crl() {
	[ $# -eq 0 ] || usage "crl takes no operands"
	begin
	make_crl || die "$EX_OSERR" "$dir/ca.crl: could not be written"
}

# print_row NAME ROLE EXPIRES DAYS_LEFT STATE
print_row() {
	[ "$5" = ok ] || all_well=1
	say "$row_format" "$1" "$2" "$3" "$4" "$5"
}

complain() {
	printf 'strife-ca: %s\n' "$*" >&2
	all_well=1
}

# state_of FILE: of the certificate that describe has read.
state_of() {
	if has_state R "$serial"; then
		echo revoked
	elif [ "$days_left" -lt 0 ]; then
		echo expired
	elif [ "$1" = ca.crt ] && [ "$days_left" -lt "$leaf_days" ]; then
		echo due
	elif [ "$1" != ca.crt ] && [ "$due" = yes ]; then
		echo due
	elif [ "$1" != ca.crt ] && ! has_state V "$serial"; then
		echo foreign
	else
		echo ok
	fi
}

# check_mode FILE MODE...: a secret others can read is no secret, and one that
# its own programs cannot read is of no use.
check_mode() {
	file_checked=$1
	shift
	for allowed; do
		if [ -n "$(find "./$file_checked" -prune -type f \
			-perm "$allowed")" ]; then
			return
		fi
	done
	complain "$file_checked: mode is not $1 (chmod $1" \
		"$dir/$file_checked)"
}

# Every private key, and whether it is the one of its certificate.
check_keys() {
	for key_checked in *.key; do
		[ -e "$key_checked" ] || continue
		check_mode "$key_checked" 600 400
		cert_checked=${key_checked%.key}.crt
		[ -e "$cert_checked" ] || continue
		if [ "$(openssl pkey -in "$key_checked" -pubout 2>/dev/null)" != \
			"$(openssl x509 -in "$cert_checked" -noout -pubkey \
				2>/dev/null)" ]; then
			complain "$key_checked: is not the key of $cert_checked"
		fi
	done
}

check_rows() {
	for file in ca.crt *.crt; do
		if [ "$file" = ca.crt ] && [ -n "${ca_shown-}" ]; then
			continue
		fi
		ca_shown=1
		if ! describe "$file"; then
			complain "$file: not a certificate"
			continue
		fi
		[ "$file" != ca.crt ] || role=ca
		print_row "${file%.crt}" "$role" "$shown" "$days_left" \
			"$(state_of "$file")"
		check_mode "$file" 644 444 640 440 600 400
		[ "$file" = ca.crt ] || [ -e "${file%.crt}.key" ] ||
			complain "${file%.crt}.key: is missing"
	done
}

check_crl() {
	if ! left=$(crl_days_left); then
		complain 'ca.crl: not a revocation list (strife-ca crl)'
		return
	fi
	state=ok
	if [ "${left%% *}" -lt 0 ]; then
		state=expired
	elif [ "${left%% *}" -lt "$crl_due_days" ]; then
		state=due
	fi
	print_row ca.crl crl "${left#* }" "${left%% *}" "$state"
}

cmd_check() {
	[ $# -eq 0 ] || usage "check takes no operands"
	need_openssl
	enter
	all_well=0
	row_format='%s\t%s\t%s\t%s\t%s\n'
	if [ -t 1 ]; then
		row_format='%-24s %-8s %-10s %5s %s\n'
		say "$row_format" NAME ROLE EXPIRES DAYS STATE
	fi
	check_rows
	check_crl
	check_keys
	exit "$all_well"
}

# ---- The command line ----

dir=
unfinished_init=
while [ $# -gt 0 ]; do
	case $1 in
	-d)
		[ $# -ge 2 ] || usage "-d needs a directory"
		dir=$2
		shift
		;;
	-d?*) dir=${1#-d} ;;
	-h | --help | -V | --version) tell "$1" ;;
	--)
		shift
		break
		;;
	-*) usage "unknown option '$1'" ;;
	*) break ;;
	esac
	shift
done
[ $# -ge 1 ] || usage "a command is needed"

# In a checkout the script is bin/strife-ca, and certs stands beside bin.
if [ -z "$dir" ]; then
	dir=$(dirname -- "$0")/../certs
	[ -d "$dir" ] || dir=certs
fi
# Not for cd to take it for the directory before.
[ "$dir" != - ] || dir=./-

command=$1
shift
case $command in
init | issue | renew | revoke | crl | check) ;;
*) usage "unknown command '$command'" ;;
esac

# The options of a command; those of issue have values. Operands stay in "$@".
if_due=
ended=
[ "$command" != issue ] || ended=1
for word; do
	shift
	case $ended$word in
	-h | --help | -V | --version) tell "$word" ;;
	--if-due)
		[ "$command" = renew ] || usage "unknown option '$word'"
		if_due=1
		;;
	--) ended=1 ;;
	-*) usage "unknown option '$word'" ;;
	*) set -- "$@" "$word" ;;
	esac
done
case $command in
init) cmd_init "$@" ;;
issue) cmd_issue "$@" ;;
renew) cmd_renew "$@" ;;
revoke) cmd_revoke "$@" ;;
crl) cmd_crl "$@" ;;
check) cmd_check "$@" ;;
esac

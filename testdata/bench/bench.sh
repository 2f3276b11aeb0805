#!/bin/bash
# How fast ssovault is, beside the smallest Go and C programs that do the same
# PKCS#11 work in one process, and beside Java's own way, on a throw-away SoftHSM
# token; a list of KEYS (10000) keys beside a C loop over them; backups beside tar,
# zstd and age. It prints tables and judges nothing.
# Give it a quiet machine, and five times MEBIBYTES (1024) in the temporary folder.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/testdata/bench
ssovault=$PWD/bin/ssovault
umask 077
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/tokens" "$work/in" "$work/plain" "$work/classes"

headers=$(go list -m -f '{{.Dir}}' github.com/miekg/pkcs11)
c() { gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -I"$headers" -o "$@"; }
c "$work/start" "$here"/least/{start,token}.c -ldl
c "$work/bulk" "$here"/least/{bulk,token}.c -ldl
c "$work/keys" "$here"/least/{keys,token}.c -ldl
c "$work/peak" "$here/least/peak.c"
c "$work/delay.so" -O1 -fPIC -shared -fvisibility=hidden testdata/p11fault/*.c -ldl -lpthread
javac -d "$work/classes" "$here/Start.java"
CGO_ENABLED=1 go build -trimpath -o "$work/measure" ./testdata/bench/measure
CGO_ENABLED=1 go build -trimpath -o "$work/bare" ./testdata/bench/bare
CGO_ENABLED=1 go build -trimpath -o "$work/same" ./testdata/bench/same

export SOFTHSM2_CONF=$work/softhsm2.conf
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$work/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label demo --so-pin 87654321 --pin 12345678 >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=sso.example.com \
	-keyout "$work/in/key.pem" -out "$work/in/cert.pem" 2>/dev/null
openssl pkcs12 -export -inkey "$work/in/key.pem" -in "$work/in/cert.pem" -name sso -passout pass:changeit -out "$work/in/sso.p12"
echo changeit >"$work/in/store.pass"
echo 12345678 >"$work/in/token.pin"
cp testdata/demo/metadata.xml "$work/in/"
sed "s|@IN@|$work/in|g" testdata/demo/answers.properties >"$work/in/answers.properties"
"$ssovault" --base "$work/plain" config --answers "$work/in/answers.properties" >/dev/null 2>"$work/in/dialog" ||
	{ cat "$work/in/dialog" >&2; exit 1; }

# The same folder once more, with a millisecond before each call to the library.
cp -a "$work/plain" "$work/slow"
library=$(sed -n 's/^sks\.library=//p' "$work/plain/data/sks.properties")
printf 'library %s\ndelay-us 1000\n' "$library" >"$work/delay.so.conf"
sed -i "s|^sks\.library=.*|sks.library=$work/delay.so|" "$work/slow/data/sks.properties"

# A full token of its own, so that the others stay quick. It is made in memory,
# where there is some to be had: SoftHSM writes each file several times over.
mkdir "$work/many"
nursery=$(mktemp -d -p /dev/shm 2>/dev/null || mktemp -d -p "$work")
trap 'rm -rf "$work" "$nursery"' EXIT
many() { printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$1" >"$work/many.conf"; }
many "$nursery"
SOFTHSM2_CONF=$work/many.conf softhsm2-util --init-token --free --label many --so-pin 87654321 --pin 12345678 >/dev/null
SOFTHSM2_CONF=$work/many.conf "$work/keys" make "$library" "${KEYS:-10000}" <"$work/in/token.pin"
cp -a "$nursery/." "$work/many"
many "$work/many"
rm -rf "$nursery"
echo "$library" >"$work/library"

# Once more, with MEBIBYTES of caches and dumps beside the settings.
cp -a "$work/plain" "$work/big"
go run ./testdata/bench/mix "$work/big/data" "${MEBIBYTES:-1024}"
age-keygen -o "$work/big.age" 2>/dev/null

"$work/measure" "$work" "$ssovault"

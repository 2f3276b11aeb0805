#!/bin/bash
# The main job, end to end, on a throw-away SoftHSM token under .demo/:
# configure, seal, start, what a broken byte comes to, a backup, the server that
# is lost, and the HSM that is lost.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=$PWD/testdata/demo
demo=$PWD/.demo
ssovault=$PWD/bin/ssovault
umask 077
rm -rf "$demo"
mkdir -p "$demo/tokens" "$demo/base" "$demo/in"

step() { printf '\n== %s\n' "$*"; }
show() { printf '$ %s\n' "$*"; "$@"; }

step "A throw-away token (SoftHSM) and the files that an administrator brings along"
export SOFTHSM2_CONF=$demo/softhsm2.conf SSOVAULT_BASE=$demo/base
printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$demo/tokens" >"$SOFTHSM2_CONF"
softhsm2-util --init-token --free --label demo --so-pin 87654321 --pin 12345678 >/dev/null
openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=sso.example.com \
	-keyout "$demo/in/key.pem" -out "$demo/in/cert.pem" 2>/dev/null
openssl pkcs12 -export -inkey "$demo/in/key.pem" -in "$demo/in/cert.pem" -name sso -passout pass:changeit -out "$demo/in/sso.p12"
echo changeit >"$demo/in/store.pass"
echo 12345678 >"$demo/in/token.pin"
cp "$here/metadata.xml" "$demo/in/"
sed "s|@IN@|$demo/in|g" "$here/answers.properties" >"$demo/in/answers.properties"
ls "$demo/in"

step "The dialog, answered from a file; without one it asks"
show "$ssovault" -config -answers "$demo/in/answers.properties"

step "The service starts with its settings unsealed, in memory only"
show "$ssovault" run -- "$here/service.sh"

step "What lies on the disk is sealed"
ls -l "$demo/base/data"
for file in instance shared; do
	printf '\n$ head data/%s.encp\n' $file
	sed '/^$/q' "$demo/base/data/$file.encp"
done

step "One setting changed: one save, the next generation"
show "$ssovault" set admin_port=8081
show "$ssovault" status

step "One broken byte"
cp "$demo/base/data/shared.encp" "$demo/in/shared.encp"
byte=$(od -An -tu1 -j700 -N1 "$demo/base/data/shared.encp")
printf "\\x$(printf %x $((byte ^ 1)))" | dd of="$demo/base/data/shared.encp" bs=1 seek=700 conv=notrunc status=none
status=0
show "$ssovault" run -- "$here/service.sh" || status=$?
echo "exit status $status"
[ $status -eq 26 ] || { echo "demo: the broken byte should have given 26"; exit 1; }
cp "$demo/in/shared.encp" "$demo/base/data/shared.encp"

step "The checklist"
show "$ssovault" doctor

step "A backup: no PIN, no HSM; what it needs stands in its manifest"
show "$ssovault" backup "$demo/in/kept.tar.zst"
show "$ssovault" backup verify "$demo/in/kept.tar.zst"
show "$ssovault" backup ls "$demo/in/kept.tar.zst"

step "A drill: the key in the token opens it"
show "$ssovault" backup drill "$demo/in/kept.tar.zst"

step "The server is lost, and comes back from the backup (the PIN is kept elsewhere)"
rm -rf "$demo/base"
mkdir "$demo/base"
cp "$demo/in/token.pin" "$demo/base/sks.pin"
status=0
show "$ssovault" restore "$demo/in/kept.tar.zst" </dev/null || status=$?
[ $status -eq 2 ] || { echo "demo: a backup should not choose the library unasked"; exit 1; }
show "$ssovault" restore --accept-sks --must-open "$demo/in/kept.tar.zst"
show "$ssovault" run -- "$here/service.sh"

step "A second way, for the day on which the HSM is gone: two of three custodians"
mkdir "$demo/custodians"
show "$ssovault" recovery init --generate --shares 3 --threshold 2 --share-dir "$demo/custodians"
sed '/^$/,$d' "$demo"/custodians/*-1-of-3.txt

step "The HSM is gone: the token is deleted"
softhsm2-util --delete-token --token demo >/dev/null
status=0
show "$ssovault" run -- "$here/service.sh" || status=$?
[ $status -eq 10 ] || { echo "demo: without the token it should have been 10"; exit 1; }

step "Two custodians, a new token: the settings come back under a new key"
softhsm2-util --init-token --free --label new --so-pin 87654321 --pin 12345678 >/dev/null
set -- "$demo"/custodians/*-of-3.txt
show "$ssovault" recovery open --share "$1" --share "$3" --token new --to-pin-source "file:$demo/in/token.pin" --yes
show "$ssovault" run -- "$here/service.sh"

printf '\nThe demo is in %s; "make clean" removes it.\n' .demo

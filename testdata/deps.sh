#!/bin/bash
# Installs the named Debian packages that are missing, or says what to install.
set -eu

# The file by which a package is known to be there, whoever installed it.
present() {
	case $1 in
	softhsm2) command -v softhsm2-util >/dev/null ;;
	opencryptoki) command -v pkcsslotd >/dev/null || [ -x /usr/sbin/pkcsslotd ] ;;
	opensc) command -v pkcs11-tool >/dev/null ;;
	default-jdk-headless) command -v keytool >/dev/null && command -v javac >/dev/null ;;
	*) command -v "$1" >/dev/null ;;
	esac
}

missing=()
for package in "$@"; do
	present "$package" || missing+=("$package")
done
for tool in go gcc; do
	command -v $tool >/dev/null || { echo "ssovault: $tool is missing: install Go 1.26 or newer, and gcc" >&2; exit 1; }
done
[ ${#missing[@]} -eq 0 ] && exit 0

if ! command -v apt-get >/dev/null; then
	echo "ssovault: please install what this distribution calls: ${missing[*]}" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	command -v sudo >/dev/null || { echo "ssovault: as root: apt-get install ${missing[*]}" >&2; exit 1; }
	as_root=(sudo)
fi
echo "ssovault: installing ${missing[*]} with apt-get"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null

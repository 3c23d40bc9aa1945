#!/usr/bin/env bash
# install-systemd.sh: systemd for the tests of services: `systemd-analyze`, `systemctl` and a `systemd --user` to run
# in a namespace of its own. Nothing of it is started. Linux with apt; elsewhere it says what to install.
set -euo pipefail

fail() {
  echo "install-systemd: $1" >&2
  echo "hint:            $2" >&2
  exit 69
}

[ "$(uname -s)" = Linux ] || exit 0

missing=()
command -v systemctl >/dev/null && command -v systemd-analyze >/dev/null || missing+=(systemd)
command -v unshare >/dev/null || missing+=(util-linux)
[ "${#missing[@]}" -eq 0 ] && exit 0

command -v apt-get >/dev/null || fail "${missing[*]}: not installed" "install ${missing[*]} with this system's package manager"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq || fail "apt-get update failed" "sudo apt-get install ${missing[*]}"
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  fail "apt-get install failed" "sudo apt-get install ${missing[*]}"

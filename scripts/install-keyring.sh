#!/usr/bin/env bash
# install-keyring.sh: a real Secret Service for the tests: gnome-keyring and the D-Bus session it needs. Does nothing when
# they are there. Linux with apt; elsewhere it says what to install.
set -euo pipefail

fail() {
  echo "install-keyring: $1" >&2
  echo "hint:            $2" >&2
  exit 69
}

[ "$(uname -s)" = Linux ] || exit 0

missing=()
command -v dbus-run-session >/dev/null || missing+=(dbus)
command -v gnome-keyring-daemon >/dev/null || missing+=(gnome-keyring)
command -v setpriv >/dev/null || missing+=(util-linux)
[ "${#missing[@]}" -eq 0 ] && exit 0

packages="${missing[*]}"
command -v apt-get >/dev/null || fail "$packages: not installed" "install $packages with this system's package manager"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "installing $packages"
"${as_root[@]}" apt-get update -qq || fail "apt-get update failed" "sudo apt-get install $packages"
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  fail "apt-get install failed" "sudo apt-get install $packages"

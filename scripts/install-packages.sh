#!/usr/bin/env bash
# install-packages.sh: the Debian packages that the tests need: a real Secret Service (gnome-keyring and the D-Bus session
# it wants), and systemd (`systemd-analyze`, `systemctl` and a `systemd --user` to run in a namespace of its own). Starts
# none of them, and does nothing when they are there. Linux with apt; elsewhere it says what to install.
set -euo pipefail

fail() {
  echo "install-packages: $1" >&2
  echo "hint:             $2" >&2
  exit 69
}

[ "$(uname -s)" = Linux ] || exit 0

missing=()
# need PACKAGE PROGRAM…: the package, unless all of its programs are there.
need() {
  local program
  for program in "${@:2}"; do
    command -v "$program" >/dev/null || { missing+=("$1") && return; }
  done
}
need dbus dbus-run-session
need gnome-keyring gnome-keyring-daemon
need systemd systemctl systemd-analyze
need util-linux setpriv unshare
[ "${#missing[@]}" -eq 0 ] && exit 0

packages="${missing[*]}"
command -v apt-get >/dev/null || fail "$packages: not installed" "install $packages with this system's package manager"
as_root=()
[ "$(id -u)" = 0 ] || as_root=(sudo -n)
echo "installing $packages"
"${as_root[@]}" apt-get update -qq || fail "apt-get update failed" "sudo apt-get install $packages"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
  fail "apt-get install failed" "sudo apt-get install $packages"

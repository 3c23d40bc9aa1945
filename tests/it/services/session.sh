#!/bin/sh
# session.sh SCRIPT LOOM: runs SCRIPT, with LOOM as $0, in a `systemd --user` of its own: other processes, units, runtime
# folder and control groups than those of this machine's session. Needs root. Exits with 77 where that cannot be.
set -eu

cannot() {
  echo "no systemd --user can run here: $1" >&2
  exit 77
}

if [ "${STAGE:-outside}" = outside ]; then
  [ "$(id -u)" = 0 ] || cannot "this is not root"
  unshare --mount true 2>/dev/null || cannot "no namespaces"
  STAGE=group exec unshare --mount --propagation private sh "$0" "$@"
fi

group=/sys/fs/cgroup/loom-test-$(basename "$HOME")
if [ "$STAGE" = group ]; then
  mount -t tmpfs none /run/systemd 2>/dev/null || cannot "/run/systemd is not there"
  mkdir /run/systemd/system
  mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null || cannot "no control groups of version 2"
  mkdir "$group" || cannot "no control group of its own"
  code=0
  STAGE=inside unshare --pid --fork --kill-child=KILL --mount-proc sh "$0" "$@" || code=$?
  find "$group" -depth -type d -exec rmdir {} +
  exit "$code"
fi

if [ "$STAGE" = inside ]; then
  echo $$ >"$group/cgroup.procs"
  STAGE=session exec unshare --cgroup sh "$0" "$@"
fi

umount /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
unset STAGE
mkdir -m 700 -p "$XDG_RUNTIME_DIR"
manager=/usr/lib/systemd/systemd
[ -x "$manager" ] || manager=/lib/systemd/systemd
[ -x "$manager" ] || cannot "systemd is not installed, see scripts/install-packages.sh"
"$manager" --user --unit=basic.target >"$HOME/systemd.log" 2>&1 &
tries=0
until systemctl --user is-active --quiet basic.target 2>/dev/null; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || cannot "it does not get ready: $(cat "$HOME/systemd.log")"
  sleep 0.05
done
exec 2>&1
sh -c "$1" "$2"

#!/usr/bin/env bash
# upgrade.sh BINARY when-idle|now: installs BINARY, brings the files of clients up to date, has the daemon replaced, and
# calls through `loom proxy`. `when-idle` waits until nothing is under way, UPGRADE_WAIT (10m) at most; `now` drains.
set -euo pipefail

binary=${1:?usage: upgrade.sh BINARY when-idle|now}
how=${2:?usage: upgrade.sh BINARY when-idle|now}
binary=$(cd "$(dirname "$binary")" && pwd)/$(basename "$binary")
root=$(cd "$(dirname "$0")/.." && pwd)
dir=${INSTALL_DIR:-$HOME/.local/bin}
loom=$dir/loom

fail() {
  echo "upgrade: $2" >&2
  [ -z "${3:-}" ] || echo "hint:    $3" >&2
  exit "$1"
}

case $how in when-idle | now) ;; *) fail 2 "restart \`when-idle\` or \`now\`, not \`$how\`" ;; esac
INSTALL_DIR=$dir "$root/scripts/install.sh" "$binary"
built=$("$binary" version)
installed=$("$loom" version)
[ "$built" = "$installed" ] || fail 70 "$loom is $installed, and what was built is $built"
echo "this is $installed; the one before is $loom.prev"

# 1: somebody changed what loom wrote, which is told and stays. 78: a client's file is broken, which is told, too.
synced=0
"$loom" sync all || synced=$?
case $synced in 0 | 1 | 78) ;; *) fail "$synced" "the files of clients could not be brought up to date" "loom sync all" ;; esac

# 3: none runs. Anything else is a daemon that is to be this build.
running=0
"$loom" status --json >/dev/null 2>&1 || running=$?
restarted=0
case $running,$how in
  3,*) echo "no daemon runs; whoever starts the next one starts this build" ;;
  *,now) "$loom" restart || restarted=$? ;;
  *,when-idle) "$loom" restart --when-idle "${UPGRADE_WAIT:-10m}" || restarted=$? ;;
esac
[ "$restarted" = 0 ] || fail "$restarted" "$loom is new, and the daemon is the old one" "make dev-reload restarts it whatever is under way"

if [ "$running" = 3 ] && [ -e "$HOME/.config/loom/state/stopped" ]; then
  echo "loom was stopped with \`loom stop\`, so no call was tried; \`loom start\` starts this build"
  exit 0
fi
hello='{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"upgrade","version":"1"}}}'
answer=$(echo "$hello" | "$loom" proxy --agent-hint upgrade)
case $answer in
  *'"serverInfo":{"name":"loom"'*) echo "loom proxy answers" ;;
  *) fail 4 "loom proxy does not answer as it should: $answer" "loom status" ;;
esac

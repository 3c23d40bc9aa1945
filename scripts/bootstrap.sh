#!/usr/bin/env bash
# bootstrap.sh: from a fresh clone to a running daemon. Asks nothing; running it again upgrades.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
dir=${INSTALL_DIR:-$HOME/.local/bin}
target=${CARGO_TARGET_DIR:-$root/target}
registry=$HOME/.config/loom/registry.yaml
loom=$dir/loom

step() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }
[ -t 1 ] || step() { printf '\n==> %s\n' "$*"; }

command -v cargo >/dev/null || {
  echo "bootstrap: cargo is not on PATH; install Rust from https://rustup.rs and run this again" >&2
  exit 69
}

step "building loom (the first time takes some minutes)"
commit=$(cd "$root" && git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || true)
(cd "$root" && ${commit:+env LOOM_COMMIT="$commit"} cargo build --profile quick --bin loom)

step "installing"
INSTALL_DIR=$dir "$root/scripts/install.sh" "$target/quick/loom"

if [ -e "$registry" ]; then
  step "keeping your registry $registry"
else
  step "creating $registry from registry-examples/registry.yaml"
  (umask 077 && mkdir -p "$(dirname "$registry")")
  cp "$root/registry-examples/registry.yaml" "$registry"
fi

# 3 = no daemon runs; anything else is a daemon that should now be this build.
running=0
"$loom" status >/dev/null 2>&1 || running=$?
if [ "$running" = 3 ]; then
  step "starting the daemon"
  "$loom" start
else
  step "restarting the daemon with the new build"
  "$loom" restart
fi

step "loom status"
"$loom" status
step "loom tools list"
"$loom" tools list

step "done"
case ":$PATH:" in
  *":$dir:"*) ;;
  *)
    echo "$dir is not on your PATH yet. For this and every later shell:"
    echo "    echo 'export PATH=\"$dir:\$PATH\"' >> ~/.profile && export PATH=\"$dir:\$PATH\""
    ;;
esac
echo "Next: add your servers to $registry; then \`loom check\` and \`loom reload\`."
found=$("$loom" import --dry-run 2>/dev/null | sed -n 's/^\([0-9]* servers\{0,1\}\) would be added to .*/\1/p') || true
if [ -n "$found" ]; then
  echo "Your AI clients have $found that loom does not: \`$loom import --dry-run\` shows them, \`$loom import\` takes them over."
fi
echo "\`$loom sync all --dry-run\` shows what it would write into your AI clients' files, \`$loom sync all\` writes it."

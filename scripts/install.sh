#!/usr/bin/env bash
# install.sh BINARY: puts BINARY into INSTALL_DIR (default ~/.local/bin) as `loom`, with `loomd` beside it, and the manual
# page and completions where shells look for them. The change is one rename, so a running loom keeps its own file; the
# replaced one stays as loom.prev. What was made is noted for `loom uninstall`.
set -euo pipefail

binary=${1:?usage: install.sh BINARY}
dir=${INSTALL_DIR:-$HOME/.local/bin}
state=$HOME/.config/loom/state

[ -f "$binary" ] || { echo "install.sh: there is no $binary" >&2; exit 1; }
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
(umask 077 && mkdir -p "$state")
new=$(mktemp "$dir/.loom.XXXXXX")
trap 'rm -f "$new"' EXIT
cp "$binary" "$new"
chmod 755 "$new"
if [ -f "$dir/loom" ] && ! cmp -s "$binary" "$dir/loom"; then
  cp -p "$dir/loom" "$dir/.loom.prev.new"
  mv -f "$dir/.loom.prev.new" "$dir/loom.prev"
fi
mv -f "$new" "$dir/loom"
ln -sfn loom "$dir/loomd"

# note FILE…: what `loom uninstall` is to take away, also from an installation elsewhere.
note() {
  { cat "$state/installed" 2>/dev/null || true; printf '%s\n' "$@"; } | sort -u >"$state/.installed.new"
  mv -f "$state/.installed.new" "$state/installed"
}
# What `loom sync` writes into the files of clients.
echo "$dir/loom" >"$state/binary"
note "$dir/loom" "$dir/loomd" "$dir/loom.prev"

# paper KIND FILE: what `loom completions KIND` prints, in FILE.
paper() {
  mkdir -p "$(dirname "$2")"
  note "$2"
  "$dir/loom" completions "$1" >"$2"
}
if [ "$(basename "$dir")" = bin ]; then
  share=$(dirname "$dir")/share
  paper man "$share/man/man1/loom.1"
  paper bash "$share/bash-completion/completions/loom"
  paper fish "$share/fish/vendor_completions.d/loom.fish"
  paper zsh "$share/zsh/site-functions/_loom"
fi

echo "installed $dir/loom and $dir/loomd"

#!/usr/bin/env bash
# uninstall.sh [OPTIONS]: `loom uninstall OPTIONS` of the installed loom, or of the built one where none is installed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
for loom in "${INSTALL_DIR:-$HOME/.local/bin}/loom" "$root/bin/loom"; do
  [ ! -x "$loom" ] || exec "$loom" uninstall "$@"
done
echo "loom is not installed in ${INSTALL_DIR:-$HOME/.local/bin}"

#!/usr/bin/env bash
# install-peers.sh: the real MCP servers, SDKs and AI clients of tests/peers, as its lock files pin them.
# They go to PEERS_CACHE (default tests/peers/.installed); nothing happens when that is up to date.
set -euo pipefail

here=$(cd "$(dirname "$0")/../tests/peers" && pwd)
cache=${PEERS_CACHE:-$here/.installed}

fail() {
  echo "install-peers: $1" >&2
  echo "hint:          $2" >&2
  exit 69
}

command -v node >/dev/null && command -v npm >/dev/null || fail "node and npm are missing" "install Node.js 20 or newer"
command -v python3 >/dev/null || fail "python3 is missing" "install Python 3.11 or newer"
node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' || fail "node $(node --version) is too old" "install Node.js 20 or newer"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "$(python3 --version) is too old" "install Python 3.11 or newer"
python3 -c 'import ensurepip, venv' 2>/dev/null || fail "python3 cannot make virtual environments" "apt-get install python3-venv"
command -v git >/dev/null || fail "git is missing" "install git"

wanted=$({
  cat "$here"/{package,package-lock}.json "$here"/clients/{package,package-lock}.json "$here/requirements.txt" "$0"
  node --version
  python3 --version
  echo "$cache"
} | cksum)
if [ "$(cat "$cache/installed" 2>/dev/null || true)" = "$wanted" ]; then
  echo "peers are up to date in $cache"
  exit 0
fi

# npm_ci LOCKED TARGET ARGS: what the lock file in LOCKED pins, in TARGET.
npm_ci() {
  local locked=$1 target=$2
  shift 2
  mkdir -p "$target"
  cp "$locked/package.json" "$locked/package-lock.json" "$target/"
  (cd "$target" && npm ci --no-audit --no-fund --loglevel=error "$@" </dev/null) ||
    fail "npm ci failed in $target" "see the lines above; the registry must be reachable"
}

mkdir -p "$cache"
rm -f "$cache/installed"
echo "installing the npm peers into $cache/npm"
npm_ci "$here" "$cache/npm"
# Without scripts: some compile optional parts that no test uses. The one that puts a program in its place is run here.
echo "installing the AI clients into $cache/clients (1.9 GB)"
npm_ci "$here/clients" "$cache/clients" --ignore-scripts
node "$cache/clients/node_modules/@anthropic-ai/claude-code/install.cjs" </dev/null || fail "claude's install.cjs failed" "see the lines above"
if [ "$(uname -sm)" = "Linux x86_64" ] && [ ! -x "$cache/clients/node_modules/opencode-linux-x64-baseline/bin/opencode" ]; then
  fail "opencode was not downloaded" "run it again; the registry must be reachable"
fi
echo "installing the PyPI peers into $cache/venv"
python3 -m venv --clear "$cache/venv" || fail "the virtual environment could not be made" "apt-get install python3-venv"
"$cache/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt" </dev/null ||
  fail "pip install failed" "see the lines above; the index must be reachable"
echo "$wanted" >"$cache/installed"

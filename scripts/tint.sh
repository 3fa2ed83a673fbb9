#!/usr/bin/env bash
# Has Tint judge what the linker writes: installs the npm package that carries it under target/ and runs tests/link_tint.rs.
# Without node or the package it says so and leaves the rest of the tests alone.
set -euo pipefail
cd "$(dirname "$0")/.."

# Carries Dawn for Linux, macOS and Windows.
package=webgpu@0.6.2
folder=${CARGO_TARGET_DIR:-target}/tools/tint

skip() { printf 'skipped: Tint is not asked: %s\n' "$*"; exit 0; }

command -v node >/dev/null && command -v npm >/dev/null || skip 'node and npm are not installed'
if [ ! -e "$folder/$package" ]; then
  mkdir -p "$folder"
  npm install --no-save --no-audit --no-fund --silent --prefix "$folder" "$package" || skip "npm does not install $package"
  touch "$folder/$package"
fi
FASCINE_TINT=$(cd "$folder/node_modules" && pwd)
export FASCINE_TINT
cargo test --locked -p fascine --test link_tint -- --nocapture

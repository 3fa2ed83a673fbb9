#!/usr/bin/env bash
# Everything that CI runs, after setting the machine up: format, lints, tests, a second driver, snapshots, documentation, dependencies.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

# Linked shaders must be the reviewed ones: no difference, and none that nobody has seen.
snapshots() {
  git diff --exit-code -- tests/snapshots
  local new
  new=$(git ls-files --others --exclude-standard -- tests/snapshots)
  [ -z "$new" ] || { printf 'snapshots that are not committed:\n%s\n' "$new" >&2; return 1; }
}

# Damaged models and kernels where a panic ends the process. Only the last crate is built anew: it decides for all of them.
panics_abort() {
  local binary
  binary=$(cargo rustc --locked -p fascine --test abort --message-format=json -- -C panic=abort |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)
  "$binary"
}

# Licences, sources and duplicate versions. The tool itself is built once, under target/, unoptimised: building takes longer than running.
dependencies() {
  local tools=${CARGO_TARGET_DIR:-target}/tools
  export PATH="$PWD/$tools/bin:$tools/bin:$PATH"
  command -v cargo-deny >/dev/null || cargo install cargo-deny --debug --locked --quiet --root "$tools"
  cargo deny --workspace --all-features check --hide-inclusion-graph bans licenses sources
}

# A driver with other subgroups, fewer bindings, and denormals that are zeros: what only one driver's habits carry fails here.
second_driver() (
  if [ "$(uname -sm)" != 'Linux x86_64' ] || ! command -v apt-get >/dev/null; then
    echo "left out: SwiftShader comes from a Debian package for x86-64"
    return 0
  fi
  VK_DRIVER_FILES=$(scripts/setup-swiftshader.sh)
  export VK_DRIVER_FILES
  "${CARGO_TARGET_DIR:-target}/debug/fascine" devices | grep -F SwiftShader
  # Conversations take this driver minutes.
  cargo test --locked -p fascine --test operators --test coalesce -- --skip conversations_of
  cargo test --locked -p fascine --test link -- bits::
  cargo test --locked -p fascine --test zoo -- lstm_vad_matches squeezenet1_1_matches
)

# ONNX's own cases: none may fail, and what is refused is a list that everyone can read.
onnx_suite() {
  local cases=${CARGO_TARGET_DIR:-target}/onnx-suite report
  scripts/onnx-suite "$cases"
  report=$("${CARGO_TARGET_DIR:-target}/debug/fascine" suite "$cases" --refusals tests/onnx_refusals.txt) || { printf '%s\n' "$report"; return 1; }
  printf 'test: %s\n' "$(tail -n 1 <<<"$report" | sed 's/refused/skipped/')"
}

# Registers and occupancy as a GPU's compiler sees them: no spills, no kernel that grew unseen, no merged pipeline that costs much.
gpu_stats() {
  local table
  table=$(scripts/gpu-stats.sh --check) || { printf '%s\n' "$table"; return 1; }
  tail -n 1 <<<"$table"
}

. scripts/setup-build.sh
setup_build rustfmt clippy
step scripts/setup-vulkan.sh

step cargo fmt --all --check
step cargo clippy --locked --workspace --all-targets -- -D warnings
step cargo clippy --locked -p fascine --lib --examples --no-default-features -- -D warnings
step cargo test --locked --workspace --lib --bins --tests --examples
step onnx_suite
step panics_abort
step second_driver
step cargo test --locked --workspace --doc
step scripts/tint.sh
step gpu_stats
step snapshots
RUSTDOCFLAGS=-Dwarnings step cargo doc --locked --workspace --no-deps
RUSTDOCFLAGS=-Dwarnings step cargo doc --locked -p fascine --no-deps --no-default-features
step dependencies
printf '\ntest: everything passed\n'

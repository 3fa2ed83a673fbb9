#!/usr/bin/env bash
# Sets the machine up, builds, and runs the demo: four models at once on whatever adapter there is.
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/setup-build.sh
# No components: the arguments are the demo's.
# shellcheck disable=SC2119
setup_build
scripts/setup-vulkan.sh
cargo build --release --locked -p fascine --bin fascine
exec "${CARGO_TARGET_DIR:-target}/release/fascine" demo "$@"

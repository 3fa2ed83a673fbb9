#!/usr/bin/env bash
# What real GPUs' compilers make of the kernels, on a machine without one: registers, spills, occupancy, instructions, of each
# kernel variant that the zoo needs on a GPU and of the merged pipelines that the scheduler asks for. Mesa's RADV has a device without
# hardware that compiles; prints Markdown for docs/benchmarks.md.
#
#   scripts/gpu-stats.sh [--check | --accept] [--family FAMILY]... [-- ARGUMENTS of fascine-bench modules]
#
# --check fails if a kernel spills, a merged pipeline holds much more than its heaviest kernel, or a kernel's registers grew against
# tests/gpu_registers.txt; --accept writes that file. Families are RADV's: navi31 (RDNA 3) alone by default.
set -euo pipefail
cd "$(dirname "$0")/.."

package=vulkan==1.3.275.1
pins=(cffi==2.1.1 pycparser==3.0)
tools=${CARGO_TARGET_DIR:-target}/tools/gpu-stats

mode=() families=()
while [ $# -gt 0 ]; do
  case $1 in
    --check | --accept) mode=("$1") ;;
    --family) families+=("${2:?a family of RADV, such as navi31}"); shift ;;
    --) shift; break ;;
    *) printf 'usage: %s [--check | --accept] [--family FAMILY]... [-- ARGUMENTS]\n' "$0" >&2; exit 2 ;;
  esac
  shift
done
[ ${#families[@]} -gt 0 ] || families=(navi31)

for driver in /usr/share/vulkan/icd.d/radeon_icd*.json ''; do
  [ -n "$driver" ] || { echo 'gpu-stats: left out: no radeon_icd.json, which Mesa brings on Linux'; exit 0; }
  [ ! -e "$driver" ] || break
done
. scripts/setup-venv.sh
setup_venv "$tools" "$package" "${pins[@]}"

modules=$(mktemp -d)
trap 'rm -rf "$modules"' EXIT
# With the features that the tests' builds have.
cargo build --locked --quiet --workspace --bins
"${CARGO_TARGET_DIR:-target}/debug/fascine-bench" --json modules "$modules" "$@" >"$modules/index.json"
status=0
for family in "${families[@]}"; do
  RADV_FORCE_FAMILY=$family VK_DRIVER_FILES=$driver MESA_SHADER_CACHE_DISABLE=true \
    "$tools/bin/python" scripts/gpu_stats.py "$modules" tests/gpu_registers.txt "${mode[@]}" 2>"$modules/stderr" || status=$?
  # RADV remarks on the hardware that is not there.
  grep -v 'invalid pci bus info' "$modules/stderr" >&2 || true
done
exit "$status"

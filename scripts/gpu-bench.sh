#!/usr/bin/env bash
# Checks and measures fascine on this machine's GPU in at most eight minutes, and prints Markdown for docs/benchmarks.md.
#
#   scripts/gpu-bench.sh --pack DIR    builds, strips, and lays out in DIR what another machine needs: binaries, models, this script
#   ./gpu-bench.sh [--short]           measures with what lies beside it: bash, coreutils and a Vulkan driver are enough
#
# In the repository it takes fascine and fascine-bench of target/release, and tests/zoo. --short is for CPU adapters. BINARIES and
# MODELS name other folders, DEVICE an adapter by name or number. First the checks: every case of every model against its
# reference, all arms to the bit. Then the tiles of products and convolutions, and single models by what was found; TILES names a folder to
# keep that in.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
usage() { printf 'usage: %s [--short] | --pack DIR\n' "${0##*/}" >&2; exit 2; }

pack() {
  cd "$here/.."
  cargo build --release --locked --workspace --bins
  mkdir -p "$1/models"
  cp "${CARGO_TARGET_DIR:-target}"/release/fascine{,-bench} "$1/"
  strip "$1"/fascine{,-bench}
  cp -r tests/zoo/*.onnx tests/zoo/*.io "$1/models/"
  cp scripts/gpu-bench.sh "$1/gpu-bench.sh"
  printf 'packed into %s:\n' "$1"
  du -sh "$1"/fascine{,-bench} "$1/models"
}

short=()
case "${1:-}" in
  --pack) [ $# = 2 ] || usage; pack "$2"; exit ;;
  --short) [ $# = 1 ] || usage; short=(--short) ;;
  '') ;;
  *) usage ;;
esac

if [ -x "$here/fascine" ]; then
  binaries=${BINARIES:-$here} models=${MODELS:-$here/models}
else
  binaries=${BINARIES:-$here/../target/release} models=${MODELS:-$here/../tests/zoo}
fi
for binary in fascine fascine-bench; do
  [ -x "$binaries/$binary" ] || { printf 'no %s in %s\n' "$binary" "$binaries" >&2; exit 1; }
done
[ -d "$models" ] || { printf 'no models at %s\n' "$models" >&2; exit 1; }
device=()
[ -z "${DEVICE:-}" ] || device=(--device "$DEVICE")

tiles=${TILES:-}
if [ -z "$tiles" ]; then
  tiles=$(mktemp -d)
  trap 'rm -rf "$tiles"' EXIT
fi

failed=()
# section SECONDS TITLE BINARY ARGUMENTS...: what the binary prints, or why it did not.
section() {
  local limit=$1 title=$2 binary=$3 start=$SECONDS status=0
  shift 3
  local shown="${*//"$models"/MODELS}"
  shown=${shown//"$tiles"/TILES}
  printf '\n### %s\n\n`%s %s`\n\n' "$title" "$binary" "$shown"
  timeout --kill-after=5 "$limit" "$binaries/$binary" --markdown "$@" "${device[@]}" 2>&1 || status=$?
  case $status in
    0) ;;
    124 | 137) printf '\n**cut off after %s s**\n' "$limit"; failed+=("$title: cut off after $limit s") ;;
    *) printf '\n**failed with status %s**\n' "$status"; failed+=("$title: status $status") ;;
  esac
  printf '\n(%s s)\n' $((SECONDS - start))
}

printf '## On a device: %s, %s\n\n' "$(date -u +%F)" "$("$binaries/fascine" --version)"
"$binaries/fascine" --markdown devices

if [ ${#short[@]} = 0 ]; then
  dims=(--dim batch=1 --dim sequence=128 --dim samples=16000 --dim height=224 --dim width=224)
  s3=(--runs 1 --seconds 4 --warm-up 6) s4=(--runs 1 --seconds 2 --warm-up 6 --load 0.3,0.6,0.9,1.2)
  # The rest of tune's section is for what it has begun by then.
  tune=(--short --limit 50)
  limits=(80 45 60 60 100 75 60)
else
  dims=(--dim batch=1 --dim sequence=4 --dim samples=1600 --dim height=64 --dim width=64)
  s3=(--short --seconds 1 --warm-up 3) s4=(--short --seconds 1 --warm-up 3 --load 0.4,0.8)
  tune=(--short --limit 100 --gpu-kernels)
  limits=(150 120 120 150 200 120 120)
fi

section "${limits[0]}" 'The zoo against its references, and single models' fascine-bench zoo --zoo "$models" "${short[@]}"
section "${limits[1]}" 'All arms to the bit' \
  fascine mix "$models/minilm.onnx:2" "$models/lstm_vad.onnx:2" "$models/resnet18.onnx" --synthetic-weights --requests 2 "${dims[@]}"
section "${limits[2]}" 'Tiles' fascine tune "${tune[@]}" --cache-dir "$tiles"
section "${limits[3]}" 'Single models by these tiles' fascine-bench zoo --zoo "$models" "${short[@]}" --cache-dir "$tiles"
section "${limits[4]}" 'S1: queued products, then whole models, with weights of their own' \
  fascine-bench s1 --zoo "$models" "${short[@]}" --warm-up "$([ ${#short[@]} = 0 ] && echo 3 || echo 5)"
section "${limits[5]}" 'S3: urgent beside best effort' fascine-bench s3 --zoo "$models" "${s3[@]}"
section "${limits[6]}" 'S4: deadlines at rising load' fascine-bench s4 --zoo "$models" "${s4[@]}"

printf '\n%s s in all\n' "$SECONDS"
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nNot everything ran:\n'
  printf -- '- %s\n' "${failed[@]}"
  exit 1
fi

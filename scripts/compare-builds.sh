#!/usr/bin/env bash
# Two builds side by side: scripts/compare-builds.sh OLD NEW MODELS...
#
# OLD and NEW are fascine binaries, MODELS folders of NAME.onnx with synthetic weights. Each model is run by both builds in turns:
# once with an empty driver cache, once with that filled, each in a process of its own. Prints Markdown tables. A column is "-"
# where a build does not tell it. RUNS=9 steady runs in a process, ONLY='minilm resnet18' for some models, PASSES=cold for counts alone.
set -euo pipefail

[ $# -ge 3 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
builds=("$1" "$2")
shift 2
runs=${RUNS:-9}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Sizes for the dimensions that models leave open, and which of them grow together for a new shape.
declare -A size=(
  [batch]=1 [sequence]=8 [samples]=1600 [height]=224 [width]=224 [past]=16 [total]=24 [encoder_sequence]=1500
  [s10]=1 [s70]=8 [s43]=1 [s53]=24 [s15]=16
)

# The value of a key of indented JSON, the first by that name.
field() { sed -n "s/^ *\"$2\": \(-\{0,1\}[0-9.e+-]*\|\"[^\"]*\"\|null\),\{0,1\}\$/\1/p" "$1" | head -n 1; }

open_dims() { "$1" check "$2" --synthetic-weights --json 2>/dev/null | sed -n '/"open_dims": \[/,/\]/s/^ *"\([^"]*\)",\{0,1\}$/\1/p'; }

# A cell: old, new, and how they stand to each other where both are numbers.
ratio() {
  awk -v a="$1" -v b="$2" 'BEGIN { if (a + 0 > 0 && b + 0 > 0) printf "%.2f", b / a; else printf "-" }'
}

# Medians of a file's numbers, one a line.
median() { sort -g | awk '{ v[NR] = $1 } END { if (NR == 0) print ""; else if (NR % 2) print v[(NR + 1) / 2]; else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

declare -A value
names=()
refused=()
for folder in "${@}"; do
  for model in "$folder"/*.onnx; do
    name=$(basename "$model" .onnx)
    if [ -n "${ONLY:-}" ] && [[ " $ONLY " != *" $name "* ]]; then continue; fi
    # One of the same name in two folders counts once.
    if [[ " ${names[*]:-} ${refused[*]:-} " == *" $name "* ]]; then continue; fi
    dims=() vary=() ran=0
    open=$(open_dims "${builds[1]}" "$model")
    for dim in $open; do
      [ -n "${size[$dim]:-}" ] || { echo "compare-builds: no size is known for '$dim' of $name" >&2; continue 2; }
      dims+=(--dim "$dim=${size[$dim]}")
    done
    case " ${open//$'\n'/ } " in
      *" past "*)
        vary=(--vary past)
        if [[ " ${open//$'\n'/ } " == *" total "* ]]; then vary+=(--vary total); fi ;;
      *" s15 "* | *" s53 "*) vary=(--vary s15 --vary s53) ;;
      *" sequence "*) vary=(--vary sequence) ;;
    esac
    # Empty cache first, each build with a cache of its own; then both again in turns.
    for pass in ${PASSES:-cold warm warm2 warm3}; do
      for which in 0 1; do
        build=${builds[$which]}
        more=()
        if [ ${#vary[@]} -gt 0 ] && "$build" run --help | grep -q -- --vary; then more=("${vary[@]}"); fi
        out=$work/$name.$which.$pass
        if [ $pass = cold ]; then repeat=1 more=(); else repeat=$runs; fi
        if MESA_SHADER_CACHE_DIR=$work/cache.$which.$name "$build" run "$model" --synthetic-weights "${dims[@]}" "${more[@]}" \
          --repeat "$repeat" --json >"$out" 2>"$out.err"; then
          ran=$((ran + 1))
        else
          rm -f "$out"
          [ $pass != cold ] || echo "compare-builds: $name, build $((which + 1)): $(head -c 200 "$out.err")" >&2
        fi
      done
    done
    rm -rf "$work"/cache.?."$name"
    if [ $ran = 0 ]; then refused+=("$name"); continue; fi
    names+=("$name")
    for which in 0 1; do
      of() { [ ! -e "$work/$name.$which.$1" ] || field "$work/$name.$which.$1" "$2"; }
      steady() { for pass in warm warm2 warm3; do of "$pass" "$1"; done | median; }
      "${builds[$which]}" check "$model" --synthetic-weights "${dims[@]}" --json >"$work/check" 2>/dev/null || true
      value[$name.$which.dispatches]=$(field "$work/check" dispatches)
      value[$name.$which.variants]=$(field "$work/check" variants)
      value[$name.$which.heap]=$(awk -v b="$(field "$work/check" peak_heap_bytes)" 'BEGIN { if (b != "") printf "%.2f", b / 1048576 }')
      value[$name.$which.pipelines]=$(of cold compiled)
      value[$name.$which.cold]=$(of cold first_ms)
      value[$name.$which.warm]=$(steady first_ms)
      value[$name.$which.median]=$(steady median_ms)
      value[$name.$which.plan]=$(steady plan_ms)
      value[$name.$which.submit]=$(steady submit_ms)
      value[$name.$which.queued]=$(steady queued_ms)
      value[$name.$which.shape]=$(for pass in warm warm2 warm3; do [ ! -e "$work/$name.$which.$pass" ] || sed -n '/"new_shape": {/,/}/p' "$work/$name.$which.$pass" >"$work/shape"; [ ! -s "$work/shape" ] || field "$work/shape" submit_ms; rm -f "$work/shape"; done | median)
      value[$name.$which.peak]=$(awk -v b="$(steady peak_bytes)" 'BEGIN { if (b != "") printf "%.0f", b / 1048576 }')
    done
  done
done

cell() { printf '%s' "${value[$1]:--}"; }
sum() { for name in "${names[@]}"; do cell "$name.$1.$2"; echo; done | awk '$1 != "-" { s += $1; n++ } END { if (n) printf "%.6g", s; else printf "-" }'; }
# The geometric mean of new over old where both tell.
mean() {
  for name in "${names[@]}"; do echo "$(cell "$name.0.$1") $(cell "$name.1.$1")"; done |
    awk '$1 > 0 && $2 > 0 { s += log($2 / $1); n++ } END { if (n) printf "%.2f", exp(s / n); else printf "-" }'
}

printf 'Adapter: %s. %s. Old: %s, new: %s; cold: one run with an empty driver cache; the rest: medians of 3 processes in turns, %s runs each.\n' \
  "$(field "$(ls "$work"/*.1.cold "$work"/*.0.cold 2>/dev/null | head -n 1)" adapter)" "$(date -u +%F)" \
  "$("${builds[0]}" --version)" "$("${builds[1]}" --version)" "$runs"
[ ${#refused[@]} = 0 ] || printf '\nRun by neither: %s.\n' "${refused[*]}"

table() {
  local title=$1 keys=() heads=() key name
  shift
  while [ $# -gt 0 ]; do keys+=("$1") heads+=("$2"); shift 2; done
  printf '\n%s\n\n| model |' "$title"
  for head in "${heads[@]}"; do printf ' %s old | new | new / old |' "$head"; done
  printf '\n| --- |'
  for key in "${keys[@]}"; do printf ' --- | --- | --- |'; done
  printf '\n'
  for name in "${names[@]}"; do
    printf '| %s |' "$name"
    for key in "${keys[@]}"; do
      printf ' %s | %s | %s |' "$(cell "$name.0.$key")" "$(cell "$name.1.$key")" "$(ratio "${value[$name.0.$key]:-}" "${value[$name.1.$key]:-}")"
    done
    printf '\n'
  done
  printf '| sum, geometric mean |'
  for key in "${keys[@]}"; do printf ' %s | %s | %s |' "$(sum 0 "$key")" "$(sum 1 "$key")" "$(mean "$key")"; done
  printf '\n'
}

table 'What a plan needs:' dispatches dispatches variants 'kernel variants' pipelines 'pipelines by the first result' heap 'heap MiB'
table 'Times:' cold 'cold first ms' warm 'warm first ms' median 'steady ms'
table 'Host:' plan 'first plan ms' submit 'submit ms' shape 'submit of a new shape ms' queued 'to the first bundle ms' peak 'process peak MiB'

#!/usr/bin/env bash
# Outside of browsers wgpu lets one buffer be bound twice for writing, but what naga writes as SPIR-V does not say that two bindings may
# be one memory: no variable is decorated Aliased, and under the memory model GLSL450 memory without it may be taken as apart, so that a compiler
# may exchange a load through one binding and a store through the other. A kernel that sees a buffer as array<u32> and as
# array<vec4<u32>> has to touch what it writes through one of them only. Builds naga-cli (a few minutes). Exits 1 if that has
# changed.
set -euo pipefail
version=30.0.0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
CARGO_TARGET_DIR="$work/target" cargo install naga-cli --version "$version" --locked --quiet --root "$work"
cat >two.wgsl <<'WGSL'
@group(0) @binding(0) var<storage, read_write> words: array<u32>;
@group(0) @binding(1) var<storage, read_write> vectors: array<vec4<u32>>;
@compute @workgroup_size(1) fn main() {
    words[5] = 7u;
    vectors[0] = vectors[1];
}
WGSL
bin/naga two.wgsl two.spv
python3 - "$version" <<'PY'
import struct, sys

ALIASED, RESTRICT, GLSL450 = 20, 19, 1
data = open("two.spv", "rb").read()
words = struct.unpack(f"<{len(data) // 4}I", data)
at, model, decorations, bindings = 5, None, [], 0
while at < len(words):
    opcode, length = words[at] & 0xFFFF, words[at] >> 16
    if opcode == 14:  # OpMemoryModel
        model = words[at + 2]
    if opcode == 71:  # OpDecorate
        decorations.append(words[at + 2])
        bindings += words[at + 2] == 33
    at += length
aliased, restrict = decorations.count(ALIASED), decorations.count(RESTRICT)
print(f"naga-cli {sys.argv[1]}: {bindings} bindings, memory model {'GLSL450' if model == GLSL450 else model}, {aliased} Aliased, {restrict} Restrict")
same = (bindings, model, aliased) == (2, GLSL450, 0)
print("as found" if same else "CHANGED")
sys.exit(0 if same else 1)
PY

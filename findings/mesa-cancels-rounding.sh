#!/usr/bin/env bash
# Mesa's CPU driver drops operations that only round: (x + C) - C gives x where the sum must have been rounded, and the rest of a
# rounded sum is 0, so that rounding by a large constant and compensated sums do nothing unless the value goes through memory.
# Through Dawn (npm webgpu) on whichever Vulkan driver there is; tells nothing (exit 2) where that is not llvmpipe. Exits 1 if that
# has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-fund --no-audit --prefix "$work" webgpu@0.6.2 >/dev/null
cat >find.mjs <<'JS'
import { create, globals } from "webgpu";
Object.assign(globalThis, globals);
const gpu = create([]);
const adapter = await gpu.requestAdapter();
const { vendor, architecture, device: name, description } = adapter.info;
console.log(`webgpu 0.6.2 on ${[vendor, architecture, name, description].filter(Boolean).join(", ")}`);
if (!/llvmpipe/i.test(`${name} ${description}`)) {
  console.log("not llvmpipe: nothing to tell");
  process.exit(2);
}
const device = await adapter.requestDevice();
const code = `
@group(0) @binding(0) var<storage, read_write> v: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@compute @workgroup_size(1) fn main() {
  let x = v[0]; let c = v[1];
  v[2] = (x + c) - c;
  let sum = x + c;
  v[3] = x - (sum - c);
  memory[0] = x + c;
  storageBarrier();
  v[4] = memory[0] - c;
}`;
const pipeline = device.createComputePipeline({ layout: "auto", compute: { module: device.createShaderModule({ code }), entryPoint: "main" } });
const buffer = (size) => device.createBuffer({ size, usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST });
const [values, memory] = [buffer(32), buffer(16)];
const read = device.createBuffer({ size: 32, usage: GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ });
const [x, c] = [2.75, 12582912]; // 1.5 * 2^23: the sum has no room for fractions.
device.queue.writeBuffer(values, 0, new Float32Array([x, c]));
const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [values, memory].map((buffer, binding) => ({ binding, resource: { buffer } })) });
const encoder = device.createCommandEncoder();
const pass = encoder.beginComputePass();
pass.setPipeline(pipeline);
pass.setBindGroup(0, group);
pass.dispatchWorkgroups(1);
pass.end();
encoder.copyBufferToBuffer(values, 0, read, 0, 32);
device.queue.submit([encoder.finish()]);
await read.mapAsync(GPUMapMode.READ);
const [, , direct, rest, stored] = new Float32Array(read.getMappedRange());
const want = Math.fround(Math.fround(x + c) - c);
console.log(`x = ${x}, C = ${c}: (x + C) - C is ${direct} (IEEE: ${want}), its rest ${rest} (IEEE: ${x - want}); with the sum stored in between ${stored}`);
const same = direct === x && rest === 0;
console.log(same ? "as found" : "CHANGED");
process.exit(same ? 0 : 1);
JS
node find.mjs

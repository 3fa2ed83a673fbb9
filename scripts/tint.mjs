// Gives WGSL modules to Tint, the compiler of Chromium's WebGPU, by way of Dawn in the npm package `webgpu`.
//
//   node scripts/tint.mjs PACKAGES FILE.wgsl...
//
// PACKAGES is the node_modules folder that holds `webgpu`. Prints a JSON object: by file, what Tint said against it or
// against its pipeline; files that pass are not in it. Exits with 0 whatever Tint says, so that the caller can judge.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [packages, ...files] = process.argv.slice(2);
const { create, globals } = await import(pathToFileURL(join(resolve(packages), 'webgpu', 'index.js')).href);
Object.assign(globalThis, globals);
const gpu = create([]);
const adapter = await gpu.requestAdapter();
if (!adapter) throw new Error('Dawn finds no adapter');
const { limits } = adapter;
const device = await adapter.requestDevice({
  requiredFeatures: ['subgroups', 'shader-f16'].filter((feature) => adapter.features.has(feature)),
  requiredLimits: {
    maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
    maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
  },
});
device.addEventListener('uncapturederror', (event) => event.preventDefault());

// naga neither writes nor reads `enable subgroups;`. That subgroup operations are in uniform control flow of the subgroup is a
// rule of WGSL that the kernels keep in a way that Tint does not follow (they return by whole subgroups).
const SUBGROUPS = 'enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n';
const usesSubgroups = (code) => /\bsubgroup[A-Z_]\w*\(|\bsubgroup_(size|invocation_id|id)\b/.test(code);

const refused = {};
for (const file of files) {
  const text = readFileSync(file, 'utf8');
  const code = usesSubgroups(text) ? SUBGROUPS + text : text;
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ code });
  const messages = (await module.getCompilationInfo()).messages.filter(({ type }) => type === 'error');
  let said = messages.map(({ message, lineNum }) => `line ${lineNum}: ${message}`);
  if (said.length === 0) {
    await device
      .createComputePipelineAsync({ layout: 'auto', compute: { module } })
      .catch((error) => said.push(`pipeline: ${error.message}`));
  }
  await device.popErrorScope();
  if (said.length > 0) refused[file] = said;
}
console.log(JSON.stringify(refused, null, 2));
process.exit(0);

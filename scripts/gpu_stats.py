"""What a Vulkan driver tells of pipelines made from SPIR-V modules: `gpu_stats.py FOLDER REGISTERS [--check | --accept]`.

FOLDER is what `fascine-bench modules` wrote, with what it printed as index.json. Run by scripts/gpu-stats.sh.
"""

import json
import pathlib
import struct
import sys

import vulkan as vk

# How many subgroups fewer a merged pipeline may keep on a SIMD than its heaviest kernel does alone, as a part: a step of RDNA 3.
MERGED_LOSS = 0.13
# Registers of a kernel beyond those that were accepted, as a part.
GROWTH = 1.1
DECORATE, VARIABLE, ENTRY_POINT = 71, 59, 15
BINDING, DESCRIPTOR_SET = 33, 34
DESCRIPTORS = {2: vk.VK_DESCRIPTOR_TYPE_UNIFORM_BUFFER, 12: vk.VK_DESCRIPTOR_TYPE_STORAGE_BUFFER}
CAPTURE_STATISTICS = 0x40


def reflect(code):
    """The (set, binding, storage class) of each resource of a module, and its entry point."""
    words = struct.unpack(f"<{len(code) // 4}I", code)
    sets, bindings, classes, entry, at = {}, {}, {}, None, 5
    while at < len(words):
        length, op = words[at] >> 16, words[at] & 0xFFFF
        operands = words[at + 1 : at + length]
        if op == DECORATE and operands[1] == DESCRIPTOR_SET:
            sets[operands[0]] = operands[2]
        elif op == DECORATE and operands[1] == BINDING:
            bindings[operands[0]] = operands[2]
        elif op == VARIABLE:
            classes[operands[1]] = operands[2]
        elif op == ENTRY_POINT:
            entry = struct.pack(f"<{len(operands) - 2}I", *operands[2:]).split(b"\0")[0].decode()
        at += length
    return sorted((sets.get(name, 0), binding, classes[name]) for name, binding in bindings.items()), entry


class Driver:
    """The first device of the driver that VK_DRIVER_FILES names."""

    def __init__(self):
        app = vk.VkApplicationInfo(apiVersion=vk.VK_MAKE_VERSION(1, 3, 0))
        instance = vk.vkCreateInstance(vk.VkInstanceCreateInfo(pApplicationInfo=app), None)
        physical = vk.vkEnumeratePhysicalDevices(instance)[0]
        properties = vk.vkGetPhysicalDeviceProperties(physical)
        self.name = properties.deviceName
        version = properties.driverVersion
        self.version = f"{version >> 22}.{version >> 12 & 0x3FF}"
        queue = vk.VkDeviceQueueCreateInfo(queueFamilyIndex=0, pQueuePriorities=[1.0])
        executable = vk.VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR(pipelineExecutableInfo=True)
        memory = vk.VkPhysicalDeviceVulkan12Features(
            pNext=executable, shaderFloat16=True, vulkanMemoryModel=True, vulkanMemoryModelDeviceScope=True
        )
        self.device = vk.vkCreateDevice(
            physical,
            vk.VkDeviceCreateInfo(
                pNext=memory,
                pQueueCreateInfos=[queue],
                ppEnabledExtensionNames=["VK_KHR_pipeline_executable_properties"],
            ),
            None,
        )
        self.statistics = vk.vkGetDeviceProcAddr(self.device, "vkGetPipelineExecutableStatisticsKHR")

    def compile(self, code):
        """The driver's statistics of the pipeline, by name."""
        resources, entry = reflect(code)
        layouts = []
        for index in range(max((at for at, _, _ in resources), default=0) + 1):
            bindings = [
                vk.VkDescriptorSetLayoutBinding(
                    binding=binding,
                    descriptorType=DESCRIPTORS[storage],
                    descriptorCount=1,
                    stageFlags=vk.VK_SHADER_STAGE_COMPUTE_BIT,
                )
                for at, binding, storage in resources
                if at == index
            ]
            info = vk.VkDescriptorSetLayoutCreateInfo(pBindings=bindings)
            layouts.append(vk.vkCreateDescriptorSetLayout(self.device, info, None))
        immediates = [vk.VkPushConstantRange(stageFlags=vk.VK_SHADER_STAGE_COMPUTE_BIT, offset=0, size=128)]
        info = vk.VkPipelineLayoutCreateInfo(pSetLayouts=layouts, pPushConstantRanges=immediates)
        layout = vk.vkCreatePipelineLayout(self.device, info, None)
        info = vk.VkShaderModuleCreateInfo(codeSize=len(code), pCode=code)
        module = vk.vkCreateShaderModule(self.device, info, None)
        stage = vk.VkPipelineShaderStageCreateInfo(
            stage=vk.VK_SHADER_STAGE_COMPUTE_BIT, module=module, pName=entry
        )
        info = vk.VkComputePipelineCreateInfo(stage=stage, layout=layout, flags=CAPTURE_STATISTICS)
        pipeline = vk.vkCreateComputePipelines(self.device, None, 1, [info], None)[0]
        executable = vk.ffi.new("VkPipelineExecutableInfoKHR*")
        executable.sType = vk.VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR
        executable.pipeline = pipeline
        told = self.statistics(self.device, executable)
        vk.vkDestroyPipeline(self.device, pipeline, None)
        vk.vkDestroyShaderModule(self.device, module, None)
        return {text(one.name): one.value.u64 for one in told}


def text(name):
    return name if isinstance(name, str) else vk.ffi.string(name).decode()


def accepted(path, device, version):
    """By kernel, the registers that were accepted for this device and driver."""
    if not path.exists():
        return {}
    lines = [line.split(" ", 3) for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return {kernel: int(registers) for of, by, registers, kernel in lines if (of, by) == (device, version)}


def main():
    folder, known = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    mode = sys.argv[3] if len(sys.argv) > 3 else ""
    driver = Driver()
    device = driver.name.split("RADV ")[-1].strip("()").lower()
    modules = json.loads((folder / "index.json").read_text())["modules"]
    for module in modules:
        module.update(told=driver.compile((folder / module["file"]).read_bytes()))
    singles = {module["kernels"][0]: module["told"] for module in modules if len(module["kernels"]) == 1}
    before = accepted(known, device, driver.version)
    faults = []

    print(f"\n{driver.name}, Mesa {driver.version}\n")
    print("| kernel | VGPRs | subgroups a SIMD | workgroup memory | instructions | VALU | SALU | VMEM | SMEM | dual | latency | inverse throughput |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    merged = 0
    for module in modules:
        told, kernels = module["told"], module["kernels"]
        name = kernels[0]
        if len(kernels) > 1:
            heaviest = min((kernel for kernel in kernels if kernel in singles), key=lambda k: singles[k]["Subgroups per SIMD"])
            alone, together = singles[heaviest]["Subgroups per SIMD"], told["Subgroups per SIMD"]
            name = f"merged {merged}: {len(kernels)} kernels; {alone} subgroups for {heaviest} alone"
            merged += 1
            if together < alone * (1 - MERGED_LOSS):
                faults.append(f"{name} keeps {together} subgroups on a SIMD")
        elif name in before and told["VGPRs"] > before[name] * GROWTH:
            faults.append(f"{name} takes {told['VGPRs']} registers, {before[name]} were accepted")
        if told["Spilled VGPRs"] or told["Spilled SGPRs"] or told["Scratch size"]:
            faults.append(f"{name} spills")
        columns = ["VGPRs", "Subgroups per SIMD", "LDS size", "Instructions", "VALU", "SALU", "VMEM", "SMEM", "VOPD"]
        row = [told.get(column, "") for column in [*columns, "Latency", "Inverse Throughput"]]
        print(f"| {name.replace('|', chr(92) + '|')} | " + " | ".join(map(str, row)) + " |")

    if mode == "--accept":
        others = []
        if known.exists():
            others = [line for line in known.read_text().splitlines() if not line.startswith(("#", f"{device} "))]
        lines = [f"{device} {driver.version} {told['VGPRs']} {kernel}" for kernel, told in sorted(singles.items())]
        head = "# Device, Mesa's version, vector registers, kernel with its overrides: `scripts/gpu-stats.sh --accept` writes it."
        known.write_text("\n".join([head, *sorted([*others, *lines])]) + "\n")
    elif mode == "--check":
        for fault in faults:
            print(f"gpu-stats: {fault}", file=sys.stderr)
        print(f"\n{len(modules)} modules, {len(faults)} faults")
        sys.exit(bool(faults))


main()

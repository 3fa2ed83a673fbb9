#!/usr/bin/env python3
"""fascine beside onnxruntime on the models of tests/zoo: its WebGPU provider on the same adapter, and its CPU provider as a floor.

    python3 benches/peers.py [--fascine target/release/fascine] [--rounds 3] [--repeat 7] [MODEL ...]

Wheels of fixed versions go into a virtual environment under --venv, made at the first run. Every measurement is a process of its own;
those of one model take turns, ROUNDS times. The first round begins with an empty cache of the driver: its first results are the cold
ones. Inputs are those of the model's first case, and all runners' outputs are compared with the CPU provider's. Decoders are given a
prompt and then go on greedily, prefill and decode apart. Prints one Markdown table, or two with decoders.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ZOO = ROOT / "tests" / "zoo"
WHEELS = ["numpy==2.4.6", "onnx==1.23.2", "onnxruntime-webgpu==1.27.0"]
DECODERS = ["gpt2_small_kv", "llama_tiny_kv", "llama_tiny_q4"]
F32 = [
    "efficientnet_b0",
    "gpt2_small_kv",
    "llama_tiny_kv",
    "llama_tiny_kv_op23",
    "lstm_vad",
    "minilm",
    "mobilenet_v2",
    "mobilenet_v3_small",
    "resnet18",
    "resnet50",
    "shufflenet_v2_x0_5",
    "squeezenet1_1",
    "unet_small",
    "vit_tiny_patch16_224",
    "whisper_tiny_decoder_kv",
    "whisper_tiny_encoder",
]
MODELS = [*F32, "minilm_int8", "resnet18_int8", "llama_tiny_q4"]
PROVIDERS = {"webgpu": ["WebGpuExecutionProvider", "CPUExecutionProvider"], "cpu": ["CPUExecutionProvider"]}
NAMES = {"fascine": "fascine", "webgpu": "onnxruntime WebGPU", "cpu": "onnxruntime CPU"}


def main():
    args = arguments()
    if args.child:
        return child(json.loads(args.child))
    python = environment(args.venv)
    if Path(sys.executable).resolve() != python.resolve() or sys.prefix != str(args.venv):
        os.execv(python, [str(python), __file__, *sys.argv[1:]])
    with tempfile.TemporaryDirectory() as folder:
        report(args, Path(folder))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--fascine", type=Path, default=ROOT / "target" / "release" / "fascine")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--repeat", type=int, default=7, help="requests of a process behind the first")
    parser.add_argument("--prompt", type=int, default=32, help="tokens of a decoder's prompt")
    parser.add_argument("--tokens", type=int, default=24, help="tokens that it generates")
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "fascine-peers")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args()


def environment(folder):
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    # The module itself, not its metadata: a broken install should not pass.
    wanted = "import onnx, onnxruntime as o; assert 'WebGpuExecutionProvider' in o.get_available_providers()"
    if subprocess.run([python, "-c", wanted], stderr=subprocess.DEVNULL).returncode != 0:
        subprocess.run([python, "-m", "pip", "install", "-q", *WHEELS], check=True)
    return python


# Models and inputs


def hashed(count, seed):
    """The hash of src/onnx/synthetic.rs of the first `count` indices."""
    import numpy as np

    x = np.arange(count, dtype=np.uint32) ^ np.uint32(seed * 0x9E3779B9 & 0xFFFFFFFF)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    return x ^ (x >> np.uint32(16))


def synthetic(text, dtype, shape):
    import numpy as np

    kind, *words = text.split()
    value = dict(word.split("=") for word in words)
    x = hashed(int(np.prod(shape, dtype=np.int64)), int(value["seed"]))
    if kind == "uniform":
        u = (x >> np.uint32(8)).astype(np.float64) / 16777216.0
        x = (float(value["mean"]) + float(value["half_range"]) * (2.0 * u - 1.0)).astype(np.float32)
    else:
        low, high = int(value["lo"]), int(value["hi"])
        x = low + (x.astype(np.uint64) % np.uint64(high - low + 1)).astype(np.int64)
    return x.astype(dtype).reshape(shape)


def materialised(name, folder):
    """The model's file with the weights that its `synthetic` keys describe."""
    import onnx
    from onnx import helper

    model = onnx.load(str(ZOO / f"{name}.onnx"), load_external_data=False)
    for tensor in model.graph.initializer:
        keys = {entry.key: entry.value for entry in tensor.external_data}
        if "synthetic" in keys:
            data = synthetic(keys["synthetic"], helper.tensor_dtype_to_np_dtype(tensor.data_type), list(tensor.dims))
            del tensor.external_data[:]
            tensor.data_location = onnx.TensorProto.DEFAULT
            tensor.raw_data = data.tobytes()
    path = folder / f"{name}.onnx"
    onnx.save(model, str(path))
    return path


def case_inputs(name):
    import numpy as np

    folder = ZOO / f"{name}.io"
    case = json.loads((folder / "cases.json").read_text())["cases"][0]
    inputs = {}
    for entry in case["inputs"]:
        if "file" in entry:
            inputs[entry["name"]] = np.load(folder / case["case"] / entry["file"])
        else:
            inputs[entry["name"]] = synthetic(entry["synthetic"], entry["dtype"], entry["shape"])
    return inputs


def prompt_inputs(name, tokens):
    """A prompt on an empty cache."""
    import numpy as np

    inputs = {}
    for key, value in case_inputs(name).items():
        if key == "input_ids":
            inputs[key] = np.array([tokens], np.int64)
        elif key == "attention_mask":
            inputs[key] = np.ones((1, len(tokens)), np.int64)
        elif key == "position_ids":
            inputs[key] = np.arange(len(tokens), dtype=np.int64)[None]
        else:
            inputs[key] = np.zeros((1, value.shape[1], 0, value.shape[3]), value.dtype)
    return inputs


# Runners, each in a process of its own


def timed(run):
    start = time.perf_counter()
    result = run()
    return result, (time.perf_counter() - start) * 1e3


def child(job):
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    start = time.perf_counter()
    session = ort.InferenceSession(job["model"], options, providers=PROVIDERS[job["runner"]])
    inputs = dict(np.load(job["inputs"]))
    outputs = session.run(None, inputs)
    answer = {"first": (time.perf_counter() - start) * 1e3}
    answer["median"] = statistics.median(timed(lambda: session.run(None, inputs))[1] for _ in range(job["repeat"]))
    if job["decoder"]:
        answer["token"] = statistics.median(decode(session, inputs, outputs, job["tokens"]))
    np.savez(job["out"], *outputs[:1])
    print(json.dumps(answer))


def decode(session, inputs, outputs, count):
    """Milliseconds of each token, greedily, with the outputs' cache as the next inputs."""
    import numpy as np

    names = [output.name for output in session.get_outputs()]
    caches = [key for key in inputs if key.startswith("past_key_values")]
    for _ in range(count):
        named = dict(zip(names, outputs))
        length = inputs["attention_mask"].shape[1] + 1
        inputs = {key: named[key.replace("past_key_values", "present")] for key in caches} | {
            "input_ids": named["logits"][:, -1:].argmax(-1).astype(np.int64),
            "attention_mask": np.ones((1, length), np.int64),
            **({"position_ids": np.array([[length - 1]], np.int64)} if "position_ids" in inputs else {}),
        }
        outputs, took = timed(lambda: session.run(None, inputs))
        yield took


def onnxruntime(runner, job, env):
    job = json.dumps(job | {"runner": runner})
    done = subprocess.run([sys.executable, __file__, "--child", job], env=env, capture_output=True, text=True)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"error": f"{NAMES[runner]}: {last[:120]}"}
    return json.loads(done.stdout.splitlines()[-1])


def fascine(args, job, env):
    import numpy as np

    folder = Path(job["out"]).parent
    command = [args.fascine, "run", job["model"], "--repeat", str(1 + job["repeat"]), "--json", "--out", folder / "own"]
    with np.load(job["inputs"]) as inputs:
        for k, (name, value) in enumerate(inputs.items()):
            np.save(folder / f"input_{k}.npy", value)
            command += ["--input", f"{name}={folder / f'input_{k}.npy'}"]
    done, wall = timed(lambda: subprocess.run(command, env=env, capture_output=True, text=True))
    if done.returncode != 0:
        return {"error": f"fascine: {(done.stderr.strip().splitlines() or ['no message'])[-1][:120]}"}
    answer = json.loads(done.stdout)
    result = {"median": answer["median_ms"], "adapter": answer["adapter"]}
    result["first"] = wall - job["repeat"] * result["median"]
    np.savez(job["out"], np.load(folder / "own" / "output_0.npy"))
    if job["decoder"]:
        command = [args.fascine, "generate", job["model"], "--json", "--max-tokens", str(job["tokens"] + 1)]
        command += ["--tokens", ",".join(map(str, job["prompt"])), "--eos", "4294967295"]
        done = subprocess.run(command, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            return {"error": f"fascine generate: {done.stderr.strip().splitlines()[-1][:120]}"}
        result["token"] = json.loads(done.stdout)["token_ms"]
    return result


# The report


def measure(args, name, folder):
    """Of each runner the answers of all rounds; and how far its first output is from the CPU provider's, in parts of its size."""
    import numpy as np

    decoder = name in DECODERS
    prompt = [(7 * k + 3) % 8192 for k in range(args.prompt)]
    inputs = prompt_inputs(name, prompt) if decoder else case_inputs(name)
    np.savez(folder / "inputs.npz", **inputs)
    job = {"model": str(materialised(name, folder)), "inputs": str(folder / "inputs.npz"), "repeat": args.repeat}
    job |= {"decoder": decoder, "tokens": args.tokens, "prompt": prompt}
    answers = {runner: [] for runner in NAMES}
    for runner in NAMES:
        (folder / runner).mkdir(exist_ok=True)
    for _ in range(args.rounds):
        for runner in NAMES:
            # Empty in the first round: nothing of other models or other runs.
            cache = str(folder / runner)
            env = os.environ | {"MESA_SHADER_CACHE_DIR": cache, "XDG_CACHE_HOME": cache}
            own = job | {"out": str(folder / f"{runner}.npz")}
            run = fascine(args, own, env) if runner == "fascine" else onnxruntime(runner, own, env)
            answers[runner].append(run)
            print(f"{name}, {NAMES[runner]}: {run}", file=sys.stderr)
    off = {}
    for runner in ("fascine", "webgpu"):
        if all("error" not in run for run in answers[runner] + answers["cpu"]):
            got, want = (np.load(folder / f"{r}.npz")["arr_0"].astype(np.float64) for r in (runner, "cpu"))
            off[runner] = float(np.sqrt(np.mean((got - want) ** 2)) / np.sqrt(np.mean(want**2)))
    return answers, off


def middle(runs, key):
    values = [run[key] for run in runs if key in run]
    return statistics.median(values) if len(values) == len(runs) else None


def cell(value, form="{:.1f}"):
    return "-" if value is None else form.format(value)


def over(a, b):
    return None if a is None or b is None else a / b


def report(args, folder):
    rows, tokens, notes, ratios, adapter = [], [], [], [], "?"
    for name in args.models:
        own = folder / name
        own.mkdir()
        answers, off = measure(args, name, own)
        adapter = next((run["adapter"] for run in answers["fascine"] if "adapter" in run), adapter)
        notes += sorted({f"{name}: {run['error']}" for runs in answers.values() for run in runs if "error" in run})
        notes += [f"{name}: {NAMES[r]} is {value:.1e} off" for r, value in off.items() if not value < 2e-2]
        ours, peer, floor = (middle(answers[runner], "median") for runner in NAMES)
        ratios += [peer / ours] if name in F32 and ours and peer else []
        cold = [answers[runner][0].get("first") for runner in ("fascine", "webgpu")]
        rows.append(
            f"| {name} | {cell(ours)} | {cell(peer)} | {cell(over(peer, ours), '{:.2f}')} | {cell(floor)} "
            f"| {cell(cold[0], '{:.0f}')} | {cell(cold[1], '{:.0f}')} |"
        )
        if name in DECODERS:
            prefill = [None if (ms := middle(answers[r], "median")) is None else args.prompt * 1e3 / ms for r in NAMES]
            decode = [None if (ms := middle(answers[r], "token")) is None else 1e3 / ms for r in NAMES]
            tokens.append(
                f"| {name} | {' | '.join(map(cell, prefill[:2]))} | {cell(over(*prefill[:2]), '{:.2f}')} | {cell(prefill[2])} "
                f"| {' | '.join(map(cell, decode[:2]))} | {cell(over(*decode[:2]), '{:.2f}')} | {cell(decode[2])} |"
            )
    versions = ", ".join(wheel.replace("==", " ") for wheel in WHEELS)
    print(f"{adapter}, {date.today()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions};")
    print(f"{args.rounds} rounds in turns of {args.repeat} requests behind the first; medians of processes' medians, ms.\n")
    print("| model | fascine | WebGPU | WebGPU / fascine | CPU | fascine, cold first | WebGPU, cold first |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    print("\n".join(rows))
    if ratios:
        mean = statistics.geometric_mean(ratios)
        print(f"\nWebGPU / fascine over the {len(ratios)} models in f32: geometric mean {mean:.2f}, least {min(ratios):.2f}")
    if tokens:
        print(f"\nTokens a second, a prompt of {args.prompt} on an empty cache and {args.tokens} tokens behind it:\n")
        print("| model | prefill, fascine | WebGPU | ratio | CPU | decode, fascine | WebGPU | ratio | CPU |")
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        print("\n".join(tokens))
    if notes:
        print("\n" + "\n".join(f"- {note}" for note in notes))


if __name__ == "__main__":
    main()

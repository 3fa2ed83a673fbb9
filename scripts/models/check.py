"""Compares what an example wrote with onnxruntime on the same input: `check.py NAME DIR RESULTS`."""

import pathlib
import sys
import wave

import numpy as np
import onnxruntime

SENTENCES = pathlib.Path("examples/semantic_search.txt")
name, folder, results = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])


def minilm():
    """A vector of length 1 a line; the query's first."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    texts = ["How do I keep my plants alive?", *SENTENCES.read_text().splitlines()]
    vectors = []
    for text in texts:
        code = tokenizer.encode(text)
        feeds = {"input_ids": code.ids, "attention_mask": code.attention_mask, "token_type_ids": code.type_ids}
        vectors.append(session.run(["embedding"], {key: np.array([value], np.int64) for key, value in feeds.items()})[0][0])
    return np.array(vectors), 2e-6


def silero_vad():
    """The probability of each chunk of 512 samples, before which stand the last 64 of the one before."""
    with wave.open(str(folder / "speech.wav")) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2").astype(np.float32) / 32768
    chunks = np.pad(samples, (64, -len(samples) % 512))
    state, probabilities = np.zeros((2, 1, 128), np.float32), []
    for at in range(0, len(chunks) - 64, 512):
        feeds = {"input": chunks[None, at : at + 576], "state": state, "sr": np.array(16000, np.int64)}
        probability, state = session.run(["output", "stateN"], feeds)
        probabilities.append(probability[0])
    return np.array(probabilities), 1e-4


def centerface():
    """Score, left, top, right and bottom a face."""
    from PIL import Image

    image = np.array(Image.open(folder / "image.png").convert("RGB"), np.float32)
    feeds = {"image": np.ascontiguousarray(image.transpose(2, 0, 1)[None]), "threshold": np.array([0.5], np.float32)}
    boxes, scores = session.run(["boxes", "scores"], feeds)
    return np.concatenate([scores[:, None], boxes[:, [1, 0, 3, 2]]], axis=1), 1e-2


want, limit = {"minilm": minilm, "silero-vad": silero_vad, "centerface": centerface}[name]()
got = np.loadtxt(results, ndmin=2)
if got.shape != want.shape:
    sys.exit(f"{name}: {got.shape} where onnxruntime has {want.shape}")
difference = float(np.abs(got - want).max())
print(f"{name}: {len(want)} results of {want.shape[1]}, largest difference from onnxruntime {difference:.2e} of at most {limit:.0e}")
if name == "minilm":
    got_order, want_order = (np.argsort(-(rows[1:] @ rows[0]), kind="stable") for rows in (got, want))
    if not np.array_equal(got_order, want_order):
        sys.exit("minilm: another ranking")
    print(f"minilm: the same ranking of {len(want) - 1} sentences")
sys.exit(difference > limit)

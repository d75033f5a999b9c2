"""How much memory static quantisation takes on top of what was there before, by method of calibration.

    .venv/bin/python benchmarks/calibration_memory.py BUNDLE --texts 512 --tokens 512

The bundle's float file is calibrated on so many texts of so many tokens, made of its test rows (or of --file), each
method in a process of its own. The peak is the kernel's own (VmHWM), so nothing between two looks is missed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from compress.bench.texts import bundle_texts, file_texts, texts_of_length
from export.model import OnnxModel
from export.quantize import Static
from export.quantize.circumstances import Circumstances, Feed
from serve.bundle import read
from serve.encoding import pad, pad_id, read_tokenizer, tokenize
from serve.session import open_session

METHODS = ("minmax", "entropy", "percentile")
LIMIT_MIB = 1536


def kib(field: str) -> int:
    """A field of this process's memory, as the kernel counts it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def feeds(folder: Path, file: Path | None, texts: int, tokens: int) -> list[Feed]:
    """One text each, unpadded, as a run calibrates on."""
    bundle = read(folder)
    source = bundle_texts(bundle) if file is None else list(file_texts(file))
    made = texts_of_length(source, bundle, tokens, texts)
    tokenizer = read_tokenizer(bundle.tokenizer_path)
    inputs = open_session(folder / "onnx/model.onnx", len(bundle.manifest.labels), threads=1).inputs
    return [pad([one], inputs, pad_id(tokenizer)).arrays for one in tokenize(tokenizer, made)]


def calibrate(options: argparse.Namespace) -> None:
    """One method, in this process."""
    import onnxruntime.quantization.qdq_quantizer  # noqa: F401  its memory is not calibration's

    given = feeds(options.bundle, options.file, options.texts, options.tokens)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the peak so far
    before, start = kib("VmRSS"), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        model = OnnxModel(options.bundle / "onnx/model.onnx", "fp32", read(options.bundle).manifest.opset)
        quantiser = Static(calibration=options.method, calibration_texts=options.texts)
        quantiser.quantize(model, Path(scratch) / "small.onnx", Circumstances(feeds=given))
    found = {"mib": (kib("VmHWM") - before) / 1024, "seconds": time.perf_counter() - start}
    print(json.dumps(found))


def main(options: argparse.Namespace) -> int:
    """A line for each method; 1 where one went over the limit."""
    worst = 0.0
    print(
        f"| {options.texts} texts of {options.tokens} tokens | extra memory, MiB | seconds |\n|---|---|---|"
    )
    for method in METHODS:
        command = [sys.executable, *sys.argv, "--method", method]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found = json.loads(done.stdout.splitlines()[-1])
        worst = max(worst, found["mib"])
        print(f"| {method} | {found['mib']:.0f} | {found['seconds']:.0f} |", flush=True)
    print(f"\nat most {worst:.0f} MiB of the {LIMIT_MIB} MiB allowed")
    return int(worst > LIMIT_MIB)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--file", type=Path, help="a .txt file; the bundle's test rows by default")
    parser.add_argument("--texts", type=int, default=512)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--method", choices=METHODS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.method:
        calibrate(chosen)
    else:
        sys.exit(main(chosen))

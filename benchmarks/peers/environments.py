"""Environments of their own for the peers, and the files that they make of the student."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from compress.judge.machine import machine

OPTIMUM = ("optimum-onnx[onnxruntime]==0.1.0", "transformers==4.57.6", "torch==2.13.0")
# NNCF asks for PyTorch, whatever version: the same one, which is built for the processor alone.
OPENVINO = ("openvino==2026.4.0", "nncf==3.4.0", "numpy", "torch==2.13.0")

# optimum's own quantiser does not get through some of the files that its optimiser writes ("Unable to find data type
# for weight_name"). Then onnxruntime's is called as optimum would, with the one option that helps, and that is said.
QUANTIZE_OPTIMUM = """
import pathlib, sys
from optimum.onnxruntime import ORTQuantizer
from optimum.onnxruntime.configuration import AutoQuantizationConfig
source, target = map(pathlib.Path, sys.argv[1:3])
config = getattr(AutoQuantizationConfig, sys.argv[3])(is_static=False)
try:
    quantizer = ORTQuantizer.from_pretrained(source, file_name="model.onnx")
    quantizer.quantize(save_dir=target, quantization_config=config)
except RuntimeError as error:
    from onnxruntime.quantization import quantize_dynamic
    print(f"{source.name}: optimum's quantiser failed ({str(error)[:60]}...); mended with DefaultTensorType")
    target.mkdir(parents=True, exist_ok=True)
    quantize_dynamic(
        source / "model.onnx", target / "model_quantized.onnx", per_channel=config.per_channel,
        reduce_range=config.reduce_range, weight_type=config.weights_dtype,
        op_types_to_quantize=config.operators_to_quantize, extra_options={"DefaultTensorType": 1},
    )
"""

QUANTIZE_OPENVINO = """
import json, sys
import numpy as np, nncf, openvino as ov
source, target, calibration = sys.argv[1:]
rows = [{k: np.asarray(v, dtype=np.int64) for k, v in row.items()} for row in json.load(open(calibration))]
model = ov.Core().read_model(source)
names = [value.get_any_name() for value in model.inputs]
dataset = nncf.Dataset([{n: row[n] for n in names} for row in rows])
small = nncf.quantize(model, dataset, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(rows))
ov.save_model(small, target, compress_to_fp16=False)
"""


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of a virtual environment with these packages; made once."""
    python = folder / ".venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def optimum_files(python: Path, student: Path, folder: Path) -> dict[str, Path]:
    """The student by `optimum-cli export onnx --optimize O2` and `O3`, and each of them in its dynamic int8."""
    files = {}
    for level in ("O2", "O3"):
        exported = folder / f"optimum-{level}"
        if not (exported / "model.onnx").exists():
            command = [str(python.parent / "optimum-cli"), "export", "onnx", "--model", str(student)]
            command += ["--task", "text-classification", "--optimize", level, str(exported)]
            subprocess.run(command, check=True)
        files[f"optimum {level} fp32"] = exported / "model.onnx"
        small = folder / f"optimum-{level}-int8"
        if not (small / "model_quantized.onnx").exists():
            script = [str(python), "-c", QUANTIZE_OPTIMUM, str(exported), str(small), _processor()]
            subprocess.run(script, check=True)
        files[f"optimum {level} int8"] = small / "model_quantized.onnx"
    return files


def _processor() -> str:
    """As optimum calls its settings for the processor at hand."""
    known = {"avx512_vnni": "avx512_vnni", "avx512f": "avx512", "neon": "arm64"}
    return next((known[flag] for flag in known if flag in machine().instruction_set), "avx2")


def openvino_files(python: Path, source: Path, calibration: Path, folder: Path) -> dict[str, Path]:
    """The float file as OpenVINO reads it (bf16 on a processor that has it) and NNCF's int8 of it."""
    small = folder / "openvino-int8" / "model.xml"
    if not small.exists():
        small.parent.mkdir(parents=True, exist_ok=True)
        script = [str(python), "-c", QUANTIZE_OPENVINO, str(source), str(small), str(calibration)]
        subprocess.run(script, check=True)
    fast = "bf16" if {"avx512_bf16", "amx_bf16"} & set(machine().instruction_set) else "fp32"
    return {f"OpenVINO {fast}": source, "OpenVINO NNCF int8": small}

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import psutil
import pytest

from compress.judge import machine as module
from compress.judge.machine import machine, versions

X86 = """processor\t: 0
model name\t: Some CPU @ 2.60GHz
flags\t\t: fpu avx2 avx512f avx512_vnni amx_int8 avx512_bf16 avx_vnni avx512_vnni_not

processor\t: 1
model name\t: Another CPU
"""
ARM = """processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes asimddp
"""


def test_a_processor_is_read_from_its_first_core(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(X86)
    facts = machine(tmp_path / "cpuinfo")
    assert facts.processor == "Some CPU @ 2.60GHz"
    assert facts.instruction_set == ["avx2", "avx512f", "avx512_vnni", "amx_int8", "avx512_bf16", "avx_vnni"]


def test_arm_has_features_and_no_model_name(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(ARM)
    facts = machine(tmp_path / "cpuinfo")
    assert facts.processor
    assert facts.instruction_set == ["neon", "asimddp"]


def test_a_machine_without_cpuinfo_still_has_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "")
    facts = machine(tmp_path / "missing")
    assert (facts.processor, facts.instruction_set) == ("unknown", [])
    assert 1 <= facts.cores <= (psutil.cpu_count() or 1)
    assert facts.memory_gb == pytest.approx(psutil.virtual_memory().total / 1e9, abs=0.1)


def test_versions_are_those_that_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = versions()
    assert found["numpy"] == np.__version__
    assert found["python"] == platform.python_version()

    def without_torch(package: str) -> str:
        if package == "torch":
            raise PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(module, "version", without_torch)
    assert "torch" not in versions()
    assert "numpy" in versions()


def test_measuring_and_judging_import_neither_torch_nor_transformers() -> None:
    names = "bootstrap fidelity gates interference latency machine metrics report speedup table wording"
    modules = ", ".join(f"compress.judge.{name}" for name in names.split())
    code = f"import sys, {modules}\nprint(sorted({{'torch', 'transformers'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

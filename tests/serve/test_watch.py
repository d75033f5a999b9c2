"""A bundle that is put in while the server answers."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from served import NAME, make_models

import serve
from serve.bundle import MANIFEST, Bundle, sha256
from serve.metrics import Metrics
from serve.runtime import OnnxRuntime
from serve.watch import Watch


def rewrite(folder: Path, **changes: object) -> None:
    """Another manifest, put in place in one step."""
    manifest = json.loads((folder / MANIFEST).read_text()) | changes
    part = folder / "part"
    part.write_text(json.dumps(manifest))
    part.replace(folder / MANIFEST)


def opened(bundle: Bundle, workers: int) -> list[OnnxRuntime]:
    assert workers == 1  # as many as answered before, and nothing is measured again under load
    return [serve.load(bundle.folder, threads=1)]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.watch._EVERY_S", 0.05)


def swaps(metrics: Metrics, outcome: str) -> float:
    return metrics.registry.get_sample_value("compress_swaps_total", {"model": NAME, "outcome": outcome}) or 0


async def until(condition) -> None:
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come")


def test_a_new_version_is_put_in_and_nothing_is_lost(bundle_copy: Path, runtime: OnnxRuntime) -> None:
    async def main() -> None:
        metrics = Metrics()
        model = make_models(bundle_copy, metrics).first
        watching = asyncio.ensure_future(Watch(model, bundle_copy, opened, metrics).run())
        before = model.info.bundle_sha256
        answered = 0

        async def ask() -> None:
            nonlocal answered
            while swaps(metrics, "done") < 3:
                (answer,) = (await model.answer(["a great film"])).answers
                assert answer.label == runtime.predict(["a great film"])[0].label
                answered += 1

        asking = [asyncio.ensure_future(ask()) for _ in range(8)]
        for number in range(3):
            rewrite(bundle_copy, created=f"2026-01-0{number + 1}T00:00:00+00:00")
            await until(lambda number=number: swaps(metrics, "done") == number + 1)
        await asyncio.gather(*asking)
        assert answered > 20
        assert model.info.bundle_sha256 == sha256(bundle_copy / MANIFEST) != before
        assert model.info.created.startswith("2026-01-03")
        told = {"model": NAME, "precision": "fp32", "verdict": "pass"}
        digests = {"sha256": before}, {"sha256": model.info.bundle_sha256}
        counted = [metrics.registry.get_sample_value("compress_bundle_info", told | one) for one in digests]
        assert counted == [None, 1]
        watching.cancel()
        await asyncio.to_thread(model.close)

    asyncio.run(main())


@pytest.mark.parametrize("fault", ["altered", "missing", "no json", "other labels", "other task"])
def test_a_broken_one_is_refused_and_the_old_one_goes_on(
    bundle_copy: Path, tmp_path: Path, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = shutil.copytree(bundle_copy, tmp_path / "good")

    async def main() -> None:
        metrics = Metrics()
        model = make_models(bundle_copy, metrics).first
        watching = asyncio.ensure_future(Watch(model, bundle_copy, opened, metrics).run())
        before = model.info
        if fault == "altered":
            (bundle_copy / "onnx/model.onnx").write_bytes(b"x")
            rewrite(bundle_copy, created="2027-01-01T00:00:00+00:00")
        elif fault == "missing":
            (bundle_copy / "tokenizer.json").unlink()
            rewrite(bundle_copy, created="2027-01-01T00:00:00+00:00")
        elif fault == "no json":
            (bundle_copy / MANIFEST).write_text("{")
        elif fault == "other task":
            rewrite(bundle_copy, task="sentence-similarity")
        else:
            rewrite(bundle_copy, labels=["bad", "good"])
        await until(lambda: swaps(metrics, "refused") >= 1)
        assert "is not put in" in caplog.text
        assert model.info == before
        assert (await model.answer(["a great film"])).answers[0].label == "positive"
        shutil.copytree(good, bundle_copy, dirs_exist_ok=True)
        rewrite(bundle_copy, created="2028-01-01T00:00:00+00:00")
        await until(lambda: swaps(metrics, "done") == 1)  # and the next good one is taken
        watching.cancel()
        await asyncio.to_thread(model.close)

    asyncio.run(main())

"""Every figure that people are shown, on the page, on the card and in the terminal, is one of the report."""

import html
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from figures import is_rounded, shown, unaccounted
from full_report import full_report
from rich.console import Console

from compress.card import model_card
from compress.card_metadata import metadata
from compress.inspection import Inspection, inspect_bundle, render
from compress.judge.report import Report
from compress.judge.wording import sentence
from compress.page.page import report_page
from serve.bundle import Manifest

Document = dict[str, Any]
NAME = "tickets"

# The parts of the report that a section of the page may show, and what its prose says besides (95 % intervals).
PARTS: dict[str, tuple[str, ...]] = {
    "gates": ("gates",),
    "models": ("models", "speedup", "cascade", "baseline"),
    "trade": ("models",),
    "spread": ("models",),
    "batches": ("batches",),
    "fidelity": ("fidelity", "by_teacher"),
    "confusion": ("fidelity",),
    "reliability": ("fidelity",),
    "confidence": ("fidelity",),
    "length": ("fidelity",),
    "shifts": ("generalization",),
    "invariance": ("invariance",),
    "ladder": ("ladder",),
    "training": ("trainings",),
    "exports": ("parity", "exports"),
    "notes": ("notes",),
    "again": ("reproduce", "rows", "machine", "versions", "seconds", "created", "recipe", "data_digest"),
}
PROSE = (95, 98, 100)  # "95 % interval", "98 of 100 answers"
INSIDE = {"fidelity": ("confusion", "reliability", "confidence", "length")}  # figures, walked on their own


def document(report: Report) -> Document:
    found: Document = json.loads(report.model_dump_json())
    return found


def words(markup: str) -> str:
    """What a person reads: no tags, no styles, no numbers along axes."""
    for unread in (r"<style>.*?</style>", r'<text class="tick".*?</text>', r"<title>.*?</title>"):
        markup = re.sub(unread, " ", markup, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", " ", markup))


def part(page: str, name: str) -> str:
    """A section or a figure of the page, by its id, without the figures that stand in it."""
    found = re.search(rf'<(section|figure)[^>]* id="{name}">(.*?)</\1>', page, re.DOTALL)
    assert found, name
    return re.sub(r"<figure.*?</figure>", "", found[2], flags=re.DOTALL) if name in INSIDE else found[2]


@pytest.fixture(scope="module")
def report() -> Report:
    return full_report()


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return report_page(NAME, report)


def sums(report: Report) -> tuple[float, ...]:
    flips = report.fidelity.flips
    return (float(sum(flip.rows for flip in flips)), sum(report.seconds.values()) / 60)


@pytest.mark.parametrize("name", PARTS)
def test_every_figure_of_a_section_is_in_its_part_of_the_report(name: str, page: str, report: Report) -> None:
    text, whole = words(part(page, name)), document(report)
    assert len(shown(text)) >= 1, text
    parts = {key: whole[key] for key in PARTS[name]}
    assert unaccounted(text, [parts, report.fidelity.rows], *PROSE, *sums(report)) == []


@pytest.mark.parametrize("name", PARTS)
def test_a_figure_that_is_another_is_seen(name: str, page: str, report: Report) -> None:
    """The walk would be worth nothing if it found every number somewhere."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {re.sub(r"\d", "", key): moved(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [moved(inner) for inner in value]
        if isinstance(value, str):
            return re.sub(r"\d", "", value)
        return value if isinstance(value, bool) or value is None else 1.371 * value + 0.0137

    parts = {key: moved(document(report)[key]) for key in PARTS[name]}
    assert unaccounted(words(part(page, name)), parts, *PROSE)


def test_the_verdict_on_top_is_the_sentence_with_its_figures(page: str, report: Report) -> None:
    top = words(page.partition('<section id="gates">')[0].partition("<body>")[2])
    said = sentence(report).removeprefix("PASS: ")
    assert said[1:] in " ".join(top.split())
    whole = document(report)
    parts = [whole[key] for key in ("fidelity", "speedup", "size_ratio", "models", "machine", "created")]
    assert unaccounted(top, parts) == []


def test_each_column_of_the_models_holds_what_its_head_says(page: str, report: Report) -> None:
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part(page, "models"), re.DOTALL)
    heads = [words(cell).strip() for cell in re.findall(r"<th[^>]*>(.*?)</th>", rows[0])]
    for row, cells in zip(report.models, rows[1:], strict=True):
        told = dict(zip(heads, re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", cells, re.DOTALL), strict=True))
        figures = {head: shown(words(cell)) for head, cell in told.items()}
        one, every = row.latency["cpu"]["batch_1_one_thread"], row.latency["cpu"]["batch_1"]
        expected = {
            "Macro F1 (95 %)": [row.score, *row.score_ci],
            "MB": [row.size_mb],
            "p50 / p95 ms, 1 thread": [one.p50_ms, one.p95_ms],
            "p50 / p95 ms, 2 threads": [every.p50_ms, every.p95_ms],
        }
        for head, values in expected.items():
            assert all(map(is_rounded, figures[head], values)), (head, figures[head])
            assert len(figures[head]) == len(values)


def test_each_file_is_said_to_be_of_its_model(report: Report) -> None:
    """Float files come first, and a smaller one after its own."""
    (near,), (form, _) = report.parity, report.exports
    smaller = near.model_copy(update={"measure": "relative_rms_difference", "file": "model_quantized.onnx"})
    exports = [form.model_copy(update={"model": name}) for name in ("teacher", "plain student", "student")]
    both = report.model_copy(update={"parity": [near, near, smaller, near, smaller], "exports": exports})
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", part(report_page(NAME, both), "exports"), re.DOTALL)[1:]
    told = [tuple(words(cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)[:2]) for row in rows]
    assert told == [
        ("teacher", "model.onnx"),
        ("plain student", "model.onnx"),
        ("plain student", "model_quantized.onnx"),
        ("student", "model.onnx"),
        ("student", "model_quantized.onnx"),
    ]


def test_every_figure_of_the_card_is_in_the_report(report: Report) -> None:
    text = model_card(NAME, report).partition("## Use")[0]
    assert unaccounted(text, document(report), *PROSE, *sums(report)) == []
    rows = [line for line in text.splitlines() if re.match(r"\| (teacher|student|plain student) \|", line)]
    for row, line in zip(report.models, rows, strict=True):
        latency = row.latency["cpu"]["batch_1"]
        values = [row.score, *row.score_ci, row.size_mb, latency.p50_ms, latency.p95_ms]
        assert all(map(is_rounded, shown(line), values)), line
        assert len(shown(line)) == len(values)


def test_the_metadata_of_the_card_are_the_values_themselves(report: Report) -> None:
    (entry,) = metadata(NAME, report)["model-index"]  # type: ignore[attr-defined]  # a list, by its key
    (result,) = entry["results"]
    values = {metric["type"]: metric["value"] for metric in result["metrics"]}
    assert values == {
        "f1": report.models[-1].score,
        "retention": report.fidelity.retention,
        "agreement": report.fidelity.agreement,
    }


def printed(found: Inspection) -> str:
    console = Console(width=80, no_color=True, file=io.StringIO())
    console.print(render(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_every_figure_of_inspect_is_in_the_bundle(bundle_folder: Path, report: Report) -> None:
    manifest = Manifest.model_validate_json((bundle_folder / "bundle.json").read_text())
    found = Inspection(bundle="bundle", sentence=sentence(report), manifest=manifest, report=report)
    text = printed(found)
    sizes = [entry.size_bytes for entry in manifest.files.values()]
    digests = {entry.sha256[:12] for entry in manifest.files.values()} | {report.data_digest[:12]}
    for digest in digests:
        assert digest in text
        text = text.replace(digest, "")
    teacher = report.models[0].latency["cpu"]["batch_1"].p50_ms
    ratios = [teacher / row.latency["cpu"]["batch_1"].p50_ms for row in report.models]
    assert report.batches is not None
    rates = [point.per_second for point in report.batches.curve]
    ratios += [rate / rates[0] for rate in rates]
    others = [*(size / 1e6 for size in sizes), sum(sizes) / 1e6, len(manifest.labels), *ratios]
    documents = [document(report), json.loads(manifest.model_dump_json())]
    assert unaccounted(text, documents, *others, *sums(report)) == []
    assert max(map(len, text.splitlines())) <= 80


def test_inspect_tells_the_verdict_and_refuses_what_was_altered(
    bundle_folder: Path, altered: Callable[[], Path]
) -> None:
    found = inspect_bundle(bundle_folder)
    assert found.report is not None
    assert found.sentence == sentence(found.report)
    text = " ".join(printed(found).split())
    assert text.endswith(found.sentence)
    for file in found.manifest.files:
        assert file in text
    with pytest.raises(Exception, match="was altered"):
        inspect_bundle(altered())


def test_of_a_folder_that_was_only_exported_nothing_is_said_to_be_judged(
    bundle_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(bundle_folder, tmp_path / "exported")
    (folder / "report.json").unlink()
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["files"]["report.json"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    found = inspect_bundle(folder)
    assert found.report is None
    assert found.sentence is None
    assert "NOT JUDGED" in printed(found)
    assert "PASS" not in printed(found)

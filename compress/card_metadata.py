"""The Hub's metadata on top of a model card: what the model is, what it came from, and its measured values.

The fields are those of https://huggingface.co/docs/hub/model-cards; what is not known is left out.
"""

from collections.abc import Mapping
from pathlib import PurePath

import yaml

from compress.data.hub import is_local
from compress.judge.report import Report
from compress.judge.wording import METRIC_NAMES, shipped_row

# By the names that the Hub's library of metrics has.
_METRICS = {
    "accuracy": "accuracy",
    "macro_f1": "f1",
    "micro_f1": "f1",
    "binary_f1": "f1",
    "entity_f1": "f1",
    "entity_macro_f1": "f1",
    "f1": "f1",
    "exact_match": "exact_match",
    "matthews": "matthews_correlation",
    "pearson": "pearsonr",
    "spearman": "spearmanr",
}


def metadata_block(name: str, report: Report) -> str:
    """The lines between the two `---`, as `huggingface_hub` writes them."""
    return str(
        yaml.safe_dump(metadata(name, report), sort_keys=False, allow_unicode=True, width=float("inf"))
    )


def metadata(name: str, report: Report) -> dict[str, object]:
    """The fields, from the report alone."""
    fields: dict[str, object] = {"library_name": "onnx", "pipeline_tag": report.task}
    if base := _base_models(report.recipe):
        fields["base_model"] = base
    data = _part(report.recipe, "data")
    if (source := str(data.get("path") or "")) and _on_the_hub(source):
        fields["datasets"] = [source]
    if report.metric is not None:
        fields["metrics"] = [_METRICS.get(report.metric, report.metric)]
    fields["tags"] = _tags(report)
    fields["model-index"] = [{"name": name, "results": [_result(report, data)]}]
    return fields


def _base_models(recipe: Mapping[str, object]) -> list[str]:
    """What it was made from, as far as the Hub has it: the pretrained student, the teachers."""
    teachers = recipe.get("teacher")
    named = [recipe.get("student"), *(teachers if isinstance(teachers, list) else [teachers])]
    models = [str(one["model"]) for one in named if isinstance(one, Mapping) and one.get("model")]
    return list(dict.fromkeys(model for model in models if _on_the_hub(model)))


def _on_the_hub(name: str) -> bool:
    return not is_local(name) and ":" not in name and not PurePath(name).suffix


def _tags(report: Report) -> list[str]:
    smaller = report.shipped.removeprefix("onnx-")
    taught = ["knowledge-distillation"] if report.recipe.get("student") else []
    return ["onnx", *([smaller] if smaller != "fp32" else []), *taught, "compress-toolchain"]


def _result(report: Report, data: Mapping[str, object]) -> dict[str, object]:
    """The scores of what ships, with the rows that they were measured on."""
    source = str(data.get("path") or "data")
    named = source if _on_the_hub(source) else PurePath(source).stem or "data"
    dataset: dict[str, object] = {"name": named, "type": named}
    if config := data.get("name"):
        dataset["config"] = config
    dataset["split"] = str(_part(data, "splits").get("test") or "test")
    metrics: list[dict[str, object]] = []
    shipped = shipped_row(report)
    if shipped is not None and report.metric is not None:
        metrics += [
            {"type": _METRICS.get(metric, metric), "value": value, "name": METRIC_NAMES.get(metric, metric)}
            for metric, value in {report.metric: shipped.score, **shipped.other_scores}.items()
        ]
    if report.fidelity.retention is not None:
        metrics.append(
            {
                "type": "retention",
                "value": report.fidelity.retention,
                "name": "score over the teacher's score",
            }
        )
    metrics.append(
        {"type": "agreement", "value": report.fidelity.agreement, "name": "agreement with the teacher"}
    )
    return {"task": {"type": report.task}, "dataset": dataset, "metrics": metrics}


def _part(document: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = document.get(key)
    return found if isinstance(found, Mapping) else {}

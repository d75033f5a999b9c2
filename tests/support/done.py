"""A finished run of a task with its rows, as every task's tests ask it."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from every_task import TaskCase
from tiny import TinyRun

from serve.bundle import FLOAT_MODEL, read
from serve.inputs import Input
from serve.runtime import OnnxRuntime


@dataclass(frozen=True)
class Done:
    """A finished run of a task."""

    case: TaskCase
    run: TinyRun

    @property
    def rows(self) -> list[dict[str, Any]]:
        lines = (self.run.bundle / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @property
    def asked(self) -> list[Input]:
        return [(row["text"], row["text_pair"]) if self.case.pairs else row["text"] for row in self.rows]

    @property
    def served(self) -> list[Input]:
        """As a server is asked: of embeddings each text by itself."""
        return read(self.run.bundle).manifest.answering.singly(self.asked)

    @property
    def embeds(self) -> bool:
        return read(self.run.bundle).manifest.answering.EMBEDS

    def body(self, inputs: list[Input]) -> list[Any]:
        """As `POST /` takes them."""
        names = self.case.fields
        return [dict(zip(names, one, strict=True)) if isinstance(one, tuple) else one for one in inputs]

    @property
    def float_file(self) -> OnnxRuntime:
        """The file before it was quantised, in true batches."""
        manifest = read(self.run.bundle).manifest
        return OnnxRuntime.from_files(
            self.run.bundle / FLOAT_MODEL,
            self.run.bundle / "tokenizer.json",
            manifest.labels,
            batching="batch",
            answering=manifest.answering,
        )


def near(expected: Any) -> Any:
    """Equal, with numbers as near as JSON and batches leave them."""
    if isinstance(expected, list):
        return _List(expected)
    if isinstance(expected, dict):
        return _Dict({key: near(value) for key, value in expected.items()})
    return pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected


class _List(list):
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, list)
            and len(other) == len(self)
            and all(near(mine) == theirs for mine, theirs in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]


class _Dict(dict):
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, dict)
            and set(other) == set(self)
            and all(self[key] == other[key] for key in self)
        )

    __hash__ = None  # type: ignore[assignment]

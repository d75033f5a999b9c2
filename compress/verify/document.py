"""What `compress verify` found, as a frozen document; the schema number comes first."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compress.judge.report import Fidelity, Gate, Interval, Invariance, Latency, Machine, Status


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NotMeasured(_Strict):
    """A gate of the recipe of which nothing can be said here."""

    name: str
    threshold: float
    why: str


class Verification(_Strict):
    """The verdict on a bundle by what was measured on this machine."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    verdict: (
        Status  # of the gates that could be measured; inconclusive where gates were asked for and none could
    )
    bundle: str  # the bundle's folder
    name: str
    shipped: str  # "onnx-int8", ...
    size_mb: float  # 10^6 bytes, of the file that ships
    rows_from: str  # the file of the rows
    rows: int
    metric: str
    score: float | None  # None where the rows have no labels
    score_ci: Interval | None
    teacher_score: float | None  # None where its answers are not known
    reported_score: float | None  # of the same file on the same rows, in the bundle's report
    fidelity: Fidelity | None  # None where the teacher's answers are not known
    invariance: Invariance
    latency: dict[str, Latency]  # batch_1: all threads; batch_1_one_thread
    clean_rounds: int  # the least of both; below 5 the latency was taken beside busy neighbours
    gates: list[Gate]
    not_measured: list[NotMeasured]
    notes: list[str]
    machine: Machine
    reported_on: str  # the processor of the bundle's report
    versions: dict[str, str]
    created: str  # ISO 8601, UTC

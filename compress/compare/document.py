"""`compare.json`: what a comparison of methods found, as a frozen document. The schema number comes first."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compress.judge.report import Interval, Machine

TEACHER, PLAIN, FLOOR = "teacher", "plain", "tf-idf"  # names of rows; every other name is a method
CHANCE = 0.05  # a difference with a p-value of this or more may be chance

Kind = Literal["teacher", "plain", "distilled", "floor"]
KINDS: Mapping[str, Kind] = {TEACHER: "teacher", PLAIN: "plain", FLOOR: "floor"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SeedRow(_Strict):
    """One trained model."""

    seed: int
    selection_score: float | None  # on the selection rows; None where nothing was selected
    score: float
    score_ci: Interval
    agreement: float | None  # share of rows with the teacher's label
    kl: float | None  # mean KL(teacher || model) in nats; None where probabilities are not known
    ece: float | None  # expected calibration error, 0 to 1
    training_seconds: float | None
    learning_rate: float | None
    predicted_sha256: str  # of the label ids on the reported rows, as little-endian int64
    file: str | None  # where the answers are kept


class Gain(_Strict):
    """A method against the plain student, seed for seed on the same rows."""

    value: float  # the method's score less the plain student's, the mean over seeds
    ci: Interval  # of these models: paired, the rows are drawn
    ci_seeds: Interval | None  # of the method: the seeds are drawn too; None with one seed
    only_method: int | None  # rows that the method's model alone answers rightly, summed over seeds
    only_plain: int | None  # both None where right is a matter of degree
    p_value: float  # one seed and accuracy: McNemar's exact test; else see `paired_p_value`
    seeds: list[int]  # that both were trained with

    @property
    def interval(self) -> Interval:
        """The one to judge by: with the seeds drawn, where there are several."""
        return self.ci if self.ci_seeds is None else self.ci_seeds

    @property
    def beyond_chance(self) -> bool | None:
        """True for a gain, False for a loss, None where it may be chance.

        Both the interval and the test must say so: where the two answer differently on a handful of rows,
        a bootstrap alone is too sure of itself (three rows to none gives an interval above 0, and p = 0.25).
        """
        low, high = self.interval
        if self.p_value >= CHANCE or low <= 0 <= high:
            return None
        return low > 0


class MethodRow(_Strict):
    """One row of the comparison: a method (or the teacher, the plain student, the floor) over its seeds."""

    name: str  # as on the command line: logits, tinybert+logits, plain, teacher, tf-idf
    kind: Kind
    seeds: list[SeedRow]
    selection_score: float | None  # mean over seeds
    score: float  # mean over seeds, as are agreement and retention
    score_ci: Interval
    agreement: float | None
    agreement_ci: Interval | None
    retention: float | None  # score / teacher's score; None where the rows have no labels
    retention_ci: Interval | None
    gain: Gain | None  # None for the teacher, the plain student and the floor, and without a plain student
    training_seconds: float | None  # of all seeds


class Student(_Strict):
    """The model that every method trained."""

    layers: int | None
    parameters: int
    size_mb: float  # 10^6 bytes
    source: str | None = None  # the model or teacher that it was made from


class Comparison(_Strict):
    """Everything that a comparison found."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    helped: bool | None  # True: beyond chance; False: it hurt beyond chance; None: not settled
    sentence: str  # the same for people
    best: str | None  # the student with the best selection score, never chosen by the reported rows
    task: str
    metric: str | None  # None where the rows have no labels: scores are agreement with the teacher
    methods: list[MethodRow]  # the teacher first, then the plain student, the floor last
    student: Student
    precision: str  # of the files that answered: fp32, int8, ...
    notes: list[str]
    labels: list[str]
    rows: dict[str, int]  # rows per split: train, validation, test
    data_digest: str
    recipe: dict[str, object]
    machine: Machine
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    reproduce: str  # the command that gives this document again

"""`report.json`: what a run found, as a frozen document. The schema number comes first."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from serve.bundle import Batches, Precision

Status = Literal["pass", "fail", "inconclusive"]
Interval = tuple[float, float]  # 95 %, low then high

MIN_CLEAN_ROUNDS = 5  # of timing; fewer prove nothing: the result is noisy and its gate inconclusive


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Latency(_Strict):
    """Text to label, tokenizer included, one text at a time."""

    p50_ms: float
    p95_ms: float
    samples: int
    threads: int
    quantiles_ms: dict[str, float] = Field(default_factory=dict)  # by share of the answers: "0.25", "0.99"


class ModelRow(_Strict):
    """One model in one runtime: a row of the result table."""

    name: str  # teacher, teacher 2, plain student, student
    runtime: Literal["torch", "onnxruntime"]
    precision: Precision
    score: float
    score_ci: Interval
    # By the other metrics of the task, on the same rows; empty where these have no labels, and in older reports.
    other_scores: dict[str, float] = Field(default_factory=dict)
    parameters: int
    size_mb: float  # 10^6 bytes, of the weights file (torch) or the ONNX file
    # {"cpu": {"batch_1": all threads, "batch_1_one_thread": one thread}}; empty when not measured
    latency: dict[str, dict[str, Latency]]


class PairedTest(_Strict):
    """The teacher against what ships on the same rows: McNemar's exact test."""

    only_teacher: int  # rows that the teacher alone answers rightly
    only_shipped: int
    p_value: float  # two-sided


NO_ENTITY = "no entity"  # in the place of a type, where one of both models sees none
NO_LABEL = "not given"  # in the place of a label that one of both models does not give


class Flip(_Strict):
    """Rows on which what ships gives another label than the teacher, by the pair of labels."""

    teacher: str
    shipped: str
    rows: int


class Slice(_Strict):
    """Agreement on the rows whose value (characters, or the teacher's confidence) lies between two ends, both in it."""

    low: float
    high: float
    rows: int
    agreement: float
    agreement_ci: Interval


class ReliabilityBin(_Strict):
    """The rows answered with a confidence over `low` and up to `high`: how often the answer was right."""

    low: float
    high: float
    rows: int
    confidence: float  # the mean in this bin
    accuracy: float


class Fidelity(_Strict):
    """How far the model that ships answers as its teacher does, on the reported rows."""

    rows: int
    retention: float | None  # shipped score / teacher score; None where the rows have no labels
    retention_ci: Interval | None
    agreement: float  # share of rows that are answered as the teacher does: what that means, the task says
    agreement_ci: Interval
    kl: float | None  # mean KL(teacher || shipped), in nats; None where answers are no distributions
    correlation: float | None = None  # of both models' answers, where they are numbers
    likeness: float | None = (
        None  # mean cosine between both models' vectors, where answers are vectors of one width
    )
    ece_teacher: float | None
    ece_student: float | None
    mcnemar: PairedTest | None = None  # None where the rows have no labels
    flips: list[Flip] = Field(default_factory=list)  # most frequent first
    # Rows on which both give this label; with the flips every row of the confusion table. Empty in older reports.
    alike: dict[str, int] = Field(default_factory=dict)
    flips_of: Literal["rows", "entities", "labels"] = "rows"  # what both of them count
    # Where answers are numbers: the right one, the teacher's and the shipped one's, of some 400 rows at most.
    numbers: list[tuple[float | None, float, float]] = Field(default_factory=list)
    by_length: list[Slice] = Field(default_factory=list)  # characters of the text, in quarters of the rows
    by_confidence: list[Slice] = Field(default_factory=list)  # the teacher's, in quarters of the rows
    reliability_teacher: list[ReliabilityBin] = Field(default_factory=list)  # empty bins are left out
    reliability_student: list[ReliabilityBin] = Field(default_factory=list)
    has_labels: bool | None = None  # None in older reports


class Baseline(_Strict):
    """What ships against the same student on the same budget that learnt from the labels alone."""

    gain: float  # shipped score less the plain student's
    gain_ci: Interval  # paired: both on the same rows
    # Rows that the distilled student alone answers rightly, or the plain one; None where right is a matter of degree.
    only_distilled: int | None
    only_plain: int | None
    p_value: float  # McNemar's exact test, or of swapping the two in every row (`paired_p_value`)


class LadderRow(_Strict):
    """One way to quantise that was tried, on rows that are not reported."""

    name: str  # float, dynamic int8, static int8, minmax, ...
    precision: Precision
    score: float  # on the selection rows; without labels, the share answered as the float file does
    loss: float  # the float file's score less this one
    p50_ms: float | None  # None where it was not good enough to be timed
    speedup: float | None  # p50 of the float file over this one's; the lower of one thread and all
    size_mb: float
    kept_float: list[str]  # nodes that were left in float, because int8 hurts them most
    status: Literal["passed", "missed", "refused"]
    why: str  # one sentence for people
    chosen: bool


class Speedup(_Strict):
    """Teacher in PyTorch over what ships, p50 over p50; the lower of one thread and all threads."""

    p50: float
    ci: Interval
    threads: int  # the thread count that gave the lower ratio
    by_threads: dict[str, float]
    rounds: int  # clean rounds used
    dropped_rounds: int  # rounds in which other processes were busy

    @property
    def noisy(self) -> bool:
        """Too few clean rounds: the figures are there to be looked at, and prove nothing."""
        return self.rounds < MIN_CLEAN_ROUNDS


class Gate(_Strict):
    """One threshold of the recipe against what was measured."""

    name: str
    threshold: float
    value: float
    ci: Interval | None  # None for what has no sampling error (a file's size)
    status: Status
    rows_to_settle: int | None  # when inconclusive: about how many rows would settle it
    message: str  # one sentence for people


class InvarianceCase(_Strict):
    """The same texts, asked in another way, against each text answered alone."""

    name: str
    counted: bool  # False for what the runtime does not do: true batches of a model that is run text by text
    largest_change: float  # in any probability, or number, of any row
    flips: int  # rows with another answer


class Invariance(_Strict):
    """Whether an answer of what ships depends on anything but its text."""

    rows: int
    batching: Literal["batch", "one_by_one"]  # how the runtime answers many texts
    threads: int  # with which the texts were answered alone
    cases: list[InvarianceCase]
    flips: int  # rows whose label changed in any counted case


class Held(_Strict):
    """One model's score on changed rows, and how far it is below the one on the test rows."""

    score: float
    score_ci: Interval
    drop: float  # above 0: it does worse than on the test rows
    drop_ci: Interval  # paired for changed test rows; of independent samples for a file


class Shift(_Strict):
    """Teacher and what ships on test rows that were changed, or on a file from elsewhere. No gate rests on it."""

    name: str  # typos, case, punctuation, or the file's name in the recipe
    kind: Literal["perturbed", "file"]
    rows: int
    teacher: Held | None  # None where the rows have no labels
    shipped: Held | None
    agreement: float  # of the two, on these rows
    agreement_ci: Interval


class Parity(_Strict):
    """An ONNX file against the PyTorch model it came from, on real texts."""

    file: str
    measure: Literal["max_abs_difference", "relative_rms_difference"]
    difference: float
    tolerance: float
    texts: int
    batch_sizes: list[int]
    lengths: list[int]  # tokens, the different padded lengths that were fed


class Cascade(_Strict):
    """A threshold for `compress serve --cascade`, and what it is expected to give on rows that select."""

    below: float  # the student's best probability under which the teacher answers
    share: float  # of the rows that are handed on
    score: float  # of both together, by the metric; agreement with the teacher where there are no labels
    student: float
    teacher: float
    rows: int


class ExportForm(_Strict):
    """One form in which a model was written down as ONNX, to choose the file from."""

    model: str  # teacher, plain student, student
    name: str  # opset-23, portable, opset-17-fused
    opset: int
    proven: bool
    chosen: bool
    p50_ms: float | None  # one text, one thread, without the tokenizer; None where time was not asked
    reason: str | None  # why it was not proven, or what was rolled back


class Training(_Strict):
    """How one model learnt: its loss, and its score on the rows that select the checkpoint."""

    stage: str  # teacher, student-1-tinybert, ...
    steps: int
    loss: list[tuple[int, float]]  # optimiser step, mean since the point before
    score: list[tuple[int, float]]  # optimiser step, metric; empty where no checkpoint is selected
    kept: int | None  # the step whose weights were kept; None where it is the last


class Machine(_Strict):
    """What the figures were measured on."""

    processor: str
    cores: int
    instruction_set: list[str]
    platform: str
    memory_gb: float


class Report(_Strict):
    """Everything that a run found."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    verdict: Status
    task: str
    problem_type: str | None = None  # transformers' word for the kind of text classification
    metric: str | None  # None where the rows have no labels: judged by agreement alone
    shipped: str  # "onnx-int8", "onnx-fp32", ...
    models: list[ModelRow]
    fidelity: Fidelity
    # Where the teacher is an average of several: what ships against each of them.
    by_teacher: dict[str, Fidelity] = Field(default_factory=dict)
    baseline: Baseline | None = None  # None where the recipe asked for none
    invariance: Invariance | None = None
    batches: Batches | None = None  # how many texts a server answers in one go
    generalization: list[Shift] = Field(default_factory=list)
    cascade: Cascade | None = (
        None  # None where the student alone is as good, or there is no one teacher to ask
    )
    ladder: list[LadderRow] = Field(default_factory=list)  # with `quantize: {method: auto}`
    speedup: Speedup | None
    size_ratio: float  # teacher's size over the shipped file's
    gates: list[Gate]
    parity: list[Parity]
    exports: list[ExportForm] = Field(default_factory=list)  # every form that was tried
    trainings: list[Training] = Field(default_factory=list)  # in order; those of older stages left no trace
    notes: list[str]  # what was decided on the way and a reader should know
    labels: list[str]
    rows: dict[str, int]  # rows per split: train, validation, test
    data_digest: str
    recipe: dict[str, object]
    machine: Machine
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    seconds: dict[str, float]  # per stage, of the run in which it was done
    bundle: str  # the bundle's folder
    teacher: str  # the teacher's folder, for `compress demo --teacher`
    reproduce: str  # the command that gives this report again

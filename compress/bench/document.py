"""What `compress bench` found, as a frozen document. The schema number comes first."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from compress.judge.report import Interval, Machine

AS_THEY_COME = "as they come"  # texts with the lengths that they have


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Quantile(_Strict):
    """A quantile of the time of one call, in milliseconds, with its 95 % interval over rounds."""

    ms: float
    ci: Interval


class Model(_Strict):
    """One contender."""

    name: str
    runtime: Literal["onnxruntime", "torch"]
    precision: str
    size_mb: float  # 10^6 bytes
    cold_start_s: float  # from starting Python to the first answer; median of several processes
    peak_memory_mb: float  # 10^6 bytes, of that process
    reference: bool  # the first that was given: what the ratios refer to


class Cell(_Strict):
    """One model at one number of threads, size of batch and kind of texts."""

    model: str
    threads: int
    batch: int  # texts in a call
    texts: str  # AS_THEY_COME, or "16 tokens"
    tokens: float  # mean number of tokens of a text, special tokens included
    p50: Quantile  # of a call: text to label, tokenizer included
    p90: Quantile
    p95: Quantile
    p99: Quantile
    model_p50: Quantile  # of a call without the tokenizer
    texts_per_second: float  # text to label
    ratio: float  # p50 of this model over p50 of the first: how many times as fast the first is
    ratio_ci: Interval
    calls: int
    rounds: int  # clean ones
    dropped_rounds: int
    noisy: bool  # too few clean rounds to trust


class Bench(_Strict):
    """Everything that was measured."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True)

    schema_number: Literal[1] = Field(default=1, alias="schema")
    models: list[Model]
    cells: list[Cell]
    device: Literal["cpu", "cuda"]
    machine: Machine
    versions: dict[str, str]
    created: str  # ISO 8601, UTC
    reproduce: str  # the command that measures it again

"""What a server tells of a model: which one answers, and what it may be asked."""

from pydantic import BaseModel, ConfigDict

from serve.bundle import MANIFEST, Batches, Bundle, sha256
from serve.limits import Limits
from serve.tasks import AnyAnswering, SingleLabel


class Info(BaseModel):
    """What `GET /info` tells: which model answers, and what it may be asked."""

    model_config = ConfigDict(frozen=True)

    name: str
    task: str
    labels: list[str]
    precision: str
    batching: str
    batches: Batches | None = (
        None  # how many texts are answered in one go, as measured where the bundle was made
    )
    text_pair: bool = False  # asked with two texts
    answering: AnyAnswering = SingleLabel()  # how outputs become answers
    max_length: int  # tokens; the end of a longer text is not read
    verdict: str
    created: str
    bundle_sha256: str  # of bundle.json, which holds the digest of every other file
    limits: Limits


def describe(bundle: Bundle, limits: Limits, name: str | None = None) -> Info:
    """The public facts about a bundle."""
    manifest = bundle.manifest
    return Info(
        name=name or manifest.name,
        task=manifest.task,
        labels=manifest.labels,
        precision=manifest.precision,
        batching=manifest.batching,
        batches=manifest.batches,
        text_pair=manifest.text_pair,
        answering=manifest.answering,
        max_length=manifest.max_length,
        verdict=manifest.verdict,
        created=manifest.created,
        bundle_sha256=sha256(bundle.folder / MANIFEST),
        limits=limits,
    )

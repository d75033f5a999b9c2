"""sentence-transformers, in an environment of its own, asked what the float file is asked."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.peers.environments import environment
from benchmarks.reference.compared import Compared, compare
from benchmarks.reference.rows import Asked
from benchmarks.reference.subject import Subject

PACKAGES = ("sentence-transformers==6.2.0", "torch==2.13.0")

RECORD = """
import json, sys
import numpy as np, sentence_transformers
model, texts, target = sys.argv[1:]
encoder = sentence_transformers.SentenceTransformer(model, device="cpu")
np.save(target, encoder.encode(json.load(open(texts, encoding="utf-8")), convert_to_numpy=True))
"""


def compare_embeddings(subject: Subject, asked: Sequence[Asked], environments: Path) -> list[Compared]:
    """Every number of every vector."""
    python = environment(environments / "sentence-transformers", PACKAGES)
    runtime = subject.runtime()
    found = []
    for given in asked:
        ours = [answer.told() for answer in runtime.predict(given.rows)]
        theirs = _recorded(python, subject.weights, [str(row) for row in given.rows])
        found.append(compare("vectors", given.kind, ours, theirs, _numbers, len))
    return found


def _recorded(python: Path, weights: str, texts: Sequence[str]) -> list[list[float]]:
    with TemporaryDirectory() as scratch:
        given, target = Path(scratch) / "texts.json", Path(scratch) / "vectors.npy"
        given.write_text(json.dumps(texts), encoding="utf-8")
        subprocess.run([str(python), "-c", RECORD, weights, str(given), str(target)], check=True)
        vectors: list[list[float]] = np.load(target).tolist()
    return vectors


def _numbers(vector: Sequence[float]) -> dict[int, float]:
    return dict(enumerate(vector))

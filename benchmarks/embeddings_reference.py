"""Embeddings of a float ONNX file against sentence-transformers, over the same weights.

sentence-transformers is no dependency of this project, so its vectors are recorded in an environment of its own:

    ENVIRONMENT/bin/python benchmarks/embeddings_reference.py record MODEL TEXTS.txt vectors.npz
    compress export MODEL --task sentence-similarity --quantize none --out bundle
    python benchmarks/embeddings_reference.py compare bundle TEXTS.txt vectors.npz

TEXTS.txt has a text in each line. Prints the largest difference of a number and the lowest cosine, as JSON.
"""

import argparse
import json
from pathlib import Path

import numpy as np


def record(model: str, texts: list[str], out: Path) -> None:
    """What sentence-transformers gives, in float32 on the processor, to a file."""
    import sentence_transformers

    encoder = sentence_transformers.SentenceTransformer(model, device="cpu")
    np.savez(out, vectors=encoder.encode(texts), version=sentence_transformers.__version__)


def compare(bundle: Path, texts: list[str], recorded: Path) -> dict[str, object]:
    """The float file of a bundle against what was recorded."""
    from serve.bundle import FLOAT_MODEL, read
    from serve.runtime import OnnxRuntime
    from serve.tasks.embedding import cosines

    found = read(bundle)
    manifest = found.manifest
    runtime = OnnxRuntime.from_files(
        bundle / FLOAT_MODEL,
        found.tokenizer_path,
        manifest.labels,
        batching="batch",
        answering=manifest.answering,
    )
    ours = np.array([answer.told() for answer in runtime.predict(texts)])
    with np.load(recorded) as saved:
        theirs, version = saved["vectors"], str(saved["version"])
    return {
        "texts": len(texts),
        "sentence_transformers": version,
        "largest_difference": float(np.abs(ours - theirs).max()),
        "lowest_cosine": float(cosines(ours, theirs).min()),
        "lengths": [float(np.linalg.norm(theirs, axis=1).min()), float(np.linalg.norm(theirs, axis=1).max())],
    }


def main() -> None:
    """Record, or compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["record", "compare"])
    parser.add_argument("model", help="of record: a folder or a Hub model; of compare: a bundle")
    parser.add_argument("texts", type=Path)
    parser.add_argument("vectors", type=Path)
    asked = parser.parse_args()
    texts = [line for line in asked.texts.read_text(encoding="utf-8").splitlines() if line.strip()]
    if asked.what == "record":
        record(asked.model, texts, asked.vectors)
    else:
        print(json.dumps(compare(Path(asked.model), texts, asked.vectors)))


if __name__ == "__main__":
    main()

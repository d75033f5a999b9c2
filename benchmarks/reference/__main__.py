"""Does the float ONNX file answer as transformers or sentence-transformers does over the same weights?

    python -m benchmarks.reference runs/emotion
    compress export MODEL --task token-classification --quantize none --out exported
    python -m benchmarks.reference exported --model MODEL --data FOLDER/wnut_17

RUN is a run's folder, whose teacher and student are both asked its test rows; or a folder that `compress export`
made, with the model it was made of. Asked are 200 rows, the 20 longest among them, 20 that are rows joined till the
model cannot read them whole, and 15 odd ones (other scripts, emoji, control characters, no words). Labels, spans and
offsets must be equal and scores within 1e-4, for entities by every aggregation strategy. Exit code 1 where a row
differs.

sentence-transformers gets an environment of its own under --environments, made once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.reference.compared import Compared, table
from benchmarks.reference.pipelines import compare_classification, compare_entities
from benchmarks.reference.rows import Asked, asked_rows
from benchmarks.reference.sentences import compare_embeddings
from benchmarks.reference.subject import Subject, of_export, of_run, rows_of
from compress.quiet import quiet_libraries
from serve.bundle import MANIFEST
from serve.inputs import Input

RECORDED = "question-answering"  # transformers 5 has no pipeline of it


def compared(subject: Subject, asked: Sequence[Asked], environments: Path) -> list[Compared]:
    """The lines of one model."""
    if subject.answering.EMBEDS:
        return compare_embeddings(subject, asked, environments)
    if subject.answering.TASK == "token-classification":
        return compare_entities(subject, asked)
    if subject.answering.TASK == RECORDED:
        sys.exit(
            f"transformers has no pipeline of {RECORDED}: "
            "benchmarks/question_answering_reference.py holds a model against recorded answers"
        )
    return compare_classification(subject, asked)


def main(asked: argparse.Namespace) -> int:
    """Prints the table; how many rows differ."""
    quiet_libraries()
    rows: list[Input]
    if (asked.folder / MANIFEST).is_file():
        if asked.model is None or asked.data is None:
            sys.exit(f"{asked.folder} is an exported model. Expected: --model and --data. To do: give both")
        subjects = [of_export(asked.folder, asked.model)]
        rows = rows_of(asked.data, subjects[0], pairs=asked.text_pair)
    else:
        subjects, rows = of_run(asked.folder)
    found = []
    for one in subjects:
        given = asked_rows(one.answering.singly(rows), asked.rows, one.counter(), one.max_length)
        found += [(one.name, line) for line in compared(one, given, asked.environments)]
    print(table(found))
    return sum(line.differing for _, line in found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="a run, or what `compress export` made")
    parser.add_argument("--model", help="what was exported: a folder or a Hub name")
    parser.add_argument("--data", help="a folder, a file or a Hub data set, for an exported model")
    parser.add_argument("--text-pair", action="store_true", help="the exported model reads pairs of texts")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--environments", type=Path, default=Path("environments"))
    sys.exit(1 if main(parser.parse_args()) else 0)

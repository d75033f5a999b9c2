"""Does a bundle answer alike in other people's libraries? optimum-onnx and transformers.js beside `serve`.

Classifiers of texts, entities and answers to questions; the last two in optimum-onnx alone.

    .venv/bin/python benchmarks/other_loaders.py runs/sst2/bundle --environments /tmp/loaders

Each library gets an environment of its own under the folder (optimum-onnx cannot be installed beside
transformers 5), made once. Texts are the bundle's test rows, one at a time, since the answers of a dynamic int8
model depend on their batch. Exit code 1 where an answer differs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import serve
from serve.bundle import EVALUATION, Manifest, read
from serve.tasks import Answer, Extraction, QuestionAnswering, TokenClassification

OPTIMUM = ("optimum-onnx[onnxruntime]==0.1.0", "transformers==4.57.6", "torch==2.13.0")
TRANSFORMERS_JS = "@huggingface/transformers@4.3.1"

IN_OPTIMUM = """
import json, sys
import optimum.onnxruntime
from transformers import AutoTokenizer, pipeline
bundle, file, asked = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
kind = getattr(optimum.onnxruntime, asked["class"])
model = kind.from_pretrained(bundle, subfolder="onnx", file_name=file)
answer = pipeline(asked["task"], model=model, tokenizer=AutoTokenizer.from_pretrained(bundle))
found = []
for one in asked["inputs"]:
    given = answer(**one, **asked["options"]) if isinstance(one, dict) else answer([one], **asked["options"])[0]
    found.append(given)
json.dump(found, open(sys.argv[4], "w"), default=float)
"""

IN_NODE = """
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { env, pipeline } from '@huggingface/transformers';
const [bundle, file, texts, target] = process.argv.slice(2);
env.allowRemoteModels = false;
env.localModelPath = dirname(bundle);
const dtype = file.includes('quantized') ? 'q8' : 'fp32';
const classify = await pipeline('text-classification', basename(bundle), { dtype });
const answers = [];
for (const text of JSON.parse(readFileSync(texts)).inputs) answers.push((await classify(text))[0]);
writeFileSync(target, JSON.stringify(answers));
"""


Told = dict[str, Any]


@dataclass(frozen=True)
class Asking:
    """How a task's bundle is asked in the pipeline of transformers, and what of an answer must be the same."""

    kind: str  # of optimum's classes
    ours: Callable[[Answer], list[Told]]  # an answer as the pipeline tells it
    same: tuple[str, ...]  # of each thing that is told; its score is compared as a number
    options: Callable[[Manifest], Told] = lambda _: {}
    fields: tuple[str, ...] = ()  # of an input, where it is more than a text
    in_node: bool = False


def _longest_shared(manifest: Manifest) -> int:
    """Tokens that two windows have in common: at most half of what a window holds."""
    return min(manifest.answering.stride, (manifest.max_length - 2) // 2)


def _tagging(manifest: Manifest) -> Told:
    assert isinstance(manifest.answering, TokenClassification)
    return {"aggregation_strategy": manifest.answering.strategy, "stride": _longest_shared(manifest)}


def _extraction(manifest: Manifest) -> Told:
    """Without the threshold of no answer, which the pipeline does not have."""
    assert isinstance(manifest.answering, QuestionAnswering)
    return {
        "max_answer_len": manifest.answering.longest,
        "max_seq_len": manifest.max_length,
        "doc_stride": _longest_shared(manifest),
    }


def _span(answer: Answer) -> list[Told]:
    assert isinstance(answer, Extraction)
    return [answer.told(impossible=False)]


ASKINGS = {
    "text-classification": Asking(
        "ORTModelForSequenceClassification", lambda answer: answer.told(top_k=1), ("label",), in_node=True
    ),
    "token-classification": Asking(
        "ORTModelForTokenClassification",
        lambda answer: answer.told(),
        ("entity_group", "start", "end"),
        _tagging,
    ),
    "question-answering": Asking(
        "ORTModelForQuestionAnswering",
        _span,
        ("answer", "start", "end"),
        _extraction,
        ("question", "context"),
    ),
}


def main(bundle: Path, environments: Path, count: int) -> int:
    """A row per library; how many answers differ from those of `serve`."""
    bundle, environments = bundle.resolve(), environments.resolve()
    loaded = read(bundle)
    manifest = loaded.manifest
    asking = ASKINGS.get(manifest.task)
    if asking is None:
        print(f"{bundle} answers {manifest.task}; known are {', '.join(ASKINGS)}", file=sys.stderr)
        return 1
    lines = (loaded.folder / EVALUATION).read_text(encoding="utf-8").splitlines()[:count]
    rows = [json.loads(line) for line in lines]
    texts = [(row["text"], row["text_pair"]) if "text_pair" in row else row["text"] for row in rows]
    runtime = serve.load(bundle)
    ours = [asking.ours(runtime.predict([one])[0]) for one in texts]
    document = {
        "class": asking.kind,
        "task": manifest.task,
        "options": asking.options(manifest),
        "inputs": [dict(zip(asking.fields, one, strict=True)) if asking.fields else one for one in texts],
    }
    print("| library | rows | answers that differ | largest difference of a score |")
    print("|---|---|---|---|")
    differ = 0
    asked = {f"{OPTIMUM[0]}, {asking.kind}": ("optimum-onnx", optimum_environment)}
    if asking.in_node:
        asked[TRANSFORMERS_JS] = ("huggingface-transformers", node_environment)
    for name, (place, environment) in asked.items():
        folder = environments / place
        folder.mkdir(parents=True, exist_ok=True)
        theirs = answers(environment(folder), folder, bundle, Path(manifest.model).name, document)
        wrong, away = difference(ours, theirs, asking.same)
        print(f"| {name} | {len(texts)} | {wrong} | {away:.1e} |")
        differ += wrong
    return differ


def difference(
    ours: Sequence[list[Told]], theirs: Sequence[list[Told]], same: Sequence[str]
) -> tuple[int, float]:
    """Rows that are answered otherwise, and how far scores are apart in the others."""
    wrong, away = 0, 0.0
    for one, other in zip(ours, theirs, strict=True):
        places = [[[told[name] for name in same] for told in answer] for answer in (one, other)]
        if places[0] != places[1]:
            wrong += 1
            continue
        away = max(
            [away, *(abs(mine["score"] - float(its["score"])) for mine, its in zip(one, other, strict=True))]
        )
    return wrong, away


def answers(
    command: Sequence[str], folder: Path, bundle: Path, file: str, document: Told
) -> list[list[Told]]:
    """What a library says of each input, as a list of what it tells."""
    given, target = folder / "texts.json", folder / "answers.json"
    given.write_text(json.dumps(document), encoding="utf-8")
    target.unlink(missing_ok=True)
    subprocess.run([*command, str(bundle), file, str(given), str(target)], check=True, cwd=folder)
    found: list[Told | list[Told]] = json.loads(target.read_text(encoding="utf-8"))
    return [one if isinstance(one, list) else [one] for one in found]


def optimum_environment(folder: Path) -> Sequence[str]:
    """A virtual environment with optimum-onnx; how to run the script in it."""
    python = folder / ".venv/bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *OPTIMUM], check=True)
    (folder / "answer.py").write_text(IN_OPTIMUM, encoding="utf-8")
    return [str(python), "answer.py"]


def node_environment(folder: Path) -> Sequence[str]:
    """A folder with transformers.js; how to run the script in it."""
    if not (folder / "node_modules").is_dir():
        # Its install script wants a download for GPUs, which a processor does not need.
        subprocess.run(
            ["npm", "install", "--silent", "--ignore-scripts", TRANSFORMERS_JS], check=True, cwd=folder
        )
    (folder / "answer.mjs").write_text(IN_NODE, encoding="utf-8")
    return ["node", "answer.mjs"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--environments", type=Path, required=True, help="where the environments are kept")
    parser.add_argument("--texts", type=int, default=200)
    options = parser.parse_args()
    sys.exit(1 if main(options.bundle, options.environments, options.texts) else 0)

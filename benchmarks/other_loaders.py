"""Does a bundle answer alike in other people's libraries? optimum-onnx and transformers.js beside `serve`.

    .venv/bin/python benchmarks/other_loaders.py runs/sst2/bundle --environments /tmp/loaders

Each library gets an environment of its own under the folder (optimum-onnx cannot be installed beside
transformers 5), made once. Texts are the bundle's test rows, one at a time, since the answers of a dynamic int8
model depend on their batch. Exit code 1 where a label differs.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import serve
from serve.bundle import EVALUATION, read

OPTIMUM = ("optimum-onnx[onnxruntime]==0.1.0", "transformers==4.57.6", "torch==2.13.0")
TRANSFORMERS_JS = "@huggingface/transformers@4.3.1"

IN_OPTIMUM = """
import json, sys
from optimum.onnxruntime import ORTModelForSequenceClassification
from transformers import AutoTokenizer, pipeline
bundle, file, texts = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
model = ORTModelForSequenceClassification.from_pretrained(bundle, subfolder="onnx", file_name=file)
classify = pipeline("text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(bundle))
json.dump([classify([text])[0] for text in texts], open(sys.argv[4], "w"))
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
for (const text of JSON.parse(readFileSync(texts))) answers.push((await classify(text))[0]);
writeFileSync(target, JSON.stringify(answers));
"""


def main(bundle: Path, environments: Path, count: int) -> int:
    """A row per library; how many labels differ from those of `serve`."""
    bundle, environments = bundle.resolve(), environments.resolve()
    loaded = read(bundle)
    rows = (loaded.folder / EVALUATION).read_text(encoding="utf-8").splitlines()[:count]
    texts = [json.loads(line)["text"] for line in rows]
    ours = [serve.load(bundle).predict([text])[0] for text in texts]
    print("| library | texts | labels that differ | largest difference in probability |")
    print("|---|---|---|---|")
    differ = 0
    asked: dict[str, Callable[[Path], Sequence[str]]] = {
        OPTIMUM[0]: optimum_environment,
        TRANSFORMERS_JS: node_environment,
    }
    for name, environment in asked.items():
        folder = environments / name.partition("@")[0].partition("[")[0].strip("@/").replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        theirs = answers(environment(folder), folder, bundle, Path(loaded.manifest.model).name, texts)
        wrong = sum(one.label != other["label"] for one, other in zip(ours, theirs, strict=True))
        away = max(
            abs(one.probabilities[str(other["label"])] - float(other["score"]))
            for one, other in zip(ours, theirs, strict=True)
        )
        print(f"| {name} | {len(texts)} | {wrong} | {away:.1e} |")
        differ += wrong
    return differ


def answers(
    command: Sequence[str], folder: Path, bundle: Path, file: str, texts: Sequence[str]
) -> list[dict[str, float | str]]:
    """What a library says of each text: its label and that label's probability."""
    given, target = folder / "texts.json", folder / "answers.json"
    given.write_text(json.dumps(texts), encoding="utf-8")
    target.unlink(missing_ok=True)
    subprocess.run([*command, str(bundle), file, str(given), str(target)], check=True, cwd=folder)
    found: list[dict[str, float | str]] = json.loads(target.read_text(encoding="utf-8"))
    return found


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

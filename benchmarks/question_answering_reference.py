"""Answers of a float ONNX file against the question-answering pipeline of transformers 4.57, over the same weights.

The pipeline left with transformers 5, so its answers are recorded in an environment of its own:

    python -m benchmarks.question_answering_reference all MODEL ROWS OUT [--rows 200]

MODEL is a folder or a Hub model. One that has no head for questions gets one that is drawn, large enough that answers
differ; the word `characters` stands for a small BERT whose vocabulary is the characters of the rows. ROWS is a file
(parquet, jsonl, csv) with the columns question and context. OUT gets the environment, the model, what was recorded and
the bundle. Prints, for each way of asking, how many answers and places are equal and the largest difference of a score.

Its two halves, in either environment:

    ENVIRONMENT/bin/python benchmarks/question_answering_reference.py record MODEL ROWS.jsonl ANSWERS.json
    python -m benchmarks.question_answering_reference compare BUNDLE ROWS.jsonl ANSWERS.json
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

PACKAGES = ("transformers==4.57.6", "torch==2.13.0")
# Ways of asking, by the names that the pipeline has for them.
WAYS: dict[str, dict[str, Any]] = {
    "default": {},
    "three": {"top_k": 3},
    "short": {"max_answer_len": 3},
    "impossible": {"handle_impossible_answer": True, "top_k": 2},
    "pieces": {"align_to_words": False, "top_k": 2},
}
NEAR = 1e-4  # of a score: what float32 and another runtime explain


def read_rows(path: Path, most: int | None = None) -> list[tuple[str, str]]:
    """Questions with their contexts, of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [(row["question"], row["context"]) for row in rows[:most]]


def record(model: str, rows: list[tuple[str, str]], stride: int, most_tokens: int) -> dict[str, Any]:
    """What the pipeline answers, in float32 on the processor; runs where transformers 4.57 is."""
    import transformers

    answers = transformers.pipeline("question-answering", model=model, device="cpu")
    found: dict[str, list[Any]] = {name: [] for name in WAYS}
    for question, context in rows:
        asked = {"question": question, "context": context}
        # Its own three steps, so that all ways of asking share one inference.
        windows = answers.preprocess(asked, doc_stride=stride, max_seq_len=most_tokens)
        outputs = [answers.forward(window) for window in windows]
        for name, how in WAYS.items():
            found[name].append(answers.postprocess(outputs, **how))
    return {
        "transformers": transformers.__version__,
        "max_seq_len": most_tokens,
        "doc_stride": stride,
        "answers": found,
    }


def compare(bundle: Path, rows: list[tuple[str, str]], recorded: dict[str, Any]) -> dict[str, Any]:
    """The float file of a bundle against what was recorded."""
    from serve.bundle import FLOAT_MODEL, read
    from serve.runtime import OnnxRuntime
    from serve.tasks import QuestionAnswering

    found = read(bundle)
    answering = QuestionAnswering(overlap=recorded["doc_stride"])
    runtime = OnnxRuntime.from_files(
        bundle / FLOAT_MODEL,
        found.tokenizer_path,
        found.manifest.labels,
        batching="batch",
        answering=answering,
    )
    answers = runtime.predict(rows)
    told: dict[str, Any] = {"transformers": recorded["transformers"], "rows": len(rows)}
    told["windows"] = max(len(answer.windows) for answer in answers)  # type: ignore[attr-defined]
    told["different_answers"] = len({answer.label for answer in answers})
    for name, how in WAYS.items():
        ours = [answer.told(**answering.options(dict(how))) for answer in answers]
        told[name] = nearness(ours, recorded["answers"][name])
    return told


def nearness(ours: list[Any], theirs: list[Any]) -> dict[str, Any]:
    """How many rows have equal answers in equal places, and how far scores are apart there."""
    apart, furthest = [], 0.0
    for row, both in enumerate(zip(ours, theirs, strict=True)):
        mine, other = map(_listed, both)
        places = [[(one["answer"], one["start"], one["end"]) for one in answers] for answers in (mine, other)]
        if places[0] != places[1]:
            apart.append(row)
            continue
        furthest = max(
            furthest, *(abs(one["score"] - two["score"]) for one, two in zip(mine, other, strict=True))
        )
    return {"equal": len(ours) - len(apart), "apart": apart[:10], "largest_difference": furthest}


def _listed(told: Any) -> list[Any]:
    """Answers as a list; where a context has fewer, the pipeline adds ones of score 0."""
    answers = told if isinstance(told, list) else [told]
    return [one for one in answers if one["score"] > 0]


def everything(asked: argparse.Namespace) -> dict[str, Any]:
    """The model, the environment, the recording, the export and the comparison."""
    from benchmarks.peers.environments import environment
    from compress.data.read import read_raw
    from compress.exporting import export_model
    from compress.progress import Silent

    out: Path = asked.out
    out.mkdir(parents=True, exist_ok=True)
    (data,) = read_raw(str(asked.rows), None, None).values()
    data = data.select(range(min(asked.most, len(data))))
    lines = [
        json.dumps({"question": question, "context": context}) + "\n"
        for question, context in zip(data["question"], data["context"], strict=True)
    ]
    (out / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    rows = read_rows(out / "rows.jsonl")
    model = prepared_model(asked.model, rows, out / "model", asked.max_length)
    python = environment(out, PACKAGES)
    command = [python, __file__, "record", model, out / "rows.jsonl", out / "answers.json"]
    command += ["--stride", asked.stride, "--max-length", asked.max_length]
    subprocess.run([str(part) for part in command], check=True)
    export_model(
        str(model),
        out / "bundle",
        Silent(),
        task="question-answering",
        target="portable",
        quantize="none",
        data=None,
    )
    return compare(out / "bundle", rows, json.loads((out / "answers.json").read_text(encoding="utf-8")))


def prepared_model(name: str, rows: list[tuple[str, str]], folder: Path, most_tokens: int) -> Path:
    """The model with a head for questions, in a folder."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    from compress.models.tokenizer import load_tokenizer, save_tokenizer

    torch.manual_seed(7)
    if name == "characters":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        letters = sorted(
            {sign for row in rows for text in row for sign in text.lower() if not sign.isspace()}
        )
        pieces = [*special, *letters, *(f"##{sign}" for sign in letters if sign.isascii())]
        cutter = Tokenizer(
            models.WordPiece({one: place for place, one in enumerate(pieces)}, unk_token="[UNK]")
        )
        cutter.add_special_tokens(special)
        cutter.normalizer = normalizers.BertNormalizer(lowercase=True)
        cutter.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        cutter.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
        named = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
        tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=cutter, **named)
        config = transformers.BertConfig(
            vocab_size=len(pieces),
            hidden_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=128,
            initializer_range=0.3,
        )
        model = transformers.BertForQuestionAnswering(config)
    else:
        tokenizer = load_tokenizer(name)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(name)
        if "QuestionAnswering" not in str(transformers.AutoConfig.from_pretrained(name).architectures):
            with torch.no_grad():
                model.qa_outputs.weight.mul_(50)
    model.save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder, most_tokens)
    return folder


def main() -> None:
    """Record, compare, or all of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["record", "compare", "all"])
    parser.add_argument("model", help="a folder or a Hub model; of compare: a bundle")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path, help="a folder; of record and compare: the file of the answers")
    parser.add_argument("--rows", dest="most", type=int, default=200)
    parser.add_argument("--stride", type=int, default=128)
    parser.add_argument("--max-length", type=int, default=384)
    asked = parser.parse_args()
    if asked.what == "record":
        found = record(asked.model, read_rows(asked.rows), asked.stride, asked.max_length)
        asked.out.write_text(json.dumps(found, ensure_ascii=False) + "\n", encoding="utf-8")
    elif asked.what == "compare":
        recorded = json.loads(asked.out.read_text(encoding="utf-8"))
        print(json.dumps(compare(Path(asked.model), read_rows(asked.rows), recorded), ensure_ascii=False))
    else:
        print(json.dumps(everything(asked), ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())

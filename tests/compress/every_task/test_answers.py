"""Every task's answers: those of transformers from the same weights, to any text, in a csv file."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import odd
import pytest
import torch
from done import Done
from transformers import AutoModel, AutoTokenizer, pipeline

import serve
from compress.models.heads import class_of
from compress.models.trained import load_trained
from serve.bundle import read
from serve.csv_file import predict_csv
from serve.errors import InputError

HOSTILE = ["", "   ", "\u202eabc", "e\u0301 \U0001f469\u200d\U0001f680", "שלום עולם", "goal " * 20_000]


def test_the_float_file_answers_as_the_pipeline_of_transformers(done: Done) -> None:
    """200 rows, and one that is longer than the model reads; embeddings as the plain encoder, pooled by hand."""
    (folder,) = done.run.folder.glob("stages/student-1-*")
    if done.embeds:
        _check_pooled_by_hand(done, folder)
        return
    if done.case.pipeline is None:
        pytest.skip("transformers has no pipeline for this task")
    student = load_trained(folder)
    manifest = read(done.run.bundle).manifest
    model = class_of(student.model.config).from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not done.case.scores_labels:
        _same_entities(done, pipeline(done.case.pipeline, model=model, tokenizer=tokenizer))
        return
    answers = pipeline(done.case.pipeline, model=model, tokenizer=tokenizer, top_k=None)
    long = ["goal match " * 60, "soup bread " * 60]
    asked = [*done.asked, *done.asked[::-1], *done.case.asked(long)][:200]
    asked += done.case.asked(long)
    cut = {"truncation": True, "max_length": manifest.max_length}
    expected = [answers(one, **cut) for one in done.body(asked)]
    found = [answer.told() for answer in done.float_file.predict(asked)]
    for ours, theirs in zip(found, expected, strict=True):
        theirs = theirs[0] if isinstance(theirs[0], list) else theirs
        assert {one["label"]: one["score"] for one in ours} == pytest.approx(
            {one["label"]: one["score"] for one in theirs}, abs=1e-4
        )


def _same_entities(done: Done, answers: Any) -> None:
    """Long texts in windows, with as many tokens shared as the runtime's windows share."""
    manifest = read(done.run.bundle).manifest
    shared = min(manifest.answering.stride, (manifest.max_length - 2) // 2)
    asked = [*done.asked, *done.asked[::-1], "goal match " * 60, "the soup was good today . " * 30][-200:]
    expected = answers(asked, aggregation_strategy="first", stride=shared)
    for ours, theirs in zip(done.float_file.predict(asked), expected, strict=True):
        told = [{**one, "score": pytest.approx(float(one["score"]), abs=1e-4)} for one in theirs]
        assert ours.told() == told


def _check_pooled_by_hand(done: Done, folder: Path) -> None:
    manifest = read(done.run.bundle).manifest
    texts = [str(text) for text in [*done.served, *done.served[:38], "goal match " * 60, "soup"]]
    encoder, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for text, answer in zip(texts, done.float_file.predict(texts), strict=True):
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=manifest.max_length)
        with torch.no_grad():
            states = encoder(**given).last_hidden_state[0]
        assert answer.told() == pytest.approx(states.mean(dim=0).tolist(), abs=1e-4)


def test_any_text_gets_an_answer(done: Done) -> None:
    runtime = serve.load(done.run.bundle)
    answers = runtime.predict(done.case.asked(HOSTILE))
    assert len(answers) == len(HOSTILE)
    told = [answer.told() for answer in answers]
    numbers = [
        np.ravel(one)
        if done.embeds
        else [score["score"] for score in (one if isinstance(one, list) else [one])]
        for one in told
    ]
    assert all(np.isfinite(one).all() for one in numbers)
    with pytest.raises(InputError, match="at most 100,000"):
        runtime.predict(done.case.asked(["a" * 100_001, "b"]))


def test_a_csv_file_gets_the_tasks_columns(done: Done, tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    with source.open("w", newline="") as stream:
        header = ["text", "text_pair"] if done.case.pairs else ["text"]
        rows = [list(one) if isinstance(one, tuple) else [one] for one in done.asked[:5]]
        csv.writer(stream).writerows([header, *rows])
    runtime = serve.load(done.run.bundle)
    predict_csv(runtime, source, target, pairs=done.case.pairs, answering=runtime.answering)
    with target.open() as stream:
        written = list(csv.DictReader(stream))
    assert tuple(written[0])[len(header) :] == done.case.csv_columns
    cells = [runtime.answering.cells(answer) for answer in runtime.predict(done.asked[:5])]
    assert [list(row.values())[len(header) :] for row in written] == cells


def test_odd_texts_in_a_csv_file(done: Done, tmp_path: Path) -> None:
    """As a spreadsheet on Windows saves it: a mark before the first column's name, other line ends."""
    asked = done.case.asked(odd.SHORT)
    rows = [list(one) if isinstance(one, tuple) else [one] for one in asked]
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    header = ["text", "text_pair"][: len(rows[0])]
    with source.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, lineterminator="\r\n", quoting=csv.QUOTE_ALL).writerows([header, *rows])
    runtime = serve.load(done.run.bundle)
    predict_csv(runtime, source, target, pairs=done.case.pairs, answering=runtime.answering)
    with target.open(encoding="utf-8-sig", newline="") as stream:
        written = list(csv.reader(stream))
    assert [[cell.removeprefix("'") for cell in row[: len(header)]] for row in written[1:]] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
    cells = [runtime.answering.cells(answer) for answer in runtime.predict(asked)]
    assert [row[len(header) :] for row in written[1:]] == cells

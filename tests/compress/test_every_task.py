"""The same promises for every task: from data to verdict, bundle, every protocol, csv and verification."""

import csv
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import odd
import pytest
import torch
import tritonclient.http as http_client
from every_task import CASES, TaskCase
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from rich.console import Console
from served import NAME, make_app, running
from tiny import TinyRun, tiny_recipe
from transformers import AutoModel, AutoTokenizer, pipeline

import compress
import serve
from app.answered import AnsweredRows
from app.evaluation import read_rows
from app.tasks import task_of
from app.views.rows import against_report
from compress.bench.cold import cold_start
from compress.bench.contenders import contenders
from compress.demo import live_teacher
from compress.inspection import inspect_bundle, render
from compress.judge.latency import Plan
from compress.models.heads import class_of
from compress.models.trained import load_trained
from compress.plan import make_plan
from compress.progress import Silent
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe
from compress.verify.pipeline import verify_bundle
from serve.bundle import EVALUATION, FLOAT_MODEL, read
from serve.client import Endpoint
from serve.csv_file import predict_csv
from serve.endpoint import Settings
from serve.errors import InputError
from serve.inputs import Input
from serve.protocols.clouds import Vertex
from serve.runtime import OnnxRuntime

HOSTILE = ["", "   ", "\u202eabc", "e\u0301 \U0001f469\u200d\U0001f680", "שלום עולם", "goal " * 20_000]


@dataclass(frozen=True)
class Done:
    """A finished run of a task."""

    case: TaskCase
    run: TinyRun

    @property
    def rows(self) -> list[dict[str, Any]]:
        lines = (self.run.bundle / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]

    @property
    def asked(self) -> list[Input]:
        return [(row["text"], row["text_pair"]) if self.case.pairs else row["text"] for row in self.rows]

    @property
    def served(self) -> list[Input]:
        """As a server is asked: of embeddings each text by itself."""
        return read(self.run.bundle).manifest.answering.singly(self.asked)

    @property
    def embeds(self) -> bool:
        return read(self.run.bundle).manifest.answering.EMBEDS

    def body(self, inputs: list[Input]) -> list[Any]:
        """As `POST /` takes them."""
        names = self.case.fields
        return [dict(zip(names, one, strict=True)) if isinstance(one, tuple) else one for one in inputs]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def done(
    request: pytest.FixtureRequest, tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    case: TaskCase = request.param
    if case.is_tiny_run:  # which other tests have made
        return Done(case, request.getfixturevalue("tiny_run"))
    recipe = tiny_recipe(case.write(tmp_path_factory.mktemp("data")), tiny_encoder) | dict(case.recipe)
    recipe["teacher"]["train"]["epochs"] = case.epochs
    recipe["gates"] = {"min_agreement": 0.3, "min_retention": 0.5}
    recipe["baseline"] = True
    folder = tmp_path_factory.mktemp(case.name)
    return Done(case, TinyRun(recipe, folder, compress.run(recipe, out=folder)))


@pytest.fixture
def client(done: Done) -> Iterator[TestClient]:
    settings = Settings(vertex=Vertex(None, "/vertex", None))
    with TestClient(make_app(done.run.bundle, settings=settings), "http://localhost") as client:
        yield client


def test_every_model_was_exported_in_the_form_that_is_tried_first(done: Done) -> None:
    """A form that the proof refuses is passed over for a slower one, and the run goes on."""
    tried_first = [one for one in done.run.report.exports if one.name == "opset-23"]
    assert {(one.proven, one.reason) for one in tried_first} == {(True, None)}


def test_the_verdict_rests_on_the_metric_of_the_field(done: Done) -> None:
    report = done.run.report
    teacher, shipped = report.models[0], report.models[-1]
    assert teacher.score > done.case.least
    assert teacher.score_ci[0] < teacher.score_ci[1]
    assert teacher.score_ci[0] <= teacher.score <= teacher.score_ci[1]
    labels = [done.case.gold(row) for row in done.rows]
    answers = [done.case.answer(answer) for answer in serve.load(done.run.bundle).predict(done.asked)]
    assert shipped.score == pytest.approx(done.case.metric(labels, answers), abs=1e-6)
    fidelity = report.fidelity
    assert fidelity.retention == pytest.approx(shipped.score / teacher.score)
    assert fidelity.retention_ci is not None
    assert fidelity.retention_ci[0] <= fidelity.retention <= fidelity.retention_ci[1]
    assert fidelity.agreement > 0.3
    assert {gate.status for gate in report.gates} == {"pass"}
    if done.run.recipe.get("baseline"):
        assert report.baseline is not None
        assert report.baseline.gain_ci[0] <= report.baseline.gain <= report.baseline.gain_ci[1]
    assert (done.run.folder / "report.html").stat().st_size > 10_000
    assert shipped.precision == "int8"


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
    runtime = OnnxRuntime.from_files(
        done.run.bundle / FLOAT_MODEL,
        done.run.bundle / "tokenizer.json",
        manifest.labels,
        batching="batch",
        answering=manifest.answering,
    )
    long = ["goal match " * 60, "soup bread " * 60]
    asked = [*done.asked, *done.asked[::-1], *done.case.asked(long)][:200]
    asked += done.case.asked(long)
    cut = {"truncation": True, "max_length": manifest.max_length}
    expected = [answers(one, **cut) for one in done.body(asked)]
    found = [answer.told() for answer in runtime.predict(asked)]
    for ours, theirs in zip(found, expected, strict=True):
        theirs = theirs[0] if isinstance(theirs[0], list) else theirs
        assert {one["label"]: one["score"] for one in ours} == pytest.approx(
            {one["label"]: one["score"] for one in theirs}, abs=1e-4
        )


def _same_entities(done: Done, answers: Any) -> None:
    """Long texts in windows, with as many tokens shared as the runtime's windows share."""
    manifest = read(done.run.bundle).manifest
    runtime = OnnxRuntime.from_files(
        done.run.bundle / FLOAT_MODEL,
        done.run.bundle / "tokenizer.json",
        manifest.labels,
        batching="batch",
        answering=manifest.answering,
    )
    shared = min(manifest.answering.stride, (manifest.max_length - 2) // 2)
    asked = [*done.asked, *done.asked[::-1], "goal match " * 60, "the soup was good today . " * 30][-200:]
    expected = answers(asked, aggregation_strategy="first", stride=shared)
    for ours, theirs in zip(runtime.predict(asked), expected, strict=True):
        told = [{**one, "score": pytest.approx(float(one["score"]), abs=1e-4)} for one in theirs]
        assert ours.told() == told


def test_every_protocol_gives_the_runtimes_answers(done: Done, client: TestClient) -> None:
    some = done.served[:3]
    expected = [answer.told() for answer in serve.load(done.run.bundle).predict(some)]
    body = done.body(some)
    for path in ("/", "/invocations"):
        assert client.post(path, json={"inputs": body}).json() == _near(expected)
        bare = serve.load(done.run.bundle).answering.BARE_SINGLE
        alone = expected[0] if bare else expected[:1]  # nested, a list for each
        assert client.post(path, json={"inputs": body[0]}).json() == _near(alone)
    assert client.post("/vertex", json={"instances": body}).json()["predictions"] == _near(expected)
    described = client.get(f"/v2/models/{NAME}").json()["outputs"]
    assert tuple(one["name"] for one in described) == done.case.tensors
    if done.embeds:  # tests/serve/test_embeddings.py has its own protocols
        assert client.post("/embed", json={"inputs": body, "normalize": False}).json() == _near(expected)
        found = client.post("/v1/embeddings", json={"input": body}).json()["data"]
        assert [one["embedding"] for one in found] == _near(expected)
        return
    if not done.case.scores_labels:
        assert client.post("/predict", json={"inputs": "a"}).status_code == 404
        return
    listed = [list(one) if isinstance(one, tuple) else [one] for one in some]
    assert client.post("/predict", json={"inputs": listed}).json() == _near(expected)
    shortened = client.post("/", json={"inputs": body, "parameters": {"top_k": 1}}).json()
    assert shortened == _near([one[:1] for one in expected])
    raw = client.post("/", json={"inputs": body[:1], "parameters": {"function_to_apply": "none"}})
    assert raw.status_code == 200
    wrong = client.post("/", json={"inputs": body, "parameters": {"function_to_apply": "tanh"}})
    assert wrong.status_code == 422
    assert "function_to_apply must be" in wrong.json()["error"]


def test_clients_over_a_socket_get_the_same(done: Done) -> None:
    some = done.served[:4]
    expected = serve.load(done.run.bundle).predict(some)
    with running(make_app(done.run.bundle)) as url:
        endpoint = Endpoint(url)
        found = endpoint.predict(some)
        endpoint.close()
        triton = http_client.InferenceServerClient(url.removeprefix("http://"))
        columns = zip(*some, strict=True) if isinstance(some[0], tuple) else [some]
        tensors = []
        for name, column in zip(("text", "text_pair"), columns, strict=False):
            tensors.append(http_client.InferInput(name, [len(some)], "BYTES"))
            tensors[-1].set_data_from_numpy(np.array(column, dtype=object))
        reply = triton.infer(NAME, tensors)
        shapes = {name: reply.as_numpy(name).shape for name in done.case.tensors}
        triton.close()
        if done.embeds:
            hub = InferenceClient(model=f"{url}/")
            assert hub.feature_extraction(str(some[0]))[0].tolist() == _near(expected[0].told())
        elif done.case.name == "question-answering":
            hub = InferenceClient(model=f"{url}/")
            given = hub.question_answering(question=some[0][0], context=some[0][1])
            assert not isinstance(given, list)
            assert {name: given[name] for name in ("score", "start", "end", "answer")} == _near(
                expected[0].told()
            )
        elif not done.case.pairs and done.case.scores_labels:
            hub = InferenceClient(model=f"{url}/")
            (first,) = [hub.text_classification(text, top_k=2) for text in some[:1] if isinstance(text, str)]
            theirs = [{"label": one.label, "score": one.score} for one in first]
            assert theirs == _near(expected[0].told(top_k=2))
    assert [one.told() for one in found] == _near([one.told() for one in expected])
    assert all(shape[0] == len(some) for shape in shapes.values())
    assert [one.label for one in found] == [one.label for one in expected]


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


def test_a_verification_finds_the_score_of_the_report(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.verify.pipeline.pilot", lambda *_, **__: Plan(5, 5))
    found = verify_bundle(done.run.bundle, None, Silent())
    assert found.score == pytest.approx(done.run.report.models[-1].score, abs=1e-9)
    assert found.fidelity is not None
    assert found.fidelity.agreement == pytest.approx(done.run.report.fidelity.agreement, abs=1e-9)
    assert found.fidelity.retention == pytest.approx(done.run.report.fidelity.retention, abs=1e-4)


def test_the_plan_and_the_inspection_say_what_it_is(done: Done) -> None:
    config = check_recipe(dict(done.run.recipe))
    assert isinstance(config, RunConfig)
    plan = make_plan(config, Silent())
    assert plan.rows["test"] == len(done.rows)
    assert plan.labels == read(done.run.bundle).manifest.labels
    console = Console(width=200)
    with console.capture() as shown:
        console.print(render(inspect_bundle(done.run.bundle)))
    about = {
        "single-label": "3 labels: ",
        "multi-label": "any of 3 labels: food from 0.",
        "regression": "a number",
        "embeddings": "a vector of 32 numbers (mean pooling)",
        "token-classification": "entities of 2 types: food, sport",
        "question-answering": "answers of up to 15 tokens of the context, or none",
    }
    task = read(done.run.bundle).manifest.task
    assert f"{task}, {about[done.case.name]}" in shown.get()


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


def test_the_demo_shows_it_and_its_teacher_answers_live_as_it_did(done: Done) -> None:
    """From the teacher's own folder, in PyTorch; on the rows that were stored."""
    manifest = read(done.run.bundle).manifest
    task = task_of(manifest.answering, manifest.labels)
    rows = read_rows(done.run.bundle / EVALUATION, task)
    found = AnsweredRows(rows, serve.load(done.run.bundle), task=task)
    found.finish(120)
    assert sum(one.apart.agree for one in found.done) == round(done.run.report.fidelity.agreement * len(rows))
    assert "as in the report" in against_report(
        json.loads(done.run.report.model_dump_json()), found.done, task
    )
    some = rows[:20]
    live = live_teacher(str(done.run.teacher), done.run.bundle).predict([row.asked for row in some])
    for row, answer in zip(some, live, strict=True):
        apart = task.difference(row.asked, row.teacher, answer)
        assert apart.agree
        assert abs(apart.change) < 1e-4


def test_its_teacher_in_pytorch_can_be_timed_beside_it(done: Done) -> None:
    """`compress bench --against` opens it with the head of the bundle's task, not as a text classifier."""
    folder = done.run.teacher
    runtime = serve.load(done.run.bundle)
    (teacher,) = contenders(str(folder), "cpu", runtime.answering)
    asked = done.case.asked(["a long goal", "the game of the team"])
    opened = teacher.opened(1)
    answers = opened.predict(asked)
    assert teacher.task == runtime.answering.TASK
    assert [type(one) for one in answers] == [type(one) for one in runtime.predict(asked)]
    opened.logits_of(opened.tokens(asked))
    begun = cold_start(str(folder), "cpu", "fp32", str(done.run.bundle), starts=1)
    assert begun.peak_memory_mb > 0


def every_request(done: Done, texts: list[str]) -> list[tuple[str, Any]]:
    """Each text by every protocol that answers the task, alone and in one request with the others."""
    asked = done.case.asked(texts) if not done.embeds else list(texts)
    found: list[tuple[str, Any]] = []
    for some in (*([one] for one in asked), asked):
        body = done.body(some)
        found += [(path, {"inputs": body[0] if len(body) == 1 else body}) for path in ("/", "/invocations")]
        found.append(("/vertex", {"instances": body}))
        if done.embeds:
            found += [("/embed", {"inputs": body}), ("/v1/embeddings", {"input": body, "model": NAME})]
        elif done.case.scores_labels:
            found.append(
                ("/predict", {"inputs": [list(one) if isinstance(one, tuple) else [one] for one in some]})
            )
        pair = isinstance(some[0], tuple)
        columns = list(zip(*some, strict=True)) if pair else [some]
        found += odd.tensors(NAME, dict(zip(("text", "text_pair"), columns, strict=False)))
    return found


def test_odd_texts_by_every_protocol(done: Done) -> None:
    """An answer of finite numbers, or a refusal in words: never a failure of the server."""
    settings = Settings(vertex=Vertex(None, "/vertex", None))
    app = make_app(done.run.bundle, settings=settings)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        assert odd.failures(client, every_request(done, odd.SHORT)) == []
        longest = every_request(done, [odd.ODD["longest"]])[
            :1
        ]  # one protocol: it costs seconds of an entity model
        assert odd.failures(client, longest) == []
        assert odd.failures(client, every_request(done, list(odd.HALVES)), refused=True) == []
        assert odd.failures(client, every_request(done, ["a" * 100_001])[:4], refused=True) == []
        assert (
            client.post("/", json={"inputs": done.body(done.served[:1])}).status_code == 200
        )  # it still stands


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


def _check_pooled_by_hand(done: Done, folder: Path) -> None:
    manifest = read(done.run.bundle).manifest
    runtime = OnnxRuntime.from_files(
        done.run.bundle / FLOAT_MODEL,
        done.run.bundle / "tokenizer.json",
        manifest.labels,
        batching="batch",
        answering=manifest.answering,
    )
    texts = [str(text) for text in [*done.served, *done.served[:38], "goal match " * 60, "soup"]]
    encoder, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for text, answer in zip(texts, runtime.predict(texts), strict=True):
        given = tokenizer(text, return_tensors="pt", truncation=True, max_length=manifest.max_length)
        with torch.no_grad():
            states = encoder(**given).last_hidden_state[0]
        assert answer.told() == pytest.approx(states.mean(dim=0).tolist(), abs=1e-4)


def _near(expected: Any) -> Any:
    """Equal, with numbers as near as JSON and batches leave them."""
    if isinstance(expected, list):
        return _List(expected)
    if isinstance(expected, dict):
        return _Dict({key: _near(value) for key, value in expected.items()})
    return pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected


class _List(list):
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, list)
            and len(other) == len(self)
            and all(_near(mine) == theirs for mine, theirs in zip(self, other, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]


class _Dict(dict):
    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, dict)
            and set(other) == set(self)
            and all(self[key] == other[key] for key in self)
        )

    __hash__ = None  # type: ignore[assignment]


def test_the_pages_python_runs(done: Done, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On this run's bundle, in the place of the one that the page names."""
    if done.case.name == "single-label":
        pytest.skip("tests/test_readme.py runs what its pages print")
    page = Path(__file__).parents[2] / f"docs/how-to-{done.case.name}.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    label = read(done.run.bundle).manifest.labels[0]
    for block in blocks:
        for named in re.findall(r"runs/\w+/bundle", block):
            shutil.copytree(done.run.bundle, tmp_path / named, dirs_exist_ok=True)
        code = block.replace('"gratitude"', repr(label)).replace('"embeddings"', repr(NAME))
        if "127.0.0.1:8080" not in code:
            exec(compile(code, page.name, "exec"), {})
            continue
        with running(make_app(done.run.bundle)) as url:
            exec(compile(code.replace("http://127.0.0.1:8080", url), page.name, "exec"), {})

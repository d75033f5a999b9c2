"""Two texts that are read together, from the data to every protocol of the endpoint."""

import asyncio
import csv
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.http as http_client
from fake_triton import Triton
from fastapi.testclient import TestClient
from recomputed import agrees_with, recomputed
from served import make_app, make_models, running
from tiny import FILLERS, TOPICS, TinyRun, tiny_recipe
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline
from tritonclient.utils import InferenceServerException

import compress
import serve
from app.comparer import Comparer
from app.evaluation import read_rows
from compress.data.rows import Rows
from compress.demo import live_teacher
from compress.errors import DataError
from compress.judge.latency import Plan
from compress.models.predict import TorchPredictor
from compress.models.trained import Trained, load_trained
from compress.progress import Silent
from compress.recipe_file import read_recipe
from compress.training.encoded import EncodedRows
from compress.training.lesson import Lesson
from compress.verify.pipeline import verify_bundle
from serve.bundle import read
from serve.client import Endpoint
from serve.csv_file import predict_csv
from serve.deploy import Triton as ForTriton
from serve.deploy import deploy
from serve.endpoint import Settings
from serve.errors import InputError
from serve.grpc_server import start
from serve.metrics import Metrics
from serve.protocols.clouds import Vertex

NAME = "tiny-sentiment"
HEADER = ["sentence1", "sentence2", "label"]


def pair_rows(count: int, seed: int) -> list[list[str]]:
    """The topic of the second text; the first one is of another."""
    random_ = random.Random(seed)
    rows = []
    for number in range(count):
        second = list(TOPICS)[number % len(TOPICS)]
        first = random_.choice([topic for topic in TOPICS if topic != second])
        texts = [
            " ".join(random_.sample(TOPICS[topic], 2) + random_.choices(FILLERS, k=random_.randint(1, 6)))
            for topic in (first, second)
        ]
        rows.append([*texts, second])
    return rows


def write_pairs(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *rows])


@pytest.fixture(scope="module")
def run(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    data = tmp_path_factory.mktemp("pairs")
    write_pairs(data / "train.csv", pair_rows(500, seed=1))
    write_pairs(data / "test.csv", pair_rows(80, seed=2))
    recipe = tiny_recipe(data, tiny_encoder)
    recipe["teacher"]["train"]["epochs"] = 12
    folder = tmp_path_factory.mktemp("pair-run")
    return TinyRun(recipe, folder, compress.run(recipe, out=folder))


@pytest.fixture(scope="module")
def pairs(run: TinyRun) -> list[tuple[str, str]]:
    lines = (run.bundle / "evaluation.jsonl").read_text().splitlines()
    return [(row["text"], row["text_pair"]) for row in map(json.loads, lines)]


@pytest.fixture(scope="module")
def student(run: TinyRun) -> Trained:
    (folder,) = run.folder.glob("stages/student-1-logits-*")
    return load_trained(folder)


def test_the_run_is_of_pairs(run: TinyRun, pairs: list[tuple[str, str]]) -> None:
    manifest = read(run.bundle).manifest
    assert manifest.text_pair
    assert {entry.name for entry in manifest.inputs} == {"input_ids", "attention_mask", "token_type_ids"}
    assert any("sentence1 and sentence2" in note for note in run.report.notes)
    assert len(pairs) == 80
    teacher = run.report.models[0]
    assert teacher.score > 0.8  # without knowing which is the second: 0.5
    rows = [json.loads(line) for line in (run.bundle / "evaluation.jsonl").read_text().splitlines()]
    answers = serve.load(run.bundle).predict(pairs)
    right = np.mean([answer.label == row["label"] for answer, row in zip(answers, rows, strict=True)])
    assert right == pytest.approx(run.report.models[-1].score)
    agrees_with(run.report.fidelity, recomputed(run.bundle))
    assert 'predict([("one text", "the other text")])' in (run.bundle / "README.md").read_text()


def test_training_sees_the_tokens_and_types_that_serving_sees(
    student: Trained, pairs: list[tuple[str, str]]
) -> None:
    encoded = EncodedRows(student, Rows(pairs[:8], None))
    batch = encoded.collate([encoded[place] for place in range(8)])
    reference = AutoTokenizer.from_pretrained(student.folder)(
        [first for first, _ in pairs[:8]],
        [second for _, second in pairs[:8]],
        padding=True,
        return_tensors="np",
    )
    np.testing.assert_array_equal(batch["token_type_ids"].numpy(), reference["token_type_ids"])
    np.testing.assert_array_equal(batch["input_ids"].numpy(), reference["input_ids"])
    student.model.eval()
    logits = Lesson(student.model).answer(batch).detach().numpy()
    np.testing.assert_allclose(logits, TorchPredictor(student).logits(pairs[:8]), atol=1e-5)
    turned = TorchPredictor(student).logits([(second, first) for first, second in pairs[:8]])
    assert np.abs(turned - logits).max() > 1e-3  # which of the two is the first is told


def test_the_float_file_answers_as_the_pipeline_of_transformers(
    run: TinyRun, student: Trained, pairs: list[tuple[str, str]]
) -> None:
    manifest = json.loads((run.bundle / "bundle.json").read_text())
    (folder,) = run.folder.glob("stages/student-onnx-*")
    runtime = serve.runtime.OnnxRuntime.from_files(
        folder / "model.onnx", student.folder / "tokenizer.json", manifest["labels"], batching="batch"
    )
    classify = pipeline(
        "text-classification",
        model=AutoModelForSequenceClassification.from_pretrained(student.folder),
        tokenizer=AutoTokenizer.from_pretrained(student.folder),
        top_k=None,
    )
    long = ("goal match " * 60, "soup bread " * 60)  # both are cut, the longer one first
    cut = {"truncation": True, "max_length": manifest["max_length"]}
    for asked in [*pairs[:20], long]:
        expected = {
            one["label"]: one["score"] for one in classify({"text": asked[0], "text_pair": asked[1]}, **cut)
        }
        (answer,) = runtime.predict([asked])
        assert answer.probabilities == pytest.approx(expected, abs=1e-5)
    assert runtime.predict([long])[0].truncated


def test_the_verdict_again_from_the_bundle(
    run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compress.verify.pipeline.pilot", lambda *_, **__: Plan(5, 5))
    found = verify_bundle(run.bundle, None, Silent())
    assert found.score == run.report.models[-1].score
    write_pairs(tmp_path / "more.csv", pair_rows(40, seed=3))
    other = verify_bundle(run.bundle, tmp_path / "more.csv", Silent())
    assert other.rows == 40
    assert other.score is not None
    assert other.score > 0.7


def test_the_page_asks_both_models_pairs(run: TinyRun, pairs: list[tuple[str, str]]) -> None:
    rows = read_rows(run.bundle / "evaluation.jsonl")
    assert [row.asked for row in rows] == pairs
    comparer = Comparer(serve.load(run.bundle), live_teacher(run.report.teacher, run.bundle), rows)
    for row in rows[:4]:
        found = comparer.compare(row.asked)
        assert found.teacher is not None
        assert found.teacher.answer.probabilities == pytest.approx(row.teacher.probabilities, abs=1e-4)
        assert len(comparer.weigh(row.asked).student) == len(" ".join(row.asked).split())


def test_a_running_endpoint_is_asked_pairs_from_python(run: TinyRun, pairs: list[tuple[str, str]]) -> None:
    with running(make_app(run.bundle)) as url:
        endpoint = Endpoint(url)
        found = [answer.label for answer in endpoint.predict(pairs[:4])]
        endpoint.close()
    assert found == [answer.label for answer in serve.load(run.bundle).predict(pairs[:4])]


def test_one_text_is_not_enough(run: TinyRun) -> None:
    runtime = serve.load(run.bundle)
    with pytest.raises(InputError, match=r"a single text\n.*a pair of texts"):
        runtime.predict(["a single text"])


def test_a_model_of_single_texts_takes_no_pairs(bundle_folder: Path) -> None:
    with pytest.raises(InputError, match=r"a pair of texts\n.*single texts"):
        serve.load(bundle_folder).predict([("one", "two")])


@pytest.fixture(scope="module")
def client(run: TinyRun) -> Iterator[TestClient]:
    settings = Settings(vertex=Vertex(None, "/vertex", None))
    with TestClient(make_app(run.bundle, settings=settings), "http://localhost") as client:
        yield client


def test_every_form_over_http(run: TinyRun, client: TestClient, pairs: list[tuple[str, str]]) -> None:
    first, second = pairs[0]
    expected = [answer.label for answer in serve.load(run.bundle).predict(pairs[:2])]
    as_objects = [{"text": one, "text_pair": other} for one, other in pairs[:2]]
    one = client.post("/predict", json={"inputs": [first, second]}).json()
    assert one[0]["label"] == expected[0]
    batch = client.post("/predict", json={"inputs": [list(pair) for pair in pairs[:2]]}).json()
    assert [answer[0]["label"] for answer in batch] == expected
    for path in ("/", "/invocations"):
        nested = client.post(path, json={"inputs": as_objects}).json()
        assert [answer[0]["label"] for answer in nested] == expected
        assert client.post(path, json={"inputs": as_objects[0]}).json()[0][0]["label"] == expected[0]
    vertex = client.post("/vertex", json={"instances": as_objects}).json()
    assert [answer[0]["label"] for answer in vertex["predictions"]] == expected
    assert client.get("/info").json()["text_pair"] is True


@pytest.mark.parametrize(
    ("path", "inputs"),
    [
        ("/predict", "a single text"),
        ("/predict", [["first"], ["second"]]),
        ("/predict", ["one", "two", "three"]),
        ("/", "a single text"),
        ("/", {"text": "first"}),
        ("/", [{"text": "first", "text_pair": 2}]),
        ("/invocations", ["first", "second"]),
    ],
)
def test_what_is_no_pair_is_told_so(client: TestClient, path: str, inputs: object) -> None:
    reply = client.post(path, json={"inputs": inputs})
    assert reply.status_code == 422
    assert "pair" in reply.json()["error"]


def test_triton_clients_send_two_tensors(run: TinyRun, pairs: list[tuple[str, str]]) -> None:
    expected = [answer.label for answer in serve.load(run.bundle).predict(pairs[:3])]

    def asked(kind) -> list:
        tensors = []
        for name, column in zip(("text", "text_pair"), zip(*pairs[:3], strict=True), strict=True):
            tensors.append(kind.InferInput(name, [3], "BYTES"))
            tensors[-1].set_data_from_numpy(np.array(column, dtype=object))
        return tensors

    with running(make_app(run.bundle)) as url:
        client = http_client.InferenceServerClient(url.removeprefix("http://"))
        found = client.infer(NAME, asked(http_client))
        assert found.as_numpy("label").tolist() == [label.encode() for label in expected]
        assert [one["name"] for one in client.get_model_metadata(NAME)["inputs"]] == ["text", "text_pair"]
        turned = client.infer(NAME, asked(http_client)[::-1])  # tensors go by their names
        assert turned.as_numpy("label").tolist() == found.as_numpy("label").tolist()
        with pytest.raises(InferenceServerException, match="'text' and 'text_pair'"):
            client.infer(NAME, asked(http_client)[:1])
        client.close()

    async def over_grpc() -> None:
        metrics = Metrics()
        models = make_models(run.bundle, metrics)
        models.is_ready = True
        server, port = await start(models, metrics, "127.0.0.1", 0)

        def ask() -> list[bytes]:
            grpc = grpc_client.InferenceServerClient(f"127.0.0.1:{port}")
            return list(grpc.infer(NAME, asked(grpc_client)).as_numpy("label"))

        assert await asyncio.to_thread(ask) == [label.encode() for label in expected]
        await server.stop(0)
        await asyncio.to_thread(models.close)

    asyncio.run(over_grpc())


def test_triton_itself_gets_two_tensors(run: TinyRun, pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    deploy(run.bundle, ForTriton(), tmp_path / "triton", "pairs")
    columns = zip(("text", "text_pair"), zip(*pairs[:5], strict=True), strict=True)
    asked = {name: np.array([text.encode() for text in texts], dtype=object) for name, texts in columns}
    found = Triton(tmp_path / "triton/models").infer("pairs", asked)
    expected = serve.load(run.bundle).predict(pairs[:5])
    assert [one.decode() for one in found["label"]] == [answer.label for answer in expected]


def test_two_columns_of_a_csv_file(run: TinyRun, pairs: list[tuple[str, str]], tmp_path: Path) -> None:
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    write_pairs(source, [[*pair, ""] for pair in pairs[:5]])
    runtime = serve.load(run.bundle)
    assert predict_csv(runtime, source, target, pairs=True) == 5
    with target.open() as stream:
        found = [row["predicted_label"] for row in csv.DictReader(stream)]
    assert found == [answer.label for answer in runtime.predict(pairs[:5])]
    with pytest.raises(InputError, match="'text_pair'"):
        predict_csv(runtime, source, tmp_path / "other.csv", column="sentence1", pairs=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"augment": {"copies": 2}}, r"augment: is asked for, and the data has pairs"),
        ({"data.unlabeled": "more.txt"}, r"data.unlabeled: is asked for, and the data has pairs"),
        ({"data.columns": {"text": "sentence1", "text_pair": "sentence1"}}, r"as text and as text_pair"),
        ({"data.columns": {"text": "sentence1", "text_pair": "sentence3"}}, r"did you mean 'sentence[12]'"),
    ],
)
def test_what_pairs_cannot_have(
    run: TinyRun, tmp_path: Path, changes: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "more.txt").write_text("a text\n")
    recipe = {**run.recipe, **{key: value for key, value in changes.items() if "." not in key}}
    recipe["data"] = {**recipe["data"]}
    for key, value in changes.items():
        if key.startswith("data."):
            recipe["data"][key.removeprefix("data.")] = value
    with pytest.raises(DataError, match=message):
        compress.run(recipe, out=tmp_path / "out")


@pytest.mark.parametrize("name", ["mrpc", "rte"])
def test_the_recipes_of_pairs_are_read(name: str) -> None:
    recipe = read_recipe(Path(f"recipes/{name}.yaml"))
    assert recipe.data.columns.text_pair == "sentence2"

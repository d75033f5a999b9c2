"""Answers to questions: as the pipeline of transformers 4.57 gave them over the same weights, whatever the text.

The answers in `recorded/` are of the models in `tests/support/question_models.py`, whose text says how to record them.
"""

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from exported_once import export_once
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from question_models import KINDS, MOST, ROWS, SHARED, question_model, save_question_tokenizer
from served import NAME, make_app, running
from tokenizers import Tokenizer

from benchmarks.question_answering_reference import NEAR, WAYS, nearness
from compress.models.predict import input_names
from export.model import OnnxModel
from export.pack import pack
from serve.bundle import VerifiedOn
from serve.bundle import read as read_bundle
from serve.deploy import Triton
from serve.encoding import cut_into_windows, read, read_tokenizer
from serve.errors import InputError, UserError
from serve.info import describe
from serve.limits import Limits
from serve.runtime import OnnxRuntime
from serve.tasks import Extraction, QuestionAnswering, Read
from serve.teacher import check_one_label

RECORDED = Path(__file__).parent / "recorded"
HERE = VerifiedOn(processor="here", instruction_set=[], execution_provider="CPU", onnxruntime="1")
CONTEXT = "Ada met Grace in London."


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = question_model()
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    return export_once(model, input_names(model), path, QuestionAnswering().outputs(2)).path


def _runtime(file: Path, folder: Path, **settings: Any) -> OnnxRuntime:
    answering = QuestionAnswering(overlap=SHARED, **settings)
    return OnnxRuntime.from_files(
        file, folder / "tokenizer.json", ("start", "end"), batching="batch", answering=answering
    )


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def runtime(kind: str, file: Path, tmp_path_factory: pytest.TempPathFactory) -> OnnxRuntime:
    return _runtime(file, save_question_tokenizer(kind, tmp_path_factory.mktemp(kind)))


@pytest.fixture(scope="module")
def bundle(file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    model = question_model()
    model.config.id2label = {0: "start", 1: "end"}
    model.config.label2id = {"start": 0, "end": 1}
    model.save_pretrained(str(folder / "model"))
    save_question_tokenizer("word-pieces", folder / "model")
    pack(
        folder / "bundle",
        name=NAME,
        task="question-answering",
        labels=("start", "end"),
        max_length=MOST,
        text_pair=True,
        answering=QuestionAnswering(overlap=SHARED),
        model_folder=folder / "model",
        float_model=OnnxModel(file, "fp32", 23),
        quantized_model=None,
        documents={},
        verdict="pass",
        verified_on=HERE,
    )
    return folder / "bundle"


@pytest.fixture
def client(bundle: Path) -> Iterator[TestClient]:
    with TestClient(make_app(bundle), "http://localhost") as client:
        yield client


@pytest.mark.parametrize("way", WAYS)
def test_answers_and_places_are_those_of_the_pipeline(runtime: OnnxRuntime, kind: str, way: str) -> None:
    """Emoji, combining marks, Chinese, right to left, the same words twice, windows."""
    answers = runtime.predict(ROWS)
    recorded = json.loads(
        (RECORDED / f"question_answering_{kind.replace('-', '_')}.json").read_text(encoding="utf-8")
    )
    assert recorded["doc_stride"] == SHARED
    assert recorded["max_seq_len"] == MOST
    options = QuestionAnswering().options(dict(WAYS[way]))
    found = nearness([answer.told(**options) for answer in answers], recorded["answers"][way])
    assert found["apart"] == []
    assert found["largest_difference"] < NEAR


def test_an_answer_is_what_stands_in_the_context_at_its_offsets(runtime: OnnxRuntime) -> None:
    for (_, context), answer in zip(ROWS, runtime.predict(ROWS), strict=True):
        assert isinstance(answer, Extraction)
        assert context[answer.start : answer.end] == answer.answer != ""


def test_long_contexts_are_read_to_their_end(runtime: OnnxRuntime) -> None:
    """In windows that share tokens, each with the whole question; none of the context is read by no window."""
    for asked, one in zip(ROWS, runtime.tokens(ROWS), strict=True):
        assert isinstance(one, Read)
        assert not one.cut
        read_characters = set()
        for window in one.windows:
            assert len(window.ids) <= MOST
            inside = [place for place, which in enumerate(window.sequence_ids) if which == 1]
            read_characters |= {character for place in inside for character in range(*window.offsets[place])}
        # Marks on letters and joiners are no tokens to some tokenizers.
        wanted = {place for place, sign in enumerate(asked[1]) if unicodedata.category(sign)[0] not in "ZCM"}
        assert wanted <= read_characters
    assert max(len(cast(Read, one).windows) for one in runtime.tokens(ROWS)) > 3


def test_a_question_that_leaves_no_room_is_cut_and_the_answer_says_so(runtime: OnnxRuntime) -> None:
    long = [("why " * 40, CONTEXT), ("\ufdfa" * 60, CONTEXT), ("w" * 100_000, CONTEXT * 10)]
    for answer, one in zip(runtime.predict(long), runtime.tokens(long), strict=True):
        assert isinstance(answer, Extraction)
        assert answer.truncated == cast(Read, one).cut
        assert CONTEXT in answer.context
        assert answer.answer
    assert runtime.predict(long)[0].truncated
    assert not runtime.predict([("why?", CONTEXT * 10)])[0].truncated


def test_every_length_of_question_leaves_windows_room(tmp_path: Path) -> None:
    """Tokenizers ends the process where two windows would share more than they hold."""
    file = save_question_tokenizer("bytes", tmp_path) / "tokenizer.json"
    for most in (8, 9, 16, 40, 64):
        tokenizer: Tokenizer = read_tokenizer(file)
        tokenizer.enable_truncation(most)
        answering = QuestionAnswering()
        cut_into_windows(tokenizer, answering)
        asked = [("é" * length, "the mill " * 30) for length in range(70)]
        for one in read(tokenizer, asked, answering):
            assert isinstance(one, Read)
            assert max(len(window.ids) for window in one.windows) == most


@pytest.mark.parametrize("context", ["", "   ", "\n\t"])
def test_a_context_without_words_has_no_answer(runtime: OnnxRuntime, kind: str, context: str) -> None:
    if kind == "bytes" and context:
        pytest.skip("to bytes, spaces are tokens")
    (answer,) = runtime.predict([("who?", context)])
    assert answer.told() == {"score": 1.0, "start": 0, "end": 0, "answer": ""}
    assert answer.label == "no answer"


def test_a_text_without_a_context_is_refused(runtime: OnnxRuntime) -> None:
    with pytest.raises(InputError, match="a single text"):
        runtime.predict(["who?"])


def test_no_answer_comes_first_where_it_is_likelier_by_more_than_the_threshold(
    file: Path, tmp_path: Path
) -> None:
    folder = save_question_tokenizer("word-pieces", tmp_path)
    plain = cast(list[Extraction], _runtime(file, folder).predict(ROWS))
    for answer in plain:  # one window that has the answer is enough
        assert answer.null_score == min(window.none for window in answer.windows)
    assert any(answer.null_score < max(window.none for window in answer.windows) for answer in plain)
    for threshold in (-4.0, 0.0, 1.5):
        model = _runtime(file, folder, impossible=True, null_threshold=threshold)
        for before, after in zip(plain, cast(list[Extraction], model.predict(ROWS)), strict=True):
            assert before.best is not None
            likelier = np.log(before.null_score) - np.log(before.best.score) > threshold
            assert (after.answer == "") == likelier
            assert after.best == before.best
            told = after.told(impossible=False)
            assert told["answer"] == before.answer
            assert (after.told(2)[0]["answer"] == "") == likelier


def test_the_clients_method_works_over_a_socket(bundle: Path) -> None:
    runtime = OnnxRuntime(read_bundle(bundle))
    question, context = ROWS[7]
    (expected,) = runtime.predict([(question, context)])
    with running(make_app(bundle)) as url:
        hub = InferenceClient(model=f"{url}/")
        found = hub.question_answering(question=question, context=context)
        three = hub.question_answering(question=question, context=context, top_k=3, max_answer_len=4)
        assert not isinstance(found, list)
        told = expected.told()
        assert (found.start, found.end, found.answer) == (told["start"], told["end"], told["answer"])
        assert found.score == pytest.approx(told["score"], abs=1e-5)
        assert isinstance(three, list)
        assert [one.answer for one in three] == [one["answer"] for one in expected.told(3, longest=4)]
        with pytest.raises(HfHubHTTPError, match="422"):
            hub.question_answering(question=question, context=context, doc_stride=3)


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"max_seq_len": 100}, "max_seq_len is not read"),
        ({"top_k": 0}, "top_k must be a whole number"),
        ({"top_k": 101}, "top_k must be a whole number of at most 100"),
        ({"handle_impossible_answer": 1}, "handle_impossible_answer must be true or false"),
        ({"function_to_apply": "none"}, "Unknown field 'function_to_apply'"),
    ],
)
def test_parameters_that_are_none_are_refused(client: TestClient, parameters: Any, said: str) -> None:
    body = {"inputs": {"question": "who?", "context": CONTEXT}, "parameters": parameters}
    reply = client.post("/", json=body)
    assert reply.status_code == 422
    assert said in reply.json()["error"]


def test_a_list_is_answered_with_a_list(client: TestClient) -> None:
    one = {"question": "who?", "context": CONTEXT}
    alone = client.post("/", json={"inputs": one}).json()
    assert client.post("/", json={"inputs": [one]}).json() == [alone]
    two = client.post("/", json={"inputs": [one, one], "parameters": {"top_k": 2}}).json()
    assert [len(answers) for answers in two] == [2, 2]
    wrong = client.post("/", json={"inputs": {"text": "who?", "text_pair": CONTEXT}})
    assert wrong.status_code == 422
    assert '"question"' in wrong.json()["error"]


def test_tensors_have_offsets_as_whole_numbers(client: TestClient) -> None:
    (question, context), alone = ROWS[5], {"shape": [1], "datatype": "BYTES"}
    expected = client.post("/", json={"inputs": {"question": question, "context": context}}).json()
    inputs = [
        {"name": "text", "data": [question], **alone},
        {"name": "text_pair", "data": [context], **alone},
    ]
    reply = client.post(f"/v2/models/{NAME}/infer", json={"inputs": inputs}).json()
    found = {one["name"]: (one["datatype"], one["data"]) for one in reply["outputs"]}
    assert found["answer"] == ("BYTES", [expected["answer"]])
    assert found["start"] == ("INT64", [expected["start"]])
    assert found["end"] == ("INT64", [expected["end"]])
    assert found["score"][1] == pytest.approx([expected["score"]], abs=1e-6)
    outputs = client.get(f"/v2/models/{NAME}/config").json()["output"]
    assert [one["data_type"] for one in outputs] == ["TYPE_STRING", "TYPE_INT64", "TYPE_INT64", "TYPE_FP32"]


def test_what_needs_one_label_refuses_it(bundle: Path) -> None:
    found = read_bundle(bundle)
    with pytest.raises(UserError, match="written for one label per text"):
        Triton().plan(found, NAME)
    with pytest.raises(
        UserError, match=r"question-answering.* is compared and asked by the probability of one"
    ):
        check_one_label(describe(found, Limits()), found.manifest.answering)


def test_info_and_openapi_say_what_it_is(client: TestClient) -> None:
    info = client.get("/info").json()
    assert info["task"] == "question-answering"
    assert info["answering"] == {
        "kind": "question-answering",
        "longest": 15,
        "impossible": False,
        "null_threshold": 0.0,
        "overlap": SHARED,
    }
    body = client.get("/openapi.json").json()["paths"]["/"]["post"]["requestBody"]["content"][
        "application/json"
    ]
    assert set(body["example"]["inputs"][0]) == {"question", "context"}
    told = body["schema"]["properties"]["parameters"]["anyOf"][0]["properties"]
    assert set(told) == {"top_k", "max_answer_len", "handle_impossible_answer", "align_to_words"}

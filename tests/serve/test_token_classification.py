"""Entities as transformers' pipeline gives them over the same weights: every strategy, three tokenizers, windows."""

import itertools
import json
import random
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from served import make_app, running
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForTokenClassification, PreTrainedTokenizerFast, pipeline

from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.pack import pack
from serve.bundle import VerifiedOn
from serve.errors import InputError
from serve.runtime import OnnxRuntime
from serve.tasks import TokenClassification

LABELS = ("O", "B-PER", "I-PER", "I-LOC", "B-LOC", "B-MISC", "I-MISC")  # in no order that could be guessed
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
MOST, SHARED = 24, 6  # tokens of a window, and those that two share
VOCABULARY = 600
STRATEGIES = ("none", "simple", "first", "average", "max")
TEXTS = [
    "Ada Lovelace met Grace Hopper.",
    "in London, near the Thames (south bank) -- don't!",
    "北京 is 中国's capital; 東京タワー",
    "caf\u00e9 cafe\u0301 na\u0131ve",
    "\U0001f469\u200d\U0001f680 flew to the moon \U0001f680\U0001f680",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd Ada",
    "",
    "   ",
    "a\tb\nc  d   e",
    "...",
    "x",
]
HOSTILE = [
    "",
    "   ",
    "\u202eabc",
    "e\u0301 \U0001f469\u200d\U0001f680",
    "\u05e9\u05dc\u05d5\u05dd",
    "\x00\u200b",
    "a b " * 2_500,
]


def _random_texts(count: int) -> list[str]:
    drawn = random.Random(3)
    signs = "abcdeADLG ,.'-()\u4e2d\u5317\U0001f680\u00e9\u0301\u05e9  "
    return ["".join(drawn.choices(signs, k=drawn.randint(1, 40))) for _ in range(count)]


@dataclass(frozen=True)
class Made:
    """One tokenizer with the model's file beside it."""

    tokenizer: PreTrainedTokenizerFast
    folder: Path

    def runtime(self, model: Path, overlap: int = SHARED) -> OnnxRuntime:
        answering = TokenClassification(overlap=overlap)
        return OnnxRuntime.from_files(
            model, self.folder / "tokenizer.json", LABELS, batching="batch", answering=answering
        )


def _word_pieces() -> Tokenizer:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = [
        "ada",
        "love",
        "##lace",
        "grace",
        "hopper",
        "london",
        "the",
        "in",
        "##don",
        "met",
        "\u4e2d",
        "\u5317",
        "\u4eac",
    ]
    pieces = [*SPECIAL, *letters, *(f"##{one}" for one in letters), *words, *".,'-();!"]
    tokenizer = Tokenizer(
        models.WordPiece({one: place for place, one in enumerate(pieces)}, unk_token="[UNK]")
    )
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _bytes() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "d"), ("l", "o"), ("\u0120", "l"), ("\u0120", "m")]
    pieces = [*SPECIAL, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE({one: place for place, one in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentence_pieces() -> Tokenizer:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [(one, 0.0) for one in SPECIAL] + [(one, -4.0) for one in [*letters, "\u2581", *".,'-()AL"]]
    pieces += [
        ("\u2581Ada", -2.0),
        ("Love", -2.0),
        ("lace", -2.0),
        ("\u2581in", -2.0),
        ("\u2581the", -2.0),
        ("\u5317", -4.0),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


KINDS = {"word pieces": _word_pieces, "bytes": _bytes, "sentence pieces": _sentence_pieces}


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    tokenizer = KINDS[request.param]()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    folder = tmp_path_factory.mktemp("tokenizer")
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MOST, **named)
    fast.save_pretrained(str(folder))
    saved = Tokenizer.from_file(str(folder / "tokenizer.json"))
    saved.no_padding()
    saved.enable_truncation(MOST)
    saved.save(str(folder / "tokenizer.json"))
    return Made(fast, folder)


@pytest.fixture(scope="module")
def model() -> BertForTokenClassification:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        config = BertConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=4,
            intermediate_size=64,
            max_position_embeddings=MOST,
            initializer_range=0.6,
            id2label=dict(enumerate(LABELS)),
            label2id={label: place for place, label in enumerate(LABELS)},
        )
        return BertForTokenClassification(config).eval()


@pytest.fixture(scope="module")
def file(model: BertForTokenClassification, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "model.onnx"
    names = ("input_ids", "attention_mask", "token_type_ids")
    return to_onnx(model, names, path, TokenClassification().outputs(len(LABELS))).path


def _same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> bool:
    assert [one.keys() for one in ours] == [one.keys() for one in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["score"] == pytest.approx(float(other["score"]), abs=1e-4)
        assert {**mine, "score": 0} == {**other, "score": 0}
    return True


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_is_the_pipelines(
    made: Made, model: BertForTokenClassification, file: Path, strategy: str
) -> None:
    texts = [*TEXTS, *_random_texts(30)]
    texts = [text for text in texts if len(made.tokenizer(text)["input_ids"]) <= MOST]
    assert len(texts) > 15
    theirs = pipeline(
        "token-classification", model=model, tokenizer=made.tokenizer, aggregation_strategy=strategy
    )
    found = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of tokenizers without marks of words the pipeline says each time
        for text, answer in zip(texts, made.runtime(file).predict(texts), strict=True):
            ours = answer.told(strategy=strategy)
            assert _same(ours, theirs(text) if text else [])
            found += len(ours)
    assert found > 20


@pytest.mark.parametrize("strategy", STRATEGIES[1:])
def test_windows_are_the_pipelines_stride(
    made: Made, model: BertForTokenClassification, file: Path, strategy: str
) -> None:
    texts = [
        "Ada met Grace in London, near the Thames. " * 4,
        *(a + b for a, b in itertools.pairwise(_random_texts(12))),
    ]
    theirs = pipeline(
        "token-classification",
        model=model,
        tokenizer=made.tokenizer,
        aggregation_strategy=strategy,
        stride=SHARED,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for text, answer in zip(texts, made.runtime(file).predict(texts), strict=True):
            assert _same(answer.told(strategy=strategy), theirs(text))


def test_each_piece_of_a_long_text_is_told_once(made: Made, file: Path) -> None:
    text = "Ada met Grace in London. " * 9
    (answer,) = made.runtime(file).predict([text])
    told = answer.told(strategy="none", ignored=())
    whole = Tokenizer.from_file(str(made.folder / "tokenizer.json"))
    whole.no_truncation()
    expected = whole.encode(text, add_special_tokens=False)
    assert [(one["start"], one["end"]) for one in told] == expected.offsets
    # Half of what two windows share is taken from each.
    reach = answer.windows[0]
    first = MOST - 2 - SHARED // 2
    assert [one["score"] for one in told[:first]] == pytest.approx(
        reach.scores.max(axis=-1)[:first].tolist(), abs=1e-6
    )


def test_any_text_gets_an_answer(made: Made, file: Path) -> None:
    runtime = made.runtime(file)
    for text, answer in zip(HOSTILE, runtime.predict(HOSTILE), strict=True):
        assert not answer.truncated
        assert all(0 <= one["start"] < one["end"] <= len(text) for one in answer.told())
    assert runtime.predict(["", "   "])[0].told() == []
    with pytest.raises(InputError, match="at most 100,000"):
        runtime.predict(["a" * 100_001])


@pytest.fixture(scope="module")
def bundle(model: BertForTokenClassification, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    saved = folder / "model"
    model.save_pretrained(str(saved))
    tokenizer = _word_pieces()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(MOST)
    tokenizer.save(str(saved / "tokenizer.json"))
    settings = {"model_max_length": MOST, "pad_token": "[PAD]", "tokenizer_class": "PreTrainedTokenizerFast"}
    (saved / "tokenizer_config.json").write_text(json.dumps(settings))
    pack(
        folder / "bundle",
        name="entities",
        task="token-classification",
        labels=LABELS,
        max_length=MOST,
        model_folder=saved,
        float_model=OnnxModel(file, "fp32", 23),
        quantized_model=None,
        documents={},
        verdict="pass",
        verified_on=VerifiedOn(
            processor="any",
            instruction_set=[],
            execution_provider="CPUExecutionProvider",
            onnxruntime="any",
        ),
        answering=TokenClassification(overlap=SHARED),
    )
    return folder / "bundle"


@pytest.fixture(scope="module")
def url(bundle: Path) -> Iterator[str]:
    with running(make_app(bundle)) as url:
        yield url


def test_hugging_faces_own_client(url: str, bundle: Path) -> None:
    client = InferenceClient(model=f"{url}/", provider="hf-inference")
    runtime = OnnxRuntime.from_files(
        bundle / "onnx/model.onnx",
        bundle / "tokenizer.json",
        LABELS,
        batching="batch",
        answering=TokenClassification(overlap=SHARED),
    )
    text = "\U0001f680 Ada Lovelace met Grace Hopper in London, near 北京 and the Thames. " * 2
    (answer,) = runtime.predict([text])
    for strategy in (None, *STRATEGIES):
        found = client.token_classification(text, aggregation_strategy=strategy)
        expected = answer.told(strategy=strategy) if strategy else answer.told()
        assert [(one.start, one.end, one.word) for one in found] == [
            (one["start"], one["end"], one["word"]) for one in expected
        ]
        kinds = [one.entity if strategy == "none" else one.entity_group for one in found]
        assert kinds == [one.get("entity", one.get("entity_group")) for one in expected]
    assert found
    kept = client.token_classification(text, aggregation_strategy="simple", ignore_labels=["O", "PER"])
    assert {one.entity_group for one in kept} <= {"LOC", "MISC"}
    assert client.token_classification("   ") == []
    with pytest.raises(HfHubHTTPError, match="stride is not read"):
        client.token_classification(text, stride=4)


@pytest.mark.parametrize(
    "parameters",
    [{"aggregation_strategy": "last"}, {"ignore_labels": "O"}, {"top_k": 1}, {"aggregation_strategy": 1}],
)
def test_parameters_that_cannot_be(bundle: Path, parameters: dict[str, object]) -> None:
    with TestClient(make_app(bundle), "http://localhost") as client:
        reply = client.post("/", json={"inputs": "Ada", "parameters": parameters})
    assert reply.status_code == 422
    assert next(iter(parameters)) in reply.json()["error"]

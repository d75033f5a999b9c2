"""Which piece speaks for which word, what is learnt of it, and what becomes of answers; on tokenizers made here."""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import FILLERS, TOPICS, save_tiny_encoder, tiny_recipe
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch.nn import functional
from transformers import BertConfig, BertForTokenClassification

import compress
from compress.data.rows import NO_LABEL, Rows
from compress.errors import ModelError
from compress.models.trained import Trained
from compress.progress import Silent
from compress.starter import starting_recipe
from compress.tasks import Fault, task_named
from compress.tasks.interface import Imitation
from compress.tasks.tagged_answers import entities, padded
from compress.tasks.token_classification import TokenClassification
from compress.tasks.word_pieces import plain_words, window_pieces
from compress.tasks.words import joined, padded_words
from compress.training.encoded import EncodedRows
from compress.training.lesson import Lesson
from compress.verify.labelled_file import read_labelled_file
from serve.encoding import cut_into_windows, read, windows_of
from serve.errors import InputError
from serve.tasks import TokenClassification as Answers
from serve.tasks import Tokens

NAMES = ("O", "I-LOC", "B-LOC", "B-PER", "I-PER")  # in no order that could be guessed
TASK = cast(TokenClassification, task_named("token-classification").for_labels(NAMES))
WORDS = [
    *FILLERS,
    *TOPICS["sport"],
    "unheard",
    "don't",
    "U.S.",
    "x",
    "\u4e2d\u5317",
    "e\u0301",
    ".",
    "(",
    "\U0001f680",
]


def _tokenizer(whole_words: Sequence[str], most: int = 32) -> Tokenizer:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *letters,
        *(f"##{one}" for one in letters),
        *".,'()",
        *whole_words,
    ]
    vocabulary = {one: place for place, one in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_truncation(most)
    return tokenizer


def _read(tokenizer: Tokenizer, texts: Sequence[str], overlap: int = 8) -> list[Tokens]:
    answering = Answers(overlap=overlap)
    cut_into_windows(tokenizer, answering)
    return read(tokenizer, texts, answering)


def _rows(count: int, longest: int, seed: int = 0) -> Rows:
    drawn = random.Random(seed)
    texts, labels = [], []
    for _ in range(count):
        text, spans = joined(drawn.choices(WORDS, k=drawn.randint(1, longest)))
        texts.append(text)
        labels.append([(*span, drawn.randrange(len(NAMES))) for span in spans])
    return Rows(texts, padded_words(labels))


def test_the_first_piece_of_a_word_is_that_of_word_ids() -> None:
    tokenizer = _tokenizer(FILLERS, most=512)
    drawn = random.Random(2)
    for _ in range(40):
        words = drawn.choices(WORDS, k=drawn.randint(1, 15))
        text, spans = joined(words)
        split = tokenizer.encode(words, is_pretokenized=True)
        (asked,) = _read(tokenizer, [text])
        assert asked.ids == split.ids
        assert window_pieces(asked, spans) == [[split.word_ids.index(word) for word in range(len(words))]]


def test_in_windows_only_beginnings_of_words_have_a_label() -> None:
    rows = _rows(12, longest=60)
    assert rows.labels is not None
    asked = _read(_tokenizer(FILLERS), [str(text) for text in rows.texts])
    labels = iter(TASK.example_labels(asked, rows.labels))
    counted = iter(TASK.counted(asked, rows.labels))
    windows = 0
    for one, words in zip(asked, rows.labels, strict=True):
        tag_of = {start: tag for start, _, tag in words.tolist() if start >= 0}
        seen = set()
        for window in one.windows:
            windows += 1
            own, counts = next(labels), next(counted)
            assert [int(tag != NO_LABEL) for tag in own] == counts
            for tag, (start, _) in zip(own, window.offsets, strict=True):
                if tag != NO_LABEL:
                    assert tag == tag_of[start]
                    seen.add(start)
        assert seen == set(tag_of)
    assert windows > 2 * len(asked)


def _random_targets(asked: Sequence[Tokens]) -> NDArray[np.float32]:
    drawn = np.random.default_rng(0)
    windows = windows_of(asked)
    return TASK.soft_targets(
        {"logits": [drawn.normal(size=(len(one.ids), 5)).astype(np.float32) for one in windows]}
    )


def test_targets_are_carried_to_another_tokenizer_word_by_word() -> None:
    rows = _rows(10, longest=40, seed=4)
    texts = [str(text) for text in rows.texts]
    ours, theirs = _read(_tokenizer([]), texts), _read(_tokenizer(WORDS, most=24), texts)
    targets = _random_targets(theirs)
    for labels in (rows.labels, None):
        carried = TASK.carried_over(ours, theirs, labels, targets)
        at = first = 0
        for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            words = [(0, 0)] if labels is None else labels[number, labels[number, :, 0] >= 0, :2].tolist()
            words = plain_words(texts[number]) if labels is None else words
            begins = {start for start, _ in words}
            for window in one.windows:
                for (start, _), row in zip(window.offsets, carried[at], strict=False):
                    if np.isnan(row[0]):
                        continue
                    assert start in begins
                    candidates = [
                        targets[first + place, piece]
                        for place, theirs_window in enumerate(other.windows)
                        for piece, (begin, end) in enumerate(theirs_window.offsets)
                        if begin == start and end > begin
                    ]
                    assert any(np.array_equal(row, candidate) for candidate in candidates)
                at += 1
            first += len(other.windows)
        assert (~np.isnan(carried[..., 0])).sum() >= sum(map(len, map(plain_words, texts))) / 2


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for name, words in (("whole", WORDS), ("letters", [])):
        folder = found[name] = tmp_path_factory.mktemp(name)
        _tokenizer(words).save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    return found


def _trained(folder: Path) -> Trained:
    config = BertConfig(
        vocab_size=200,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=32,
        id2label=dict(enumerate(NAMES)),
        label2id={name: place for place, name in enumerate(NAMES)},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = BertForTokenClassification(config).eval()
    return Trained(model, cast(Any, None), NAMES, 32, folder)


@pytest.mark.parametrize("teacher", ["whole", "letters"])
def test_a_lesson_learns_from_first_pieces_alone(folders: dict[str, Path], teacher: str) -> None:
    student = _trained(folders["whole"])
    rows = _rows(6, longest=30, seed=5)
    knows = _trained(folders[teacher])
    windows = [
        window
        for one in _read(knows.encoder, [str(text) for text in rows.texts], 64)
        for window in one.windows
    ]
    drawn = np.random.default_rng(1)
    targets = TASK.soft_targets(
        {"logits": [drawn.normal(size=(len(one.ids), 5)).astype(np.float32) for one in windows]}
    )
    encoded = EncodedRows(student, rows, targets, teacher=knows)
    assert encoded.aligned == (teacher == "whole")
    batch = encoded.collate([encoded[place] for place in range(len(encoded))])
    lesson = Lesson(student.model)
    seen = lesson.task.gathered(batch)
    logits = lesson.answer(seen)
    whole = student.model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    expected = functional.cross_entropy(whole.flatten(0, 1), batch["labels"].flatten(), ignore_index=NO_LABEL)
    assert lesson.task.hard_loss(logits, seen["labels"]).item() == pytest.approx(expected.item(), rel=1e-5)
    places = batch["labels"] != NO_LABEL
    soft = functional.kl_div(
        whole[places].log_softmax(-1),
        batch["teacher_logits"][places].log_softmax(-1),
        log_target=True,
        reduction="batchmean",
    )
    found = lesson.task.soft_loss(logits, seen["teacher_logits"], seen["labels"], Imitation())
    assert found.item() == pytest.approx(soft.item(), rel=1e-4)


def _answer(*pieces: tuple[int, int, str, int]) -> np.ndarray:
    return np.array(
        [[start, end, NAMES.index(tag), 0.75, goes_on] for start, end, tag, goes_on in pieces], float
    )


# "Ada Love ##lace in New York ." with the tag of a first piece that the second contradicts
ADA = _answer(
    (0, 3, "B-PER", 0),
    (4, 8, "I-PER", 0),
    (8, 12, "B-LOC", 1),
    (13, 15, "O", 0),
    (16, 19, "B-LOC", 0),
    (20, 24, "I-LOC", 0),
    (24, 25, "O", 0),
)
OTHER = np.concatenate([_answer((0, 3, "B-LOC", 0), (4, 8, "O", 0), (8, 12, "O", 1)), ADA[3:]])


def test_entities_agreement_and_flips() -> None:
    both = padded([ADA, ADA]), padded([ADA, OTHER])
    assert entities(both[0], NAMES)[0] == [("PER", 0, 12), ("LOC", 16, 24)]
    assert TASK.same(*both).tolist() == [True, False]
    flips, alike = TASK.flips(*both, NAMES)
    assert alike == {"LOC": 2, "PER": 1}
    assert [(flip.teacher, flip.shipped, flip.rows) for flip in flips] == [
        ("PER", "no entity", 1),
        ("no entity", "LOC", 1),
    ]


def test_an_answer_is_told_and_read_again() -> None:
    words = padded_words([[(0, 3, 3), (4, 12, 4), (13, 15, 0), (16, 19, 2), (20, 24, 1), (24, 25, 0)]])
    rows = Rows(["Ada Lovelace in New York."], words)
    told = json.loads(json.dumps(TASK.tell_answer(ADA, NAMES)))
    assert len(told["pieces"]) == 5  # what is outside of entities is not told
    again = TASK.gathered_answers([TASK.read_answer(told, NAMES)])
    assert TASK.same(padded([ADA]), again).all()
    gold = TASK.gold_marks("entity_f1", rows)
    assert (TASK.marks("entity_f1", padded([ADA]), rows) == gold).all()
    assert (TASK.marks("entity_f1", again, rows) == gold).all()
    assert not (TASK.marks("entity_f1", padded([OTHER]), rows) == gold).all()
    label = json.loads(json.dumps(TASK.tell_label(words[0], NAMES)))
    assert label[0] == [0, 3, "B-PER"]
    assert (TASK.gathered_labels([TASK.read_label(label, NAMES)]) == words).all()
    told["pieces"][0][3] = "B-LOC"
    with pytest.raises(Fault, match="entities are"):
        TASK.read_answer(told, NAMES)
    with pytest.raises(Fault, match="has the label"):
        TASK.read_label([[0, 3, "B-WHO"]], NAMES)


def test_labels_go_with_the_models_outputs() -> None:
    words = padded_words([[(0, 3, 3), (4, 5, 0)], [(0, 2, 1)]])
    mapped = TASK.relabelled(words, np.array([4, 3, 2, 1, 0]))
    assert mapped[..., 2].tolist() == [[1, 4], [3, NO_LABEL]]
    assert (mapped[..., :2] == words[..., :2]).all()
    assert TASK.has_label(TASK.no_labels(words, 2)).tolist() == [False, False]


def test_a_selection_score_is_that_of_first_pieces() -> None:
    labels = np.array(
        [[NO_LABEL, 3, NO_LABEL, 4, 0, NO_LABEL], [NO_LABEL, 2, 1, NO_LABEL, NO_LABEL, NO_LABEL]]
    )
    logits = np.full((2, 6, 5), 0.0, np.float32)
    for row, place, tag in ((0, 1, 3), (0, 2, 2), (0, 3, 4), (0, 4, 0), (1, 1, 2), (1, 2, 0)):
        logits[row, place, tag] = 1
    # PER is whole though a piece between its words says otherwise; LOC ends too soon.
    assert TASK.selection_score("entity_f1", labels, logits) == pytest.approx(0.5)


def test_rows_of_a_file_are_words_or_refused(tmp_path: Path) -> None:
    file = tmp_path / "more.jsonl"
    row = {"tokens": ["Ada", "met", "Grace"], "ner_tags": ["S-PER", "O", "S-PER"]}
    file.write_text(json.dumps(row) + "\n")
    found = read_labelled_file(file, NAMES, {}, task=TASK)
    assert found.texts == ["Ada met Grace"]
    assert found.gold is not None
    assert found.gold[0].tolist() == [[0, 3, 3], [4, 7, 0], [8, 13, 3]]
    for change, message in (
        ({"ner_tags": ["O"]}, "row 1: 3 words and 1 tags"),
        ({"ner_tags": ["PER", "O", "O"]}, "row 1: the tags PER, O, O"),
        ({"tokens": "Ada met Grace"}, "row 1: tags without words"),
    ):
        file.write_text(json.dumps({**row, **change}) + "\n")
        with pytest.raises(InputError, match=message):
            read_labelled_file(file, NAMES, {}, task=TASK)


def test_what_classifies_whole_texts_is_refused(tmp_path: Path) -> None:
    row = {"tokens": ["the", "goal", "was", "good"], "ner_tags": ["O", "B-sport", "O", "O"]}
    (tmp_path / "train.jsonl").write_text((json.dumps(row) + "\n") * 40)
    recipe = tiny_recipe(tmp_path, save_tiny_encoder(tmp_path / "encoder", layers=1))
    recipe |= {"task": "token-classification", "student": {"architecture": "bilstm"}}
    with pytest.raises(ModelError, match="bilstm, which answers texts with labels"):
        compress.run(recipe, out=tmp_path / "run")
    with pytest.raises(ModelError, match="has the labels NEG, POS"):
        TASK.check_head("m", ["NEG", "POS"], None)


def test_init_sees_words_with_tags(tmp_path: Path) -> None:
    row = {"id": "7", "tokens": ["the", "goal", "was", "good"], "ner_tags": ["O", "B-sport", "O", "O"]}
    (tmp_path / "train.jsonl").write_text((json.dumps(row) + "\n") * 40)
    encoder = save_tiny_encoder(tmp_path / "encoder", layers=2)
    written = starting_recipe(str(tmp_path), str(encoder), tmp_path / "recipe.yaml", Silent()).read_text()
    assert "task: token-classification" in written
    assert "columns: {text: tokens, label: ner_tags}" in written
    assert "share of test rows with the same entities" in written


def test_a_teacher_that_guesses_is_found_out(folders: dict[str, Path]) -> None:
    rows = _rows(30, longest=40, seed=9)  # in windows
    teacher = _trained(folders["whole"])
    asked = _read(teacher.encoder, [str(text) for text in rows.texts], 64)
    assert rows.labels is not None
    known = TASK.example_labels(asked, rows.labels)
    right = TASK.soft_targets(
        {"logits": [np.eye(5, dtype=np.float32)[np.maximum(row, 0)] for row in cast(list[list[int]], known)]}
    )
    metric, found = TASK.examined(NAMES, right, rows, teacher)
    assert (metric, found) == ("entity_f1", 1.0)
    with pytest.raises(ModelError, match="answers at chance"):
        TASK.examined(NAMES, np.zeros_like(right), rows, teacher)

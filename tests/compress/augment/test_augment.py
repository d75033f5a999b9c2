"""Augmented texts: new, as many as asked for, the same on every machine, and unlike their text only in words."""

import re
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError
from tiny import tiny_rows
from transformers import BertTokenizer

from compress.augment import Augment, augmented_texts, expected_rows
from compress.augment.vocabulary import read_vocabulary
from compress.augment.words import FUNCTION_WORDS
from compress.errors import ModelError
from compress.models.trained import Trained

TEXTS = [text for text, _ in tiny_rows(60, seed=8)]
SUBSTITUTE = Augment(copies=8, substitute=0.5, mask=0, ngram=0)
MASK = Augment(copies=8, substitute=0, mask=0.4, ngram=0)
NGRAM = Augment(copies=8, substitute=0, mask=0, ngram=1)
ALL = Augment(copies=8, substitute=0.4, mask=0.2, ngram=0.25)


def whole_words(trained: Trained) -> set[str]:
    return set(read_vocabulary(trained.encoder, trained.encoder.get_vocab_size()).surfaces)


@pytest.mark.parametrize("options", [SUBSTITUTE, MASK, NGRAM, ALL])
def test_copies_are_new_and_at_most_as_many_as_asked_for(options: Augment, teacher: Trained) -> None:
    copies = augmented_texts(TEXTS, teacher, options, seed=1)
    assert len(copies) == len(set(copies))
    assert not set(copies) & set(TEXTS)
    assert len(copies) <= expected_rows(len(TEXTS), options) == 480
    assert len(copies) > 0.8 * 480
    for text in TEXTS[:10]:
        assert len(augmented_texts([text], teacher, options, seed=1)) <= 8


def test_the_same_seed_gives_the_same_copies_and_another_seed_others(teacher: Trained) -> None:
    copies = augmented_texts(TEXTS, teacher, ALL, seed=1)
    assert augmented_texts(TEXTS, teacher, ALL, seed=1) == copies
    other = augmented_texts(TEXTS, teacher, ALL, seed=2)
    assert len(set(copies) & set(other)) < len(copies) / 3


def test_copies_of_a_text_do_not_depend_on_the_other_texts(
    teacher: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = [copy for text in TEXTS for copy in augmented_texts([text], teacher, SUBSTITUTE, seed=1)]
    kept = [copy for copy in dict.fromkeys(alone) if copy not in TEXTS]
    assert augmented_texts(TEXTS, teacher, SUBSTITUTE, seed=1) == kept
    monkeypatch.setattr("compress.augment.texts._TEXTS_AT_ONCE", 7)
    assert augmented_texts(TEXTS, teacher, SUBSTITUTE, seed=1) == kept
    backwards = augmented_texts(TEXTS[::-1], teacher, SUBSTITUTE, seed=1)
    assert sorted(backwards) == sorted(kept)


def test_a_text_that_stands_twice_gives_its_copies_once(teacher: Trained) -> None:
    once = augmented_texts(TEXTS[:3], teacher, ALL, seed=1)
    assert augmented_texts([*TEXTS[:3], *TEXTS[:3]], teacher, ALL, seed=1) == once


def test_progress_counts_every_text(teacher: Trained) -> None:
    done: list[int] = []
    augmented_texts([*TEXTS, TEXTS[0]], teacher, MASK, 1, done.append)
    assert sum(done) == len(TEXTS) + 1


def test_only_whole_content_words_are_substituted_and_by_such(teacher: Trained) -> None:
    words = whole_words(teacher)
    replaced = 0
    for text in TEXTS:
        for copy in augmented_texts([text], teacher, SUBSTITUTE, seed=1):
            before, after = text.split(" "), copy.split(" ")
            assert len(before) == len(after)
            for old, new in zip(before, after, strict=True):
                if old != new:
                    replaced += 1
                    assert old in words
                    assert new in words
                    assert old not in FUNCTION_WORDS
    assert replaced > 500
    vocabulary = set(teacher.tokenizer.get_vocab())
    assert words < vocabulary
    assert not any(word.startswith(("##", "[")) for word in words)
    assert {"goal", "soup", "hotel", "good"} < words
    assert not words & FUNCTION_WORDS


def test_each_probability_is_the_share_of_words_that_it_changes(teacher: Trained) -> None:
    text = " ".join(["soup bread sauce goal match team coach hotel beach train"] * 4)
    many = {"copies": 200, "ngram": 0}
    words = text.split()

    def share(options: Augment, *, masked: bool) -> float:
        copies = augmented_texts([text], teacher, options, seed=3)
        assert len(copies) == 200
        pairs = [pair for copy in copies for pair in zip(words, copy.split(), strict=True)]
        return sum(old != new and (new == "[MASK]") is masked for old, new in pairs) / len(pairs)

    both = Augment(substitute=0.4, mask=0.1, **many)
    assert share(both, masked=True) == pytest.approx(0.1, abs=0.015)
    assert share(both, masked=False) == pytest.approx(0.4, abs=0.02)
    assert share(Augment(substitute=0, mask=0.3, **many), masked=False) == 0
    assert share(Augment(substitute=0.3, mask=0, **many), masked=True) == 0
    assert share(Augment(substitute=1, mask=0, **many), masked=False) == 1


def test_an_n_gram_is_a_piece_of_its_text_with_1_to_5_words(teacher: Trained) -> None:
    text = "we cook  bread, and sauce\tnear the new hotel today (it was very good)"
    copies = augmented_texts([text], teacher, Augment(copies=100, substitute=0, mask=0, ngram=1), seed=1)
    lengths = {len(re.findall(r"\w+", copy)) for copy in copies}
    assert all(copy in text for copy in copies)
    assert lengths == {1, 2, 3, 4, 5}
    assert any(copy.startswith("we") for copy in copies)
    assert any(copy.endswith("good") for copy in copies)
    uncut = augmented_texts([text], teacher, SUBSTITUTE, seed=1)
    assert {len(re.findall(r"\w+", copy)) for copy in uncut} == {14}


def test_about_the_share_of_copies_that_the_recipe_says_is_cut(teacher: Trained) -> None:
    long = [text for text in TEXTS if len(text.split()) > 8]
    copies = augmented_texts(long, teacher, Augment(copies=40, substitute=0.4, mask=0, ngram=0.25), seed=1)
    cut = sum(len(copy.split()) <= 5 for copy in copies) / len(copies)
    assert cut == pytest.approx(0.25, abs=0.05)


def test_what_is_not_replaced_keeps_its_spaces_and_capitals(teacher: Trained) -> None:
    text = "  Good Soup,\tvery GOOD   — bread! 東京 émigré zzzq don't match 3 goals\u00a0"
    copies = augmented_texts([text], teacher, Augment(copies=50, substitute=0.6, mask=0, ngram=0), seed=1)
    pattern = re.compile(r"  (\w+) (\w+),\tvery (\w+)   — (\w+)! 東京 émigré zzzq don't (\w+) 3 (\w+)\u00a0")
    found = [pattern.fullmatch(copy) for copy in copies]
    assert len(copies) == 50
    places = [{match[place] for match in found if match} for place in range(1, 6)]
    assert all(found)
    assert all(len(words) > 3 for words in places)
    assert all(word[0].isupper() and word[1:].islower() for word in places[0])
    assert all(word.isupper() for word in places[2])
    assert all(word.islower() for word in places[3])


def test_no_special_token_comes_in_but_the_mask(teacher: Trained) -> None:
    strange = ["goal 東京 zzzq soup", "🙂 team ✈ beach", "naïve coach", "x9 q"]
    tokenizer = teacher.tokenizer
    for options, allowed in ((SUBSTITUTE, set()), (MASK, {"[MASK]"}), (ALL, {"[MASK]"})):
        for copy in augmented_texts([*TEXTS, *strange], teacher, options, seed=1):
            assert {token for token in tokenizer.all_special_tokens if token in copy} <= allowed
    masked = augmented_texts(TEXTS, teacher, MASK, seed=1)
    ids = teacher.encoder.encode(masked[0]).ids
    assert all("[MASK]" in copy for copy in masked)
    assert tokenizer.mask_token_id in ids  # read as the token, not as brackets and letters


def test_very_short_texts(teacher: Trained) -> None:
    assert augmented_texts([], teacher, ALL, seed=1) == []
    assert augmented_texts(["...", "", " "], teacher, ALL, seed=1) == []
    assert augmented_texts(["goal"], teacher, MASK, seed=1) == []  # a mask alone says nothing
    assert augmented_texts(["goal "], teacher, NGRAM, seed=1) == []  # nor does a text without its space
    assert augmented_texts(["the"], teacher, SUBSTITUTE, seed=1) == []
    one = augmented_texts(["Goal"], teacher, SUBSTITUTE, seed=1)
    assert 0 < len(one) <= 8
    assert {word.lower() for word in one} <= whole_words(teacher)


def test_a_text_beyond_the_maximum_length_is_changed_where_models_read_it(teacher: Trained) -> None:
    text = " ".join(["soup bread sauce goal"] * 30)
    for copy in augmented_texts([text], teacher, SUBSTITUTE, seed=1):
        assert copy.split()[62:] == text.split()[62:]
        assert copy.split()[:62] != text.split()[:62]


def test_a_tokenizer_that_counts_spaces_to_words(byte_level: Trained) -> None:
    words = whole_words(byte_level)
    assert {"goal", "Goal", "hotel"} < words
    assert not any(word != word.strip() for word in words)
    text = 'Soup, "bread" and  Goal'
    copies = augmented_texts([text], byte_level, Augment(copies=60, substitute=0.7, mask=0, ngram=0), seed=1)
    found = [re.fullmatch(r'(\w+), "(\w+)" and  (\w+)', copy) for copy in copies]
    assert all(found)
    for place in (1, 2, 3):
        new = {match[place] for match in found if match} - {"Soup", "bread", "Goal"}
        assert len(new) > 3
        assert new <= words
    masked = augmented_texts([text], byte_level, MASK, seed=1)
    assert masked
    assert all("<mask>" in copy for copy in masked)


def test_options_refuse_what_cannot_be_meant() -> None:
    for options, message in (
        ({"substitute": 0, "mask": 0, "ngram": 0}, "no copy would differ"),
        ({"substitute": 0.7, "mask": 0.4}, "at most 1 together"),
        ({"copies": 0}, "copies"),
        ({"substitute": 1.5}, "substitute"),
        ({"candidates": True}, "should not be true or false"),
        ({"pos": 0.1}, "pos"),
    ):
        with pytest.raises(ValidationError, match=message):
            Augment.model_validate(options)
    assert Augment.model_validate({"mask": 0, "ngram": 0}).candidates == 15


def test_masking_needs_a_mask_token(teacher: Trained) -> None:
    tokenizer = BertTokenizer(tokenizer_object=teacher.tokenizer.backend_tokenizer)
    tokenizer.mask_token = None
    without = Trained(teacher.model, tokenizer, teacher.labels, teacher.max_length, teacher.folder)
    with pytest.raises(ModelError, match="no mask token") as caught:
        augmented_texts(TEXTS, without, MASK, seed=1)
    assert "augment.mask: 0" in caught.value.remedy
    assert augmented_texts(TEXTS, without, SUBSTITUTE, seed=1)


SHARED = Path(__file__).parents[3].parent / "shared"


@pytest.mark.skipif(
    not (SHARED / "models/all-MiniLM-L6-v2").is_dir(), reason="needs a real encoder in ../shared/models"
)
def test_neighbours_in_a_real_encoder_are_alike_in_meaning(tmp_path: Path) -> None:
    from transformers import AutoModel

    from compress.augment.neighbours import Neighbours
    from compress.models.tokenizer import load_tokenizer

    source = str(SHARED / "models/all-MiniLM-L6-v2")
    tokenizer, model = load_tokenizer(source), AutoModel.from_pretrained(source, dtype=torch.float32)
    backend = tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    vocabulary = read_vocabulary(backend, len(model.get_input_embeddings().weight))
    neighbours = Neighbours(model, vocabulary, 5).of_words(["movie", "terrible", "beautiful"])
    for found, expected in zip(neighbours, ("film", "horrible", "gorgeous"), strict=True):
        print(found)
        assert expected in found

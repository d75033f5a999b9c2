"""The arrays that the graph gets."""

import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from serve.bundle import GraphInput
from serve.encoding import MAX_CHARACTERS, cut_into_windows, encode, pad_id, read, read_tokenizer, tokenize
from serve.errors import BundleError, InputError
from serve.tasks import QuestionAnswering, Read

INPUTS = [GraphInput(name=name, dtype="int64") for name in ("input_ids", "attention_mask", "token_type_ids")]


@pytest.fixture
def tokenizer(bundle_folder: Path) -> Tokenizer:
    return read_tokenizer(bundle_folder / "tokenizer.json")


def words(*special: str) -> Tokenizer:
    vocabulary = {token: number for number, token in enumerate([*special, "a", "b"])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


def test_padding_is_right_masked_and_of_the_right_id(tokenizer: Tokenizer) -> None:
    batch = encode(tokenizer, ["a good film", "film"], INPUTS, 1)
    assert batch.arrays["input_ids"].shape == (2, 5)
    assert batch.arrays["input_ids"][1, 3:].tolist() == [1, 1]
    assert batch.arrays["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.token_counts == [5, 3]
    assert batch.truncated == [False, False]


def test_truncated_only_when_a_token_was_lost(tokenizer: Tokenizer) -> None:
    batch = encode(tokenizer, ["film " * 14, "film " * 15], INPUTS, 1)
    assert batch.token_counts == [16, 16]
    assert batch.truncated == [False, True]


@pytest.mark.parametrize("direction", ["right", "left"])
@pytest.mark.parametrize("longest", [9, 16])
def test_a_long_pair_is_read_as_tokenizers_reads_it(
    tokenizer: Tokenizer, direction: str, longest: int
) -> None:
    """What is far behind the end of what is read goes first, and takes no token with it that is read."""
    tokenizer.enable_truncation(longest, direction=direction)
    drawn = random.Random(7)
    for count in (1, 4, 20, 33, 34, 90):
        for other in (2, 17, 60, 90):
            first, second = (
                " ".join(drawn.choices(["film", "good", "filmgood", "x" * 120, "a,b"], k=length))
                for length in (count, other)
            )
            whole = tokenizer.encode(first, second)
            (found,) = tokenize(tokenizer, [(first, second)])
            assert found.ids == whole.ids
            assert found.type_ids == whole.type_ids
            assert bool(found.overflowing) == bool(whole.overflowing)


def test_a_long_question_is_read_as_far_as_it_leaves_a_quarter_to_the_context(tokenizer: Tokenizer) -> None:
    answering = QuestionAnswering(overlap=8)
    tokenizer.enable_truncation(40)
    cut_into_windows(tokenizer, answering)
    (one,) = read(tokenizer, [("film good " * 100, "good " * 50)], answering)
    assert isinstance(one, Read)
    assert one.cut
    assert len(one.windows) > 3
    room = 40 - tokenizer.num_special_tokens_to_add(is_pair=True) - 8
    for window in one.windows:
        assert window.sequence_ids.count(0) == room - room // 4
        assert window.tokens[window.sequence_ids.index(0)] == "film"


@pytest.mark.parametrize("text", ["film " * 3_000, "a" * 15_000, ".,?" * 1_000])
def test_a_pair_of_long_texts_leaves_no_combinations_in_memory(tokenizer: Tokenizer, text: str) -> None:
    """Tokenizers would keep a part for each part of the first text with each of the second: their product."""
    (found,) = tokenize(tokenizer, [(text, text)])
    assert len(found) <= 16
    assert len(found.overflowing) < 100


def test_only_the_inputs_of_the_graph_in_its_types(tokenizer: Tokenizer) -> None:
    batch = encode(tokenizer, ["film"], [GraphInput(name="input_ids", dtype="int32")], 1)
    assert list(batch.arrays) == ["input_ids"]
    assert batch.arrays["input_ids"].dtype == np.int32


def test_a_text_without_tokens_still_has_a_row_that_is_attended_to() -> None:
    for texts in ([""], ["", "a b"]):
        batch = encode(words("[PAD]"), texts, INPUTS, 0)
        assert batch.arrays["attention_mask"][0].sum() == 1
        assert batch.token_counts[0] == 0


def test_padding_block_of_the_file_is_ignored(tmp_path: Path) -> None:
    made = words("[PAD]")
    made.enable_padding(length=8, pad_id=2)
    made.save(str(tmp_path / "tokenizer.json"))
    batch = encode(read_tokenizer(tmp_path / "tokenizer.json"), ["a"], INPUTS, 0)
    assert batch.arrays["input_ids"].shape == (1, 1)


def test_pad_id_is_looked_up_and_not_guessed(tmp_path: Path) -> None:
    assert pad_id(words("<s>", "<pad>", "</s>")) == 1
    assert pad_id(words("x", "[PAD]")) == 1
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"pad_token": "b"}')
    assert pad_id(words("[PAD]"), config) == 2
    config.write_text('{"pad_token": {"content": "b", "lstrip": false}}')
    assert pad_id(words("[PAD]"), config) == 2
    config.write_text('{"pad_token": null}')
    assert pad_id(words("[PAD]"), config) == 0


def test_a_vocabulary_without_padding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no padding token"):
        pad_id(words())
    config = tmp_path / "tokenizer_config.json"
    config.write_text('{"pad_token": "<missing>"}')
    with pytest.raises(BundleError, match="<missing>"):
        pad_id(words("[PAD]"), config)
    config.write_text("{")
    with pytest.raises(BundleError, match="is not JSON"):
        pad_id(words("[PAD]"), config)


def test_what_is_no_text_is_refused(tokenizer: Tokenizer) -> None:
    for given, message in [
        (3, "type int"),
        (None, "type NoneType"),
        (b"bytes", "type bytes"),
        ("x" * (MAX_CHARACTERS + 1), "100,001 characters"),
        ("half \ud83c of a pair", "surrogate"),
    ]:
        with pytest.raises(InputError, match=message):
            encode(tokenizer, ["fine", given], INPUTS, 1)


def test_a_file_that_is_no_tokenizer(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text('{"version": "1.0"}')
    with pytest.raises(BundleError, match="is not a tokenizer"):
        read_tokenizer(path)

"""A trimmed vocabulary answers as the whole one did, on every text whose tokens it kept."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoModelForSequenceClassification
from vocabularies import KINDS, WORDS, Pair, encode, logits, names, whole

from compress.errors import ModelError
from compress.models.tokenizer import load_tokenizer, save_tokenizer
from compress.models.vocabulary import trim_vocabulary, vocabulary_size_after

SHARED = Path(__file__).parents[3].parent / "shared"
MINILM = SHARED / "models/all-MiniLM-L6-v2"
SST2 = SHARED / "data/sst2/train.parquet"

# Words, pieces of words, words that run together, and letters that no vocabulary here has.
_piece = st.builds(
    lambda word, start, end: word[start:end] or word,
    st.sampled_from(WORDS),
    st.integers(0, 3),
    st.integers(3, 9),
)
_word = st.one_of(
    st.sampled_from(WORDS),
    _piece,
    st.tuples(_piece, _piece).map("".join),
    st.sampled_from(["\u5b57", "ba\u5b57", "mo-el", "<mask>", "Sun", "xyz", "<extra>"]),
)
_text = st.lists(_word, max_size=6).map(" ".join)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(kept=st.lists(_text, min_size=1, max_size=12), others=st.lists(_text, min_size=10, max_size=10))
def test_texts_of_kept_tokens_have_the_same_tokens_and_logits(
    kind: str, kept: Sequence[str], others: Sequence[str]
) -> None:
    before = whole(kind)
    after = Pair(*trim_vocabulary(*before, kept))
    vocabulary = after.tokenizer.get_vocab()
    assert sorted(vocabulary.values()) == list(range(len(after.tokenizer)))
    for text in [*kept, *others]:
        expected = names(before.tokenizer, text)
        if not set(expected) <= set(vocabulary):
            assert text not in kept
            continue
        assert names(after.tokenizer, text) == expected
        assert encode(after.tokenizer, text).tokens == encode(before.tokenizer, text).tokens
        assert torch.allclose(logits(after, text), logits(before, text), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_what_the_texts_do_not_use_is_gone_and_any_text_still_has_tokens(kind: str) -> None:
    before = whole(kind)
    texts = WORDS[:20]
    model, tokenizer = trim_vocabulary(*before, texts)
    assert len(tokenizer) < len(before.tokenizer) - 50
    assert len(tokenizer) == vocabulary_size_after(before.tokenizer, texts)
    assert model.config.vocab_size == len(tokenizer) == len(model.get_input_embeddings().weight)
    assert sum(p.numel() for p in model.parameters()) < sum(p.numel() for p in before.model.parameters())
    # A word that is not kept falls into smaller pieces that are, not into the unknown token.
    gone = [word for word in WORDS if set(names(before.tokenizer, word)) - set(tokenizer.get_vocab())]
    assert gone
    for word in gone:
        assert tokenizer.unk_token not in names(tokenizer, word)


@pytest.mark.parametrize("kind", KINDS)
def test_special_ids_follow_and_the_given_pair_stays_as_it_is(kind: str) -> None:
    before = whole(kind)
    document, table = before.tokenizer.backend_tokenizer.to_str(), before.model.get_input_embeddings().weight
    copy = table.detach().clone()
    model, tokenizer = trim_vocabulary(*before, WORDS[:5])
    for name in ("pad", "unk", "cls", "sep", "mask"):
        assert getattr(tokenizer, f"{name}_token") == getattr(before.tokenizer, f"{name}_token")
        new, old = getattr(tokenizer, f"{name}_token_id"), getattr(before.tokenizer, f"{name}_token_id")
        assert torch.equal(model.get_input_embeddings().weight[new], table[old])
    assert model.config.pad_token_id == tokenizer.pad_token_id
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert before.tokenizer.backend_tokenizer.to_str() == document
    assert torch.equal(table, copy)
    assert before.model.config.vocab_size == len(before.tokenizer)


@pytest.mark.parametrize("kind", KINDS)
def test_it_comes_back_from_disk_as_it_was(kind: str, tmp_path: Path) -> None:
    _, tokenizer = trim_vocabulary(*whole(kind), WORDS[:30])
    save_tokenizer(tokenizer, tmp_path, 64)
    loaded, file = load_tokenizer(str(tmp_path)), Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert type(loaded) is type(tokenizer)
    assert loaded.get_vocab() == tokenizer.get_vocab() == file.get_vocab()
    for text in [" ".join(WORDS[:9]), "unheard of words \u5b57 <mask>", ""]:
        backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        backend.no_padding()
        expected = backend.encode(text, "pair").ids
        assert loaded(text, "pair")["input_ids"] == expected
        assert file.encode(text, "pair").ids == expected
    assert loaded.pad_token_id == tokenizer.pad_token_id


def test_a_floor_keeps_more() -> None:
    before = whole("wordpiece")
    _, least = trim_vocabulary(*before, [])
    missing = sorted(set(before.tokenizer.get_vocab()) - set(least.get_vocab()))[:3]
    _, more = trim_vocabulary(*before, [], floor=missing)
    assert set(more.get_vocab()) == set(least.get_vocab()) | set(missing)
    with pytest.raises(ModelError, match="the tokenizer has no token 'zzzz', which was to be kept"):
        trim_vocabulary(*before, [], floor=["zzzz"])


@pytest.mark.skipif(
    not MINILM.is_dir() or not SST2.is_file(), reason="the shared encoder and SST-2 are not here"
)
def test_a_real_vocabulary_of_thirty_thousand() -> None:
    from pandas import read_parquet

    texts = read_parquet(SST2)["sentence"].tolist()[:2000]
    tokenizer = load_tokenizer(str(MINILM))
    model = AutoModelForSequenceClassification.from_pretrained(str(MINILM)).eval()
    trimmed = Pair(*trim_vocabulary(model, tokenizer, texts))
    assert len(trimmed.tokenizer) < 10_000
    before = Pair(model, tokenizer)
    for text in [*texts[:5], "An unheard-of quxotic word: \u5b57 \u2603"]:
        if set(names(tokenizer, text)) <= set(trimmed.tokenizer.get_vocab()):
            assert names(trimmed.tokenizer, text) == names(tokenizer, text)
            assert torch.allclose(logits(trimmed, text), logits(before, text), rtol=0, atol=1e-6)

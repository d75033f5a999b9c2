"""A trimmed vocabulary answers as the whole one did, on every text whose tokens it kept."""

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import (
    Encoding,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from compress.errors import ModelError
from compress.models.tokenizer import load_tokenizer, save_tokenizer
from compress.models.vocabulary import trim_vocabulary, vocabulary_size_after

SHARED = Path(__file__).parents[3].parent / "shared"
MINILM = SHARED / "models/all-MiniLM-L6-v2"
SST2 = SHARED / "data/sst2/train.parquet"


def _made_up_words() -> list[str]:
    random_ = random.Random(3)
    syllables = ["ba", "re", "ti", "mo", "sun", "kra", "el", "o", "ish", "en", "qua", "lo", "st", "a"]
    return sorted({"".join(random_.choices(syllables, k=random_.randint(1, 5))) for _ in range(400)})


WORDS = _made_up_words()
KINDS = ("wordpiece", "byte-level-bpe", "unigram")


class Pair(NamedTuple):
    """A model with its tokenizer."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast


@cache
def whole(kind: str) -> Pair:
    """A tokenizer of this kind trained on the words, and a classifier whose logits differ from text to text."""
    build = {"wordpiece": _wordpiece, "byte-level-bpe": _byte_level_bpe, "unigram": _unigram}
    architecture = {"wordpiece": "bert", "byte-level-bpe": "roberta", "unigram": "xlm-roberta"}
    with TemporaryDirectory() as folder:
        save_tokenizer(build[kind](), Path(folder), 128)
        tokenizer = load_tokenizer(folder)
    return Pair(_model(AutoModelForSequenceClassification, architecture[kind], tokenizer), tokenizer)


def _model(
    auto: type, architecture: str, tokenizer: PreTrainedTokenizerFast, **more: object
) -> PreTrainedModel:
    torch.manual_seed(5)
    config = AutoConfig.for_model(
        architecture,
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=130,
        initializer_range=0.4,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        **more,
    )
    model: PreTrainedModel = auto.from_config(config).eval()  # type: ignore[attr-defined]  # an Auto class
    return model


def _corpus() -> list[str]:
    random_ = random.Random(4)
    return [" ".join(random_.choices(WORDS, k=6)) for _ in range(300)]


def _wordpiece() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [
        "[PAD]",
        "[unused0]",
        "[unused1]",
        "[unused2]",
        "[unused3]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
    ]
    trainer = trainers.WordPieceTrainer(vocab_size=320, special_tokens=special, show_progress=False)
    backend.train_from_iterator(_corpus(), trainer)
    document = json.loads(backend.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if "unused" not in t["content"]]
    backend = Tokenizer.from_str(json.dumps(document))
    backend.post_processor = processors.BertProcessing(
        ("[SEP]", backend.token_to_id("[SEP]")), ("[CLS]", backend.token_to_id("[CLS]"))
    )
    return BertTokenizer(tokenizer_object=backend)


def _byte_level_bpe() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=700,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(_corpus(), trainer)
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer = RobertaTokenizer(tokenizer_object=backend)
    tokenizer.add_tokens(["<extra>"])  # an id beyond the model's own vocabulary
    return tokenizer


def _unigram() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.Unigram())
    backend.normalizer = normalizers.NFKC()
    backend.pre_tokenizer = pre_tokenizers.Metaspace()
    backend.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=300,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        unk_token="<unk>",
        show_progress=False,
    )
    backend.train_from_iterator(_corpus(), trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return XLMRobertaTokenizer(tokenizer_object=backend)


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> Encoding:
    """The text with its special tokens, unpadded."""
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    return backend.encode(text)


def names(tokenizer: PreTrainedTokenizerFast, text: str) -> list[str]:
    """The tokens' names; Unigram's own list of tokens shows the letters of an unknown one."""
    return tokenizer.convert_ids_to_tokens(encode(tokenizer, text).ids)


def logits(pair: Pair, text: str) -> torch.Tensor:
    """What the model says to its tokenizer's ids: (labels,), or (tokens, vocabulary)."""
    ids = torch.tensor([encode(pair.tokenizer, text).ids])
    with torch.inference_mode():
        answer: torch.Tensor = pair.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    return answer


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


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("kind", "architecture"), [("wordpiece", "bert"), ("byte-level-bpe", "roberta")])
def test_the_head_of_a_language_model_is_cut_along(kind: str, architecture: str, tied: bool) -> None:
    tokenizer = whole(kind).tokenizer
    model = _model(AutoModelForMaskedLM, architecture, tokenizer, tie_word_embeddings=tied)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_()
    before = Pair(model, tokenizer)
    after = Pair(*trim_vocabulary(model, tokenizer, WORDS[:10]))
    old, new = tokenizer.get_vocab(), after.tokenizer.get_vocab()
    known = sorted(new)
    expected = logits(before, WORDS[3])[:, [old[name] for name in known]]
    found = logits(after, WORDS[3])[:, [new[name] for name in known]]
    assert torch.allclose(found, expected, rtol=0, atol=1e-5)
    head = after.model.get_output_embeddings().weight
    assert (head.data_ptr() == after.model.get_input_embeddings().weight.data_ptr()) is tied


def test_the_piece_that_unknown_letters_are_scored_by_stays() -> None:
    """Unigram takes the unknown token to be ten below the lowest score; without that piece, paths would move."""
    backend = Tokenizer(
        models.Unigram(
            [
                *(("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("zz", -60.0)),
                *(("a", -20.0), ("bc", -20.0), ("ab", -1.0), ("yy", -5.0)),
            ],
            unk_id=3,
            byte_fallback=False,
        )
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    )
    model = _model(AutoModelForSequenceClassification, "roberta", tokenizer)
    assert names(tokenizer, "abc") == ["a", "bc"]  # -40, and -1 - 70 for "ab" and the unknown "c"
    _, trimmed = trim_vocabulary(model, tokenizer, ["abc", "ab"])
    assert names(trimmed, "abc") == ["a", "bc"]  # without "zz" the unknown "c" would be -30
    assert "yy" not in trimmed.get_vocab()


@pytest.mark.parametrize(
    "processor",
    [
        processors.BertProcessing(("[SEP]", 7), ("[CLS]", 6)),
        processors.RobertaProcessing(("[SEP]", 7), ("[CLS]", 6)),
        processors.TemplateProcessing(
            single="[CLS] $A [SEP]",
            pair="[CLS] $A [MASK] $B",
            special_tokens=[("[CLS]", 6), ("[SEP]", 7), ("[MASK]", 8)],
        ),
        processors.Sequence([processors.ByteLevel(), processors.BertProcessing(("[SEP]", 7), ("[CLS]", 6))]),
    ],
    ids=["bert", "roberta", "template", "sequence"],
)
def test_special_tokens_stand_around_a_text_as_before(processor: object) -> None:
    model, tokenizer = whole("wordpiece")
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_padding()
    backend.post_processor = processor
    backend.enable_padding(length=4, pad_id=8, pad_token="[MASK]")
    before = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]", unk_token="[UNK]")
    _, after = trim_vocabulary(model, before, WORDS[:4])
    assert after.convert_tokens_to_ids("[SEP]") != 7
    filled = after.backend_tokenizer.encode("a").ids
    assert after.convert_ids_to_tokens(filled) == ["[CLS]", "a", "[SEP]", "[MASK]"]
    for pair in (("a", None), ("a", "b")):
        old, new = before(*pair)["input_ids"], after(*pair)["input_ids"]
        assert before.convert_ids_to_tokens(old) == after.convert_ids_to_tokens(new)


def test_merges_that_build_no_kept_token_go_and_the_others_keep_their_order() -> None:
    before = whole("byte-level-bpe")
    _, tokenizer = trim_vocabulary(*before, WORDS[:15])

    def merges(of: PreTrainedTokenizerFast) -> list[tuple[str, str]]:
        return [tuple(merge) for merge in json.loads(of.backend_tokenizer.to_str())["model"]["merges"]]

    old, new = merges(before.tokenizer), merges(tokenizer)
    assert new == [merge for merge in old if merge in set(new)]
    assert {"".join(merge) for merge in new} <= set(tokenizer.get_vocab())
    assert 0 < len(new) < len(old)


def test_positions_that_begin_after_the_padding_id_stay_where_they_are() -> None:
    """As in CamemBERT, whose id 0 is a token that nothing uses: the padding id is 1 all the same."""
    backend = Tokenizer(
        models.WordPiece({"<nothing>": 0, "<pad>": 1, "<unk>": 2, "a": 3, "word": 4}, unk_token="<unk>")
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", unk_token="<unk>")
    before = Pair(_model(AutoModelForSequenceClassification, "camembert", tokenizer), tokenizer)
    after = Pair(*trim_vocabulary(*before, ["a"]))
    assert after.tokenizer.pad_token_id == after.model.config.pad_token_id == 1
    assert torch.equal(logits(after, "a"), logits(before, "a"))


def test_a_floor_keeps_more() -> None:
    before = whole("wordpiece")
    _, least = trim_vocabulary(*before, [])
    missing = sorted(set(before.tokenizer.get_vocab()) - set(least.get_vocab()))[:3]
    _, more = trim_vocabulary(*before, [], floor=missing)
    assert set(more.get_vocab()) == set(least.get_vocab()) | set(missing)
    with pytest.raises(ModelError, match="the tokenizer has no token 'zzzz', which was to be kept"):
        trim_vocabulary(*before, [], floor=["zzzz"])


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings_is_refused() -> None:
    tokenizer = whole("byte-level-bpe").tokenizer
    small = _model(AutoModelForSequenceClassification, "roberta", tokenizer)
    small.resize_token_embeddings(len(tokenizer) - 1)
    with pytest.raises(
        ModelError, match=rf"id {len(tokenizer) - 1}, and the model has {len(tokenizer) - 1} emb"
    ):
        trim_vocabulary(small, tokenizer, WORDS[:3])


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

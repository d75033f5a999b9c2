"""What hangs on a vocabulary is cut along with it, or stays: heads, scores, special tokens, merges, positions."""

import json

import pytest
import torch
from tokenizers import Tokenizer, models, processors
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast
from vocabularies import WORDS, Pair, logits, names, random_model, whole

from compress.errors import ModelError
from compress.models.vocabulary import trim_vocabulary


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("kind", "architecture"), [("wordpiece", "bert"), ("byte-level-bpe", "roberta")])
def test_the_head_of_a_language_model_is_cut_along(kind: str, architecture: str, tied: bool) -> None:
    tokenizer = whole(kind).tokenizer
    model = random_model(AutoModelForMaskedLM, architecture, tokenizer, tie_word_embeddings=tied)
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
    model = random_model(AutoModelForSequenceClassification, "roberta", tokenizer)
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
    before = Pair(random_model(AutoModelForSequenceClassification, "camembert", tokenizer), tokenizer)
    after = Pair(*trim_vocabulary(*before, ["a"]))
    assert after.tokenizer.pad_token_id == after.model.config.pad_token_id == 1
    assert torch.equal(logits(after, "a"), logits(before, "a"))


def test_a_tokenizer_with_more_tokens_than_the_model_has_embeddings_is_refused() -> None:
    tokenizer = whole("byte-level-bpe").tokenizer
    small = random_model(AutoModelForSequenceClassification, "roberta", tokenizer)
    small.resize_token_embeddings(len(tokenizer) - 1)
    with pytest.raises(
        ModelError, match=rf"id {len(tokenizer) - 1}, and the model has {len(tokenizer) - 1} emb"
    ):
        trim_vocabulary(small, tokenizer, WORDS[:3])

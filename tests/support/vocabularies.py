"""A tokenizer of each kind, trained on made-up words, and small models whose logits differ from text to text."""

import json
import random
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch
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
    AutoModelForSequenceClassification,
    BertTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

from compress.models.tokenizer import load_tokenizer, save_tokenizer


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
    return Pair(random_model(AutoModelForSequenceClassification, architecture[kind], tokenizer), tokenizer)


def random_model(
    auto: type, architecture: str, tokenizer: PreTrainedTokenizerFast, **more: object
) -> PreTrainedModel:
    """A small model over this tokenizer; `auto` says with which head."""
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

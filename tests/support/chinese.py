"""A BERT whose vocabulary is characters, as Chinese ones have it, and Chinese texts that it can learn."""

import random
from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, BertTokenizer

MOST = 48  # tokens that the model reads
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
TOPICS = {"美食": "汤面包厨锅菜", "体育": "球赛队教练胜", "旅行": "车店海机山图"}
FILLERS = "的了很好天我们他在这是不和有人"


def chinese_rows(count: int, seed: int) -> list[tuple[str, str]]:
    """Texts without spaces; two or three of their characters tell the label."""
    drawn = random.Random(seed)
    rows = []
    for number in range(count):
        label = list(TOPICS)[number % len(TOPICS)]
        signs = drawn.choices(TOPICS[label], k=3) + drawn.choices(FILLERS, k=drawn.randint(3, 20))
        drawn.shuffle(signs)
        signs.insert(drawn.randrange(len(signs)), "\uff0c")  # a comma of full width
        rows.append(("".join(signs) + "\u3002", label))
    return rows


def character_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """As `google-bert/bert-base-chinese` cuts: each Chinese character is a token, others are pieces of words."""
    signs = sorted({sign for text in texts for sign in text.lower() if not sign.isspace()})
    pieces = [*SPECIAL, *signs, *(f"##{sign}" for sign in signs if sign.isascii())]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, handle_chinese_chars=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def save_character_encoder(folder: Path, texts: Iterable[str], *, layers: int = 2, most: int = MOST) -> Path:
    """An encoder without a head whose vocabulary is the characters of the texts, 32 wide."""
    tokenizer = character_tokenizer(texts)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = BertModel(
            BertConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=32,
                num_hidden_layers=layers,
                num_attention_heads=4,
                intermediate_size=64,
                max_position_embeddings=most,
                initializer_range=0.1,
            )
        )
    model.save_pretrained(str(folder))
    BertTokenizer(tokenizer_object=tokenizer, model_max_length=most).save_pretrained(str(folder))
    return folder

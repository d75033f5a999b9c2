"""Builds the quickstart's teacher: a tokenizer trained on the spot and a small BERT with random weights."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

PADDING, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
VOCABULARY = 3000  # at most; the grammar and its typos fill about two thirds
MAX_TOKENS = 64
LAYERS = 4
HIDDEN = 128
HEADS = 4
WEIGHT_SPREAD = 0.05  # BERT's own 0.02 is for 768 dimensions; narrow models start slowly with it
# Who is near whom decides which intent a negation belongs to. Learned from nothing, BERT's positions start
# too faint for that to be found in a few epochs; waves, louder than the words, are found at once.
POSITION_SPREAD = 0.15
SLOWEST_WAVE = 200.0  # 10,000 is for texts of hundreds of tokens; these have twenty


def build_teacher(folder: Path, texts: Sequence[str], labels: Sequence[str], *, seed: int) -> None:
    """Save to `folder` an untrained classifier of these labels with a tokenizer made from these texts."""
    tokenizer = _tokenizer(texts)
    names = sorted(set(labels))
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=MAX_TOKENS,
        type_vocab_size=2,
        initializer_range=WEIGHT_SPREAD,
        # A grammar cannot be overfitted in a few epochs: dropout would cost a tenth of the time and slow the learning.
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they were
        torch.manual_seed(seed)
        model = BertForSequenceClassification(config)
    with torch.no_grad():
        model.bert.embeddings.position_embeddings.weight.copy_(_waves(MAX_TOKENS, HIDDEN) * POSITION_SPREAD)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _tokenizer(texts: Sequence[str]) -> BertTokenizer:
    vocabulary = _vocabulary(texts)
    pieces = _splitter(models.WordPiece(vocabulary, unk_token=UNKNOWN))
    pieces.decoder = decoders.WordPiece()
    pieces.post_processor = processors.BertProcessing((END, vocabulary[END]), (START, vocabulary[START]))
    return BertTokenizer(tokenizer_object=pieces, do_lower_case=True, model_max_length=MAX_TOKENS)


def _vocabulary(texts: Sequence[str]) -> dict[str, int]:
    # The trainer numbers the pieces within words in the order of a hash table, another one every time, and
    # ties go by number. Given beforehand as special tokens, they are numbered alike in every run.
    within = [f"##{letter}" for letter in sorted(set("".join(texts).lower())) if not letter.isspace()]
    pieces = _splitter(models.WordPiece(unk_token=UNKNOWN))
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PADDING, UNKNOWN, START, END, MASK, *within],
        show_progress=False,
    )
    pieces.train_from_iterator(texts, trainer)
    return pieces.get_vocab()


def _splitter(model: models.WordPiece) -> Tokenizer:
    pieces = Tokenizer(model)
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return pieces


def _waves(positions: int, width: int) -> torch.Tensor:
    """Sinusoids per position, so that neighbours look alike before anything is learned."""
    steps = torch.arange(positions).unsqueeze(1)
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(SLOWEST_WAVE) / width))
    waves = torch.empty(positions, width)
    waves[:, 0::2] = torch.sin(steps * rates)
    waves[:, 1::2] = torch.cos(steps * rates)
    return waves

"""A tiny classifier, and one whose tokenizer tells cases apart and counts spaces to words."""

from pathlib import Path

import pytest
import torch
from tiny import FILLERS, TOPICS, save_tiny_encoder
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
)

from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained


@pytest.fixture(scope="session")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A tiny BERT with three labels that reads 64 tokens."""
    encoder = save_tiny_encoder(tmp_path_factory.mktemp("augment-encoder"), layers=1)
    model = AutoModelForSequenceClassification.from_pretrained(str(encoder), num_labels=3)
    folder = tmp_path_factory.mktemp("augment-teacher")
    save_trained(model, load_tokenizer(str(encoder)), ("food", "sport", "travel"), 64, folder)
    return load_trained(folder)


@pytest.fixture(scope="session")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The kind of tokenizer that RoBERTa has: "good" and " good" are two tokens, and "Good" is a third."""
    words = [word for topic in TOPICS.values() for word in topic] + FILLERS
    words += [word.capitalize() for word in words]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(
        [*words, " ".join(["x", *words])] * 5,
        trainers.BpeTrainer(
            vocab_size=1200,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=64,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=tokenizer.get_vocab_size(),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
                max_position_embeddings=64,
            )
        )
    folder: Path = tmp_path_factory.mktemp("augment-byte-level")
    save_trained(model, fast, ("a", "b"), 64, folder)
    return load_trained(folder)

"""Small models that answer questions, the same on every machine, and texts to ask them about.

Their weights are drawn by numpy and not by torch, so that answers which were recorded elsewhere are theirs:

    python tests/support/question_models.py FOLDER        # the models, and the rows as FOLDER/rows.jsonl
    python benchmarks/question_answering_reference.py record FOLDER/word-pieces FOLDER/rows.jsonl ANSWERS.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast

from compress.models.tokenizer import save_tokenizer

MOST, SHARED = 64, 12  # tokens of a window, and those that two share
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
_VOCABULARY = 600
_LONG = (
    "The bridge was built in 1894 by Ada Lovelace and Grace Hopper. It crosses the river near London, where the old "
    "mill stood until 1910; the mill was sold to the city. Grace Hopper lived in the mill, and London paid for it. "
    "The bridge was built again in 1951, of steel, by London alone."
)
ROWS = [
    ("Who built the bridge?", _LONG),
    ("When was it built again?", _LONG),
    ("what is grace?", _LONG.upper()),
    ("Where is the mill?", "  The mill\tstands\nnear the river.  "),
    ("Who met Ada?", "Ada met Grace. Grace met Ada. Ada met Ada."),
    ("北京是哪里的首都？", "北京是中国的首都，位于华北平原。北京有2000万人，London没有。"),  # noqa: RUF001
    ("哪一年？", "桥建于1894年，" * 12 + "在1951年重建。"),  # noqa: RUF001
    (
        "who flew?",
        "\U0001f469\u200d\U0001f680 flew to the moon \U0001f680\U0001f680 and Ada \U0001f600 stayed.",
    ),
    ("caf\u00e9?", "The cafe\u0301 and the caf\u00e9 are na\u0131ve e\u0301\u0301\u0301 co\u0308operation."),
    (
        "\u05de\u05d9?",
        "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd, Ada. \u05e2\u05d5\u05dc\u05dd \u05e7\u05d8\u05df.",
    ),
    ("which?", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 and London."),
    ("who", "x"),
    ("a b c d e f g h", "the in met the in met " * 20),
    ("don't!", "in London, near the Thames (south bank) -- don't! (don't.)"),
    ("\U00020bb7?", "\U00020bb7\u91ce\u5bb6 is \U00020bb7 a shop \U00020bb7"),
    ("what?", "zzz qqq " * 3 + "Ada " + "zzz " * 3),
]


def _word_pieces() -> Tokenizer:
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = "ada love ##lace grace hopper london the in ##don met mill bridge built and was"
    figures = [*"0123456789", "##0", "##1", "##4", "##9"]
    characters = [*"北京中国的首都年建桥", *figures, *".,'-();!?"]
    pieces = [*SPECIAL, *letters, *(f"##{one}" for one in letters), *words.split(" "), *characters]
    numbers = {one: place for place, one in enumerate(dict.fromkeys(pieces))}
    tokenizer = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece(prefix="##")
    return tokenizer


def _bytes() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("a", "d"), ("l", "o"), ("\u0120", "l"), ("\u0120", "m"), ("e", "r"), ("\u0120", "t")]
    pieces = [*SPECIAL, *alphabet, *("".join(pair) for pair in merges)]
    tokenizer = Tokenizer(models.BPE({one: place for place, one in enumerate(pieces)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


KINDS = {"word-pieces": _word_pieces, "bytes": _bytes}


def question_model(layers: int = 2, spread: float = 0.35) -> BertForQuestionAnswering:
    """A model whose logits differ from token to token."""
    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=MOST,
    )
    model = BertForQuestionAnswering(config).eval()
    drawn = np.random.RandomState(11)
    state = model.state_dict()
    for name in sorted(state):
        if state[name].is_floating_point() and "LayerNorm" not in name:
            values = drawn.standard_normal(tuple(state[name].shape)).astype(np.float32)
            state[name] = torch.from_numpy(values * spread * (4 if "qa_outputs" in name else 1))
    model.load_state_dict(state)
    return model


def save_question_tokenizer(kind: str, folder: Path) -> Path:
    """Its tokenizer, which cuts a text at `MOST` tokens."""
    tokenizer = KINDS[kind]()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=MOST, **named)
    save_tokenizer(fast, folder, MOST)
    return folder


def main(folder: Path) -> None:
    """Save what is asked and who answers."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        question_model().save_pretrained(str(folder / kind))
        save_question_tokenizer(kind, folder / kind)
    lines = [json.dumps({"question": one, "context": other}) + "\n" for one, other in ROWS]
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

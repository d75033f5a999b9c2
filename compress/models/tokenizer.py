"""Loading a tokenizer, refusing those that are none, and saving it in the form that bundles hold."""

import json
from pathlib import Path

from tokenizers import Tokenizer
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from compress.errors import ModelError
from compress.models.positions import first_position

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "spm.model",
)

# transformers 5 writes this name for a tokenizer of no special class; 4.57 (and so optimum-onnx) refuses it.
GENERIC_CLASS_OF_5 = "TokenizersBackend"
GENERIC_CLASS = "PreTrainedTokenizerFast"


def load_tokenizer(
    source: str,
    *,
    revision: str | None = None,
    trust_remote_code: bool = False,
    local_files_only: bool = False,
) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a model folder or Hub model.

    Raises `ModelError` for a folder without tokenizer files: transformers answers it with an empty
    vocabulary that turns every text into unknown tokens.
    """
    folder = Path(source).expanduser()
    if folder.is_dir() and not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise ModelError(
            f"the model folder {source} holds no tokenizer",
            f"one of {', '.join(TOKENIZER_FILES[:3])} beside the weights",
            f"copy the tokenizer's files there: AutoTokenizer.from_pretrained(ORIGINAL).save_pretrained({source!r})",
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(folder) if folder.is_dir() else source,
            revision=revision or "main",
            trust_remote_code=trust_remote_code,
            local_files_only=local_files_only,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"the tokenizer of {source} cannot be loaded: {str(error).splitlines()[0]}",
            "a tokenizer that transformers loads",
            "check its files, for example that tokenizer.json is whole",
        ) from None
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelError(
            f"the tokenizer of {source} is {type(tokenizer).__name__}, which has no fast form",
            "a tokenizer with a tokenizer.json, since the bundle answers with the `tokenizers` library alone",
            "use a model whose tokenizer has a fast form",
        )
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise ModelError(
            f"the tokenizer of {source} has a vocabulary of {len(tokenizer)} tokens, all of them special",
            "a vocabulary",
            "put the tokenizer's own files beside the model",
        )
    return tokenizer


def position_limit(tokenizer: PreTrainedTokenizerFast, config: object) -> int:
    """The most tokens, special ones included, that model and tokenizer can take."""
    positions = getattr(config, "max_position_embeddings", None) or 512
    positions -= first_position(config)
    # What sentence-transformers cuts a sentence encoder's texts to.
    most = (getattr(config, "sentence_embedding", None) or {}).get("max_tokens", positions)
    return int(min(positions, tokenizer.model_max_length, most))


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path, max_length: int) -> None:
    """Write tokenizer.json (truncation at `max_length`, no padding block) and tokenizer_config.json.

    Many sentence encoders carry a block that pads every text to 128 tokens, and `save_pretrained`
    writes it back; a model fed that way takes several times as long for the same answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save_pretrained(str(folder))
    file = folder / "tokenizer.json"
    backend = Tokenizer.from_file(str(file))
    backend.no_padding()
    backend.enable_truncation(max_length)
    backend.save(str(file))
    config_file = folder / "tokenizer_config.json"
    config = json.loads(config_file.read_text(encoding="utf-8"))
    if config.get("tokenizer_class") == GENERIC_CLASS_OF_5:
        config["tokenizer_class"] = GENERIC_CLASS
    config["model_max_length"] = max_length
    config_file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

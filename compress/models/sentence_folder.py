"""What a folder or repository of sentence-transformers says about pooling, and the same written beside a model."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from transformers import PreTrainedConfig

from compress.errors import ModelError
from compress.models.sentence_encoder import SETTINGS, embedding_width, settings_of

MODULES = "modules.json"
POOLING = "1_Pooling"
_MODES = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
}
_KNOWN = {"Transformer", "Pooling", "Normalize"}

Read = Callable[[str], Any]  # a JSON file of the folder by its name, None where it has none


def read_settings(config: PreTrainedConfig, name: str, read: Read) -> None:
    """Put into the config how tokens become a vector, where files of sentence-transformers say so.

    Raises `ModelError` for modules and ways of pooling that are not built, rather than leave them out in silence.
    """
    modules = read(MODULES)
    if modules is None:
        return
    kinds = {str(one.get("type", "")).rsplit(".", 1)[-1]: str(one.get("path", "")) for one in modules}
    if other := sorted(set(kinds) - _KNOWN):
        raise ModelError(
            f"{name} has the module {other[0]} behind its encoder ({MODULES})",
            "Transformer, Pooling and Normalize",
            "use a model that consists of these, or take another teacher",
        )
    prompts = read("config_sentence_transformers.json") or {}
    if prompts.get("default_prompt_name"):
        raise ModelError(
            f"{name} puts the prompt {prompts['default_prompt_name']!r} before every text",
            "a model that reads texts as they are",
            "write the prompt into the texts, and take default_prompt_name out of config_sentence_transformers.json",
        )
    found: dict[str, Any] = {"pooling": "mean", "normalize": "Normalize" in kinds}
    if "Pooling" in kinds:
        found["pooling"] = _pooling(name, read(f"{kinds['Pooling']}/config.json") or {})
    longest = (read("sentence_bert_config.json") or {}).get("max_seq_length")
    if isinstance(longest, int):
        found["max_tokens"] = longest
    setattr(config, SETTINGS, found)


def _pooling(name: str, options: dict[str, Any]) -> str:
    """From the switches of older versions, or the word of newer ones."""
    chosen = [mode for mode, given in options.items() if mode.startswith("pooling_mode_") and given is True]
    word = options.get("pooling_mode")
    known = [_MODES[mode] for mode in chosen if mode in _MODES]
    if isinstance(word, str) and word in _MODES.values():
        known, chosen = [word], [word]
    if not chosen and word is None:
        return "mean"
    if len(chosen) != 1 or len(known) != 1:
        told = ", ".join(chosen) or (str(word) if word else "nothing")
        raise ModelError(
            f"{name} pools by {told}",
            f"one of {', '.join(_MODES.values())}",
            "use a model that pools in one of these ways",
        )
    return known[0]


def folder_reader(source: str, revision: str | None, *, offline: bool) -> Read:
    """The JSON files of a folder, or of a Hub repository."""

    def read(name: str) -> Any:
        path = Path(source).expanduser() / name
        if not Path(source).expanduser().is_dir():
            try:
                path = Path(
                    hf_hub_download(source, name, revision=revision or "main", local_files_only=offline)
                )
            except (EntryNotFoundError, LocalEntryNotFoundError):
                return None
        if not path.is_file():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ModelError(
                f"{path} is not JSON", "a file of sentence-transformers", "copy it again"
            ) from None

    return read


def write_settings(config: PreTrainedConfig, folder: Path, max_length: int) -> None:
    """Make the folder one that sentence-transformers opens too: modules.json, and what its modules are."""
    settings = settings_of(config)
    modules = [("Transformer", ""), ("Pooling", POOLING)]
    if settings["normalize"]:
        modules.append(("Normalize", "2_Normalize"))
    documents: dict[str, Any] = {
        MODULES: [
            {
                "idx": number,
                "name": str(number),
                "path": path,
                "type": f"sentence_transformers.models.{kind}",
            }
            for number, (kind, path) in enumerate(modules)
        ],
        f"{POOLING}/config.json": {
            "word_embedding_dimension": embedding_width(config),
            **{mode: settings["pooling"] == name for mode, name in _MODES.items()},
        },
        "sentence_bert_config.json": {"max_seq_length": max_length, "do_lower_case": False},
    }
    for name, document in documents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

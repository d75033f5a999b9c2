"""Opening the teacher: a folder or a Hub model, with every way it can fail said plainly."""

import difflib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.data.hub import is_local, require_hub
from compress.errors import ModelError, UserError
from compress.models.heads import auto_class, saved_head
from compress.models.source import ModelSource
from compress.models.tokenizer import load_tokenizer
from compress.tasks import SINGLE_LABEL, Task

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


@dataclass(frozen=True)
class Opened:
    """A model's config and tokenizer; its weights are read by `load_classifier`."""

    options: ModelSource
    source: str  # folder, or Hub id
    config: PreTrainedConfig
    tokenizer: PreTrainedTokenizerFast
    offline: bool

    @property
    def has_trained_head(self) -> bool:
        """The model was saved with a head of one of the tasks, so its head has weights."""
        return saved_head(self.config) is not None

    def is_trained_for(self, task: Task) -> bool:
        """Its head is of the task's class."""
        return not task.has_head or saved_head(self.config) == task.head

    @property
    def label_names(self) -> tuple[str, ...]:
        """Label names in the order of the model's outputs."""
        names: dict[int, str] = {
            int(index): str(name) for index, name in (self.config.id2label or {}).items()
        }
        return tuple(names[index] for index in sorted(names))


def open_model(options: ModelSource, task: Task = SINGLE_LABEL) -> Opened:
    """Config and tokenizer of the teacher; raises `ModelError` with the reason and the remedy."""
    source, offline = _locate(options.model)
    try:
        config = AutoConfig.from_pretrained(
            source,
            revision=options.revision or "main",
            trust_remote_code=options.trust_remote_code,
            local_files_only=offline,
        )
    except (OSError, ValueError, KeyError) as error:
        raise _unloadable(options, error) from None
    task.opened(config, source, options, offline=offline)
    tokenizer = load_tokenizer(
        source,
        revision=options.revision,
        trust_remote_code=options.trust_remote_code,
        local_files_only=offline,
    )
    return Opened(options, source, config, tokenizer, offline)


def load_classifier(
    opened: Opened, labels: tuple[str, ...], *, new_head: bool, task: Task = SINGLE_LABEL
) -> PreTrainedModel:
    """The model with the task's head in float32; with `new_head` its head is initialised for these labels."""
    keyword_arguments: dict[str, object] = {}
    if task.problem_type != SINGLE_LABEL.problem_type and task.problem_type is not None:
        keyword_arguments["problem_type"] = task.problem_type
    if new_head:
        keyword_arguments |= {
            "num_labels": len(labels),
            "id2label": dict(enumerate(labels)),
            "label2id": {label: index for index, label in enumerate(labels)},
            "ignore_mismatched_sizes": True,
        }
    if not task.has_head:  # its config says how tokens become a vector
        task.marked(opened.config)
        keyword_arguments |= {"config": opened.config}
    model, missing = _load(auto_class(task.head), opened, keyword_arguments)
    if missing and not (new_head and task.has_head):
        raise _without_weights(
            opened,
            missing,
            "every weight of a trained classifier",
            "give the model as it was fine-tuned, or fine-tune it here with teacher.train",
        )
    return model


def load_as(kind: type, opened: Opened, *, new_head: bool) -> PreTrainedModel:
    """The model in float32 as one of transformers' Auto classes; with `new_head` a head that it lacks is drawn.

    Raises `ModelError` where weights are missing otherwise.
    """
    model, missing = _load(kind, opened, {})
    if missing and not new_head:
        raise _without_weights(
            opened,
            missing,
            "every weight of the model that its config.json names",
            "give the model as it was pretrained, or train it further here with teacher.train",
        )
    return model


def _without_weights(opened: Opened, missing: list[str], expected: str, remedy: str) -> ModelError:
    found = f"{opened.options.model} has no weights for {', '.join(sorted(missing)[:4])}"
    return ModelError(found, expected, remedy)


def _load(
    kind: Any, opened: Opened, keyword_arguments: Mapping[str, object]
) -> tuple[PreTrainedModel, list[str]]:
    """The model and the names of the weights that its files lack."""
    transformers_log = logging.getLogger("transformers.modeling_utils")
    level = transformers_log.level
    transformers_log.setLevel(logging.ERROR)  # the report of missing head weights is what was asked for
    try:
        model: PreTrainedModel
        model, loading = kind.from_pretrained(
            opened.source,
            revision=opened.options.revision or "main",
            trust_remote_code=opened.options.trust_remote_code,
            local_files_only=opened.offline,
            dtype=torch.float32,
            output_loading_info=True,
            **keyword_arguments,
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unloadable(opened.options, error) from None
    finally:
        transformers_log.setLevel(level)
    return model, list(loading["missing_keys"])


def _locate(name: str) -> tuple[str, bool]:
    """The folder or Hub id to load from, and whether only the local cache can be used."""
    if not is_local(name):
        if _is_cached(name):
            try:
                require_hub("model", name, "teacher.model: FOLDER")
            except UserError as error:
                logging.getLogger(__name__).info("using the cached copy of %s: %s", name, error)
                return name, True
            return name, False
        require_hub(
            "model", name, "teacher.model: FOLDER with config.json, model.safetensors, tokenizer.json"
        )
        return name, False
    folder = Path(name).expanduser()
    if not folder.is_dir():
        beside = [entry.name for entry in folder.parent.iterdir()] if folder.parent.is_dir() else []
        near = difflib.get_close_matches(folder.name, beside, n=1)
        raise ModelError(
            f"no model folder at {name}",
            "a folder with config.json and model.safetensors, or the id of a Hub model",
            f"did you mean {folder.parent / near[0]}?"
            if near
            else "check teacher.model; it is read from the current folder",
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"the model folder {name} has no config.json",
            "a folder that save_pretrained wrote",
            "give the folder that holds config.json and model.safetensors",
        )
    if not any((folder / file).is_file() for file in WEIGHT_FILES):
        raise ModelError(
            f"the model folder {name} has no weights",
            f"one of {', '.join(WEIGHT_FILES[:3])}",
            "copy the weights there (a folder cloned without Git LFS holds pointers only)",
        )
    return str(folder), True


def named_by(error: UserError, argument: str) -> ModelError:
    """The same of a model that an argument of a command names, and no recipe."""
    remedy = error.remedy.replace("teacher.model: FOLDER", "a folder").replace("teacher.model", argument)
    return ModelError(error.found, error.expected, remedy)


def _is_cached(name: str) -> bool:
    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except HFValidationError:
        raise ModelError(
            f"there is no folder {name}, and it is not a name that the Hub can have",
            "a folder with config.json and model.safetensors, or `owner/name`",
            "check teacher.model; a folder is read from the current one",
        ) from None


def _unloadable(options: ModelSource, error: BaseException) -> ModelError:
    text = str(error).strip() or type(error).__name__
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, GatedRepoError):
            return ModelError(
                f"the model {options.model} is gated, and your token does not open it",
                "a token that was granted access",
                f"ask for access on the page of {options.model}, then run `hf auth login`",
            )
        if isinstance(cause, RepositoryNotFoundError):
            return ModelError(
                f"the Hub shows no model {options.model} (it does not exist, or it is private)",
                "a public model, or a token that may read it",
                "check the spelling, or run `hf auth login`",
            )
        cause = cause.__cause__ or cause.__context__
    if "trust_remote_code" in text:
        return ModelError(
            f"the model {options.model} brings its own code, which is not run unless you allow it",
            "a model that transformers knows",
            "read that code, then set teacher.trust_remote_code: true",
        )
    return ModelError(
        f"the model {options.model} cannot be loaded: {text.splitlines()[0]}",
        "a text encoder that transformers loads",
        "check that its files are whole and that config.json names its model_type",
    )

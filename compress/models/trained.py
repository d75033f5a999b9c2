"""A model that answers, as stages hand it on: weights, tokenizer, labels."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import torch
from pydantic import TypeAdapter
from tokenizers import Tokenizer
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerFast

from compress.errors import ModelError
from compress.models import sentence_encoder
from compress.models.heads import class_of
from compress.models.sentence_folder import write_settings
from compress.models.tokenizer import load_tokenizer, position_limit, save_tokenizer
from compress.tasks import SINGLE_LABEL, TASKS, Task, task_of
from serve.tasks import Answering, AnyAnswering

WEIGHTS = "model.safetensors"
ANSWERING = "answering.json"  # beside the weights, where anything is to be said
_READER: TypeAdapter[Answering] = TypeAdapter(AnyAnswering)


@dataclass(frozen=True)
class Trained:
    """A model in PyTorch with everything that is needed to answer a text."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    labels: tuple[str, ...]  # in the order of the model's outputs
    max_length: int  # tokens, special ones included
    folder: Path  # where it is saved

    @property
    def parameters(self) -> int:
        """How many numbers the model holds."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def size_mb(self) -> float:
        """Size of the weights' file, in 10^6 bytes."""
        return (self.folder / WEIGHTS).stat().st_size / 1e6

    @property
    def encoder(self) -> Tokenizer:
        """The saved `tokenizers` file: the same one that the bundle answers with."""
        return Tokenizer.from_file(str(self.folder / "tokenizer.json"))

    @property
    def task(self) -> Task:
        """What the model was built for, with the names of its outputs."""
        return task_of(self.model).for_labels(self.labels)

    @property
    def answering(self) -> Answering:
        """How its outputs become answers, with what was tuned for it."""
        file = self.folder / ANSWERING
        saved = _READER.validate_json(file.read_text(encoding="utf-8")) if file.is_file() else None
        return self.task.fitted(saved or self.task.default_answering(), self.model.config)


def save_trained(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    labels: tuple[str, ...],
    max_length: int,
    folder: Path,
    answering: Answering | None = None,
) -> None:
    """Write the model in float32 with its label names, and its tokenizer, as a transformers model folder.

    With `answering` what was tuned for its answers lies beside it.
    """
    if answering is not None and answering != SINGLE_LABEL.default_answering():
        write_answering(answering, folder)
    model.config.id2label = dict(enumerate(labels))
    model.config.label2id = {label: index for index, label in enumerate(labels)}
    model.float().cpu()
    model.save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder, max_length)
    if hasattr(model.config, sentence_encoder.SETTINGS):
        write_settings(model.config, folder, max_length)


def write_answering(answering: Answering, folder: Path) -> None:
    """Put beside the weights how the model answers."""
    (folder / ANSWERING).write_text(answering.model_dump_json(indent=2) + "\n", encoding="utf-8")


def open_trained(name: str, like: Answering | None = None) -> Trained:
    """A model that this project did not save, in a model folder or on the Hub; raises `ModelError`.

    It is opened with the head of models that answer `like` this, by default a text classifier's; what kind of those it
    is, its own config says. Its tokenizer is written to a folder of its own, since the one at hand may pad every text.
    """
    from compress.models.open import load_classifier, open_model
    from compress.models.source import ModelSource

    wanted = next((one for one in TASKS if isinstance(like, one.answers_as)), SINGLE_LABEL)
    task = next(one for one in TASKS if one.head == wanted.head)
    opened = open_model(ModelSource(model=name), task)
    if not opened.is_trained_for(task):
        raise ModelError(
            f"{name} has no trained {task.head_in_words}",
            "a model that was fine-tuned on the task",
            "give the folder of a fine-tuned teacher",
        )
    folder = Path(mkdtemp(prefix="compress-teacher-"))
    max_length = position_limit(opened.tokenizer, opened.config)
    save_tokenizer(opened.tokenizer, folder, max_length)
    is_named = task.has_head and (task.names_outputs or len(task.output_names) == 1)
    names = opened.label_names if is_named else task.output_names
    model = load_classifier(opened, names, new_head=False, task=task)
    if (Path(name) / ANSWERING).is_file():
        shutil.copy(Path(name) / ANSWERING, folder)
    return Trained(model.eval(), opened.tokenizer, names, max_length, folder)


def load_trained(folder: Path, *, trust_remote_code: bool = False) -> Trained:
    """The model in a folder that `save_trained` wrote, in evaluation mode on the CPU."""
    config = AutoConfig.from_pretrained(str(folder), trust_remote_code=trust_remote_code)
    model = class_of(config).from_pretrained(
        str(folder), dtype=torch.float32, trust_remote_code=trust_remote_code
    )
    model.eval()
    labels = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
    saved = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(str(folder), trust_remote_code=trust_remote_code)
    return Trained(model, tokenizer, labels, int(saved["model_max_length"]), folder)

"""`compress init`: look at the data and the model, and write a recipe that says what was seen."""

import json
from pathlib import Path

import datasets
import yaml

from compress.data.columns import ColumnNames, find_columns, has_lists, problem_type_of
from compress.data.load import ALIASES, load_splits
from compress.data.read import read_raw
from compress.data.rows import Splits
from compress.errors import UserError
from compress.models.anatomy import ANATOMIES
from compress.models.lengths import choose_max_length, measure_lengths
from compress.models.open import Opened, open_model
from compress.models.sentence_folder import MODULES, folder_reader
from compress.models.shrink import layer_count
from compress.models.teacher import align_teacher
from compress.models.tokenizer import position_limit
from compress.prepare import prepare
from compress.progress import Progress
from compress.quiet import quiet_libraries
from compress.recipe import DataOptions, RunConfig, TeacherOptions
from compress.stage import write_text
from compress.tasks import SINGLE_LABEL, Task, task_named

VECTORS = task_named("sentence-similarity")


def starting_recipe(data: str, teacher: str, path: Path, progress: Progress) -> Path:
    """Write a commented recipe to `path`; an existing file is not overwritten unless it says the same."""
    quiet_libraries()
    text = _recipe_text(data, teacher, path)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UserError(
            f"{path} exists and holds another recipe",
            "a new file",
            f"run it with `compress run {path}`, remove it, or give another --out",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    try:
        prepare(RunConfig.model_validate(yaml.safe_load(text)))
    except UserError:
        path.unlink()
        raise
    progress.say(f"recipe written to {path}")
    return path


def _recipe_text(data: str, teacher: str, path: Path) -> str:
    opened = open_model(TeacherOptions(model=teacher))
    options = DataOptions(path=data)
    raw = read_raw(data, None, None)
    train = next((raw[name] for name in ALIASES["train"] if name in raw), next(iter(raw.values())))
    kind = _kind_of(train, opened)
    columns = _columns_of(train, kind)
    label_column = columns.label if isinstance(columns.label, str) else None
    problem = problem_type_of(train, label_column) if label_column and kind is SINGLE_LABEL else None
    task = task_named(kind.name, problem)
    splits = load_splits(options, 13, task)
    lengths = measure_lengths(opened.tokenizer, task.answers_as.singly(splits.train.texts))
    max_length = choose_max_length(None, lengths, position_limit(opened.tokenizer, opened.config))
    found = ", ".join(f"{name} {len(rows):,}" for name, rows in raw.items())
    label = _quoted(label_column) if label_column else "null"
    pair = f"text_pair: {_quoted(columns.text_pair)}, " if columns.text_pair else ""
    asked = f"problem_type: {problem}\n" if problem else ""
    about = _label_lines(splits, task)
    return f"""# Written by `compress init`. Check it with: compress run {path} --dry-run
task: {task.name}
{asked}seed: 13
data:
  path: {_quoted(data)}  # rows found: {found}
  columns: {{text: {_quoted(columns.text)}, {pair}label: {label}}}
{about}  # in tokens; the texts have {lengths.mean:.0f} on average, and the longest {lengths.longest:,}
  max_length: {max_length}
teacher:
  model: {_quoted(teacher)}
{_train_lines(opened, splits, task)}{_student_lines(opened, task)}\
quantize: {{method: dynamic}}  # int8; `auto` tries several ways, `none` ships the float file
gates:  # exit code 3 when one is missed, 4 when there are too few rows to tell
{"  min_retention: 0.96  # shipped score / teacher score" + chr(10) if splits.is_labelled else ""}\
  min_agreement: 0.90  # share of test {task.agreement_means}
"""


def _kind_of(train: datasets.Dataset, opened: Opened) -> Task:
    """The task that columns are usually named for, or that a sentence encoder is asked for with such columns."""
    if {"question", "context", "answers"} <= set(train.column_names):
        return task_named("question-answering")
    kind = task_named("token-classification")
    if has_lists(train, kind.text_columns) and has_lists(train, kind.label_columns):
        return kind
    return VECTORS if _is_sentence_encoder(opened) and _asks_for_vectors(train) else SINGLE_LABEL


def _is_sentence_encoder(opened: Opened) -> bool:
    read = folder_reader(opened.source, opened.options.revision, offline=opened.offline)
    return not opened.has_trained_head and read(MODULES) is not None


def _asks_for_vectors(train: datasets.Dataset) -> bool:
    """Pairs with numbers, or texts without labels."""
    found = _columns_of(train, VECTORS)
    if not isinstance(found.label, str):
        return found.label is None
    return found.text_pair is not None and problem_type_of(train, found.label) == "regression"


def _columns_of(train: datasets.Dataset, kind: Task) -> ColumnNames:
    return find_columns(
        train, None, None, no_label=False, text_names=kind.text_columns, label_names=kind.label_columns
    )


def _label_lines(splits: Splits, task: Task) -> str:
    if task.answers_as.EMBEDS and splits.is_labelled:
        return (
            "  # numbers, by which the cosines of both texts' vectors are judged; for a model that reads both texts\n"
            "  # together and answers with a number: task: text-classification, problem_type: regression\n"
        )
    if not splits.is_labelled:
        return "  # no labels: the student learns from the teacher alone and is judged by agreement with it\n"
    if task.answers_as.WINDOWS_OF == "only_second":
        return "  # answers: parts of the second text\n"
    if not task.names_outputs:
        return "  # numbers, whose scale is kept\n"
    if splits.label_names is None:
        return "  # the data has label ids alone; name them here\n  # labels: {0: name, 1: name}\n"
    shown = ", ".join(splits.label_names[:6]) + (", ..." if splits.label_count > 6 else "")
    return f"  # {splits.label_count} labels: {shown}\n"


def _train_lines(opened: Opened, splits: Splits, task: Task) -> str:
    fits = opened.is_trained_for(task)
    if fits and splits.is_labelled:
        try:
            asked = TeacherOptions(model=opened.options.model)
            align_teacher(opened, asked, splits, named_by_recipe=False, task=task)
        except UserError:
            fits = False  # it knows other labels
    if not task.has_head:
        return f"  # used as it is: a {task.head_in_words}\n"
    if fits or not splits.is_labelled:
        labels = f"was trained on {', '.join(opened.label_names[:6])}"
        return f"  # used as it is: it {labels if task.names_outputs else f'has a {task.head_in_words}'}\n"
    return (
        "  # it was not trained on these labels, so it is fine-tuned first\n"
        "  train: {epochs: 3, learning_rate: 5.0e-5, batch_size: 32}\n"
    )


def _student_lines(opened: Opened, task: Task) -> str:
    layers = layer_count(opened.config)
    if opened.config.model_type not in ANATOMIES:
        return f"# no layers can be taken out of a {opened.config.model_type} model: it is exported and quantised\n"
    method = (
        "method: embedding, epochs: 8, learning_rate: 1.0e-4"
        if task.answers_as.EMBEDS
        else "method: logits, epochs: 3, learning_rate: 1.0e-4, temperature: 2, alpha: 0.9"
    )
    return (
        f"student:\n  from: teacher\n  layers: {max(1, layers // 2)}  # of the teacher's {layers}, evenly spread\n"
        f"distill:\n  - {{{method}}}\n"
    )


def _quoted(text: str) -> str:
    return (
        text if text.isidentifier() and yaml.safe_load(text) == text else json.dumps(text, ensure_ascii=False)
    )

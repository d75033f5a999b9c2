"""Makes the data set and the untrained teacher that a recipe names `builtin:support-desk`."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

from compress.recipe import RunConfig

BUILTIN = "builtin:support-desk"


def resolve_builtin(config: RunConfig, folder: Path) -> RunConfig:
    """The recipe with real paths in place of the built-in names; writes what they stand for where needed."""
    teachers = config.teachers
    if BUILTIN not in {config.data.path, *(one.model for one in teachers)}:
        return config
    from compress.quickstart.dataset import write_dataset
    from compress.quickstart.model import build_teacher

    data, model = folder / f"support-desk-data-{config.seed}", folder / f"support-desk-model-{config.seed}"
    if not data.is_dir():
        _make(data, lambda at: write_dataset(at, seed=config.seed))
    if any(one.model == BUILTIN for one in teachers) and not model.is_dir():
        with (data / "train.csv").open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
        _make(model, lambda at: build_teacher(at, texts, labels, seed=config.seed))
    changes: dict[str, object] = {}
    if config.data.path == BUILTIN:
        changes["data"] = config.data.model_copy(update={"path": str(data)})
    real = [one.model_copy(update={"model": str(model)}) if one.model == BUILTIN else one for one in teachers]
    changes["teacher"] = real if len(real) > 1 else real[0]
    return config.model_copy(update=changes)


def _make(folder: Path, write: Callable[[Path], None]) -> None:
    """The folder is there whole or not at all."""
    work = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    write(work)
    work.rename(folder)

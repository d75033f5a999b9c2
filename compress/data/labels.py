"""Label names: gathered from the recipe, the data and the teacher, and aligned by name, never by guess."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import datasets
import numpy as np
import yaml
from numpy.typing import NDArray

from compress.errors import DataError

RawLabels = NDArray[np.int64] | list[str]


@dataclass(frozen=True)
class LabelSet:
    """The labels of a data set. `names` is None where nothing names them."""

    names: tuple[str, ...] | None
    count: int

    by_name: bool  # a split of the data has names, so all are read as names; else strings are numbers

    def ids(self, raw: RawLabels, split: str) -> NDArray[np.int64]:
        """Label ids of shape (rows,) for one split."""
        if self.by_name:
            raw = _as_names(raw)
        elif isinstance(raw, list):
            raw = np.array([*map(int, raw)], dtype=np.int64)
        if isinstance(raw, list):
            assert self.names is not None
            place = {name: index for index, name in enumerate(self.names)}
            unknown = sorted({name for name in raw if name not in place})
            if unknown:
                raise DataError(
                    f"the split {split} has the label{'s' * (len(unknown) > 1)} {_listed(unknown)}",
                    f"one that train has: {_listed(self.names)}",
                    "mend the labels, or list every label in data.labels",
                )
            return np.asarray([place[name] for name in raw], dtype=np.int64)
        if raw.min() < 0 or raw.max() >= self.count:
            odd = int(raw.min()) if raw.min() < 0 else int(raw.max())
            raise DataError(
                f"the split {split} has the label id {odd}",
                f"ids from 0 to {self.count - 1}" + (f" ({_listed(self.names)})" if self.names else ""),
                "mend the labels, or list every label in data.labels",
            )
        return raw


def gather_labels(
    from_recipe: tuple[str, ...] | None,
    from_file: tuple[str, ...] | None,
    feature: object,
    raw: Mapping[str, RawLabels],
) -> LabelSet:
    """The label set: names from the recipe, else the data's own, else `labels.json`, else the strings found."""
    if any(isinstance(labels, list) for labels in raw.values()):
        raw = {part: _as_names(labels) for part, labels in raw.items()}
    from_feature = tuple(feature.names) if isinstance(feature, datasets.ClassLabel) else None
    names = from_recipe or from_feature or from_file
    if names is not None and not any(_is_among(labels, names) for labels in raw.values()):
        raw = _as_numbers(raw)
    train = raw["train"]
    if isinstance(train, list):
        names = names or tuple(sorted(set(train)))
        return LabelSet(names, len(names), by_name=True)
    if names is not None:
        return LabelSet(names, len(names), by_name=False)
    found = np.unique(train)
    if found[0] != 0 or found[-1] != len(found) - 1:
        raise DataError(
            f"the label ids of train are {_listed(found.tolist())}",
            "ids from 0 without gaps, or names",
            "name every label in data.labels, or number the labels from 0",
        )
    return LabelSet(None, len(found), by_name=False)


def known_labels(labels: RawLabels, names: Sequence[str] | None, count: int) -> LabelSet:
    """The data's label set, for names or ids; names that look like numbers (ratings) are names."""
    if isinstance(labels, list):
        if names is not None and not _is_among(labels, names):
            labels = _as_numbers({"": labels})[""]
        by_name = isinstance(labels, list)
        return LabelSet(tuple(names or map(str, range(count))), count, by_name=by_name)
    numbers_are_names = names is not None and {str(label) for label in np.unique(labels)} <= set(names)
    return LabelSet(None if names is None else tuple(names), count, by_name=numbers_are_names)


def _is_among(labels: RawLabels, names: Sequence[str]) -> bool:
    """One of the labels is one of the names."""
    return not {*_as_names(labels)}.isdisjoint(names)


def _as_numbers(raw: Mapping[str, RawLabels]) -> Mapping[str, RawLabels]:
    """The numbers that strings of digits are, where every label is one ("0", "1", as some files have them)."""
    if not all(label.isascii() and label.isdigit() for labels in raw.values() for label in _as_names(labels)):
        return raw
    return {part: np.array([*map(int, labels)], dtype=np.int64) for part, labels in raw.items()}


def _as_names(labels: RawLabels) -> list[str]:
    return labels if isinstance(labels, list) else [str(label) for label in labels.tolist()]


def is_generic(names: Sequence[str]) -> bool:
    """The names say nothing: `LABEL_0`, `LABEL_1`, ..."""
    return list(names) == [f"LABEL_{index}" for index in range(len(names))]


def normal_form(name: str) -> str:
    """The form in which two spellings of one label are equal."""
    return name.strip().casefold().replace("-", "_").replace(" ", "_")


def align(
    model_names: Sequence[str],
    data_names: tuple[str, ...] | None,
    label_count: int,
    *,
    named_by_recipe: bool,
) -> NDArray[np.int64]:
    """For each label id of the data, the output of the model that means the same; shape (label_count,).

    Raises `DataError` when names do not settle it.
    """
    if len(model_names) != label_count:
        raise DataError(
            f"the teacher has {len(model_names)} labels ({_listed(model_names)}), and the data has {label_count}"
            + (f" ({_listed(data_names)})" if data_names else ""),
            "the same labels in both",
            "give the teacher's own labels, or fine-tune it on this data with teacher.train",
        )
    identity = np.arange(label_count, dtype=np.int64)
    generic = is_generic(model_names)
    if data_names is None or is_generic(data_names):
        if generic:
            return identity
        if data_names is None and {*model_names} == {str(number) for number in range(label_count)}:
            return np.array([model_names.index(str(number)) for number in range(label_count)], dtype=np.int64)
        raise DataError(
            f"the labels of the data are numbers alone, and the teacher's are {_listed(model_names)}",
            "names for the numbers, so that they can be matched",
            f"say what the numbers mean, for example data.labels: {_as_yaml(model_names)}",
        )
    if generic:
        if named_by_recipe:
            return identity
        raise DataError(
            f"the teacher names its labels {_listed(model_names)}, and the data names them {_listed(data_names)}",
            "names in the teacher's config.json (id2label), or data.labels in the order of its outputs",
            f"if the teacher's outputs are in this order, add data.labels: {_as_yaml(data_names)}",
        )
    place = {normal_form(name): index for index, name in enumerate(model_names)}
    unmatched = [name for name in data_names if normal_form(name) not in place]
    if unmatched or len(place) != label_count or len(set(map(normal_form, data_names))) != label_count:
        raise DataError(
            f"the teacher has no label for {_listed(unmatched or data_names)}; it has {_listed(model_names)}",
            "the same names in the data and in the teacher's config.json (id2label)",
            "rename the labels, map them with data.labels, or fine-tune with teacher.train",
        )
    output_of = np.asarray([place[normal_form(name)] for name in data_names], dtype=np.int64)
    assert len(set(output_of.tolist())) == label_count
    return output_of


def _listed(names: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(map(str, names[:most]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _as_yaml(names: Sequence[str], most: int = 6) -> str:
    pairs = ", ".join(f"{index}: {_yaml_name(name)}" for index, name in enumerate(names[:most]))
    return "{" + pairs + (", ..." if len(names) > most else "") + "}"


def _yaml_name(name: str) -> str:
    """The name, quoted where YAML would read it as something else: `no` is false, `1` is a number."""
    return name if yaml.safe_load(name) == name and not set(name) & set(",{}[]:#") else json.dumps(name)

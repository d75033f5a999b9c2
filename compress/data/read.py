"""Reading data sets through `datasets`: a Hub id, one file, or a folder of files."""

import difflib
import json
import re
from pathlib import Path

import datasets
import pyarrow as pa
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from compress.data.hub import is_local, require_hub
from compress.errors import DataError
from serve.text_encoding import how_to_convert, wide_encoding

FORMATS = {".csv": "csv", ".tsv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
_KNOWN = "csv, tsv, jsonl, json or parquet"


def read_raw(path: str, name: str | None, revision: str | None) -> dict[str, datasets.Dataset]:
    """The splits of a data set by name, as they are on disk or on the Hub."""
    datasets.disable_progress_bars()
    if not is_local(path):
        if Path(path).suffix in FORMATS:
            raise DataError(f"no data at {path}", f"a {_KNOWN} file", _nearest(Path(path)))
        return _from_hub(path, name, revision)
    source = Path(path).expanduser()
    if not source.exists():
        raise DataError(f"no data at {path}", f"a {_KNOWN} file, or a folder of them", _nearest(source))
    files = _files_by_split(source)
    return {split: _read_files(split_files) for split, split_files in files.items()}


def read_label_names(path: str) -> tuple[str, ...] | None:
    """The names in a `labels.json` in the data's folder, or beside the data's file."""
    source = Path(path).expanduser()
    folder = source if source.is_dir() else source.parent
    file = folder / "labels.json"
    if not source.exists() or not file.is_file() or file == source:
        return None
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(
            f"{file} is not a list of names",
            'label names in the order of their ids: ["no", "yes"]',
            "mend it",
        )
    return tuple(names)


def _nearest(path: Path) -> str:
    beside = [entry.name for entry in path.parent.iterdir()] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, n=1)
    return (
        f"did you mean {path.parent / near[0]}?"
        if near
        else "check data.path; it is read from the current folder"
    )


def _files_by_split(source: Path) -> dict[str, list[Path]]:
    if source.is_file():
        if source.suffix.lower() not in FORMATS:
            raise DataError(
                f"{source} ends in {source.suffix or 'nothing'}", f"a {_KNOWN} file", "convert it"
            )
        return {"train": [source]}
    found = sorted(
        file for file in source.iterdir() if file.suffix.lower() in FORMATS and file.name != "labels.json"
    )
    if not found:
        found = sorted(file for file in source.glob("*/*") if file.suffix in FORMATS)
    if not found:
        raise DataError(
            f"the folder {source} holds no data file", f"{_KNOWN} files", "put train.csv into it, say"
        )
    splits: dict[str, list[Path]] = {}
    for file in found:
        # train-00000-of-00002.parquet is the Hub's name of one piece of a split
        splits.setdefault(re.sub(r"-\d+-of-\d+$", "", file.stem), []).append(file)
    return splits


def _read_files(files: list[Path]) -> datasets.Dataset:
    kinds = {FORMATS[file.suffix.lower()] for file in files}
    if len(kinds) > 1:
        raise DataError(
            f"{files[0].parent} holds one split in several formats", "one format for each split", "keep one"
        )
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"{file} is empty", "a header and rows", "check how it was written")
        if file.suffix.lower() != ".parquet" and (wide := wide_encoding(file)):
            raise DataError(f"{file} is {wide}", "text in UTF-8", f"convert it: {how_to_convert(wide)}")
    kind = kinds.pop()
    options: dict[str, object] = {}
    if kind == "csv":
        # Pandas would read the texts "NA", "null" and "None" as missing.
        options = {"keep_default_na": False, "sep": "\t" if files[0].suffix == ".tsv" else ","}
    try:
        return datasets.load_dataset(kind, data_files=[str(file) for file in files], split="train", **options)
    except (DatasetGenerationError, pa.ArrowInvalid, UnicodeDecodeError, ValueError, OSError) as error:
        raise _unreadable(files[0], kind, error) from None


def _unreadable(file: Path, kind: str, error: BaseException) -> DataError:
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    for cause in causes:
        if isinstance(cause, UnicodeDecodeError) or "invalid UTF8" in str(cause):
            return DataError(
                f"{file} is not UTF-8 text ({cause})",
                f"a {kind} file in UTF-8",
                f"convert it, for example: {how_to_convert(None)}",
            )
    if any("corresponds to no data" in str(cause) for cause in causes):
        return DataError(f"{file} has no rows", "rows under the header", "check how the file was written")
    first_line = str(causes[-1]).strip().split("\n", maxsplit=1)[0]
    return DataError(
        f"{file} cannot be read as {kind}: {first_line}",
        f"a {_KNOWN} file with a column of texts",
        "write it again, or give another file as data.path",
    )


def _from_hub(path: str, name: str | None, revision: str | None) -> dict[str, datasets.Dataset]:
    require_hub("data set", path, "data.path: FOLDER with train.parquet, or one csv file")
    try:
        loaded = datasets.load_dataset(path, name, revision=revision)
    except DatasetNotFoundError as error:
        raise DataError(
            f"the Hub has no data set {path} that you may read: {error}",
            "owner/name of a public data set, or of one that your token opens",
            "check the spelling, or run `hf auth login`",
        ) from None
    except (DatasetGenerationError, ValueError, RuntimeError, OSError) as error:
        raise DataError(
            f"the data set {path} cannot be loaded: {str(error).splitlines()[0]}",
            "a data set in files that `datasets` reads without running its code",
            "give data.name if it has configurations; script data sets load from `revision: refs/convert/parquet`",
        ) from None
    if isinstance(loaded, datasets.Dataset):
        return {"train": loaded}
    return {str(split): rows for split, rows in loaded.items()}

"""Command lines that name what is not there, or set what cannot be set."""

from pathlib import Path

import pytest
from mistakes import complaint, require

ROOT = Path(__file__).parents[2]

CASES = [
    (["run", "recipes/quickstat.yaml"], ("recipes/quickstat.yaml", "quickstart.yaml?")),
    (["run", "recipes/quickstart.yaml", "--set", "student"], ("--set student", "KEY=VALUE")),
    (["run", "recipes/quickstart.yaml", "--set", "distill.4.epochs=1"], ("distill.4.epochs", "0 to 0")),
    (["run", "recipes/quickstart.yaml", "--set", "seed.deep=1"], ("seed.deep", "no keys")),
    (["run", "--data", "x.csv"], ("--teacher",)),
    (["predict", "recipes", "in.csv", "out.csv"], ("recipes is not a bundle", "bundle.json")),
    (["verify", "recipes"], ("recipes is not a bundle", "bundle.json")),
    (["serve", "recipes"], ("recipes is not a bundle",)),
    (["demo", "recipes"], ("recipes is not a bundle",)),
    (["export-serving", "recipes", "--to", "ray", "--out", "x"], ("recipes is not a bundle",)),
    (
        ["export-serving", "recipes", "--to", "rai", "--out", "x"],
        ("--to rai", "kserve, triton, ray, docker, spaces"),
    ),
    (["export-serving", "recipes", "--to", "ray", "--out", "docs"], ("docs exists", "a new folder")),
    (
        ["export-serving", "recipes", "--to", "ray", "--out", "x", "--storage-uri", "s3://b/m"],
        ("--storage-uri with --to ray", "no option of its own"),
    ),
]


@pytest.mark.parametrize(("arguments", "says"), CASES, ids=lambda value: " ".join(value))
def test_bad_arguments(arguments: list[str], says: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    require(complaint(*arguments), *says)

"""Where a mistake in a recipe's choices is, and what was probably meant: inside unions and lists too."""

from pathlib import Path
from typing import Any

import pytest

from compress.errors import RecipeError, UserError
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe, read_recipe
from export.quantize import Dynamic

RECIPE: dict[str, Any] = {
    "data": {"path": "x"},
    "teacher": {"model": "y", "train": {"epochs": 3}},
    "student": {"layers": 3},
    "distill": [{"method": "tinybert"}, {"method": "logits"}],
}
TWO = [{"model": "y"}, {"model": "z", "train": {"epochs": 3}}]


def config(*overrides: str, **changes: Any) -> RunConfig:
    found = check_recipe(RECIPE | changes, overrides)
    assert isinstance(found, RunConfig)
    return found


def faults(*overrides: str, **changes: Any) -> list[str]:
    with pytest.raises(RecipeError) as refused:
        config(*overrides, **changes)
    return list(refused.value.faults)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"student": {"layer": 3}}, "student.layer: no such key; did you mean layers?"),
        (
            {"student": {"layers": 3, "vocabluary": "trim"}},
            "student.vocabluary: no such key; did you mean vocabulary?",
        ),
        ({"student": {"model": "m", "revison": "x"}}, "student.revison: no such key; did you mean revision?"),
        (
            {"student": {"architecture": "bilstm", "hiden_size": 5}},
            "student.hiden_size: no such key; did you mean hidden_size?",
        ),
        (
            {"student": {"architecture": "textcnn", "filter": 5}},
            "student.filter: no such key; did you mean filters?",
        ),
        (
            {"distill": [{"method": "logits", "temprature": 2}]},
            "distill.0.temprature: no such key; did you mean temperature?",
        ),
        (
            {"distill": [{"method": "logits"}, {"method": "tinybert", "weights": {"atention": 0}}]},
            "distill.1.weights.atention: no such key; did you mean attention?",
        ),
        (
            {"distill": [{"method": "minilm", "assistant": {"layers": 3, "epoch": 1}}]},
            "distill.0.assistant.epoch: no such key; did you mean epochs?",
        ),
        (
            {
                "distill": [
                    {"method": "match", "matches": [{"feature": "logits", "loss": "mse", "wieght": 2}]}
                ]
            },
            "distill.0.matches.0.wieght: no such key; did you mean weight?",
        ),
        ({"teacher": {"model": "y", "modle": "y"}}, "teacher.modle: no such key; did you mean model?"),
        ({"teacher": [{"model": "y", "modle": "y"}]}, "teacher.0.modle: no such key; did you mean model?"),
        (
            {"teacher": [{"model": "y"}, {"model": "z", "train": {"layerdrop": 0.2}}]},
            "teacher.1.train.layerdrop: no such key; did you mean layer_drop?",
        ),
        ({"augment": {"copy": 3}}, "augment.copy: no such key; did you mean copies?"),
        (
            {"data": {"path": "x", "unlabelled": "f.txt"}},
            "data.unlabelled: no such key; did you mean unlabeled?",
        ),
        ({"export": {"taget": "auto"}}, "export.taget: no such key; did you mean target?"),
        ({"basline": True}, "basline: no such key; did you mean baseline?"),
    ],
)
def test_a_misspelt_key_is_named_where_it_is_written(changes: dict[str, Any], fault: str) -> None:
    assert faults(**changes) == [fault]


@pytest.mark.parametrize(
    ("changes", "place", "says"),
    [
        ({"teacher": {"modle": "y"}}, "teacher.model", "is missing"),
        ({"teacher": [{"model": "y"}, {}]}, "teacher.1.model", "is missing"),
        ({"teacher": []}, "teacher", "at least 1 item"),
        ({"teacher": [{"model": "y", "weight": 0}]}, "teacher.0.weight", "greater than 0 (found 0)"),
        ({"teacher": TWO, "average": "mean"}, "average", "'logits' or 'probabilities'"),
        ({"distill": [{"method": "logit"}]}, "distill.0", "no such method: logit; built: logits"),
        ({"distill": [{"method": "match"}]}, "distill.0.matches", "is missing"),
        ({"student": {"layers": 0}}, "student.layers", "greater than"),
        ({"student": {"layers": [2, 0]}}, "student.layers.1", "greater than"),
        ({"distill": [{"method": "tinybert", "layer_map": "middle"}]}, "distill.0.layer_map", "'uniform'"),
        ({"data": {"path": "x", "unlabeled": [1]}}, "data.unlabeled.0", "valid string"),
        ({"data": {"path": "x", "labels": {0: "a", 1: 2}}}, "data.labels.1", "valid string"),
        ({"student": {"architecture": "bilstn"}}, "student", "did you mean bilstm?"),
        ({"export": {"target": "browser"}}, "export.target", "'auto', 'portable' or 'cuda'"),
        ({"augment": {"mask": 0.7}}, "augment", "substitute and mask together are 1.1"),
    ],
)
def test_a_bad_value_is_named_where_it_is_written(changes: dict[str, Any], place: str, says: str) -> None:
    found = faults(**changes)
    assert any(fault.startswith(f"{place}: ") and says in fault for fault in found), found
    assert not any("<" in fault for fault in found)  # the tags of unions are ours


def test_a_fault_inside_a_list_has_its_line(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "data: {path: x}\nteacher:\n  - model: y\n  - model: z\n    wieght: 2\n"
        "student:\n  layer: 3\ndistill:\n  - method: logits\n    temprature: 2\n"
    )
    with pytest.raises(RecipeError) as refused:
        read_recipe(file)
    assert [fault.partition(": no")[0] for fault in refused.value.faults] == [
        "line 5: teacher.1.wieght",
        "line 7: student.layer",
        "line 10: distill.0.temprature",
    ]


def test_set_reaches_into_lists() -> None:
    found = config("teacher.1.train.epochs=1", "teacher.0.weight=2.5", "distill.1.temperature=4", teacher=TWO)
    assert found.teachers[1].train is not None
    assert found.teachers[1].train.epochs == 1
    assert found.teachers[0].weight == 2.5
    assert found.distill[1].temperature == 4  # type: ignore[union-attr]  # logits have one
    assert config("teacher.0.train={epochs: 2}", teacher=TWO).teachers[0].train is not None
    assert config("distill.0={method: minilm}").distill[0].method == "minilm"
    assert TWO == [{"model": "y"}, {"model": "z", "train": {"epochs": 3}}]  # what was given stays


@pytest.mark.parametrize(
    ("override", "changes", "says"),
    [
        ("teacher.2.weight=1", {"teacher": TWO}, ("'2' is no entry of a list with 2", "from 0 to 1")),
        ("teacher.first.weight=1", {"teacher": TWO}, ("'first' is no entry",)),
        ("teacher.-1.weight=1", {"teacher": TWO}, ("'-1' is no entry",)),
        ("report_to.0=x", {"report_to": []}, ("no entry of a list with 0", "a list that has entries")),
        ("teacher.model.x=1", {}, ("teacher.model is 'y', which has no keys",)),
    ],
)
def test_set_beyond_a_list_is_refused(override: str, changes: dict[str, Any], says: tuple[str, ...]) -> None:
    with pytest.raises(UserError) as refused:
        config(override, **changes)
    assert all(piece in str(refused.value) for piece in says), str(refused.value)


def test_set_fills_an_empty_entry_of_a_list() -> None:
    assert config("distill.0.method=logits", distill=[None]).distill[0].method == "logits"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"augment": {}}, "augment: is given, but there is no student"),
        ({"baseline": True}, "baseline: is given, but there is no student"),
        ({"distill": [{"method": "logits"}]}, "distill: is given, but there is no student"),
        (
            {"data": {"path": "x", "unlabeled": "more.txt"}},
            "data.unlabeled is given, but there is no student",
        ),
        ({"teacher": TWO}, "an average of models cannot be exported"),
    ],
)
def test_what_needs_a_student_is_refused_without_one(changes: dict[str, Any], says: str) -> None:
    (fault,) = faults(**({"student": None, "distill": []} | changes))
    assert says in fault


def test_one_teacher_and_a_list_of_one_are_read_alike() -> None:
    alone, listed = config(), config(teacher=[RECIPE["teacher"]])
    assert alone.teachers == listed.teachers
    assert check_recipe(listed.model_dump(by_alias=True)) == listed


@pytest.mark.parametrize("method", ["tinybert", "minilm"])
def test_a_recipe_does_not_end_with_layers_whose_head_nobody_taught(method: str) -> None:
    (fault,) = faults(distill=[{"method": method}])
    assert f"distill: ends with {method}" in fault
    assert "{method: logits}" in fault
    config(distill=[{"method": method}, {"method": "logits"}])


def test_a_file_for_cuda_is_not_quantised_to_operators_of_the_processor() -> None:
    (fault,) = faults(export={"target": "cuda"})  # dynamic int8 is what is left out
    assert "int8 operators run on the processor" in fault
    assert config(export={"target": "cuda"}, quantize={"method": "none"}).export.target == "cuda"


def test_the_ladder_knows_the_gate_on_size() -> None:
    def limit(**quantize: Any) -> object:
        asked = config(gates={"max_size_mb": 18}, quantize={"method": "auto", **quantize})
        return getattr(asked.quantiser, "max_size_mb", None)

    assert limit() == 18
    assert limit(max_size_mb=9) == 9
    assert config(gates={"max_size_mb": 18}).quantiser == Dynamic()

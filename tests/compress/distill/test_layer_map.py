"""Which teacher layer a student layer learns from."""

import pytest
from pydantic import TypeAdapter, ValidationError

from compress.distill.layer_map import LayerMap, layer_pairs
from compress.errors import ModelError
from compress.models.shrink import choose_layers


@pytest.mark.parametrize(
    ("layer_map", "student", "teacher", "pairs"),
    [
        ("uniform", 4, 12, ((1, 3), (2, 6), (3, 9), (4, 12))),  # TinyBERT's g(m) = 3m
        ("uniform", 6, 12, ((1, 2), (2, 4), (3, 6), (4, 8), (5, 10), (6, 12))),
        ("uniform", 5, 12, ((1, 2), (2, 5), (3, 7), (4, 10), (5, 12))),
        ("uniform", 3, 3, ((1, 1), (2, 2), (3, 3))),
        ("top", 4, 12, ((1, 9), (2, 10), (3, 11), (4, 12))),
        ("bottom", 4, 12, ((1, 1), (2, 2), (3, 3), (4, 4))),
        ([2, 5], 2, 6, ((1, 2), (2, 5))),
    ],
)
def test_each_layer_of_the_student_has_its_layer(
    layer_map: LayerMap, student: int, teacher: int, pairs: tuple[tuple[int, int], ...]
) -> None:
    assert layer_pairs(layer_map, student, teacher, "tinybert") == pairs


def test_a_student_made_of_its_teacher_is_taught_by_the_layers_that_it_was_made_of() -> None:
    for teacher in range(1, 25):
        for student in range(1, teacher + 1):
            made_of = choose_layers(student, teacher)
            pairs = layer_pairs("uniform", student, teacher, "tinybert")
            assert pairs == tuple(zip(range(1, student + 1), made_of, strict=True))


@pytest.mark.parametrize(
    ("layer_map", "student", "teacher", "found", "expected"),
    [
        ("uniform", 6, 4, "the student has 6 layers and its teacher 4", "no more layers than its teacher"),
        ("top", 6, 4, "the student has 6 layers and its teacher 4", "no more layers than its teacher"),
        ([2, 4], 3, 6, "layer_map lists 2 layers, and the student has 3", "each of the student's 3"),
        ([4, 2], 2, 6, "layer_map [4, 2] does not ascend", "ascending"),
        ([2, 2], 2, 6, "layer_map [2, 2] does not ascend", "ascending"),
        ([2, 7], 2, 6, "does not fit the teacher, which has 6 layers", "from 1 to 6"),
    ],
)
def test_a_map_that_does_not_fit_is_refused(
    layer_map: LayerMap, student: int, teacher: int, found: str, expected: str
) -> None:
    with pytest.raises(ModelError) as refused:
        layer_pairs(layer_map, student, teacher, "tinybert")
    assert "the method tinybert cannot be used here" in refused.value.found
    assert found in refused.value.found
    assert expected in refused.value.expected
    assert refused.value.remedy


@pytest.mark.parametrize("value", ["middle", [], [0, 2], [True], [1.5], 3])
def test_what_is_no_map_is_no_option(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(LayerMap).validate_python(value)

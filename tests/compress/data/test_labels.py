"""Labels are aligned by name; what names do not settle is refused."""

import pytest

from compress.data.labels import align
from compress.data.names import first_of
from compress.errors import DataError


def test_the_order_of_the_names_does_not_matter() -> None:
    output_of = align(
        ["Positive", "NEGATIVE", "so-so"], ("negative", "so so", "positive"), 3, named_by_recipe=False
    )
    assert output_of.tolist() == [1, 2, 0]


def test_generic_names_on_one_side_need_the_recipe() -> None:
    generic = ["LABEL_0", "LABEL_1"]
    with pytest.raises(DataError, match="LABEL_0") as refused:
        align(generic, ("no", "yes"), 2, named_by_recipe=False)
    assert 'data.labels: {0: "no", 1: "yes"}' in refused.value.remedy
    assert align(generic, ("no", "yes"), 2, named_by_recipe=True).tolist() == [0, 1]


def test_ids_alone_beside_a_named_teacher_are_refused() -> None:
    with pytest.raises(DataError, match="numbers alone") as refused:
        align(["no", "yes"], None, 2, named_by_recipe=False)
    assert '{0: "no", 1: "yes"}' in refused.value.remedy


def test_ids_alone_on_both_sides_are_taken_as_they_are() -> None:
    assert align(["LABEL_0", "LABEL_1"], None, 2, named_by_recipe=False).tolist() == [0, 1]


@pytest.mark.parametrize("names", [("no", "maybe"), ("no", "yes", "maybe")])
def test_names_that_do_not_match_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(DataError) as refused:
        align(["no", "yes"], names, len(names), named_by_recipe=False)
    assert "maybe" in refused.value.found


def test_two_labels_of_the_data_that_are_one_to_the_teacher_are_refused() -> None:
    with pytest.raises(DataError):
        align(["a", "b"], ("a", "A"), 2, named_by_recipe=False)


def test_of_many_names_the_first_are_told_and_how_many_there_are() -> None:
    assert first_of("abcdefgh") == "a, b, c, d, e, f, g, h"
    assert first_of("abcdefghi") == "a, b, c, d, e, f, g, h, ... (9 in all)"

"""Words are weighed by leaving them out, one at a time, and nothing else of the text changes."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import pytest

from app.attribution import pieces, weigh, weightiest
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Classification


def of(label: str) -> Callable[[Input, Answer], float]:
    return lambda _, answer: answer.probabilities.get(label, 0.0)


class Counting:
    """Answers that are known by heart: each word adds what it is worth to the probability of "a"."""

    worth: ClassVar = {"much": 0.3, "some": 0.1, "less": -0.2}

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        self.asked += inputs
        found = []
        for text in inputs:
            a = 0.5 + sum(self.worth.get(word, 0) for word in text.split())
            found.append(Classification("a", {"a": a, "b": 1 - a}, tokens=1, truncated=False))
        return found


def test_a_words_weight_is_what_the_probability_loses_without_it() -> None:
    model = Counting()
    found = weigh(model, "much  of some,\nless much", of("a"))
    # "much" twice: each on its own; "some," is no word that the model knows.
    assert [(piece.text, round(piece.weight, 6)) for piece in found] == [
        ("much", 0.3),
        ("of", 0),
        ("some,", 0),
        ("less", -0.2),
        ("much", 0.3),
    ]
    assert len(model.asked) == 6
    assert model.asked[1:] == [
        "  of some,\nless much",
        "much   some,\nless much",
        "much  of \nless much",
        "much  of some,\n much",
        "much  of some,\nless ",
    ]
    assert [piece.weight for piece in weigh(model, "much less", of("b"))] == pytest.approx([-0.3, 0.2])
    assert [piece.weight for piece in weigh(model, "much less", of("unknown"))] == [0, 0]
    assert [piece.text for piece in weightiest(found, 2)] == ["much", "much"]


@pytest.mark.parametrize("count", [1, 47, 48, 49, 500, 2000])
def test_a_long_text_is_weighed_in_few_pieces_that_hold_every_word(count: int) -> None:
    text = " ".join(f"w{number}" for number in range(count))
    spans = pieces(text)
    assert len(spans) <= 48
    assert len(spans) == min(count, 48) or count > 48
    assert " ".join(text[span.start : span.end] for span in spans) == text


def test_nothing_to_weigh() -> None:
    assert pieces(" \n ") == []
    assert weigh(Counting(), " ", of("a")) == []


def test_the_student_owes_its_answer_to_the_words_that_make_it(student: OnnxRuntime) -> None:
    found = weigh(student, "a dull film with great music", of("positive"))
    weights = {piece.text: piece.weight for piece in found}
    assert max(weights, key=weights.__getitem__) == "great"
    assert min(weights, key=weights.__getitem__) == "dull"
    (whole,) = student.predict(["a dull film with great music"])
    (without,) = student.predict(["a dull film with  music"])
    assert weights["great"] == pytest.approx(
        whole.probabilities["positive"] - without.probabilities["positive"]
    )

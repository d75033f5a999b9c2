"""The recipe's `student:` becomes the kind whose key it has; what is wrong is told at its place."""

import pytest
from pydantic import TypeAdapter, ValidationError

from compress.students import ARCHITECTURES, BiLstm, FromTeacher, Pretrained, Student, TextCnn, by_key

STUDENT: TypeAdapter[object] = TypeAdapter(Student)


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({}, FromTeacher),
        ({"layers": 2}, FromTeacher),
        ({"from": "teacher", "layers": [1, 2]}, FromTeacher),
        ({"model": "./small"}, Pretrained),
        ({"architecture": "bilstm"}, BiLstm),
        ({"architecture": "textcnn"}, TextCnn),
    ],
)
def test_the_key_tells_the_kind(given: dict[str, object], kind: type) -> None:
    student = STUDENT.validate_python(given)
    assert type(student) is kind
    assert STUDENT.validate_python(student) is student  # an instance is taken as it is
    assert by_key(student) == by_key(given)


def test_what_was_built_can_be_read_again() -> None:
    for given in ({"layers": 2, "start": "first"}, {"model": "small"}, {"architecture": "bilstm"}):
        student = STUDENT.validate_python(given)
        assert STUDENT.validate_python(STUDENT.dump_python(student, by_alias=True)) == student


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"architecture": "bilstn"},
            "no such architecture: bilstn; built: bilstm, textcnn; did you mean bilstm?",
        ),
        ({"architecture": "gpt"}, "no such architecture: gpt; built: bilstm, textcnn; or leave it out"),
        ({"architecture": ["bilstm"]}, "no such architecture: .*; built: bilstm, textcnn"),
        ({"model": "small", "layers": 2}, "layers\n  Extra inputs"),
        ({"model": "small", "architecture": "bilstm"}, "architecture\n  Extra inputs"),
        (3, "valid dictionary"),
    ],
)
def test_mistakes_are_told(given: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("?", r"\?")):
        STUDENT.validate_python(given)


def test_every_architecture_is_in_the_union() -> None:
    for name in ARCHITECTURES:
        assert STUDENT.validate_python({"architecture": name}).architecture == name  # type: ignore[attr-defined]

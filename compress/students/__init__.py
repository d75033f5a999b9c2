"""What a student is made from. The union below is the registry.

Each kind is one frozen options class with the same two verbs: `config`, the student's config for a
teacher's, which raises `ModelError` where it cannot be made; and `build`, from the teacher and the texts
to learn from to the student before training, with its tokenizer.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated

from pydantic import BeforeValidator, Discriminator, Tag

from compress.students.bilstm import BiLstm
from compress.students.from_teacher import FromTeacher
from compress.students.pretrained import Pretrained
from compress.students.textcnn import TextCnn

ARCHITECTURES = ("bilstm", "textcnn")


def by_key(student: object) -> str:
    """The tag of a student, from the key that only its kind has."""
    given = student if isinstance(student, Mapping) else getattr(student, "__dict__", {})
    if given.get("model") is not None:
        return "<model>"
    if given.get("architecture") is not None:
        return f"<{given['architecture']}>"
    return "<from>"


def _known_architecture(student: object) -> object:
    name = student.get("architecture") if isinstance(student, Mapping) else None
    if name is None or name in ARCHITECTURES:
        return student
    near = difflib.get_close_matches(str(name), ARCHITECTURES, n=1)
    raise ValueError(
        f"no such architecture: {name}; built: {', '.join(ARCHITECTURES)}"
        + (f"; did you mean {near[0]}?" if near else "; or leave it out for a student made of the teacher")
    )


# The tags are marked, so that a message can leave them out of the place of a mistake.
Student = Annotated[
    Annotated[FromTeacher, Tag("<from>")]
    | Annotated[Pretrained, Tag("<model>")]
    | Annotated[BiLstm, Tag("<bilstm>")]
    | Annotated[TextCnn, Tag("<textcnn>")],
    Discriminator(by_key),
    BeforeValidator(_known_architecture),
]

__all__ = ["ARCHITECTURES", "BiLstm", "FromTeacher", "Pretrained", "Student", "TextCnn", "by_key"]

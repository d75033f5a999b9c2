"""Which layer of the teacher each layer of the student learns from."""

from typing import Annotated, Literal

from pydantic import Field

from compress.distill.teaching import refuse
from compress.models.shrink import choose_layers

Layer = Annotated[int, Field(strict=True, ge=1)]
LayerMap = Literal["uniform", "top", "bottom"] | Annotated[list[Layer], Field(min_length=1)]


def layer_pairs(
    layer_map: LayerMap, student_layers: int, teacher_layers: int, method: str
) -> tuple[tuple[int, int], ...]:
    """Pairs (student layer, teacher layer), counted from 1, one for each layer of the student.

    Jiao et al., "TinyBERT" (2020), on the mapping function: of n and N layers, `uniform` takes m to
    m * N / n, rounded as `choose_layers` does where it makes a student of its teacher; `top` to m + N - n;
    `bottom` to m. A list names the teacher's layer for each of the student's. Raises `ModelError` where
    there is no such map.
    """
    if isinstance(layer_map, list):
        _check_listed(layer_map, student_layers, teacher_layers, method)
        return tuple(enumerate(layer_map, start=1))
    if student_layers > teacher_layers:
        refuse(
            method,
            f"the student has {student_layers} layers and its teacher {teacher_layers}",
            "a student with no more layers than its teacher",
            "take a shallower student, or list teacher layers for some of its layers with method: match",
        )
    if layer_map == "uniform":
        chosen = choose_layers(student_layers, teacher_layers)
    else:
        first = teacher_layers - student_layers if layer_map == "top" else 0
        chosen = tuple(first + layer for layer in range(1, student_layers + 1))
    return tuple(enumerate(chosen, start=1))


def _check_listed(layers: list[int], student_layers: int, teacher_layers: int, method: str) -> None:
    expected = (
        f"one teacher layer from 1 to {teacher_layers} for each of the student's {student_layers}, ascending"
    )
    remedy = "correct layer_map, or leave it out for layers that are spread evenly"
    if len(layers) != student_layers:
        reason = f"layer_map lists {len(layers)} layers, and the student has {student_layers}"
    elif layers != sorted(set(layers)):
        reason = f"layer_map {layers} does not ascend"
    elif layers[-1] > teacher_layers or layers[0] < 1:
        reason = f"layer_map {layers} does not fit the teacher, which has {teacher_layers} layers"
    else:
        return
    refuse(method, reason, expected, remedy)

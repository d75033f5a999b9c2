"""Fields of a body that are read by hand, and the refusal of what cannot be read."""

from collections.abc import Sequence

from serve.refusal import Refusal


def known_fields(document: dict[str, object], known: Sequence[str], place: str = "") -> None:
    """Raise `Refusal` 422 for a field that is not known: what is not understood must not be passed over."""
    unknown = sorted(set(document) - set(known))
    if unknown:
        raise unreadable(f"Unknown field {unknown[0][:64]!r}{place}. Known fields: {', '.join(known)}.")


def whole_number(document: dict[str, object], name: str, most: int | None = None) -> int | None:
    """The field's value from 1, to `most` where there is one, or None; raises `Refusal` 422."""
    value = document.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # to JSON, 2.0 is a whole number
    # bool is an int in Python, but true is no number of labels.
    if value is not None and (type(value) is not int or value < 1):
        raise unreadable(f"{name} must be a whole number of at least 1.")
    if value is not None and most is not None and value > most:
        raise unreadable(f"{name} must be a whole number of at most {most}.")
    return value


def true_or_false(document: dict[str, object], name: str) -> bool | None:
    """The field's value, or None; raises `Refusal` 422."""
    value = document.get(name)
    if value is not None and not isinstance(value, bool):
        raise unreadable(f"{name} must be true or false.")
    return value


def unreadable(message: str) -> Refusal:
    """Refusal 422."""
    return Refusal(422, "validation", message)

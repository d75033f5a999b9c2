"""What `compress bench` is asked for on the command line."""

from serve.errors import UserError


def numbers(option: str, text: str | None) -> list[int]:
    """Different whole numbers from 1, separated by commas; none where nothing was given. Raises `UserError`."""
    if text is None:
        return []
    try:
        found = [int(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or min(found) < 1 or len(set(found)) < len(found):
        raise UserError(
            f"{option} {text}",
            "different whole numbers from 1, separated by commas",
            f"for example {option} 1,8",
        )
    return found

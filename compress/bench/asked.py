"""What `compress bench` is asked for on the command line."""

from serve.device import PROVIDERS, Device
from serve.errors import UserError


def known_device(text: str) -> Device:
    """The device of this name; raises `UserError`."""
    for device in PROVIDERS:
        if text == device:
            return device
    raise UserError(f"--device {text}", " or ".join(PROVIDERS), "leave it out for the processor")


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

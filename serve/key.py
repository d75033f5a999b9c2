"""The key that clients show: read from the environment or a file, never from the command line, where others see it."""

import hashlib
import hmac
import os
from collections.abc import Mapping
from pathlib import Path

from serve.errors import UserError

VARIABLE = "COMPRESS_API_KEY"
_SHORTEST = 16


class Key:
    """Compares in constant time, and does not hold the key itself."""

    def __init__(self, secret: str) -> None:
        self._digest = hashlib.sha256(secret.encode()).digest()

    def fits(self, shown: str) -> bool:
        """Whether this is the key."""
        return hmac.compare_digest(hashlib.sha256(shown.encode()).digest(), self._digest)

    def opens(self, headers: Mapping[str, str]) -> bool:
        """Whether the request shows it: `Authorization: Bearer KEY` or `X-API-Key: KEY`."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        shown = token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
        return bool(shown) and self.fits(shown)


def read_key(file: Path | None = None, variables: Mapping[str, str] = os.environ) -> Key | None:
    """The key in a file, or else in `COMPRESS_API_KEY`; None where there is neither. Raises `UserError`."""
    secret = variables.get(VARIABLE)
    where = VARIABLE
    if file is not None:
        where = str(file)
        try:
            secret = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(
                f"{file}: {error}", "a readable file that holds the key", "mend --api-key-file"
            ) from None
    if secret is None:
        return None
    secret = secret.strip()
    if len(secret) < _SHORTEST or not secret.isascii() or not secret.isprintable() or " " in secret:
        raise UserError(
            f"the key in {where} cannot be used",
            f"at least {_SHORTEST} printable ASCII characters without spaces",
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return Key(secret)

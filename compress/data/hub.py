"""Whether a name is a local path or a Hub id, and whether the Hub answers.

An unreachable Hub costs 23 to 46 seconds of built-in retries in the client libraries, so it is probed
first, with a limit of its own.
"""

import threading
import urllib.error
import urllib.request
from functools import lru_cache
from pathlib import Path

from serve.errors import UserError

PROBE_SECONDS = 6.0


def is_local(name: str) -> bool:
    """The name is a path: it exists, or it is written as one (Hub ids are `name` or `owner/name`)."""
    path = Path(name).expanduser()
    return path.exists() or name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def require_hub(what: str, name: str, local_form: str) -> None:
    """Raise the one clear message, within seconds, when the Hub does not answer."""
    from huggingface_hub import constants

    if reason := silence(constants.ENDPOINT):
        raise UserError(
            f"the {what} {name} is not a local path, and the Hub at {constants.ENDPOINT} cannot be reached: "
            f"{reason}",
            f"a {what} that is here, or a Hub that answers",
            f"check the network (or HF_ENDPOINT), or use a local copy: {local_form}",
        )


@lru_cache
def silence(endpoint: str) -> str:
    """Why the Hub at this address does not answer, or nothing; asked once, since each question may take seconds."""
    outcome: list[str] = []

    def probe() -> None:
        try:
            request = urllib.request.Request(endpoint, method="HEAD")  # noqa: S310
            urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()  # noqa: S310
            outcome.append("")
        except urllib.error.HTTPError:
            outcome.append("")  # it answered
        except (OSError, ValueError) as error:
            outcome.append(str(getattr(error, "reason", error)))

    # Name resolution has no time limit of its own, hence the thread.
    prober = threading.Thread(target=probe, daemon=True)
    prober.start()
    prober.join(PROBE_SECONDS)
    return outcome[0] if outcome else f"no answer within {PROBE_SECONDS:.0f} s"

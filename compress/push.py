"""`compress push`: a bundle goes to the Hub, without people's texts unless they are asked for.

What arrives is a bundle again: the manifest that is sent lists what is sent, and nothing else is.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from compress.data.hub import silence
from compress.errors import UserError
from compress.progress import Progress
from serve.bundle import EVALUATION, MANIFEST, QUANTIZED_MODEL, REPORT, REPORT_PAGE, Bundle, read

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# What an earlier push may have left there and this one does not hold.
_MAY_BE_THERE = (EVALUATION, QUANTIZED_MODEL, REPORT, REPORT_PAGE, "export.json")
_LOG_IN = "`hf auth login`, or set HF_TOKEN to a token that may write, from huggingface.co/settings/tokens"


@dataclass(frozen=True)
class Parcel:
    """What is sent: files by their path in the bundle, and the manifest that lists them."""

    bundle: Bundle
    files: dict[str, int]  # bytes, the manifest's among them
    manifest: bytes
    left_out: tuple[str, ...]

    @property
    def size_bytes(self) -> int:
        """Of all files together."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Destination:
    """Where it goes."""

    repo: str  # owner/name
    private: bool
    revision: str | None  # a branch; None is main


def make_parcel(folder: Path, *, with_rows: bool) -> Parcel:
    """Read the bundle and choose what is sent of it; raises `BundleError` where it was altered."""
    bundle = read(folder)
    listed = bundle.manifest.files
    left_out = () if with_rows or EVALUATION not in listed else (EVALUATION,)
    kept = {name: entry for name, entry in listed.items() if name not in left_out}
    manifest = bundle.manifest.model_copy(update={"files": kept})
    text = (manifest.model_dump_json(indent=2) + "\n").encode()
    sizes = {name: entry.size_bytes for name, entry in kept.items()}
    return Parcel(bundle, {**sizes, MANIFEST: len(text)}, text, left_out)


def push(parcel: Parcel, to: Destination, progress: Progress) -> str:
    """Create the repository and the branch where they are missing, and send all files in one commit; returns its URL.

    Raises `UserError` where there is no token, the Hub does not answer, or it refuses.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token
    from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # exported in its way

    token = get_token()
    if token is None:
        raise UserError("there is no token of the Hub on this machine", "a token that may write", _LOG_IN)
    if reason := silence(constants.ENDPOINT):
        raise UserError(
            f"the Hub at {constants.ENDPOINT} cannot be reached: {reason}",
            "a Hub that answers",
            "check the network (or HF_ENDPOINT); the bundle stays as it is",
        )
    disable_progress_bars()  # they would write between our lines
    api = HfApi(endpoint=constants.ENDPOINT, token=token)
    with _refusals_in_words(to.repo):
        _prepare(api, to)
        there = set(api.list_repo_files(to.repo, revision=to.revision))
        stale = [name for name in _MAY_BE_THERE if name in there and name not in parcel.files]
        progress.say(f"sending {len(parcel.files)} files, {parcel.size_bytes / 1e6:.1f} MB, to {to.repo} ...")
        folder = parcel.bundle.folder
        commit = api.create_commit(
            to.repo,
            [
                *(CommitOperationAdd(name, folder / name) for name in parcel.files if name != MANIFEST),
                CommitOperationAdd(MANIFEST, parcel.manifest),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message=f"{parcel.bundle.manifest.name}: {parcel.bundle.manifest.verdict}",
            revision=to.revision,
        )
    return str(commit.commit_url)


def _prepare(api: "HfApi", to: Destination) -> None:
    """The repository and its branch are there, and what is to be private is."""
    api.create_repo(to.repo, private=to.private or None, exist_ok=True)
    if to.private and not api.model_info(to.repo).private:
        raise UserError(
            f"{to.repo} is there already, and everyone can read it",
            "a private repository, as --private asks",
            "make it private in its settings, or give another name",
        )
    if to.revision is not None:
        api.create_branch(to.repo, branch=to.revision, exist_ok=True)


@contextmanager
def _refusals_in_words(repo: str) -> Iterator[None]:
    """What the Hub refuses, as one message that says what to do."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    # The class of the client that huggingface_hub stands on, which has changed from version to version.
    transport: type[Exception] = HfHubHTTPError.__mro__[1]
    try:
        yield
    except HFValidationError as error:
        raise UserError(
            f"{repo!r} is no name of a repository: {error}", "owner/name", "give another name"
        ) from None
    except (transport, RuntimeError, ValueError) as error:
        # A failed upload of a large file comes wrapped in a RuntimeError.
        cause = error if isinstance(error, HfHubHTTPError) else error.__cause__
        status = cause.response.status_code if isinstance(cause, HfHubHTTPError) else None
        raise _refusal(repo, status, str(cause or error)) from error


def _refusal(repo: str, status: int | None, said: str) -> UserError:
    said = " ".join(said.split())
    if status == 401:
        return UserError(f"the Hub does not know this token: {said}", "a token that may write", _LOG_IN)
    if status == 403:
        return UserError(
            f"this token may not write to {repo}: {said}",
            "a token with write access to its owner's repositories",
            "use a token that may write, or a repository of your own",
        )
    if status == 404:
        return UserError(
            f"the Hub has no {repo}, and none could be made: {said}",
            "owner/name, with an owner that exists",
            "check the owner's name",
        )
    return UserError(
        f"the Hub did not take the bundle: {said}",
        "a Hub that accepts the files",
        "try again; nothing is there before all of it is",
    )


def render(parcel: Parcel, to: Destination) -> Table:
    """What would be sent, with sizes."""
    where = f"{to.repo}{f', branch {to.revision}' if to.revision else ''}{', private' if to.private else ''}"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(Text(f"to {where}"), overflow="fold")
    table.add_column("MB", justify="right", no_wrap=True)
    for name, size in parcel.files.items():
        table.add_row(Text(name), f"{size / 1e6:.3f}")
    table.add_row(Text("together"), f"{parcel.size_bytes / 1e6:.3f}")
    for name in _said_left_out(parcel.left_out):
        table.add_row(Text(name), "-")
    return table


def _said_left_out(names: Sequence[str]) -> list[str]:
    return [f"{name} stays here: people's texts (--with-rows sends it)" for name in names]

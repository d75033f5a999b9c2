"""A folder of files, there as a whole or not at all."""

import shutil
from pathlib import Path

from serve.deploy.plan import Files
from serve.errors import UserError

_FILE, _FOLDER = 0o644, 0o755


def require_free(out: Path) -> None:
    """Raise `UserError` unless `out` is a place for a new folder; nothing that is there is replaced."""
    if out.is_symlink() or out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise UserError(f"{out} exists", "a new folder, or an empty one", "give another --out, or remove it")


def write(files: Files, out: Path) -> None:
    """Write the files under a temporary name beside `out`, then put them in place in one step."""
    work = out.with_name(f".{out.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for place, content in files.items():
            path = work / place
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_text(content, encoding="utf-8")
        # Somebody else will read them, in a container for example, whatever is usual here.
        for path in [work, *work.rglob("*")]:
            path.chmod(_FOLDER if path.is_dir() else _FILE)
        work.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error}", "a place to write to", "give another --out") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)

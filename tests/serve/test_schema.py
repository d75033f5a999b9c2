"""What OpenAPI says is what the server does: schemathesis, over examples, coverage and fuzzing."""

import shutil
import subprocess
import sys
from pathlib import Path

from served import make_app, running


def test_schemathesis_finds_nothing(bundle_folder: Path, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    assert shutil.which(program), "schemathesis is not installed"
    with running(make_app(bundle_folder)) as url:
        command = [
            str(program),
            "run",
            f"{url}/openapi.json",
            "-n",
            "15",
            "--phases",
            "examples,coverage,fuzzing",
        ]
        command += ["--seed", "1", "--suppress-health-check", "all", "--no-color"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stdout[-6000:]

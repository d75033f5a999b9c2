"""Show the bundle beside this file: the start file of a Space."""

import os
import sys
from pathlib import Path

from app.__main__ import main

if __name__ == "__main__":
    bundle = Path(__file__).resolve().parent / "bundle"
    host = os.environ.get("GRADIO_SERVER_NAME", "0.0.0.0")  # noqa: S104  everybody is meant to reach it
    port = os.environ.get("GRADIO_SERVER_PORT", "7860")
    sys.exit(main([str(bundle), "--host", host, "--port", port, "--insecure"]))

"""Makes Gradio's import short, which is most of the seconds from the command to the page.

Each time that it is imported it writes type stubs anew, for which it parses the source of every component, into the
folder that it is installed in, which may not be ours to write. And it imports pandas, which it uses for tables that
this page has not, and to count anew after each event how often what was called, for a page that is not shown.
Call `start_soon` before the first `import gradio`.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

_MODULE, _WRITER = "gradio.component_meta", "create_or_modify_pyi"
_WHEN_USED = "pandas"
_COUNTED_EVERY = "GRADIO_ANALYTICS_CACHE_FREQUENCY"  # events, as Gradio reads it


def start_soon() -> None:
    """From now on Gradio's import writes no stubs, and pandas is read when something of it is used.

    Nothing happens to what is imported already.
    """
    os.environ.setdefault(_COUNTED_EVERY, str(sys.maxsize))
    if _MODULE not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Finds two modules where they always were, and has them loaded in another way."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of one of the two, with a loader of ours; None for every other module."""
        if fullname not in (_MODULE, _WHEN_USED):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            lazy = importlib.util.LazyLoader
            spec.loader = _WithoutStubs(spec.loader) if fullname == _MODULE else lazy(spec.loader)
        return spec


class _WithoutStubs(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        if hasattr(module, _WRITER):
            setattr(module, _WRITER, lambda *_: None)

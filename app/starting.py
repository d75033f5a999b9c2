"""Makes Gradio's import short, which is most of the seconds from the command to the page.

Each time that it is imported it writes type stubs anew, for which it parses the source of every component, into the
folder that it is installed in, which may not be ours to write; and it fills in two hundred docstrings by a template
engine. It imports pandas, which it uses for tables that
this page has not, and to count anew after each event how often what was called, for a page that is not shown. And
where the library `mcp` is installed it imports that, whether or not it is asked to speak it. Call `start_soon` before
the first `import gradio`, and `speak_mcp` before a page that speaks it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType

# What does nothing here: functions by their module, all of which are there to help whoever writes a page.
_IDLE = {"gradio.component_meta": "create_or_modify_pyi", "gradio.events": "EventListener.set_doc"}
_MCP, _ITS_LIBRARY = "gradio.mcp", "mcp"
_WHEN_USED = "pandas"
_COUNTED_EVERY = "GRADIO_ANALYTICS_CACHE_FREQUENCY"  # events, as Gradio reads it


def start_soon() -> None:
    """From now on Gradio's import writes no stubs and no docstrings, does without `mcp`, and reads pandas when used.

    Nothing happens to what is imported already.
    """
    os.environ.setdefault(_COUNTED_EVERY, str(sys.maxsize))
    if not _IDLE.keys() & sys.modules.keys() and _finder() is None:
        sys.meta_path.insert(0, _Finder())


def speak_mcp() -> None:
    """Have Gradio import what it did without."""
    finder = _finder()
    if finder is not None and not finder.speaks_mcp:
        finder.speaks_mcp = True
        importlib.reload(importlib.import_module(_MCP))


def _finder() -> "_Finder | None":
    return next((finder for finder in sys.meta_path if isinstance(finder, _Finder)), None)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds some modules where they always were, and has them loaded in another way."""

    def __init__(self) -> None:
        self.speaks_mcp = False
        self.hides_mcp = False  # while Gradio's own module about it is loaded

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The spec of one of them, with a loader of ours; None for every other module."""
        if fullname == _ITS_LIBRARY and self.hides_mcp:
            raise ModuleNotFoundError(fullname, name=fullname)
        if fullname not in (*_IDLE, _MCP, _WHEN_USED):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        if fullname == _WHEN_USED:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        elif fullname in _IDLE:
            spec.loader = _Idle(spec.loader, _IDLE[fullname])
        elif not self.speaks_mcp:
            spec.loader = _WithoutLibrary(spec.loader, self)
        return spec


class _Loader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)


class _Idle(_Loader):
    """Has one function of the module do nothing."""

    def __init__(self, loader: importlib.abc.Loader, function: str) -> None:
        super().__init__(loader)
        self._function = function

    def exec_module(self, module: ModuleType) -> None:
        super().exec_module(module)
        *holders, name = self._function.split(".")
        holder: object = module
        for part in holders:
            holder = getattr(holder, part, None)
        if hasattr(holder, name):
            setattr(holder, name, lambda *_, **__: None)


class _WithoutLibrary(_Loader):
    """Gradio takes a library that is not there for one that is not installed, and goes on."""

    def __init__(self, loader: importlib.abc.Loader, finder: _Finder) -> None:
        super().__init__(loader)
        self._finder = finder

    def exec_module(self, module: ModuleType) -> None:
        self._finder.hides_mcp = True
        try:
            super().exec_module(module)
        finally:
            self._finder.hides_mcp = False

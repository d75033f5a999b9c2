"""A new version of a bundle is put in while the server answers; a broken one is refused and the old one goes on."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from serve.bundle import MANIFEST, Bundle, read
from serve.errors import UserError
from serve.info import Info, describe
from serve.metrics import Metrics
from serve.model import Model
from serve.runtime import OnnxRuntime

_LOG = logging.getLogger(__name__)
_EVERY_S = 1.0
_TRIES = 30  # of one version

Open = Callable[[Bundle, int], Sequence[OnnxRuntime]]  # so many warm runtimes


class Watch:
    """Looks at a bundle's manifest every second: it is the file that is written last."""

    def __init__(self, model: Model, folder: Path, opened: Open, metrics: Metrics) -> None:
        self._model = model
        self._folder = folder
        self._opened = opened
        self._metrics = metrics
        self._seen = self._stamp()

    async def run(self) -> None:
        """Until it is cancelled."""
        tries = 0
        while True:
            await asyncio.sleep(_EVERY_S)
            now = self._stamp()
            if now is None or (now == self._seen and not 0 < tries < _TRIES):
                continue
            # A copy that is not complete yet looks broken, so it is looked at again for a while.
            tries = 1 if now != self._seen else tries + 1
            self._seen = now
            if await self._put_in(first=tries == 1):
                tries = 0

    async def _put_in(self, *, first: bool) -> bool:
        """Whether it was; what is wrong is told at the first try of a version."""
        try:
            info, runtimes = await asyncio.to_thread(self._load)
        except Exception as error:  # noqa: BLE001  whatever is wrong with it, the old one goes on
            if first:
                _LOG.warning("the bundle in %s is not put in: %s", self._folder, error)
                self._metrics.swaps.labels(self._model.name, "refused").inc()
            return False
        await self._model.swap(info, runtimes)
        self._metrics.swaps.labels(self._model.name, "done").inc()
        _LOG.warning("%s answers from the bundle %s now", self._model.name, info.bundle_sha256[:12])
        return True

    def _load(self) -> tuple[Info, Sequence[OnnxRuntime]]:
        bundle = read(self._folder)
        before = self._model.info
        manifest = bundle.manifest
        now = list(manifest.labels), manifest.task, manifest.answering.kind
        if now != (before.labels, before.task, before.answering.kind):
            raise UserError(
                "its task or its labels are others",
                "a new version of the same model",
                "serve it under a name of its own",
            )
        runtimes = self._opened(bundle, self._model.workers)  # what was measured at the start still holds
        return describe(bundle, before.limits, before.name), runtimes

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            status = (self._folder / MANIFEST).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size

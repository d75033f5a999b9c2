"""What every stage of a run works with: its folder, the progress, the device, the seed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compress.judge.metrics import Metric
from compress.progress import Progress
from compress.stage import Stage, Stages
from compress.tasks import SINGLE_LABEL, Task
from compress.training.device import Compute
from compress.training.loop import Session


@dataclass(frozen=True)
class Workshop:
    """The tools of a run; of stages it holds nothing but where they lie and how long they took."""

    stages: Stages
    progress: Progress
    compute: Compute
    seed: int
    metric: Metric
    report_to: tuple[str, ...]
    task: Task = SINGLE_LABEL
    seconds: dict[str, float] = field(default_factory=dict)  # by stage, of the run in which it was done
    folders: dict[str, Path] = field(default_factory=dict)  # by stage

    def do(
        self, name: str, inputs: Mapping[str, object], work: Callable[[Path], Mapping[str, object]]
    ) -> Stage:
        """The stage for these inputs, made now or found complete; notes the seconds that it took."""

        def timed(folder: Path) -> Mapping[str, object]:
            start = time.perf_counter()
            facts = dict(work(folder))
            return {**facts, "seconds": round(time.perf_counter() - start, 1)}

        if self.stages.open(name, inputs).is_complete:
            self.progress.say(f"{name}: done before")
        stage = self.stages.do(name, inputs, timed)
        self.folders[name] = stage.folder
        self.seconds[name] = float(str(stage.facts["seconds"]))
        return stage

    def session(self, folder: Path, title: str) -> Session:
        """What a training in this folder needs."""
        return Session(
            folder=folder,
            title=title,
            seed=self.seed,
            compute=self.compute,
            score=lambda labels, logits: self.task.selection_score(self.metric, labels, logits),
            metric_name=self.metric,
            report_to=self.report_to,
            progress=self.progress,
        )

"""What a model scores by the metrics of its task that the verdict does not rest on, for people who quote those."""

from collections.abc import Sequence

from compress.data.rows import Rows
from compress.judge.metrics import score
from compress.tasks import Task
from compress.tasks.interface import Floats


def other_scores(
    task: Task, metric: str, answers: Floats, rows: Rows, labels: Sequence[str]
) -> dict[str, float]:
    """Scores by metric, without the one that is `metric`; every row has a label."""
    return {
        other: score(other, task.gold_marks(other, rows), task.marks(other, answers, rows), len(labels))
        for other in task.quoted_beside(metric, rows, labels)
    }

"""The stage that asks the teacher and what ships for changed texts and for texts from elsewhere."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows, Splits
from compress.judge.contestants import Contestant
from compress.judge.generalization import Answers, changed_rows, shift, together
from compress.judge.report import Shift
from compress.steps.measure import answers
from compress.workshop import Workshop


def generalization_stage(
    workshop: Workshop,
    contestants: Sequence[Contestant],
    splits: Splits,
    files: Mapping[str, Rows],
    probabilities: Mapping[str, NDArray[np.float64]],
    labels: tuple[str, ...],
) -> list[Shift]:
    """One entry for each way to change the reported rows and each further file.

    Asked are the teacher, the first of the contestants, and the last one, which ships. `probabilities` are
    the answers to the reported rows by contestant, as the task stacks them.
    """
    teacher, shipped = contestants[0], contestants[-1]
    changed = changed_rows(splits.test, files, workshop.seed, workshop.task.perturbations)
    found = answers(workshop, [teacher, shipped], together(changed), labels, "generalization")
    test = Answers(probabilities[teacher.key], probabilities[shipped.key])
    gold = splits.test.labels if splits.is_labelled else None
    shifts, start = [], 0
    for one in changed:
        part = slice(start, start + len(one.rows))
        both = Answers(found[teacher.key][part], found[shipped.key][part])
        shifts.append(shift(one, both, test, gold, workshop.metric, workshop.seed, workshop.task))
        start = part.stop
    return shifts

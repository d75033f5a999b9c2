"""Where the teacher should answer instead of the student: a threshold of confidence, from rows that are not reported.

`compress serve --cascade` hands texts on whose best probability is below it. The threshold that is suggested hands
on as few as it can and still closes nine tenths of the gap between student and teacher.
"""

import numpy as np

from compress.judge.metrics import Floats, Ids, Metric, score
from compress.judge.report import Cascade

CLOSED = 0.9  # of the gap
_TRIED = 400  # thresholds, spread over the student's confidences


def suggest(teacher: Floats, student: Floats, gold: Ids | None, metric: Metric) -> Cascade | None:
    """The threshold with what it is expected to give; None where the student is as good as its teacher.

    Probabilities of shape (rows, labels). Without labels the score is agreement with the teacher.
    """
    labels = student.shape[1]
    theirs, own = teacher.argmax(axis=1), student.argmax(axis=1)
    against = theirs if gold is None else gold
    by: Metric = "accuracy" if gold is None else metric
    alone, best = (score(by, against, answers, labels) for answers in (own, theirs))
    if alone >= best:
        return None
    confidence = student.max(axis=1)
    thresholds = np.unique(np.quantile(confidence, np.linspace(0, 1, _TRIED)))
    for below in (*thresholds, np.nextafter(1.0, 2.0)):
        handed_on = confidence < below
        together = score(by, against, np.where(handed_on, theirs, own), labels)
        if together >= alone + CLOSED * (best - alone):
            break
    return Cascade(
        below=float(below),
        share=float(handed_on.mean()),
        score=together,
        student=alone,
        teacher=best,
        rows=len(own),
    )

"""A verification for people, in the terminal; the verdict last."""

from rich.console import Group, RenderableType
from rich.text import Text

from compress.judge.robustness import flip_lines, invariance_line
from compress.judge.table import beside, fidelity_lines, status
from compress.judge.wording import METRIC_NAMES, percent
from compress.verify.document import Verification


def render(found: Verification) -> RenderableType:
    """What was measured here, the gates, the verdict."""
    facts = [(Text("Bundle:"), f"{found.name}, {found.shipped}, {found.size_mb:.1f} MB, unaltered")]
    facts.append((Text("Rows:"), f"{found.rows:,} of {found.rows_from}"))
    if found.score is not None and found.score_ci is not None:
        facts.append((Text("Score:"), _score(found, found.score, found.score_ci)))
    if found.fidelity is not None:
        facts.append((Text("Fidelity:"), fidelity_lines(found.fidelity)))
        if found.fidelity.flips:
            facts.append((Text("Flips:"), flip_lines(found.fidelity)))
    facts.append((Text("Invariance:"), invariance_line(found.invariance)))
    facts.append((Text("Latency:"), _latency(found)))
    parts: list[RenderableType] = [beside(facts), Text()]
    gates = [(status(gate.status), gate.message) for gate in found.gates]
    gates += [
        (Text("NOT MEASURED"), f"{one.name} not measured here: {one.why}") for one in found.not_measured
    ]
    if gates:
        parts += [beside(gates), Text()]
    if found.notes:
        parts += [beside([(Text("Note:"), note) for note in found.notes]), Text()]
    return Group(*parts, Text(sentence(found), style="bold"))


def sentence(found: Verification) -> str:
    """The verdict and what it rests on."""
    kept = "answers"
    if found.fidelity is not None and found.fidelity.retention is not None and found.fidelity.retention_ci:
        shown = percent(found.fidelity.retention, found.fidelity.retention_ci)
        kept = f"keeps {shown} of the teacher's {_metric(found)} and answers"
    elif found.fidelity is not None:
        shown = percent(found.fidelity.agreement, found.fidelity.agreement_ci)
        kept = f"gives the teacher's answer on {shown} of the rows and answers"
    elif found.score is not None:
        kept = f"scores {found.score:.3f} ({_metric(found)}) and answers"
    words = (
        f"{found.verdict.upper()}: here the {found.size_mb:.1f} MB {found.shipped} file {kept} in "
        f"{found.latency['batch_1'].p50_ms:.2f} ms"
    )
    for word, wanted in (("missed", "fail"), ("not settled", "inconclusive")):
        if names := [gate.name for gate in found.gates if gate.status == wanted]:
            words += f"; {word}: {', '.join(names)}"
    if found.not_measured:
        words += f"; not measured here: {', '.join(one.name for one in found.not_measured)}"
    return words if found.gates or found.not_measured else f"{words} (no gates were set)"


def _score(found: Verification, score: float, ci: tuple[float, float]) -> str:
    words = f"{_metric(found)} {score:.3f} [{ci[0]:.3f}, {ci[1]:.3f}]"
    if found.reported_score is not None:
        words += f" ({found.reported_score:.3f} where it was made)"
    return words if found.teacher_score is None else f"{words}; teacher {found.teacher_score:.3f}"


def _latency(found: Verification) -> str:
    one, every = found.latency["batch_1_one_thread"], found.latency["batch_1"]
    parts = [
        f"p50 {latency.p50_ms:.2f} ms, p95 {latency.p95_ms:.2f} ms at {latency.threads} "
        f"thread{'s' * (latency.threads > 1)}"
        for latency in ([one, every] if one.threads != every.threads else [every])
    ]
    return f"{'; '.join(parts)}, on {found.machine.processor} ({found.clean_rounds} clean rounds)"


def _metric(found: Verification) -> str:
    return METRIC_NAMES.get(found.metric, found.metric)

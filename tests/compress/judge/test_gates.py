import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress.judge.bootstrap import Estimate, share_interval
from compress.judge.gates import Thresholds, judge, needed, verdict
from compress.judge.report import Fidelity, Gate, Interval, Speedup, Status


def fidelity(retention: float | None = 0.995, ci: Interval | None = (0.976, 1.014)) -> Fidelity:
    return Fidelity(
        rows=872,
        retention=retention,
        retention_ci=ci,
        agreement=0.934,
        agreement_ci=(0.916, 0.949),
        kl=0.04,
        ece_teacher=0.05,
        ece_student=0.04,
    )


def speedup(rounds: int = 20, p50: float = 14.2, ci: Interval = (13.1, 15.0)) -> Speedup:
    return Speedup(p50=p50, ci=ci, threads=1, by_threads={"1": p50}, rounds=rounds, dropped_rounds=3)


def retention_gate(threshold: float, value: float = 0.995, ci: Interval = (0.976, 1.014)) -> Gate:
    (gate,) = judge(Thresholds(min_retention=threshold), fidelity(value, ci), None, 8.9)
    return gate


@pytest.mark.parametrize(
    ("threshold", "status"),
    [
        (0.97, "pass"),
        (0.976, "pass"),  # the lowest value that the interval holds is enough
        (0.9761, "inconclusive"),
        (0.999, "inconclusive"),
        (1.014, "inconclusive"),  # the highest value would be enough
        (1.0141, "fail"),
    ],
)
def test_the_whole_interval_decides(threshold: float, status: Status) -> None:
    assert retention_gate(threshold).status == status


def test_messages_read() -> None:
    assert retention_gate(0.97).message == "min_retention met: 0.995 [0.976, 1.014] is at least 0.97"
    missed = retention_gate(1.05, 0.972, (0.961, 0.983))
    assert missed.message == "min_retention missed: 0.972 [0.961, 0.983] is below 1.05, by 0.078"
    assert retention_gate(0.999).message == (
        "min_retention inconclusive: 0.995 [0.976, 1.014] covers 0.999; "
        "about 20,000 rows would settle it (872 now)"
    )
    assert retention_gate(0.995).message == (
        "min_retention inconclusive: 0.995 [0.976, 1.014] covers 0.995; the value sits on the threshold, "
        "so no number of rows would settle it (872 now)"
    )


def test_a_near_miss_does_not_read_as_a_hit() -> None:
    """To three decimals the interval would seem to end at the threshold itself."""
    message = retention_gate(0.97, 0.9602, (0.9501, 0.96996)).message
    assert message == "min_retention missed: 0.96020 [0.95010, 0.96996] is below 0.97, by 0.0098"


def test_every_threshold_has_its_gate_and_no_other() -> None:
    gates = judge(Thresholds(0.97, 0.9, 4, 40), fidelity(), speedup(), 8.9)
    assert [gate.name for gate in gates] == ["min_retention", "min_agreement", "min_speedup", "max_size_mb"]
    assert {gate.status for gate in gates} == {"pass"}
    assert judge(Thresholds(), fidelity(), speedup(), 8.9) == []


def test_each_gate_can_fail() -> None:
    """A threshold of 0 is a threshold; one that nothing meets is missed by every gate."""
    gates = judge(Thresholds(1.5, 0.99, 100, 0), fidelity(), speedup(), 8.9)
    assert [gate.status for gate in gates] == ["fail"] * 4


@pytest.mark.parametrize(("limit", "status"), [(8.9, "pass"), (8.8999, "fail"), (40, "pass")])
def test_size_has_no_interval(limit: float, status: Status) -> None:
    (gate,) = judge(Thresholds(max_size_mb=limit), fidelity(), None, 8.9)
    assert (gate.status, gate.ci, gate.rows_to_settle) == (status, None, None)


def test_size_messages_read() -> None:
    def message(limit: float) -> str:
        return judge(Thresholds(max_size_mb=limit), fidelity(), None, 8.9)[0].message

    assert message(40) == "max_size_mb met: 8.9 MB is at most 40 MB"
    assert message(8) == "max_size_mb missed: 8.9 MB is above 8 MB, by 0.9 MB"


def test_a_speed_from_too_few_clean_rounds_is_no_proof() -> None:
    (gate,) = judge(Thresholds(min_speedup=4), fidelity(), speedup(rounds=4), 8.9)
    assert (gate.status, gate.value, gate.rows_to_settle) == ("inconclusive", 14.2, None)
    assert gate.message == (
        "min_speedup inconclusive: 14.20 [13.10, 15.00] was measured while other processes were busy "
        "(clean rounds: 4, needed: 5); try again on a quiet machine"
    )
    (hopeless,) = judge(Thresholds(min_speedup=100), fidelity(), speedup(rounds=4), 8.9)
    assert hopeless.status == "inconclusive"
    (enough,) = judge(Thresholds(min_speedup=4), fidelity(), speedup(rounds=5), 8.9)
    assert enough.status == "pass"


def test_speed_is_settled_by_rounds_and_not_by_rows() -> None:
    (gate,) = judge(Thresholds(min_speedup=14), fidelity(), speedup(), 8.9)
    assert gate.status == "inconclusive"
    assert gate.rows_to_settle is None
    assert gate.message.endswith("covers 14; about 606 rounds would settle it (20 now)")


def test_what_was_not_measured_is_inconclusive() -> None:
    speed, *_ = judge(Thresholds(min_speedup=4), fidelity(), None, 8.9)
    assert speed.message == "min_speedup inconclusive: the speed was not measured"
    unlabelled = fidelity(None, None).model_copy(update={"ece_teacher": None, "ece_student": None})
    for found, why in (
        (unlabelled, "the rows have no labels"),
        (fidelity(None, None), "the teacher's score"),
    ):
        (gate,) = judge(Thresholds(min_retention=0.9), found, None, 8.9)
        assert gate.status == "inconclusive"
        assert why in gate.message


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], "pass"),
        (["pass", "pass"], "pass"),
        (["pass", "inconclusive"], "inconclusive"),
        (["inconclusive", "fail", "pass"], "fail"),
    ],
)
def test_the_verdict_is_the_worst_gate(statuses: list[Status], expected: Status) -> None:
    gate = retention_gate(0.97)
    assert verdict([gate.model_copy(update={"status": status}) for status in statuses]) == expected


@given(st.floats(0.5, 1.2), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0.4, 1.3), st.integers(1, 10**6))
def test_an_open_gate_asks_for_more_rows_than_there_are(
    value: float, below: float, above: float, threshold: float, rows: int
) -> None:
    measured = Estimate(value, (value - below, value + above))
    found = fidelity(value, measured.ci).model_copy(update={"rows": rows})
    (gate,) = judge(Thresholds(min_retention=threshold), found, None, 1.0)
    assert gate.message.startswith("min_retention ")
    if gate.status == "inconclusive" and gate.rows_to_settle is not None:
        assert gate.rows_to_settle > rows
        assert gate.rows_to_settle == needed(measured, threshold, rows)


def test_the_rows_that_are_asked_for_do_settle_it() -> None:
    """Wilson's interval with that many rows and the same share just clears the threshold."""
    now = share_interval(93, 100)
    rows = needed(now, 0.90, 100)
    assert rows is not None
    assert now.ci[0] < 0.90
    later = share_interval(round(0.93 * rows), rows)
    assert later.ci[0] == pytest.approx(0.90, abs=0.01)

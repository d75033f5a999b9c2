"""An interrupt that a library swallowed still ends a run, at its next step."""

import os
import signal

import pytest

from compress.interrupt import noted_interrupts, stop_if_asked


class Swallows:
    """As a destructor does in which the signal happens to arrive."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_swallowed_interrupt_is_raised_at_the_next_step() -> None:
    before = signal.getsignal(signal.SIGINT)
    with noted_interrupts():
        lost = Swallows()
        del lost  # printed, not raised
        with pytest.raises(KeyboardInterrupt):
            stop_if_asked()
    stop_if_asked()  # forgotten once it was obeyed
    assert signal.getsignal(signal.SIGINT) is before


def test_without_an_interrupt_nothing_stops() -> None:
    with noted_interrupts():
        stop_if_asked()

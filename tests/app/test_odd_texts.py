"""Odd texts at the demo's named endpoints: an answer, or words that say why there is none."""

import json

import odd
import pytest

from app.endpoints import Endpoints, by_boxes
from app.subject import Subject
from serve.errors import InputError

SHORT = [name for name, text in odd.ODD.items() if text.strip() and len(text) <= 5_000]
TEXTS = odd.ODD | {f"half {number}": half for number, half in enumerate(odd.HALVES)}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("act", ["classify", "compare", "weigh"])
def test_an_answer_or_words(about: Subject, act: str, name: str) -> None:
    asked = by_boxes(getattr(Endpoints(about), act), about.form)
    if name in SHORT:
        json.dumps(asked(TEXTS[name]), allow_nan=False).encode()
        return
    with pytest.raises(InputError) as refused:
        asked(TEXTS[name])
    assert len(refused.value.found.split()) > 1
    assert refused.value.remedy

"""How right the words of an answer are, as the data sets of extractive question answering are scored.

SQuAD's way (Rajpurkar et al. 2016, section 6.1, and the script published with it): small letters, without punctuation,
articles and spare spaces; exact match, and F1 over the words that both have. CMRC 2018's way for Chinese (Cui et al.
2019, section 4, and its script): single characters, without punctuation; exact match, and F1 over the longest run of
characters that both have. Of several right answers the best counts.

Which way a row is scored its own context says: the Chinese one where most of its letters are Chinese or Japanese.
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

EXACT_MATCH, F1 = "exact_match", "f1"

_CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_CHARACTER = re.compile(f"[{_CHINESE}]")
_LETTERS = f"[^\\W{_CHINESE}]"
# Single characters where no spaces are written, elsewhere words and numbers, and single signs. CMRC's script cuts what
# is not Chinese with NLTK, which parts English contractions otherwise.
_SEGMENT = re.compile(f"[{_CHINESE}]|{_LETTERS}+(?:\\.{_LETTERS}+|,\\d{_LETTERS}*)*|[^\\w\\s]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SIGNS = frozenset(string.punctuation)
# What CMRC's script leaves out, and no other sign.
_CHINESE_SIGNS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』")  # noqa: RUF001  that is what they are


def is_chinese(context: str) -> bool:
    """Most of its letters are written without spaces: Chinese characters or kana."""
    characters = len(_CHARACTER.findall(context))
    return characters > 0 and 2 * characters >= sum(map(str.isalpha, context))


def answer_value(metric: str, answer: str, right: Sequence[str], *, chinese: bool = False) -> float:
    """How right an answer is, between 0 and 1: the best over the right answers; none of these means no answer."""
    value: Callable[[str, str], float]
    if metric == EXACT_MATCH:
        normal = _chinese_normal if chinese else _normal

        def value(given: str, gold: str) -> float:
            return float(normal(given) == normal(gold))
    else:
        value = _run_f1 if chinese else _word_f1
    return max((value(answer, gold) for gold in right or ("",)), default=0.0)


def answer_values(
    metric: str, answers: Sequence[str], right: Sequence[Sequence[str]], contexts: Sequence[str]
) -> NDArray[np.float64]:
    """`answer_value` of every row, (rows,)."""
    found = [
        answer_value(metric, answer, gold, chinese=is_chinese(context))
        for answer, gold, context in zip(answers, right, contexts, strict=True)
    ]
    return np.array(found, dtype=np.float64)


def _normal(text: str) -> str:
    kept = "".join(sign for sign in text.lower() if sign not in _SIGNS)
    return " ".join(_ARTICLES.sub(" ", kept).split())


def _word_f1(given: str, gold: str) -> float:
    ours, theirs = _normal(given).split(), _normal(gold).split()
    if not ours or not theirs:  # no answer is right or wrong, with nothing in between
        return float(ours == theirs)
    return _f1((Counter(ours) & Counter(theirs)).total(), len(ours), len(theirs))


def _chinese_normal(text: str) -> str:
    return "".join(sign for sign in text.lower().strip() if sign not in _CHINESE_SIGNS)


def _run_f1(given: str, gold: str) -> float:
    ours, theirs = (_SEGMENT.findall(_chinese_normal(text)) for text in (given, gold))
    if not ours or not theirs:
        return float(ours == theirs)
    return _f1(_longest_run(ours, theirs), len(ours), len(theirs))


def _longest_run(ours: Sequence[str], theirs: Sequence[str]) -> int:
    """Segments of the longest run that both have."""
    longest, before = 0, [0] * (len(theirs) + 1)
    for one in ours:
        row = [0, *(before[place] + 1 if one == other else 0 for place, other in enumerate(theirs))]
        longest = max(longest, *row)
        before = row
    return longest


def _f1(shared: int, ours: int, theirs: int) -> float:
    return 2 * shared / (ours + theirs) if shared else 0.0

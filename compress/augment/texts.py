"""The story of augmentation: words, candidates for their places, copies."""

from collections.abc import Callable, Sequence

from transformers import PreTrainedModel

from compress.augment.copies import copies_of
from compress.augment.masked_lm import Expected
from compress.augment.neighbours import Neighbours
from compress.augment.options import Augment
from compress.augment.vocabulary import embedding_table, read_vocabulary
from compress.augment.words import Choices, Words, read_words
from compress.errors import ModelError
from compress.models.trained import Trained

Candidates = Callable[[Sequence[Words]], list[list[Choices]]]

_TEXTS_AT_ONCE = 200


def augmented_texts(
    texts: Sequence[str],
    teacher: Trained,
    options: Augment,
    seed: int,
    advance: Callable[[int], None] | None = None,
    masked_lm: PreTrainedModel | None = None,
) -> list[str]:
    """New texts, at most `options.copies` of each; none is one of `texts`, and none stands there twice.

    A word that is one piece is substituted by what `masked_lm` expects in its place, or without such a model
    by one of its neighbours in the teacher's embeddings; words of several pieces, numbers and function words
    stay (they may be masked). What is not replaced keeps its capitals and spaces. Beyond the teacher's maximum
    length nothing is replaced.

    The copies of a text depend on this text and the seed alone: more texts do not reshuffle those that were
    there. `advance` is told how many of `texts` are done. Raises `ModelError` where words are to be masked and
    the tokenizer has no mask token, or where `masked_lm` has another vocabulary.
    """
    encoder = teacher.encoder
    special = set(map(int, teacher.tokenizer.all_special_ids))
    mask_token = _mask_token(teacher) if options.mask else None
    candidates = _candidates(teacher, options, masked_lm)
    seen = {text.strip() for text in texts}
    result: list[str] = []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        block = texts[start : start + _TEXTS_AT_ONCE]
        read = read_words(encoder, block, special)
        for words, choices in zip(read, candidates(read), strict=True):
            for copy in copies_of(words, choices, mask_token, options, seed):
                if copy.strip() not in seen:
                    seen.add(copy.strip())
                    result.append(copy)
        if advance is not None:
            advance(len(block))
    return result


def _candidates(teacher: Trained, options: Augment, masked_lm: PreTrainedModel | None) -> Candidates:
    if not options.substitute:
        return _nothing
    encoder = teacher.encoder
    vocabulary = read_vocabulary(encoder, len(embedding_table(teacher.model)))
    if masked_lm is None:
        return Neighbours(teacher.model, vocabulary, options.candidates)
    mask_id = encoder.token_to_id(_mask_token(teacher))
    assert mask_id is not None
    return Expected(masked_lm, vocabulary, mask_id, options.candidates, encoder.get_vocab_size())


def _nothing(texts: Sequence[Words]) -> list[list[Choices]]:
    return [[() for _ in words.words] for words in texts]


def _mask_token(teacher: Trained) -> str:
    token = teacher.tokenizer.mask_token
    if isinstance(token, str) and teacher.encoder.token_to_id(token) is not None:
        return token
    raise ModelError(
        "the teacher's tokenizer has no mask token, and augment masks words",
        "a mask token such as [MASK] in its vocabulary",
        "set augment.mask: 0, so that words are substituted alone",
    )

"""Which words may take a word's place, against plain numpy and against transformers' own pipeline."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import ARCHITECTURES
from tiny import tiny_rows
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForMaskedLM, BertForMaskedLM, PreTrainedModel, pipeline

from compress.augment import Augment, augmented_texts, masked_lm_of
from compress.augment.masked_lm import Expected, logits_at
from compress.augment.neighbours import Neighbours
from compress.augment.vocabulary import Vocabulary, in_the_case_of, read_vocabulary
from compress.augment.words import Words, read_words
from compress.errors import ModelError
from compress.models.trained import Trained

TEXTS = [text for text, _ in tiny_rows(12, seed=9)]


def vocabulary_of(trained: Trained) -> Vocabulary:
    return read_vocabulary(trained.encoder, trained.encoder.get_vocab_size())


def words_of(trained: Trained, texts: list[str]) -> list[Words]:
    return read_words(trained.encoder, texts, trained.tokenizer.all_special_ids)


@pytest.fixture(scope="module")
def masked_lm(teacher: Trained, tmp_path_factory: pytest.TempPathFactory) -> PreTrainedModel:
    """A random masked language model with the teacher's vocabulary, saved and opened again."""
    folder = tmp_path_factory.mktemp("masked-lm")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = BertForMaskedLM(teacher.model.config)
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.data.mul_(2)  # as initialised every place expects the same words
    model.save_pretrained(str(folder))
    teacher.tokenizer.save_pretrained(str(folder))
    opened = masked_lm_of(folder)
    assert opened is not None
    return opened


@pytest.mark.parametrize("count", [1, 5, 15])
@pytest.mark.parametrize("which", ["teacher", "byte_level"])
def test_neighbours_are_the_most_similar_embeddings(
    which: str, count: int, request: pytest.FixtureRequest
) -> None:
    trained: Trained = request.getfixturevalue(which)
    vocabulary = vocabulary_of(trained)
    weights = trained.model.get_input_embeddings().weight.detach().numpy().astype(np.float64)
    vectors = weights[vocabulary.ids]
    found = Neighbours(trained.model, vocabulary, count).of_words(vocabulary.surfaces)
    for place, surface in enumerate(vocabulary.surfaces):
        cosine = vectors @ vectors[place] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[place])
        others = [vocabulary.surfaces[int(row)] for row in np.argsort(-cosine)]
        expected = [other for other in others if other.lower() != surface.lower()][:count]
        assert list(found[place]) == expected


def test_neighbours_do_not_depend_on_what_is_asked_together(
    teacher: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary = vocabulary_of(teacher)
    together = Neighbours(teacher.model, vocabulary, 10).of_words(vocabulary.surfaces)
    monkeypatch.setattr("compress.augment.neighbours._CELLS", 3 * len(vocabulary.ids))
    assert Neighbours(teacher.model, vocabulary, 10).of_words(vocabulary.surfaces) == together
    few = Neighbours(teacher.model, vocabulary, 10)
    assert [few.of_words([surface])[0] for surface in vocabulary.surfaces] == together


def test_more_candidates_than_words_gives_all_others(teacher: Trained) -> None:
    vocabulary = vocabulary_of(teacher)
    found = Neighbours(teacher.model, vocabulary, 10_000).of_words(["goal"])[0]
    assert sorted(found) == sorted(set(vocabulary.surfaces) - {"goal"})


def test_expected_words_are_those_of_the_fill_mask_pipeline(
    teacher: Trained, masked_lm: PreTrainedModel
) -> None:
    vocabulary = vocabulary_of(teacher)
    mask_id = teacher.tokenizer.mask_token_id
    expected = Expected(masked_lm, vocabulary, mask_id, 7, teacher.encoder.get_vocab_size())
    fill = pipeline("fill-mask", model=masked_lm, tokenizer=teacher.tokenizer, top_k=len(teacher.tokenizer))
    checked, lists = 0, set()
    read = words_of(teacher, TEXTS)
    for words, choices in zip(read, expected(read), strict=True):
        for word, found in zip(words.words, choices, strict=True):
            if word.token is None:
                assert found == ()
                continue
            masked = f"{words.text[: word.start]}[MASK]{words.text[word.end :]}"
            ranked = [answer["token"] for answer in fill(masked)]
            whole = [
                vocabulary.surfaces[vocabulary.row_of_id[i]] for i in ranked if i in vocabulary.row_of_id
            ]
            assert list(found) == [other for other in whole if other != words.surface(word)][:7]
            checked += 1
            lists.add(found)
    assert checked > 40
    assert len(lists) > 10  # the place and its text matter


@pytest.mark.parametrize(
    "architecture", ["bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert"]
)
def test_logits_at_a_place_are_those_of_the_whole_text(architecture: str) -> None:
    torch.manual_seed(2)
    config = AutoConfig.for_model(architecture, **ARCHITECTURES[architecture])
    model = AutoModelForMaskedLM.from_config(config).eval()
    ids, places = torch.randint(5, 300, (4, 9)), torch.tensor([1, 7, 3, 3])
    found = logits_at(model, ids, places)
    with torch.inference_mode():
        whole = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits  # the hook is gone by now
    assert whole.shape[:2] == (4, 9)
    torch.testing.assert_close(found, whole[torch.arange(4), places], atol=1e-6, rtol=1e-4)


def test_a_masked_language_model_changes_which_words_come_and_nothing_else(
    teacher: Trained, masked_lm: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = Augment(copies=6, substitute=0.5, mask=0, ngram=0)
    copies = augmented_texts(TEXTS, teacher, options, seed=4, masked_lm=masked_lm)
    assert set(copies) != set(augmented_texts(TEXTS, teacher, options, seed=4))
    assert {word for copy in copies for word in copy.split()} <= {
        *vocabulary_of(teacher).surfaces,
        *" ".join(TEXTS).split(),
    }
    alone = [
        copy for text in TEXTS for copy in augmented_texts([text], teacher, options, 4, masked_lm=masked_lm)
    ]
    assert copies == [copy for copy in dict.fromkeys(alone) if copy not in TEXTS]


def test_a_model_without_the_head_is_none(
    teacher: Trained, masked_lm: PreTrainedModel, tmp_path: Path
) -> None:
    assert masked_lm_of(teacher.folder) is None
    masked_lm.base_model.save_pretrained(str(tmp_path))
    assert masked_lm_of(str(tmp_path)) is None
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    assert masked_lm_of(str(tmp_path)) is None  # what the config promises is not there
    with pytest.raises(ModelError, match="cannot be read as a masked language model") as caught:
        masked_lm_of(tmp_path / "nowhere")
    assert "augment.substitute: 0" in caught.value.remedy


def test_another_vocabulary_is_refused(teacher: Trained, masked_lm: PreTrainedModel) -> None:
    with pytest.raises(ModelError, match="the masked language model knows") as caught:
        Expected(masked_lm, vocabulary_of(teacher), 4, 5, teacher.encoder.get_vocab_size() + 1)
    assert "fine-tuned from" in caught.value.remedy


@pytest.mark.parametrize(
    ("text", "words", "replaceable"),
    [
        ("the goal, was GOOD!", ["the", "goal", "was", "GOOD"], ["goal", "GOOD"]),
        ("don't saw 3 'goal'", ["don't", "saw", "3", "goal"], ["saw"]),
        ("zzzq [MASK] soup", ["zzzq", "[MASK]", "soup"], ["soup"]),
        ("東京 hotel 🙂 — …", ["東", "京", "hotel"], ["hotel"]),
    ],
)
def test_words_and_which_of_them_may_be_substituted(
    text: str, words: list[str], replaceable: list[str], teacher: Trained
) -> None:
    (read,) = words_of(teacher, [text])
    assert [read.surface(word) for word in read.words] == words
    assert [read.surface(word) for word in read.words if word.token is not None] == replaceable


@pytest.mark.parametrize("split", [True, False])
def test_a_sentencepiece_tokenizer_has_words_too(split: bool) -> None:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(split=split)
    tokenizer.decoder = decoders.Metaspace()
    corpus = [text for text, _ in tiny_rows(500, seed=1)] + ['soup, "bread".'] * 20
    tokenizer.train_from_iterator(
        corpus,
        trainers.UnigramTrainer(
            vocab_size=90, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
        ),
    )
    (read,) = read_words(tokenizer, ['a Soup, bread and  "hotel".'], {0})
    assert [read.surface(word) for word in read.words] == ["a", "Soup", "bread", "and", "hotel"]
    assert [read.surface(word) for word in read.words if word.token is not None][:1] == ["bread"]
    assert {"soup", "bread"} < set(read_vocabulary(tokenizer, tokenizer.get_vocab_size()).surfaces)


def test_the_word_that_truncation_cut_is_left_alone(teacher: Trained) -> None:
    text = "soup " * 61 + "goalsoup soup"  # piece 62 is the last that is read, and the start of a word
    (read,) = words_of(teacher, [text])
    assert len(read.words) == 61


@pytest.mark.parametrize(
    ("written", "token", "replacement", "expected"),
    [
        ("Good", "good", "bad", "Bad"),
        ("GOOD", "good", "bad", "BAD"),
        ("good", "good", "bad", "bad"),
        ("Good", "Good", "bad", "bad"),
        ("café", "cafe", "bar", "bar"),
        ("Élan", "elan", "verve", "Verve"),
    ],
)
def test_capitals_come_back_where_the_tokenizer_takes_them_away(
    written: str, token: str, replacement: str, expected: str
) -> None:
    assert in_the_case_of(written, token, replacement) == expected

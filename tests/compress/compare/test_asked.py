"""What `compress compare` is asked for: lineups that are fair, and mistakes that are told."""

from typing import Any

import pytest

from compress.compare.asked import Lineup, parse_methods, parse_rates, parse_seeds
from compress.errors import UserError
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe

MATCH = {
    "method": "match",
    "matches": [{"feature": "hidden", "loss": "mse", "student_layer": 1, "teacher_layer": 2}],
}


def config(*stages: dict[str, Any]) -> RunConfig:
    recipe = {"data": {"path": "x"}, "teacher": {"model": "y"}, "student": {}, "distill": list(stages)}
    found = check_recipe(recipe)
    assert isinstance(found, RunConfig)
    return found


def names(text: str) -> list[str]:
    return [lineup.name for lineup in parse_methods(text)]


def test_the_plain_student_is_always_the_first() -> None:
    assert names("logits") == ["plain", "logits"]
    assert names(" logits , plain,theseus") == ["plain", "logits", "theseus"]


def test_what_trains_layers_alone_is_followed_by_logits() -> None:
    assert names("tinybert,minilm,tinybert+logits") == ["plain", "tinybert+logits", "minilm+logits"]
    assert names("logits+tinybert,theseus,distilbert,mutual") == [
        "plain",
        "logits+tinybert+logits",
        "theseus",
        "distilbert",
        "mutual",
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("logit", "did you mean 'logits'?"),
        ("tinybert+minlm", "did you mean 'minilm'?"),
        ("zzz", "some of logits, embedding, tinybert"),
        ("logits+", "names ''"),
        ("", "names no method"),
        ("plain", "names no method"),
    ],
)
def test_unknown_methods_are_told(text: str, says: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_methods(text)
    assert says in str(refused.value)


def test_seeds_are_a_count_or_a_list() -> None:
    assert parse_seeds("3") == 3
    assert parse_seeds("13,14, 20") == [13, 14, 20]
    assert parse_seeds("0,1") == [0, 1]


@pytest.mark.parametrize("text", ["0", "-1", "1,1", "1,-2", "", "x", "1,", "1.5", f"1,{2**32}"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match=r"a count \(3\) or different seeds"):
        parse_seeds(text)


def test_rates_are_numbers_or_none() -> None:
    assert parse_rates(None) == []
    assert parse_rates("5e-5, 1e-4,1") == [5e-5, 1e-4, 1.0]


@pytest.mark.parametrize("text", ["", "0", "-1e-5", "2", "x", "1e-4,", "nan", "inf"])
def test_rates_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="numbers between 0 and 1"):
        parse_rates(text)


def test_every_lineup_has_the_recipes_epochs() -> None:
    asked = config({"method": "tinybert", "epochs": 4}, {"method": "logits", "epochs": 2})
    for lineup in parse_methods("logits,tinybert,theseus,minilm+tinybert+logits"):
        stages = lineup.stages(asked)
        assert [stage.method for stage in stages] == list(lineup.methods)
        assert sum(stage.epochs for stage in stages) == pytest.approx(6)
        assert len({stage.epochs for stage in stages}) == 1


def test_a_method_of_the_recipe_keeps_its_options_and_others_have_the_last_stages_pace() -> None:
    pace = {"learning_rate": 2e-4, "batch_size": 8, "weight_decay": 0.0, "checkpoint_steps": 7}
    asked = config(
        {"method": "tinybert", "learning_rate": 9e-5, "layer_map": "top"},
        {"method": "logits", "temperature": 5, **pace},
    )
    by_name = {lineup.name: lineup.stages(asked) for lineup in parse_methods("tinybert,logits,theseus")}
    layers, logits = by_name["tinybert+logits"]
    assert (layers.learning_rate, layers.layer_map) == (9e-5, "top")  # type: ignore[union-attr]  # tinybert's
    assert logits.temperature == by_name["logits"][0].temperature == 5  # type: ignore[union-attr]  # logits'
    for name in ("plain", "theseus"):
        (stage,) = by_name[name]
        assert {key: getattr(stage, key) for key in pace} == pace


def test_a_method_that_needs_options_must_stand_in_the_recipe() -> None:
    (_, lineup) = parse_methods("match")
    with pytest.raises(UserError) as refused:
        lineup.stages(config({"method": "logits"}))
    assert "--methods names 'match', which needs matches" in str(refused.value)
    assert "add it there, or take another method" in str(refused.value)


def test_a_lineup_that_leaves_the_head_untrained_is_refused() -> None:
    """Nothing else would say so: its selection score would be none, hours later."""
    asked = config(MATCH, {"method": "logits"})
    with pytest.raises(UserError, match="does not train the head") as refused:
        Lineup("match", ("match",)).stages(asked)
    assert "give --methods match+logits" in str(refused.value)
    (_, lineup) = parse_methods("match+logits")
    assert [stage.method for stage in lineup.stages(asked)] == ["match", "logits"]
    heads = {"method": "match", "matches": [{"feature": "logits", "loss": "mse"}]}
    assert len(Lineup("match", ("match",)).stages(config(heads))) == 1

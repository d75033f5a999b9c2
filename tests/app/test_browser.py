"""The page in a real browser, as a person uses it."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Page


def see(page: "Page", text: str) -> None:
    """Wait until this can be read."""
    page.get_by_text(text).first.wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_person_types_and_sees_both_answers(page_url: str, opened: "Page", scheme: str) -> None:
    opened.emulate_media(color_scheme=scheme)
    opened.goto(page_url)
    opened.get_by_role("heading", name="tiny-sentiment").wait_for()
    opened.get_by_label("Text").fill("a warm story of no plot")
    opened.get_by_role("button", name="Compare").click()
    see(opened, "They disagree")
    assert "negative 69.0%" in opened.locator("#answers .teacher").inner_text()
    assert "positive" in opened.locator("#answers .student h2").inner_text()
    assert "on this server, median of" in opened.locator("#answers").inner_text()
    see(opened, "What speaks for positive")
    assert "\u201cwarm\u201d +" in opened.locator("#words").inner_text()

    # A test row, with the keyboard alone.
    opened.get_by_role("link", name="a dull film with no plot").focus()
    opened.keyboard.press("Enter")
    see(opened, "They agree on negative")
    assert opened.get_by_label("Text").input_value() == "a dull film with no plot"

    opened.get_by_label("Text").fill("")
    opened.get_by_role("button", name="Compare").click()
    see(opened, "type a text first")


def test_what_is_typed_is_shown_as_it_is(page_url: str, opened: "Page") -> None:
    evil = "${7*7} {{value}} <b>bold</b> good"
    opened.goto(page_url)
    opened.get_by_label("Text").fill(evil)
    opened.get_by_role("button", name="Compare").click()
    see(opened, "What speaks for")
    assert opened.locator("#words .words").first.inner_text().split() == evil.split()


@pytest.mark.parametrize(
    ("query", "text", "told"),
    [
        ("text=a+dull+%26+grim+film", "a dull & grim film", "The student says negative"),
        ("row=7", "stale and grim and silly", "They disagree"),
        ("row=99", "", "Both answers appear here"),
        ("row=-1&text=%3Cb%3Egood", "<b>good", "The student says positive"),
    ],
)
def test_a_link_opens_the_case_that_it_was_taken_from(
    page_url: str, opened: "Page", query: str, text: str, told: str
) -> None:
    opened.goto(f"{page_url}/?{query}")
    see(opened, told)
    assert opened.get_by_label("Text").input_value() == text
    if query == "row=7":
        assert opened.get_by_role("link", name="Link to this case").get_attribute("href") == "?row=7"


def test_a_disagreement_lands_in_the_comparison(page_url: str, opened: "Page") -> None:
    opened.goto(page_url)
    opened.get_by_role("tab", name="Disagreements").click()
    opened.get_by_label("They differ (2)").wait_for()
    rows = opened.locator("#rows li")
    assert rows.count() == 2
    assert "stale and grim and silly" in rows.first.inner_text()
    see(opened, "the report says 94.7% of 872")  # the figures of this report are made up

    opened.get_by_label("All rows (8)").check()
    see(opened, "8 rows.")
    # In another order, each still carries its own text.
    opened.get_by_label("Order").click()
    opened.get_by_role("option", name="Student most in doubt first").click()
    opened.wait_for_function("!document.querySelector('#rows li').innerText.includes('stale')")
    wanted = rows.nth(1).locator(".text").inner_text()
    opened.get_by_label("Search").fill(wanted[3:])
    see(opened, "1 row.")
    opened.get_by_label("Search").fill("")
    see(opened, "8 rows.")
    most = opened.get_by_role("slider", name="Student at most so sure")
    most.focus()
    most.press("Home")
    see(opened, "No test row is like that")
    most.press("End")
    see(opened, "8 rows.")
    rows.nth(1).click()
    opened.get_by_role("button", name="Compare").wait_for()
    see(opened, "They ")
    assert opened.get_by_label("Text").input_value() == wanted

    opened.get_by_role("tab", name="Disagreements").click()
    opened.get_by_label("Both wrong (0)").check()
    see(opened, "No test row is like that")


def test_a_file_is_answered_and_a_bad_one_is_told(page_url: str, opened: "Page", tmp_path: Path) -> None:
    opened.goto(page_url)
    opened.get_by_role("tab", name="Batch").click()
    source = tmp_path / "films.csv"
    source.write_text("a,b\n1,2\n")
    opened.locator("input[type=file]").set_input_files(source)
    opened.locator("#file").get_by_text("films", exact=True).wait_for()  # the name without its ending
    opened.get_by_role("button", name="Answer the file").click()
    see(opened, "films.csv has the columns 'a', 'b'")
    assert not opened.get_by_role("button", name="Download the answers").is_visible()

    opened.get_by_label("Clear").or_(opened.get_by_label("Remove")).first.click()
    source = tmp_path / "better.csv"
    source.write_text("text\na warm story of no plot\ngrim\n")
    opened.locator("input[type=file]").set_input_files(source)
    opened.locator("#file").get_by_text("better", exact=True).wait_for()  # the name without its ending
    opened.get_by_role("button", name="Answer the file").click()
    see(opened, "2 rows answered")
    see(opened, "agree on 0 of 1")
    with opened.expect_download() as downloading:
        opened.get_by_role("button", name="Download the answers").or_(
            opened.get_by_role("link", name="Download the answers")
        ).click()
    assert downloading.value.suggested_filename == "better-answers.csv"
    with Path(downloading.value.path()).open(encoding="utf-8", newline="") as stream:
        assert [row["student_label"] for row in csv.DictReader(stream)] == ["positive", "negative"]


def test_a_phone_shows_every_tab_without_sideways_scroll(page_url: str, opened: "Page") -> None:
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.goto(page_url)
    opened.get_by_label("Text").fill("good " * 40 + "x" * 300)
    opened.get_by_role("button", name="Compare").click()
    see(opened, "What speaks for")
    for tab in ("Compare", "Disagreements", "Batch", "Figures"):
        opened.get_by_role("tab", name=tab).click()
        if tab == "Disagreements":
            opened.locator("#rows li").first.wait_for()
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390, tab
        # What is cut off instead of scrolled would pass the line above.
        over = opened.eval_on_selector_all(
            "main *:not(.visually-hidden, .visually-hidden *)",
            """all => all.filter(one => one.checkVisibility() && one.getBoundingClientRect().right > 391)
                          .map(one => one.outerHTML.slice(0, 80))""",
        )
        assert over == [], tab

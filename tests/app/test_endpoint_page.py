"""A page over a running endpoint: its answers come from there, its metrics are drawn, its end is said."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from gradio_client import Client
from served import make_app, running

import app.launch
from app.launch import Reach, launch, show
from app.live import Watch
from app.page import build_page
from app.rows import Row
from app.subject import Watched, subject
from serve.client import Endpoint
from serve.errors import UserError
from serve.tasks import Answer, Classification

if TYPE_CHECKING:
    from playwright.sync_api import Browser


class Own:
    """The bundle's own file, told apart from the endpoint by its answer."""

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        return [
            Classification("negative", {"negative": 1.0, "positive": 0.0}, 1, truncated=False) for _ in inputs
        ]


@pytest.fixture
def pages(bundle_folder: Path, report: dict[str, Any], rows: list[Row]) -> Iterator[tuple[str, str]]:
    """The page's address and the endpoint's."""
    with running(make_app(bundle_folder)) as address:
        endpoint = Endpoint(address)
        watched = Watched(endpoint, Watch(endpoint.metrics, least_seconds=0.1), is_this_bundle=True)
        page = build_page(subject("t", report, rows, Own(), watched=watched))
        yield launch(page, Reach(port=0)), address
        page.close(verbose=False)
        endpoint.close()


def test_texts_go_to_the_endpoint_and_test_rows_to_the_bundle(pages: tuple[str, str]) -> None:
    client = Client(pages[0], verbose=False)
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(named) == ["/batch", "/classify", "/compare", "/disagreements", "/weigh"]
    found = client.predict("a good film", api_name="/compare")
    assert found["student"]["label"] == "positive"
    assert found["student"]["tokens"] == 5
    answered = client.predict(kind="all", api_name="/disagreements")["rows"]
    assert {row["student"]["label"] for row in answered} == {"negative"}
    # Ten times the text that was compared: the test rows were not sent.
    assert 'compress_texts_total{model="tiny-sentiment"} 10.0' in httpx.get(f"{pages[1]}/metrics").text


def test_its_metrics_are_drawn(pages: tuple[str, str], browser: "Browser") -> None:
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(pages[0])
    page.get_by_role("tab", name="Live").click()
    page.get_by_text("answers", exact=True).wait_for()
    for _ in range(3):
        httpx.post(f"{pages[1]}/predict", json={"inputs": [["good"]] * 5})
    page.get_by_text("15", exact=True).wait_for()  # texts in all
    page.locator("#live svg").wait_for()
    page.close()


def test_an_endpoint_with_other_labels_is_refused(bundle_folder: Path) -> None:
    class Other:
        url = "http://x"
        labels = ("spam", "ham")

    with pytest.raises(UserError, match="spam, ham"):
        show(bundle_folder, endpoint=Other(), reach=Reach(port=0))  # type: ignore[arg-type]


def test_a_page_may_speak_mcp(bundle_folder: Path, report: dict[str, Any]) -> None:
    pytest.importorskip("mcp", reason="the extra [mcp] is not installed")
    page = build_page(subject("t", report, [], Own()))
    url = launch(page, Reach(port=0, mcp=True))
    tools = {tool["name"] for tool in httpx.get(f"{url}/gradio_api/mcp/schema").json()}
    assert {"classify", "compare", "weigh", "disagreements", "batch"} <= tools
    assert (
        httpx.get(f"{url}/gradio_api/mcp/schema", headers={"origin": "http://evil.example"}).status_code
        == 403
    )
    page.close(verbose=False)


def test_nothing_speaks_mcp_unless_asked(page_url: str) -> None:
    assert httpx.get(f"{page_url}/gradio_api/mcp/schema").status_code == 404
    assert app.launch.Reach().mcp is False

"""A running endpoint, looked at every two seconds."""

import gradio as gr

from app.subject import Watched
from app.views.live import live

_SECONDS = 2.0


class LiveTab:
    """What the endpoint of the command line does now.

    Its address is not typed here: a page that may choose whom its server asks could make it ask anything.
    """

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        shown = gr.HTML(self._look(), elem_id="live")
        gr.Timer(_SECONDS).tick(self._look, outputs=shown, api_visibility="private", show_progress="hidden")

    def _look(self) -> str:
        endpoint, watch = self._watched.endpoint, self._watched.watch
        looks = watch.look()
        return live(
            endpoint.url, endpoint.info, looks, watch.failure, is_this_bundle=self._watched.is_this_bundle
        )

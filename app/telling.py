"""What becomes of a person's mistake: our three parts in the page's own notice, and in the client's error."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import gradio as gr

from serve.errors import UserError

_Asked = ParamSpec("_Asked")
_Told = TypeVar("_Told")


def told(act: Callable[_Asked, _Told]) -> Callable[_Asked, _Told]:
    """`act`, whose `UserError` is shown to whoever asked, without a traceback in the log."""

    @functools.wraps(act)
    def acting(*args: _Asked.args, **kwargs: _Asked.kwargs) -> _Told:
        try:
            return act(*args, **kwargs)
        except UserError as error:
            message = f"Found {error.found}; expected {error.expected}. To do: {error.remedy}."
            raise gr.Error(message, title="Not done", print_exception=False) from None

    return acting

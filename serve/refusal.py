"""What the endpoint says when it does not answer: a status, a word for programs, a sentence for people."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.responses import JSONResponse


OPENAI = "/v1/"  # under which its routes lie


class Refusal(Exception):  # noqa: N818  it is an answer, and not every one of them an error
    """A request that is not answered.

    `message` is shown to the client, so it holds neither paths nor anything of the server's inside.
    """

    def __init__(self, status: int, error_type: str, message: str, retry_after_s: int = 1) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        self.error_type = error_type
        self.message = message
        super().__init__(message)

    def response(self, path: str = "") -> "JSONResponse":
        """As JSON: `{"error": message, "error_type": word}`; on OpenAI's paths nested, as its clients read it."""
        # Imported here: what answers without a network refuses nothing, and should start soon.
        from starlette.responses import JSONResponse

        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if self.status in (429, 503):
            headers["Retry-After"] = str(self.retry_after_s)
        if self.status in (408, 413):
            # The rest of the body may still be on its way, so the connection cannot be used again.
            headers["Connection"] = "close"
        content: dict[str, object] = {"error": self.message, "error_type": self.error_type}
        if path.startswith(OPENAI):
            told = {"message": self.message, "type": self.error_type, "param": None, "code": None}
            content = {"error": told}
        return JSONResponse(content, self.status, headers)

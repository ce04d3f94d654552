"""Headers of every answer: what a browser may load, keep and embed."""

from flask import Flask, Response, request

from platform_booking.web.actor import is_asset, optional_actor

CSP = (
    "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self';"
    " object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def init_app(app: Flask) -> None:
    """Set the headers."""
    app.after_request(_guard)


def _guard(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = CSP
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if is_asset(request.endpoint):
        return response
    if not response.cache_control.private:  # a feed has said itself how long it is good
        response.headers["Cache-Control"] = (
            "no-store, private" if optional_actor() else "no-store"
        )
    response.vary.update(("Cookie", "Accept-Language"))
    return response

"""Lists on the wire: `?limit=50&offset=0`, answered as `{items, total, next}`."""

from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from marshmallow import Schema, fields, post_load, validate

from platform_booking.web.schemas import StrictSchema


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    limit: int = 50
    offset: int = 0


class PageArgs(StrictSchema):
    """Query arguments of a list. Lists with filters derive from it."""

    limit = fields.Integer(load_default=50, validate=validate.Range(min=1, max=200))
    offset = fields.Integer(load_default=0, validate=validate.Range(min=0, max=1_000_000))

    @post_load
    def page(self, data: dict[str, Any], **_: object) -> dict[str, Any]:
        """Put limit and offset into one `page`; filters stay beside it."""
        data["page"] = Page(limit=data.pop("limit"), offset=data.pop("offset"))
        return data


def envelope(item: type[Schema]) -> type[Schema]:
    """Return the schema of a page of items."""
    name = f"{item.__name__.removesuffix('Schema')}PageSchema"
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item), required=True),
            "total": fields.Integer(required=True),
            "next": fields.String(allow_none=True, required=True),
        },
        name=name,
    )


def paged(items: list[Any], *, total: int, page: Page) -> dict[str, Any]:
    """Return the envelope's content, with the address of the next page."""
    after = page.offset + page.limit
    following = None
    if after < total:
        args = request.args.to_dict() | {"limit": str(page.limit), "offset": str(after)}
        following = url_for(request.endpoint or "", **(request.view_args or {}) | args)
    return {"items": items, "total": total, "next": following}

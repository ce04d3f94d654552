"""The columns of a table of bookings: what they are called, in files that come and go."""

from collections.abc import Iterable

from flask_babel import gettext as _

READ: dict[str, tuple[str, ...]] = {
    "resource": ("资源", "设备"),
    "starts_at": ("开始", "开始时间"),
    "ends_at": ("结束", "结束时间"),
    "quantity": ("数量",),
    "organisation": ("单位",),
    "project": ("项目",),
    "recipe": ("菜单", "程式"),
    "run": ("班次",),
    "wafer_mm": ("晶圆尺寸",),
    "class_rank": ("沾污等级",),
    "flags": ("材料标记",),
    "buddy": ("同伴",),
    "reason": ("理由",),
}
"""What an import understands, with the Chinese names that it takes, too."""

REQUIRED = ("resource", "starts_at", "ends_at")
TOLD = (
    "id", "run_load", "cost_share", "state", "platform", "source", "member", "created_at",
    "updated_at",
)  # fmt: skip
"""What an export says beside; an import passes it over."""

FIELDS = {
    "resource_id": "resource",
    "organisation_id": "organisation",
    "project_id": "project",
    "recipe_id": "recipe",
    "occurrence_id": "run",
    "buddy_id": "buddy",
    "override_reason": "reason",
}
"""A rule's field by the column that it was read from; the others are called alike."""

WRITTEN = (
    "id", "resource", "starts_at", "ends_at", "quantity", "organisation", "project",
    "recipe", "run", "wafer_mm", "class_rank", "flags", "buddy",
    "run_load", "cost_share", "state", "platform", "source", "member", "created_at",
    "updated_at",
)  # fmt: skip

_KNOWN = {alias: name for name, aliases in READ.items() for alias in (name, *aliases)}


def known(heading: str) -> str | None:
    """Return the column that a heading names; None for none that is known."""
    cleaned = heading.strip().lower().lstrip("\ufeff")
    if cleaned in TOLD:
        return ""
    return _KNOWN.get(cleaned)


def explained() -> Iterable[tuple[str, str]]:
    """Yield each column of an import with what goes into it."""
    yield "resource", _("code of the resource; required")
    yield (
        "starts_at",
        _("as 2027-03-08 09:00, in the park’s time unless it says another; required"),
    )
    yield "ends_at", _("likewise; required")
    yield "quantity", _("whole number; 1 if empty")
    yield "project", _("code of the project")
    yield "recipe", _("code of the recipe; required on furnaces")
    yield "run", _("code of the dated run; required on shuttles and classes")
    yield "wafer_mm", _("diameter of the wafers in mm; required on tools that take wafers")
    yield "class_rank", _("contamination class of the wafers, as a number")
    yield "flags", _("materials on the wafers, separated by spaces")
    yield "buddy", _("e-mail of the second person at off-hours")
    yield "organisation", _("name or registration number; only for the platform’s staff")
    yield "reason", _("why soft rules are set aside; only for the platform’s staff")

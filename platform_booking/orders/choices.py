"""What the order form offers to choose from, read in a constant number of statements."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.accounts.models import Project
from platform_booking.catalog.models import (
    Capability,
    MaterialFlag,
    MaterialsClass,
    Platform,
    Resource,
    ResourceCapability,
    RouteStep,
    RouteTemplate,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Something with a code and a name in both languages."""

    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolChoice(Choice):
    """A resource in service, with the codes of what it can do."""

    capabilities: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice(Choice):
    """A route template."""

    steps: int
    lot_size: int
    wafer_mm: int | None


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Everything that the form offers; groups go by platform, in the park's order."""

    routes: Sequence[tuple[Choice, Sequence[RouteChoice]]]
    capabilities: Sequence[tuple[Choice, Sequence[Choice]]]
    tools: Sequence[tuple[Choice, Sequence[ToolChoice]]]
    classes: Sequence[Choice]
    flags: Sequence[Choice]
    sizes: Sequence[int]  # of wafers, mm
    projects: Sequence[tuple[UUID, str]]

    @cached_property
    def by_tool(self) -> Mapping[str, ToolChoice]:
        """The resources by code."""
        return {tool.code: tool for _, tools in self.tools for tool in tools}


def read_choices(session: Session, *, organisation_id: int | None) -> Choices:
    """Read what an order may name, and the organisation's projects."""
    platforms = {
        row.id: Choice(code=row.code, name_zh=row.name_zh, name_en=row.name_en)
        for row in session.execute(
            sa.select(
                Platform.id, Platform.code, Platform.name_zh, Platform.name_en
            ).order_by(Platform.position, Platform.id)
        )
    }
    names = {
        row.id: Choice(code=row.code, name_zh=row.name_zh, name_en=row.name_en)
        for row in session.execute(
            sa.select(
                Capability.id, Capability.code, Capability.name_zh, Capability.name_en
            ).order_by(Capability.code)
        )
    }
    can: dict[int, list[int]] = defaultdict(list)
    for resource_id, capability_id in session.execute(
        sa.select(
            ResourceCapability.resource_id, ResourceCapability.capability_id
        ).order_by(ResourceCapability.capability_id)
    ):
        can[resource_id].append(capability_id)
    rows = session.execute(
        sa.select(
            Resource.id,
            Resource.platform_id,
            Resource.code,
            Resource.name_zh,
            Resource.name_en,
            Resource.wafer_mm,
        )
        .where(Resource.active)
        .order_by(Resource.code)
    ).all()
    tools: dict[int, list[ToolChoice]] = defaultdict(list)
    able: dict[int, set[int]] = defaultdict(set)
    for row in rows:
        tools[row.platform_id].append(
            ToolChoice(
                code=row.code,
                name_zh=row.name_zh,
                name_en=row.name_en,
                capabilities=tuple(names[c].code for c in can[row.id]),
            )
        )
        able[row.platform_id].update(can[row.id])
    return Choices(
        routes=_routes(session, platforms),
        capabilities=_grouped(platforms, able, names),
        tools=[(p, tools[i]) for i, p in platforms.items() if tools[i]],
        classes=[
            Choice(code=row.code, name_zh=row.name_zh, name_en=row.name_en)
            for row in session.scalars(
                sa.select(MaterialsClass).order_by(MaterialsClass.rank)
            )
        ],
        flags=[
            Choice(code=row.code, name_zh=row.name_zh, name_en=row.name_en)
            for row in session.scalars(sa.select(MaterialFlag).order_by(MaterialFlag.code))
        ],
        sizes=sorted({size for row in rows for size in row.wafer_mm}),
        projects=[
            (row.public_id, f"{row.code} · {row.name}")
            for row in session.execute(
                sa.select(Project.public_id, Project.code, Project.name)
                .where(Project.organisation_id == organisation_id, Project.active)
                .order_by(Project.code)
            )
        ],
    )


def _grouped(
    platforms: Mapping[int, Choice],
    able: Mapping[int, set[int]],
    names: Mapping[int, Choice],
) -> list[tuple[Choice, list[Choice]]]:
    """Return each capability under the first platform that has it."""
    groups: list[tuple[Choice, list[Choice]]] = []
    seen: set[int] = set()
    for platform_id, platform in platforms.items():
        fresh = [i for i in names if i in able.get(platform_id, ()) and i not in seen]
        seen.update(fresh)
        if fresh:
            groups.append((platform, [names[i] for i in fresh]))
    return groups


def _routes(
    session: Session, platforms: Mapping[int, Choice]
) -> list[tuple[Choice, list[RouteChoice]]]:
    steps = dict(
        session.execute(
            sa.select(RouteStep.route_id, sa.func.count()).group_by(RouteStep.route_id)
        ).all()
    )
    by_code = {platform.code: platform for platform in platforms.values()}
    groups: dict[str, list[RouteChoice]] = defaultdict(list)
    for row in session.execute(
        sa.select(
            RouteTemplate.id,
            RouteTemplate.code,
            RouteTemplate.name_zh,
            RouteTemplate.name_en,
            RouteTemplate.platform_codes,
            RouteTemplate.lot_size,
            RouteTemplate.wafer_mm,
        )
        .where(RouteTemplate.active)
        .order_by(RouteTemplate.code)
    ):
        home = next((code for code in row.platform_codes if code in by_code), "")
        groups[home].append(
            RouteChoice(
                code=row.code,
                name_zh=row.name_zh,
                name_en=row.name_en,
                steps=steps.get(row.id, 0),
                lot_size=row.lot_size,
                wafer_mm=row.wafer_mm,
            )
        )
    nowhere = Choice(code="", name_zh="其他", name_en="Other")
    ordered = [*by_code, ""]
    return [(by_code.get(c, nowhere), groups[c]) for c in ordered if groups[c]]

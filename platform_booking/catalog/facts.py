"""What the page of one resource tells beside its own row."""

from collections import defaultdict
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from platform_booking.catalog.models import (
    Capability,
    ChangeoverTime,
    MaterialFlag,
    MaterialsClass,
    Qualification,
    Recipe,
    Resource,
)


@dataclass(frozen=True, slots=True)
class RecipeGroup:
    """Recipes that differ in nothing but the class of their loads."""

    capability: Capability
    wafer_mm: int | None
    duration_min: int
    capacity: int
    min_load: int
    family: str | None
    classes: tuple[MaterialsClass, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What belongs to a resource."""

    materials_class: MaterialsClass
    flags: tuple[MaterialFlag, ...] | None  # that it may see; None for any
    qualification: Qualification | None
    recipes: tuple[RecipeGroup, ...]
    changeovers: tuple[ChangeoverTime, ...]


def facts(session: Session, of: Resource) -> Facts:
    """Return what belongs to a resource."""
    classes = {row.rank: row for row in session.scalars(sa.select(MaterialsClass))}
    flags = None
    if of.flags_allowed is not None:
        flags = tuple(
            session.scalars(
                sa.select(MaterialFlag)
                .where(MaterialFlag.code.in_(of.flags_allowed))
                .order_by(MaterialFlag.code)
            )
        )
    return Facts(
        materials_class=classes[of.class_rank],
        flags=flags,
        qualification=session.get(Qualification, of.qualification_id)
        if of.qualification_id is not None
        else None,
        recipes=tuple(_recipes(session, of, classes)),
        changeovers=tuple(
            session.scalars(
                sa.select(ChangeoverTime)
                .filter_by(resource_id=of.id)
                .order_by(ChangeoverTime.before, ChangeoverTime.after)
            )
        ),
    )


def _recipes(
    session: Session, of: Resource, classes: dict[int, MaterialsClass]
) -> list[RecipeGroup]:
    groups: dict[tuple[object, ...], list[tuple[Recipe, Capability]]] = defaultdict(list)
    rows = session.execute(
        sa.select(Recipe, Capability)
        .join(Capability, Capability.id == Recipe.capability_id)
        .where(Recipe.resource_id == of.id, Recipe.active)
        .order_by(Capability.code, Recipe.wafer_mm, Recipe.duration_min, Recipe.class_rank)
    )
    for recipe, capability in rows:
        key = (
            capability.id, recipe.wafer_mm, recipe.duration_min, recipe.capacity,
            recipe.min_load, recipe.family,
        )  # fmt: skip
        groups[key].append((recipe, capability))
    return [
        RecipeGroup(
            capability=group[0][1],
            wafer_mm=group[0][0].wafer_mm,
            duration_min=group[0][0].duration_min,
            capacity=group[0][0].capacity,
            min_load=group[0][0].min_load,
            family=group[0][0].family,
            classes=tuple(
                classes[rank] for rank in sorted({recipe.class_rank for recipe, _ in group})
            ),
        )
        for group in groups.values()
    ]

"""Limits on the wire: those of a catalogue file, see `docs/catalogue-format.md`."""

from marshmallow import Schema, fields


class PresetSchema(Schema):
    """A set of limits that has a name."""

    code = fields.String(required=True)
    policy = fields.Dict(required=True, metadata={"description": "its limits"})
    resources = fields.Integer(
        required=True, metadata={"description": "in service, that have its name"}
    )

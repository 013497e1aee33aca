"""A table's columns over time: what they were called before, which are gone, which became wider.

It lies in the table's own schema, as metadata of its fields, so that each version of the table shows the columns as they
were then. Files are never rewritten: a renamed column is one under two physical names, of which each file holds one at
the most; a wider type is what a reader casts an older file to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from airloop.data.schema import formerly, older_names
from airloop.errors import DataError

#: A field's metadata, beside its older names: that no row has it any more.
GONE: Final = b"airloop.gone"


def shown(schema: pa.Schema) -> list[str]:
    """The columns that a table shows: not those that are gone, or that have another name by now."""
    renamed = {name for field in schema for name in older_names(field)}
    return [
        field.name
        for field in schema
        if GONE not in (field.metadata or {}) and field.name not in renamed
    ]


def sources(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """The physical columns that hold what each name stands for, of every name that a table's columns have or had.

    An older name stands for what its column is called now: a model that was trained before asks by it.
    """
    found: dict[str, tuple[str, ...]] = {name: (name,) for name in schema.names}
    for field in schema:
        older = older_names(field)
        chain = [name for name in (field.name, *older) if name in schema.names] if older else []
        for name in (field.name, *older) if older else ():
            found[name] = tuple(dict.fromkeys((*found.get(name, ()), *chain)))
    return found


def gathered(batch: pa.RecordBatch, chain: Sequence[str]) -> pa.Array:
    """A column of a batch of physical columns: the first of its names under which a row has a value."""
    columns = [batch.column(name) for name in chain]
    wide = columns[0].type
    for one in columns[1:]:
        if not fits(wide, one.type):
            wide = one.type
    values, *others = (one.cast(wide) for one in columns)
    return pc.coalesce(values, *others) if others else values


def evolved(now: pa.Schema, rows: pa.Schema, *, whole: bool, where: str) -> pa.Schema:
    """The schema of a table once it holds rows of another: every column that was, and those that are new.

    :param rows: their fields tell what they were called before
    :param whole: whether the rows have all columns of the table, so that one they lack is gone
    :raises DataError: if a column of the rows does not fit what the table holds under its names
    """
    fields = {field.name: field for field in now}
    former = {name for field in now for name in older_names(field)}
    for field in rows:
        told = older_names(field)
        if field.name in former:
            _part(fields, field.name, told, where)
        before = [name for name in told if name in fields]
        if whole and field.name not in fields and told and not before:
            raise DataError(
                f"`was` of the column {field.name} names none that the lake ever had",
                value=", ".join(told),
                where=where,
                remedy="correct the old name, or leave `was` out for a new column",
                valid=shown(now),
            )
        for name in (field.name, *before):
            if name in fields:
                _check_fits(fields[name], field, where)
        fields[field.name] = _joined(fields.get(field.name), field, before)
    hidden = {name for field in fields.values() for name in older_names(field)}
    if whole:
        for name in fields.keys() - set(rows.names) - hidden:
            fields[name] = _marked(fields[name], GONE, b"true")
    return pa.schema([fields[name] for name in dict.fromkeys((*now.names, *rows.names))])


def fits(wide: pa.DataType, narrow: pa.DataType) -> bool:
    """Whether each value of the narrower type is one of the wider."""
    if _is_text(wide) and _is_text(narrow):
        return True
    if wide.equals(narrow):
        return True
    if pa.types.is_floating(wide) and pa.types.is_integer(narrow):
        return True
    if pa.types.is_list(wide) and pa.types.is_list(narrow):
        return bool(wide.value_type == narrow.value_type)
    if pa.types.is_decimal(wide) and pa.types.is_decimal(narrow):
        whole = wide.precision - wide.scale >= narrow.precision - narrow.scale
        return bool(whole and wide.scale >= narrow.scale)
    same_kind = (pa.types.is_integer, pa.types.is_floating)
    return any(is_(wide) and is_(narrow) for is_ in same_kind) and wide.bit_width > narrow.bit_width


def _part(fields: dict[str, pa.Field], name: str, told: Sequence[str], where: str) -> None:
    """Take a name away from the column that was called so before, if it had it in no file or gives its rows back."""
    for other in list(fields.values()):
        older = older_names(other)
        if name not in older:
            continue
        if name in fields and other.name not in told:
            raise DataError(
                f"older partitions hold {other.name} under the name {name}",
                value=name,
                where=where,
                remedy="give the new column another name",
            )
        plain = pa.field(other.name, other.type)
        fields[other.name] = formerly(plain, [one for one in older if one != name])


def _check_fits(there: pa.Field, field: pa.Field, where: str) -> None:
    if not fits(field.type, there.type):
        raise DataError(
            f"the column {there.name} is {there.type} in the lake, which cannot become {field.type}",
            value=str(field.type),
            where=where,
            remedy="a whole number may become a float; give another type another name",
        )


def _joined(there: pa.Field | None, field: pa.Field, before: Sequence[str]) -> pa.Field:
    """A column as it is from now on: of the newer type, with all its older names, and not gone."""
    older = (*before, *(older_names(there) if there is not None else ()))
    text = there is not None and _is_text(there.type) and _is_text(field.type)
    plain = pa.field(field.name, there.type if there is not None and text else field.type)
    return formerly(plain, tuple(dict.fromkeys(older)))


def _marked(field: pa.Field, key: bytes, value: bytes) -> pa.Field:
    return field.with_metadata({**(field.metadata or {}), key: value})


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )

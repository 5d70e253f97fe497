"""Write the tables of index-format.md from their definition: `python docs/make_format.py`."""

from __future__ import annotations

import re
from pathlib import Path

from vecsim.catalog.migrations import CATALOG, THUMBNAILS, Schema
from vecsim.catalog.table import Column, Table

PAGE = Path(__file__).with_name("index-format.md")


def with_tables(page: str) -> str:
    """Return the page with the part between each pair of markers written anew."""
    for name, schema in (("catalog.db", CATALOG), ("thumbnails.db", THUMBNAILS)):
        begin, end = f"<!-- tables of {name} -->", f"<!-- end of tables of {name} -->"
        text = f"{begin}\n\n{_tables(schema)}\n\n{end}"
        page = re.sub(f"{begin}.*{end}", lambda match, text=text: text, page, flags=re.DOTALL)
    return page


def _tables(schema: Schema) -> str:
    lines = ["| table | column | type | format | meaning |", "|---|---|---|---|---|"]
    for table in schema.tables:
        lines += [_line(table, column) for column in table.columns]
    return "\n".join(lines)


def _line(table: Table, column: Column) -> str:
    first = f"`{table.name}`" if column is table.columns[0] else ""
    null = " or null" if column.nullable and column.name != table.key else ""
    return (
        f"| {first} | `{column.name}` | {column.type}{null} | {column.since} | {column.meaning} |"
    )


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")

"""A Jupyter kernel that speaks DuckDB's SQL over the room's data files.

Each file in ``data/`` is a view named after it: ``data/sales.csv`` is ``sales``. A cell holds one
statement or several; each that has rows shows them. SQL has no way to draw or to ask for input, so
``%chart bar x y`` draws two columns of the last result, and there is no ``input``.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import duckdb
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

DATA = Path("data")
SHOWN_ROWS = 200
SHOWN_CHARACTERS = 500
READERS = {
    ".csv": "read_csv_auto",
    ".tsv": "read_csv_auto",
    ".parquet": "read_parquet",
    ".json": "read_json_auto",
    ".jsonl": "read_json_auto",
    ".ndjson": "read_json_auto",
}
CHART = re.compile(r"^%chart\s+(bar|line|point|area)\s+(\S+)\s+(\S+)\s*$", re.MULTILINE)
COMMAND = re.compile(r"^%\w+", re.MULTILINE)
WORD = re.compile(r"[\w.]*$")
SETTINGS = {
    "threads": 1,
    "memory_limit": "600MB",
    "temp_directory": "/tmp/duckdb",
    # There is no network: say so at once instead of after a failed download.
    "autoinstall_known_extensions": False,
}

Answer = dict[str, Any]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class Table:
    """The rows of one result, as far as they are shown."""

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        self.columns = columns
        self.more = len(rows) > SHOWN_ROWS
        self.values = rows[:SHOWN_ROWS]
        self.rows = [[self.shown(value) for value in row] for row in self.values]

    @staticmethod
    def shown(value: object) -> str:
        text = "NULL" if value is None else str(value)
        return text if len(text) <= SHOWN_CHARACTERS else text[: SHOWN_CHARACTERS - 1] + "…"

    @property
    def note(self) -> str:
        if self.more:
            return f"the first {SHOWN_ROWS} rows"
        return f"{len(self.rows)} row{'' if len(self.rows) == 1 else 's'}"

    def as_text(self) -> str:
        lines = [self.columns, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        shown = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) for line in lines]
        return "\n".join([*(line.rstrip() for line in shown), f"({self.note})"])

    def as_html(self) -> str:
        head = "".join(f"<th>{html.escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
            for row in self.rows
        )
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{self.note}</p>"
        )

    def as_chart(self, mark: str, x: str, y: str) -> Answer:
        for name in (x, y):
            if name not in self.columns:
                raise ValueError(f"The last result has no column {name}; it has {self.columns}.")
        picked = [self.columns.index(x), self.columns.index(y)]
        rows = [dict(zip((x, y), (row[i] for i in picked), strict=True)) for row in self.values]
        numeric = all(isinstance(row[x], int | float) for row in rows) and mark != "bar"
        return {
            "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
            "data": {"values": json.loads(json.dumps(rows, default=str))},
            "mark": mark,
            "encoding": {
                "x": {"field": x, "type": "quantitative" if numeric else "nominal", "sort": None},
                "y": {"field": y, "type": "quantitative"},
            },
        }


class SqlKernel(Kernel):  # type: ignore[misc]  # ipykernel is in the image only
    """One database in memory."""

    implementation = "interview-sql"
    implementation_version = "1"
    banner = f"DuckDB {duckdb.__version__}"
    language_info = {  # noqa: RUF012  (the base's)
        "name": "sql",
        "version": duckdb.__version__,
        "mimetype": "text/x-sql",
        "file_extension": ".sql",
        "codemirror_mode": "sql",
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.database = duckdb.connect(":memory:", config=SETTINGS)
        self.last: Table | None = None
        self.known: set[str] = set()

    # -- the data files ---------------------------------------------------------------------

    def add_views(self) -> None:
        """A view for each data file that has come since; one a cell has replaced stays replaced."""
        for path in sorted(DATA.glob("*")) if DATA.is_dir() else []:
            reader = READERS.get(path.suffix.lower())
            if reader is None or path.name in self.known:
                continue
            self.known.add(path.name)
            source = str(path).replace("'", "''")
            try:
                self.database.execute(
                    f"CREATE VIEW IF NOT EXISTS {quoted(path.stem)} AS "  # noqa: S608
                    f"SELECT * FROM {reader}('{source}')"
                )
            except duckdb.Error as error:
                self.say(f"{path} cannot be read as a table: {error}\n")

    # -- what Jupyter asks ------------------------------------------------------------------

    def do_execute(self, code: str, silent: bool, **_: Any) -> Answer:  # noqa: FBT001
        """See ipykernel."""
        try:
            self.add_views()
            self.run(code, silent=silent)
        except KeyboardInterrupt:
            return self.fail("KeyboardInterrupt", "The statement was interrupted.")
        except (duckdb.Error, RuntimeError, ValueError) as error:
            if "interrupted" in str(error).lower():
                return self.fail("KeyboardInterrupt", "The statement was interrupted.")
            return self.fail(type(error).__name__, str(error))
        return {
            "status": "ok",
            "execution_count": self.execution_count,
            "payload": [],
            "user_expressions": {},
        }

    def run(self, code: str, *, silent: bool) -> None:
        """Run the statements, then draw the charts."""
        charts = CHART.findall(code)
        command = COMMAND.search(CHART.sub("", code))
        if command is not None:
            raise ValueError(
                f"There is no {command[0]}: SQL cannot ask for input, and the one command beside "
                "its statements is %chart, such as: %chart bar town amount"
            )
        for statement in self.database.extract_statements(CHART.sub("", code)):
            self.database.execute(statement)
            if self.database.description is None:
                continue
            rows = self.database.fetchmany(SHOWN_ROWS + 1)
            self.last = Table([column[0] for column in self.database.description], rows)
            if not silent:
                self.show({"text/plain": self.last.as_text(), "text/html": self.last.as_html()})
        for mark, x, y in charts:
            if self.last is None:
                raise ValueError("There is no result to draw yet.")
            chart = self.last.as_chart(mark, x, y)
            self.show(
                {"application/vnd.vegalite.v5+json": chart, "text/plain": f"{mark} chart of {y}"}
            )

    def show(self, data: Answer) -> None:
        content = {"data": data, "metadata": {}}
        self.send_response(self.iopub_socket, "display_data", content)

    def say(self, text: str) -> None:
        self.send_response(self.iopub_socket, "stream", {"name": "stderr", "text": text})

    def fail(self, name: str, value: str) -> Answer:
        content = {"ename": name, "evalue": value, "traceback": [f"{name}: {value}"]}
        self.send_response(self.iopub_socket, "error", content)
        return {"status": "error", "execution_count": self.execution_count, **content}

    def do_complete(self, code: str, cursor_pos: int) -> Answer:
        """See ipykernel. Keywords, tables, columns and functions; no parser."""
        self.add_views()
        found = WORD.search(code[:cursor_pos])
        word = found[0].rpartition(".")[2] if found else ""
        names = self.database.cursor().execute(
            "SELECT name, max(rank) FROM ("
            "SELECT column_name AS name, 3 AS rank FROM duckdb_columns() WHERE NOT internal "
            "UNION ALL SELECT table_name, 2 FROM duckdb_tables() "
            "UNION ALL SELECT view_name, 2 FROM duckdb_views() WHERE NOT internal "
            "UNION ALL SELECT upper(keyword_name), 1 FROM duckdb_keywords() "
            "UNION ALL SELECT function_name, 0 FROM duckdb_functions()) "
            "WHERE starts_with(lower(name), lower(?)) AND regexp_full_match(name, '\\w+') "
            "GROUP BY name ORDER BY 2 DESC, 1 LIMIT 200",
            [word],
        )
        return {
            "status": "ok",
            "matches": [row[0] for row in names.fetchall()],
            "cursor_start": cursor_pos - len(word),
            "cursor_end": cursor_pos,
            "metadata": {},
        }

    def do_is_complete(self, code: str) -> Answer:
        """See ipykernel."""
        done = code.rstrip().endswith(";") or not code.strip()
        return {"status": "complete" if done else "incomplete", "indent": ""}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=SqlKernel)

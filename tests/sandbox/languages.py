"""Code of each profile's language for each thing a kernel does."""

from __future__ import annotations

from dataclasses import dataclass

DATA = {"data/sales.csv": b"town,amount\nRome,30\nOslo,12\n"}


@dataclass(frozen=True, kw_only=True)
class Language:
    """Code of one language for each thing a kernel does; None where the language cannot do it."""

    sum_of_data: str
    plot: str
    plot_kind: str
    error: str
    error_says: str
    endless: str
    asks: str | None
    half_a_word: str
    whole_word: str
    still_here: str = "6 * 7"


LANGUAGES = {
    "python": Language(
        sum_of_data="import pandas; int(pandas.read_csv('data/sales.csv').amount.sum())",
        plot="import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()",
        plot_kind="image/png",
        error="1 / 0",
        error_says="division by zero",
        endless="print('begun', flush=True)\nwhile True: pass",
        asks="print('got', input('name? '))",
        half_a_word="impor",
        whole_word="import",
    ),
    "r": Language(
        sum_of_data=(
            "suppressMessages(library(dplyr)); "
            "x <- read.csv('data/sales.csv') %>% summarise(s = sum(amount)); x$s"
        ),
        plot="library(ggplot2)\nggplot(data.frame(a = 1:2, b = 3:4), aes(a, b)) + geom_point()",
        plot_kind="image/png",
        error="stop('no good')",
        error_says="no good",
        endless="cat('begun\\n')\nwhile (TRUE) {}",
        asks="cat('got', readline('name? '))",
        half_a_word="read.cs",
        whole_word="read.csv",
    ),
    "javascript": Language(
        sum_of_data=(
            "const lines = Deno.readTextFileSync('data/sales.csv').trim().split('\\n').slice(1);\n"
            "lines.reduce((sum, line) => sum + Number(line.split(',')[1]), 0)"
        ),
        plot="Deno.jupyter.svg`<svg xmlns='http://www.w3.org/2000/svg'><rect/></svg>`",
        plot_kind="image/svg+xml",
        error="throw new Error('no good')",
        error_says="no good",
        endless="console.log('begun');\nwhile (true) {}",
        asks="console.log('got', prompt('name? '))",
        half_a_word="Deno.readTextF",
        whole_word="readTextFile",
    ),
    "sql": Language(
        sum_of_data="SELECT sum(amount)::INT AS total FROM sales",
        plot="SELECT * FROM sales;\n%chart bar town amount",
        plot_kind="application/vnd.vegalite.v5+json",
        error="SELECT * FROM nowhere",
        error_says="nowhere does not exist",
        endless=(
            "SELECT 'begun';\n"
            "SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range < b.range"
        ),
        asks=None,
        half_a_word="SELECT * FROM sal",
        whole_word="sales",
        still_here="SELECT 6 * 7",
    ),
}

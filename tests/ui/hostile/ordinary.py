"""What honest candidates make, which containment must leave as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FRAME = ".jp-Interview-Frame iframe"


@dataclass(frozen=True, kw_only=True)
class Ordinary:
    """A cell, and what of its output both pages show.

    Attributes
    ----------
    shows:
        Selectors within the cell, each for something visible.
    says:
        A text in the output.
    says_moved:
        The same when its slider has been moved by one.
    framed:
        A text in the output's own frame.
    """

    name: str
    source: str
    shows: Sequence[str] = ()
    says: str = ""
    says_moved: str = ""
    framed: str = ""


ORDINARY = (
    Ordinary(
        name="dataframe",
        source="import pandas as pd\npd.DataFrame({'species': ['Adelie'], 'mass': [3700]})",
        shows=["table.dataframe"],
        says="Adelie",
    ),
    Ordinary(
        name="styled-dataframe",
        source="pd.DataFrame({'mass': [3700, 4100]}).style.highlight_max()",
        shows=[FRAME],
        framed="4100",
    ),
    Ordinary(
        name="matplotlib",
        source="import matplotlib.pyplot as plt\nplt.plot([1, 3, 2]);",
        shows=[".jp-RenderedImage img"],
    ),
    Ordinary(
        name="altair",
        source="import altair as alt\nalt.Chart(pd.DataFrame({'a': [1, 2], 'b': [3, 4]}))"
        ".mark_bar().encode(x='a:O', y='b', tooltip='b').properties(height=80)",
        shows=[".vega-embed canvas, .vega-embed svg.marks"],
    ),
    Ordinary(
        name="figure-with-scripts",
        source="from IPython.display import HTML\nHTML('<div id=figure></div><script>"
        'document.getElementById("figure").textContent = "drawn by " + "its script"</script>\')',
        shows=[FRAME],
        framed="drawn by its script",
    ),
    Ordinary(
        name="interact",
        source="from ipywidgets import interact\n"
        "@interact(x=(0, 10))\ndef show(x=5):\n    print('x is', x)",
        shows=[".widget-slider .noUi-handle"],
        says="x is 5",
        says_moved="x is 6",
    ),
    Ordinary(
        name="output",
        source="import ipywidgets as w\nout = w.Output()\n"
        "with out:\n    print('caught inside')\nout",
        shows=[".widget-output"],
        says="caught inside",
    ),
    Ordinary(
        name="html-widget",
        source="w.HTML('<b style=\"color: green\">bold</b>')",
        shows=[".widget-html b"],
    ),
    Ordinary(
        name="tqdm",
        source="from tqdm.notebook import tqdm\nfor _ in tqdm(range(5), desc='fitting'):\n    pass",
        shows=[".widget-hprogress .progress-bar"],
        says="5/5",
    ),
    Ordinary(
        name="latex-and-markdown",
        source="from IPython.display import Markdown, Math\n"
        "display(Math(r'\\frac{a}{b}'), Markdown('**strong** [link](https://jupyter.org)'))",
        shows=["mjx-container", "strong", "a[href='https://jupyter.org']"],
    ),
    Ordinary(
        name="svg",
        source='from IPython.display import SVG\nSVG(\'<svg xmlns="http://www.w3.org/2000/svg" '
        'width="40" height="40"><circle cx="20" cy="20" r="15"/></svg>\')',
        shows=[".jp-RenderedSVG img"],
    ),
)

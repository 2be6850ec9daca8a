"""Pictures as svg text within a page: of the page's own colours, with a text alternative, and with ids of their own."""

import io
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from markupsafe import Markup

SERIES = "series-"  # an artist with the gid "series-3" belongs to the series that the legend's button 3 shows or hides
SIZE = (3.7, 2.9)  # inches
HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
APART = re.compile(r"\s*<(metadata|style)\b.*?</\1>", re.DOTALL)  # the page has a style of its own


def inline_svg(
    name: str, title: str, text: str, draw: Callable[[Any], None], size: tuple[float, float] = SIZE
) -> Markup:
    """An svg element with the axes that `draw` fills; the page's background shows through it.

    name: unique on the page. title, text: what a reader who cannot see the picture is told. size: in inches.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained", facecolor="none", dpi=72)
    FigureCanvasSVG(figure)
    axes = figure.subplots()
    axes.set_facecolor("none")
    draw(axes)
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None}, facecolor="none")
    return _within_page(buffer.getvalue(), name, title, text)


def panels(svgs: Iterable[Markup]) -> Markup:
    """Pictures side by side, as many as the page is wide; "" without any."""
    each = list(svgs)
    return Markup('<div class="panels">{}</div>').format(Markup("").join(each)) if each else Markup("")


def _within_page(svg: str, name: str, title: str, text: str) -> Markup:
    """The svg file's text as an element of a page: ids and references get a prefix, black follows the page's text."""
    svg = APART.sub("", HEAD.sub("", svg))
    svg = re.sub(rf'id="({SERIES}\d+)"', r'class="\1"', svg)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', svg)
    svg = re.sub(r'(xlink:href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = svg.replace("#000000", "currentColor")
    told = f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-text">{escape(text)}</desc>'
    role = f'role="img" aria-labelledby="{name}-title {name}-text" class="chart"'
    opening = re.search(r"<svg ([^>]*)>", svg)
    assert opening, "matplotlib writes an svg element"
    return Markup(f"<svg {role} {_responsive(opening[1])}>{told}{svg[opening.end() :].strip()}")


def _responsive(attributes: str) -> str:
    """The attributes of the svg element with its width as the most that it takes, so that it shrinks with the page."""
    width = re.search(r'\bwidth="([\d.]+)pt"', attributes)
    assert width, "matplotlib states the width"
    without = re.sub(r'\b(width|height)="[\d.]+pt"\s*', "", attributes)
    return f'{without} style="max-width:{float(width[1]) * 4 / 3:.0f}px"'


def plot_series(axes: Any, index: int, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
    """Plot a line that belongs to the series `index` of the page's legend."""
    for line in axes.plot(x, y, **style):
        line.set_gid(f"{SERIES}{index}")

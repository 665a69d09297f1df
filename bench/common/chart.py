"""A line chart as SVG, both axes logarithmic, written without libraries.

Series are lists of (x, y). A logarithmic y axis is what shows flatness: a cost that doubles rises by the same height
wherever it stands.
"""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 860, 480
LEFT, RIGHT, TOP, BOTTOM = 80, 190, 56, 60
COLORS = ["#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#d68910", "#444444"]


def decades(low, high):
    """The powers of ten that span [low, high]; at least one decade."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    return [10.0**power for power in range(first, max(last, first + 1) + 1)]


def count_text(value):
    for name, size in ((" M", 1e6), (" k", 1e3)):
        if value >= size:
            return f"{value / size:g}{name}"
    return f"{value:g}"


def log_log(title, x_title, y_title, series):
    """The chart's SVG. series: (name, dashed, points with positive coordinates)."""
    xs = [x for _, _, points in series for x, _ in points]
    ys = [y for _, _, points in series for _, y in points]
    x_ticks, y_ticks = decades(min(xs), max(xs)), decades(min(ys), max(ys))

    def across(x):
        share = math.log(x / x_ticks[0]) / math.log(x_ticks[-1] / x_ticks[0])
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def down(y):
        share = math.log(y / y_ticks[0]) / math.log(y_ticks[-1] / y_ticks[0])
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
           f'font-size="13">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
           f'<text x="{LEFT}" y="28" font-size="16">{escape(title)}</text>']
    for x in x_ticks:
        out.append(f'<path d="M{across(x):.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#dddddd"/>'
                   f'<text x="{across(x):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{count_text(x)}</text>')
    for y in y_ticks:
        out.append(f'<path d="M{LEFT} {down(y):.1f}H{WIDTH - RIGHT}" stroke="#dddddd"/>'
                   f'<text x="{LEFT - 8}" y="{down(y) + 4:.1f}" text-anchor="end">{y:g}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(x_title)}</text>'
               f'<text transform="translate(22 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
               f'text-anchor="middle">{escape(y_title)}</text>')
    for index, (name, dashed, points) in enumerate(series):
        color = COLORS[index % len(COLORS)]
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        out.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"{dash}/>')
        out += [f'<circle cx="{across(x):.1f}" cy="{down(y):.1f}" r="3" fill="{color}"/>' for x, y in points]
        key = TOP + 14 + 22 * index
        out.append(f'<path d="M{WIDTH - RIGHT + 16} {key - 4}h26" stroke="{color}" stroke-width="2"{dash}/>'
                   f'<text x="{WIDTH - RIGHT + 50}" y="{key}">{escape(name)}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"

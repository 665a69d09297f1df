"""What pairs of measurements say: the ratio of ours to the reference, pair by pair, and whether it keeps the bar.

Everything is a rate (more is better). The ratio is taken inside each pair, whose two sides ran right after each other, and
the median over the pairs is judged: a machine that slows down for a minute then moves both sides of a pair.
"""

import statistics


def ratios(ours, reference):
    if len(ours) != len(reference) or not ours:
        raise ValueError("as many measurements of ours as of the reference, and at least one")
    if min(reference) <= 0:
        raise ValueError("a reference that did nothing")
    return [mine / other for mine, other in zip(ours, reference)]


def verdict(ours, reference, bar):
    """The judged form of one row, as it stands in the JSON."""
    pairs = ratios(ours, reference)
    ratio = statistics.median(pairs)
    return {
        "ours": ours,
        "reference": reference,
        "ratios": pairs,
        "ours_median": statistics.median(ours),
        "reference_median": statistics.median(reference),
        "ratio": ratio,
        "bar": bar,
        "holds": bar is None or ratio >= bar,
    }


def table(rows):
    """Lines of text, columns aligned: the first to the left, the others to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) if column == 0 else cell.rjust(width)
                      for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
            for row in rows]


def quantity(value, unit):
    """A rate for a person: three digits that matter, in the unit's own multiples."""
    if unit == "B/s":
        for name, size in (("GiB/s", 1 << 30), ("MiB/s", 1 << 20), ("KiB/s", 1 << 10)):
            if value >= size:
                return f"{digits(value / size)} {name}"
    elif value >= 1e6:
        return f"{digits(value / 1e6)} M {unit}"
    elif value >= 1e3:
        return f"{digits(value / 1e3)} k {unit}"
    return f"{digits(value)} {unit}"


def digits(value):
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"

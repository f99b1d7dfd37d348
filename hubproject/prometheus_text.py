"""Prometheus' text format, version 0.0.4: https://prometheus.io/docs/instrumenting/exposition_formats/."""

from collections.abc import Iterable, Mapping

Labels = Mapping[str, str]
Number = float | int
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def escaped(value: str) -> str:
    """The text as it stands between the quotes of a label's value."""
    return value.translate(_ESCAPES)


def sample(name: str, value: Number, labels: Labels | None = None) -> str:
    """One line."""
    inside = ",".join(f'{label}="{escaped(text)}"' for label, text in (labels or {}).items())
    return f"{name}{{{inside}}} {value}\n" if inside else f"{name} {value}\n"


def family(name: str, kind: str, told: str, lines: Iterable[str]) -> str:
    """Lines of one metric with its help and its kind (`gauge`, `counter`, `histogram`); nothing without a line."""
    text = "".join(lines)
    return f"# HELP {name} {told}\n# TYPE {name} {kind}\n{text}" if text else ""


def histogram(name: str, told: str, bounds: Iterable[Number], counts: Iterable[int], total: Number) -> str:
    """A histogram without labels. `counts`: how many fell into each bound's own bucket, and above the last."""
    lines, so_far = [], 0
    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        so_far += count
        lines.append(sample(f"{name}_bucket", so_far, {"le": bound}))
    return family(name, "histogram", told, [*lines, sample(f"{name}_sum", total), sample(f"{name}_count", so_far)])

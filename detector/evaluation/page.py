"""The evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from detector.evaluation.compare import Delta
from detector.evaluation.counts import image_counts
from detector.evaluation.curves import precision_recall
from detector.evaluation.gallery import ScoredPicture
from detector.evaluation.plots import Line, count_svg, kinds_svg, precision_recall_svg
from detector.evaluation.record import (
    CENTRES_HEADING,
    Facts,
    centre_table,
    count_table,
    delta_table,
    detection_table,
    facts_text,
    kind_table,
    length_table,
)
from detector.evaluation.select import Part, select
from detector.evaluation.slices import WHOLE
from detector.evaluation.summary import STEP_75, Evaluation
from detector.evaluation.truth import Measure

TEMPLATE = "page.html.jinja"
MEASURE_WORDS = {Measure.POLYGON: "", Measure.ENVELOPE: ", envelopes"}


def evaluation_page(
    facts: Facts, evaluation: Evaluation, deltas: Sequence[Delta], pictures: Sequence[ScoredPicture]
) -> str:
    """The page: tables, curves, counts, kinds of errors, the worst images.

    Args:
        facts: what was evaluated.
        evaluation: its numbers and matches.
        deltas: differences from another run; may be empty.
        pictures: of the gallery; may be empty.
    """
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    summary = evaluation.summary
    tables = [("Detection", detection_table(summary.detection))]
    tables.append(("Counts", count_table(summary.counts)))
    if summary.lengths:
        tables.append(("Lengths of found ships, known gsd", length_table(summary.lengths)))
    if summary.centres:
        tables.append((CENTRES_HEADING, centre_table(summary.centres)))
    tables.append(("Errors by kind", kind_table(summary)))
    if deltas:
        tables.insert(0, ("Compared with the other run", delta_table(deltas)))
    return environment.get_template(TEMPLATE).render(
        title=f"{facts.weights} on {facts.data}",
        facts=[_plain(line) for line in facts_text(facts).splitlines()],
        tables=[(name, Markup(_html_table(text))) for name, text in tables],  # noqa: S704 - escaped
        plots=[Markup(svg) for svg in plots(evaluation)],  # noqa: S704 - escaped
        pictures=pictures,
    )


def plots(evaluation: Evaluation) -> list[str]:
    """The plots as SVG: for each class and measure a curve, the counts, the kinds of errors."""
    kinds = {(row.class_name, row.measure): row for row in evaluation.summary.kinds}
    result = []
    for class_id, name in enumerate(evaluation.complete.classes.names):
        for measure, words in MEASURE_WORDS.items():
            whole = select(evaluation.complete, class_id, measure)
            if not whole.n_truth:
                continue
            used = select(evaluation.counted, class_id, measure)
            title = f"{name}{words} ({whole.n_truth} objects, {len(whole.places)} places)"
            lines = [_line(whole, used, step) for step in (0, STEP_75)]
            result.append(precision_recall_svg(lines, title))
            rows = image_counts(used, evaluation.counted)
            result.append(count_svg(rows, f"{name}{words}: {len(rows.true)} images"))
            row = kinds[name, str(measure)]
            wrong = {k: v for k, v in row.predicted.items() if k not in ("right", "neutral")}
            wrong |= {"missed": row.true["missed"]}
            result.append(kinds_svg(wrong, f"{name}{words}: errors"))
    return result


def _line(whole: Part, used: Part, step: int) -> Line:
    hits, counted = used.hits[step].sum(), used.counted[step].sum()
    mark = (hits / whole.n_truth, hits / counted) if counted else None
    name = f"IoU {0.5 if step == 0 else 0.75:g}, AP {whole.ap(step):.3f}"
    return Line(name, precision_recall(*whole.scored(step)), mark)


def _plain(line: str) -> str:
    """A line of a Markdown list without its marks."""
    return line.removeprefix("- ").replace("`", "")


def _html_table(markdown: str) -> str:
    """A Markdown table of `record.table` as HTML."""
    # Only the outer marks are taken off: an empty cell at the end is a cell too.
    lines = [
        line.removeprefix("| ").removesuffix(" |").split(" | ") for line in markdown.splitlines()
    ]
    head, body = lines[0], lines[2:]
    rows = ["<tr>" + "".join(f"<th>{html.escape(cell)}</th>" for cell in head) + "</tr>"]
    for cells in body:
        row = '<tr class="whole">' if WHOLE in cells[:2] else "<tr>"
        rows.append(row + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>")
    return "<table>" + "".join(rows) + "</table>"

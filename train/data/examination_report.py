"""The report of an examination: a page for people with pictures of the worst clips, JSON, and a list to leave out."""

import base64
import html
import io
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

import numpy as np
from PIL import Image

from emage.body import Body
from emage.errors import RenderError
from emage.files import output_error, write_text
from emage.render.frames import render_frames
from emage.render.scene import Actor
from emage.render.settings import RenderSettings
from train.data.examination import ClipReport, Curve, Fault, Finding, Limits
from train.data.partial import load_clip_motion

PAGE_NAME, JSON_NAME, LIST_NAME = "report.html", "report.json", "leave_out.txt"

_PICTURE = RenderSettings(panel_width=240, panel_height=320, face_inset=False, camera="still")
_BEFORE_S = 0.5
"""The pictures of a clip are so long before the place, there, and so long behind it."""
_CURVE_WIDTH, _CURVE_HEIGHT = 720, 90


@dataclass(frozen=True)
class Examination:
    """Of a corpus: its clips, the limits that they were measured with, and motion files that no list names."""

    root: str
    limits: Limits
    clips: Sequence[ClipReport]
    unlisted: Sequence[Path] = ()

    @property
    def faulty(self) -> list[ClipReport]:
        """Worst first."""
        return sorted((clip for clip in self.clips if clip.findings), key=lambda clip: clip.badness, reverse=True)


def write_report(examination: Examination, out: Path, body: Body, pictures: int) -> None:
    """Write the page, the JSON and the list into a folder, each whole.

    pictures: how many of the worst clips are drawn, of those whose motion can be.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(out, error) from error
    write_text(out / JSON_NAME, json.dumps(_to_json(examination), indent=1) + "\n")
    write_text(out / LIST_NAME, _to_list(examination))
    write_text(out / PAGE_NAME, _to_page(examination, body, pictures))


def _to_json(examination: Examination) -> dict:
    return {
        "root": examination.root,
        "limits": asdict(examination.limits),
        "faults": _count_faults(examination),
        "unlisted": [str(path) for path in examination.unlisted],
        "clips": [
            {
                "id": clip.clip.id,
                "split": clip.clip.split,
                "corpus": clip.clip.corpus.name,
                "findings": [
                    {"fault": finding.fault.value, "text": finding.text, "at_s": finding.at_s, "excess": finding.excess}
                    for finding in clip.findings
                ],
                **{name: value for name, value in vars(clip).items() if name not in ("clip", "findings")},
            }
            for clip in examination.clips
        ],
    }


def _to_list(examination: Examination) -> str:
    """As `train.data.corpus.read_left_out` reads it."""
    faulty = [clip for clip in examination.clips if clip.findings]
    head = (
        f"# Clips in which `python -m train.beat2 doctor` found something: {len(faulty)} of {len(examination.clips)}.\n"
    )
    head += "# train.data --leave-out takes this list; remove the lines of clips that are to be trained on.\n"
    lines = [f"{clip.clip.id}  # {', '.join(dict.fromkeys(f.fault for f in clip.findings))}\n" for clip in faulty]
    return head + "".join(lines)


def _count_faults(examination: Examination) -> dict[str, int]:
    """Clips by what is wrong with them."""
    counts = Counter(fault for clip in examination.clips for fault in {finding.fault for finding in clip.findings})
    return {fault.value: counts[fault] for fault in Fault if counts[fault]}


# --- the page ---------------------------------------------------------------------------------------------------------

_PAGE = Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>What is wrong with $root</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1d232f }
table { border-collapse: collapse } th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
section { border-top: 1px solid #cbd2dd; margin-top: 1.5rem }
h2 { font-size: 1.1rem; margin: .8rem 0 .2rem } h2 small { font-weight: normal; color: #5a6577 }
ul { margin: .2rem 0; padding-left: 1.2rem } img { max-width: 100%; border-radius: 6px }
svg { display: block; max-width: 100%; margin: .4rem 0 } svg text { font: 12px system-ui, sans-serif; fill: #5a6577 }
</style>
<h1>What is wrong with $root</h1>
<p>$summary</p>
<table><tr><th>fault</th><th>clips</th></tr>$counts</table>
$unlisted
<details><summary>What is taken for a fault</summary><table>$limits</table></details>
$sections
<section><details><summary>All clips and what they measure</summary>
<table><tr><th>clip</th><th>split</th><th>motion, s</th><th>sound, s</th><th>fastest turn, ° a frame</th>
<th>largest step, m</th><th>still, s</th><th>lowest foot, m</th></tr>$clips</table></details></section>
</html>
""")


def _to_page(examination: Examination, body: Body, pictures: int) -> str:
    faulty = examination.faulty
    drawn: dict[str, str] = {}
    for clip in faulty:
        if len(drawn) < pictures and (picture := _draw(clip, body)):
            drawn[clip.clip.id] = picture
    good = len(examination.clips) - len(faulty)
    hours = sum(min(c.motion_s or 0, c.sound_s or 0) for c in examination.clips if not c.findings) / 3600
    counts = "".join(_row(fault, count) for fault, count in _count_faults(examination).items())
    limits = "".join(_row(name, value) for name, value in asdict(examination.limits).items())
    unlisted = "".join(f"<li>{html.escape(str(path))}" for path in examination.unlisted)
    return _PAGE.substitute(
        root=html.escape(examination.root),
        summary=f"{len(faulty)} of {len(examination.clips)} clips have a fault; {good}, {hours:.2f} h, have none. "
        f"The faulty ones are listed in {LIST_NAME}. The worst come first.",
        counts=counts,
        unlisted=f"<p>Motions that no list names:</p><ul>{unlisted}</ul>" if unlisted else "",
        limits=limits,
        sections="".join(_section(clip, drawn.get(clip.clip.id, "")) for clip in faulty),
        clips="".join(_measures(clip) for clip in examination.clips),
    )


def _row(name: object, *values: object) -> str:
    cells = "".join(f'<td class="number">{html.escape(str(value))}</td>' for value in values)
    return f"<tr><td>{html.escape(str(name))}</td>{cells}</tr>\n"


def _measures(clip: ClipReport) -> str:
    lengths_s = (clip.motion_s, clip.sound_s)
    values = (*lengths_s, clip.fastest_degrees, clip.largest_step_m, clip.longest_still_s, clip.lowest_foot_m)
    return _row(clip.clip.id, clip.clip.split, *("–" if value is None else f"{value:.2f}" for value in values))


def _section(clip: ClipReport, picture: str) -> str:
    items = "".join(
        f"<li><b>{finding.fault}</b>: {html.escape(finding.text)}{_draw_curve(finding)}" for finding in clip.findings
    )
    title = f"{html.escape(clip.clip.id)} <small>{clip.clip.split}, {html.escape(clip.clip.corpus.name)}</small>"
    return f"<section><h2>{title}</h2><ul>{items}</ul>{picture}</section>\n"


def _draw_curve(finding: Finding) -> str:
    """The curve of a finding as SVG, with its limit as a line."""
    curve: Curve | None = finding.curve
    if curve is None:
        return ""
    low, high = min(*curve.values, curve.limit, 0.0), max(*curve.values, curve.limit, 0.0)
    scale = (_CURVE_HEIGHT - 20) / max(high - low, 1e-9)

    def y(value: float) -> float:
        return 5 + (high - value) * scale

    step = _CURVE_WIDTH / max(len(curve.values) - 1, 1)
    points = " ".join(f"{i * step:.1f},{y(value):.1f}" for i, value in enumerate(curve.values))
    return (
        f'<svg viewBox="0 0 {_CURVE_WIDTH} {_CURVE_HEIGHT}" width="{_CURVE_WIDTH}" role="img" '
        f'aria-label="{html.escape(curve.name)}">'
        f'<polyline points="{points}" fill="none" stroke="#2f6fc4"/>'
        f'<line x1="0" x2="{_CURVE_WIDTH}" y1="{y(curve.limit):.1f}" y2="{y(curve.limit):.1f}" stroke="#c43c2f" '
        f'stroke-dasharray="4 4"/>'
        f'<text x="0" y="{_CURVE_HEIGHT - 2}">{html.escape(curve.name)}; the dashed line is the limit, '
        f"{curve.limit:.3g}</text></svg>"
    )


def _draw(clip: ClipReport, body: Body) -> str:
    """Bodies before, at and behind the worst place of a clip, as HTML; empty where nothing is wrong with its motion."""
    seen = [finding for finding in clip.findings if finding.curve is not None]
    if not seen:
        return ""
    place_s = max(seen, key=lambda finding: finding.excess).at_s
    motion = load_clip_motion(clip.clip)
    times_s = [place_s - _BEFORE_S, place_s, place_s + _BEFORE_S]
    frames = np.unique(np.clip(np.round(np.array(times_s) * motion.fps).astype(int), 0, motion.num_frames - 1))
    actors = [Actor(body, motion.frames(f, f + 1), None, f"{f / motion.fps:.2f} s") for f in frames.tolist()]
    try:
        picture = next(iter(render_frames(actors, _PICTURE)))
    except RenderError as error:
        return f"<p>It could not be drawn: {html.escape(str(error))}</p>"
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    data = base64.b64encode(stream.getvalue()).decode()
    times = ", ".join(actor.caption for actor in actors)
    return f'<img src="data:image/png;base64,{data}" alt="The body at {times}">'

// What is seen of a take in its row: a figure in its gesture, and its plan as a small timeline.

const SVG = "http://www.w3.org/2000/svg";
const HALF_WIDTH = 62; // of the drawing, in hundredths of the figure's height
const LIMB_WIDTHS = { face: 7, upper: 8, left_hand: 6, right_hand: 6, lower: 10 };
const TRUNK_WIDTH = 18;
const TRUNK = 6; // the first of its two limbs
const HEAD_RADIUS = 8;

/** @param {string} tag @param {Record<string, string | number>} attributes @param {Node[]} children */
function makeSvg(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {TakeLook} look */
function drawFigure({ limbs, states }) {
  const lines = limbs.map(([part, x, y, toX, toY], which) => {
    const style = `--state: ${SETTINGS.stateColors[states[part]]}`;
    if (which === limbs.length - 1) return makeSvg("circle", { style, cx: toX, cy: toY - 3, r: HEAD_RADIUS });
    const name = /** @type {keyof typeof LIMB_WIDTHS} */ (SETTINGS.parts[part]);
    const width = which === TRUNK || which === TRUNK + 1 ? TRUNK_WIDTH : LIMB_WIDTHS[name];
    return makeSvg("line", { style, x1: x, y1: y, x2: toX, y2: toY, "stroke-width": width });
  });
  const box = `${-HALF_WIDTH} -8 ${2 * HALF_WIDTH} 116`;
  return makeSvg("svg", { class: "figure", viewBox: box, "aria-hidden": "true" }, ...lines);
}

/** @param {TakeLook} look */
function drawPlan({ spans, num_frames }) {
  const plan = make("div", { class: "plan", role: "img" });
  plan.setAttribute("aria-label", spans.length ? `Plan: ${spans.map(describeSpan).join("; ")}` : "No hints");
  plan.title = plan.getAttribute("aria-label") ?? "";
  const parts = { hands: ["left_hand", "right_hand"] };
  for (const span of spans) {
    for (const name of span.part === "hands" ? parts.hands : [span.part]) {
      const bar = make("i", { class: span.mode === SETTINGS.lock ? "hint locked" : "hint" });
      const end = Math.min(span.end_frame, num_frames);
      bar.style.left = `${(100 * span.start_frame) / num_frames}%`;
      bar.style.width = `${(100 * (end - span.start_frame)) / num_frames}%`;
      bar.style.top = `${(100 * SETTINGS.parts.indexOf(name)) / SETTINGS.parts.length}%`;
      plan.append(bar);
    }
  }
  return plan;
}

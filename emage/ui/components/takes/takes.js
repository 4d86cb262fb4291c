// The list of takes.

const list = part("list");

/** What a row is of, and its fields. @param {Element} row */
function fieldsOf(row) {
  const [box, text] = /** @type {NodeListOf<HTMLInputElement>} */ (row.querySelectorAll("input"));
  return { number: Number(/** @type {HTMLElement} */ (row).dataset.number), box, text };
}

function send() {
  props.value = [...list.children].map((row) => {
    const { number, box, text } = fieldsOf(row);
    return { number, caption: text.value, chosen: box.checked };
  });
  trigger("input");
}

/** The boxes that are ticked. */
const ticked = () => [...list.children].filter((row) => fieldsOf(row).box.checked);

function showCount() {
  const [count, all] = [ticked().length, list.children.length];
  part("empty").hidden = all > 0;
  part("choosing").hidden = all < 2;
  const most = all > SETTINGS.most ? `; ${SETTINGS.most} at once can be compared` : "";
  part("count").textContent = `${count} of ${all} ticked${most}`;
}

/** @param {(row: Element, which: number) => boolean} isTicked */
function tick(isTicked) {
  [...list.children].forEach((row, which) => {
    const { box } = fieldsOf(row);
    box.checked = isTicked(row, which);
    row.classList.toggle("chosen", box.checked);
  });
  showCount();
  announce(part("count").textContent ?? "");
  send();
}

/** @param {Element} row @param {number} number */
function showLook(row, number) {
  const look = props.looks[number];
  row.querySelector(".about")?.replaceChildren(props.facts[number] ?? "");
  if (!look || row.querySelector(".figure")) return;
  row.querySelector(".drawn")?.append(drawFigure(look));
  row.querySelector(".told")?.append(drawPlan(look));
}

/** @param {TakeRow} take */
function makeRow({ number, caption, chosen }) {
  const show = make("button", { "data-tool": "show" }, "Show");
  const reuse = make("button", { "data-tool": "reuse" }, "Use these settings again");
  const remove = make("button", { "data-tool": "remove" }, "Remove");
  const row = make(
    "li",
    { "data-number": number },
    make("input", { type: "checkbox" }),
    make("div", { class: "drawn" }),
    make("input", { type: "text", maxlength: SETTINGS.longest, "aria-label": `Caption of take ${number}` }),
    make("div", { class: "told" }, make("span", { class: "about" })),
    make("div", { class: "actions" }, show, reuse, remove)
  );
  const { box, text } = fieldsOf(row);
  const name = () => text.value || `take ${number}`;
  const label = () => {
    box.setAttribute("aria-label", `Compare ${name()}`);
    show.setAttribute("aria-label", `Show ${name()}`);
    reuse.setAttribute("aria-label", `Use these settings again: ${name()}`);
    remove.setAttribute("aria-label", `Remove ${name()}`);
    row.classList.toggle("chosen", box.checked);
  };
  box.checked = chosen;
  text.value = caption;
  label();
  row.addEventListener("change", () => {
    if (ticked().length > SETTINGS.most && box.checked) {
      box.checked = false;
      announce(`${SETTINGS.most} takes at once can be compared.`);
    }
    label();
    showCount();
    send();
  });
  showLook(row, number);
  reuse.addEventListener("click", () => trigger("reuse", { number }));
  show.addEventListener("click", () => trigger("select", { number }));
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    /** @type {HTMLElement} */ (next?.querySelector("[data-tool=remove]") ?? root).focus();
    showCount();
    announce(`Removed ${name()}.`);
    trigger("delete", { number });
  });
  return row;
}

// A row stays the same element for as long as its take is there, so that the focus stays too.
function readProps() {
  const known = new Map([...list.children].map((row) => [fieldsOf(row).number, row]));
  for (const take of props.value ?? []) {
    const row = known.get(take.number);
    known.delete(take.number);
    if (!row) {
      list.append(makeRow(take));
      continue;
    }
    const { box, text } = fieldsOf(row);
    if (document.activeElement !== text) text.value = take.caption;
    box.checked = take.chosen;
    row.classList.toggle("chosen", take.chosen);
    showLook(row, take.number);
  }
  for (const row of known.values()) row.remove();
  showCount();
}

const [allTool, noneTool] = ["all", "none"].map((name) => /** @type {HTMLElement} */ (root.querySelector(`[data-tool=${name}]`)));
allTool.addEventListener("click", () => tick((_, which) => which >= list.children.length - SETTINGS.most));
noneTool.addEventListener("click", () => tick(() => false));
watch(Object.keys({ value: 0, facts: 0, looks: 0 }), readProps); // quoted names would become Gradio events of the component
readProps();

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

/** @param {TakeRow} take */
function makeRow({ number, caption, chosen }) {
  const show = make("button", { "data-tool": "show" }, "Show");
  const remove = make("button", { "data-tool": "remove" }, "Remove");
  const row = make(
    "li",
    { "data-number": number },
    make("input", { type: "checkbox" }),
    make("input", { type: "text", maxlength: SETTINGS.longest, "aria-label": `Caption of take ${number}` }),
    make("span", { class: "about" }, props.facts[number] ?? ""),
    make("div", { class: "actions" }, show, remove)
  );
  const { box, text } = fieldsOf(row);
  const name = () => text.value || `take ${number}`;
  const label = () => {
    box.setAttribute("aria-label", `Compare ${name()}`);
    show.setAttribute("aria-label", `Show ${name()}`);
    remove.setAttribute("aria-label", `Remove ${name()}`);
    row.classList.toggle("chosen", box.checked);
  };
  box.checked = chosen;
  text.value = caption;
  label();
  row.addEventListener("change", () => {
    label();
    send();
  });
  show.addEventListener("click", () => trigger("select", { number }));
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    /** @type {HTMLElement} */ (next?.querySelector("[data-tool=remove]") ?? root).focus();
    part("empty").hidden = list.children.length > 0;
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
  }
  for (const row of known.values()) row.remove();
  part("empty").hidden = list.children.length > 0;
}

watch(Object.keys({ value: 0, facts: 0 }), readProps); // quoted names would become Gradio events of the component
readProps();

// The list of takes. Gradio gives `element`, `props`, `trigger` and `watch`; `SETTINGS` comes from Python.

const root = element.querySelector(".takes");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const list = part("list");

root.setAttribute("aria-label", props.label);

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function rows() {
  return [...list.children].map((row) => ({
    number: Number(row.dataset.number),
    caption: row.querySelector("input[type=text]").value,
    chosen: row.querySelector("input[type=checkbox]").checked,
  }));
}

function send() {
  props.value = rows();
  trigger("input");
}

function makeRow({ number, caption, chosen }, facts) {
  const box = make("input", { type: "checkbox" });
  const text = make("input", { type: "text", maxlength: SETTINGS.longest });
  const show = make("button", { type: "button", "data-tool": "show" }, "Show");
  const remove = make("button", { type: "button", "data-tool": "remove" }, "Remove");
  const row = make("li", { "data-number": number }, box, text, make("span", { class: "facts" }, facts));
  row.append(make("div", { class: "actions" }, show, remove));
  box.checked = chosen;
  text.value = caption;
  const label = () => {
    const name = text.value || `take ${number}`;
    text.setAttribute("aria-label", `Caption of take ${number}`);
    box.setAttribute("aria-label", `Compare ${name}`);
    show.setAttribute("aria-label", `Show ${name}`);
    remove.setAttribute("aria-label", `Remove ${name}`);
    row.classList.toggle("chosen", box.checked);
  };
  label();
  box.addEventListener("change", () => {
    label();
    send();
  });
  text.addEventListener("change", () => {
    label();
    send();
  });
  show.addEventListener("click", () => trigger("select", { number }));
  remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    row.remove();
    (next?.querySelector("[data-tool=remove]") ?? root).focus?.();
    part("empty").hidden = list.children.length > 0;
    part("spoken").textContent = `Removed ${text.value || `take ${number}`}.`;
    trigger("delete", { number });
  });
  return row;
}

// A row stays the same element for as long as its take is there, so that the focus stays too.
function readProps() {
  const facts = new Map((props.cards ?? []).map((card) => [card.number, card.facts]));
  const value = props.value ?? [];
  const known = new Map([...list.children].map((row) => [Number(row.dataset.number), row]));
  for (const entry of value) {
    const row = known.get(entry.number);
    known.delete(entry.number);
    if (!row) {
      list.append(makeRow(entry, facts.get(entry.number) ?? ""));
      continue;
    }
    const text = row.querySelector("input[type=text]");
    const box = row.querySelector("input[type=checkbox]");
    if (document.activeElement !== text) text.value = entry.caption;
    box.checked = entry.chosen;
    row.classList.toggle("chosen", entry.chosen);
  }
  for (const row of known.values()) row.remove();
  part("empty").hidden = list.children.length > 0;
}

watch(Object.keys({ value: 0, cards: 0 }), readProps); // quoted names would become Gradio events of the component
readProps();

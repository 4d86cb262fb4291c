// Stores in the browser what the page needs to find its session again after a reload, and what of it was unfolded; tells
// the server now and then that the page is there, and asks before takes are left that were not saved.

/** Gradio says so when its connection has broken, and loads the page again as soon as it can. */
const LOST = "Connection to the server was lost";

function store() {
  if (!props.session) return;
  try {
    sessionStorage.setItem(SETTINGS.stored, JSON.stringify({ key: props.session, values: props.value ?? "" }));
  } catch {
    // Where a browser stores nothing, a reload begins anew.
  }
}

/** What can be unfolded: its button, by the id of what it unfolds. */
function findPanels() {
  const buttons = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("button.label-wrap"));
  return [...buttons].map((button) => ({ id: button.closest("[id]")?.id ?? "", button }));
}

const isOpen = (/** @type {HTMLElement} */ button) => button.classList.contains("open");

function storePanels() {
  const open = findPanels().filter(({ button }) => isOpen(button));
  try {
    sessionStorage.setItem(SETTINGS.panels, JSON.stringify(open.map(({ id }) => id)));
  } catch {
    // Where a browser stores nothing, all is folded again.
  }
}

let isUnfolded = false;
function unfold() {
  if (isUnfolded || !props.session) return;
  isUnfolded = true;
  /** @type {string[]} */
  const stored = JSON.parse(sessionStorage.getItem(SETTINGS.panels) ?? "[]");
  for (const { id, button } of findPanels()) if (stored.includes(id) && !isOpen(button)) button.click();
}

async function tell() {
  if (!props.session) return;
  const root = (window.gradio_config?.root ?? location.origin).replace(/\/$/, "");
  const body = JSON.stringify({ data: [props.session] });
  try {
    await fetch(root + SETTINGS.path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
  } catch {
    // There is no connection: it is told again soon.
  }
}

function leavesUnsaved() {
  const rows = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#takes [data-number]"));
  return [...rows].some((row) => !props.saved.includes(Number(row.dataset.number)));
}

/** Whether the page is loaded again by itself, and finds all. */
function isLost() {
  return [...document.querySelectorAll(".toast-body")].some((toast) => toast.textContent.includes(LOST));
}

const leaving = new AbortController();
const telling = setInterval(() => {
  if (element.isConnected) return tell();
  clearInterval(telling);
  leaving.abort();
}, SETTINGS.everyMs);
const { signal } = leaving;
window.addEventListener("online", tell, { signal });
document.addEventListener("visibilitychange", () => document.hidden || tell(), { signal });
window.addEventListener("beforeunload", (event) => leavesUnsaved() && !isLost() && event.preventDefault(), { signal });
window.addEventListener("pagehide", storePanels, { signal });
// Quoted names would become Gradio events of the component.
watch(Object.keys({ session: 0, value: 0 }), store);
watch(Object.keys({ session: 0 }), unfold);

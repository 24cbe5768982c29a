// The story goes on by itself: on every event the page's parts are fetched anew and replaced where they differ.
"use strict";

const story = document.querySelector("[data-story]");
const WAIT_MS = 300;
const POLL_MS = 30000;
const VOLATILE = ["csrf_token", "idempotency_key", "version"];
let source = null;
let last = new URL(story.dataset.live, location.href).searchParams.get("after");
let pending = 0;
let poll = 0;
let isOver = "over" in story.dataset;

// Two forms are the same form where they go to the same address with the same fixed values.
function nameOf(form) {
  const fixed = [...form.querySelectorAll("input[type=hidden]")].filter((field) => !VOLATILE.includes(field.name));
  return [form.getAttribute("action"), ...fixed.map((field) => field.value)].join(" ");
}

function formsOf(part) {
  return new Map([...part.querySelectorAll("form")].map((form) => [nameOf(form), form]));
}

// What a part shows, without what is another text in every answer.
function looks(part) {
  const copy = part.cloneNode(true);
  for (const name of VOLATILE) for (const field of copy.querySelectorAll(`[name="${name}"]`)) field.remove();
  for (const each of copy.querySelectorAll("details")) each.removeAttribute("open");
  return copy.innerHTML;
}

function isTyped(field) {
  if (field.type === "radio" || field.type === "checkbox") return field.checked !== field.defaultChecked;
  if (field.tagName === "SELECT") return [...field.options].some((one) => one.selected !== one.defaultSelected);
  return field.type !== "hidden" && "defaultValue" in field && field.value !== field.defaultValue;
}

function fieldsOf(form) {
  return [...form.elements].filter((field) => field.name);
}

function fieldLike(form, field) {
  const isChoice = field.type === "radio" || field.type === "checkbox";
  return fieldsOf(form).find((one) => one.name === field.name && (!isChoice || one.value === field.value));
}

// Takes over what was typed and the key of a form that may be on its way; texts whose form is gone are given back.
function keepTyped(before, after) {
  const lost = [];
  const fresh = formsOf(after);
  for (const [name, form] of formsOf(before)) {
    const target = fresh.get(name);
    for (const field of fieldsOf(form)) {
      const twin = target && fieldLike(target, field);
      if (field.name === "idempotency_key" && twin) twin.value = field.value;
      if (!isTyped(field)) continue;
      if (!twin) lost.push(field.tagName === "TEXTAREA" ? field.value : "");
      else if (field.type === "radio" || field.type === "checkbox") twin.checked = field.checked;
      else twin.value = field.value;
    }
  }
  for (const each of before.querySelectorAll("details[data-keep]")) {
    const twin = after.querySelector(`details[data-keep="${CSS.escape(each.dataset.keep)}"]`);
    if (twin) twin.open = each.open;
  }
  return lost.filter((text) => text.trim());
}

// Where the focus was, so that it can be found in what takes the part's place.
function keepFocus(part) {
  const focused = document.activeElement;
  if (!part.contains(focused)) return () => {};
  const form = focused.closest("form");
  const place = [...part.querySelectorAll("a, button, input, select, textarea, summary")].indexOf(focused);
  const selection = "selectionStart" in focused ? [focused.selectionStart, focused.selectionEnd] : null;
  return (fresh) => {
    const twin = form && formsOf(fresh).get(nameOf(form));
    const named = twin && focused.name ? fieldLike(twin, focused) : twin?.querySelector("button");
    const byId = focused.id && fresh.querySelector(`#${CSS.escape(focused.id)}`);
    const inPlace = [...fresh.querySelectorAll("a, button, input, select, textarea, summary")][place];
    const target = byId || named || (form ? null : inPlace);
    if (!target) {
      fresh.tabIndex = -1;
      fresh.focus({ preventScroll: true });
      return;
    }
    target.focus({ preventScroll: true });
    if (selection && selection[0] !== null && "setSelectionRange" in target) target.setSelectionRange(...selection);
  };
}

function replacePart(part, fresh) {
  if (part.querySelector("form[data-sending]")) return [];
  if (looks(part) === looks(fresh)) {
    for (const [name, form] of formsOf(fresh)) {
      // What is shown is what is there: the version that it stands for may go on.
      const version = form.elements.namedItem("version");
      const present = formsOf(part).get(name)?.elements.namedItem("version");
      if (version && present) present.value = version.value;
    }
    return [];
  }
  const lost = keepTyped(part, fresh);
  const restoreFocus = keepFocus(part);
  part.replaceWith(fresh);
  restoreFocus(fresh);
  return lost;
}

function newestLine() {
  const lines = document.querySelectorAll("#part-timeline [data-sequence]");
  return lines[lines.length - 1];
}

async function refresh() {
  let answer;
  try {
    answer = await fetch(story.dataset.story, { headers: { Accept: "text/html" }, cache: "no-store" });
  } catch {
    return;
  }
  if (new URL(answer.url).pathname !== new URL(story.dataset.story, location.href).pathname) {
    stop();
    isOver = true;
    document.querySelector("[data-signed-out]").hidden = false;
    return;
  }
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const newest = newestLine()?.dataset.sequence;
  const lost = [];
  for (const part of document.querySelectorAll("[data-part]")) {
    const fresh = page.getElementById(part.id);
    if (fresh) lost.push(...replacePart(part, document.adoptNode(fresh)));
  }
  if (lost.length) {
    const kept = document.querySelector("[data-kept]");
    kept.querySelector("[data-kept-text]").textContent = lost.join("\n\n");
    kept.hidden = false;
  }
  const fresh = page.querySelector("[data-story]");
  isOver = "over" in fresh.dataset;
  last = new URL(fresh.dataset.live, location.href).searchParams.get("after");
  const line = newestLine();
  if (line && line.dataset.sequence !== newest) {
    const said = [...line.querySelectorAll("[data-sentence], .said")].map((each) => each.textContent);
    document.querySelector("[data-announce]").textContent = said.join(" ");
  }
}

// Several events of one moment are one change of the page.
function soon() {
  clearTimeout(pending);
  pending = setTimeout(refresh, WAIT_MS);
}

function stop() {
  source?.close();
  source = null;
  clearInterval(poll);
}

function follow() {
  stop();
  const address = new URL(story.dataset.live, location.href);
  address.searchParams.set("after", last);
  source = new EventSource(address);
  for (const kind of story.dataset.kinds.split(" ")) source.addEventListener(kind, soon);
  source.addEventListener("error", () => {
    // The browser connects again by itself, unless it was refused: then it is asked now and then instead.
    if (source?.readyState !== EventSource.CLOSED) return;
    stop();
    refresh().then(() => { if (!isOver) poll = setInterval(refresh, POLL_MS); });
  });
}

// A page that nobody looks at holds no stream: a person may have but few.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stop();
  else if (!isOver) refresh().then(() => { if (!isOver) follow(); });
});

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-refresh]")) return;
  event.preventDefault();
  refresh();
});

if (!isOver && !document.hidden) follow();

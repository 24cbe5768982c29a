// The staff's page of a request: says that something is new, without touching what somebody is working on.
"use strict";

// What happens from now on is announced; showing it is for the reader to decide. The stream is read by hand, since an
// EventSource hears only kinds of events that it knows beforehand.
const bar = document.querySelector("[data-live]");
const LONGEST_PAUSE_MS = 60000;
const OWN_MS = 60000;
const REFRESH_AFTER_MS = 400;
const openedAt = Date.now();
let gone = null;
let isOver = false;
let waiting = 0;
let refreshing = 0;

// What somebody did themselves, and what follows from it by itself, is no news to them.
function isOwn(event) {
  if (event.actor === document.body.dataset.person) return true;
  const follows = event.actor === "system" || event.actor === "policy" || String(event.kind).startsWith("execution_");
  return follows && "own" in bar.dataset && Date.now() - openedAt < OWN_MS;
}

function tellOfNews() {
  isOver = true;
  gone?.abort();
  clearTimeout(refreshing);
  bar.firstElementChild.hidden = false;
  bar.classList.add("is-new");
}

// Anything typed, opened or focused stays as it is.
function isInUse(part) {
  if (part.contains(document.activeElement) || part.querySelector("details.step[open], form[data-sending]")) return true;
  const isOther = (field) => (field.options
    ? [...field.options].some((one) => one.selected !== one.defaultSelected) && field.selectedIndex > 0
    : field.type === "radio" || field.type === "checkbox" ? field.checked !== field.defaultChecked : field.value !== field.defaultValue);
  return [...part.querySelectorAll("textarea, select, input:not([type=hidden])")].some(isOther);
}

// Forms then stand for what is shown, or for one's own step: neither was done by somebody else.
function renewForms(part, fresh) {
  for (const form of part.querySelectorAll("form[action]")) {
    const other = fresh.querySelector(`form[action="${CSS.escape(form.getAttribute("action"))}"]`);
    for (const name of ["version", "seen"]) {
      const own = form.querySelector(`input[name="${name}"]`), now = other?.querySelector(`input[name="${name}"]`);
      if (own && now) own.value = now.value;
    }
  }
}

async function showQuietly() {
  try {
    const answer = await fetch(bar.dataset.page, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const part = document.querySelector("main > .columns"), fresh = page.querySelector("main > .columns");
    // Somebody else was quicker than this look: their step is news.
    if (isOver) return;
    if (isInUse(part)) {
      renewForms(part, fresh);
    } else {
      part.replaceWith(document.adoptNode(fresh));
      for (const selector of [".request-line", ".jump"]) {
        document.querySelector(selector).replaceWith(document.adoptNode(page.querySelector(selector)));
      }
      showTemplate();
    }
  } catch {
    tellOfNews();
  }
}

function hear(text) {
  const field = (name) => text.split("\n").filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).trim()).join("\n");
  const id = Number(field("id"));
  if (!(id > Number(bar.dataset.after))) return;
  let event = {};
  try { event = JSON.parse(field("data")); } catch { /* Then it is taken for somebody else's. */ }
  if (!isOwn(event)) return tellOfNews();
  bar.dataset.after = id;
  clearTimeout(refreshing);
  refreshing = setTimeout(showQuietly, REFRESH_AFTER_MS);
}

async function follow(pause = 1000) {
  stop();
  const own = new AbortController();
  gone = own;
  try {
    const answer = await fetch(bar.dataset.live, { headers: { Accept: "text/event-stream" }, signal: own.signal });
    // Closed for good, or no longer ours to see: nothing more will come.
    if (answer.status === 204 || (answer.status >= 400 && answer.status < 429)) {
      isOver = true;
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      text += value.replaceAll("\r", "");
      const events = text.split("\n\n");
      text = events.pop();
      for (const one of events) hear(one);
      if (isOver) return;
      pause = 1000;
    }
  } catch {
    // What failed is asked again below, unless it was we who ended it.
  }
  if (own.signal.aborted) return;
  waiting = setTimeout(() => follow(Math.min(2 * pause, LONGEST_PAUSE_MS)), pause);
}

function stop() {
  clearTimeout(waiting);
  gone?.abort();
}

// A page that nobody looks at holds no stream: a browser has six connections to a host for all its tabs.
if (bar) {
  const followWhenSeen = () => {
    if (document.hidden) stop();
    else if (!isOver) follow();
  };
  document.addEventListener("visibilitychange", followWhenSeen);
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", (event) => { if (event.persisted) followWhenSeen(); });
  followWhenSeen();
}

// A part of the page that is asked for when somebody wants it; the link leads to the same without script.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-part]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  link.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(link.dataset.part, { headers: { Accept: "text/html" } });
    if (!answer.ok || answer.redirected) throw new Error(String(answer.status));
    const part = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(link.dataset.target);
    document.getElementById(link.dataset.target).replaceWith(part);
    part.focus({ preventScroll: true });
  } catch {
    location.assign(link.href);
  }
});

// The words of the saved text that is chosen.
function showTemplate() {
  const shown = document.querySelector("[data-template-text]");
  const text = document.getElementById("comments-template_id")?.selectedOptions[0]?.dataset.text ?? "";
  if (!shown) return;
  shown.textContent = text;
  shown.hidden = !text;
}
document.addEventListener("change", (event) => { if (event.target.id === "comments-template_id") showTemplate(); });
showTemplate();

// What was asked for by the address stands open.
const named = location.hash ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
named?.closest("details")?.setAttribute("open", "");

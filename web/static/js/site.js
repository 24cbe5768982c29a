// What every page has: focus on what is wrong, buttons that act once, and times that stay true.
"use strict";

// A notice that says what went wrong is read first.
document.querySelector("[data-focus]")?.focus();

// A form that is on its way is not sent again by a second click; it may be after a while, with the same key.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sending) {
    event.preventDefault();
    return;
  }
  if (event.defaultPrevented || form.method !== "post") return;
  form.dataset.sending = "yes";
  setTimeout(() => delete form.dataset.sending, 8000);
});

// Back from the browser's memory: the forms are ready again.
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sending]")) delete form.dataset.sending;
});

// Times that count: <time data-countdown datetime="…"> says how long is left, in the page's language.
const written = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "auto" });
const STEPS = [["day", 86400], ["hour", 3600], ["minute", 60]];
function countDown() {
  for (const element of document.querySelectorAll("time[data-countdown]")) {
    const seconds = (new Date(element.dateTime) - Date.now()) / 1000;
    const [unit, length] = STEPS.find(([, size]) => Math.abs(seconds) >= size * 1.5) ?? ["minute", 60];
    element.textContent = written.format(Math.round(seconds / length), unit);
    element.classList.toggle("is-over", seconds < 0);
  }
}
countDown();
setInterval(countDown, 30000);

// Messages that were not sent yet, by person, in this browser; js/outbox.js fills and empties it.
const unsent = (() => {
  const person = document.body.dataset.person ?? "";
  // Where the browser keeps nothing, they are held as long as the page is open.
  const held = new Map();
  let isOver = false;

  function open() {
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open("aam", 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore("outbox", { keyPath: "key" });
      opening.onsuccess = () => resolve(opening.result);
      opening.onerror = () => reject(opening.error);
    });
  }

  async function transact(mode, act) {
    const opened = await open();
    try {
      return await new Promise((resolve, reject) => {
        const transaction = opened.transaction("outbox", mode);
        const asked = act(transaction.objectStore("outbox"));
        transaction.oncomplete = () => resolve(asked.result);
        transaction.onerror = transaction.onabort = () => reject(transaction.error);
      });
    } finally {
      opened.close();
    }
  }

  // True where it outlives this page.
  async function put(item) {
    if (isOver) return false;
    item.person = person;
    held.set(item.key, item);
    try {
      await transact("readwrite", (store) => store.put(item));
      // Held no longer: another tab may send it, or sign out and discard it.
      held.delete(item.key);
      return true;
    } catch {
      return false;
    }
  }

  async function remove(key) {
    held.delete(key);
    try { await transact("readwrite", (store) => store.delete(key)); } catch { /* It was held by this page alone. */ }
  }

  async function all() {
    let kept = [];
    try { kept = await transact("readonly", (store) => store.getAll()); } catch { /* As above. */ }
    const found = new Map(kept.filter((item) => item.person === person).map((item) => [item.key, item]));
    for (const [key, item] of held) found.set(key, item);
    return [...found.values()].sort((one, other) => one.at - other.at);
  }

  // This person's alone; nothing is kept from here on, whatever is still on its way.
  async function discard() {
    isOver = true;
    for (const item of await all()) await remove(item.key);
  }

  return { put, remove, all, discard };
})();

// Signing out takes with it what this browser kept for the person, and asks first where that was not sent.
document.querySelector("[data-signs-out]")?.addEventListener("submit", async (event) => {
  const form = event.target;
  event.preventDefault();
  // A browser whose store does not answer must not keep anybody signed in.
  const soon = (promise) => Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 2000, []))]);
  if ((await soon(unsent.all())).length && !(await mayDiscard(form.dataset))) return;
  document.dispatchEvent(new CustomEvent("signing-out"));
  try { localStorage.removeItem(`aam.draft.${document.body.dataset.person}`); } catch { /* Nothing is kept there. */ }
  await soon(unsent.discard());
  form.submit();
});

function mayDiscard(words) {
  const dialog = document.createElement("dialog");
  dialog.className = "card";
  const question = document.createElement("p");
  question.id = "unsent-question";
  question.textContent = words.unsent;
  dialog.setAttribute("aria-labelledby", question.id);
  const actions = document.createElement("div");
  actions.className = "actions";
  for (const [answer, text, kind] of [["stay", words.stay, ""], ["discard", words.discard, "button-quiet"]]) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = kind;
    button.textContent = text;
    button.addEventListener("click", () => dialog.close(answer));
    actions.append(button);
  }
  dialog.append(question, actions);
  document.querySelector("dialog[aria-labelledby=unsent-question]")?.remove();
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "discard");
    });
    dialog.showModal();
  });
}

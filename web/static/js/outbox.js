// Messages that could not be sent wait in this browser, and are sent once when the connection is back.
"use strict";

const outbox = (() => {
  const person = document.body.dataset.person ?? "";
  const PAUSES_S = [2, 4, 8, 16, 32, 60, 120, 300];
  const LONGEST_CALL_MS = 45000;
  // In another tab a message may be on its way for so long.
  const ON_ITS_WAY_MS = 60000;
  const PHOTOS_IN_A_HURRY_MS = 5000;
  const ADVICE_MS = 5000;
  let failures = 0;
  let timer = 0;
  let isFlushing = false;

  const { put, remove, all } = unsent;
  const token = () => document.querySelector('input[name="csrf_token"]')?.value ?? "";

  async function post(address, body, limit_ms) {
    return await fetch(address, {
      method: "POST", body, headers: { Accept: "application/json", "X-CSRF-Token": token() },
      credentials: "same-origin", signal: AbortSignal.timeout(limit_ms),
    });
  }

  // Sends the files, then the message. What comes back: {kind: sent | page | photo | signedOut | stale | later}.
  async function deliver(item, { byItself = false } = {}) {
    try {
      if (!item.isFinal) {
        // What was typed without a connection was never asked about.
        if (byItself && item.files.length && !item.hurry) item.hurry = await isDanger(item);
        const problem = await sendFiles(item, byItself);
        if (problem && !item.hurry) return problem;
        await makeFinal(item);
      }
      const body = new FormData();
      for (const [name, value] of item.fields) body.append(name, value);
      // Nobody is there to be asked whether it is a repeat; staff see that it may be one.
      if (byItself && !item.fields.some(([name]) => name === "answer")) body.append("answer", "new");
      const result = await outcome(await post("/report", body, LONGEST_CALL_MS));
      if (result.kind === "sent") tellLost(item, result);
      return result;
    } catch {
      return { kind: "later" };
    }
  }

  // From here on it may have arrived: whatever is sent again is the same to the letter, or it would be another message.
  async function makeFinal(item) {
    item.isFinal = true;
    item.since = Date.now();
    await put(item);
  }

  function tellLost(item, result) {
    result.lost = [...(item.lost ?? []), ...item.files.map((file) => file.name)];
    if (!result.lost.length) return;
    const address = new URL(result.location, location.origin);
    address.searchParams.set("done", "sent-without-photo");
    result.location = address.pathname + address.search;
  }

  async function isDanger(item) {
    const body = new FormData();
    body.append("message_text", drafts.textOf(item.fields));
    try {
      const answer = await post("/report/advice", body, ADVICE_MS);
      return answer.ok && (await answer.json()).emergency === true;
    } catch {
      return false;
    }
  }

  // Null, or why the message has to wait. In a hurry it does not: then it is only why the rest of the files stays here.
  async function sendFiles(item, byItself) {
    const until = Date.now() + PHOTOS_IN_A_HURRY_MS;
    while (item.files.length) {
      const left_ms = item.hurry ? until - Date.now() : LONGEST_CALL_MS;
      if (left_ms <= 0) return null;
      const body = new FormData();
      body.append("idempotency_key", item.key);
      body.append("photos", item.files[0], item.files[0].name);
      let answer;
      try {
        answer = await post("/photos", body, left_ms);
      } catch {
        return { kind: "later", isPhoto: true };
      }
      if (answer.status === 401) return { kind: "signedOut" };
      // The page is too old, or somebody else's: that says nothing about the file.
      if (answer.status === 403) return { kind: "stale" };
      if (answer.status >= 500 || answer.status === 429) return { kind: "later", isPhoto: true };
      const said = await answer.json().catch(() => ({}));
      if (answer.ok && !said.attachment_id) return { kind: "later", isPhoto: true };
      const file = item.files.shift();
      if (answer.ok) item.fields.push(["photo", `${said.attachment_id} ${said.name}`]);
      else if (byItself || item.hurry) item.lost = [...(item.lost ?? []), file.name];
      else return { kind: "photo", problem: said.problem ?? "", name: file.name };
      item.since = Date.now();
      await put(item);
    }
    return null;
  }

  async function outcome(answer) {
    if (answer.status === 401) return { kind: "signedOut" };
    if (answer.status === 403) return { kind: "stale" };
    if (answer.status === 429 || answer.status >= 500) return { kind: "later" };
    if ((answer.headers.get("content-type") ?? "").startsWith("application/json")) {
      const said = await answer.json();
      if (said.location) return { kind: "sent", location: said.location };
      return { kind: "later" };
    }
    return { kind: "page", html: await answer.text(), status: answer.status };
  }

  // Everything that waits, one after the other, emergencies first, until there is no connection or session for it.
  async function flush() {
    if (isFlushing) return;
    isFlushing = true;
    clearTimeout(timer);
    try {
      const waiting = await all();
      for (const item of [...waiting.filter((one) => one.hurry), ...waiting.filter((one) => !one.hurry)]) {
        if (item.state === "refused") continue;
        if (item.state === "sending" && Date.now() - item.since < ON_ITS_WAY_MS) continue;
        if (!(await sendOne(item))) break;
      }
    } finally {
      isFlushing = false;
    }
    await show();
    if ((await all()).some((item) => item.state !== "refused")) {
      timer = setTimeout(flush, 1000 * PAUSES_S[Math.min(failures, PAUSES_S.length - 1)]);
    }
  }

  async function sendOne(item) {
    await set(item, "sending");
    await show();
    const result = await deliver(item, { byItself: true });
    if (result.kind === "sent") {
      failures = 0;
      await remove(item.key);
      tellSent(result);
      return true;
    }
    if (result.kind === "page") {
      await set(item, "refused");
      return true;
    }
    failures += 1;
    await set(item, { later: "waiting", signedOut: "signedOut", stale: "stale" }[result.kind] ?? "waiting");
    // A photo that can't be taken just now holds up no other message.
    return Boolean(result.isPhoto);
  }

  async function set(item, state) {
    item.state = state;
    item.since = Date.now();
    await put(item);
  }

  function tellSent(result) {
    const notice = document.querySelector("[data-outbox-sent]");
    if (!notice) return;
    notice.querySelector("a").href = result.location;
    const without = notice.querySelector("[data-without]");
    without.textContent = result.lost.length ? notice.dataset.without.replace("{names}", result.lost.join(", ")) : "";
    notice.hidden = false;
  }

  async function show() {
    const section = document.querySelector("[data-outbox]");
    if (!section) return;
    const items = (await all()).filter((item) => item.state !== "sending" || item.tried);
    const rows = items.map((item) => row(section, item));
    section.querySelector("[data-outbox-list]").replaceChildren(...rows);
    section.hidden = rows.length === 0;
  }

  function row(section, item) {
    const made = section.querySelector("[data-outbox-item]").content.cloneNode(true);
    made.querySelector("[data-text]").textContent = drafts.textOf(item.fields);
    made.querySelector("[data-state]").textContent = section.dataset[item.state] ?? section.dataset.waiting;
    made.querySelector("[data-sign-in]").hidden = item.state !== "signedOut";
    made.querySelector("[data-now]").addEventListener("click", flush);
    made.querySelector("[data-edit]").addEventListener("click", () => edit(item));
    return made;
  }

  // Back into the form. It may have arrived already; with the same key and text it is still sent once.
  async function edit(item) {
    const form = document.querySelector("form[data-report]:not([data-question])");
    if (!form) {
      location.assign("/home");
      return;
    }
    if (form.elements.message_text.value.trim()) {
      form.elements.message_text.focus();
      return;
    }
    await remove(item.key);
    drafts.fill(form, item.fields.filter(([name]) => name !== "answer"));
    photos.list(form, item.fields.filter(([name]) => name === "photo").map(([, value]) => value));
    // Not those that an emergency did not wait for: with them it would be another message, where it has arrived.
    if (!item.isFinal) photos.add(form, item.files);
    drafts.keep(form);
    form.dispatchEvent(new Event("input", { bubbles: true }));
    form.elements.message_text.focus();
    await show();
  }

  // Keeps a message before it is sent for the first time, so that a crash meanwhile does not lose it.
  async function begin(item) {
    item.state = "sending";
    item.since = Date.now();
    item.at ??= item.since;
    return await put(item);
  }

  // It could not be sent: it waits. True where it outlives this page.
  async function wait(item, kind) {
    item.tried = true;
    item.state = { signedOut: "signedOut", stale: "stale" }[kind] ?? "waiting";
    item.since = Date.now();
    const isKept = await put(item);
    await show();
    clearTimeout(timer);
    timer = setTimeout(flush, 1000 * PAUSES_S[0]);
    return isKept;
  }

  if (person) {
    window.addEventListener("online", flush);
    window.addEventListener("pageshow", flush);
  }
  return { begin, wait, remove, deliver, show, flush };
})();

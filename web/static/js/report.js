// The box in which residents write: counter, draft, advice in danger while typing, and sending by the outbox.
"use strict";

(() => {
  const PAUSE_MS = 500;
  const ADVICE_EVERY_MS = 1200;
  const TELL_LEFT_FROM = 500;
  let hasMoved = false;

  function init() {
    const form = document.querySelector("form[data-report]");
    if (!form) return;
    photos.init(form);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      send(form, event.submitter);
    });
    if (form.dataset.question !== undefined) return;
    const restored = drafts.restore(form);
    if (restored) {
      photos.list(form, restored);
      openWishes(form);
      element(form, "[data-draft-kept]").hidden = false;
    }
    const advice = advisor(form);
    count(form);
    if (restored) advice();
    let pause = 0;
    form.addEventListener("input", () => {
      count(form);
      advice();
      clearTimeout(pause);
      pause = setTimeout(() => { element(form, "[data-draft-kept]").hidden = !drafts.keep(form); }, PAUSE_MS);
    });
    // What was typed in the last half second is kept, too.
    window.addEventListener("pagehide", () => { if (form.isConnected && !form.dataset.sending) drafts.keep(form); });
    const connection = () => { element(form, "[data-offline]").hidden = navigator.onLine; };
    window.addEventListener("online", connection);
    window.addEventListener("offline", connection);
    connection();
  }

  const element = (form, selector) => form.querySelector(selector);

  function openWishes(form) {
    const wishes = form.querySelector("details");
    const isFilled = (field) => (["checkbox", "radio"].includes(field.type) ? field.checked && field.value : field.value);
    if (wishes && [...wishes.querySelectorAll("input, textarea")].some(isFilled)) wishes.open = true;
  }

  // As the server counts: characters, not the halves that some are stored in.
  function count(form) {
    const box = form.elements.message_text;
    const left = Number(box.dataset.most) - [...box.value.trim()].length;
    const shown = element(form, "[data-count]");
    shown.textContent = (left < 0 ? form.dataset.over : form.dataset.left)
      .replace("{count}", Math.abs(left).toLocaleString(document.documentElement.lang));
    shown.classList.toggle("is-over", left < 0);
    // Read aloud only where it begins to matter.
    shown.setAttribute("aria-live", left < TELL_LEFT_FROM ? "polite" : "off");
  }

  // Asks the life-safety rules while somebody types: at the first pause, and at least now and then while they go on.
  function advisor(form) {
    let asked = "";
    let last = 0;
    let timer = 0;
    let call = null;
    async function ask() {
      const text = form.elements.message_text.value.trim();
      if (text === asked || !form.isConnected) return;
      asked = text;
      last = Date.now();
      call?.abort();
      if (!text) return tell({ emergency: false });
      call = new AbortController();
      const body = new FormData();
      body.append("message_text", text);
      try {
        const answer = await fetch("/report/advice", {
          method: "POST", body, signal: call.signal,
          headers: { Accept: "application/json", "X-CSRF-Token": form.elements.csrf_token.value },
        });
        if (answer.ok) tell(await answer.json());
      } catch (error) {
        // No answer is no all-clear: what was said before stays.
        if (error.name !== "AbortError") asked = "";
      }
    }
    function tell(said) {
      const box = element(form, "[data-danger-box]");
      element(form, "[data-advice]").textContent = said.emergency ? said.advice ?? "" : "";
      box.hidden = !said.emergency;
    }
    return () => {
      clearTimeout(timer);
      timer = setTimeout(ask, Date.now() - last > ADVICE_EVERY_MS ? PAUSE_MS / 2 : PAUSE_MS);
    };
  }

  async function send(form, submitter) {
    if (form.dataset.sending) return;
    form.dataset.sending = "yes";
    element(form, "[data-sending-now]").hidden = false;
    const item = {
      hurry: element(form, "[data-danger-box]")?.hidden === false,
      key: form.elements.idempotency_key.value,
      fields: drafts.fieldsOf(form, submitter),
      files: photos.takeOver(form),
    };
    try {
      await outbox.begin(item);
      await settle(form, item, await outbox.deliver(item));
    } finally {
      delete form.dataset.sending;
      element(form, "[data-sending-now]").hidden = true;
    }
  }

  async function settle(form, item, result) {
    if (result.kind === "sent") {
      drafts.clear();
      await outbox.remove(item.key);
      // Left as it is: the page goes away.
      empty(form);
      location.assign(result.location);
    } else if (result.kind === "page") {
      await outbox.remove(item.key);
      // In a hurry some files may not have been sent; the form is there again, and so are they.
      if (show(result.html)) photos.add(document.querySelector("form[data-report]"), item.files);
    } else if (result.kind === "photo") {
      await outbox.remove(item.key);
      back(form, item, result.problem || form.dataset.notNow.replace("{name}", result.name));
    } else {
      const isKept = await outbox.wait(item, result.kind);
      if (isKept) drafts.clear();
      if (form.dataset.question !== undefined) form.remove();
      else empty(form);
      document.querySelector("[data-outbox]")?.scrollIntoView({ block: "nearest" });
    }
  }

  // A photo was refused: everything else stays as it was.
  function back(form, item, sentence) {
    photos.clear(form);
    photos.list(form, item.fields.filter(([name]) => name === "photo").map(([, value]) => value));
    photos.add(form, item.files);
    const line = document.createElement("li");
    line.textContent = sentence;
    element(form, "[data-photo-problems]").append(line);
  }

  // For the next message, which is another one.
  function empty(form) {
    if (form.dataset.question !== undefined) return;
    form.elements.message_text.value = "";
    form.elements.idempotency_key.value = [...crypto.getRandomValues(new Uint8Array(18))]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
    form.elements.shown_at.value = new Date().toISOString();
    photos.clear(form);
    element(form, "[data-draft-kept]").hidden = true;
    element(form, "[data-danger-box]").hidden = true;
    count(form);
  }

  // The server's page in place of this one: a question before it is sent, or what is wrong with it.
  function show(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const main = page.querySelector("main");
    if (!page.querySelector("form[data-report]")) {
      // Something else failed; its words come above the form, which stays.
      const notice = document.createElement("div");
      notice.className = "notice notice-danger";
      notice.setAttribute("role", "alert");
      notice.textContent = [...main.querySelectorAll("h1, p")].slice(0, 3).map((one) => one.textContent.trim()).join(" ");
      document.querySelector("form[data-report]").before(notice);
      return false;
    }
    hasMoved = true;
    history.pushState(null, "", location.href);
    document.title = page.title;
    document.querySelector("main").replaceWith(document.adoptNode(main));
    init();
    outbox.show();
    window.scrollTo(0, 0);
    (document.querySelector("[data-focus]") ?? document.querySelector("main h1"))?.focus();
    return Boolean(document.querySelector("form[data-report] input[type=file]"));
  }

  // Back from such a page: the form as it was, from its draft.
  window.addEventListener("popstate", () => { if (hasMoved && !location.hash) location.reload(); });
  init();
})();

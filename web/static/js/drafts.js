// What is typed into a form is kept in this browser, by person, until it is sent.
"use strict";

const drafts = (() => {
  const person = document.body.dataset.person ?? "";
  const place = `aam.draft.${person}`;
  const NOT_KEPT = new Set(["csrf_token", "photos"]);
  // Whoever signs out leaves nothing here, not even on leaving the page.
  let isOver = false;
  document.addEventListener("signing-out", () => { isOver = true; });

  const read = () => {
    try { return JSON.parse(localStorage.getItem(place)); } catch { return null; }
  };

  // Pairs of name and value, files left out; the idempotency key with them, so that a crash while sending sends once.
  function fieldsOf(form, submitter) {
    const fields = [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !NOT_KEPT.has(name));
    return submitter?.name ? [...fields, [submitter.name, submitter.value]] : fields;
  }

  const textOf = (fields) => (fields.find(([name]) => name === "message_text")?.[1] ?? "").trim();

  // True where something is kept now.
  function keep(form) {
    if (isOver) return false;
    const fields = fieldsOf(form);
    if (!textOf(fields) && !fields.some(([name]) => name === "photo")) {
      clear();
      return false;
    }
    try {
      localStorage.setItem(place, JSON.stringify({ fields, at: Date.now() }));
      return true;
    } catch {
      return false;
    }
  }

  // Puts the kept fields into a form that is empty. The photos come back as "id name" texts, for their list.
  function restore(form) {
    const fields = read()?.fields;
    if (!fields || form.elements.message_text.value.trim() || form.querySelector("input[name=photo]")) return null;
    fill(form, fields);
    return fields.filter(([name]) => name === "photo").map(([, value]) => value);
  }

  function fill(form, fields) {
    const values = (name) => fields.filter(([each]) => each === name).map(([, value]) => value);
    for (const element of form.elements) {
      if (!element.name || NOT_KEPT.has(element.name) || element.type === "file" || element.name === "photo") continue;
      if (element.type === "checkbox" || element.type === "radio") {
        element.checked = values(element.name).includes(element.value);
      } else if (values(element.name).length) {
        element.value = values(element.name)[0];
      }
    }
  }

  function clear() {
    try { localStorage.removeItem(place); } catch { /* Nothing is kept in such a browser. */ }
  }

  return { keep, restore, fill, clear, fieldsOf, textOf };
})();

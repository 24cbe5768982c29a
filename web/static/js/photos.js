// Photos are sent as they are picked: made smaller first where they are large, with progress, and can be removed.
"use strict";

const photos = (() => {
  const TAKEN = ["image/jpeg", "image/png", "image/webp", "application/pdf"];
  const SHRUNK_FROM = 1024 * 1024;
  const LARGEST = 10 * 1024 * 1024;
  const LONGEST_SIDE = 2000;
  const MOST = 10;
  const TIMEOUT_MS = 120000;
  // Files that are not there yet, by their line in the list.
  const pending = new Map();

  const say = (text, name) => text.replace("{name}", name);

  function init(form) {
    const input = form.querySelector("input[type=file]");
    if (!input) return;
    for (const element of form.querySelectorAll("[data-without-script]")) element.hidden = true;
    for (const element of form.querySelectorAll("[data-with-script]")) element.hidden = false;
    for (const line of form.querySelectorAll("[data-photo]")) dress(form, line);
    input.addEventListener("change", () => {
      const picked = [...input.files];
      // They are sent one by one, not with the form once more.
      input.value = "";
      add(form, picked);
    });
    window.addEventListener("online", () => retry(form));
  }

  function add(form, files) {
    form.querySelector("[data-photo-problems]").replaceChildren();
    for (const file of files) {
      if (form.querySelectorAll("[data-photos] > li").length >= MOST) {
        complain(form, form.dataset.tooMany);
        return;
      }
      take(form, file);
    }
  }

  async function take(form, file) {
    const line = newLine(form, file.name);
    line.append(progressOf(form, file.name));
    removeButton(form, line, file.name);
    pending.set(line, file);
    const small = await shrink(file);
    if (!pending.has(line)) return;
    if (small.type && !TAKEN.includes(small.type)) return refuse(form, line, say(form.dataset.wrongKind, file.name));
    if (small.size > LARGEST) return refuse(form, line, say(form.dataset.tooLarge, file.name));
    pending.set(line, small);
    if (small.type.startsWith("image/")) thumbnail(line, small);
    send(form, line);
  }

  function send(form, line) {
    const file = pending.get(line);
    const call = new XMLHttpRequest();
    line.call = call;
    call.open("POST", "/photos");
    call.setRequestHeader("Accept", "application/json");
    call.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
    call.timeout = TIMEOUT_MS;
    call.upload.addEventListener("progress", (event) => {
      const bar = line.querySelector("progress");
      if (bar && event.lengthComputable) bar.value = event.loaded / event.total;
    });
    call.addEventListener("load", () => answered(form, line, call, file.name));
    for (const failure of ["error", "timeout"]) call.addEventListener(failure, () => waits(form, line));
    const body = new FormData();
    body.append("idempotency_key", form.elements.idempotency_key.value);
    body.append("photos", file, file.name);
    call.send(body);
  }

  function answered(form, line, call, name) {
    let said = {};
    try { said = JSON.parse(call.responseText); } catch { /* Not ours: judged by its status. */ }
    if (call.status === 201) {
      pending.delete(line);
      line.querySelector("progress")?.remove();
      line.querySelector("[data-waits]")?.remove();
      line.dataset.photo = said.attachment_id;
      line.append(hidden(`${said.attachment_id} ${said.name}`));
      tell(form, say(form.dataset.added, name));
      form.dispatchEvent(new Event("input", { bubbles: true }));
    } else if (call.status === 401) {
      waits(form, line);
      complain(form, form.dataset.signedOut);
    } else if (call.status === 413) {
      refuse(form, line, say(form.dataset.tooLarge, name));
    } else {
      refuse(form, line, said.problem ?? say(form.dataset.notNow, name));
    }
  }

  // No connection: it is kept here, tried again, and goes with the message at the latest.
  function waits(form, line) {
    line.call = null;
    if (line.querySelector("[data-waits]")) return;
    const note = document.createElement("span");
    note.dataset.waits = "";
    note.className = "quiet";
    note.textContent = say(form.dataset.waiting, pending.get(line)?.name ?? "");
    line.querySelector("progress")?.remove();
    line.append(note);
  }

  function retry(form) {
    for (const line of pending.keys()) if (line.isConnected && !line.call) send(form, line);
  }

  // The files that are not there yet, taken over by whoever sends the form.
  function takeOver(form) {
    const files = [];
    for (const [line, file] of pending) {
      if (!line.isConnected || line.closest("form") !== form) continue;
      line.call?.abort();
      files.push(file);
    }
    pending.clear();
    return files;
  }

  // Back in the list: those that were taken over and not sent.
  function list(form, values) {
    for (const value of values) {
      const [identifier, ...words] = value.split(" ");
      const line = newLine(form, words.join(" ") || identifier);
      line.dataset.photo = identifier;
      line.append(hidden(value));
      dress(form, line);
    }
  }

  function clear(form) {
    pending.clear();
    form.querySelector("[data-photos]")?.replaceChildren();
    form.querySelector("[data-photo-problems]")?.replaceChildren();
    if (form.querySelector("[data-photo-news]")) tell(form, "");
  }

  function newLine(form, name) {
    const line = document.createElement("li");
    const label = document.createElement("span");
    label.className = "photo-name";
    label.textContent = name;
    line.append(label);
    form.querySelector("[data-photos]").append(line);
    return line;
  }

  function dress(form, line) {
    line.querySelector("[data-without-script]")?.remove();
    removeButton(form, line, line.querySelector(".photo-name").textContent);
  }

  function removeButton(form, line, name) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button-quiet";
    button.textContent = say(form.dataset.remove, name);
    button.addEventListener("click", () => {
      line.call?.abort();
      pending.delete(line);
      if (line.dataset.photo) takeBack(form, line.dataset.photo);
      line.remove();
      tell(form, say(form.dataset.removed, name));
      form.querySelector("input[type=file]").focus();
      form.dispatchEvent(new Event("input", { bubbles: true }));
    });
    line.append(button);
  }

  function takeBack(form, identifier) {
    // Where this fails, the file is removed after a day like all that nobody sends.
    fetch(`/photos/${encodeURIComponent(identifier)}/remove`, {
      method: "POST", headers: { Accept: "application/json", "X-CSRF-Token": form.elements.csrf_token.value },
    }).catch(() => undefined);
  }

  function progressOf(form, name) {
    const bar = document.createElement("progress");
    bar.max = 1;
    bar.setAttribute("aria-label", say(form.dataset.adding, name));
    return bar;
  }

  function hidden(value) {
    const input = document.createElement("input");
    input.type = "hidden";
    input.name = "photo";
    input.value = value;
    return input;
  }

  function thumbnail(line, file) {
    const picture = document.createElement("img");
    picture.alt = "";
    picture.src = URL.createObjectURL(file);
    picture.addEventListener("load", () => URL.revokeObjectURL(picture.src), { once: true });
    picture.addEventListener("error", () => picture.remove(), { once: true });
    line.prepend(picture);
  }

  function refuse(form, line, sentence) {
    pending.delete(line);
    line.remove();
    complain(form, sentence);
  }

  function complain(form, sentence) {
    const item = document.createElement("li");
    item.textContent = sentence;
    form.querySelector("[data-photo-problems]").append(item);
  }

  const tell = (form, text) => { form.querySelector("[data-photo-news]").textContent = text; };

  // A smaller JPEG of a large picture; the file itself where it is small, no picture, or would not become smaller.
  async function shrink(file) {
    const isTaken = TAKEN.includes(file.type);
    if (!file.type.startsWith("image/") || (isTaken && file.size <= SHRUNK_FROM)) return file;
    try {
      const bitmap = await createImageBitmap(file);
      const scale = Math.min(1, LONGEST_SIDE / Math.max(bitmap.width, bitmap.height));
      const canvas = document.createElement("canvas");
      canvas.width = Math.max(1, Math.round(bitmap.width * scale));
      canvas.height = Math.max(1, Math.round(bitmap.height * scale));
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#fff";
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      bitmap.close();
      const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.85));
      if (!blob || (isTaken && blob.size >= file.size)) return file;
      return new File([blob], file.name.replace(/\.[^.]*$/, "") + ".jpg", { type: "image/jpeg" });
    } catch {
      // This browser can't read it; the server says what it makes of it.
      return file;
    }
  }

  return { init, add, list, takeOver, clear };
})();

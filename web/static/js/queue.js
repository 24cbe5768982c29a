// The staff's queue: lines that stay true while the page is open, choosing many, and the keyboard. Needs site.js.
"use strict";

(() => {
  const table = document.getElementById("queue");
  if (!table) return;
  const EVERY_MS = 15000;
  const words = table.dataset;
  const plural = new Intl.PluralRules(document.documentElement.lang);
  const say = (count, name) =>
    plural.select(count) === "one" ? words[`${name}One`] : words[`${name}Many`].replace("{count}", count);

  // Lines.
  const rows = () => [...table.querySelectorAll("tbody tr[data-request]")];
  const link = (row) => row.querySelector(".queue-link");
  const box = (row) => row.querySelector("input[name=request]");
  const current = () => document.activeElement?.closest?.("#queue tbody tr[data-request]") ?? null;

  function goTo(row) {
    if (!row) return;
    link(row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const all = rows();
    const at = all.indexOf(current());
    goTo(at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[Math.min(all.length - 1, Math.max(0, at + step))]);
  }

  // Choosing.
  const bulk = document.getElementById("bulk");
  const countOfChosen = document.getElementById("bulk-count");
  const all = document.getElementById("choose-all");
  const allBox = all.querySelector("input");
  all.hidden = false;

  function showChosen() {
    const every = rows();
    const chosen = every.filter((row) => box(row).checked);
    for (const row of every) row.classList.toggle("is-selected", box(row).checked);
    countOfChosen.textContent = chosen.length ? say(chosen.length, "chosen") : "";
    bulk.classList.toggle("has-chosen", chosen.length > 0);
    showUnfit(chosen);
    allBox.checked = every.length > 0 && chosen.length === every.length;
    allBox.indeterminate = chosen.length > 0 && chosen.length < every.length;
  }

  // A status that may follow none of the chosen is greyed; of one that some can't have it is said which.
  const status = document.getElementById("bulk-status");
  const unfit = document.getElementById("bulk-unfit");
  const settable = (row) => row.dataset.settable.split(" ");

  function showUnfit(chosen) {
    let greyed = 0;
    for (const option of status.options) {
      // The one that is selected stays: what is greyed would not be sent, and nobody told.
      const isFit = !option.value || option.selected || !chosen.length;
      option.disabled = !isFit && !chosen.some((row) => settable(row).includes(option.value));
      greyed += option.disabled ? 1 : 0;
    }
    document.getElementById("bulk-none").hidden = !greyed;
    const wanted = status.value;
    const left = wanted ? chosen.filter((row) => !settable(row).includes(wanted)) : [];
    unfit.hidden = !left.length;
    if (!left.length) return unfit.replaceChildren();
    const said = document.createElement("p");
    said.textContent = unfit.dataset.says.replace("{status}", status.selectedOptions[0].textContent);
    const list = document.createElement("ul");
    list.append(...left.map((row) => {
      const item = document.createElement("li");
      item.textContent = `${link(row).textContent} (${unfit.dataset.is.replace("{status}", row.dataset.status)})`;
      return item;
    }));
    unfit.replaceChildren(said, list);
  }

  // A line that was chosen stands for what was seen then, until it is chosen anew.
  function choose(row, checked) {
    const own = box(row);
    own.checked = checked;
    if (checked || !own.dataset.present) return;
    own.value = own.dataset.present;
    delete own.dataset.present;
  }

  function chooseAll(checked) {
    for (const row of rows()) choose(row, checked);
    showChosen();
  }

  table.addEventListener("change", (event) => {
    if (event.target === allBox) return chooseAll(allBox.checked);
    const row = event.target.closest("tr[data-request]");
    if (row && event.target === box(row)) choose(row, event.target.checked);
    showChosen();
  });
  status.addEventListener("change", showChosen);
  window.addEventListener("pageshow", showChosen);
  showChosen();

  // What the server said of each line, so that a line is touched only where that is another.
  function saidOf(row) {
    const copy = row.cloneNode(true);
    copy.removeAttribute("class");
    box(copy).removeAttribute("checked");
    for (const time of copy.querySelectorAll("time[data-countdown]")) {
      time.textContent = "";
      time.classList.remove("is-over");
    }
    return copy.outerHTML;
  }

  let known = new Map(rows().map((row) => [row.dataset.request, saidOf(row)]));
  const news = document.getElementById("queue-news");
  const stale = document.getElementById("queue-stale");
  let upToDateAt = new Date();
  let isAsking = false;

  function showStale(text) {
    if (stale.textContent !== text) stale.textContent = text;
    stale.hidden = !text;
  }

  async function refresh() {
    if (isAsking || document.visibilityState !== "visible") return;
    isAsking = true;
    try {
      const answer = await fetch(words.rows, { headers: { Accept: "application/json" }, cache: "no-store" });
      if (answer.status === 401) return showStale(words.signedOut);
      const part = document.createElement("template");
      part.innerHTML = answer.ok ? await answer.text() : "";
      const body = part.content.getElementById("queue-rows");
      if (!body) throw new Error(`the queue answered ${answer.status}`);
      replaceLines(body);
      replaceFigures(part.content.getElementById("queue-figures"));
      replaceAlerts(part.content.getElementById("queue-alerts"));
      upToDateAt = new Date();
      showStale("");
    } catch {
      const time = upToDateAt.toLocaleTimeString(document.documentElement.lang, {
        hour: "numeric", minute: "2-digit", timeZone: words.zone,
      });
      showStale(words.stale.replace("{time}", time));
    } finally {
      isAsking = false;
    }
  }

  function replaceFigures(figures) {
    const shown = document.getElementById("queue-figures");
    if (!figures || shown.innerHTML === figures.innerHTML) return;
    const at = [...shown.querySelectorAll("a")].indexOf(document.activeElement);
    shown.replaceWith(figures);
    if (at >= 0) figures.querySelectorAll("a")[at]?.focus();
  }

  function replaceAlerts(alerts) {
    const shown = document.getElementById("queue-alerts");
    if (!alerts || shown.innerHTML === alerts.innerHTML || shown.contains(document.activeElement)) return;
    shown.replaceWith(alerts);
    const navigation = document.querySelector('#site-navigation a[href="/staff/messages"]');
    navigation.querySelector("[data-untaken]")?.remove();
    if (!Number(alerts.dataset.count)) return;
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.dataset.untaken = "";
    badge.textContent = alerts.dataset.count;
    const said = document.createElement("span");
    said.className = "visually-hidden";
    said.textContent = ` ${alerts.dataset.badge}`;
    badge.append(said);
    navigation.append(" ", badge);
  }

  function keepChosen(before, after) {
    after.checked = before.checked;
    if (!before.checked || before.value === after.value) return;
    after.dataset.present = after.value;
    after.value = before.value;
  }

  function replaceLines(body) {
    const fresh = [...body.querySelectorAll("tr[data-request]")];
    const said = new Map(fresh.map((row) => [row.dataset.request, saidOf(row)]));
    const isSame = said.size === known.size && [...said].every(([id, html], at) => known.get(id) === html && rows()[at]?.dataset.request === id);
    if (isSame) return;

    const old = new Map(rows().map((row) => [row.dataset.request, row]));
    const focused = current();
    const focusedAt = rows().indexOf(focused);
    const isOnBox = focused !== null && document.activeElement === box(focused);
    const anchor = focused ?? rows().find((row) => row.getBoundingClientRect().bottom > 0);
    const anchorId = anchor?.dataset.request;
    const anchorTop = anchor?.getBoundingClientRect().top ?? 0;
    let added = 0;
    let changed = 0;

    const next = fresh.map((row) => {
      const before = old.get(row.dataset.request);
      if (!before) {
        added += 1;
        row.classList.add("is-new");
        return row;
      }
      if (known.get(row.dataset.request) === said.get(row.dataset.request)) return before;
      const isOther = before.dataset.version !== row.dataset.version;
      if (isOther) changed += 1;
      keepChosen(box(before), box(row));
      if (isOther || before.classList.contains("is-changed")) row.classList.add("is-changed");
      if (before.classList.contains("is-new")) row.classList.add("is-new");
      return row;
    });
    table.querySelector("tbody").replaceChildren(...next);
    known = said;
    countDown();
    document.getElementById("queue-empty").hidden = next.length > 0;

    if (focused) {
      const again = next.find((row) => row.dataset.request === focused.dataset.request) ?? next[Math.min(focusedAt, next.length - 1)];
      if (again) (isOnBox ? box(again) : link(again)).focus({ preventScroll: true });
      else document.getElementById("main").focus({ preventScroll: true });
    }
    const anchored = next.find((row) => row.dataset.request === anchorId);
    if (anchored) window.scrollBy(0, anchored.getBoundingClientRect().top - anchorTop);
    showChosen();
    if (added || changed) {
      news.textContent = [added && say(added, "new"), changed && say(changed, "changed")].filter(Boolean).join(" · ");
    }
  }

  setInterval(refresh, EVERY_MS);
  document.addEventListener("visibilitychange", refresh);
  window.addEventListener("online", refresh);

  // The keyboard (WCAG 2.1.4: single keys can be switched off).
  const STORED = "aam.single-keys";
  const dialog = document.getElementById("shortcuts");
  const singleKeys = document.getElementById("shortcuts-on");
  const stored = () => {
    try { return localStorage.getItem(STORED); } catch { return null; }
  };
  singleKeys.checked = stored() !== "off";
  singleKeys.addEventListener("change", () => {
    try { localStorage.setItem(STORED, singleKeys.checked ? "on" : "off"); } catch { /* It holds for this page then. */ }
  });
  document.getElementById("queue-hint").hidden = false;
  document.getElementById("shortcuts-open").addEventListener("click", () => dialog.showModal());

  const TYPED_IN = "input:not([type=checkbox]), textarea, select, [contenteditable]";
  const openRow = () => current() && link(current()).click();
  const keys = {
    j: () => move(1),
    k: () => move(-1),
    o: openRow,
    x: () => {
      const row = current();
      if (!row) return;
      choose(row, !box(row).checked);
      showChosen();
    },
    a: () => chooseAll(rows().some((row) => !box(row).checked)),
    b: () => document.getElementById("bulk-status").focus(),
    "/": () => document.querySelector("#filters select, #filters input:not([type=hidden])").focus(),
    "?": () => dialog.showModal(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    if (event.target.closest?.(TYPED_IN)) return;
    let act = null;
    if (event.key === "ArrowDown" && current()) act = keys.j;
    else if (event.key === "ArrowUp" && current()) act = keys.k;
    // On a checkbox Enter would send the form.
    else if (event.key === "Enter" && current() && event.target === box(current())) act = openRow;
    else if (singleKeys.checked && Object.hasOwn(keys, event.key)) act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
})();

// Alerts that nobody has taken: looked for again and again, and said aloud when there is a new one.
"use strict";

const announcer = document.querySelector("[data-announcer]");
const failed = document.querySelector("[data-refresh-failed]");
const title = document.title;

function listed(part) {
  return part.dataset.ids.split(" ").filter(Boolean);
}

function countInTitle(part) {
  const count = listed(part).length;
  document.title = count ? `(${count}) ${title}` : title;
}

// The part is replaced only where it lists others than before: nobody's focus or reading is disturbed for nothing.
function replace(part, fresh) {
  const before = listed(part), now = listed(fresh);
  if (before.join() === now.join()) return;
  // A form that is on its way answers by itself.
  if (part.querySelector("form[data-sending]")) return;
  const focused = part.contains(document.activeElement) ? document.activeElement.id : null;
  const added = now.filter((id) => !before.includes(id));
  const said = added.map((id) => fresh.querySelector(`[data-id="${CSS.escape(id)}"] h3`)?.textContent ?? "");
  part.replaceWith(fresh);
  if (focused !== null) {
    const heading = document.getElementById("untaken-heading");
    const target = document.getElementById(focused) ?? heading;
    if (target === heading) heading.tabIndex = -1;
    target.focus();
  }
  if (added.length) announcer.textContent = `${fresh.dataset.says} ${said.join(", ")}`;
  countInTitle(fresh);
}

async function refresh() {
  const part = document.querySelector("[data-refresh]");
  if (!part) return;
  let goesOn = true;
  try {
    const answer = await fetch(part.dataset.refresh, { headers: { Accept: "application/json" }, redirect: "error" });
    if (answer.ok) {
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-refresh]");
      if (fresh) replace(part, document.adoptNode(fresh));
    }
    failed.hidden = answer.ok;
    // Whoever is not signed in any more has to load the page.
    goesOn = answer.status !== 401 && answer.status !== 403;
  } catch {
    failed.hidden = false;
  }
  if (goesOn) setTimeout(refresh, 1000 * Number(part.dataset.every));
}

const untaken = document.querySelector("[data-refresh]");
if (untaken) {
  document.querySelector("[data-refreshing]").hidden = false;
  countInTitle(untaken);
  setTimeout(refresh, 1000 * Number(untaken.dataset.every));
}

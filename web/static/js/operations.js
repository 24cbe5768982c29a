// Brings the status of the services up to date every ten seconds; a change of health is told, and nothing else is.
"use strict";

const EVERY_MS = 10000;
const part = document.getElementById("operations");
const news = document.getElementById("health-news");
const stale = document.getElementById("operations-stale");
let health = part.querySelector("[data-health]").dataset.health;

function replace(html) {
  const held = part.contains(document.activeElement) ? document.activeElement.id : "";
  const scrolled = document.getElementById("systems")?.scrollLeft ?? 0;
  part.innerHTML = html;
  if (held) document.getElementById(held)?.focus({ preventScroll: true });
  const systems = document.getElementById("systems");
  if (systems) systems.scrollLeft = scrolled;
  const found = part.querySelector("[data-health]");
  if (found.dataset.health !== health) {
    health = found.dataset.health;
    news.textContent = found.dataset.news;
  }
}

async function look() {
  if (document.hidden) return;
  try {
    const answer = await fetch(part.dataset.source, { headers: { Accept: "application/json, text/html" } });
    if (answer.status === 401 || answer.redirected) {
      location.reload();
      return;
    }
    if (!answer.ok) throw new Error(String(answer.status));
    replace(await answer.text());
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  }
}

async function keepLooking() {
  await look();
  setTimeout(keepLooking, EVERY_MS);
}

setTimeout(keepLooking, EVERY_MS);
document.addEventListener("visibilitychange", look);

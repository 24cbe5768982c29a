// What-if: sliders beside the number fields, the shares of the weights, and a run that follows itself.
"use strict";

const form = document.querySelector("[data-what-if]");

function prepareFigure(figure) {
  const range = figure.querySelector("[data-range]");
  const number = figure.querySelector("[data-number]");
  const mark = () => figure.classList.toggle("is-changed", Number(number.value) !== Number(number.dataset.present));
  range.hidden = false;
  range.addEventListener("input", () => {
    number.value = String(Number(range.value));
    mark();
    showShares(figure.closest("[data-weights]"));
  });
  number.addEventListener("input", () => {
    range.value = number.value;
    mark();
    showShares(figure.closest("[data-weights]"));
  });
}

function showShares(weights) {
  if (!weights) return;
  const numbers = [...weights.querySelectorAll("[data-number]")].map((one) => Number(one.value));
  const total = numbers.reduce((sum, one) => sum + one, 0);
  const written = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", maximumFractionDigits: 1 });
  const sound = total > 0 && numbers.every((one) => one >= 0);
  weights.querySelector("[data-shares]").textContent = sound ? numbers.map((one) => written.format(one / total)).join(" + ") : "";
}

// Only what belongs to the chosen source is asked for.
function showSource() {
  const chosen = form.querySelector("[name=source]:checked")?.value;
  for (const field of form.querySelectorAll("[data-of]")) field.hidden = field.dataset.of !== chosen;
}

if (form) {
  form.querySelectorAll("[data-figure]").forEach(prepareFigure);
  form.querySelectorAll("[data-weights]").forEach(showShares);
  form.addEventListener("change", showSource);
  showSource();
}

const run = document.querySelector("[data-run]");
const told = document.querySelector("[data-told]");
const WAIT_MS = 1500;

async function follow(failures = 0) {
  let answer;
  try {
    answer = await fetch(run.dataset.run, { headers: { Accept: "application/json" } });
  } catch {
    // No connection: the run goes on without us.
  }
  if (answer?.status === 401) return location.reload();
  if (!answer?.ok) return later(failures + 1);
  const focused = run.contains(document.activeElement) ? document.activeElement.id : "";
  run.innerHTML = await answer.text();
  const part = run.querySelector("[data-ended]");
  // Said only when it changes, so that a screen reader is not interrupted by every step.
  if (told.textContent !== part.dataset.said) told.textContent = part.dataset.said;
  if (focused) (document.getElementById(focused) ?? document.getElementById("main")).focus();
  if (part.dataset.ended === "no") later(0);
}

function later(failures) {
  setTimeout(() => follow(failures), WAIT_MS * Math.min(2 ** failures, 20));
}

if (run?.querySelector('[data-ended="no"]')) later(0);

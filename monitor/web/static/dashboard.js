"use strict";
/* Small comforts; every page is whole without them. */

const THEMES = ["auto", "light", "dark"];

/* What this browser was told before; it may refuse to keep anything, or to say what it kept. */
function stored(name) {
  try {
    return localStorage.getItem(name) || "";
  } catch {
    return "";
  }
}

function store(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    /* lasts until the next page */
  }
}

function chosenTheme() {
  return THEMES.find((name) => name === stored("theme")) || "auto";
}

function showTheme(name) {
  document.documentElement.dataset.theme = name;
}

showTheme(chosenTheme()); // this file is loaded before the page is drawn

function offerThemes() {
  const button = document.querySelector("[data-action=theme]");
  if (!button) return;
  const tell = () => (button.textContent = `Theme: ${document.documentElement.dataset.theme}`);
  button.hidden = false;
  tell();
  button.addEventListener("click", () => {
    const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
    showTheme(next);
    tell();
    store("theme", next);
  });
}

function tellLocalTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = `${new Date(time.dateTime).toLocaleString()} (your time)`;
  }
}

/* A pointer over a drawing, or a finger on it, reads the title of the nearest mark, as screen readers do. */
function nearestOf(marks, event) {
  const away = (mark) => {
    const box = mark.getBoundingClientRect();
    return Math.hypot(box.x + box.width / 2 - event.clientX, (box.y + box.height / 2 - event.clientY) / 4);
  };
  return marks.reduce((nearest, mark) => (away(mark) < away(nearest) ? mark : nearest));
}

function tellValues() {
  for (const drawing of document.querySelectorAll("figure[data-hover] svg")) {
    const told = drawing.closest("figure").querySelector("output");
    const marks = [...drawing.querySelectorAll("svg > * title")].map((title) => title.parentElement);
    if (!marks.length) continue;
    const idle = told.textContent;
    const show = (one) => {
      for (const mark of marks) mark.classList.toggle("near", mark === one);
      told.textContent = one ? one.querySelector("title").textContent : idle;
    };
    for (const name of ["pointerdown", "pointermove"]) {
      drawing.addEventListener(name, (event) => show(nearestOf(marks, event)));
    }
    drawing.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && show(null));
  }
}

/* Whoever acted once on this machine need not write his name again. */
function rememberName() {
  for (const field of document.querySelectorAll("input[name=by]")) {
    field.value ||= stored("name");
    field.form.addEventListener("submit", () => store("name", field.value));
  }
}

document.addEventListener("DOMContentLoaded", () => {
  rememberName();
  offerThemes();
  tellLocalTimes();
  tellValues();
});

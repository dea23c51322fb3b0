"use strict";
/* Small comforts; every page is whole without them. */

const THEMES = ["auto", "light", "dark"];

function chosenTheme() {
  try {
    return THEMES.find((name) => name === localStorage.getItem("theme")) || "auto";
  } catch {
    return "auto"; // storage is refused
  }
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
    try {
      localStorage.setItem("theme", next);
    } catch {
      /* lasts until the next page */
    }
  });
}

function tellLocalTimes() {
  for (const time of document.querySelectorAll("time[datetime]")) {
    time.title = `${new Date(time.dateTime).toLocaleString()} (your time)`;
  }
}

/* A pointer over a drawing shows what stands nearest to it, as its table has it. */
function tellValues() {
  for (const figure of document.querySelectorAll("figure[data-hover]")) {
    const told = figure.querySelector("output");
    const marks = [...figure.querySelectorAll("[data-told]")];
    if (!told || !marks.length) continue;
    const idle = told.textContent;
    figure.addEventListener("pointermove", (event) => {
      let nearest = null;
      let least = Infinity;
      for (const mark of marks) {
        const box = mark.getBoundingClientRect();
        if (!box.width) continue;
        const away = Math.hypot(box.x + box.width / 2 - event.clientX, (box.y + box.height / 2 - event.clientY) / 4);
        if (away < least) [nearest, least] = [mark, away];
      }
      for (const mark of marks) mark.classList.toggle("near", mark === nearest);
      if (nearest) told.textContent = nearest.dataset.told;
    });
    figure.addEventListener("pointerleave", () => {
      told.textContent = idle;
      for (const mark of marks) mark.classList.remove("near");
    });
  }
}

document.addEventListener("DOMContentLoaded", () => {
  offerThemes();
  tellLocalTimes();
  tellValues();
});

/* A drawing as a file: the one that is shown now, in the colours of now, twice as large. */

const TWICE = 2;
const PAINT = [
  "fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order",
  "font-family", "font-size", "font-weight", "letter-spacing",
];

/* Style sheets do not reach into a file, so each element takes its paint along, as attributes. */
function painted(drawing) {
  const copy = drawing.cloneNode(true);
  const copies = [copy, ...copy.querySelectorAll("*")];
  [drawing, ...drawing.querySelectorAll("*")].forEach((element, place) => {
    const style = getComputedStyle(element);
    for (const name of PAINT) copies[place].setAttribute(name, style.getPropertyValue(name));
  });
  return copy;
}

async function loaded(drawing, width, height) {
  const copy = painted(drawing);
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const written = new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" });
  const image = new Image();
  image.src = URL.createObjectURL(written);
  try {
    await image.decode();
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return image;
}

async function savePicture(figure, name) {
  const drawing = [...figure.querySelectorAll("svg")].find((one) => one.getClientRects().length);
  const box = drawing.viewBox.baseVal;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [TWICE * box.width, TWICE * box.height];
  const image = await loaded(drawing, canvas.width, canvas.height);
  const brush = canvas.getContext("2d");
  brush.fillStyle = getComputedStyle(figure.closest(".card")).backgroundColor;
  brush.fillRect(0, 0, canvas.width, canvas.height);
  brush.drawImage(image, 0, 0, canvas.width, canvas.height);
  const link = document.createElement("a");
  link.href = canvas.toDataURL("image/png");
  link.download = `${name}.png`;
  link.click();
}

function offerPictures() {
  for (const button of document.querySelectorAll("[data-action=png]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      savePicture(button.closest("figure"), button.dataset.name).catch(() => {
        button.textContent = "This browser makes no PNG of it";
      });
    });
  }
}

document.addEventListener("DOMContentLoaded", offerPictures);

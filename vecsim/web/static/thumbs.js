// A thumbnail that is not there becomes a placeholder.
"use strict";
const empty = (image) => image.closest(".shot").classList.add("empty");
for (const image of document.querySelectorAll(".shot img")) {
  image.addEventListener("error", () => empty(image));
  if (image.complete && image.src && !image.naturalWidth) empty(image);
}

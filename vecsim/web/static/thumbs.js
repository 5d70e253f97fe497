// A thumbnail that is not there becomes a placeholder.
"use strict";
for (const image of document.querySelectorAll(".card .shot img")) {
  const empty = () => image.closest(".shot").classList.add("empty");
  image.addEventListener("error", empty);
  if (image.complete && !image.naturalWidth) empty();
}

// Shows a placeholder for every thumbnail that does not load.
"use strict";
for (const image of document.querySelectorAll(".card .picture img")) {
  const markMissing = () => image.closest(".picture").classList.add("empty");
  image.addEventListener("error", markMissing);
  if (image.complete && !image.naturalWidth) markMissing();
}

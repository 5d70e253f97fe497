
// The card of a group: its pictures, what is known about each, and what was decided.
const reviewCard = (() => {
  const SHOWN = 24;                    // pictures of a group that are shown at first
  const { briefly, plural, element, bytes } = shared;
  const model = reviewModel;
  const { ACCEPTED, DIFFERENT, STATES } = model;
  const number = (count) => count.toLocaleString("en");
  const settings = { source: null, large: false };   // large: whether cards show originals

  function fill(card, group, all = false) {
    const size = group.rows.length;
    const title = element("h2", {}, `Group ${number(group.number + 1)}`,
      element("span", { class: "muted" }, `${plural(size, "picture")} · smallest score ${briefly(group.least)}`),
      element("span", { class: "muted frees" }));
    const button = (act, text, name = "") => element("button", { type: "button", "data-act": act, class: name }, text);
    const acts = element("div", { class: "acts" }, button("compare", "Compare"), button("different", "Not copies"), button("accept", "Accept", "primary"));
    const shown = all ? size : Math.min(size, SHOWN);
    const list = element("ul", { class: "members" });
    for (let picture = 0; picture < shown; picture += 1) list.append(member(group, picture));
    card.replaceChildren(element("header", {}, title, acts), list);
    if (shown < size) card.append(button("all", `Show all ${number(size)} pictures`));
    card.setAttribute("aria-label", `Group ${group.number + 1}, ${plural(size, "picture")}`);
    mark(card, group);
  }

  function member(group, picture) {
    const { name } = model.place(group, picture);
    const shot = element("button", { type: "button", class: "shot", "data-act": "compare", title: "Compare" });
    const { source } = settings;
    const small = source.small(group, picture), original = source.original(group, picture, 640);
    const src = settings.large ? original || small : small || original;
    if (src) {
      const image = element("img", { alt: name, decoding: "async", loading: "lazy" });
      image.addEventListener("error", () => {
        if (src !== small && small && image.getAttribute("src") === src) image.src = small;
        else image.replaceWith("no picture");
      });
      image.src = src;
      shared.orient(image, model.orientation(group, picture));
      shot.append(image);
    } else shot.append("no thumbnail");
    const keep = element("input", { type: "checkbox", "data-act": "toggle" });
    return element("li", { class: "member", "data-picture": picture },
      element("div", { class: "picture-box" }, shot, element("span", { class: "tag" })),
      describe(group, picture),
      element("div", { class: "choice" }, element("label", { class: "keep" }, keep, " Keep"),
        element("button", { type: "button", class: "only", "data-act": "only" }, "Keep only this")));
  }

  // What is known about a picture: name, folder, size, dates, camera, fields, score.
  function describe(group, picture) {
    const { id, name, folder, titled } = model.place(group, picture);
    const value = (column) => model.value(group, picture, column);
    const link = shared.safeLink(group.links[picture]);
    const shown = element(link ? "a" : "strong", link ? { class: "name", href: link, target: "_blank", rel: "noopener noreferrer" } : { class: "name" },
      element("bdi", {}, name));
    shown.title = id;
    const about = element("div", { class: "about" }, shown);
    const line = (text, title = text) => { if (text) about.append(element("span", { class: "detail", title }, text)); };
    line(titled);
    line(folder);
    const size = value("width") ? `${value("width")} × ${value("height")}` : "";
    line([size, value("byte_count") ? bytes(value("byte_count")) : ""].filter(Boolean).join(" · "));
    for (const detail of group.details[picture]) line(detail);
    line(shared.orientationText(model.orientation(group, picture)));
    line(model.fields().map((field) => value(field)).filter(Boolean).join(" · "));
    about.append(element("span", { class: "member-score" }));
    return about;
  }

  // Bring marks, checkboxes and scores of a card up to date.
  function mark(card, group) {
    card.dataset.state = STATES[group.state];
    const several = group.kept.reduce((sum, one) => sum + one, 0) > 1;
    for (const item of card.querySelectorAll(".member")) {
      const picture = Number(item.dataset.picture), kept = Boolean(group.kept[picture]);
      item.classList.toggle("kept", kept);
      item.querySelector("input").checked = kept;
      item.querySelector(".only").hidden = kept && !several;
      const tag = item.querySelector(".tag");
      tag.textContent = kept ? "Keep" : "Give up";
      tag.classList.toggle("kept", kept);
      const known = model.score(group, group.keeper, picture);
      const text = picture === group.keeper ? reasonOf(group, picture) : known === null ? "" : `score ${briefly(known)}`;
      item.querySelector(".member-score").textContent = text;
    }
    const freed = model.bytesFreed(group);
    card.querySelector(".frees").textContent = freed ? `frees ${bytes(freed)}` : "keeps all";
    const pressed = { accept: group.state === ACCEPTED, different: group.state === DIFFERENT };
    for (const [act, is] of Object.entries(pressed)) {
      const button = card.querySelector(`header [data-act="${act}"]`);
      button.setAttribute("aria-pressed", String(is));
      if (act === "accept") button.textContent = is ? "Accepted" : "Accept";
    }
  }

  function reasonOf(group, picture) {
    const reason = picture === 0 && model.value(group, 0, "reason");
    return reason ? `kept: ${reason}` : "";
  }

  return { settings, fill, mark, describe };
})();

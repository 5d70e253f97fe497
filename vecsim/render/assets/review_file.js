
// The review in a file: its groups are blocks of JSON in the page, its pictures are part of them,
// and originals are read from this machine's disk, if the page was opened from there too.
(() => {
  const nextFrame = () => new Promise((go) => setTimeout(go, 0));

  async function read(model) {
    let since = performance.now(), end = null;
    for (const block of document.querySelectorAll("script.data")) {
      const { head, groups = [], end: last } = JSON.parse(block.textContent);
      if (head) model.setHead(head);
      if (last) end = last;
      for (const group of groups) model.add(group);
      block.remove();
      if (performance.now() - since > 30) { await nextFrame(); since = performance.now(); }
    }
    if (!end || end.count !== model.groups.length) throw new Error("the end mark is missing");
    return { ...end, name: end.id };
  }

  const isLocal = (group, picture) => location.protocol === "file:" && group.links[picture].toLowerCase().startsWith("file:///");

  review.start({
    read,
    small: (group, picture) => (group.pictures[picture] ? `data:image/webp;base64,${group.pictures[picture]}` : ""),
    original: (group, picture) => (isLocal(group, picture) ? group.links[picture] : ""),
    withoutOriginal: (group, picture) => (group.links[picture] ? "This is the thumbnail: the name opens the original." : "This is the thumbnail."),
    problem: (error) => `This report is incomplete (${error.message}). The file was truncated or changed: `
      + "copy it again, or write it again with the same command.",
  });
})();

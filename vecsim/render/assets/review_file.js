
// The review in a file: its groups are blocks of JSON in the page, its pictures are part of them,
// and originals are read from this machine's disk, if the page was opened from there too.
(() => {
  async function read(model) {
    const { end } = await shared.readBlocks(({ head, groups = [] }) => {
      if (head) model.setHead(head);
      for (const group of groups) model.add(group);
    });
    shared.checkCount(end, model.groups.length);
    return { ...end, name: end.id };
  }

  const isLocal = (group, picture) => location.protocol === "file:" && group.links[picture].toLowerCase().startsWith("file:///");

  review.start({
    read,
    small: (group, picture) => (group.pictures[picture] ? shared.pictureData(group.pictures[picture]) : ""),
    original: (group, picture) => (isLocal(group, picture) ? group.links[picture] : ""),
    withoutOriginal: (group, picture) => (group.links[picture] ? "This is the thumbnail: the name opens the original." : "This is the thumbnail."),
    problem: shared.incomplete,
  });
})();

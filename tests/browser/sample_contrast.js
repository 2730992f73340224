/* Makes a page small enough for axe: marks one element for every way of putting text on a ground, in both themes,
   and takes the rest of the coloured words out of the code. Contrast depends on nothing else; pages of code have
   thousands of words and a few dozen such ways. The words stay, their spans go; so do the insides of figures, which
   are one image each to whoever reads the page by ear. */
() => {
  const mark = () => {
    const grounds = new Map();
    const ground = (element) => {
      if (!element) { return ""; }
      if (!grounds.has(element)) {
        const { backgroundColor, backgroundImage, opacity } = getComputedStyle(element);
        const clear = backgroundColor === "rgba(0, 0, 0, 0)" && backgroundImage === "none" && opacity === "1";
        const own = clear ? "" : `${backgroundColor} ${backgroundImage} ${opacity};`;
        grounds.set(element, own + ground(element.parentElement));
      }
      return grounds.get(element);
    };
    const known = new Set();
    for (const element of document.querySelectorAll("body *:not(script, style)")) {
      const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (!says || element.closest("svg, mjx-assistive-mml")) { continue; }
      if (!element.checkVisibility({ visibilityProperty: true })) { continue; }
      const { color, fontSize, fontWeight, textShadow } = getComputedStyle(element);
      const way = [color, fontSize, fontWeight, textShadow, ground(element)].join("|");
      if (!known.has(way)) { known.add(way); element.dataset.sample = ""; }
    }
  };
  const root = document.documentElement;
  for (const theme of ["dark", "light"]) { root.dataset.theme = theme; mark(); }
  document.querySelectorAll(":is(pre, dt.sig) span:not([data-sample], [id])").forEach((e) => e.replaceWith(...e.childNodes));
  document.querySelectorAll("svg.book-figure").forEach((e) => e.replaceChildren());
  axe.configure({ rules: [{ id: "color-contrast", selector: "[data-sample]" }] });
}

/* One element for every way of putting text on a ground: its contrast depends on nothing else.
   Pages of highlighted code have thousands of texts and a few dozen such ways. */
() => {
  const grounds = new Map();
  const ground = (element) => {
    if (!element) { return ""; }
    if (!grounds.has(element)) {
      const style = getComputedStyle(element);
      const clear = style.backgroundColor === "rgba(0, 0, 0, 0)" && style.backgroundImage === "none";
      const own = clear && style.opacity === "1" ? "" : `${style.backgroundColor} ${style.backgroundImage} ${style.opacity};`;
      grounds.set(element, own + ground(element.parentElement));
    }
    return grounds.get(element);
  };
  const samples = new Map();
  for (const element of document.querySelectorAll("body *:not(script, style)")) {
    const says = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!says || element.closest("svg, mjx-assistive-mml") || !element.checkVisibility({ visibilityProperty: true })) { continue; }
    const style = getComputedStyle(element);
    const way = [style.color, style.fontSize, style.fontWeight, style.textShadow, ground(element)].join("|");
    if (!samples.has(way)) { samples.set(way, element); }
  }
  return [...samples.values()];
}

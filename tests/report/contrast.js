/* Every text with the contrast of its colour to what is behind it. On pictures, in the viewer too,
   that is the worse of its backing over white and over black: nobody knows what a picture shows. */
() => {
  const PICTURES = ".frame, .map";
  const parse = (text) => {
    const values = text.match(/[\d.]+/g).map(Number);
    return values.length < 4 ? [...values, 1] : values;
  };
  // relative luminance, WCAG 2.2
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3]));
  // what can be behind a text: one colour, or two where a picture is
  const grounds = (element) => {
    const layers = [];
    let below = [[255, 255, 255]];
    for (let at = element; at; at = at.parentElement) {
      if (at.matches(PICTURES)) { below = [[255, 255, 255], [0, 0, 0]]; break; }
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) { below = [colour]; break; }
      layers.push(colour);
    }
    return below.map((colour) => layers.reduceRight((base, top) => over(top, base), colour));
  };
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || element.closest("script, style, noscript, .skip")) continue;
    if (element.closest("[aria-hidden=true]") && !element.closest(PICTURES)) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") && style.fill !== "none" ? style.fill : style.color);
    const size = parseFloat(style.fontSize), bold = +style.fontWeight >= 700;
    found.push({
      text: text.slice(0, 40),
      large: size >= 24 || (bold && size >= 18.66),
      picture: Boolean(element.closest(PICTURES)),
      contrast: Math.min(...grounds(element).map((behind) => contrast(light(ink), light(behind)))),
    });
  }
  return found;
}

/* Every text with the contrast of its colour to the first opaque ground behind it. Texts on pictures
   and in the viewer are left out: they carry a shadow of their own. */
() => {
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
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour[3] === 1) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    const element = node.parentElement, text = node.textContent.trim();
    if (!text || element.closest("script, style, noscript, .frame, .map, .skip, [aria-hidden=true]")) continue;
    if (!element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const ink = parse(element.closest("svg") && style.fill !== "none" ? style.fill : style.color);
    const [a, b] = [light(ink), light(ground(element))];
    const size = parseFloat(style.fontSize), bold = +style.fontWeight >= 700;
    found.push({
      text: text.slice(0, 40),
      large: size >= 24 || (bold && size >= 18.66),
      contrast: (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05),
    });
  }
  return found;
}

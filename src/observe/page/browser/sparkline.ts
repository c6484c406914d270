import { setAttribute } from "./dom.ts";
import { SAMPLES } from "./history.ts";

const WIDTH = 72, HEIGHT = 16;
const SVG = "http://www.w3.org/2000/svg";

/** A small line of the last samples. It is for the eye alone: the figure beside it says the last one. */
export function sparkline(className: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `spark ${className}`);
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(SVG, "path"));
  return svg;
}

/** Where each sample begins in a path, and the path of zeros. */
const AT = Array.from(
  { length: SAMPLES },
  (_, i) => `${i === 0 ? "M" : "L"}${(i * WIDTH / (SAMPLES - 1)).toFixed(1)} `,
);
const FLAT = AT.map((at) => `${at}${HEIGHT - 1}`).join("");

/** Draws samples into it; all zero is a flat line. */
export function draw(svg: Element, samples: Float64Array): void {
  let most = 0;
  for (const sample of samples) if (sample > most) most = sample;
  let path = "";
  if (most === 0) path = FLAT;
  else {
    const tenths = 10 * (HEIGHT - 2) / most;
    // `toFixed` would be most of the cost.
    for (let i = 0; i < SAMPLES; i++) path += `${AT[i]}${HEIGHT - 1 - Math.round(samples[i]! * tenths) / 10}`;
  }
  setAttribute(svg.firstElementChild!, "d", path);
  svg.classList.toggle("flat", most === 0);
}

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

/** Draws samples into it; all zero is a flat line. */
export function draw(svg: Element, samples: Float64Array): void {
  let most = 0;
  for (const sample of samples) most = Math.max(most, sample);
  let path = "";
  for (let i = 0; i < SAMPLES; i++) {
    const x = i * WIDTH / (SAMPLES - 1), y = HEIGHT - 1 - (most === 0 ? 0 : samples[i]! / most * (HEIGHT - 2));
    path += `${i === 0 ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
  }
  setAttribute(svg.firstElementChild!, "d", path);
  svg.classList.toggle("flat", most === 0);
}

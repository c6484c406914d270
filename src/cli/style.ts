import type { Io, Sink } from "./io.ts";

/** What text is painted with: a meaning rather than a colour, as far as possible. */
export type Paint = "bold" | "dim" | "good" | "bad" | "doubtful" | "name";

/** Paints text for an output, or returns it unchanged if that output has no colours. */
export type Style = (paint: Paint, text: string) => string;

/** The codes of ECMA-48 that begin and end each. */
const CODES: Readonly<Record<Paint, readonly [begin: number, end: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  good: [32, 39],
  bad: [31, 39],
  doubtful: [33, 39],
  name: [36, 39],
};

const painted: Style = (paint, text) => {
  const [begin, end] = CODES[paint];
  return text === "" ? text : `\x1b[${begin}m${text}\x1b[${end}m`;
};
const plain: Style = (_, text) => text;

/** The style of an output: colours on a terminal, unless NO_COLOR is set; with FORCE_COLOR also elsewhere. */
export function styleOf(sink: Sink, { env }: Io): Style {
  return hasColours(sink, env) ? painted : plain;
}

function hasColours({ isTTY }: Sink, env: Io["env"]): boolean {
  const { NO_COLOR: no = "", FORCE_COLOR: force, TERM: terminal } = env;
  // https://no-color.org: any value but the empty one.
  if (no !== "") return false;
  if (force !== undefined && force !== "") return force !== "0" && force !== "false";
  return isTTY && terminal !== "dumb";
}

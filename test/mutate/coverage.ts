// What a test reaches: the places of sources that V8 ran since this was asked last.
import { Session } from "node:inspector";

interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}
interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

const session = new Session();

export function startCoverage(): void {
  session.connect();
  session.post("Profiler.enable");
  session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
}

/** By the URL of a source file: the indexes of those positions that were reached since the last call. */
export function reachedBy(positions: Readonly<Record<string, readonly number[]>>): Record<string, number[]> {
  let scripts: readonly Script[] = [];
  // A session with its own thread answers before `post` returns.
  session.post("Profiler.takePreciseCoverage", (error, taken) => {
    if (error !== null) throw error;
    scripts = taken.result;
  });
  const reached: Record<string, number[]> = {};
  for (const { url, functions } of scripts) {
    const file = url.split("?turn=")[0]!;
    const wanted = positions[file];
    if (wanted === undefined) continue;
    const ranges = functions.flatMap((each) => each.ranges)
      .sort((a, b) => (b.endOffset - b.startOffset) - (a.endOffset - a.startOffset));
    const counts = wanted.map(() => 0);
    // The innermost range that holds a position comes last.
    for (const { startOffset, endOffset, count } of ranges) {
      for (const [index, at] of wanted.entries()) if (at >= startOffset && at < endOffset) counts[index] = count;
    }
    const indexes = counts.flatMap((count, index) => count > 0 ? [index] : []);
    if (indexes.length > 0) reached[file] = [...reached[file] ?? [], ...indexes];
  }
  return reached;
}

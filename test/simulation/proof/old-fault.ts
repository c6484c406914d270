/** A change of today's source. */
export interface Change {
  readonly file: string;
  /** What stands in the file, once. */
  readonly now: string;
  readonly then: string;
}

/** A fault that was mended once, and what puts it back. */
export interface OldFault {
  readonly name: string;
  readonly changes: readonly Change[];
}

/** The sources of a module with the changes of its file made. @throws Error if one does not fit any more. */
export function changed(text: string, changes: readonly Change[]): string {
  for (const { file, now, then } of changes) {
    const at = text.indexOf(now);
    if (at < 0) throw new Error(`${file} has changed: it lacks "${now}"`);
    if (text.includes(now, at + 1)) throw new Error(`${file} has changed: "${now}" stands in it more than once`);
    text = text.slice(0, at) + then + text.slice(at + now.length);
  }
  return text;
}

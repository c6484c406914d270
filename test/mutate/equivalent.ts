// Faults of `npm run mutate` that change nothing a caller, a server or etcd could see, each with the argument. At most one
// in twenty may be listed here.

export interface Equivalent {
  readonly file: string;
  /** The line as it is, and with the fault, as `npm run mutate` prints them. */
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

export const equivalents: readonly Equivalent[] = [];

// Faults of `npm run mutate` that change nothing a caller, a server or etcd could see, each with the argument. At most one
// in twenty may be listed here.

export interface Equivalent {
  readonly file: string;
  /** The line as it is, and with the fault, as `npm run mutate` prints them. */
  readonly before: string;
  readonly after: string;
  readonly reason: string;
}

export const equivalents: readonly Equivalent[] = [
  {
    file: "src/resolver/latest-value.ts",
    before: "this.#version++;",
    after: "this.#version--;",
    reason: "versions are only compared for being the same",
  },
  {
    file: "src/resolver/polling.ts",
    before: "if (earlyMs > 0) await sleep(clock, earlyMs, signal);",
    after: "if (earlyMs >= 0) await sleep(clock, earlyMs, signal);",
    reason: "sleeping for 0 ms ends in the same millisecond",
  },
  {
    file: "src/resolver/polling.ts",
    before: "return false;",
    after: "return undefined;",
    reason: "it is only asked whether the result is truthy",
  },
  {
    file: "src/resolver/read.ts",
    before: 'if (typeof endpoint === "object" && endpoint !== null) seen.set(endpoint, wrong ?? "good");',
    after: 'if (typeof endpoint === "object" && endpoint !== null) seen.set(endpoint, wrong);',
    reason: "good endpoints are then checked each time, with the same result",
  },
  {
    file: "src/registry/layout/read.ts",
    before: "return isObject(item) ? item : undefined;",
    after: "return true ? item : undefined;",
    reason: "an item that is no object has none of the fields that are read; the check is for the type",
  },
  {
    file: "src/registry/registration-life.ts",
    before: "if (first) {",
    after: "if (true) {",
    reason: "a promise settles once, and a timer that is cancelled again stays cancelled",
  },
];

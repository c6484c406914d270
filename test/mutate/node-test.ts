// What test files get for `node:test` in a process that runs them again and again with one fault after another: it only
// collects their tests, which {@link runTest} then runs one by one.
import { mock } from "node:test";

type Hook = () => unknown;

/** A `describe`, or a whole file. */
export class Suite {
  readonly before: Hook[] = [];
  readonly after: Hook[] = [];
  readonly beforeEach: Hook[] = [];
  readonly afterEach: Hook[] = [];
  readonly parent: Suite | undefined;
  /** Set once its `before` hooks have been called. */
  begun = false;

  constructor(parent?: Suite) {
    this.parent = parent;
  }
}

export interface Test {
  readonly name: string;
  readonly suite: Suite;
  readonly body: (context: unknown) => unknown;
}

let suite = new Suite();
let tests: Test[] = [];

/** The tests and suites that `load`, which imports a test file, declares. */
export async function collect(load: () => Promise<unknown>): Promise<readonly Test[]> {
  [suite, tests] = [new Suite(), []];
  await load();
  return tests;
}

type Declared<T> = [name: string, body: T] | [name: string, options: { skip?: unknown }, body: T];

const read = <T>(given: Declared<T>) => ({
  body: given.at(-1) as T,
  skip: given.length === 3 && Boolean((given[1] as { skip?: unknown }).skip),
});

export function describe(...given: Declared<() => unknown>): void {
  const { body, skip } = read(given);
  if (skip) return;
  const outer = suite;
  suite = new Suite(outer);
  try {
    body();
  } finally {
    suite = outer;
  }
}

export function it(...given: Declared<(context: unknown) => unknown>): void {
  const { body, skip } = read(given);
  if (!skip) tests.push({ name: given[0], suite, body });
}

export { it as test };
export const before = (hook: Hook): void => void suite.before.push(hook);
export const after = (hook: Hook): void => void suite.after.push(hook);
export const beforeEach = (hook: Hook): void => void suite.beforeEach.push(hook);
export const afterEach = (hook: Hook): void => void suite.afterEach.push(hook);

/** A suite and those around it, the outermost first. */
export function suitesOf({ suite }: Test): readonly Suite[] {
  const suites: Suite[] = [];
  for (let at: Suite | undefined = suite; at !== undefined; at = at.parent) suites.unshift(at);
  return suites;
}

/** Runs a test with its hooks; rejects when it fails. */
export async function runTest(test: Test): Promise<void> {
  const suites = suitesOf(test);
  for (const suite of suites) {
    if (suite.begun) continue;
    suite.begun = true;
    for (const hook of suite.before) await hook();
  }
  const ends: Hook[] = [];
  const Tracker = mock.constructor as new () => typeof mock;
  const tracker = new Tracker();
  const context = {
    name: test.name,
    mock: tracker,
    after: (hook: Hook) => ends.push(hook),
    skip() {},
    diagnostic() {},
  };
  try {
    for (const suite of suites) for (const hook of suite.beforeEach) await hook();
    await test.body(context);
  } finally {
    try {
      for (const hook of ends) await hook();
      for (const suite of suites.toReversed()) for (const hook of suite.afterEach) await hook();
    } finally {
      tracker.restoreAll();
    }
  }
}

/** Calls the `after` hooks of the suites that these tests began. */
export async function endSuites(tests: Iterable<Test>): Promise<void> {
  const suites = new Set<Suite>();
  for (const test of tests) for (const suite of suitesOf(test).toReversed()) suites.add(suite);
  const inner = [...suites].sort((a, b) => depth(b) - depth(a));
  for (const suite of inner) if (suite.begun) { for (const hook of suite.after) await hook(); }
}

function depth(suite: Suite): number {
  return suite.parent === undefined ? 0 : 1 + depth(suite.parent);
}

export { mock };

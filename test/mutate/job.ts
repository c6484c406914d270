// What the processes that run tests are asked, and what they answer.

/** A test by its file and by its place in it. */
export interface TestId {
  readonly file: string;
  readonly index: number;
}

/** A fault, as a process puts it into the source of one file. */
export interface Change {
  /** The URL of the file. */
  readonly url: string;
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Run tests with a fault, or without one, until one fails. */
export interface TryJob {
  readonly type: "try";
  readonly change: Change | undefined;
  readonly tests: readonly TestId[];
  /** How long each test may take, in milliseconds. */
  readonly limitsMs: readonly number[];
}

/** Run every test of a file without a fault, and say what each takes and reaches. */
export interface SurveyJob {
  readonly type: "survey";
  readonly file: string;
  /** By the URL of a source file: positions in it. */
  readonly positions: Readonly<Record<string, readonly number[]>>;
}

export type Job = TryJob | SurveyJob;

/** What a fault did to the tests. */
export interface Verdict {
  readonly type: "verdict";
  /** The test that failed, or what else happened; undefined when nothing did. */
  readonly noticed: string | undefined;
  /** A test took longer than it may. */
  readonly timedOut: boolean;
  /** Something was thrown outside any test: maybe left by an earlier fault of this process, which can be used no more. */
  readonly stray: boolean;
}

/** What is known of a test that passes. */
export interface Surveyed {
  readonly name: string;
  readonly timeMs: number;
  /** By the URL of a source file: the indexes of the positions that it reaches. */
  readonly reached: Readonly<Record<string, readonly number[]>>;
}

export interface Survey {
  readonly type: "survey";
  readonly tests: readonly Surveyed[];
}

/** Said once a second. */
export interface Alive {
  readonly type: "alive";
}

export type Answer = Verdict | Survey | Alive;

import { constants } from "node:os";
import type { SignalName } from "./io.ts";

/** The exit codes of all commands. Those of `call` and `register` add the called program's own. */
export const EXIT = {
  ok: 0,
  /** It failed, or `doctor` found something. */
  failed: 1,
  /** The arguments, or the variables that stand for them, are wrong. */
  usage: 2,
  /** There is nothing of what was asked for. */
  notFound: 3,
  /** etcd, or a server, can't be reached. */
  unreachable: 4,
} as const;

/** The exit code for a process that a signal ended: 128 and its number, as shells have it. */
export function exitCodeOf(signal: string): number {
  // A reader that has what it wants is no failure.
  if (signal === "SIGPIPE") return EXIT.ok;
  return 128 + ((constants.signals as Readonly<Record<string, number>>)[signal] ?? 0);
}

/** What a {@link CliError} says besides its message. */
export interface CliErrorOptions {
  /** Defaults to {@link EXIT}`.failed`. */
  readonly exitCode?: number;
  /** What the user can do or should know, one line each. */
  readonly next?: readonly string[];
  readonly cause?: unknown;
}

/** An error that ends a command: what is wrong, what to do about it, and the exit code. */
export class CliError extends Error {
  override readonly name: string = "CliError";
  readonly exitCode: number;
  readonly next: readonly string[];

  constructor(message: string, { exitCode = EXIT.failed, next = [], cause }: CliErrorOptions = {}) {
    super(message, cause === undefined ? {} : { cause });
    this.exitCode = exitCode;
    this.next = next;
  }
}

/** The error for wrong arguments. */
export function usageError(message: string, ...next: readonly string[]): CliError {
  return new CliError(message, { exitCode: EXIT.usage, next });
}

/** The reason with which a command's signal aborts. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly signal: SignalName;

  constructor(signal: SignalName) {
    super(`interrupted by ${signal}`);
    this.signal = signal;
  }
}

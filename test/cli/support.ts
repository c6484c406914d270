// Runs the command within the test's process.
import type { Command } from "../../src/cli/command.ts";
import type { Io, SignalName } from "../../src/cli/io.ts";
import { main } from "../../src/cli/main.ts";

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** The width of the terminal that standard output is. Default: it is none. */
  readonly columns?: number;
  readonly stdin?: string;
  readonly commands?: readonly Command[];
}

/** A command that runs, or has ended. */
export interface Running {
  /** What it wrote so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exited: Promise<number>;
  signal(name: SignalName): void;
}

/** How a command ended. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts `connect-lb` with these arguments. Nothing of this process's environment reaches it. */
export function start(args: readonly string[], options: RunOptions = {}): Running {
  const listeners = new Set<(name: SignalName) => void>();
  let stdout = "", stderr = "";
  const columns = options.columns;
  const io: Io = {
    stdout: { write: (text) => void (stdout += text), isTTY: columns !== undefined, columns },
    stderr: { write: (text) => void (stderr += text), isTTY: columns !== undefined, columns },
    env: options.env ?? {},
    readStdin: () => Promise.resolve(options.stdin ?? ""),
    onSignal(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
  const exited = main(args, io, options.commands);
  return {
    get stdout() {
      return stdout;
    },
    get stderr() {
      return stderr;
    },
    exited,
    signal(name) {
      for (const listener of [...listeners]) listener(name);
    },
  };
}

/** Runs `connect-lb` to its end. */
export async function run(args: readonly string[], options: RunOptions = {}): Promise<Ended> {
  const running = start(args, options);
  const code = await running.exited;
  return { code, stdout: running.stdout, stderr: running.stderr };
}

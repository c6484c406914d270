import { spawn } from "node:child_process";
import process from "node:process";
import { CliError, exitCodeOf } from "../exit.ts";
import type { Io } from "../io.ts";

/** A program that runs beside this one, with its standard input and outputs. */
export interface Child {
  /**
   * Its exit code; 128 and the signal's number if a signal ended it. Rejects with a CliError if it can't be started, with
   * the exit code that shells use for that.
   */
  readonly exited: Promise<number>;
  /** Passes a signal on. Does nothing once it has ended. */
  signal(name: "SIGINT" | "SIGTERM" | "SIGHUP"): void;
}

/** The exit codes of shells for a program that is not there, and for one that can't be executed. */
const NOT_FOUND = 127, NOT_EXECUTABLE = 126;

/**
 * Starts a program. It is in a process group of its own, so that Ctrl-C in a terminal reaches this process alone, which
 * deregisters the program before it passes the signal on.
 */
export function startChild([command = "", ...args]: readonly string[], env: Io["env"]): Child {
  const child = spawn(command, args, { stdio: "inherit", env, detached: true });
  let ended = false;
  const exited = new Promise<number>((resolve, reject) => {
    child.once("exit", (code, signal) => {
      ended = true;
      resolve(code ?? exitCodeOf(signal ?? ""));
    });
    child.once("error", (error: NodeJS.ErrnoException) => {
      if (child.pid !== undefined) return;
      ended = true;
      reject(notStarted(command, error));
    });
  });
  return {
    exited,
    signal(name) {
      const { pid } = child;
      if (ended || pid === undefined) return;
      // As in a terminal, Ctrl-C is for all that the program has started; other signals are for the program.
      if (name !== "SIGINT" || !kill(-pid, name)) kill(pid, name);
    },
  };
}

/** Sends a signal. Returns whether there is such a process, or such a group. */
function kill(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

function notStarted(command: string, error: NodeJS.ErrnoException): CliError {
  const name = JSON.stringify(command);
  if (error.code === "ENOENT") return new CliError(`there is no program ${name}`, { exitCode: NOT_FOUND });
  return new CliError(`can't start ${name}: ${error.message}`, { exitCode: NOT_EXECUTABLE });
}

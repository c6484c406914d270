// Child processes for tests: started, watched for what they print, and ended by their own id.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** A runtime that tests run programs on. */
export type Runtime = "node" | "bun" | "deno";

/** How a process ended: by itself with a code, or by a signal. */
export interface Exit {
  readonly code: number | null;
  readonly signal: string | null;
}

export interface StartOptions {
  /** Environment variables beside those of this process; undefined leaves one of those out. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** The working directory. Default: the repository's root. */
  readonly cwd?: string;
}

export interface Child {
  readonly pid: number;
  /** All lines of standard output and standard error so far, in the order they were read. */
  readonly lines: readonly string[];
  /** Settles when the process has ended and all its output was read. Never rejects. */
  readonly exited: Promise<Exit>;
  /** Undefined while the process runs. */
  readonly exit: Exit | undefined;
  /**
   * The first line, printed already or to come, that matches; looks from line number `from` on (default 0).
   * Throws with the output so far if the process ends or `timeoutMs` (default 60 s) passes before.
   */
  line(pattern: RegExp, options?: { timeoutMs?: number; from?: number }): Promise<RegExpMatchArray>;
  /** Writes to the standard input of the process. */
  write(text: string): void;
  /** Ends the standard input of the process. */
  endInput(): void;
  /** Sends a signal, to this process only. Does nothing once it has ended. */
  signal(name: NodeJS.Signals): void;
  /** SIGTERM, then SIGKILL if it is still there after `graceMs` (default 5 s). Settles when it has ended. */
  stop(graceMs?: number): Promise<Exit>;
  /** SIGKILL. Settles when it has ended. */
  kill(): Promise<Exit>;
}

/** The repository's root folder. */
export const root: string = fileURLToPath(new URL("../../", import.meta.url));

/** What runs this very test. */
export const runtime: Runtime = "Deno" in globalThis ? "deno" : "Bun" in globalThis ? "bun" : "node";

const alive = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of alive) send(child, "SIGKILL");
});

function send(child: ChildProcess, signal: NodeJS.Signals): void {
  if (!alive.has(child) || child.pid === undefined) return;
  try {
    // Not child.kill(), which on Deno sends only the first signal: SIGTERM after SIGCONT would be lost.
    process.kill(child.pid, signal);
  } catch (error) {
    // ESRCH: it has ended, and its exit is not reported yet.
    if ((error as { code?: string }).code !== "ESRCH") throw error;
  }
}

/** Starts a program. One that can't be started ends at once, with the reason as its last line. */
export function start(command: string, args: readonly string[], options: StartOptions = {}): Child {
  const env = Object.entries({ ...process.env, ...options.env }).filter(([, value]) => value !== undefined);
  const child = spawn(command, [...args], {
    cwd: options.cwd ?? root,
    env: Object.fromEntries(env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  alive.add(child);

  const lines: string[] = [];
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of [...listeners]) listener();
  };
  const read = [child.stdout, child.stderr].map((stream) =>
    new Promise<void>((resolve) => {
      const reader = createInterface({ input: stream });
      reader.on("line", (line) => {
        lines.push(line);
        tell();
      });
      reader.on("close", resolve);
    })
  );
  // Writing to a process that is gone is the test's own business; it must not end the test run.
  child.stdin.on("error", () => {});

  let exit: Exit | undefined;
  const ended = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", (error) => {
      lines.push(String(error));
      resolve({ code: null, signal: null });
    });
  });
  const exited = ended.then(async (how) => {
    alive.delete(child);
    // A grandchild may hold the pipes open: don't wait for their end without a bound.
    let timer: ReturnType<typeof setTimeout> | undefined;
    await Promise.race([Promise.all(read), new Promise((resolve) => (timer = setTimeout(resolve, 1_000)))]);
    clearTimeout(timer);
    exit = how;
    tell();
    return how;
  });

  const signal = (name: NodeJS.Signals) => send(child, name);
  return {
    get pid() {
      if (child.pid === undefined) throw new Error(`${command} could not be started: ${lines.at(-1)}`);
      return child.pid;
    },
    lines,
    exited,
    get exit() {
      return exit;
    },
    line(pattern, { timeoutMs = 60_000, from = 0 } = {}) {
      return new Promise((resolve, reject) => {
        let next = from;
        const settle = (outcome: () => void) => {
          clearTimeout(timer);
          listeners.delete(look);
          outcome();
        };
        const fail = (why: string) =>
          settle(() =>
            reject(new Error(`${command} ${why} before it printed ${pattern}; its output:\n${lines.join("\n")}`))
          );
        const look = () => {
          while (next < lines.length) {
            const match = lines[next++]?.match(pattern);
            if (match) return settle(() => resolve(match));
          }
          if (exit !== undefined) fail(`ended (code ${exit.code}, signal ${exit.signal})`);
        };
        const timer = setTimeout(() => fail(`took over ${timeoutMs} ms`), timeoutMs);
        listeners.add(look);
        look();
      });
    },
    write: (text) => void child.stdin.write(text),
    endInput: () => void child.stdin.end(),
    signal,
    async stop(graceMs = 5_000) {
      signal("SIGTERM");
      const timer = setTimeout(() => signal("SIGKILL"), graceMs);
      const how = await exited;
      clearTimeout(timer);
      return how;
    },
    kill() {
      signal("SIGKILL");
      return exited;
    },
  };
}

/** Starts a TypeScript file, named from the repository's root, on a runtime. */
export function startScript(on: Runtime, file: string, args: readonly string[] = [], options?: StartOptions): Child {
  const before = on === "deno" ? ["run", "-A", "--no-check"] : [];
  return start(executable(on), [...before, file, ...args], options);
}

/**
 * The program of a runtime itself: the `deno` in node_modules/.bin is a script that passes no signals on to the program
 * it starts, and installs that program when it is first run.
 */
export function executable(on: Runtime): string {
  if (on === runtime) return process.execPath;
  if (on !== "deno") return `${root}node_modules/.bin/${on}`;
  const program = `${root}node_modules/deno/deno`;
  if (!existsSync(program)) execFileSync(`${root}node_modules/.bin/deno`, ["--version"]);
  return program;
}

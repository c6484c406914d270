// Chromium without a window, told what to do over a pipe (the DevTools protocol), which needs no package of its own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { find } from "../support/system.ts";

/** A page that is open. */
export interface Page {
  /** The value of an expression in the page, which may be a promise's. */
  evaluate<T>(expression: string): Promise<T>;
}

/** A browser of its own, with nothing stored. */
export interface Chromium {
  open(url: string): Promise<Page>;
  stop(): Promise<void>;
}

/** What Chromium answers to a command. */
interface Answer {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

/** Starts the `chromium` of the system: see `ensure("browser")`. */
export async function startChromium(): Promise<Chromium> {
  const folder = await mkdtemp(join(tmpdir(), "connect-lb-chromium-"));
  const args = [
    "--headless",
    // As root there is no sandbox, and a container has little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--no-first-run",
    `--user-data-dir=${folder}`,
    "--remote-debugging-pipe",
  ];
  const child = spawn(find("chromium") ?? "chromium", args, {
    stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("close", resolve).once("error", resolve));
  const command = commands(child, exited);
  return {
    async open(url) {
      const { targetId } = await command<{ targetId: string }>("Target.createTarget", { url });
      const attached = { targetId, flatten: true };
      const { sessionId } = await command<{ sessionId: string }>("Target.attachToTarget", attached);
      return {
        async evaluate<T>(expression: string) {
          const options = { expression, awaitPromise: true, returnByValue: true };
          const { result, exceptionDetails } = await command<Evaluated<T>>("Runtime.evaluate", options, sessionId);
          if (exceptionDetails !== undefined) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
          return result.value;
        },
      };
    },
    async stop() {
      void command("Browser.close", {}).catch(() => {});
      const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
      await exited;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

interface Evaluated<T> {
  readonly result: { readonly value: T };
  readonly exceptionDetails?: unknown;
}

/** Sends commands and reads their answers, each ended by a zero byte. */
function commands(child: ChildProcess, exited: Promise<void>) {
  const [, , , to, from] = child.stdio as [null, null, null, Writable, Readable];
  const waiting = new Map<number, (answer: Answer) => void>();
  let id = 0, text = "";
  to.on("error", () => {});
  from.setEncoding("utf8").on("data", (chunk: string) => {
    const messages = (text + chunk).split("\0");
    text = messages.pop()!;
    for (const message of messages) {
      const answer = JSON.parse(message) as Answer;
      if (answer.id !== undefined) waiting.get(answer.id)?.(answer);
    }
  });
  void exited.then(() => {
    for (const answered of waiting.values()) answered({ error: { message: "Chromium has ended" } });
  });
  return async <T>(method: string, params: object, sessionId?: string): Promise<T> => {
    const number = ++id;
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(number, resolve);
      to.write(`${JSON.stringify({ id: number, method, params, sessionId })}\0`);
    });
    waiting.delete(number);
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result as T;
  };
}

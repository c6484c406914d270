import process from "node:process";
import { MAX_DELAY_MS } from "../time/clock.ts";
import type { Io, SignalName, Sink } from "./io.ts";
import { main } from "./main.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Runs this process as `connect-lb`, and ends it. */
export async function runProcess(): Promise<never> {
  // What a command waits for, such as the next attempt to reach etcd, does not keep a process alive by itself.
  setInterval(() => {}, MAX_DELAY_MS);
  const code = await main(process.argv.slice(2), processIo());
  // What has been printed may not have been written yet.
  for (const stream of [process.stdout, process.stderr]) {
    await new Promise<void>((resolve) => {
      stream.once("error", () => resolve());
      stream.write("", () => resolve());
    });
  }
  process.exit(code);
}

/** The outputs, signals and environment of this process. */
function processIo(): Io {
  const listeners = new Set<(name: SignalName) => void>();
  const tell = (name: SignalName) => {
    for (const listener of [...listeners]) listener(name);
  };
  const handlers = SIGNALS.map((name) => [name, () => tell(name)] as const);
  // What a reader that has gone leaves behind is an error of the stream, which would end the process with a stack.
  process.stdout.on("error", () => tell("SIGPIPE"));
  process.stderr.on("error", () => {});
  return {
    stdout: sinkOf(process.stdout),
    stderr: sinkOf(process.stderr),
    env: process.env,
    async readStdin() {
      const chunks: Uint8Array[] = [];
      for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
      return Buffer.concat(chunks).toString("utf8");
    },
    onSignal(listener) {
      // Only while someone listens: otherwise a signal ends the process.
      if (listeners.size === 0) { for (const [name, handler] of handlers) process.on(name, handler); }
      listeners.add(listener);
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) {
          for (const [name, handler] of handlers) process.off(name, handler);
        }
      };
    },
  };
}

function sinkOf(stream: NodeJS.WriteStream): Sink {
  return {
    write: (text) => void stream.write(text),
    isTTY: stream.isTTY === true,
    // It changes with the size of the window; some terminals have none, which is 0.
    get columns() {
      return stream.isTTY === true ? stream.columns || undefined : undefined;
    },
    get rows() {
      return stream.isTTY === true ? stream.rows || undefined : undefined;
    },
  };
}

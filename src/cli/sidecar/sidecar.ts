import { sleep } from "../../time/backoff.ts";
import type { Clock } from "../../time/clock.ts";
import { EXIT, exitCodeOf } from "../exit.ts";
import type { Io, SignalName } from "../io.ts";
import type { Child } from "./child.ts";
import { type HealthTiming, watchHealth } from "./health-watch.ts";
import type { Probe } from "./probe.ts";
import type { Registrar } from "./registrar.ts";

/** What a sidecar takes care of. */
export interface SidecarOptions {
  readonly registrar: Registrar;
  /** The program. Undefined: the server runs elsewhere, and a signal ends only this process. */
  readonly child: Child | undefined;
  /** Undefined: the server counts as healthy. */
  readonly probe: Probe | undefined;
  readonly timing: HealthTiming;
  /** How long the program goes on after it was deregistered, in milliseconds. */
  readonly settleMs: number;
  readonly say: (text: string) => void;
}

/**
 * Keeps a server registered while its program runs and is healthy.
 *
 * On SIGTERM and SIGINT the server is deregistered first; when clients have noticed, the program gets the signal. A
 * second signal is passed on at once. SIGHUP, which makes many programs read their configuration, is passed on as it is.
 *
 * Resolves to the program's exit code, once nothing is registered any more; without a program to 0 after SIGTERM and
 * SIGHUP, and to 130 after SIGINT.
 */
export async function runSidecar(options: SidecarOptions, io: Io): Promise<number> {
  const { registrar, child, probe, timing } = options;
  const ending = new AbortController();
  const alone = child === undefined ? Promise.withResolvers<number>() : undefined;
  const stopping = new Stopping(options, ending, (name) => {
    if (child !== undefined) child.signal(name);
    else alone?.resolve(name === "SIGINT" ? exitCodeOf(name) : EXIT.ok);
  });
  const forget = io.onSignal((name) => stopping.signal(name));
  try {
    if (probe === undefined) registrar.register();
    else void watchHealth(probe, timing, listenerOf(options), ending.signal);
    return await (child?.exited ?? alone?.promise ?? EXIT.ok);
  } finally {
    ending.abort();
    await registrar.end();
    forget();
  }
}

function listenerOf({ registrar, child, say }: SidecarOptions) {
  const waiting = child === undefined ? "not registered yet" : "started, not registered yet";
  let before = false;
  return {
    healthy() {
      before = true;
      registrar.register();
    },
    unhealthy(reason: string) {
      if (registrar.registered) say(`deregistered until it is healthy again: ${reason}`);
      else say(`${before ? "still not healthy" : waiting}: ${reason}`);
      void registrar.deregister();
    },
  };
}

/** What happens between a signal and its arrival at the program. */
class Stopping {
  readonly #options: SidecarOptions;
  /** Ends the probes. */
  readonly #ending: AbortController;
  readonly #pass: (name: "SIGINT" | "SIGTERM" | "SIGHUP") => void;
  #begun = false;
  readonly #impatience = new AbortController();

  constructor(
    options: SidecarOptions,
    ending: AbortController,
    pass: (name: "SIGINT" | "SIGTERM" | "SIGHUP") => void,
  ) {
    this.#options = options;
    this.#ending = ending;
    this.#pass = pass;
  }

  signal(name: SignalName): void {
    // The program writes to the same output, and hears of that by itself.
    if (name === "SIGPIPE") return;
    if (name === "SIGHUP" && this.#options.child !== undefined) return this.#pass(name);
    if (this.#begun) {
      this.#impatience.abort();
      this.#pass(name);
    } else {
      this.#begun = true;
      void this.#stop(name);
    }
  }

  async #stop(name: "SIGINT" | "SIGTERM" | "SIGHUP"): Promise<void> {
    const { registrar, child, settleMs, timing, say } = this.#options;
    const clock: Clock = timing.clock;
    this.#ending.abort();
    if (registrar.registered) say(`${name}: deregistering`);
    const ended = registrar.end();
    const { signal } = this.#impatience;
    const impatient = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    if (await Promise.race([ended, impatient]) && child !== undefined) await sleep(clock, settleMs, signal, true);
    // Otherwise the second signal has been passed on, in place of this one.
    if (!signal.aborted) this.#pass(name);
  }
}

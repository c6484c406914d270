import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type LoadReports, reportLoad } from "../../../src/server/load-report.ts";
import type { Clock } from "../../../src/time/clock.ts";
import { type Job, Processor } from "./processor.ts";
import type { Random } from "./random.ts";

/** How much CPU a health check takes, in ms: not nothing, so that it is late when the server is overloaded. */
const CHECK_MS = 0.02;

/** How often a server measures its CPU time, in ms. */
const CPU_WINDOW_MS = 1_000;

/**
 * Whether connections can be opened: `up`; `down`: they are refused, and open ones were reset; `unreachable`: packets
 * vanish, so that nothing is ever answered.
 */
export type Reachability = "up" | "down" | "unreachable";

/** What a simulated server notifies of its state: an open connection. */
export interface ServerConnection {
  /** The server was killed, or became unreachable. */
  interrupted(how: Exclude<Reachability, "up">): void;
  /** The server accepts no more calls on it. */
  drained(): void;
}

/** A call at a server. */
export interface ServedCall {
  readonly job: Job | undefined;
  /** The client has cancelled it. */
  cancel(): void;
}

/** How a server answers: an error, or undefined for success, and the load report for its trailer. */
export type Answer = (error: ConnectError | undefined, loadReport: string) => void;

/** Settings of {@link SimulatedServer}. */
export interface ServerSettings {
  readonly address: string;
  readonly cores: number;
  readonly speed: number;
}

const UNAVAILABLE = "the server is not well";

/** A server of the model: cores that its calls share, the library's own load reports, and faults. */
export class SimulatedServer {
  readonly address: string;
  readonly speed: number;
  readonly processor: Processor;
  readonly connections: Set<ServerConnection> = new Set();
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #calls = new Map<object, () => void>();
  #loads: LoadReports;
  #reachability: Reachability = "up";
  #cpu = { atMs: 0, busyMs: 0 };
  /** The share of calls that it answers with Unavailable, and how much work such an answer takes. */
  failing: { readonly share: number; readonly workMs: number } | undefined;
  /** The share of calls that wait, without taking CPU, for so many times what they work. */
  stalling: { readonly share: number; readonly factor: number } | undefined;
  /** Calls that have arrived. */
  arrived = 0;

  constructor(clock: Clock, random: Random, { address, cores, speed }: ServerSettings) {
    this.#clock = clock;
    this.#random = random;
    this.address = address;
    this.speed = speed;
    this.processor = new Processor(clock, cores, speed);
    this.#loads = reportLoad({ clock });
  }

  get reachability(): Reachability {
    return this.#reachability;
  }

  /** A call arrives that takes so much work on one core of speed 1. */
  serve(method: DescMethod, workMs: number, answer: Answer): ServedCall {
    this.arrived++;
    const { recorder } = this.#loads;
    const atMs = recorder.arrived(method);
    const fails = this.failing !== undefined && this.#random.next() < this.failing.share;
    const stalls = this.stalling !== undefined && this.#random.next() < this.stalling.share;
    const error = fails ? new ConnectError(UNAVAILABLE, Code.Unavailable) : undefined;
    let ended = false;
    const end = (error: ConnectError | undefined) => {
      ended = true;
      this.#calls.delete(call);
      if (atMs !== undefined) recorder.ended(method, atMs, error);
    };
    const finish = () => {
      if (ended) return;
      end(error);
      answer(error, this.#report());
    };
    const done = stalls ? () => this.#clock.timer(workMs / this.speed * (this.stalling?.factor ?? 0), finish) : finish;
    const job = this.processor.start(fails ? this.failing!.workMs : workMs, done);
    const call: ServedCall = {
      job,
      cancel: () => {
        if (ended) return;
        this.processor.cancel(job);
        end(new ConnectError("cancelled", Code.Canceled));
      },
    };
    this.#calls.set(call, call.cancel);
    return call;
  }

  /** A health check arrives, which is no load. */
  check(answer: Answer): ServedCall {
    const job = this.processor.start(CHECK_MS, () => answer(undefined, this.#report()));
    return { job, cancel: () => this.processor.cancel(job) };
  }

  #report(): string {
    const nowMs = this.#clock.now(), passedMs = nowMs - this.#cpu.atMs;
    if (passedMs >= CPU_WINDOW_MS) {
      const { busyMs } = this.processor;
      // Not the process's own, which is that of the simulation.
      this.#loads.set({ cpuUtilization: (busyMs - this.#cpu.busyMs) / passedMs });
      this.#cpu = { atMs: nowMs, busyMs };
    }
    return this.#loads.recorder.trailer(undefined);
  }

  /** The process is killed, or nothing reaches the machine any more. */
  interrupt(how: Exclude<Reachability, "up">): void {
    this.#reachability = how;
    for (const cancel of [...this.#calls.values()]) cancel();
    this.processor.clear();
    for (const connection of [...this.connections]) connection.interrupted(how);
  }

  /** It accepts connections again; after having been killed, as a new process. */
  restore(): void {
    if (this.#reachability === "down") this.#loads = reportLoad({ clock: this.#clock });
    this.#reachability = "up";
  }

  /** A graceful shutdown begins: calls in flight continue, and connections are neither opened nor given more calls. */
  drain(): void {
    this.#reachability = "down";
    for (const connection of [...this.connections]) connection.drained();
  }
}

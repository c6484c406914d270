import type { ByteStream } from "../../../src/http2/byte-stream.ts";
import type { Chance } from "../chance/chance.ts";
import type { VirtualClock } from "../clock/virtual-clock.ts";
import type { Trace } from "../trace/trace.ts";
import type { Process } from "../world/process.ts";
import { PipeEnd, socketFailure } from "./pipe.ts";

/** How long a system tries to open a connection (Linux: 6 attempts). */
const DIAL_GIVES_UP_MS = 127_000;

/** What listens at an address. */
export interface Listening {
  readonly process: Process;
  accept(stream: ByteStream, from: string): void;
}

/** What the way from one machine to another is like. */
export interface Way {
  latencyMs: number;
  /** The most that is added at random. */
  jitterMs: number;
  bytesPerMs: number;
}

/** Machines, and the ways between them. Machines are called as their addresses are; clients, by their names. */
export class Network {
  readonly trace: Trace;
  readonly #time: VirtualClock;
  readonly #chance: Chance;
  readonly #listening = new Map<string, Listening>();
  readonly #down = new Set<string>();
  /** `from>to`, of which either may be `*`. */
  readonly #blocks = new Map<string, number>();
  readonly #ends = new Set<PipeEnd>();
  /** Ends of processes that died while they were open. */
  #leftBehind: PipeEnd[] = [];
  readonly usual: Way = { latencyMs: 1, jitterMs: 0, bytesPerMs: Infinity };
  readonly #ways = new Map<string, Way>();
  /** How many connections were asked for, by address. */
  readonly dials: Map<string, number> = new Map();
  /** Called with each dial. */
  onDial: ((from: string, address: string) => void) | undefined;
  /** Called with what is sent at an end of a connection. */
  onSent: ((end: PipeEnd, bytes: Uint8Array) => void) | undefined;
  /** Called when an end of a connection receives something. */
  onReceived: ((end: PipeEnd) => void) | undefined;

  constructor(time: VirtualClock, chance: Chance, trace: Trace) {
    this.#time = time;
    this.#chance = chance;
    this.trace = trace;
  }

  /** How many ends of connections are open in processes that live. */
  get open(): number {
    return this.#ends.size;
  }

  /** Which those are. */
  get openEnds(): string[] {
    return [...this.#ends].map(({ process, peer }) => `${process.name} to ${peer.process.name}`);
  }

  now(): number {
    return this.#time.now();
  }

  at(atMs: number, act: () => void): void {
    this.#time.timer(atMs - this.#time.now(), act);
  }

  /** As an event of its own, in a process. */
  soon(process: Process, act: () => void): void {
    this.#time.timer(0, () => process.run(act));
  }

  listen(address: string, listening: Listening): void {
    this.#listening.set(address, listening);
    this.up(address);
  }

  /** Stops listening: further dials are refused. */
  close(address: string, process: Process): void {
    if (this.#listening.get(address)?.process === process) this.#listening.delete(address);
  }

  /** The machine is off: nothing reaches it, and nothing that was there says goodbye. */
  down(address: string): void {
    this.#listening.delete(address);
    this.#down.add(address);
  }

  up(address: string): void {
    if (this.#down.delete(address)) this.#sentAgain();
  }

  isUp(node: string): boolean {
    return !this.#down.has(node);
  }

  /** Lets nothing through from one machine to another (`*`: any), until the function that it returns is called. */
  block(from: string, to: string): () => void {
    const key = `${from}>${to}`;
    this.#blocks.set(key, (this.#blocks.get(key) ?? 0) + 1);
    let on = true;
    return () => {
      if (!on) return;
      on = false;
      const left = this.#blocks.get(key)! - 1;
      if (left > 0) return void this.#blocks.set(key, left);
      this.#blocks.delete(key);
      this.#sentAgain();
    };
  }

  /** What was lost on the way is sent again. */
  #sentAgain(): void {
    for (const end of this.#ends) {
      this.#time.timer(this.#chance.between(1, 400), () => {
        end.unblocked();
        end.peer.unblocked();
      });
    }
  }

  blocked(from: string, to: string): boolean {
    const blocks = this.#blocks;
    if (this.#down.has(from) || this.#down.has(to)) return true;
    if (blocks.size === 0) return false;
    return blocks.has(`${from}>${to}`) || blocks.has(`*>${to}`) || blocks.has(`${from}>*`);
  }

  /** Changes the way to and from a machine; undefined: as usual. */
  way(node: string, way: Way | undefined): void {
    if (way === undefined) this.#ways.delete(node);
    else this.#ways.set(node, way);
  }

  #wayBetween(a: string, b: string): Way {
    return this.#ways.get(a) ?? this.#ways.get(b) ?? this.usual;
  }

  latencyMs(from: string, to: string): number {
    const { latencyMs, jitterMs } = this.#wayBetween(from, to);
    return jitterMs === 0 ? latencyMs : latencyMs + jitterMs * this.#chance.next();
  }

  /** When bytes arrive that are sent now, after those that arrive at `lastMs`. */
  arrival(from: PipeEnd, bytes: number, lastMs: number): number {
    const { bytesPerMs } = this.#wayBetween(from.node, from.peer.node);
    const latencyMs = this.latencyMs(from.node, from.peer.node);
    return Math.max(lastMs, this.now() + latencyMs) + (bytesPerMs === Infinity ? 0 : bytes / bytesPerMs);
  }

  left(end: PipeEnd): void {
    this.#ends.delete(end);
  }

  leftBehind(end: PipeEnd): void {
    this.#leftBehind.push(end);
  }

  /**
   * Closes what dead processes had open. In life their memory is gone with them; here, all processes count in one place
   * what they have on loan.
   */
  closeLeftBehind(): void {
    for (const end of this.#leftBehind.splice(0)) end.closed(undefined);
  }

  /** The open ends at a machine. */
  endsAt(node: string): PipeEnd[] {
    return [...this.#ends].filter((end) => end.node === node);
  }

  /** Opens a connection. */
  dial(process: Process, node: string, address: string, signal: AbortSignal): Promise<ByteStream> {
    this.dials.set(address, (this.dials.get(address) ?? 0) + 1);
    this.onDial?.(node, address);
    return new Promise((resolve, reject) => {
      let over = false;
      const end = (act: () => void) => {
        if (over) return;
        over = true;
        signal.removeEventListener("abort", abort);
        giveUp.cancel();
        act();
      };
      const abort = () => end(() => reject(signal.reason));
      const giveUp = process.clock.timer(DIAL_GIVES_UP_MS, () => {
        end(() => reject(socketFailure("ETIMEDOUT", `connect ETIMEDOUT ${address}`)));
      });
      signal.addEventListener("abort", abort);
      const tried = (delayMs: number, againMs: number) => {
        this.#time.timer(delayMs, () => {
          if (over || process.dead) return;
          if (this.blocked(node, address) || this.blocked(address, node)) return tried(againMs, againMs * 2);
          const backMs = this.latencyMs(address, node);
          const listening = this.#listening.get(address);
          if (listening === undefined) {
            const refused = socketFailure("ECONNREFUSED", `connect ECONNREFUSED ${address}`);
            return this.#time.timer(backMs, () => process.run(() => end(() => reject(refused))));
          }
          const ours = new PipeEnd(process, node, this), theirs = new PipeEnd(listening.process, address, this);
          ours.peer = theirs;
          theirs.peer = ours;
          this.#ends.add(ours).add(theirs);
          listening.process.run(() => theirs.gone || listening.accept(theirs, node));
          this.#time.timer(backMs, () => {
            if (over || process.dead) return ours.destroy();
            process.run(() => over ? ours.destroy() : end(() => resolve(ours)));
          });
        });
      };
      tried(this.latencyMs(node, address), 1_000);
    });
  }
}

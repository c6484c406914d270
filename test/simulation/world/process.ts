import type { Clock, Timer } from "../../../src/time/clock.ts";
import { FlushScheduler } from "../../../src/http2/flush-scheduler.ts";
import type { ScheduleFlush } from "../../../src/http2/wire/frame-writer.ts";
import type { Chance } from "../chance/chance.ts";
import type { VirtualClock } from "../clock/virtual-clock.ts";

/** A program on a machine: it has a clock of its own, can stand still for a while, and can end at any moment. */
export class Process {
  readonly name: string;
  readonly chance: Chance;
  readonly clock: Clock;
  readonly scheduleFlush: ScheduleFlush;
  /** Runs something in the event loop's next turn. */
  readonly nextTurn: (run: () => void) => void;
  readonly #time: VirtualClock;
  #dead = false;
  /** What is to be done once it goes on; undefined: it does not stand still. */
  #frozen: (() => void)[] | undefined;
  readonly #whenDead: (() => void)[] = [];
  /** When it last went on after it had stood still. */
  thawedMs = 0;
  /** How many of its timers are pending. */
  timers = 0;

  constructor(name: string, time: VirtualClock, chance: Chance) {
    this.name = name;
    this.chance = chance;
    this.#time = time;
    // Each process has its own zero, so that times of two can't be compared by mistake.
    const zeroMs = chance.whole(0, 1_000_000);
    this.clock = {
      now: () => time.now() + zeroMs,
      timer: (delayMs, callback) => this.#timer(delayMs, callback),
    };
    this.nextTurn = (run) => time.nextTurn(() => this.run(run));
    const scheduler = new FlushScheduler(() => this.clock.now(), this.nextTurn);
    this.scheduleFlush = (flush) => scheduler.schedule(flush);
  }

  get dead(): boolean {
    return this.#dead;
  }

  get frozen(): boolean {
    return this.#frozen !== undefined;
  }

  /** Does something in this process: now, once it goes on, or never. */
  run(act: () => void): void {
    if (this.#dead) return;
    if (this.#frozen === undefined) act();
    else this.#frozen.push(act);
  }

  freeze(): void {
    if (!this.#dead) this.#frozen ??= [];
  }

  thaw(): void {
    const acts = this.#frozen;
    this.#frozen = undefined;
    if (acts !== undefined) this.thawedMs = this.#time.now();
    for (const act of acts ?? []) this.#time.timer(0, () => this.run(act));
  }

  /** Ends without a word: none of its timers fires, and nothing reaches it. */
  die(): void {
    this.#dead = true;
    this.#frozen = undefined;
    this.timers = 0;
    for (const act of this.#whenDead.splice(0)) act();
  }

  whenDead(act: () => void): void {
    this.#whenDead.push(act);
  }

  #timer(delayMs: number, callback: () => void): Timer {
    let pending = true;
    this.timers++;
    const over = () => {
      if (!pending) return false;
      pending = false;
      if (!this.#dead) this.timers--;
      return true;
    };
    const timer = this.#time.timer(delayMs, () => this.run(() => over() && callback()));
    return { cancel: () => void (over() && timer.cancel()) };
  }
}

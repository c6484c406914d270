import type { Clock, Timer } from "../../../src/time/clock.ts";

/** Work in a processor. */
export interface Job {
  /** How much each job must have been given since the beginning when this one is done; in ms of a core of speed 1. */
  readonly dueAt: number;
  /** Undefined once it is done or was cancelled. */
  done: (() => void) | undefined;
}

/**
 * Cores that all jobs share equally (processor sharing), each job using one core at most: what a server's CPU does with
 * the calls in flight.
 */
export class Processor {
  readonly #clock: Clock;
  readonly #cores: number;
  /** How much work a core does per ms. */
  #speed: number;
  /** The share of the cores that other programs leave; 0: it stands still. */
  #share = 1;
  /** A binary heap, the job that is done first first. Cancelled jobs stay until they are due. */
  #jobs: Job[] = [];
  #size = 0;
  /** How much each job has been given since the beginning, and when that was. */
  #given = 0;
  #givenAtMs = 0;
  /** The time for which cores have worked, in ms. */
  #busyMs = 0;
  #next: Timer | undefined;

  constructor(clock: Clock, cores: number, speed: number) {
    this.#clock = clock;
    this.#cores = cores;
    this.#speed = speed;
  }

  /** How many jobs there are. */
  get size(): number {
    return this.#size;
  }

  /** CPU time that the jobs have had, in ms. */
  get busyMs(): number {
    this.#advance();
    return this.#busyMs;
  }

  set speed(speed: number) {
    this.#change(() => this.#speed = speed);
  }

  set share(share: number) {
    this.#change(() => this.#share = share);
  }

  /** Work that takes so long on one core of speed 1. */
  start(workMs: number, done: () => void): Job {
    this.#advance();
    const job: Job = { dueAt: this.#given + workMs, done };
    this.#add(job);
    this.#size++;
    this.#schedule();
    return job;
  }

  cancel(job: Job): void {
    if (job.done === undefined) return;
    this.#change(() => {
      job.done = undefined;
      this.#size--;
    });
  }

  /** All jobs are gone, as when a process is killed. */
  clear(): void {
    this.#change(() => {
      for (const job of this.#jobs) job.done = undefined;
      this.#jobs = [];
      this.#size = 0;
    });
  }

  #change(change: () => void): void {
    this.#advance();
    change();
    this.#schedule();
  }

  /** How much each job is given per ms. */
  get #rate(): number {
    return this.#speed * Math.min(1, this.#cores * this.#share / this.#size);
  }

  #advance(): void {
    const nowMs = this.#clock.now();
    if (this.#size > 0) {
      const passedMs = nowMs - this.#givenAtMs;
      this.#given += passedMs * this.#rate;
      this.#busyMs += passedMs * Math.min(this.#size, this.#cores * this.#share);
    }
    this.#givenAtMs = nowMs;
  }

  #schedule(): void {
    this.#next?.cancel();
    this.#next = undefined;
    while (this.#jobs.length > 0 && this.#jobs[0]!.done === undefined) this.#removeFirst();
    const first = this.#jobs[0], rate = this.#rate;
    if (first === undefined || rate === 0) return;
    this.#next = this.#clock.timer((first.dueAt - this.#given) / rate, () => this.#finish(first));
  }

  /** Also those that are done at the same time, save for rounding. */
  #finish(first: Job): void {
    this.#advance();
    const finished: (() => void)[] = [];
    const given = Math.max(this.#given, first.dueAt);
    for (let job = this.#jobs[0]; job !== undefined && job.dueAt <= given; job = this.#jobs[0]) {
      this.#removeFirst();
      if (job.done === undefined) continue;
      finished.push(job.done);
      job.done = undefined;
      this.#size--;
    }
    this.#schedule();
    for (const done of finished) done();
  }

  #add(job: Job): void {
    const jobs = this.#jobs;
    let at = jobs.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (jobs[above]!.dueAt <= job.dueAt) break;
      jobs[at] = jobs[above]!;
      at = above;
    }
    jobs[at] = job;
  }

  #removeFirst(): void {
    const jobs = this.#jobs;
    const last = jobs.pop()!;
    const size = jobs.length;
    if (size === 0) return;
    let at = 0;
    for (let below = 1; below < size; below = 2 * at + 1) {
      if (below + 1 < size && jobs[below + 1]!.dueAt < jobs[below]!.dueAt) below++;
      if (jobs[below]!.dueAt >= last.dueAt) break;
      jobs[at] = jobs[below]!;
      at = below;
    }
    jobs[at] = last;
  }
}

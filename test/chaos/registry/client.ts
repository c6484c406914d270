import { setTimeout as sleep } from "node:timers/promises";
import { eventually } from "../../support/eventually.ts";
import { type Child, type Runtime, startScript } from "../../support/process.ts";
import type { Figures } from "../scenario.ts";
import type { Gateway } from "./gateway.ts";
import type { Config, Driver, Message } from "./message.ts";

/** How long a process may take to end by itself once all is closed: registrations have 2 s to be revoked. */
const EXIT_MS = 4_000;

/** How long to wait for what must come: longer than any bound that it is then held to, on a busy machine, too. */
const COMES_MS = 60_000;
/** How long a set may take to be what etcd's keys say. */
const TRUE_MS = 3_000;

/** Who is tested: a driver on a runtime. */
export interface Subject {
  readonly runtime: Runtime;
  readonly driver: Driver;
  readonly figures: Figures;
}

/** A message of one kind, and of one type of events. */
type Of<K extends Message["kind"]> = Extract<Message, { kind: K }>;

/** The program of a subject, in a process of its own, and all that it has told so far. */
export class Client {
  readonly subject: Subject;
  readonly config: Config;
  readonly #child: Child;
  readonly #messages: Message[] = [];
  readonly #noise: string[] = [];
  #read = 0;

  constructor(subject: Subject, config: Config) {
    this.subject = subject;
    this.config = config;
    this.#child = startScript(subject.runtime, "test/chaos/registry/program.ts", [JSON.stringify(config)]);
  }

  get figures(): Figures {
    return this.subject.figures;
  }

  get key(): string {
    return `${this.prefix}${this.config.address}`;
  }

  get prefix(): string {
    return `/grpclb/${this.config.service}/`;
  }

  get messages(): readonly Message[] {
    const { lines } = this.#child;
    for (; this.#read < lines.length; this.#read++) {
      const line = lines[this.#read]!;
      if (line.startsWith('{"atMs"')) this.#messages.push(JSON.parse(line) as Message);
      else this.#noise.push(line);
    }
    return this.#messages;
  }

  /** All messages of a kind, from a time on. */
  all<K extends Message["kind"]>(kind: K, sinceMs = 0): readonly Of<K>[] {
    return this.messages.filter((message): message is Of<K> => message.kind === kind && message.atMs >= sinceMs);
  }

  /** All events of a type, from a time on. */
  events(type: Of<"event">["type"], sinceMs = 0): readonly Of<"event">[] {
    return this.all("event", sinceMs).filter((event) => event.type === type);
  }

  /** Waits for a message, told already or to come; returns when it was told. */
  async told(
    what: string,
    test: (message: Message) => boolean,
    sinceMs = 0,
    timeoutMs: number = COMES_MS,
  ): Promise<number> {
    const { driver } = this.config;
    const found = await eventually(`${driver} on ${this.subject.runtime}: ${what}`, () => {
      const message = this.messages.find((message) => message.atMs >= sinceMs && test(message));
      if (message === undefined && this.#child.exit !== undefined) throw new Error(this.#last());
      return message;
    }, timeoutMs);
    return found.atMs;
  }

  /** Waits until the present set is these addresses and fresh; returns since when. */
  async sees(addresses: readonly string[], timeoutMs: number = COMES_MS): Promise<number> {
    const expected = [...addresses].sort().join(" ");
    const { runtime, driver } = this.subject;
    const set = await eventually(`${driver} on ${runtime} sees ${expected}`, () => {
      const set = this.all("set").at(-1);
      if (set === undefined || set.stale || set.addresses?.join(" ") !== expected) {
        throw new Error(this.#last());
      }
      return set;
    }, timeoutMs);
    return set.atMs;
  }

  /** Waits for the whole set to have so many endpoints and to be fresh; returns since when. */
  async counts(count: number, timeoutMs: number): Promise<number> {
    return await eventually(`${this.subject.driver} on ${this.subject.runtime} sees ${count} endpoints`, () => {
      const set = this.all("set").at(-1);
      if (set?.count !== count || set.stale) throw new Error(this.#last());
      return set.atMs;
    }, timeoutMs);
  }

  registered(sinceMs = 0, timeoutMs: number = COMES_MS): Promise<number> {
    return this.told("registered", (m) => m.kind === "state" && m.state === "registered", sinceMs, timeoutMs);
  }

  /** The whole set, sorted. */
  async whole(): Promise<Of<"whole">> {
    const before = this.all("whole").length;
    this.#child.write("set\n");
    return await eventually("the whole set", () => this.all("whole")[before]);
  }

  freeze(): void {
    this.#child.signal("SIGSTOP");
  }

  thaw(): void {
    this.#child.signal("SIGCONT");
  }

  /** Closes the registry, after which the process has to end by itself and to leave nothing in etcd. */
  async close(): Promise<void> {
    const startMs = Date.now();
    this.#child.write("close\n");
    this.#child.endInput();
    const late = new AbortController();
    const mostMs = this.figures.quick ? EXIT_MS + this.figures.slackMs : EXIT_MS;
    const waited = sleep(mostMs + 1_000, undefined, { signal: late.signal }).catch(() => undefined);
    const exited = await Promise.race([this.#child.exited, waited]);
    late.abort();
    if (exited === undefined) this.figures.fail(`the process did not end by itself: ${this.#last()}`);
    else if (exited.code !== 0) this.figures.fail(`the process ended with code ${exited.code}: ${this.#last()}`);
    else if (this.all("closed").length === 0) this.figures.fail("the process ended before it had closed its registry");
    const tookMs = Date.now() - startMs;
    if (tookMs > mostMs) this.figures.fail(`closing took ${tookMs} ms`);
  }

  async kill(): Promise<void> {
    await this.#child.kill();
  }

  /** What must hold whatever happened, now that it is over: see `ALWAYS` in lab.ts. Closes the program. */
  async judge(gateway: Gateway): Promise<void> {
    const { figures, config } = this;
    await this.#judgeSet(gateway);
    if (config.address !== undefined) {
      const [own] = (await gateway.keys(this.key)).filter(({ key }) => key === this.key);
      const leases = [...await gateway.leases()].filter(([, keys]) => keys.length === 0 || keys.includes(this.key));
      figures.atMost("leases left", leases.length, 1, "", leases.map(([id, keys]) => `${id}: ${keys.join(" ")}`));
      if (own === undefined) figures.fail(`the key ${this.key} is gone`);
      else if (!leases.some(([id]) => id === own.lease)) figures.fail(`the key is on no living lease: ${own.lease}`);
    }
    await this.close();
    if (config.address !== undefined) {
      const left = [...(await gateway.leases()).values()].filter((keys) => keys.includes(this.key));
      if (left.length > 0) figures.fail("the lease was not revoked by closing");
    }
    this.judgeSilence();
  }

  /** No unhandled rejection, and nothing printed that the program did not mean to. */
  judgeSilence(): void {
    this.figures.none("unhandled", this.all("unhandled").map(({ text }) => text));
    if (this.#noise.length > 0) this.figures.fail(`it printed: ${this.#noise.slice(0, 5).join("\n    ")}`);
  }

  /** Waits a while for the set to be what etcd's keys say; counts what is missing, or too much, then. */
  async #judgeSet(gateway: Gateway): Promise<void> {
    const different = async () => {
      const expected = new Set(await gateway.addresses(this.config.service));
      const seen = new Set((await this.whole()).addresses);
      const missing = [...expected].filter((address) => !seen.has(address)).map((address) => `${address} is missing`);
      return [...missing, ...[...seen].filter((address) => !expected.has(address)).map((a) => `${a} is too much`)];
    };
    const mostMs = this.figures.quick ? TRUE_MS + this.figures.slackMs : TRUE_MS;
    const done = await eventually("the set is true", async () => (await different()).length === 0, mostMs)
      .catch(() => undefined);
    this.figures.none("events lost", done ? [] : await different());
  }

  #last(): string {
    const show = this.messages.slice(-8).map((message) => JSON.stringify(message).slice(0, 300));
    return ["its last messages:", ...show, ...this.#noise.slice(-5)].join("\n    ");
  }
}

import type { BalancerEvent } from "../../balancer/event.ts";
import type { RegistryEvent } from "../../registry/event.ts";
import { shownText } from "../../shown-text.ts";
import type { Clock } from "../../time/clock.ts";
import { changesBetween } from "./changes-between.ts";
import { describeEvent, type Happening } from "./describe-event.ts";
import type { EventRow, PageState, Table } from "./state.ts";

/** How many events are kept. */
const MOST = 200;

/**
 * What happened: the events of transports that are subscribed to and of registries, and for the others what differs
 * between two states, which is noticed only while somebody looks.
 */
export class Timeline {
  readonly #clock: Clock;
  readonly #rows = new Map<string, EventRow>();
  /** The transports and the registries' services whose events are passed to it. */
  readonly #heard = new Set<string>();
  #number = 0;
  #table: Table<EventRow> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The events, the oldest first. */
  get table(): Table<EventRow> {
    return this.#table ??= Object.fromEntries(this.#rows);
  }

  /** Takes an event of a transport or a registry. */
  note(event: BalancerEvent | RegistryEvent): void {
    const happening = describeEvent(event);
    if (happening === undefined) return;
    // What events come of is not compared. There are as many names as transports and registrations.
    if (this.#heard.size < 10_000) this.#heard.add(nameOf(happening));
    this.#add(happening, this.#clock.now());
  }

  /** Takes what differs between two states, of services whose events don't come by themselves. */
  compare(before: PageState, after: Omit<PageState, "events">): void {
    for (const happening of changesBetween(before, after)) {
      if (!this.#heard.has(nameOf(happening))) this.#add(happening, after.nowMs);
    }
  }

  /** The same again is counted, so that an endpoint that fails at each attempt to connect is one line. */
  #add({ service, subject, text, level }: Happening, atMs: number): void {
    this.#table = undefined;
    const shown = { service: shownText(service), subject: shownText(subject), text: shownText(text, 400), level };
    const [id, last] = this.#lastOf(shown.service, shown.subject) ?? [];
    if (id !== undefined && last?.text === shown.text) {
      this.#rows.delete(id);
      this.#rows.set(id, { ...shown, atMs, times: last.times + 1 });
      return;
    }
    this.#rows.set(`e${++this.#number}`, { ...shown, atMs, times: 1 });
    if (this.#rows.size > MOST) this.#rows.delete(this.#rows.keys().next().value!);
  }

  #lastOf(service: string, subject: string): [string, EventRow] | undefined {
    return [...this.#rows].findLast(([, row]) => row.subject === subject && row.service === service);
  }
}

function nameOf({ of, service }: Happening): string {
  return `${of} ${service}`;
}

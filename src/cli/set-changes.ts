import { type Endpoint, endpointIdentity } from "../endpoint.ts";

/** What happened to an endpoint between two sets; `restarted`: its server registered anew. */
export type ChangeKind = "present" | "added" | "removed" | "changed" | "restarted";

/** A difference between two sets of endpoints. */
export interface SetChange {
  readonly change: ChangeKind;
  /** As it is now, or as it was if it was removed. */
  readonly endpoint: Endpoint;
  /** What is different, for `changed`. */
  readonly details: readonly string[];
  /** How many endpoints there are now. */
  readonly endpoints: number;
}

const ATTRIBUTES = ["weight", "zone"] as const;

/** Finds the differences between sets that come one after another. All of the first one is `present`. */
export class SetChanges {
  #known: Map<string, Endpoint> | undefined;

  /** The differences to the previous set: what was removed first, then the others in the set's order. */
  next(set: readonly Endpoint[]): readonly SetChange[] {
    const known = this.#known, now = new Map(set.map((endpoint) => [endpointIdentity(endpoint), endpoint] as const));
    this.#known = now;
    const change = (kind: ChangeKind, endpoint: Endpoint, details: readonly string[] = []): SetChange => {
      return { change: kind, endpoint, details, endpoints: now.size };
    };
    if (known === undefined) return [...now.values()].map((endpoint) => change("present", endpoint));
    const removed = [...known].filter(([identity]) => !now.has(identity));
    return [
      ...removed.map(([, endpoint]) => change("removed", endpoint)),
      ...[...now].flatMap(([identity, endpoint]) => {
        const before = known.get(identity);
        if (before === undefined) return [change("added", endpoint)];
        const details = differences(before, endpoint);
        if (before.incarnation !== endpoint.incarnation) return [change("restarted", endpoint, details)];
        return details.length === 0 ? [] : [change("changed", endpoint, details)];
      }),
    ];
  }
}

function differences(before: Endpoint, now: Endpoint): string[] {
  const differing = ATTRIBUTES.filter((name) => before[name] !== now[name])
    .map((name) => `${name} ${before[name] ?? "none"} → ${now[name] ?? "none"}`);
  // Not shown: it may be large, and hold anything.
  const metadata = JSON.stringify(before.metadata) === JSON.stringify(now.metadata) ? [] : ["metadata"];
  return [...differing, ...metadata];
}

import type { Endpoint } from "../../endpoint.ts";
import type { AttemptContext, EtcdDriver, KeyValue } from "../../etcd/driver/driver.ts";
import { keyText, valueText } from "../../etcd/watch/entries.ts";
import { asError } from "../../error-text.ts";
import type { Layout } from "../../registry/layout/layout.ts";
import { rangeOf } from "./etcd-permission.ts";
import { probe, type ProbeLimits } from "./probing.ts";

/** How many keys are read at a time, and in all. */
const PAGE = 1_000n, MOST = 50_000;

/** A key of a service. */
export interface RegisteredKey {
  readonly key: string;
  readonly service: string;
  /** 0: it has none. */
  readonly lease: bigint;
  readonly modRevision: bigint;
  /** Undefined: the entry can't be read. */
  readonly endpoint: Endpoint | undefined;
  /** Why it can't be read. */
  readonly problem: string | undefined;
}

/** Whether an entry can't be read because its host means every interface. */
export function isWildcard({ problem }: Pick<RegisteredKey, "problem">): boolean {
  return problem !== undefined && /host is a wildcard/.test(problem);
}

/** Where keys are read. */
export interface KeySource {
  readonly driver: EtcdDriver;
  readonly context: Omit<AttemptContext, "signal">;
}

/** Keys, and whether there are more. */
export interface Keys {
  readonly kvs: readonly KeyValue[];
  readonly truncated: boolean;
}

/** Reads the keys with a prefix, page by page; "" for all. @throws what the driver throws. */
export async function readKeys({ driver, context }: KeySource, prefix: string, limits: ProbeLimits): Promise<Keys> {
  const { key: first, rangeEnd } = rangeOf(prefix), kvs: KeyValue[] = [];
  for (let key = first;;) {
    const request = { key, rangeEnd, limit: PAGE };
    const page = await probe(limits, (signal) => driver.range(request, { ...context, signal }));
    for (const kv of page.kvs) kvs.push(kv);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { kvs, truncated: false };
    if (kvs.length >= MOST) return { kvs, truncated: true };
    key = new Uint8Array([...last.key, 0]);
  }
}

/** The keys that belong to the layout's services, or to one of them. */
export function registeredKeys(kvs: readonly KeyValue[], layout: Layout, service?: string): readonly RegisteredKey[] {
  return kvs.flatMap((kv) => {
    const key = keyText(kv.key);
    const { lease, modRevision } = kv;
    const { text, problem: unreadable } = textIn(kv.value);
    const name = service ?? layout.serviceOf?.(key, text);
    if (name === undefined || !key.startsWith(layout.prefix(name))) return [];
    if (layout.owns?.(name, key, text) === false) return [];
    let endpoint: Endpoint | undefined, problem = unreadable;
    try {
      if (problem === undefined) endpoint = layout.read(key, text);
    } catch (error) {
      problem = asError(error).message;
    }
    // A layout without a root of its own shares etcd with keys of other programs.
    if (endpoint === undefined && service === undefined && layout.root === "" && !isWildcard({ problem })) return [];
    return [{ key, service: name, lease, modRevision, endpoint, problem }];
  });
}

function textIn(value: Uint8Array): { readonly text: string; readonly problem: string | undefined } {
  try {
    return { text: valueText(value), problem: undefined };
  } catch (error) {
    return { text: "", problem: asError(error).message };
  }
}

import type { Endpoint } from "../endpoint.ts";
import { endpointIdentity } from "../endpoint.ts";
import { shownText } from "../shown-text.ts";
import { type ConsulAgent, filteredError } from "./agent.ts";
import { type InstanceStyle, readInstance, record } from "./instance.ts";

/** How a service is asked for. */
export interface QueryOptions {
  readonly agent: ConsulAgent;
  readonly style: InstanceStyle;
  readonly datacenter: string | undefined;
  /** An instance has no usable address. */
  readonly skipped: (service: string, id: string, cause: Error) => void;
}

/** The instances of a service at one moment. */
export interface QueriedService {
  /** Those that pass their checks. */
  readonly endpoints: readonly Endpoint[];
  /** How many there are, whether they pass or not. */
  readonly entries: number;
  readonly index: number;
}

/** What changes from query to query of a service. */
export interface Query {
  /** Answers once the state is another than this one's; undefined: at once. */
  readonly index?: number;
  readonly waitMs?: number;
  /** Whether instances that fail their checks are counted. Defaults to false. */
  readonly all?: boolean;
}

/** Asks for the instances of a service. */
export async function queryService(
  { agent, style, datacenter, skipped }: QueryOptions,
  service: string,
  { index, waitMs, all = false }: Query,
  signal: AbortSignal,
): Promise<QueriedService> {
  const query: (readonly [string, string])[] = style.tags.map((tag) => ["tag", tag]);
  if (!all) query.push(["passing", "1"]);
  if (datacenter !== undefined) query.push(["dc", datacenter]);
  if (index !== undefined && waitMs !== undefined) {
    query.push(["index", String(index)], ["wait", `${Math.round(waitMs)}ms`]);
  }
  const answer = await agent.request({
    path: `health/service/${encodeURIComponent(service)}`,
    query,
    ...waitMs !== undefined && index !== undefined && { waitMs },
  }, signal);
  if (!Array.isArray(answer.body)) throw new Error("the answer is not a list of instances: is this a Consul agent?");
  if (answer.filtered && answer.body.length === 0) throw filteredError(`instances of ${shownText(service)}`);
  const found = new Map<string, Endpoint>();
  for (const entry of answer.body as unknown[]) {
    if (all && !passes(entry)) continue;
    const { id, endpoint, cause } = readInstance(entry, style);
    if (endpoint !== undefined) found.set(endpointIdentity(endpoint), endpoint);
    else skipped(service, id, cause as Error);
  }
  return { endpoints: [...found.values()], entries: answer.body.length, index: answer.index };
}

function passes(entry: unknown): boolean {
  const checks = record(entry)["Checks"];
  return !Array.isArray(checks) || checks.every((check) => record(check)["Status"] === "passing");
}

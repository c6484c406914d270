import type { EjectOutliersOptions } from "../health/outlier-options.ts";
import { leastRequest } from "../policy/least-request.ts";
import { pickFirst } from "../policy/pick-first.ts";
import type { Policy } from "../policy/policy.ts";
import { ringHash } from "../policy/ring-hash.ts";
import { roundRobin } from "../policy/round-robin.ts";
import { subset } from "../policy/subset.ts";
import { weightedRoundRobin } from "../policy/weighted-round-robin.ts";
import type { JsonValue } from "./json-value.ts";
import { outliersOf } from "./outlier-detection.ts";
import { said } from "./said.ts";

/** What a load balancing config means for a transport. */
export interface LoadBalancing {
  readonly policy: Policy;
  /** Set if the config has outlier detection. */
  readonly ejectOutliers?: EjectOutliersOptions | false;
}

/** Policies by gRPC's names, each made from its config. */
export type PolicyReaders = ReadonlyMap<string, (config: JsonValue, child: ReadChild) => LoadBalancing>;

/** Reads the `childPolicy` of a policy's config. */
type ReadChild = (config: JsonValue) => LoadBalancing;

/** How deep policies may stand in one another. */
const DEEPEST = 16;
const LARGEST_UINT32 = 4_294_967_295;
const LARGEST_RING = 8_388_608;
/** gRFC A42: what clients cap a ring at, since each client keeps one. */
const RING_CAP = 4_096;

/** gRPC's policies that there are here. What configs leave out is as policies have it, which is as gRPC has it. */
export const POLICIES: PolicyReaders = new Map<string, (config: JsonValue, child: ReadChild) => LoadBalancing>([
  ["round_robin", () => ({ policy: roundRobin() })],
  ["pick_first", (config) => ({ policy: pickFirst(said({ shuffle: config.field("shuffleAddressList")?.flag() })) })],
  ["weighted_round_robin", (config) => ({ policy: weightedRoundRobinOf(config) })],
  ["least_request_experimental", (config) => {
    return { policy: leastRequest(said({ choices: config.field("choiceCount")?.wholeNumber(2, LARGEST_UINT32) })) };
  }],
  ["ring_hash_experimental", (config) => ({ policy: ringHashOf(config) })],
  ["random_subsetting_experimental", (config, child) => {
    const size = config.required("subsetSize").wholeNumber(1, LARGEST_UINT32), inner = child(config);
    return { ...inner, policy: subset({ size }, inner.policy) };
  }],
  ["outlier_detection_experimental", (config, child) => ({ ...child(config), ejectOutliers: outliersOf(config) })],
]);

/**
 * The policy that a config chooses: the first of `loadBalancingConfig` that is supported; without that list, the
 * deprecated `loadBalancingPolicy`. Undefined if it has neither.
 */
export function loadBalancingOf(root: JsonValue, policies: PolicyReaders): LoadBalancing | undefined {
  const list = root.field("loadBalancingConfig");
  if (list !== undefined) return firstSupported(list, policies, 1);
  const name = root.field("loadBalancingPolicy");
  if (name === undefined || name.text() === "") return undefined;
  const read = policies.get(name.text().toLowerCase()) ?? policies.get("pick_first");
  if (read === undefined) throw unsupported(name, [name.text()], policies);
  return read(name.empty(), (config) => childOf(config, policies, 1));
}

function firstSupported(list: JsonValue, policies: PolicyReaders, depth: number): LoadBalancing {
  if (depth > DEEPEST) throw list.error(`more than ${DEEPEST} policies stand in one another`);
  const skipped: string[] = [];
  for (const entry of list.list()) {
    const [name, config] = entry.only(), read = policies.get(name);
    if (read === undefined) {
      skipped.push(name);
      continue;
    }
    try {
      return read(config.object(), (parent) => childOf(parent, policies, depth + 1));
    } catch (error) {
      throw config.rejected(error);
    }
  }
  throw unsupported(list, skipped, policies);
}

function childOf(config: JsonValue, policies: PolicyReaders, depth: number): LoadBalancing {
  return firstSupported(config.required("childPolicy"), policies, depth);
}

function unsupported(value: JsonValue, names: readonly string[], policies: PolicyReaders): Error {
  const given = names.length === 0 ? "is empty" : `has no supported policy (${names.join(", ").slice(0, 200)})`;
  return value.error(`${given}: expected one of ${[...policies.keys()].join(", ") || "none, as none was passed"}`);
}

function weightedRoundRobinOf(config: JsonValue): Policy {
  const period = (name: string, leastMs: number) => {
    const ms = config.field(name)?.durationMs();
    return ms === undefined ? undefined : Math.max(leastMs, ms);
  };
  const outOfBand = config.field("enableOobLoadReport")?.flag(), reportingMs = period("oobReportingPeriod", 1);
  const penalty = config.field("errorUtilizationPenalty"), errorUtilizationPenalty = penalty?.number();
  if (penalty !== undefined && errorUtilizationPenalty! < 0) {
    throw penalty.error(`${errorUtilizationPenalty} is below 0`);
  }
  return weightedRoundRobin({
    loadReports: said({
      outOfBandPeriodMs: outOfBand ? reportingMs ?? 10_000 : undefined,
      blackoutPeriodMs: period("blackoutPeriod", 0),
      expirationPeriodMs: period("weightExpirationPeriod", 1),
      updatePeriodMs: period("weightUpdatePeriod", 100),
      errorUtilizationPenalty,
      metricNames: config.field("metricNamesForComputingUtilization")?.list().map((name) => name.text()),
    }),
  });
}

function ringHashOf(config: JsonValue): Policy {
  const size = (name: string) => config.field(name)?.wholeNumber(1, LARGEST_RING);
  const least = size("minRingSize"), most = size("maxRingSize") ?? Infinity;
  if (least !== undefined && least > most) throw config.error(`minRingSize ${least} is above maxRingSize ${most}`);
  const maxRingSize = Math.min(most, RING_CAP);
  const requestHashHeader = config.field("requestHashHeader")?.text();
  return ringHash(said({
    minRingSize: least && Math.min(least, maxRingSize),
    maxRingSize,
    requestHashHeader: requestHashHeader === "" ? undefined : requestHashHeader,
  }));
}

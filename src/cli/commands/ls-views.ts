import type { Endpoint } from "../../endpoint.ts";
import type { LeaseTimeToLive } from "../../etcd/driver/driver.ts";
import type { ListedService } from "../../registry/registry.ts";
import type { View } from "../output.ts";
import type { Reach } from "../reach.ts";

/** A service and the layout in which it is registered. */
export interface ShownService extends ListedService {
  readonly layout: string;
  /** Whether the table says so: there are several layouts. */
  readonly apart: boolean;
}

/** An endpoint of a service, as `ls` shows it. */
export interface ListedEndpoint {
  readonly layout: string;
  /** Whether the table says so: there are several layouts. */
  readonly apart: boolean;
  readonly service: string;
  readonly key: string;
  readonly endpoint: Endpoint;
  readonly lease: bigint;
  /** Undefined: etcd doesn't know the lease, or there is none. */
  readonly timeToLive: LeaseTimeToLive | undefined;
  /** Undefined: not tried. */
  readonly reach: Reach | undefined;
}

/** The services of a registry. */
export const SERVICES: View<ShownService> = {
  columns: [
    { title: "LAYOUT", text: ({ layout, apart }) => apart ? layout : undefined },
    { title: "SERVICE", text: ({ service }) => service, paint: () => "name" },
    {
      title: "ENDPOINTS",
      text: ({ endpoints }) => String(endpoints),
      paint: ({ endpoints }) => endpoints === 0 ? "bad" : undefined,
      right: true,
    },
    {
      title: "NOTE",
      text: ({ endpoints, entries }) => {
        return entries === endpoints ? undefined : `${entries} keys: some can't be read, or name the same address`;
      },
      paint: () => "doubtful",
    },
  ],
  name: ({ service }) => service,
  json: ({ apart: _, ...service }) => service,
};

/** The endpoints of a service. */
export const ENDPOINTS: View<ListedEndpoint> = {
  columns: [
    { title: "LAYOUT", text: ({ layout, apart }) => apart ? layout : undefined },
    { title: "ADDRESS", text: ({ endpoint }) => endpoint.address, paint: () => "name" },
    { title: "TLS", text: ({ endpoint }) => endpoint.secure === true ? "yes" : undefined },
    { title: "ZONE", text: ({ endpoint }) => endpoint.zone },
    { title: "WEIGHT", text: ({ endpoint }) => endpoint.weight?.toString(), right: true },
    {
      title: "TTL",
      text: ttlText,
      paint: ({ lease, timeToLive }) => lease === 0n || timeToLive === undefined ? "doubtful" : undefined,
      right: true,
    },
    {
      title: "REACHABLE",
      text: ({ reach }) => reach && (reach.reachable ? `yes, ${reach.ms?.toFixed(1)} ms` : `no: ${reach.error}`),
      paint: ({ reach }) => reach?.reachable ? "good" : "bad",
    },
  ],
  name: ({ endpoint }) => endpoint.address,
  json: ({ service, layout, key, endpoint, lease, timeToLive, reach }) => {
    const { incarnation: _, ...attributes } = endpoint;
    return {
      service,
      ...attributes,
      layout,
      key,
      lease: lease === 0n ? null : lease.toString(16),
      ttlSeconds: timeToLive === undefined ? null : Number(timeToLive.ttlSeconds),
      grantedTtlSeconds: timeToLive === undefined ? null : Number(timeToLive.grantedSeconds),
      ...(reach === undefined ? {} : { reachable: reach.reachable }),
      ...(reach?.ms === undefined ? {} : { connectMs: Math.round(reach.ms * 1_000) / 1_000 }),
      ...(reach?.error === undefined ? {} : { error: reach.error }),
    };
  },
};

function ttlText({ lease, timeToLive }: ListedEndpoint): string {
  if (lease === 0n) return "never expires";
  if (timeToLive === undefined) return "unknown";
  return `${timeToLive.ttlSeconds} of ${timeToLive.grantedSeconds} s`;
}

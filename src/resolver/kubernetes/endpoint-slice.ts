// EndpointSlices (discovery.k8s.io/v1) as the API server sends them. What they hold is not trusted: anything that is not
// as it should be counts as missing.

/** The kinds of addresses that a slice may have, in the order in which they are preferred. */
export const ADDRESS_TYPES = ["IPv4", "IPv6", "FQDN"] as const;

/** A kind of address. All addresses of a slice are of one kind. */
export type AddressType = (typeof ADDRESS_TYPES)[number];

/** Some of the endpoints of a service. */
export interface EndpointSlice {
  /** Unique in its namespace. */
  readonly name: string;
  readonly resourceVersion: string | undefined;
  readonly addressType: AddressType | undefined;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

/** A TCP port that each endpoint of a slice has. */
export interface SlicePort {
  /** Its name in the Service; empty if it has none there. */
  readonly name: string;
  readonly port: number;
}

/** One endpoint of a slice. */
export interface SliceEndpoint {
  /** An IP address or a host, without brackets. */
  readonly host: string;
  /** It takes calls. Unknown means that it does. */
  readonly ready: boolean;
  /** It answers calls, although it may be about to stop. */
  readonly serving: boolean;
  readonly zone: string | undefined;
  /** The zones that should use it. */
  readonly forZones: readonly string[];
  readonly node: string | undefined;
  /** The pod behind it, which another one with the same address replaces. */
  readonly pod: { readonly name: string | undefined; readonly uid: string | undefined } | undefined;
}

/** Anything in JSON. */
export type Json = Readonly<Record<string, unknown>>;

/** Reads a slice; undefined if it isn't one. */
export function readSlice(value: unknown): EndpointSlice | undefined {
  const slice = record(value), metadata = record(slice["metadata"]), name = text(metadata["name"]);
  if (name === undefined) return undefined;
  return {
    name,
    resourceVersion: text(metadata["resourceVersion"]),
    addressType: ADDRESS_TYPES.find((type) => type === slice["addressType"]),
    ports: list(slice["ports"]).flatMap(readPort),
    endpoints: list(slice["endpoints"]).flatMap(readEndpoint),
  };
}

function readPort(value: unknown): readonly SlicePort[] {
  const { name, protocol, port } = record(value);
  if (typeof port !== "number" || (text(protocol) ?? "TCP") !== "TCP") return [];
  return [{ name: text(name) ?? "", port }];
}

function readEndpoint(value: unknown): readonly SliceEndpoint[] {
  const endpoint = record(value), conditions = record(endpoint["conditions"]);
  // All addresses of an endpoint lead to the same server.
  const host = text(list(endpoint["addresses"])[0]);
  if (host === undefined) return [];
  const ready = conditions["ready"] !== false;
  const target = record(endpoint["targetRef"]);
  return [{
    host,
    ready,
    serving: typeof conditions["serving"] === "boolean" ? conditions["serving"] : ready,
    zone: text(endpoint["zone"]),
    forZones: list(record(endpoint["hints"])["forZones"]).flatMap((zone) => text(record(zone)["name"]) ?? []),
    node: text(endpoint["nodeName"]),
    pod: target["kind"] === "Pod" ? { name: text(target["name"]), uid: text(target["uid"]) } : undefined,
  }];
}

/** A value as an object; an empty one if it isn't an object. */
export function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : {};
}

/** A value as a list; an empty one if it isn't a list. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A value as text; undefined if it isn't text, or is empty. */
export function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

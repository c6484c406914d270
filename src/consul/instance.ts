// A server as Consul stores it, an instance of a service: what is written, and what is read.

import { type Endpoint, parseAddress } from "../endpoint.ts";
import { wrongOption } from "../option.ts";
import type { EndpointAttributes } from "../registry/registry.ts";

/** The key of metadata that is not plain text. */
const METADATA_KEY = "connect-lb-metadata";
/** The longest value in an instance's metadata, in bytes. */
const MOST_VALUE = 512;
/** Consul takes no shorter time until an instance that is critical is removed, in seconds. */
const LEAST_DEREGISTER_S = 60;

/** A server that is registered. */
export interface Server {
  readonly service: string;
  readonly address: string;
  readonly ttlSeconds: number;
}

/** What is the same for all servers of a registry. */
export interface InstanceStyle {
  readonly tags: readonly string[];
  readonly zoneKey: string;
}

/** Anything in JSON. */
type Json = Readonly<Record<string, unknown>>;

/** The id of a server's entry at the agent. */
export function idOf({ service, address }: Pick<Server, "service" | "address">): string {
  return `${service}@${address}`;
}

/** The id of its check. */
export function checkIdOf(server: Pick<Server, "service" | "address">): string {
  return `service:${idOf(server)}`;
}

/**
 * The definition that registers a server.
 *
 * @throws RangeError or TypeError if Consul can't store an attribute
 */
export function definitionOf(server: Server, attributes: EndpointAttributes, { tags, zoneKey }: InstanceStyle): Json {
  const { host, port } = parseAddress(server.address), { weight, zone, metadata } = attributes;
  if (weight !== undefined && !(Number.isInteger(weight) && weight <= 65_535)) {
    throw wrongOption("weight", weight, "a whole number from 1 to 65535, as Consul stores them", RangeError);
  }
  const json = metadata === undefined ? undefined : JSON.stringify(metadata);
  for (const [name, value] of [["zone", zone], ["metadata", json]] as const) {
    if (value !== undefined && new TextEncoder().encode(value).length > MOST_VALUE) {
      throw new RangeError(`option ${name} is longer than the ${MOST_VALUE} bytes that Consul stores`);
    }
  }
  return {
    ID: idOf(server),
    Name: server.service,
    Address: host,
    Port: port,
    Tags: tags,
    Meta: { ...zone !== undefined && { [zoneKey]: zone }, ...json !== undefined && { [METADATA_KEY]: json } },
    Weights: { Passing: weight ?? 1, Warning: weight ?? 1 },
    Check: {
      CheckID: checkIdOf(server),
      Name: "connect-lb",
      TTL: `${server.ttlSeconds}s`,
      Status: "passing",
      DeregisterCriticalServiceAfter: `${Math.max(LEAST_DEREGISTER_S, server.ttlSeconds)}s`,
    },
  };
}

/** Whether an instance, as the agent describes it, is as a definition wants it. */
export function isAsDefined(instance: unknown, definition: Json): boolean {
  const found = record(instance);
  const wanted: Json = { Name: found["Service"], ...found };
  return ["Name", "Address", "Port", "Tags", "Meta", "Weights"].every((key) => same(wanted[key], definition[key]));
}

function same(a: unknown, b: unknown): boolean {
  const plain = (value: unknown) => Array.isArray(value) ? value : Object.entries(value ?? {}).sort();
  if (typeof b !== "object") return a === b;
  return JSON.stringify(plain(a)) === JSON.stringify(plain(b));
}

/** What an entry of a query's answer says. */
export interface ReadInstance {
  readonly id: string;
  /** Undefined if it has no usable address. */
  readonly endpoint: Endpoint | undefined;
  /** Why it can't be used. */
  readonly cause: Error | undefined;
}

/** Reads an instance of a service and its node; anything that is not as it should be counts as missing. */
export function readInstance(entry: unknown, { zoneKey }: InstanceStyle): ReadInstance {
  const node = record(record(entry)["Node"]), instance = record(record(entry)["Service"]);
  const id = text(instance["ID"]) ?? "an instance without an id";
  const meta = record(instance["Meta"]);
  const host = text(instance["Address"]) ?? text(node["Address"]) ?? "";
  const address = `${host.includes(":") ? `[${host}]` : host}:${instance["Port"]}`;
  try {
    parseAddress(address);
  } catch (error) {
    return { id, endpoint: undefined, cause: error as Error };
  }
  const weight = record(instance["Weights"])["Passing"];
  const zone = text(meta[zoneKey]) ?? text(record(node["Meta"])[zoneKey]);
  const metadata = metadataOf(meta, zoneKey), created = instance["CreateIndex"];
  const endpoint = {
    address,
    ...typeof created === "number" && { incarnation: String(created) },
    ...typeof weight === "number" && weight > 0 && { weight },
    ...zone !== undefined && { zone },
    ...metadata !== undefined && { metadata },
  };
  return { id, endpoint, cause: undefined };
}

/** What was registered as metadata, or else the instance's own. */
function metadataOf(meta: Json, zoneKey: string): unknown {
  const json = text(meta[METADATA_KEY]);
  try {
    if (json !== undefined) return JSON.parse(json);
  } catch {
    // Another program wrote it.
  }
  const rest = Object.entries(meta).filter(([key]) => key !== zoneKey);
  return rest.length === 0 ? undefined : Object.fromEntries(rest);
}

/** A value as an object; an empty one if it isn't an object. */
export function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Json : {};
}

function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

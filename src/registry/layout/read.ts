import { type Endpoint, isWildcardHost, parseAddress } from "../../endpoint.ts";

/** How deep JSON may be nested before it counts as an attack. */
const MAX_DEPTH = 32;

type JsonObject = { readonly [name: string]: unknown };

/**
 * Parses an entry in any of the known spellings. The layouts share it, so that programs which disagree on the spelling
 * can register under one service.
 *
 * - A value that begins with `{` is JSON with `Addr`, or `address`, or `endpoints[]` (URLs), or `nodes[0].address`, or
 *   `Host` and `Port`.
 * - Any other value is `host:port` or a URL.
 * - An empty value stands for the last segment of its key, URL-encoded or not.
 *
 * @throws Error for an entry that is none of these, or names anything but a plain host and port.
 */
export function readEntry(key: string, value: string): Endpoint {
  const text = value.trim();
  if (text.startsWith("{")) return readJson(text);
  return readTarget(text === "" ? decodeURIComponent(key.slice(key.lastIndexOf("/") + 1)) : text);
}

/**
 * The part of a key between a layout's root and its last "/": the service's name, if keys end with `/<id>` and names
 * may contain "/". Undefined for a key of another form.
 */
export function nameBeforeId(key: string, root: string): string | undefined {
  const end = key.lastIndexOf("/");
  return key.startsWith(root) && end > root.length ? key.slice(root.length, end) : undefined;
}

/** The service's name in a value that says it, as go-kratos's and go-micro's do; otherwise undefined. */
export function nameIn(value: string): string | undefined {
  try {
    const { name } = JSON.parse(value) as { name?: unknown };
    return typeof name === "string" ? name : undefined;
  } catch {
    return undefined;
  }
}

function readJson(text: string): Endpoint {
  const json = JSON.parse(text) as JsonObject;
  checkHarmless(json, 0);
  const node = firstObject(field(json, "nodes"));
  const target = readJsonTarget(json, node);
  if (field(json, "Enable") === false || field(json, "Healthy") === false) {
    throw new Error("it is disabled or unhealthy");
  }
  const metadata = first(node && field(node, "metadata"), field(json, "Metadata"), field(json, "metadata"));
  const tags = field(json, "tags");
  const weight = readWeight(
    attribute(metadata, "weight"),
    attribute(tags, "weight"),
    field(json, "weight"),
    field(json, "Weight"),
  );
  const zone = first(attribute(metadata, "zone"), attribute(tags, "zone"), field(json, "zone"));
  const rest = first(metadata, tags);
  return {
    ...target,
    ...(weight === undefined ? {} : { weight }),
    ...(typeof zone === "string" && zone !== "" ? { zone } : {}),
    ...(rest === undefined ? {} : { metadata: rest }),
  };
}

function readJsonTarget(json: JsonObject, node: JsonObject | undefined): Endpoint {
  const address = first(field(json, "Addr"), field(json, "address"), node && field(node, "address"));
  if (typeof address === "string") return readTarget(address);
  const urls = field(json, "endpoints");
  if (Array.isArray(urls)) return readTarget(preferredUrl(urls));
  const host = field(json, "Host"), port = field(json, "Port");
  if (typeof host === "string" && typeof port === "number") {
    return readTarget(host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`);
  }
  throw new Error("its JSON contains no address");
}

/** A gRPC URL first: a Connect server speaks gRPC on any of its ports, other servers only on that one. */
function preferredUrl(urls: readonly unknown[]): string {
  const texts = urls.filter((url): url is string => typeof url === "string");
  const chosen = texts.find((url) => /^grpcs?:/i.test(url)) ?? texts.find((url) => /^https?:/i.test(url)) ?? texts[0];
  if (chosen === undefined) throw new Error("its list of endpoints is empty");
  return chosen;
}

/** Parses `host:port`, or a URL, of which scheme, host, port and `isSecure` count. */
function readTarget(text: string): Endpoint {
  const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)[^?#]*(?:\?([^#]*))?/.exec(text);
  const [, scheme = "", authority = "", query = ""] = url ?? [];
  const address = url === null ? text : authority;
  if (isWildcardHost(parseAddress(address).host)) throw new Error(`its host is a wildcard: ${address}`);
  if (/^(https|grpcs)$/i.test(scheme) || /(^|&)isSecure=true(&|$)/.test(query)) return { address, secure: true };
  return { address };
}

/** The first finite number above 0, possibly given as text; undefined means the default weight. */
function readWeight(...values: readonly unknown[]): number | undefined {
  for (const value of values) {
    const weight = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
    if (typeof weight === "number" && Number.isFinite(weight) && weight > 0) return weight;
  }
  return undefined;
}

function first(...values: readonly unknown[]): unknown {
  return values.find((value) => value !== undefined && value !== null);
}

function attribute(object: unknown, name: string): unknown {
  return isObject(object) ? field(object, name) : undefined;
}

/** Own fields only: properties of the prototype are not in the registry. */
function field(object: JsonObject, name: string): unknown {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function firstObject(list: unknown): JsonObject | undefined {
  const item: unknown = Array.isArray(list) ? list[0] : undefined;
  return isObject(item) ? item : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Metadata is passed to users, who may copy or traverse it. */
function checkHarmless(value: unknown, depth: number): void {
  if (typeof value !== "object" || value === null) return;
  if (depth > MAX_DEPTH) throw new Error(`its JSON is nested deeper than ${MAX_DEPTH} levels`);
  if (Object.hasOwn(value, "__proto__")) throw new Error('its JSON has a key "__proto__"');
  for (const inner of Object.values(value)) checkHarmless(inner, depth + 1);
}

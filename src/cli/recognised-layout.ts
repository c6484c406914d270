import { parseAddress } from "../endpoint.ts";
import { dubboApplication } from "../registry/layout/dubbo-application.ts";
import { dubboInterface } from "../registry/layout/dubbo-interface.ts";
import { goMicro } from "../registry/layout/go-micro.ts";
import type { Layout } from "../registry/layout/layout.ts";
import { wonaming } from "../registry/layout/wonaming.ts";
import { wwcdGrpcLb } from "../registry/layout/wwcd-grpc-lb.ts";

/** How a key was probably written. */
export interface RecognisedEntry {
  /** The layout that reads it, by its name for `--layout`. */
  readonly layout: string;
  /** The layout's prefix; undefined for the layouts that have one of their own. */
  readonly prefix?: string;
  readonly service: string;
  /** Who writes such entries. */
  readonly writer: string;
}

/**
 * Recognises the registrations of the layouts that there are, wherever they are. Undefined: no layout matches.
 *
 * @param service the service that is looked for, whose name may contain "/"
 */
export function recogniseEntry(key: string, value: string, service?: string): RecognisedEntry | undefined {
  const own = ownKeys(key, value);
  if (own !== undefined) return own;
  const json = objectIn(value);
  if (key.startsWith("/microservices/") && Array.isArray(json?.["endpoints"])) {
    const name = typeof json["name"] === "string" ? json["name"] : between(key, "/microservices/");
    return name === undefined ? undefined : { layout: "kratos", service: name, writer: "go-kratos" };
  }
  const kitex = between(key, "kitex/registry-etcd/");
  if (kitex !== undefined && json !== undefined) return { layout: "kitex", service: kitex, writer: "Kitex" };
  const placed = place(key, service);
  if (placed === undefined) return undefined;
  const { before, name, last } = placed;
  if (json !== undefined) {
    if (typeof json["Addr"] === "string") {
      const writer = "etcd's client/v3/naming";
      return { layout: "etcdNaming", ...before !== "" && { prefix: before }, service: name, writer };
    }
    const others = Array.isArray(json["nodes"]) ? "go-micro" : typeof json["Host"] === "string" ? "Dubbo" : undefined;
    return others === undefined ? undefined : { layout: "grpclb", prefix: before, service: name, writer: others };
  }
  if (isAddress(last) && (value === last || isTarget(value))) {
    // Without a prefix, the layout grpclb would put a "/" before the service's name.
    return key.startsWith("/") || before !== ""
      ? { layout: "grpclb", prefix: before, service: name, writer: "the plain layout" }
      : { layout: "etcdNaming", service: name, writer: "the plain layout, without a prefix" };
  }
  if (!/^\d+$/.test(last) || !isTarget(value)) return undefined;
  return { layout: "goZero", service: before === "" ? name : `${before}/${name}`, writer: "go-zero" };
}

/** Layouts whose keys say it all: the layout reads the entry, and says whose it is. */
const OWN: Readonly<Record<string, { readonly layout: Layout; readonly writer: string }>> = {
  goMicro: { layout: goMicro(), writer: "go-micro" },
  dubboInterface: { layout: dubboInterface(), writer: "dubbo-go (interface level)" },
  wonaming: { layout: wonaming(), writer: "wonaming" },
  wwcdGrpcLb: { layout: wwcdGrpcLb(), writer: "wwcd/grpc-lb" },
};

function ownKeys(key: string, value: string): RecognisedEntry | undefined {
  for (const [name, { layout, writer }] of Object.entries(OWN)) {
    if (!key.startsWith(layout.root!)) continue;
    const service = layout.serviceOf!(key, value);
    return service === undefined || !reads(layout, key, value) ? undefined : { layout: name, service, writer };
  }
  // Other programs write below /services, too.
  const service = DUBBO.serviceOf!(key, value);
  if (service === undefined || typeof objectIn(value)?.["Host"] !== "string") return undefined;
  return { layout: "dubboApplication", service, writer: "dubbo-go (application level)" };
}

const DUBBO = dubboApplication();

function reads(layout: Layout, key: string, value: string): boolean {
  try {
    layout.read(key, value);
    return true;
  } catch {
    return false;
  }
}

interface Place {
  /** What stands before the service's name, without the "/" between them. */
  readonly before: string;
  readonly name: string;
  /** What follows the last "/". */
  readonly last: string;
}

/** Splits a key into prefix, service and the rest. */
function place(key: string, service?: string): Place | undefined {
  const end = key.lastIndexOf("/");
  if (end < 1) return undefined;
  const path = key.slice(0, end), last = key.slice(end + 1);
  if (service !== undefined && (path === service || path.endsWith(`/${service}`))) {
    return { before: path.slice(0, Math.max(0, path.length - service.length - 1)), name: service, last };
  }
  const start = path.lastIndexOf("/");
  return { before: path.slice(0, Math.max(0, start)), name: path.slice(start + 1), last };
}

/** The part of a key between a root and the next "/". */
function between(key: string, root: string): string | undefined {
  if (!key.startsWith(root)) return undefined;
  const end = key.indexOf("/", root.length);
  return end > root.length ? key.slice(root.length, end) : undefined;
}

function objectIn(value: string): Readonly<Record<string, unknown>> | undefined {
  if (!value.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(value) as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

function isAddress(text: string): boolean {
  try {
    parseAddress(text);
    return true;
  } catch {
    return false;
  }
}

/** An address, or a URL with one. */
function isTarget(value: string): boolean {
  return isAddress(value.trim().replace(/^[A-Za-z][A-Za-z0-9+.-]*:\/\//, "").replace(/[/?#].*$/, ""));
}

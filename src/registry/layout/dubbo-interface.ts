import type { Endpoint } from "../../endpoint.ts";
import { checkOptions, type Checks, kind, quoted } from "../../option.ts";
import { refuseAttributes } from "./attributes.ts";
import type { Layout } from "./layout.ts";
import { readEntry } from "./read.ts";

/** Options of {@link dubboInterface}. */
export interface DubboInterfaceOptions {
  /**
   * Parameters of the URL that a server registers: `{ version: "1.0.0", group: "g", weight: "200" }`. Consumers look
   * for servers of their own version and group. Defaults to none.
   */
  readonly parameters?: Readonly<Record<string, string>>;
}

const OPTIONS: Checks<DubboInterfaceOptions> = {
  parameters: kind("an object of strings", (value) => typeof value === "object" && value !== null),
};

const ROOT = "/dubbo/", CATEGORY = "/providers/";
/** dubbo-go's own default. */
const DEFAULT_WEIGHT = 100;
/** The protocols of Dubbo that are gRPC, and what is known by other names. */
const GRPC = /^(tri|grpcs?|https?)$/i;

/**
 * dubbo-go's, where interfaces register ("interface level"): `/dubbo/<interface>/providers/<URL, escaped>` → nothing. All
 * that there is to know is in the key: the URL is `tri://<host:port>/<interface>?…`, and its parameters are read as the
 * endpoint's metadata. Servers that speak another protocol than Triple, gRPC or HTTP are left out.
 *
 * What a registration can change would change its key: weight and the like are parameters of the layout.
 *
 * @throws TypeError if a parameter can't be in such a URL.
 */
export function dubboInterface(options: DubboInterfaceOptions = {}): Layout {
  checkOptions("dubboInterface()", options, OPTIONS);
  const { parameters = {} } = options;
  checkParameters(parameters);
  return {
    root: ROOT,
    prefix: servicePrefix,
    serviceOf,
    write(entry) {
      refuseAttributes("dubboInterface", entry, ["weight", "zone", "metadata"]);
      const query = Object.entries({
        anyhost: "true",
        interface: entry.service,
        side: "provider",
        ...parameters,
      }).sort(([a], [b]) => a < b ? -1 : 1).map((pair) => pair.join("="));
      const url = `tri://${entry.address}/${entry.service}?${query.join("&")}`;
      return { key: servicePrefix(entry.service) + queryEscape(url), value: "" };
    },
    owns: (service, key) => serviceOf(key) === service,
    read,
  };
}

function checkParameters(parameters: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(parameters)) {
    // Dubbo stores the URL unescaped within the escaped key.
    if (typeof value !== "string" || /[&#%+?=\s\p{Cc}]/u.test(name + value)) {
      throw new TypeError(
        `dubboInterface(): option parameters.${name} is ${quoted(value)}: expected text without & # % + ? = and spaces`,
      );
    }
  }
}

function servicePrefix(service: string): string {
  return `${ROOT}${queryEscape(service)}${CATEGORY}`;
}

function serviceOf(key: string): string | undefined {
  const end = key.indexOf("/", ROOT.length);
  if (!key.startsWith(ROOT) || end < 0 || !key.startsWith(CATEGORY, end)) return undefined;
  if (key.indexOf("/", end + CATEGORY.length) >= 0) return undefined;
  try {
    const name = queryUnescape(key.slice(ROOT.length, end));
    return name === "" ? undefined : name;
  } catch {
    return undefined;
  }
}

function read(key: string, value: string): Endpoint {
  if (value.trim() !== "") return { weight: DEFAULT_WEIGHT, ...readEntry(key, value) };
  const url = queryUnescape(key.slice(key.lastIndexOf("/") + 1));
  const scheme = /^([^:/?#]*):\/\//.exec(url)?.[1];
  if (scheme === undefined) throw new Error("its key ends with no URL");
  if (!GRPC.test(scheme)) throw new Error(`it speaks ${scheme}, which is not gRPC`);
  const metadata = Object.fromEntries(new URLSearchParams(/\?([^#]*)/.exec(url)?.[1]));
  const weight = Number(metadata["weight"]), { zone } = metadata;
  return {
    ...readEntry(key, url),
    weight: Number.isFinite(weight) && weight > 0 ? weight : DEFAULT_WEIGHT,
    ...zone !== undefined && zone !== "" && { zone },
    metadata,
  };
}

/** Go's `url.QueryEscape`: a space is "+", and only letters, digits and `-_.~` stay as they are. */
function queryEscape(text: string): string {
  return encodeURIComponent(text).replace(/%20/g, "+").replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function queryUnescape(text: string): string {
  return decodeURIComponent(text.replaceAll("+", " "));
}

import { checkOptions, type Checks, flag, or, text } from "../../option.ts";
import { checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { nameBeforeId, nameIn, readEntry } from "./read.ts";

/** What go-kratos writes besides the address. */
export interface KratosOptions {
  /** Identifies the server within its service. Defaults to its address. */
  readonly id?: string;
  /** The service's version. Defaults to "". */
  readonly version?: string;
  /** Whether the server speaks TLS (`?isSecure=true`). Defaults to false. */
  readonly secure?: boolean;
}

const OPTIONS: Checks<KratosOptions> = { id: text, version: or("", text), secure: flag };

const ROOT = "/microservices/";

/**
 * go-kratos's: `/microservices/<service>/<id>` → JSON with the endpoints as URLs. Weight and zone are stored in its
 * metadata, which holds strings only. Names may contain "/": as in go-kratos, the `name` in a value says which service
 * it belongs to.
 *
 * @throws TypeError if an option has the wrong type.
 */
export function kratos(options: KratosOptions = {}): Layout {
  checkOptions("kratos()", options, OPTIONS);
  const { version = "", secure = false } = options;
  return {
    slashes: true,
    root: ROOT,
    prefix: servicePrefix,
    serviceOf,
    write(entry) {
      checkWholeWeight("kratos", entry.weight);
      const id = options.id ?? entry.address;
      const value = goJson({
        id,
        name: entry.service,
        version,
        metadata: stringMap("kratos", entry, entry.weight),
        endpoints: [`grpc://${entry.address}${secure ? "?isSecure=true" : ""}`],
      });
      return { key: servicePrefix(entry.service) + id, value };
    },
    owns: (service, key, value) => serviceOf(key, value) === service,
    read: readEntry,
  };
}

function servicePrefix(service: string): string {
  return `${ROOT}${service}/`;
}

/** The service is named by the value, as an id may contain "/" too. */
function serviceOf(key: string, value: string): string | undefined {
  const name = nameIn(value);
  if (name === undefined) return nameBeforeId(key, ROOT);
  return key.startsWith(servicePrefix(name)) ? name : undefined;
}

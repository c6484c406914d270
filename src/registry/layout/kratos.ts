import { checkText, checkWholeWeight, stringMap } from "./attributes.ts";
import { goJson } from "./go-json.ts";
import type { Layout } from "./layout.ts";
import { readEntry } from "./read.ts";

/** What go-kratos writes beside the address. */
export interface KratosOptions {
  /** Names the server among those of its service. Defaults to its address. */
  readonly id?: string;
  /** The service's version. Defaults to "". */
  readonly version?: string;
  /** Whether the server speaks TLS (`?isSecure=true`). Defaults to false. */
  readonly secure?: boolean;
}

/**
 * go-kratos's: `/microservices/<service>/<id>` → JSON with the endpoints as URLs. Weight and zone stand in its metadata,
 * which holds strings only.
 *
 * @throws TypeError if an option is no text.
 */
export function kratos(options: KratosOptions = {}): Layout {
  const { version = "", secure = false } = options;
  if (options.id !== undefined) checkText("id", options.id);
  if (version !== "") checkText("version", version);
  return {
    prefix: (service) => `/microservices/${service}/`,
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
      return { key: `/microservices/${entry.service}/${id}`, value };
    },
    read: readEntry,
  };
}

import { quoted } from "../../../option.ts";
import type { Etcd3Source } from "./etcd3-session.ts";
import type { Etcd3Class, Etcd3Client } from "./package.ts";

/** The options that a client of the package was created with, reused for the registry's own clients. */
export interface ClientOptions {
  readonly source: Etcd3Source;
  readonly endpoints: readonly string[];
  readonly username?: string;
  readonly password?: string;
}

/** The package's options, as far as they are reused. */
interface Options {
  readonly hosts: string | readonly string[];
  readonly auth?: { readonly username: string; readonly password: string };
  readonly credentials?: unknown;
  readonly grpcOptions?: Readonly<Record<string, unknown>>;
}

/**
 * Reads where etcd is, and how it is reached, from the user's client.
 *
 * @throws TypeError if it is not a client, or if an option is given that the client already has.
 */
export function sourceOf(client: Etcd3Client, others: object): ClientOptions {
  // The package keeps them on its clients, where its types say protected.
  const options = (client as unknown as { readonly options?: Options } | null)?.options;
  if (typeof options !== "object" || options === null || !("watchClient" in client)) {
    throw new TypeError(`option client is ${quoted(client)}: expected an instance of the etcd3 package's class Etcd3`);
  }
  const both = ["Etcd3", "endpoints", "username", "password", "tls"].find((name) => name in others);
  if (both !== undefined) throw new TypeError(`option ${both} is set by the client: leave out client or ${both}`);
  const { hosts, auth, credentials, grpcOptions } = options;
  return {
    source: { Etcd3: client.constructor as Etcd3Class, credentials, grpcOptions },
    // With credentials the package speaks TLS to all its hosts, whatever their scheme.
    endpoints: [hosts].flat().map((host) => credentials ? host.replace(/^(https?:\/\/)?/, "https://") : host),
    ...(auth === undefined ? {} : { username: auth.username, password: auth.password }),
  };
}

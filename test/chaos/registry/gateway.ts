// etcd seen past the library: its JSON gateway, through which scenarios write, and look what is true.
import { Buffer } from "node:buffer";
import { readEntry } from "../../../src/registry/layout/read.ts";

/** A key as it stands. */
export interface StandingKey {
  readonly key: string;
  readonly value: string;
  /** As a decimal; "0": none. */
  readonly lease: string;
  readonly modRevision: number;
}

type Json = Record<string, unknown>;

const encode = (text: string | Uint8Array): string => Buffer.from(text as string).toString("base64");
const decode = (base64: unknown): string => Buffer.from(String(base64 ?? ""), "base64").toString();

/** One etcd's gateway. */
export class Gateway {
  readonly #url: string;
  #user: { readonly name: string; readonly password: string } | undefined;
  #token: string | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  /** Who asks, from now on. */
  login(name: string, password: string): void {
    this.#user = { name, password };
    this.#token = undefined;
  }

  /** Calls a method of etcd's, such as `kv/put`. */
  async call(method: string, body: Json = {}): Promise<Json> {
    if (this.#user !== undefined && this.#token === undefined) {
      this.#token = (await this.#post("auth/authenticate", this.#user))["token"] as string;
    }
    return await this.#post(method, body);
  }

  async #post(method: string, body: Json): Promise<Json> {
    const response = await fetch(`${this.#url}/v3/${method}`, {
      method: "POST",
      headers: this.#token === undefined ? {} : { authorization: this.#token },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    const answer = await response.json() as Json;
    if (response.ok) return answer;
    // The next call fetches a new token.
    this.#token = undefined;
    throw new Error(`etcd's ${method}: ${JSON.stringify(answer)}`);
  }

  async put(key: string | Uint8Array, value: string | Uint8Array): Promise<void> {
    await this.call("kv/put", { key: encode(key), value: encode(value) });
  }

  /** Writes many keys, each in a revision of its own, in no particular order. */
  async putAll(entries: Iterable<readonly [key: string, value: string]>, concurrency = 32): Promise<void> {
    const left = entries[Symbol.iterator]();
    const lane = async () => {
      for (let next = left.next(); !next.done; next = left.next()) await this.put(...next.value);
    };
    await Promise.all(Array.from({ length: concurrency }, lane));
  }

  async delete(key: string): Promise<void> {
    await this.call("kv/deleterange", { key: encode(key) });
  }

  /** All keys that begin with a prefix. */
  async keys(prefix: string): Promise<readonly StandingKey[]> {
    const { kvs = [] } = await this.call("kv/range", { key: encode(prefix), range_end: encode(after(prefix)) });
    return (kvs as readonly Json[]).map((kv) => ({
      key: decode(kv["key"]),
      value: decode(kv["value"]),
      lease: String(kv["lease"] ?? "0"),
      modRevision: Number(kv["mod_revision"]),
    }));
  }

  /** The addresses that a service's keys name, sorted: what the set is to be. */
  async addresses(service: string): Promise<readonly string[]> {
    const addresses = new Set<string>();
    for (const { key, value } of await this.keys(`/grpclb/${service}/`)) {
      // No registration is as large.
      if (value.length > 64 << 10) continue;
      try {
        addresses.add(readEntry(key, value).address);
      } catch {
        // To be skipped.
      }
    }
    return [...addresses].sort();
  }

  /** Each lease with the keys on it. */
  async leases(): Promise<ReadonlyMap<string, readonly string[]>> {
    const { leases = [] } = await this.call("lease/leases");
    const found = new Map<string, readonly string[]>();
    for (const { ID } of leases as readonly { ID: string }[]) {
      const { keys = [], TTL } = await this.call("lease/timetolive", { ID, keys: true });
      if (Number(TTL ?? 0) >= 0) found.set(ID, (keys as readonly unknown[]).map(decode));
    }
    return found;
  }

  async revision(): Promise<number> {
    const { header } = await this.call("kv/range", { key: encode("x") });
    return Number((header as Json)["revision"]);
  }

  /** Forgets all history but the present. */
  async compact(): Promise<void> {
    await this.call("kv/compaction", { revision: await this.revision(), physical: true });
  }

  /** Turns authentication on, with the user "root" of this password; this gateway is that user from now on. */
  async enableAuth(password: string): Promise<void> {
    await this.call("auth/user/add", { name: "root", password });
    await this.call("auth/role/add", { name: "root" });
    await this.call("auth/user/grant", { user: "root", role: "root" });
    await this.call("auth/enable");
    this.login("root", password);
  }
}

/** The first key behind all that begin with a prefix. */
function after(prefix: string): Uint8Array {
  const bytes = new TextEncoder().encode(prefix);
  bytes[bytes.length - 1]! += 1;
  return bytes;
}

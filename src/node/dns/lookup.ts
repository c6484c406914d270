import dns from "node:dns";
import { isIP } from "node:net";
import { quoted } from "../../option.ts";

/**
 * How names are looked up; tests supply their own. Both reject with a `code` of `node:dns`, or with any other error.
 */
export interface DnsLookup {
  /** The IP addresses of a host: A and AAAA records. */
  addresses(host: string): Promise<readonly string[]>;
  /** The SRV records of a name such as "_grpc._tcp.api.example.com". */
  services(name: string): Promise<readonly SrvRecord[]>;
}

/** One SRV record (RFC 2782). */
export interface SrvRecord {
  /** The host; "." means that the service does not exist. */
  readonly name: string;
  /** The port. */
  readonly port: number;
  /** Only the records with the lowest priority are used, while there are any. */
  readonly priority: number;
  /** The share of calls among records of one priority. */
  readonly weight: number;
}

/** How long one query may take, in milliseconds, and how many times it is sent. */
const QUERY = { timeout: 2_000, tries: 2 };

/**
 * The system's lookup: addresses as all programs see them, with /etc/hosts and search domains; SRV records from the
 * system's DNS servers.
 */
export function systemLookup(): DnsLookup {
  const resolver = new dns.promises.Resolver(QUERY);
  return {
    async addresses(host) {
      return (await dns.promises.lookup(host, { all: true })).map(({ address }) => address);
    },
    services: (name) => resolver.resolveSrv(name),
  };
}

/**
 * Queries these DNS servers and nothing else.
 *
 * @throws TypeError for invalid server addresses
 */
export function serverLookup(servers: readonly string[]): DnsLookup {
  const resolver = new dns.promises.Resolver(QUERY);
  try {
    resolver.setServers(servers);
  } catch (cause) {
    const given = servers.map(quoted).join(", ");
    throw new TypeError(`option servers is [${given}]: expected addresses such as "127.0.0.1:8600"`, { cause });
  }
  return {
    async addresses(host) {
      if (isIP(host) !== 0) return [host];
      const both = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
      const found = both.flatMap((one) => (one.status === "fulfilled" ? one.value : []));
      const [first, second] = both;
      // Many hosts have only one kind of record, and some servers fail for the other.
      if (found.length === 0 && first.status === "rejected") {
        throw isNotFound(first.reason) && second.status === "rejected" ? second.reason : first.reason;
      }
      return found;
    },
    services: (name) => resolver.resolveSrv(name),
  };
}

/** Whether the DNS said that there are no records, rather than failing to answer. */
export function isNotFound(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return code === "ENOTFOUND" || code === "ENODATA";
}

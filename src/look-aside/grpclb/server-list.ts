import type { Server } from "../../../gen/grpc/lb/v1/load_balancer_pb.ts";
import type { Endpoint } from "../../endpoint.ts";

/** An entry of a list: a server, or a turn at which calls are dropped. */
export interface ServerEntry {
  /** `host:port`; undefined: calls are dropped. */
  readonly address: string | undefined;
  /** Sent to the server with each call, or counted in reports if calls are dropped. */
  readonly token: string;
}

/** A list of servers as a balancer sent it. */
export class ServerList {
  /** In the balancer's order; a server that stands in it twice gets twice as many calls. */
  readonly entries: readonly ServerEntry[];
  /** Whether there are turns at which calls are dropped. */
  readonly drops: boolean;
  /** Each server once. */
  readonly endpoints: readonly Endpoint[];

  constructor(servers: readonly Server[]) {
    this.entries = servers.map(entryOf);
    this.drops = servers.some(({ drop }) => drop);
    const metadata = new Placement(this);
    const addresses = new Set(this.entries.flatMap(({ address }) => address ?? []));
    this.endpoints = [...addresses].map((address) => ({ address, metadata }));
  }
}

/** The metadata of a list's endpoints: the list. Its tokens are not shown where metadata is. */
class Placement {
  readonly #list: ServerList;

  constructor(list: ServerList) {
    this.#list = list;
  }

  get list(): ServerList {
    return this.#list;
  }
}

/** The list that an endpoint is from; undefined if it is from elsewhere. */
export function listOf({ metadata }: Endpoint): ServerList | undefined {
  return metadata instanceof Placement ? metadata.list : undefined;
}

/** What a request can carry as metadata. */
const TOKEN = /^[\x21-\x7e](?:[\x20-\x7e]{0,1022}[\x21-\x7e])?$/;

function entryOf({ ipAddress, port, loadBalanceToken, drop }: Server): ServerEntry {
  const token = TOKEN.test(loadBalanceToken) ? loadBalanceToken : "";
  return { address: drop ? undefined : `${hostOf(ipAddress)}:${port}`, token };
}

/** Four bytes before which an IPv6 address stands for an IPv4 address (RFC 4291 section 2.5.5.2). */
const MAPPED = /^(?:0,){10}255,255,/;

/** An IP address in network byte order as the host of an address. Other bytes become a host that no endpoint has. */
function hostOf(bytes: Uint8Array): string {
  if (bytes.length === 16 && MAPPED.test(bytes.join())) return hostOf(bytes.subarray(12));
  if (bytes.length === 4) return bytes.join(".");
  if (bytes.length !== 16) return `(an IP address of ${bytes.length} bytes)`;
  const groups = Array.from({ length: 8 }, (_, i) => (bytes[2 * i]! << 8 | bytes[2 * i + 1]!).toString(16));
  // The canonical form.
  return new URL(`http://[${groups.join(":")}]/`).hostname;
}

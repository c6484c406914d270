import { type Endpoint, parseAddress } from "../../endpoint.ts";
import { shownText } from "../../shown-text.ts";
import type { Finding } from "./finding.ts";
import type { RegisteredKey } from "./registered-keys.ts";

/** Servers that registered an address which each machine understands as its own, while etcd is on another machine. */
export function loopbackHosts(keys: readonly RegisteredKey[], etcd: readonly Endpoint[]): readonly Finding[] {
  if (etcd.some(isLoopback)) return [];
  return keys.flatMap(({ key, endpoint }) =>
    endpoint === undefined || !isLoopback(endpoint) ? [] : [{
      severity: "error",
      what: "a server registered a loopback host: clients on other machines would call themselves",
      where: `${shownText(key)}: ${endpoint.address}`,
      next: "register the host by which other machines reach the server, such as its IP address or its DNS name",
    }]
  );
}

function isLoopback({ address }: Endpoint): boolean {
  let host: string;
  try {
    host = parseAddress(address).host;
  } catch {
    // A Unix socket.
    return true;
  }
  return /^127(\.\d{1,3}){3}$/.test(host) || /^(.*\.)?localhost\.?$/i.test(host) || /^(0*:)*0*1$/.test(host);
}

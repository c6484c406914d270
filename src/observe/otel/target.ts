import { parseAddress, unixPath } from "../../endpoint.ts";
import { shownText } from "../../shown-text.ts";
import type { Attributes } from "./api.ts";

const HAS_SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** A transport's target as gRPC spells it in `grpc.target`: `etcd:///simple_grpc`. */
export function canonicalTarget(target: string, scheme: string | undefined): string {
  return shownText(HAS_SCHEME.test(target) ? target : `${scheme ?? "connect-lb"}:///${target}`);
}

/** The same as OpenTelemetry's `server.address` and `server.port`; a target without a host is one address as a whole. */
export function serverAttributes(canonical: string): Attributes {
  const [, name] = /^dns:\/\/[^/]*\/(.+)$/.exec(canonical) ?? [];
  if (name === undefined) return { "server.address": canonical };
  const [host, port] = split(name);
  return { "server.address": host, ...port !== undefined && { "server.port": port } };
}

/** An endpoint's or a client's address as OpenTelemetry's `network.peer.address` and `network.peer.port`. */
export function peerAttributes(address: string): Attributes {
  const [host, port] = split(address);
  return { "network.peer.address": host, ...port !== undefined && { "network.peer.port": port } };
}

function split(address: string): [host: string, port: number | undefined] {
  const path = unixPath(address);
  if (path !== undefined) return [shownText(path), undefined];
  try {
    const { host, port } = parseAddress(address);
    return [host, port];
  } catch {
    return [shownText(address), undefined];
  }
}

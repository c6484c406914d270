import type { Connector } from "../../../src/connection/link.ts";
import { COMPILED_CODERS } from "../../../src/grpc/compiled-coders.ts";
import { GrpcLink } from "../../../src/grpc/link/grpc-link.ts";
import { type GrpcLinkOptions, linkSettings } from "../../../src/grpc/link/options.ts";
import { binaryFormat } from "../../../src/grpc/message-format.ts";
import type { Network } from "../network/network.ts";
import type { Process } from "./process.ts";

/** What `grpcConnector()` is, over the simulated network. */
export function simulatedConnector(
  process: Process,
  node: string,
  network: Network,
  options: GrpcLinkOptions = {},
): Connector {
  const { clock, chance, scheduleFlush } = process;
  const settings = {
    ...linkSettings({ ...options, clock }, scheduleFlush, chance.of("links").next),
    format: binaryFormat(undefined, COMPILED_CODERS),
  };
  return (endpoint, events) => {
    const { address } = endpoint;
    const open = (signal: AbortSignal) => network.dial(process, node, address, signal);
    return new GrpcLink(endpoint, { scheme: "http", authority: address, negotiates: true, open }, settings, events);
  };
}

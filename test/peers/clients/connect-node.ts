// Calls by connect-node: `connect-node.ts <address> [tls|mtls] [--tiny-windows]`. Prints a line for each thing it tries.
import process from "node:process";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
import { compressionGzip } from "@connectrpc/connect-node";
import { ca, client as identity } from "../../support/tls.ts";
import { connectClient } from "./connect.ts";
import { LARGE, tryAll } from "./tries.ts";

const [address, security] = process.argv.slice(2) as [string, string | undefined];
const windows = process.argv.includes("--tiny-windows") ? { settings: { initialWindowSize: 1_000 } } : {};
const tls = security === "mtls" ? { ca, ...identity } : security === "tls" ? { ca } : {};

await tryAll((compress) => {
  const baseUrl = `${security === undefined || security.startsWith("--") ? "http" : "https"}://${address}`;
  const nodeOptions = { ...tls, ...windows };
  const sessionManager = new Http2SessionManager(baseUrl, {}, nodeOptions);
  const transport = createGrpcTransport({
    baseUrl,
    sessionManager,
    ...(compress === "compress" && { sendCompression: compressionGzip }),
  });
  return connectClient(transport, () => sessionManager.abort());
}, process.argv.includes("--tiny-windows") ? LARGE : []);
process.exit(0);

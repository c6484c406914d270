import type { Transport } from "@connectrpc/connect";
import { createGrpcTransport, Http2SessionManager } from "@connectrpc/connect-node";
export function ourTransport(
  address: string,
  { readMaxBytes }: { readMaxBytes?: number },
): { transport: Transport; close(): void } {
  const sessionManager = new Http2SessionManager(`http://${address}`);
  const options = { baseUrl: `http://${address}`, sessionManager, ...(readMaxBytes !== undefined && { readMaxBytes }) };
  return { transport: createGrpcTransport(options), close: () => sessionManager.abort() };
}

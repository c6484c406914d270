import { MAX_DELAY_MS } from "../../time/clock.ts";
import { parseTimeoutField } from "../timeout.ts";

/** Connect's own field: milliseconds, in at most ten digits. */
const CONNECT = "connect-timeout-ms";
/** That of gRPC-Web. */
const GRPC_WEB = "grpc-timeout";

/**
 * A request's header section whose timeout fits a timer. Connect's handlers make one of it as it is, and more than a
 * timer takes would end the call at once. What is above `maxTimeoutMs` stays: the handler refuses it.
 */
export function withTimerLimit(header: Headers, maxTimeoutMs: number): Headers {
  const tooLong = (timeoutMs: number) => timeoutMs > MAX_DELAY_MS && timeoutMs <= maxTimeoutMs;
  let limited = header;
  const limit = (name: string, value: string) => {
    if (limited === header) limited = new Headers(header);
    limited.set(name, value);
  };
  const connect = header.get(CONNECT), grpcWeb = header.get(GRPC_WEB);
  if (connect !== null && /^\d{10}$/.test(connect) && tooLong(Number(connect))) limit(CONNECT, String(MAX_DELAY_MS));
  // Eight digits hold no more than seconds here.
  if (grpcWeb !== null && tooLong(parseTimeoutField(grpcWeb) ?? 0)) {
    limit(GRPC_WEB, `${Math.floor(MAX_DELAY_MS / 1_000)}S`);
  }
  return limited;
}

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
  const connect = header.get(CONNECT), grpcWeb = header.get(GRPC_WEB);
  if (connect !== null && /^\d{10}$/.test(connect) && tooLong(Number(connect))) {
    header = replaced(header, CONNECT, String(MAX_DELAY_MS));
  }
  // What is no timeout is not too long either. Eight digits hold no more than seconds here.
  if (grpcWeb !== null && tooLong(Number(parseTimeoutField(grpcWeb)))) {
    header = replaced(header, GRPC_WEB, `${Math.floor(MAX_DELAY_MS / 1_000)}S`);
  }
  return header;
}

function replaced(header: Headers, name: string, value: string): Headers {
  const changed = new Headers(header);
  changed.set(name, value);
  return changed;
}

import { Code, ConnectError } from "@connectrpc/connect";
import type { HeaderBlock } from "../../http2/wire/header-block.ts";
import { parseTimeoutField } from "../timeout.ts";
import type { Exchange, Route } from "./route.ts";
import type { Routes } from "./router.ts";

/** What gRPC reads from the header section of a call; determined once for equal sections. */
export interface CallInfo {
  readonly route: Route;
  readonly exchange: Exchange;
  /** `grpc-timeout`; undefined if there is none. */
  readonly timeoutMs: number | undefined;
  /** What is wrong with the request's header section, if anything is. */
  readonly problem: ConnectError | undefined;
}

/** A request of another protocol, or that gRPC refuses. */
interface OtherInfo {
  /** Undefined where there is no such method. */
  readonly route: Route | undefined;
  readonly exchange: undefined;
}

/** What a request is. */
export type RequestInfo = CallInfo | OtherInfo;

/** Reads a request's header section. */
export function requestInfo(head: HeaderBlock, routes: Routes): RequestInfo {
  return (head.memo ??= readRequest(head, routes)) as RequestInfo;
}

/**
 * Clients that send deadlines send another header section with each call, so this must be cheap: the method by its
 * path, and one look at each field.
 */
function readRequest(head: HeaderBlock, routes: Routes): RequestInfo {
  const route = routes.find(head.path);
  if (route === undefined || !route.options.grpc) {
    return { route, exchange: undefined };
  }
  let contentType = "", encoding = "", acceptEncoding = "", timeout: string | undefined;
  const { fields } = head;
  for (let i = 0; i < fields.length; i += 2) {
    switch (fields[i]) {
      case "content-type":
        contentType = fields[i + 1]!;
        break;
      case "grpc-encoding":
        encoding = fields[i + 1]!;
        break;
      case "grpc-accept-encoding":
        acceptEncoding = acceptEncoding === "" ? fields[i + 1]! : `${acceptEncoding},${fields[i + 1]}`;
        break;
      case "grpc-timeout":
        timeout = fields[i + 1]!;
    }
  }
  const exchange = route.exchange(contentType, encoding, acceptEncoding);
  if (exchange === undefined) return { route, exchange };
  let { problem } = exchange;
  let timeoutMs: number | undefined;
  if (timeout !== undefined) {
    timeoutMs = parseTimeoutField(timeout);
    problem ??= timeoutProblem(timeout, timeoutMs, route.options.maxTimeoutMs);
  }
  return { route, exchange, timeoutMs, problem };
}

function timeoutProblem(field: string, timeoutMs: number | undefined, maxTimeoutMs: number): ConnectError | undefined {
  if (timeoutMs === undefined) {
    const shown = field.slice(0, 100);
    return new ConnectError(`protocol error: invalid grpc timeout value: ${shown}`, Code.InvalidArgument);
  }
  if (timeoutMs === 0) return new ConnectError("the operation timed out", Code.DeadlineExceeded);
  if (timeoutMs <= maxTimeoutMs) return undefined;
  return new ConnectError(`timeout ${timeoutMs}ms must be <= ${maxTimeoutMs}`, Code.InvalidArgument);
}

/** Whether a content type is one of gRPC's, whatever the format of its messages. */
export function isGrpc(contentType: string): boolean {
  return /^application\/grpc(?:$|[+; \t])/i.test(contentType);
}

import { ConnectError, type HandlerContext, type Interceptor } from "@connectrpc/connect";
import { guarded } from "../../listener.ts";
import type { FailedCall } from "./options.ts";

/** Reports what a handler threw, unless it is a ConnectError, which the client gets. */
export type ErrorReport = (error: unknown, call: FailedCall) => void;

/** The report of a server's `onError` option; without it, errors are printed. */
export function errorReport(onError: ((error: unknown, call: FailedCall) => void) | undefined): ErrorReport {
  return (error, call) => {
    if (error instanceof ConnectError) return;
    if (onError !== undefined) return guarded("an onError listener", () => onError(error, call));
    const { parent, name } = call.method;
    console.error(`connect-lb: the handler of ${parent.typeName}.${name} threw`, error);
  };
}

/** Reports errors on Connect's path, where it must be the first of all interceptors. */
export function reportingInterceptor(report: ErrorReport): Interceptor {
  return (next) => async (request) => {
    const { method, url, header: requestHeader, signal } = request;
    const failed = (error: unknown) => {
      // What a cancelled call throws is no news.
      if (!signal.aborted) report(error, { method, url, requestHeader });
    };
    try {
      const response = await next(request);
      return response.stream ? { ...response, message: reported(response.message, failed) } : response;
    } catch (error) {
      failed(error);
      throw error;
    }
  };
}

async function* reported<T>(messages: AsyncIterable<T>, failed: (error: unknown) => void): AsyncIterable<T> {
  try {
    yield* messages;
  } catch (error) {
    failed(error);
    throw error;
  }
}

/** Reports errors of a request gate. */
export function reportingGate(
  report: ErrorReport,
  gate: (context: HandlerContext) => void | Promise<void>,
): (context: HandlerContext) => Promise<void> {
  return async (context) => {
    try {
      await gate(context);
    } catch (error) {
      report(error, context);
      throw error;
    }
  };
}

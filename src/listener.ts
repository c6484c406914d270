import { shownTextOf } from "./error-text.ts";

/**
 * Calls an event listener. An error that it throws is printed and can't reach the library's own loops.
 *
 * So that `onEvent: console.log` reads well, an event prints the message of its `cause` as `reason` instead of the
 * error with all its stacks; `cause` itself can still be read.
 */
export function emit<E extends object>(listener: ((event: E) => void) | undefined, event: E): void {
  if (listener === undefined) return;
  const { cause, ...shown } = event as E & { readonly cause?: Error };
  if (cause !== undefined) {
    Object.assign(shown, { reason: shownTextOf(cause) });
    Object.defineProperty(shown, "cause", { value: cause, enumerable: false });
  }
  notify("onEvent", listener, shown as unknown as E);
}

/** Calls a user's listener, as {@link guarded} does. */
export function notify<T>(name: string, listener: (value: T) => unknown, value: T): void {
  try {
    printRejection(`an ${name} listener`, listener(value));
  } catch (error) {
    printThrown(`an ${name} listener`, error);
  }
}

/**
 * Runs code that a user wrote. Errors that it throws, or that it rejects with if it is async, are printed and otherwise
 * ignored: an unhandled rejection would end the process.
 */
export function guarded(what: string, run: () => unknown): void {
  try {
    printRejection(what, run());
  } catch (error) {
    printThrown(what, error);
  }
}

/** Prints what a promise that user-written code returned rejects with. */
export function printRejection(what: string, result: unknown): void {
  if (result === undefined) return;
  // Not `instanceof Promise`: under Jest, user-written code has another Promise.
  const { then } = (result ?? {}) as Partial<PromiseLike<unknown>>;
  if (typeof then === "function") then.call(result, undefined, (error) => printThrown(what, error));
}

/** Prints what user-written code threw. */
export function printThrown(what: string, error: unknown): void {
  console.error(`connect-lb: ${what} threw`, error);
}
